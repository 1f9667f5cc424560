//! The tags of other template languages, and what to write here instead.
//!
//! Authors often know Jinja, Twig, Django, Liquid, Handlebars, Mustache, Go, Vue, Svelte, Blade or Smarty. This module accepts no tag of
//! these languages. It examines a tag that was rejected, so that the help shows the line to write and not only a rule.

pub(super) mod expression;

use crate::template::TemplateName;

use super::shorten::shorten;
use expression::{as_path, presence, value};

/// A suggestion of what to write instead of a tag.
#[derive(Debug)]
pub(super) struct Replacement {
    pub(super) help: String,
    /// The word of the intended block, such as `if` or `endif`, so that the other end of the block is not a second error.
    pub(super) block: &'static str,
}

impl Replacement {
    fn help(help: impl Into<String>) -> Self {
        Self::block("", help)
    }

    fn block(block: &'static str, help: impl Into<String>) -> Self {
        let help = help.into();
        Self { help, block }
    }
}

/// The kinds of tags of other languages, by their first word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ForeignBlock {
    If,
    Unless,
    Else,
    ElseIf,
    For,
    With,
    Include,
    Inheritance,
    Variable,
    Macro,
    Raw,
    Comment,
    Choice,
    Jump,
    NotNeeded,
    Function,
    EscapeMode,
}

impl ForeignBlock {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "if" | "ifnotempty" => Self::If,
            "unless" | "ifnot" => Self::Unless,
            "elif" | "elseif" | "elsif" => Self::ElseIf,
            "else" | "otherwise" | "empty" | "forelse" | "foreachelse" => Self::Else,
            "for" | "foreach" | "each" | "range" | "loop" => Self::For,
            "with" => Self::With,
            "include" | "include_once" | "partial" | "render" | "template" | "component" | "embed" | "insert" => {
                Self::Include
            }
            "extends" | "extend" | "block" | "define" | "layout" | "super" | "parent" | "yield" | "section"
            | "slot" | "push" | "stack" | "parentblock" => Self::Inheritance,
            "set" | "assign" | "let" | "var" | "const" | "capture" | "increment" | "decrement" => Self::Variable,
            "macro" | "function" | "filter" => Self::Macro,
            "raw" | "verbatim" | "literal" => Self::Raw,
            "comment" | "rem" => Self::Comment,
            "switch" | "case" | "when" | "match" | "ifequal" | "ifnotequal" | "ifchanged" => Self::Choice,
            "break" | "continue" => Self::Jump,
            "load" | "import" | "from" | "use" | "spaceless" | "do" => Self::NotNeeded,
            "url" | "url_for" | "static" | "asset" | "trans" | "translate" | "blocktrans" | "blocktranslate"
            | "csrf_token" | "csrf" | "now" | "lookup" | "log" | "printf" | "print" | "len" | "eq" | "ne" | "cycle" => {
                Self::Function
            }
            "autoescape" => Self::EscapeMode,
            _ => return None,
        })
    }

    /// Returns true if the word alone, in double braces, is more likely a value to print.
    fn is_value_alone(self) -> bool {
        !matches!(
            self,
            Self::If | Self::Unless | Self::Else | Self::ElseIf | Self::For | Self::With | Self::Jump
        )
    }
}

/// Returns what to write instead of `text` between `{%` and `%}`.
pub(super) fn percent(text: &str) -> Replacement {
    let text = text.trim_matches(['%', '-', '+', '~']).trim();
    tag(text, true).unwrap_or_else(|| {
        Replacement::help(
            "blocks are `if`, `else`, `for`, `with` and `call`, in double braces; for a brace that is text write `\\{`",
        )
    })
}

/// Returns what to write instead of the block `text`; `is_block` is true if nothing but a block can be meant.
pub(super) fn tag(text: &str, is_block: bool) -> Option<Replacement> {
    let text = text.trim();
    if let Some(comment) = comment(text) {
        return Some(Replacement::help(format!(
            "a comment is written `{{# {} #}}`, on one line",
            shorten(comment)
        )));
    }
    let (sigil, after) = match text.chars().next()? {
        sigil @ ('#' | '/' | '^' | '>' | ':' | '@' | '&' | '~') => (sigil, text[sigil.len_utf8()..].trim_start()),
        _ => (' ', text),
    };
    let length = after
        .bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        .count();
    let (word, rest) = after.split_at(length);
    // Some languages ignore upper and lower case.
    let lowercase = word.to_ascii_lowercase();
    let word = lowercase.as_str();
    // A field may have the name of a word of another language: `{{ block.title }}`, `{{ when | date }}`.
    let is_value =
        rest.starts_with(['.', '[', '(', '?']) || !is_block && rest.trim_start().starts_with(['|', '?', '~', '+', '*']);
    let rest = rest.trim();
    if text.contains(":=") && !matches!(word, "range" | "with" | "if") {
        return Some(Replacement::help(variable(&text.replacen(":=", "=", 1))));
    }
    match sigil {
        '>' => return Some(include(after)),
        '&' => return Some(Replacement::help(unescaped(after))),
        '^' if after.is_empty() => return Some(Replacement::help("write `{{ else }}`")),
        '^' => {
            return Some(Replacement::help(format!(
                "write `{{{{ if not {} }}}} … {{{{ endif }}}}`",
                path_or(after, "path")
            )));
        }
        _ => {}
    }
    let (ends, stem) = match word.strip_prefix("end") {
        _ if sigil == '/' => (true, word),
        Some(stem) if !stem.is_empty() => (true, stem.trim_start_matches('_')),
        _ => (false, word),
    };
    let kind = ForeignBlock::of(stem).filter(|_| !is_value || ends);
    let is_section = kind.is_none_or(|kind| rest.is_empty() && kind.is_value_alone());
    if sigil == '#' && is_section && !after.is_empty() {
        let path = path_or(after, "items");
        let help = format!(
            "write `{{{{ if {path} }}}} … {{{{ endif }}}}` for a condition, `{{{{ for item in {path} }}}} … {{{{ endfor }}}}` for a list"
        );
        return Some(Replacement::help(help));
    }
    if sigil == '/' && is_section {
        return Some(Replacement::help(
            "say what ends: `{{ endif }}`, `{{ endfor }}` or `{{ endwith }}`",
        ));
    }
    let kind = kind?;
    if ends {
        return Some(end(kind));
    }
    if !is_block && sigil == ' ' && rest.is_empty() && kind.is_value_alone() && word != "yield" {
        // The word may nevertheless be a field.
        return (kind == ForeignBlock::Raw)
            .then(|| Replacement::help(format!("{RAW}; a value takes single braces: `{{{after}}}`")));
    }
    Some(begin(kind, word, rest))
}

fn begin(kind: ForeignBlock, word: &str, rest: &str) -> Replacement {
    match kind {
        ForeignBlock::If => Replacement::block("if", format!("write {}", condition(rest, false))),
        ForeignBlock::Unless => Replacement::block("if", format!("write {}", condition(rest, true))),
        ForeignBlock::ElseIf => Replacement::help(else_if(rest)),
        ForeignBlock::Else if rest.starts_with("if") => Replacement::help(else_if(rest.trim_start_matches("if"))),
        ForeignBlock::Else if word == "else" => Replacement::help("write `{{ else }}`"),
        ForeignBlock::Else => Replacement::help(FOR_ELSE),
        ForeignBlock::For => Replacement::block("for", format!("write {}", for_loop(rest))),
        ForeignBlock::With => Replacement::block("with", format!("write {}", with(rest))),
        ForeignBlock::Include => include(rest),
        ForeignBlock::Inheritance => Replacement::help(INHERITANCE),
        ForeignBlock::Variable => Replacement::help(variable(rest)),
        ForeignBlock::Macro => {
            Replacement::help("make it a template of its own, and call it: `{{ call _item.html with item }}`")
        }
        ForeignBlock::Raw => Replacement::help(RAW),
        ForeignBlock::Comment => Replacement::help("a comment is written `{# … #}`, on one line"),
        ForeignBlock::Choice => Replacement::help(
            "there are no comparisons: put an answer for each case into the data, and test it: `{{ if is_sold_out }}`",
        ),
        ForeignBlock::Jump => Replacement::help("a loop goes over all of its items: leave the others out in the data"),
        ForeignBlock::NotNeeded => {
            Replacement::help("take it out: nothing has to be loaded, and formatters are registered by the program")
        }
        ForeignBlock::Function => Replacement::help(format!(
            "there are no functions: put the result of `{word}` into the data, and print it: `{{name}}`"
        )),
        ForeignBlock::EscapeMode => Replacement::help(
            "take it out: pages that end in `.html` are escaped, and `{name | unescaped}` is for markup of your own",
        ),
    }
}

fn end(kind: ForeignBlock) -> Replacement {
    match kind {
        ForeignBlock::If | ForeignBlock::Unless => Replacement::block("endif", "write `{{ endif }}`"),
        ForeignBlock::For => Replacement::block("endfor", "write `{{ endfor }}`"),
        ForeignBlock::With => Replacement::block("endwith", "write `{{ endwith }}`"),
        ForeignBlock::Include => Replacement::help("take it out: a `call` has no end"),
        ForeignBlock::Variable => Replacement::help("there are no variables: put the value into the data"),
        other => begin(other, "", ""),
    }
}

/// Returns what to write instead of an else-if.
pub(super) fn else_if(text: &str) -> String {
    let condition = condition(text.trim(), false);
    let tag = condition.trim_start_matches('`').split('`').next().unwrap_or_default();
    format!("nest it: `{{{{ else }}}}{tag} … {{{{ endif }}}}{{{{ endif }}}}`")
}

pub(super) const FOR_ELSE: &str =
    "test the list first: `{{ if items }}{{ for item in items }} … {{ endfor }}{{ else }} … {{ endif }}`";

const RAW: &str = "there is no block of plain text: write `\\{` for each brace that is text";

const INHERITANCE: &str = "there is no inheritance: move what pages share into templates of their own, and call them where they \
                           belong: `{{ call _layout/head.html with page }}`";

/// Returns the text of a comment of another language.
fn comment(text: &str) -> Option<&str> {
    // The scanner has already removed one dash of `{{--`.
    let rest = ["!--", "/*", "--", "- ", "!", "*"]
        .iter()
        .find_map(|mark| text.strip_prefix(mark));
    let rest = rest?.trim_matches(['-', '*', '/']).trim();
    // `!name` is a negation.
    let is_negation =
        text.starts_with('!') && !text.starts_with("! ") && !text.starts_with("!-") && as_path(rest).is_some();
    (!is_negation).then_some(rest)
}

/// Returns the line to write for a condition, such as `` `{{ if path }}` ``, with an explanation if it needs one.
pub(super) fn condition(text: &str, negated: bool) -> String {
    let (text, is_not) = match text.strip_prefix("not ").or(text.strip_prefix('!')) {
        Some(rest) => (rest.trim(), true),
        None => (text.trim(), false),
    };
    let not = if is_not == negated { "" } else { "not " };
    if let Some(path) = as_path(text) {
        // The crate would read a name that begins with `not` as a negation.
        if not.is_empty() && path.starts_with("not") {
            return format!("`{{{{ with {path} as it }}}}{{{{ if it }}}} … {{{{ endif }}}}{{{{ endwith }}}}`");
        }
        return format!("`{{{{ if {not}{path} }}}}`");
    }
    match presence(text) {
        Some((path, is_empty)) => {
            let not = if is_empty == (is_not == negated) { "not " } else { "" };
            format!("`{{{{ if {not}{path} }}}}`: null, 0, \"\" and [] are false")
        }
        None => format!("`{{{{ if {not}is_sold_out }}}}`: a condition is one path, so put the answer into the data"),
    }
}

/// Returns the line to write for a loop.
pub(super) fn for_loop(text: &str) -> String {
    let text = text
        .trim()
        .trim_start_matches("let ")
        .trim_start_matches("const ")
        .trim_start_matches("var ");
    let text = text
        .strip_prefix('(')
        .and_then(|inner| inner.strip_suffix(')'))
        .unwrap_or(text);
    let text = text.strip_suffix(" in").map_or(text, |name| name.trim());
    let (names, of) = if text == "in" || text.starts_with("in ") {
        ("item", text[2..].trim())
    } else if let Some((names, of)) = text.split_once(" in ").or(text.split_once(" of ")) {
        (names, of)
    } else if let Some((names, of)) = text.split_once(":=") {
        (names, of)
    } else if let Some((of, names)) = text.split_once(" as ") {
        (names, of)
    } else {
        missing_word(text).unwrap_or(("item", text))
    };
    let of = of.trim();
    let of = of.split([' ', '|', ',']).next().unwrap_or_default();
    let of = of
        .trim_end_matches("()")
        .trim_end_matches(".items")
        .trim_start_matches("enumerate(")
        .trim_end_matches(')');
    let of = as_path(of).unwrap_or_else(|| "items".into());
    let is_plain = |name: &&str| {
        (1..=60).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let mut given = names.split([',', ' ', '|', '(', ')', '$', '=', '>']).filter(is_plain);
    let (first, second) = (given.next(), given.next());
    // Of two names the first is the position, except in Vue and Svelte.
    let name = match second {
        Some(second) if !text.contains(" as ") || text.contains("=>") => second,
        _ => first.unwrap_or("item"),
    };
    let position = if second.is_some() {
        ", and `{@index}` for its position"
    } else {
        ""
    };
    format!("`{{{{ for {name} in {of} }}}}`{position}")
}

/// Returns the two paths of a loop or a `with` whose `in` or `as` is missing or wrong.
fn missing_word(text: &str) -> Option<(&str, &str)> {
    let mut words = text.split_whitespace();
    let (first, second) = (words.next()?, words.next()?);
    let last = words.next().unwrap_or(second);
    let are_paths = as_path(first).is_some() && as_path(last).is_some();
    (words.next().is_none() && are_paths && !first.ends_with(',')).then_some((first, last))
}

/// Returns the line to write for a `with`.
pub(super) fn with(text: &str) -> String {
    if let Some((of, name)) = missing_word(text).filter(|(_, name)| !name.contains('.'))
        && let (Some(of), Some(name)) = (as_path(of), as_path(name))
    {
        return format!("`{{{{ with {of} as {name} }}}}`");
    }
    if let Some((name, of)) = text.split_once('=') {
        let (name, of) = (
            as_path(name.trim_end_matches(':')),
            of.split(' ').find(|part| !part.is_empty()).and_then(as_path),
        );
        return match (name, of) {
            (Some(name), Some(of)) if !name.contains('.') => format!("`{{{{ with {of} as {name} }}}}`"),
            _ => "`{{ with order.customer as customer }}`".into(),
        };
    }
    match text.split([' ', ',']).next().and_then(as_path) {
        Some(path) => {
            let last = path.rsplit('.').next().unwrap_or(&path).to_lowercase();
            let name = if last.bytes().all(|byte| byte.is_ascii_digit()) {
                "item"
            } else {
                &last
            };
            format!("`{{{{ with {path} as {name} }}}}`")
        }
        _ => "`{{ with order.customer as customer }}`".into(),
    }
}

/// Returns what to write instead of an include.
pub(super) fn include(text: &str) -> Replacement {
    let text = text.trim().trim_start_matches("file=");
    let (name, rest) = match text.chars().next() {
        Some(quote @ ('"' | '\'')) => text[1..].split_once(quote).unwrap_or((&text[1..], "")),
        _ => text.split_once([' ', ',']).unwrap_or((text, "")),
    };
    let name = TemplateName::new(name)
        .ok()
        .filter(|name| !name.as_str().contains(['(', '{', '$', ' ', ')']));
    let name = name.map_or_else(|| "page/item.html".into(), |name| shorten(name.as_str()));
    let rest = rest.trim().trim_start_matches("with ").trim_start_matches("for ");
    let of = rest
        .split([' ', ','])
        .next()
        .and_then(as_path)
        .filter(|_| !rest.contains(['=', ':']));
    Replacement::help(match of {
        Some(path) => format!("write `{{{{ call {name} with {path} }}}}`"),
        None => format!("write `{{{{ call {name} with page }}}}`, where `page` is the part of the data that it needs"),
    })
}

fn variable(text: &str) -> String {
    let (name, of) = text.split_once('=').unwrap_or((text, ""));
    let name = name.trim().trim_end_matches(':').trim();
    match (as_path(name), as_path(of.trim())) {
        (Some(name), Some(of)) if !name.contains('.') && !of.starts_with(|first: char| first.is_ascii_digit()) => {
            format!(
                "there are no variables; a part of the data gets a name by `{{{{ with {of} as {name} }}}} … {{{{ endwith }}}}`"
            )
        }
        _ => "there are no variables: put the value into the data".into(),
    }
}

/// Returns what to write instead of a value that another language prints without escaping.
pub(super) fn unescaped(text: &str) -> String {
    let text = text.trim();
    match as_path(text) {
        Some(path) => format!("write `{{{path} | unescaped}}`, only for markup of your own"),
        None => value(text).unwrap_or_else(|| "write `{html | unescaped}`, only for markup of your own".into()),
    }
}

fn path_or(text: &str, otherwise: &str) -> String {
    as_path(text).unwrap_or_else(|| otherwise.into())
}
