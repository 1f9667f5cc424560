//! Positions in HTML that escaping does not protect: an attribute without quotes, an event handler, a `javascript:` URL, a script, a
//! stylesheet.
//!
//! A state machine follows tags and attributes in one pass, only as precisely as these positions require. It knows no types, so a number is
//! reported like a text.

use std::ops::Range;

use memchr::{memchr, memmem};

use crate::diagnostic::Diagnostic;

/// The form in which a value is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Printed {
    /// The value itself.
    Value,
    /// JSON, which is safe inside a script.
    Json,
}

/// A position in HTML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HtmlPosition {
    Text,
    Comment,
    /// In a closing tag or a declaration, which is skipped up to `>`.
    Skipped,
    /// Between the attributes of a tag with this content.
    Tag(Content),
    /// After the `=` of an attribute.
    Equals(Content, Attribute),
    Unquoted(Content, Attribute),
    Quoted {
        content: Content,
        attribute: Attribute,
        quote: u8,
        /// The number of bytes of `javascript:` with which the value begins; [`OTHER_URL`] if it begins differently.
        scheme: u8,
    },
    Inside(Content),
}

/// The content of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Text,
    Script,
    Style,
}

/// A kind of attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attribute {
    Handler,
    Other,
}

const SCHEME: &[u8] = b"javascript:";
const OTHER_URL: u8 = u8::MAX;

impl HtmlPosition {
    /// Returns the position after some text.
    pub(super) fn after(mut self, mut text: &[u8]) -> Self {
        while !text.is_empty() {
            let (next, taken) = self.step(text);
            self = next;
            text = text.get(taken.max(1)..).unwrap_or_default();
        }
        self
    }

    /// Returns the position after the next step of some text, and the bytes that the step takes.
    fn step(self, text: &[u8]) -> (Self, usize) {
        let end = text.len();
        match self {
            Self::Text => match memchr(b'<', text) {
                Some(at) => {
                    let (place, taken) = opened(&text[at + 1..]);
                    (place, at + 1 + taken)
                }
                None => (self, end),
            },
            Self::Comment => match memmem::find(text, b"-->") {
                Some(at) => (Self::Text, at + 3),
                None => (self, end),
            },
            Self::Skipped => match memchr(b'>', text) {
                Some(at) => (Self::Text, at + 1),
                None => (self, end),
            },
            Self::Tag(content) => match text.iter().position(|byte| matches!(byte, b'>' | b'=')) {
                Some(at) if text[at] == b'>' => (content.place(), at + 1),
                Some(at) => (Self::Equals(content, Attribute::before(&text[..at])), at + 1),
                None => (self, end),
            },
            Self::Equals(content, attribute) => match text[0] {
                blank if blank.is_ascii_whitespace() => (self, 1),
                quote @ (b'"' | b'\'') => {
                    let scheme = 0;
                    let quoted = Self::Quoted {
                        content,
                        attribute,
                        quote,
                        scheme,
                    };
                    (quoted, 1)
                }
                b'>' => (content.place(), 1),
                _ => (Self::Unquoted(content, attribute), 1),
            },
            Self::Unquoted(content, _) => {
                match text.iter().position(|byte| *byte == b'>' || byte.is_ascii_whitespace()) {
                    Some(at) if text[at] == b'>' => (content.place(), at + 1),
                    Some(at) => (Self::Tag(content), at + 1),
                    None => (self, end),
                }
            }
            Self::Quoted {
                content,
                attribute,
                quote,
                scheme,
            } => match memchr(quote, text) {
                Some(at) => (Self::Tag(content), at + 1),
                None => {
                    let scheme = scheme_after(scheme, text);
                    let quoted = Self::Quoted {
                        content,
                        attribute,
                        quote,
                        scheme,
                    };
                    (quoted, end)
                }
            },
            Self::Inside(content) => match memchr(b'<', text) {
                Some(at) if content.is_closed_by(&text[at..]) => (Self::Skipped, at + 1),
                Some(at) => (self, at + 1),
                None => (self, end),
            },
        }
    }

    /// Returns the position after a value.
    pub(super) fn after_value(self) -> Self {
        match self {
            Self::Equals(content, attribute) => Self::Unquoted(content, attribute),
            Self::Quoted {
                content,
                attribute,
                quote,
                scheme,
            } if usize::from(scheme) != SCHEME.len() => Self::Quoted {
                content,
                attribute,
                quote,
                scheme: OTHER_URL,
            },
            _ => self,
        }
    }

    /// Returns the gap in the protection of a printed value at this position, if there is one.
    pub(super) fn gap(self, printed: Printed) -> Option<EscapingGap> {
        if printed == Printed::Json && self == Self::Inside(Content::Script) {
            return None;
        }
        match self {
            Self::Equals(_, Attribute::Handler)
            | Self::Unquoted(_, Attribute::Handler)
            | Self::Quoted {
                attribute: Attribute::Handler,
                ..
            } => Some(EscapingGap::Handler),
            Self::Equals(..) | Self::Unquoted(..) => Some(EscapingGap::Unquoted),
            Self::Quoted { scheme, .. } if usize::from(scheme) == SCHEME.len() => Some(EscapingGap::Url),
            Self::Inside(Content::Script) => Some(EscapingGap::Script),
            Self::Inside(Content::Style) => Some(EscapingGap::Style),
            _ => None,
        }
    }
}

/// Returns the position after a `<`, and the bytes by which it is recognized.
fn opened(text: &[u8]) -> (HtmlPosition, usize) {
    match text {
        [b'!', b'-', b'-', ..] => (HtmlPosition::Comment, 3),
        [b'!' | b'/' | b'?', ..] => (HtmlPosition::Skipped, 1),
        [first, ..] if first.is_ascii_alphabetic() => {
            let is_end = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/');
            let length = text.iter().position(is_end).unwrap_or(text.len());
            let name = &text[..length];
            let content = if name.eq_ignore_ascii_case(b"script") {
                Content::Script
            } else if name.eq_ignore_ascii_case(b"style") {
                Content::Style
            } else {
                Content::Text
            };
            (HtmlPosition::Tag(content), length)
        }
        _ => (HtmlPosition::Text, 0),
    }
}

/// Returns the state of [`HtmlPosition::Quoted`]'s `scheme` after more text of the value.
fn scheme_after(mut scheme: u8, text: &[u8]) -> u8 {
    for byte in text {
        match SCHEME.get(usize::from(scheme)) {
            None => break,
            Some(_) if byte.is_ascii_whitespace() => {}
            Some(expected) if byte.eq_ignore_ascii_case(expected) => scheme += 1,
            Some(_) => return OTHER_URL,
        }
    }
    scheme
}

impl Content {
    fn place(self) -> HtmlPosition {
        match self {
            Self::Text => HtmlPosition::Text,
            _ => HtmlPosition::Inside(self),
        }
    }

    fn is_closed_by(self, text: &[u8]) -> bool {
        let end: &[u8] = if self == Self::Script { b"</script" } else { b"</style" };
        text.get(..end.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(end))
    }
}

impl Attribute {
    /// Returns the kind of the attribute whose `=` follows this text of its tag.
    fn before(text: &[u8]) -> Self {
        let text = text.trim_ascii_end();
        let is_end = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'/');
        let name = text.rsplit(is_end).next().unwrap_or_default();
        let is_handler =
            name.len() > 4 && name[..2].eq_ignore_ascii_case(b"on") && name.iter().all(u8::is_ascii_alphabetic);
        if is_handler { Self::Handler } else { Self::Other }
    }
}

/// A position that escaping does not protect.
#[derive(Debug, Clone, Copy)]
pub(super) enum EscapingGap {
    Unquoted,
    Handler,
    Url,
    Script,
    Style,
}

impl EscapingGap {
    /// Returns the warning about the value at a range of a text. `json` is what to write for a value as JSON.
    #[cold]
    pub(super) fn warning(self, text: &str, range: Range<usize>, json: &str) -> Diagnostic {
        let (code, place, help) = match self {
            Self::Unquoted => (
                "unquoted-attribute",
                "an attribute without quotes",
                "put quotes around the attribute".to_owned(),
            ),
            Self::Handler => ("event-handler", "an event handler", DATA_ATTRIBUTE.to_owned()),
            Self::Url => ("javascript-url", "a `javascript:` URL", DATA_ATTRIBUTE.to_owned()),
            Self::Script => ("value-in-script", "a script", format!("write it as JSON with `{json}`")),
            Self::Style => (
                "value-in-style",
                "a stylesheet",
                "choose between classes instead".to_owned(),
            ),
        };
        let message = format!("HTML escaping does not protect a value in {place}");
        Diagnostic::warning(code, message).at(text, range).help(help)
    }
}

const DATA_ATTRIBUTE: &str = "put the value into a `data-` attribute and let a script read it there";
