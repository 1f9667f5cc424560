//! Decoding of files as UTF-8. All files that hotplate reads as text are decoded here.

use crate::diagnostic::Diagnostic;
use crate::template::MARK;

/// The number of bytes at the beginning of a text by which its encoding is recognized.
const SAMPLE_BYTES: usize = 1024;

/// Decodes bytes as UTF-8, without a byte order mark at the beginning. Line ends are kept.
///
/// ```
/// use hotplate_actors::text::decode;
///
/// assert_eq!(decode(b"\xef\xbb\xbf<p>\r\n".to_vec())?, "<p>\r\n");
/// let refused = decode(b"\xff\xfe<\0p\0>\0".to_vec()).expect_err("another encoding");
/// assert!(refused.message.contains("UTF-16"));
/// # Ok::<(), Box<hotplate_actors::Diagnostic>>(())
/// ```
///
/// # Errors
/// A [`Diagnostic`] with the code `not-utf8` that names the encoding if it can be recognized, or else the first position that is not
/// UTF-8.
pub fn decode(mut bytes: Vec<u8>) -> Result<String, Box<Diagnostic>> {
    if let Some(encoding) = Encoding::of(&bytes) {
        return Err(Box::new(encoding.diagnostic()));
    }
    let mut mark = [0; 4];
    let mark = MARK.encode_utf8(&mut mark).as_bytes();
    if bytes.starts_with(mark) {
        bytes.drain(..mark.len());
    }
    String::from_utf8(bytes).map_err(|error| Box::new(not_utf8(&error)))
}

/// An encoding other than UTF-8 that can be recognized from the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Utf16Little,
    Utf16Big,
    Utf32Little,
    Utf32Big,
}

impl Encoding {
    /// Recognizes an encoding by its byte order mark; without one, by the zero bytes of UTF-16, since most characters of a markup language
    /// are below 256.
    fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xFF, 0xFE, 0, 0, ..] => return Some(Self::Utf32Little),
            [0, 0, 0xFE, 0xFF, ..] => return Some(Self::Utf32Big),
            [0xFF, 0xFE, ..] => return Some(Self::Utf16Little),
            [0xFE, 0xFF, ..] => return Some(Self::Utf16Big),
            _ => {}
        }
        let sample = &bytes[..bytes.len().min(SAMPLE_BYTES)];
        if !bytes.len().is_multiple_of(2) || memchr::memchr(0, sample).is_none() {
            return None;
        }
        let pairs = sample.chunks_exact(2);
        let (mut first, mut second) = (0, 0);
        for pair in pairs.clone() {
            first += usize::from(pair[0] == 0);
            second += usize::from(pair[1] == 0);
        }
        let most = |zeros: usize| zeros * 2 > pairs.len();
        match (first, second) {
            (0, second) if most(second) => Some(Self::Utf16Little),
            (first, 0) if most(first) => Some(Self::Utf16Big),
            _ => None,
        }
    }

    fn diagnostic(self) -> Diagnostic {
        let (name, iconv) = match self {
            Self::Utf16Little => ("UTF-16 (little-endian)", "UTF-16LE"),
            Self::Utf16Big => ("UTF-16 (big-endian)", "UTF-16BE"),
            Self::Utf32Little => ("UTF-32 (little-endian)", "UTF-32LE"),
            Self::Utf32Big => ("UTF-32 (big-endian)", "UTF-32BE"),
        };
        Diagnostic::error(
            "not-utf8",
            format!("the file is encoded in {name}, and has to be UTF-8"),
        )
        .help(format!(
            "save it as UTF-8 in the editor, or convert it with `iconv -f {iconv} -t UTF-8 FILE > NEW`"
        ))
    }
}

fn not_utf8(error: &std::string::FromUtf8Error) -> Diagnostic {
    let at = error.utf8_error().valid_up_to();
    let bytes = error.as_bytes();
    let valid = String::from_utf8_lossy(&bytes[..at]);
    let rest = String::from_utf8_lossy(&bytes[at..bytes.len().min(at + 80)]);
    let shown = format!("{valid}{rest}");
    Diagnostic::error("not-utf8", "the file is not UTF-8 from here on")
        .at(
            &shown,
            valid.len()..valid.len() + char::REPLACEMENT_CHARACTER.len_utf8(),
        )
        .help("save it as UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn a_byte_order_mark_is_removed() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"\xef\xbb\xbf", ""),
            (b"\xef\xbb\xbfa\r\nb\n", "a\r\nb\n"),
            ("\u{feff}\u{feff}a".as_bytes(), "\u{feff}a"),
            ("a\u{feff}b".as_bytes(), "a\u{feff}b"),
            (b"a\0b", "a\0b"),
            (b"\0", "\0"),
        ] {
            assert_eq!(decode(bytes.to_vec()).expect("UTF-8"), text, "{bytes:?}");
        }
    }

    #[test]
    fn other_encodings_are_named() {
        let markup = "<p>Grüße, Привет</p>\r\n";
        for (bytes, name) in [
            (utf16(&format!("\u{feff}{markup}"), u16::to_le_bytes), "UTF-16LE"),
            (utf16(&format!("\u{feff}{markup}"), u16::to_be_bytes), "UTF-16BE"),
            (utf16(markup, u16::to_le_bytes), "UTF-16LE"),
            (utf16(markup, u16::to_be_bytes), "UTF-16BE"),
            (utf16("x", u16::to_le_bytes), "UTF-16LE"),
            (b"\xff\xfe\0\0a\0\0\0".to_vec(), "UTF-32LE"),
            (b"\0\0\xfe\xff\0\0\0a".to_vec(), "UTF-32BE"),
        ] {
            let refused = decode(bytes).expect_err("not UTF-8");
            assert_eq!(refused.code, "not-utf8");
            let help = refused.help.clone().unwrap_or_default();
            assert!(help.contains(&format!("iconv -f {name} ")), "{name}: {refused}");
        }
    }

    #[test]
    fn the_first_invalid_position_is_shown() {
        let refused = decode(b"\xef\xbb\xbfone\nca\xe9".to_vec()).expect_err("Latin 1");
        let span = refused.span.expect("a place");
        assert_eq!((span.line, span.column), (2, 3), "{refused}");
    }
}
