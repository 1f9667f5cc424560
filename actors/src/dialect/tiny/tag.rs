//! The parser for the content of one tag.

use std::ops::Range;

use crate::diagnostic::Diagnostic;
use crate::suggestion::suggestion;
use crate::template::TemplateName;

use super::foreign;
use super::foreign::expression::CHAIN_MAX;
use super::path::{Path, PathUse, path, plain_name};
use super::piece::{Piece, TextRange};
use super::shorten::shorten;

/// A parsed tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tag {
    /// A value with the names of its formatters, which have `|` between them.
    Value {
        path: Path,
        formatters: Option<TextRange>,
    },
    If {
        path: Path,
        negated: bool,
    },
    Else,
    EndIf,
    For {
        path: Path,
        name: TextRange,
    },
    EndFor,
    With {
        path: Path,
        name: TextRange,
    },
    EndWith,
    Call {
        callee: Box<Callee>,
        path: Path,
    },
}

/// The name of a called template and its position. [`Tag`] boxes it, so that all other tags are moved cheaply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Callee {
    pub(super) name: TemplateName,
    pub(super) place: TextRange,
}

/// A kind of block, which a tag opens and another one closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Block {
    If,
    For,
    With,
}

impl Block {
    /// Returns the word that opens the block.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::If => "if",
            Self::For => "for",
            Self::With => "with",
        }
    }

    fn of(word: &str) -> Option<Self> {
        match word {
            "if" => Some(Self::If),
            "for" => Some(Self::For),
            "with" => Some(Self::With),
            _ => None,
        }
    }
}

/// The error in a tag. It is boxed, so that valid tags are moved cheaply.
#[derive(Debug)]
pub(super) struct TagError(Box<TagErrorReason>);

#[derive(Debug)]
struct TagErrorReason {
    code: &'static str,
    range: Range<usize>,
    message: String,
    help: Option<String>,
    /// The block that the tag opens in spite of the error, so that its end is not a second error.
    opens: Option<Block>,
    /// The block that the tag closes in spite of the error.
    closes: Option<Block>,
}

impl TagError {
    #[cold]
    pub(super) fn new(code: &'static str, range: Range<usize>, message: impl Into<String>) -> Self {
        Self(Box::new(TagErrorReason {
            code,
            range,
            message: message.into(),
            help: None,
            opens: None,
            closes: None,
        }))
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Derives the block that the tag opens or closes from its word, unless it is set already.
    fn of_block(mut self, word: &str) -> Self {
        self.0.opens = self.0.opens.or(Block::of(word));
        self.0.closes = self.0.closes.or(word.strip_prefix("end").and_then(Block::of));
        self
    }

    pub(super) fn opens(&self) -> Option<Block> {
        self.0.opens
    }

    pub(super) fn closes(&self) -> Option<Block> {
        self.0.closes
    }

    /// Converts the error to a diagnostic with its position in `text`.
    pub(super) fn diagnostic(self, text: &str) -> Diagnostic {
        let reason = *self.0;
        let diagnostic = Diagnostic::error(reason.code, reason.message).at(text, reason.range);
        match reason.help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        }
    }
}

/// Parses the content of single braces, without its dashes.
pub(super) fn value(inner: Piece<'_>, in_loop: bool) -> Result<Tag, TagError> {
    if let Some(path) = plain_name(inner) {
        return Ok(Tag::Value { path, formatters: None });
    }
    let Some((before, after)) = inner.split_once("|") else {
        let path = path(inner, PathUse::Value, in_loop)?;
        return Ok(Tag::Value { path, formatters: None });
    };
    let path = path(before.trim(), PathUse::Formatted, in_loop)?;
    let formatters = after.trim();
    let of = shorten(before.text.trim());
    if let Some(otherwise) = formatters.text.strip_prefix('|') {
        let help = foreign::expression::default(&of, otherwise);
        return Err(TagError::new("not-a-path", inner.range(), "`||` is not part of the language").help(help));
    }
    let mut count = 0;
    for name in chain(formatters) {
        count += 1;
        check_formatter(name, formatters, &of)?;
    }
    if count > CHAIN_MAX {
        let message = format!("a value has more than {CHAIN_MAX} formatters");
        let fault = TagError::new("too-many-formatters", formatters.range(), message);
        return Err(fault.help("register one formatter that does all of it"));
    }
    Ok(Tag::Value {
        path,
        formatters: Some(formatters.part()),
    })
}

/// Returns the names of formatters that have `|` between them.
pub(super) fn chain(formatters: Piece<'_>) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = Some(formatters);
    std::iter::from_fn(move || {
        let all = rest.take()?;
        match all.split_once("|") {
            Some((first, others)) => {
                rest = Some(others);
                Some(first.trim())
            }
            None => Some(all.trim()),
        }
    })
}

/// Checks that a formatter is one word. `formatters` are all of this value, which the text calls `of`.
fn check_formatter(name: Piece<'_>, formatters: Piece<'_>, of: &str) -> Result<(), TagError> {
    if name.text.is_empty() {
        let message = "the name of a formatter is missing after `|`";
        let fault = TagError::new("empty-formatter", name.range(), message);
        return Err(fault.help("name one, such as `{name | upper}`"));
    }
    let is_odd = |each: char| each.is_whitespace() || each.is_control() || "()[]{}\"'`,;=<>\\".contains(each);
    if name.text.contains(is_odd) {
        let help = foreign::expression::filter(of, formatters.text)
            .unwrap_or_else(|| "write its name alone, such as `{name | upper}`".into());
        return Err(TagError::new("formatter-arguments", name.range(), "formatters take no arguments").help(help));
    }
    Ok(())
}

/// Parses the content of double braces, without its dashes; `innermost` is the innermost open block.
pub(super) fn block(inner: Piece<'_>, in_loop: bool, innermost: Option<Block>) -> Result<Tag, TagError> {
    let word = first_word(inner.text);
    let rest = inner.skip(word.len()).trim();
    let tag = match word {
        "if" => condition(rest, in_loop),
        "for" => for_loop(rest, in_loop),
        "with" => with(rest, in_loop),
        "call" => call(rest, in_loop),
        "else" => alone(Tag::Else, inner, rest),
        "endif" => alone(Tag::EndIf, inner, rest),
        "endfor" => alone(Tag::EndFor, inner, rest),
        "endwith" => alone(Tag::EndWith, inner, rest),
        _ => Err(unknown(inner, word, rest, innermost)),
    };
    tag.map_err(|fault| fault.of_block(word))
}

/// Returns the text before the first blank.
fn first_word(text: &str) -> &str {
    let letters = text.bytes().take_while(u8::is_ascii_lowercase).count();
    match text.as_bytes().get(letters) {
        // The form of all valid blocks, which needs no search for Unicode blanks.
        None | Some(b' ') if letters > 0 => &text[..letters],
        _ => text.split_whitespace().next().unwrap_or(text),
    }
}

fn alone(tag: Tag, inner: Piece<'_>, rest: Piece<'_>) -> Result<Tag, TagError> {
    if rest.text.is_empty() {
        return Ok(tag);
    }
    if let (Tag::Else, Some(condition)) = (&tag, rest.text.strip_prefix("if")) {
        return Err(else_if(inner, condition));
    }
    let word = &inner.text[..inner.text.len() - rest.text.len()].trim_end();
    let message = format!("`{word}` takes no arguments, but `{}` follows", shorten(rest.text));
    Err(TagError::new("unexpected-text", rest.range(), message).help(format!("write `{{{{ {word} }}}}`")))
}

fn else_if(inner: Piece<'_>, condition: &str) -> TagError {
    let help = foreign::else_if(condition);
    TagError::new("else-if", inner.range(), "there is no else-if").help(help)
}

fn condition(rest: Piece<'_>, in_loop: bool) -> Result<Tag, TagError> {
    let Some(after) = rest.text.strip_prefix("not") else {
        let path = path(rest, PathUse::Condition, in_loop)?;
        return Ok(Tag::If { path, negated: false });
    };
    // The crate drops four bytes after seeing `not`, whatever the fourth is.
    if after.is_empty() {
        let help = "write `{{ if not path }}`; a field that is called `not` needs another name";
        return Err(TagError::new("empty-path", rest.range(), "a path is missing after `not`").help(help));
    }
    if !after.starts_with(char::is_whitespace) {
        let name = shorten(rest.text);
        let message = format!("`{name}` would be read as `not` something, because it begins with `not`");
        let help = format!("give it another name first: `{{{{ with {name} as it }}}}{{{{ if it }}}}`");
        return Err(TagError::new("not-prefix", rest.range(), message).help(help));
    }
    let trimmed = after.trim_start();
    if after.len() - trimmed.len() != 1 {
        let message = "more than one plain blank after `not`";
        let help = format!("write `not {}`", shorten(trimmed));
        return Err(TagError::new("blanks-after-not", rest.range(), message).help(help));
    }
    let path = path(rest.skip("not ".len()), PathUse::Condition, in_loop)?;
    Ok(Tag::If { path, negated: true })
}

fn for_loop(rest: Piece<'_>, in_loop: bool) -> Result<Tag, TagError> {
    let Some((name, of)) = rest.split_once(" in ") else {
        let message = "this loop does not name the array to go over";
        let help = format!("write {}, with blanks around `in`", foreign::for_loop(rest.text));
        return Err(TagError::new("missing-in", rest.range(), message).help(help));
    };
    let path = path(of.trim(), PathUse::Loop, in_loop)?;
    let name = new_name(name.trim()).map_err(|fault| match name.text.contains(',') {
        true => fault.help(format!("write {}", foreign::for_loop(rest.text))),
        false => fault,
    })?;
    Ok(Tag::For { path, name })
}

fn with(rest: Piece<'_>, in_loop: bool) -> Result<Tag, TagError> {
    let Some((of, name)) = rest.split_once(" as ") else {
        let help = format!("write {}, with blanks around `as`", foreign::with(rest.text));
        return Err(TagError::new("missing-as", rest.range(), "this `with` does not give the value a name").help(help));
    };
    let path = path(of.trim(), PathUse::With, in_loop)?;
    let name = new_name(name.trim())?;
    Ok(Tag::With { path, name })
}

/// Parses the name that a `for` or `with` defines. Names that no path can begin with are rejected, because they could not be used.
fn new_name(name: Piece<'_>) -> Result<TextRange, TagError> {
    let code = "bad-name";
    let fault = |message: &str, help: &str| Err(TagError::new(code, name.range(), message).help(help));
    if name.text.is_empty() {
        return fault("a name is missing here", "name it, such as `item`");
    }
    if name.text.starts_with('@') {
        return fault("a name cannot begin with `@`", "such words are part of the language");
    }
    if name.text.contains('.') {
        return fault("a name has no dots", "a path is looked up by its first step");
    }
    match path(name, PathUse::Value, false) {
        Ok(_) => Ok(name.part()),
        Err(_) if name.text.contains(',') => fault("a loop gives one name", "write a single word, such as `item`"),
        Err(_) => fault("this is not one name", "write a single word, such as `item`"),
    }
}

fn call(rest: Piece<'_>, in_loop: bool) -> Result<Tag, TagError> {
    let Some((place, of)) = rest.split_once(" with ") else {
        let message = "this call does not name the value to pass";
        let help = foreign::include(rest.text.trim_start_matches("with ")).help;
        return Err(TagError::new("missing-with", rest.range(), message).help(help));
    };
    let path = path(of.trim(), PathUse::Call, in_loop)?;
    let place = place.trim();
    let quoted = |quote| place.text.len() > 1 && place.text.starts_with(quote) && place.text.ends_with(quote);
    if quoted('"') || quoted('\'') {
        let bare = &place.text[1..place.text.len() - 1];
        let help = format!(
            "write `{{{{ call {} with {} }}}}`",
            shorten(bare),
            shorten(of.text.trim())
        );
        return Err(TagError::new("call-name", place.range(), "the name of a template takes no quotes").help(help));
    }
    // Such a name is not a file name; the author expects that it is computed from a value.
    if place.text.contains(['{', '}', '"', '\'', '(']) {
        let help =
            "write a name in each branch of a condition: `{{ if is_card }}{{ call card.html with user }}{{ endif }}`";
        let message = "the name of a template is written out, not looked up";
        return Err(TagError::new("call-name", place.range(), message).help(help));
    }
    match TemplateName::new(place.text) {
        Ok(name) => {
            let place = place.part();
            let callee = Box::new(Callee { name, place });
            Ok(Tag::Call { callee, path })
        }
        Err(error) => {
            let help = "write the path of the template below its root, such as `page/item.html`";
            Err(TagError::new("call-name", place.range(), error.to_string()).help(help))
        }
    }
}

const WORDS: [&str; 8] = ["if", "else", "endif", "for", "endfor", "with", "endwith", "call"];

/// Returns the error for a word that begins no block, with a suggestion of the probable intention.
fn unknown(inner: Piece<'_>, word: &str, rest: Piece<'_>, innermost: Option<Block>) -> TagError {
    if word.is_empty() {
        let help = "for braces that are text write `\\{\\{`";
        return TagError::new("empty-tag", inner.range(), "there is nothing in this tag").help(help);
    }
    if matches!(word, "elseif" | "elif" | "elsif") {
        return else_if(inner, rest.text);
    }
    let code = "unknown-block";
    let message = format!("`{}` begins no block", shorten(word));
    let first = inner.start..inner.start + word.len();
    let lowercase = word.to_ascii_lowercase();
    let bare = lowercase.trim_end_matches([':', ';']);
    if bare != word && WORDS.contains(&bare) {
        let meant = format!("{bare} {}", rest.text);
        let meant = meant.trim_end();
        // If the tag has another error too, its help takes precedence.
        let piece = Piece::of(meant, 0..meant.len());
        let help = match block(piece, true, innermost).map_err(|fault| fault.0.help) {
            Ok(_) => format!("write `{{{{ {} }}}}`", shorten(meant)),
            Err(Some(help)) => help,
            Err(None) => format!("write `{bare}`"),
        };
        return TagError::new(code, first, message).help(help).of_block(bare);
    }
    let joined = format!("{word}{}", rest.text);
    if let Some(known) = WORDS.iter().find(|known| **known == joined) {
        return TagError::new(code, first, message)
            .help(format!("write `{{{{ {known} }}}}`"))
            .of_block(known);
    }
    if matches!(word, "end" | "/") {
        let fault = TagError::new(code, inner.range(), "this tag does not name the block that it ends");
        return match innermost.map(Block::word) {
            Some(open) => fault
                .help(format!("write `{{{{ end{open} }}}}`"))
                .of_block(&format!("end{open}")),
            None => fault.help("say what ends: `{{ endif }}`, `{{ endfor }}` or `{{ endwith }}`"),
        };
    }
    if let Some(meant) = foreign::tag(inner.text, false) {
        return TagError::new(code, first, message)
            .help(meant.help)
            .of_block(meant.block);
    }
    // A word that is similar to a block may nevertheless be a value.
    if let Some(meant) = suggestion(word, WORDS).filter(|_| !rest.text.starts_with('|')) {
        let help = match meant {
            _ if rest.text.is_empty() && matches!(meant, "if" | "for" | "with" | "call") => {
                format!("did you mean `{meant}`? A value takes single braces: `{{{word}}}`")
            }
            "call" => "did you mean `{{ call page/item.html with path }}`?".into(),
            _ => format!("did you mean `{meant}`?"),
        };
        return TagError::new(code, first, message).help(help).of_block(meant);
    }
    let help = foreign::expression::value(inner.text).unwrap_or_else(|| {
        "blocks are `if`, `else`, `for`, `with` and `call`; for braces that are text write `\\{\\{`".into()
    });
    TagError::new(code, first, message).help(help)
}

/// Returns the error for a tag in `{%` and `%}`.
#[cold]
pub(super) fn percent(tag: Piece<'_>, inner: Piece<'_>) -> TagError {
    let meant = foreign::percent(inner.text);
    let fault = TagError::new(
        "percent-tag",
        tag.range(),
        "tags are written in double braces; those with `%` are Jinja, for files that end in `.j2` or with `dialect = \"jinja\"`",
    );
    fault.help(meant.help).of_block(meant.block)
}

/// Returns the error for a value in three braces.
#[cold]
pub(super) fn triple(whole: Piece<'_>, inner: Piece<'_>) -> TagError {
    let help = foreign::unescaped(inner.text.trim_matches(['{', '}']));
    TagError::new(
        "triple-braces",
        whole.range(),
        "a value takes single braces, escaped or not",
    )
    .help(help)
}
