//! The normal form of HTML, for comparing pages: it is not a parser, and other texts pass through it line by line.

/// Returns a page as lines: each tag and each text between tags is one. White space counts as one blank, and the attributes of a tag are sorted
/// and quoted in one way. Text that differs only in these is the same for a visitor.
pub(super) fn normalized(page: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        push_text(&mut lines, &rest[..start]);
        let tag = &rest[start..];
        let end = end_of_tag(tag);
        lines.push(tag_line(&tag[..end]));
        rest = &tag[end..];
    }
    push_text(&mut lines, rest);
    lines
}

fn push_text(lines: &mut Vec<String>, text: &str) {
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if !words.is_empty() {
            lines.push(words.join(" "));
        }
    }
}

/// Returns the length of the tag that a text begins with; `>` in quotes does not end it.
fn end_of_tag(tag: &str) -> usize {
    if tag.starts_with("<!--") {
        return tag.find("-->").map_or(tag.len(), |end| end + 3);
    }
    let mut quote = None;
    for (at, char) in tag.char_indices() {
        match (quote, char) {
            (None, '>') => return at + 1,
            (None, '"' | '\'') => quote = Some(char),
            (Some(open), char) if open == char => quote = None,
            _ => {}
        }
    }
    tag.len()
}

/// Returns a tag with sorted attributes.
fn tag_line(tag: &str) -> String {
    let inner = tag.trim_start_matches('<').trim_end_matches('>').trim();
    if inner.starts_with('!') || inner.starts_with('/') {
        return format!("<{}>", inner.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    let mut attributes = attributes(inner);
    let name = match attributes.is_empty() {
        true => String::new(),
        false => attributes.remove(0),
    };
    attributes.retain(|attribute| attribute != "/");
    attributes.sort_unstable();
    attributes.insert(0, name);
    format!("<{}>", attributes.join(" "))
}

/// Splits a tag into its name and its attributes, each with its value in double quotes.
fn attributes(inner: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = inner.trim_start();
    while !rest.is_empty() {
        let end = rest
            .find(|char: char| char.is_whitespace() || char == '=')
            .unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let Some(value) = after.trim_start().strip_prefix('=').map(str::trim_start) else {
            found.push(name.to_owned());
            rest = after.trim_start();
            continue;
        };
        let (value, after) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].split_once(quote).unwrap_or((&value[1..], "")),
            _ => value.split_at(value.find(char::is_whitespace).unwrap_or(value.len())),
        };
        found.push(format!("{name}=\"{value}\""));
        rest = after.trim_start();
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tags_and_texts_are_lines() {
        let page = "<!doctype  html>\n<a b=c\n href='x>y' checked / >one\ttwo</a ><br/><!-- a > b -->three\nfour < 5";
        let expected = [
            "<!doctype html>",
            "<a b=\"c\" checked href=\"x>y\">",
            "one two",
            "</a>",
            "<br/>",
            "<!-- a > b -->",
            "three",
            "four",
            "<5>",
        ];
        assert_eq!(normalized(page), expected);
    }

    proptest! {
        #[test]
        fn any_text_has_a_normal_form(page in "[<>='\" a-c/!\\-é\n]{0,60}") {
            let lines = normalized(&page);
            prop_assert!(lines.len() <= page.len() + 1);
        }
    }
}
