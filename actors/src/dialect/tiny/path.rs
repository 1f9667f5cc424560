//! Paths such as `order.items.0.name`, and keywords such as `@index`.

use std::ops::Range;

use crate::suggestion::suggestion;

use super::foreign;
use super::foreign::expression;
use super::piece::{Piece, TextRange};
use super::shorten::shorten;
use super::tag::TagError;

/// The parsed form of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Path {
    /// `@root`: the whole context.
    Root(TextRange),
    /// `@index`, `@first` or `@last` of the innermost loop.
    Turn(LoopVariable, TextRange),
    /// One step of ASCII letters, digits and underscores.
    Name(TextRange),
    /// One or more valid steps with dots between them.
    Steps(TextRange),
}

impl Path {
    /// Returns the position in the text.
    pub(super) fn part(&self) -> TextRange {
        match self {
            Self::Root(part) | Self::Turn(_, part) | Self::Name(part) | Self::Steps(part) => *part,
        }
    }
}

/// The state of a loop that a template can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LoopVariable {
    Index,
    First,
    Last,
}

/// The use of a path, which decides which keywords are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathUse {
    Value,
    Formatted,
    Condition,
    Loop,
    With,
    Call,
}

impl PathUse {
    /// Returns the use in words.
    fn of_tag(self) -> &'static str {
        match self {
            Self::Value => "a value",
            Self::Formatted => "a value with a formatter",
            Self::Condition => "`if`",
            Self::Loop => "`for`",
            Self::With => "`with`",
            Self::Call => "`call`",
        }
    }
}

/// The longest path, in bytes.
pub(super) const PATH_BYTES_MAX: usize = u16::MAX as usize;

const KEYWORDS: [&str; 4] = ["@index", "@first", "@last", "@root"];

/// Parses a path with a given use, inside a loop or not.
#[inline]
pub(super) fn path(piece: Piece<'_>, place: PathUse, in_loop: bool) -> Result<Path, TagError> {
    plain_name(piece).map_or_else(|| any_path(piece, place, in_loop), Ok)
}

/// Parses the most frequent form of a path: one step of plain characters, which is always valid.
#[inline]
pub(super) fn plain_name(piece: Piece<'_>) -> Option<Path> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let is_name = (1..=PATH_BYTES_MAX).contains(&piece.text.len()) && piece.text.as_bytes().iter().all(is_plain);
    is_name.then(|| Path::Name(piece.part()))
}

fn any_path(piece: Piece<'_>, place: PathUse, in_loop: bool) -> Result<Path, TagError> {
    if piece.text.starts_with('@') {
        return keyword(piece, place, in_loop);
    }
    if piece.text.is_empty() {
        let help = "name what to look up, such as `name` or `order.total`";
        return Err(TagError::new("empty-path", piece.range(), "a path is missing here").help(help));
    }
    if piece.text.len() > PATH_BYTES_MAX {
        let message = format!("a path of more than {PATH_BYTES_MAX} bytes");
        return Err(TagError::new("path-too-long", piece.range(), message).help("is a closing `}` missing?"));
    }
    let mut bad_step = None;
    let mut start = 0;
    let bytes = piece.text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'.' => {
                bad_step = bad_step.or_else(|| fault_in_step(piece, start..at));
                start = at + 1;
            }
            byte if is_odd(*byte) => return Err(no_path(piece, place)),
            _ => {}
        }
    }
    if !piece.text.is_ascii() && piece.text.contains(char::is_whitespace) {
        return Err(no_path(piece, place));
    }
    match bad_step.or_else(|| fault_in_step(piece, start..bytes.len())) {
        None => Ok(Path::Steps(piece.part())),
        Some(fault) => Err(fault),
    }
}

/// Returns the error in one step of a path, if it has one.
#[inline]
fn fault_in_step(piece: Piece<'_>, range: Range<usize>) -> Option<TagError> {
    let step = &piece.text.as_bytes()[range.clone()];
    if !step.is_empty() && step[0] != b'+' {
        return None;
    }
    let place = piece.start + range.start..piece.start + range.end;
    let digits = step.strip_prefix(b"+").unwrap_or_default();
    if step.is_empty() {
        let message = format!("the path `{}` has an empty step", shorten(piece.text));
        let help = match expression::loop_word(piece.text).or_else(|| {
            let bare = piece.text.trim_start_matches(['.', '/']);
            let path = expression::as_path(piece.text).filter(|path| path == bare);
            path.map(|path| format!("write `{path}`: a path begins with a name"))
        }) {
            Some(help) => help,
            None => "write one name between two dots".into(),
        };
        Some(TagError::new("empty-step", place, message).help(help))
    } else if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) {
        let help = format!("write `{}`", &piece.text[range.start + 1..range.end]);
        Some(TagError::new("signed-index", place, "an index has no sign").help(help))
    } else {
        None
    }
}

/// Returns true for bytes that a key of JSON may have, but that indicate a mistake in a template.
#[inline]
fn is_odd(byte: u8) -> bool {
    static ODD: [bool; 256] = {
        let mut odd = [false; 256];
        let mut blank = 0;
        while blank <= b' ' {
            odd[blank as usize] = true;
            blank += 1;
        }
        let others = b"\x7f\"'`()[]{};,=<>!&|\\";
        let mut at = 0;
        while at < others.len() {
            odd[others[at] as usize] = true;
            at += 1;
        }
        odd
    };
    ODD[usize::from(byte)]
}

fn keyword(piece: Piece<'_>, place: PathUse, in_loop: bool) -> Result<Path, TagError> {
    let turn = match piece.text {
        "@root" => None,
        "@index" => Some(LoopVariable::Index),
        "@first" => Some(LoopVariable::First),
        "@last" => Some(LoopVariable::Last),
        other => {
            let html = other.strip_prefix("@html ");
            let help = match (other.strip_prefix("@root."), suggestion(other, KEYWORDS)) {
                (Some(rest), _) => format!("`@root` has no steps; write `{}`", shorten(rest)),
                _ if html.is_some() => foreign::unescaped(html.unwrap_or_default()),
                _ if other == "@key" => "`for` goes over arrays, which have no keys: `@index` is the position".into(),
                (_, Some(near)) => format!("did you mean `{near}`?"),
                _ => "there are `@index`, `@first`, `@last` and `@root`".into(),
            };
            let message = format!("there is no `{}`", shorten(other));
            return Err(TagError::new("unknown-keyword", piece.range(), message).help(help));
        }
    };
    let misplaced = |help: &str| {
        let message = format!("`{}` does not work in {}", piece.text, place.of_tag());
        Err(TagError::new("misplaced-keyword", piece.range(), message).help(help))
    };
    match (turn, place) {
        (None, PathUse::Value | PathUse::Condition | PathUse::Loop) => Ok(Path::Root(piece.part())),
        (None, _) => misplaced("give it a path; what it needs has to have a name in the data"),
        (Some(_), PathUse::Loop) => misplaced("loop over an array"),
        (Some(_), PathUse::With | PathUse::Call | PathUse::Formatted) => {
            misplaced("it works in a value without a formatter and in `if`")
        }
        (Some(_), _) if !in_loop => {
            let message = format!("`{}` is used outside of a loop", piece.text);
            let help = "it belongs between `{{ for … }}` and `{{ endfor }}` of the same template";
            Err(TagError::new("outside-loop", piece.range(), message).help(help))
        }
        (Some(turn), _) => Ok(Path::Turn(turn, piece.part())),
    }
}

/// Returns the error for a text that is not a path, with a suggestion of the probable intention.
fn no_path(piece: Piece<'_>, place: PathUse) -> TagError {
    let text = piece.text;
    let words = || text.split_whitespace();
    let is_value = matches!(place, PathUse::Value | PathUse::Formatted);
    let first = words().next().unwrap_or_default();
    let block = matches!(
        first,
        "if" | "else" | "for" | "with" | "call" | "endif" | "endfor" | "endwith"
    );
    if is_value && block {
        let help = match text.contains('$').then(|| foreign::tag(text, true)).flatten() {
            Some(meant) => meant.help,
            None => format!("blocks take two braces: `{{{{ {} }}}}`", shorten(text)),
        };
        return TagError::new(
            "block-in-value",
            piece.range(),
            format!("`{first}` in single braces is no block"),
        )
        .help(help);
    }
    let presence = || foreign::condition(text, false);
    let is_presence = !is_value && expression::presence(text.strip_prefix("not ").unwrap_or(text)).is_some();
    if is_presence {
        let message = "a condition is one path, or `not` and one path";
        return TagError::new("comparison", piece.range(), message).help(format!("write {}", presence()));
    }
    let compares = ["==", "!=", "<", ">"].iter().any(|sign| text.contains(sign))
        || matches!(first, "eq" | "ne" | "lt" | "le" | "gt" | "ge") && words().nth(1).is_some();
    let joins = words().any(|word| matches!(word.to_ascii_lowercase().as_str(), "and" | "or"))
        || text.contains("&&")
        || text.contains("||");
    if !is_value && joins {
        let message = "conditions cannot be joined";
        let help = expression::joined(text);
        return TagError::new("boolean-operator", piece.range(), message).help(help);
    }
    if !is_value && compares || text.contains("==") {
        let message = "there are no comparisons";
        let help = "put the answer into the data and test that: `{{ if is_sold_out }}`";
        return TagError::new("comparison", piece.range(), message).help(help);
    }
    let compares_once = text.split('=').map(expression::as_path).collect::<Option<Vec<_>>>();
    if !is_value && compares_once.is_some_and(|parts| parts.len() == 2) {
        let help = "put the answer into the data and test that: `{{ if is_sold_out }}`";
        return TagError::new("comparison", piece.range(), "there are no comparisons").help(help);
    }
    if place == PathUse::Condition
        && first != "not"
        && let Some(path) = expression::after_word(text, "not").and_then(expression::as_path)
    {
        let message = format!("`{first}` is written in lower case");
        return TagError::new("not-a-path", piece.range(), message).help(format!("write `{{{{ if not {path} }}}}`"));
    }
    if !is_value && text.starts_with('!') {
        let help = format!("write `not {}`", shorten(text[1..].trim_start()));
        return TagError::new("not-a-path", piece.range(), "`!` is not part of the language").help(help);
    }
    let message = format!("`{}` is not a path", shorten(text));
    let fault = TagError::new("not-a-path", piece.range(), message);
    if let Some(meant) = meant(text, place) {
        return fault.help(meant);
    }
    let of_script = |byte| {
        matches!(
            byte,
            b':' | b';' | b'(' | b'=' | b'"' | b'\'' | b',' | b'\\' | b'&' | b'{'
        )
    };
    if is_value && text.bytes().any(of_script) {
        return fault.help("for a brace that is text, as in CSS or JavaScript, write `\\{`");
    }
    if is_value {
        return fault.help("a path has no blanks: `order.total`; for a brace that is text write `\\{`");
    }
    fault.help("write names with dots between them, such as `order.total`")
}

/// Returns a suggestion for an expression of another language. Texts that may be part of a stylesheet or a script get none.
fn meant(text: &str, place: PathUse) -> Option<String> {
    const OR_TEXT: &str = "; for a brace that is text write `\\{`";
    let is_value = matches!(place, PathUse::Value | PathUse::Formatted);
    let bare = text
        .strip_prefix('(')
        .and_then(|text| text.strip_suffix(')'))
        .unwrap_or(text);
    if let Some(path) = expression::as_path(bare).filter(|path| path != text) {
        return Some(if is_value {
            format!("write `{{{path}}}`")
        } else {
            format!("write `{path}`")
        });
    }
    if !is_value {
        // What ends the first line of a block in other languages.
        let ends = [" then", " do"].into_iter().find_map(|end| text.strip_suffix(end));
        let bare = ends.unwrap_or(text).trim_end_matches([':', ';', '{', ' ']);
        let path = expression::as_path(bare).filter(|path| path == bare && bare != text);
        return path.map(|path| format!("write `{path}`, and nothing after it"));
    }
    if let Some(html) = text.strip_prefix("!!") {
        return Some(foreign::unescaped(html.trim_matches('!')));
    }
    let is_script = text.contains([';', '{', '\n', '\\'])
        || text.contains("=>")
        || text.starts_with(['"', '\'']) && text.contains(':')
        || text.contains(':') && !text.contains('?')
        || text.split_whitespace().next() == Some("return");
    if is_script {
        return None;
    }
    if let Some(meant) = foreign::tag(text, true) {
        return Some(meant.help);
    }
    expression::value(text).map(|help| help + OR_TEXT)
}
