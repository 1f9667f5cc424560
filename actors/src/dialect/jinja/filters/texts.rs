//! Filters of texts.

use super::{Arguments, Failure, Machine, Outcome, Val};
use crate::dialect::Escape;
use crate::dialect::jinja::operators::{escaped, escaped_as};
use crate::dialect::jinja::value::Kind;
use crate::dialect::jinja::value::json::{Layout, json};
use crate::dialect::jinja::value::print::show;

pub(super) fn safe<'r>(value: Val<'r>, _: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    Ok(Val::Safe(machine.defined_text(value)?))
}

/// Escapes as the page is escaped around `autoescape` blocks; as HTML if it is not.
pub(super) fn escape<'r>(value: Val<'r>, _: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    if value.is_safe() {
        return Ok(value);
    }
    let escape = match (machine.escape, machine.around) {
        (Escape::None, Escape::None) => Escape::Html,
        (Escape::None, around) => around,
        (escape, _) => escape,
    };
    Ok(Val::Safe(escaped_as(escape, value, machine)?))
}

pub(super) fn upper<'r>(value: Val<'r>, _: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    let text = machine.defined_text(value)?;
    Ok(Machine::like(value, machine.space.text(&text.to_uppercase())?))
}

pub(super) fn lower<'r>(value: Val<'r>, _: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    let text = machine.defined_text(value)?;
    Ok(Machine::like(value, machine.space.text(&text.to_lowercase())?))
}

pub(super) fn title<'r>(value: Val<'r>, _: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    let text = machine.defined_text(value)?;
    let separates = |character: char| matches!(character, '-' | '(' | '{' | '[' | '<') || character.is_whitespace();
    let mut titled = machine.space.writer();
    for piece in text.split_inclusive(separates) {
        let word = piece.trim_end_matches(separates);
        if let Some(first) = word.chars().next() {
            first
                .to_uppercase()
                .try_for_each(|character| titled.push_char(character))?;
            titled.push(&lower_tail(word, first))?;
        }
        titled.push(&piece[word.len()..])?;
    }
    Ok(Val::Str(titled.finish()))
}

pub(super) fn capitalize<'r>(value: Val<'r>, _: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    let text = machine.defined_text(value)?;
    let Some(first) = text.chars().next() else {
        return Ok(Machine::like(value, text));
    };
    let mut capitalized = machine.space.writer();
    // Of a letter that becomes several, such as `ß`, only the first one is large.
    let mut upper = first.to_uppercase();
    if let Some(character) = upper.next() {
        capitalized.push_char(character)?;
    }
    for character in upper.flat_map(char::to_lowercase) {
        capitalized.push_char(character)?;
    }
    capitalized.push(&lower_tail(text, first))?;
    Ok(Machine::like(value, capitalized.finish()))
}

/// Returns what follows the first character of a word in lower case. A final sigma depends on what is before it.
fn lower_tail(word: &str, first: char) -> String {
    let tail = &word[first.len_utf8()..];
    if !tail.contains('Σ') {
        return tail.chars().flat_map(char::to_lowercase).collect();
    }
    let before: usize = first.to_lowercase().map(char::len_utf8).sum();
    word.to_lowercase().get(before..).unwrap_or_default().to_owned()
}

pub(super) fn replace<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    let (from, to) = (arguments.at(0), arguments.at(1));
    let count = arguments.integer(2, "count")?;
    let count = count
        .and_then(|count| usize::try_from(count).ok())
        .unwrap_or(usize::MAX);
    let text = machine.defined_text(value)?;
    let (pattern, mut with) = (machine.defined_text(from)?, machine.defined_text(to)?);
    let markup = machine.escape != Escape::None && (value.is_safe() || from.is_safe() || to.is_safe());
    let text = if markup { escaped(value, machine)? } else { text };
    if markup {
        with = escaped(to, machine)?;
    }
    machine.bytes(text.len().saturating_add(pattern.len()))?;
    let mut replaced = machine.space.writer();
    let mut done = 0;
    for (at, found) in text.match_indices(pattern).take(count) {
        machine.bytes(with.len())?;
        replaced.push(&text[done..at])?;
        replaced.push(with)?;
        done = at + found.len();
    }
    replaced.push(&text[done..])?;
    let replaced = replaced.finish();
    Ok(if markup {
        Val::Safe(replaced)
    } else {
        Val::Str(replaced)
    })
}

pub(super) fn trim<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    let text = machine.defined_text(value)?;
    let trimmed = match arguments.at(0) {
        characters if characters.is_absent() => text.trim(),
        characters => {
            let characters: Vec<char> = machine.text(characters)?.chars().collect();
            machine.items(text.len().saturating_mul(characters.len()))?;
            text.trim_matches(characters.as_slice())
        }
    };
    Ok(Machine::like(value, trimmed))
}

/// Returns the text that a filter works on, which has to be a string.
fn string_of<'r>(filter: &str, value: Val<'r>, machine: &Machine<'_, 'r>) -> Outcome<&'r str> {
    machine.defined(value)?;
    match value.as_str() {
        Some(text) => Ok(text),
        None => Err(Failure::invalid(format!(
            "`{filter}` takes a string, not {}",
            value.words()
        ))),
    }
}

fn list_of<'r>(
    value: Val<'r>,
    parts: impl Iterator<Item = &'r str>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    let mut list = machine.space.list();
    for part in parts {
        list.push(Machine::like(value, part))?;
    }
    machine.items(list.len())?;
    Ok(Val::List(list.finish()))
}

pub(super) fn split<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    let text = string_of("split", value, machine)?;
    machine.items(text.len())?;
    let separator = arguments.text(0, "the separator")?;
    let most = arguments.integer(1, "the number of splits")?;
    let most = most
        .and_then(|most| usize::try_from(most).ok())
        .map(|most| most.saturating_add(1));
    match (separator, most) {
        (None, None) => list_of(value, text.split_whitespace(), machine),
        (None, Some(most)) => list_of(value, split_words(text, most), machine),
        (Some(separator), None) => list_of(value, text.split(separator), machine),
        (Some(separator), Some(most)) => list_of(value, text.splitn(most, separator), machine),
    }
}

/// Splits a text at its blanks into at most `most` parts; the last one keeps the blanks in it.
fn split_words(text: &str, most: usize) -> impl Iterator<Item = &str> {
    let mut rest = text.trim_start();
    let mut parts = 0;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        parts += 1;
        if parts >= most {
            return Some(std::mem::take(&mut rest));
        }
        let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        rest = after.trim_start();
        Some(word)
    })
}

pub(super) fn lines<'r>(value: Val<'r>, _: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    let text = string_of("lines", value, machine)?;
    machine.items(text.len())?;
    list_of(value, text.lines(), machine)
}

pub(super) fn indent<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    let width = arguments.count(0, "width")?.unwrap_or(4);
    let first = arguments.truth(1, "first")?.unwrap_or(false);
    let blank = arguments.truth(2, "blank")?.unwrap_or(false);
    // Unlike other filters of texts, this one accepts undefined values, as with the judge.
    let text = machine.text(value)?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    let mut indented = machine.space.writer();
    for (at, line) in text.split('\n').enumerate() {
        if at > 0 {
            indented.push("\n")?;
        }
        let is_blank = line.is_empty() || line == "\r";
        let wanted = if is_blank { blank } else { true };
        if wanted && (at > 0 || first) {
            machine.bytes(width)?;
            indented.blanks(width)?;
        }
        indented.push(line)?;
    }
    let text = indented.finish();
    // As the judge, which removes one line break at the end once more.
    let text = text.strip_suffix('\r').unwrap_or(text);
    Ok(Machine::like(value, text))
}

pub(super) fn string<'r>(value: Val<'r>, _: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    match value.kind() {
        Kind::Str => Ok(value),
        _ => Ok(Val::Str(machine.defined_text(value)?)),
    }
}

pub(super) fn pprint<'r>(value: Val<'r>, _: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    let mut text = machine.space.writer();
    show(value, true, &mut text, machine)?;
    Ok(Val::Str(text.finish()))
}

pub(super) fn tojson<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    let indent = match arguments.get(0, "indent") {
        Val::Bool(true) => Some(2),
        Val::Bool(false) => None,
        _ => arguments.count(0, "indent")?,
    };
    let layout = indent.map_or(Layout::Spaced, Layout::Indented);
    Ok(Val::Safe(json(value, layout, machine)?))
}

pub(super) fn urlencode<'r>(value: Val<'r>, _: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    let mut encoded = machine.space.writer();
    match value.pairs(machine)? {
        Some(pairs) => {
            for (key, value) in pairs {
                if value.is_absent() {
                    continue;
                }
                if !encoded.is_empty() {
                    encoded.push("&")?;
                }
                let (key, value) = (machine.text(*key)?, machine.text(*value)?);
                percent_encode(key, &mut encoded)?;
                encoded.push("=")?;
                percent_encode(value, &mut encoded)?;
            }
        }
        None if value.is_absent() => {}
        None => {
            let text = machine.text(value)?;
            machine.items(text.len())?;
            percent_encode(text, &mut encoded)?;
        }
    }
    Ok(Val::Str(encoded.finish()))
}

fn percent_encode(text: &str, into: &mut crate::dialect::jinja::value::Text<'_, '_>) -> Outcome<()> {
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_');
    for byte in text.bytes() {
        if kept(byte) {
            into.push_char(char::from(byte))?;
        } else {
            into.push(&format!("%{byte:02X}"))?;
        }
    }
    Ok(())
}

/// Counts words: runs of letters, numbers and underscores.
pub(super) fn wordcount<'r>(value: Val<'r>, _: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    let text = string_of("wordcount", value, machine)?;
    machine.items(text.len() / 4)?;
    let words = text.split(|character: char| !character.is_alphanumeric() && character != '_');
    Ok(Val::count(words.filter(|word| !word.is_empty()).count()))
}

pub(super) fn pluralize<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    machine.defined(value)?;
    let count = match value.length() {
        Some(length) => i64::try_from(length).ok(),
        None => value.as_index(),
    };
    let Some(count) = count else {
        return Err(Failure::invalid(format!(
            "`pluralize` takes a number or a list, not {}",
            value.words()
        )));
    };
    let (form, usual) = match count {
        1 => (arguments.get(0, "singular"), ""),
        _ => (arguments.get(1, "plural"), "s"),
    };
    Ok(if form.is_absent() { Val::Str(usual) } else { form })
}

/// The number of characters that `truncate` lets pass beyond the length.
const LEEWAY: usize = 5;

pub(super) fn truncate<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    if value.is_absent() {
        return Ok(Val::Str(""));
    }
    let text = string_of("truncate", value, machine)?;
    let length = arguments.count(0, "length")?.unwrap_or(255);
    let kill_words = arguments.truth(1, "killwords")?.unwrap_or(false);
    let end = match arguments.get(2, "end") {
        end if end.is_absent() => Val::Str("..."),
        end => end,
    };
    let Some(end_text) = end.as_str() else {
        return Err(Failure::invalid(format!(
            "`end` has to be a string, not {}",
            end.words()
        )));
    };
    let leeway = match arguments.count(3, "leeway")? {
        Some(leeway) => leeway,
        None => {
            let set = machine.space.setting("TRUNCATE_LEEWAY")?.and_then(Val::as_index);
            set.and_then(|leeway| usize::try_from(leeway).ok()).unwrap_or(LEEWAY)
        }
    };
    let end_length = end_text.chars().count();
    let Some(kept_length) = length.checked_sub(end_length) else {
        return Err(Failure::invalid(format!(
            "`length` has to be {end_length} at least, as long as `end`"
        )));
    };
    machine.items(text.len() / 4)?;
    if text.chars().count() <= length.saturating_add(leeway) {
        return Ok(value);
    }
    let cut = text.char_indices().nth(kept_length).map_or(text.len(), |(at, _)| at);
    let mut kept = &text[..cut];
    if !kill_words && let Some((words, _)) = kept.rsplit_once(' ') {
        kept = words;
    }
    if !value.is_safe() && !end.is_safe() {
        return Ok(Val::Str(machine.space.concat(&[kept, end_text])?));
    }
    let kept = escaped(Machine::like(value, kept), machine)?;
    let end = escaped(end, machine)?;
    Ok(Val::Safe(machine.space.concat(&[kept, end])?))
}

/// Removes tags and comments, resolves the entities of HTML's own characters, and joins blanks.
pub(super) fn striptags<'r>(value: Val<'r>, _: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    let text = machine.defined_text(value)?;
    machine.items(text.len())?;
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['<', '&']) {
        push_plain(&rest[..at], &mut plain);
        let found = &rest[at..];
        rest = if let Some(comment) = found.strip_prefix("<!--") {
            comment.split_once("-->").map_or("", |(_, after)| after)
        } else if found.starts_with('<') {
            found.split_once('>').map_or("", |(_, after)| after)
        } else {
            let ends = found[1..].find(|each: char| matches!(each, ';' | '<' | '&') || each.is_whitespace());
            let name = &found[1..1 + ends.unwrap_or(found.len() - 1)];
            let after = &found[1 + name.len()..];
            let closed = after.strip_prefix(';');
            match entity(name) {
                Some(character) => push_plain(character.encode_utf8(&mut [0; 4]), &mut plain),
                None => {
                    plain.push('&');
                    plain.push_str(name);
                    if closed.is_some() {
                        plain.push(';');
                    }
                }
            }
            closed.unwrap_or(after)
        };
    }
    push_plain(rest, &mut plain);
    Ok(Val::Str(machine.space.text(plain.trim_end())?))
}

/// Appends text with each run of blanks as one.
fn push_plain(text: &str, plain: &mut String) {
    for character in text.chars() {
        if !character.is_whitespace() {
            plain.push(character);
        } else if plain.ends_with(|before: char| !before.is_whitespace()) {
            plain.push(' ');
        }
    }
}

fn entity(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    })
}
