//! Operators and filters of other languages, and the expression to write here.

/// The meaning of an expression of another language.
pub(super) enum Meant {
    /// The expression to write.
    Expression(String),
    /// Advice that is no expression.
    Advice(String),
}

impl Meant {
    /// Returns the advice, for an expression that stands in a tag with this word in front, or in an output.
    pub(super) fn help(self, word: Option<&str>) -> String {
        match (self, word) {
            (Self::Expression(expression), Some(word)) => format!("write `{{% {word} {expression} %}}`"),
            (Self::Expression(expression), None) => format!("write `{{{{ {expression} }}}}`"),
            (Self::Advice(advice), _) => advice,
        }
    }
}

/// Returns what to write instead of an expression of another language.
pub(super) fn expression(text: &str) -> Option<Meant> {
    conditional(text)
        .or_else(|| colon_arguments(text))
        .or_else(|| replaced(text))
        .or_else(|| worded(text))
}

fn shown(expression: &str) -> Meant {
    Meant::Expression(expression.trim().to_owned())
}

/// Returns the position of the first `needle` that is in no string.
fn find_outside(text: &str, needle: &str) -> Option<usize> {
    let mut quote = None;
    let mut skips = false;
    for (at, each) in text.char_indices() {
        match quote {
            _ if skips => skips = false,
            Some(_) if each == '\\' => skips = true,
            Some(open) if each == open => quote = None,
            Some(_) => {}
            None if text[at..].starts_with(needle) => return Some(at),
            None if matches!(each, '"' | '\'') => quote = Some(each),
            None => {}
        }
    }
    None
}

fn split_outside<'t>(text: &'t str, needle: &str) -> Option<(&'t str, &'t str)> {
    let at = find_outside(text, needle)?;
    Some((text[..at].trim(), text[at + needle.len()..].trim()))
}

/// Returns what to write instead of `a ?: b`, `a ?? b` and `a ? b : c`.
fn conditional(text: &str) -> Option<Meant> {
    if let Some((value, otherwise)) = split_outside(text, "?:") {
        return Some(shown(&format!("{value} or {otherwise}")));
    }
    if let Some((value, otherwise)) = split_outside(text, "??") {
        return Some(shown(&format!("{value}|default({otherwise})")));
    }
    if find_outside(text, "?.").is_some() {
        return None;
    }
    let (condition, rest) = split_outside(text, "?")?;
    Some(match split_outside(rest, ":") {
        Some((value, otherwise)) => shown(&format!("{value} if {condition} else {otherwise}")),
        None if rest.is_empty() => shown(condition),
        None => shown(&format!("{rest} if {condition}")),
    })
}

/// Returns what to write instead of `a|filter:argument` of Django and Liquid.
fn colon_arguments(text: &str) -> Option<Meant> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((part, after)) = split_outside(rest, "|") {
        parts.push(part);
        rest = after;
    }
    parts.push(rest.trim());
    if parts.len() < 2 {
        return None;
    }
    let mut has_colon = false;
    let filters: Vec<String> = parts
        .iter()
        .enumerate()
        .map(|(nth, part)| match split_outside(part, ":") {
            Some((name, argument)) if nth > 0 && name.chars().all(|each| each.is_alphanumeric() || each == '_') => {
                has_colon = true;
                format!("{name}({argument})")
            }
            _ => (*part).to_owned(),
        })
        .collect();
    has_colon.then(|| shown(&filters.join("|")))
}

/// Returns the expression with the operators of C and its relatives replaced.
fn replaced(text: &str) -> Option<Meant> {
    let mut replaced = text.to_owned();
    for (theirs, ours) in [
        ("!==", " != "),
        ("===", " == "),
        ("&&", " and "),
        ("||", " or "),
        ("<>", " != "),
        ("?.", "."),
        ("->", "."),
        ("self::", ""),
        ("::", "."),
        ("$", ""),
        ("`", "'"),
    ] {
        // An expression that is looked at again is short, so the number of replacements is bounded.
        while let Some(at) = find_outside(&replaced, theirs) {
            replaced.replace_range(at..at + theirs.len(), ours);
        }
    }
    while let Some(at) = find_not(&replaced) {
        replaced.replace_range(at..=at, "not ");
    }
    let replaced = collapsed(&replaced);
    (replaced != collapsed(text)).then(|| shown(&replaced))
}

/// Returns the position of a `!` that is not part of `!=`.
fn find_not(text: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = find_outside(&text[from..], "!") {
        let at = from + found;
        if !text[at..].starts_with("!=") {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// Returns a text with single blanks.
fn collapsed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns what to write instead of operators that are words.
fn worded(text: &str) -> Option<Meant> {
    for (theirs, ours) in [
        (" starts with ", "startingwith"),
        (" startswith ", "startingwith"),
        (" ends with ", "endingwith"),
        (" endswith ", "endingwith"),
    ] {
        if let Some((value, affix)) = split_outside(text, theirs) {
            return Some(shown(&format!("{value} is {ours}({affix})")));
        }
    }
    if let Some((value, item)) = split_outside(text, " contains ") {
        return Some(shown(&format!("{item} in {value}")));
    }
    for (theirs, ours) in [
        (" mod ", "%"),
        (" div ", "//"),
        (" eq ", "=="),
        (" ne ", "!="),
        (" lt ", "<"),
        (" gt ", ">"),
    ] {
        if let Some((one, other)) = split_outside(text, theirs) {
            return Some(shown(&format!("{one} {ours} {other}")));
        }
    }
    if split_outside(text, " matches ").is_some() {
        let advice =
            "there are no patterns: use `is startingwith(…)`, `is endingwith(…)` or `in`, or decide in the data";
        return Some(Meant::Advice(advice.into()));
    }
    if let Some((first, last)) = split_outside(text, "..") {
        return Some(shown(&format!("range({first}, {last} + 1)")));
    }
    if let Some((name, value)) = split_outside(text, ":=").or(split_outside(text, "=")) {
        let is_name = !name.is_empty() && name.chars().all(|each| each.is_alphanumeric() || each == '_');
        let advice = || format!("to compare write `==`; to assign write `{{% set {name} = {value} %}}`");
        return is_name.then(|| Meant::Advice(advice()));
    }
    // A function or helper with its arguments behind it, as in Go and Handlebars.
    let mut words = text.split_whitespace();
    let name = words.next()?;
    let arguments: Vec<&str> = words.collect();
    let is_name = |word: &str| {
        word.starts_with(|each: char| each.is_alphabetic())
            && word.chars().all(|each| each.is_alphanumeric() || "_.".contains(each))
    };
    let are_values = arguments
        .iter()
        .all(|each| is_name(each) || each.starts_with(['"', '\'']));
    (is_name(name) && are_values && (1..=3).contains(&arguments.len())).then(|| {
        let arguments = arguments.join(", ");
        Meant::Advice(format!(
            "put an operator between the values; a function is called as `{name}({arguments})`"
        ))
    })
}
