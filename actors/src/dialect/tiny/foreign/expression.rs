//! Expressions of other languages for which this language has only paths: defaults, choices, arithmetic, calls, comparisons.

use super::super::shorten::shorten;
use crate::dialect::formatter::formatter_elsewhere;

/// The longest expression that a help text repeats, in bytes.
const SHOWN_BYTES_MAX: usize = 120;

/// Returns the path in the notation of this language for an expression of another one: `$a->b`, `.A.B`, `a?.b`, `a[0]`, `a['b']`.
pub(in super::super) fn as_path(text: &str) -> Option<String> {
    let text = text.trim();
    if text.len() > SHOWN_BYTES_MAX {
        return None;
    }
    let text = text
        .strip_prefix("this.")
        .or(text.strip_prefix("self."))
        .unwrap_or(text);
    let text = text.trim_start_matches("../").trim_start_matches(['$', '.']);
    let mut path = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("?.").or(rest.strip_prefix("->")) {
            path.push('.');
            rest = after;
        } else if next == '[' {
            let (inner, after) = rest[1..].split_once(']')?;
            path.push('.');
            path += inner.trim_matches(['"', '\'']);
            rest = after;
        } else if next.is_alphanumeric() || matches!(next, '_' | '.' | '-') {
            path.push(next);
            rest = &rest[next.len_utf8()..];
        } else {
            return None;
        }
    }
    let is_step = |step: &str| !step.is_empty() && !step.contains(|each: char| "\"'$([{".contains(each));
    (!path.starts_with('-') && path.split('.').all(is_step)).then_some(path)
}

/// Returns the path of a test for presence, for which a plain `if` suffices, and true if the test is for absence.
pub(in super::super) fn presence(text: &str) -> Option<(String, bool)> {
    const FULL: [&str; 13] = [
        "is defined",
        "is not none",
        "is not null",
        "is not empty",
        "!= null",
        "!== null",
        "!= nil",
        "!= blank",
        "!= \"\"",
        "!= ''",
        "!== undefined",
        "!= undefined",
        "> 0",
    ];
    const EMPTY: [&str; 9] = [
        "is not defined",
        "is undefined",
        "is none",
        "is null",
        "is empty",
        "== null",
        "== nil",
        "== blank",
        "== 0",
    ];
    let with_suffix = |ends: &[&str]| ends.iter().find_map(|end| text.strip_suffix(end)).map(str::trim);
    let (subject, is_empty) = match with_suffix(&EMPTY) {
        Some(subject) => (subject, true),
        None => (with_suffix(&FULL).unwrap_or(text), false),
    };
    // Only a number of items is compared with 0.
    let counted = counted(subject);
    let compares_number = text.ends_with("> 0") || text.ends_with("== 0");
    let of_call = ["isset(", "defined(", "exists("]
        .iter()
        .find_map(|call| subject.strip_prefix(call)?.strip_suffix(')'));
    if subject.len() == text.len() && counted.is_none() && of_call.is_none() || compares_number && counted.is_none() {
        return None;
    }
    Some((as_path(of_call.or(counted).unwrap_or(subject))?, is_empty))
}

/// Returns what to write instead of joined conditions: nested blocks, if all conditions have to hold.
pub(in super::super) fn joined(text: &str) -> String {
    let and = text.to_ascii_lowercase().find(" and ");
    let by_word = and.map(|at| (&text[..at], &text[at + " and ".len()..]));
    let (one, other) = match text.split_once("&&").or(by_word) {
        Some(both) => both,
        None => match text
            .strip_prefix("and ")
            .and_then(|operands| operands.trim().split_once(' '))
        {
            Some(both) => both,
            None => return "put the answer into the data and test that: `{{ if is_sold_out }}`".into(),
        },
    };
    let of = |condition: &str| {
        let condition = condition.trim();
        let (not, path) = match after_word(condition, "not").or(condition.strip_prefix('!')) {
            Some(path) => ("not ", path),
            None => ("", condition),
        };
        as_path(path).map(|path| format!("{not}{path}"))
    };
    match (of(one), of(other)) {
        (Some(one), Some(other)) => {
            format!("nest them: `{{{{ if {one} }}}}{{{{ if {other} }}}} … {{{{ endif }}}}{{{{ endif }}}}`")
        }
        _ => "nest one in the other, or put the answer into the data".into(),
    }
}

/// Returns the operand of an expression that counts, such as `len(items)`.
fn counted(text: &str) -> Option<&str> {
    let by_suffix = [
        ".length", ".size", ".count", "|length", "| length", "|count", "| count", "|size", "| size",
    ];
    let by_call = ["len(", "count(", "size(", "length("];
    by_suffix
        .iter()
        .find_map(|suffix| text.strip_suffix(suffix))
        .or_else(|| {
            by_call
                .iter()
                .find_map(|call| text.strip_prefix(call)?.strip_suffix(')'))
        })
        .or_else(|| text.strip_prefix("len "))
        .map(str::trim)
}

/// Returns what to write instead of an expression that is to be printed, if it is a known one.
pub(in super::super) fn value(text: &str) -> Option<String> {
    let text = text.trim();
    if let Some(word) = loop_word(text) {
        return Some(word);
    }
    if let Some(path) = counted(text).and_then(as_path) {
        return Some(count(&path));
    }
    let negated = text.strip_prefix('!').or_else(|| after_word(text, "not"));
    if let Some(path) = negated.and_then(as_path) {
        return Some(format!("write `{{{{ if not {path} }}}} … {{{{ endif }}}}`"));
    }
    if presence(text).is_some() {
        return Some(format!("write {}", super::condition(text, false)));
    }
    if let Some(path) = as_path(text) {
        return Some(format!("a value takes single braces: `{{{path}}}`"));
    }
    if let Some((of, otherwise)) = text
        .split_once("??")
        .or(text.split_once("||"))
        .or(text.split_once(" or "))
    {
        return Some(default(of, otherwise));
    }
    if let Some(filtered) = filtered(text) {
        return Some(filtered);
    }
    if let Some(choice) = choice(text) {
        return Some(choice);
    }
    if let Some(literal) = literal(text) {
        return Some(format!(
            "text stands for itself, outside of braces: write `{}`",
            shorten(literal)
        ));
    }
    if let Some(formatted) = formatted(text) {
        return Some(formatted);
    }
    if let Some(call) = call(text) {
        return Some(call);
    }
    operators(text)
}

/// Returns the rest of a text that begins with a word, in upper or lower case.
pub(in super::super) fn after_word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let (first, rest) = text.split_once(char::is_whitespace)?;
    first.eq_ignore_ascii_case(word).then(|| rest.trim())
}

/// Returns what to write instead of an expression that is a path only because it has no blanks: `{price*qty}`, `{a?b:c}`, `{a??b}`. `has`
/// returns true for names in the data, because a dash is usually part of a name.
pub(in super::super) fn without_blanks(text: &str, has: impl Fn(&str) -> bool) -> Option<String> {
    let operands = || text.split('-');
    let subtracts = text.contains('-') && operands().all(|part| has(part) || is_number(part));
    if subtracts {
        return Some(ARITHMETIC.into());
    }
    if !text.contains(['+', '*', '/', '%', '~', '?']) {
        return None;
    }
    match as_path(text) {
        Some(path) => (path != text).then(|| format!("write `{path}`")),
        None => value(text),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns what to write instead of a formatter before its value: `upper name`, `upper(name)`.
fn formatted(text: &str) -> Option<String> {
    let (name, of) = match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        Some(call) => call,
        None => text.split_once(char::is_whitespace)?,
    };
    let name = name.trim().to_ascii_lowercase();
    let name = formatter_elsewhere(&name).or_else(|| SHIPPED.into_iter().find(|shipped| **shipped == *name))?;
    let of = as_path(of)?;
    Some(format!("write `{{{of} | {name}}}`"))
}

/// The standard formatters.
const SHIPPED: [&str; 7] = ["upper", "lower", "title", "trim", "json", "url", "unescaped"];

const ARITHMETIC: &str = "there is no arithmetic: put the result into the data, such as `{total}`";

/// Returns what to write instead of a loop variable of another language, or its word for the current value.
pub(in super::super) fn loop_word(text: &str) -> Option<String> {
    let known = match text {
        "@index" | "@first" | "@last" | "@root" => return Some(format!("a value takes single braces: `{{{text}}}`")),
        "@key" | "loop.key" => "arrays have no keys: write `{@index}`",
        "loop.index0" | "forloop.index0" | "forloop.counter0" | "$index" | "$i" => "write `{@index}`",
        "loop.index" | "forloop.index" | "forloop.counter" | "loop.iteration" => {
            "write `{@index}`, which counts from 0"
        }
        "loop.first" | "forloop.first" | "$first" => "write `{@first}`, or test it: `{{ if @first }}`",
        "loop.last" | "forloop.last" | "$last" => "write `{@last}`, or test it: `{{ if not @last }}`",
        "loop.length" | "forloop.length" => "there is no word for the number of items: put the number into the data",
        "." | "this" | "self" | "it" | "$_" => "give it a name: `{{ for item in items }}{item}{{ endfor }}`",
        _ => return None,
    };
    Some(known.into())
}

/// Returns what to write instead of a value with a default.
pub(in super::super) fn default(of: &str, otherwise: &str) -> String {
    let of = as_path(of).unwrap_or_else(|| "name".into());
    format!(
        "there are no defaults: write `{{{{ if {of} }}}}{{{of}}}{{{{ else }}}}{}{{{{ endif }}}}`, with `{of}` in the data, empty where there is none",
        printed(otherwise)
    )
}

/// Returns the template text that prints a branch of a choice.
fn printed(text: &str) -> String {
    let text = text.trim();
    match (literal(text), as_path(text)) {
        (Some(literal), _) => shorten(literal),
        (None, Some(number)) if number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => number,
        (None, Some(path)) => format!("{{{path}}}"),
        (None, None) => "…".into(),
    }
}

fn literal(text: &str) -> Option<&str> {
    ['"', '\'', '`'].into_iter().find_map(|quote| {
        let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
        (!inner.contains(quote)).then_some(inner)
    })
}

/// Returns what to write instead of a value with filters.
fn filtered(text: &str) -> Option<String> {
    let (of, filters) = text.split_once('|')?;
    let (of, filters) = (of.trim(), filters.trim());
    let filters = formatter_elsewhere(filters).unwrap_or(filters);
    let shown = as_path(of).unwrap_or_else(|| "name".into());
    Some(
        filter(&shown, filters)
            .unwrap_or_else(|| format!("a value takes single braces: `{{{shown} | {}}}`", shorten(filters))),
    )
}

/// The largest number of formatters of one value.
pub(in super::super) const CHAIN_MAX: usize = 16;

/// Returns what to write instead of filters of which one takes arguments or has another name here.
pub(in super::super) fn filter(of: &str, filters: &str) -> Option<String> {
    let mut rest = filters;
    for place in 0..CHAIN_MAX {
        let length = rest
            .bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
            .count();
        let (name, arguments) = rest.split_at(length);
        let arguments = arguments.trim();
        match name {
            "default" | "default_if_none" | "d" => {
                let arguments = arguments.trim_start_matches(['(', ':']).trim_end_matches(')');
                return Some(default(of, arguments.split(',').next().unwrap_or_default()));
            }
            "safe" | "raw" | "noescape" | "html_safe" | "safeHTML" if arguments.is_empty() => {
                return Some(match place {
                    0 => format!("write `{{{of} | unescaped}}`, only for markup of your own"),
                    _ => "write `unescaped` at its end, only for markup of your own".into(),
                });
            }
            "length" | "count" | "size" => return Some(count(of)),
            "join" => {
                return Some(format!(
                    "write `{{{{ for item in {of} }}}}{{item}}{{{{ if not @last }}}}, {{{{ endif }}}}{{{{ endfor }}}}`"
                ));
            }
            _ => {}
        }
        if let Some(others) = arguments.strip_prefix('|') {
            rest = others.trim_start();
            continue;
        }
        let shown = if name.is_empty() { "upper".into() } else { shorten(name) };
        return (!arguments.is_empty()).then(|| {
            format!("write its name alone, such as `{{{of} | {shown}}}`; for each way to format, the program registers a formatter")
        });
    }
    None
}

/// Returns what to write instead of a choice: `a ? b : c`, `b if a else c`.
fn choice(text: &str) -> Option<String> {
    let (of, then, otherwise) = match text.split_once('?') {
        Some((of, branches)) => {
            let (then, otherwise) = branches.split_once(':')?;
            (of, then, otherwise)
        }
        None if text.contains("&&") => {
            let (of, then) = text.split_once("&&")?;
            (of, then, "\"\"")
        }
        None => {
            let (then, rest) = text.split_once(" if ")?;
            let (of, otherwise) = rest.split_once(" else ").unwrap_or((rest, "\"\""));
            (of, then, otherwise)
        }
    };
    let of = as_path(of).unwrap_or_else(|| "is_sold_out".into());
    let (then, otherwise) = (printed(then), printed(otherwise));
    let otherwise = if otherwise.is_empty() {
        String::new()
    } else {
        format!("{{{{ else }}}}{otherwise}")
    };
    Some(format!("write `{{{{ if {of} }}}}{then}{otherwise}{{{{ endif }}}}`"))
}

/// Returns what to write instead of a call: `t("x")`, `upper(name)`, `name.upper()`, `t "x"`.
fn call(text: &str) -> Option<String> {
    const NONE: &str = "there are no functions: put the result into the data";
    let (name, arguments) = match text.strip_suffix(')') {
        Some(text) => text.split_once('(')?,
        None => {
            let (name, arguments) = text.split_once(' ')?;
            let is_word = |word: &str| literal(word).is_some() || as_path(word).is_some();
            let mut words = arguments.split_whitespace();
            // Two plain words are more likely a path with a blank in it.
            if !words.clone().all(is_word) || words.clone().count() < 2 && !words.any(|word| literal(word).is_some()) {
                return None;
            }
            (name, arguments)
        }
    };
    let (name, arguments) = (as_path(name)?, arguments.trim());
    if let Some((of, method)) = name.rsplit_once('.')
        && arguments.is_empty()
    {
        return Some(match method {
            "upper" | "lower" | "title" | "trim" => format!("write `{{{of} | {method}}}`"),
            "toUpperCase" | "upcase" => format!("write `{{{of} | upper}}`"),
            "toLowerCase" | "downcase" => format!("write `{{{of} | lower}}`"),
            _ => NONE.into(),
        });
    }
    if matches!(name.as_str(), "super" | "yield" | "parent" | "caller") {
        return Some(super::INHERITANCE.into());
    }
    Some(match (literal(arguments).and_then(as_path), as_path(arguments)) {
        (Some(key), _) if !name.contains('.') => {
            format!("there are no functions: put the texts into the data, and write `{{{name}.{key}}}`")
        }
        (None, Some(of)) if !name.contains('.') => {
            format!(
                "there are no functions: put the result into the data, or register a formatter and write `{{{of} | {name}}}`"
            )
        }
        _ => NONE.into(),
    })
}

fn count(of: &str) -> String {
    format!("put the number into the data, such as `{{{of}_count}}`")
}

fn operators(text: &str) -> Option<String> {
    let parts = |sign: &str| {
        text.split(sign)
            .map(as_path)
            .collect::<Option<Vec<_>>>()
            .filter(|parts| parts.len() > 1)
    };
    if let Some(parts) = parts("~").or_else(|| parts(" . ")) {
        let beside: String = parts.iter().map(|path| format!("{{{path}}}")).collect();
        return Some(format!("write one beside the other: `{beside}`"));
    }
    let compares = |sign: &&str| {
        text.split(sign)
            .map(as_path)
            .collect::<Option<Vec<_>>>()
            .is_some_and(|parts| parts.len() == 2)
    };
    if ["==", "!=", "<=", ">=", " < ", " > "]
        .iter()
        .any(|sign| text.contains(sign))
        || ["<", ">"].iter().any(compares)
    {
        return Some(
            "there are no comparisons: put the answer into the data and test that: `{{ if is_sold_out }}`".into(),
        );
    }
    let is_operand = |part: &str| as_path(part.trim().trim_matches(['(', ')'])).is_some();
    let calculates = text
        .split(['+', '*', '/', '%', '-'])
        .map(is_operand)
        .collect::<Vec<_>>();
    (calculates.len() > 1 && calculates.iter().all(|is| *is)).then(|| ARITHMETIC.into())
}
