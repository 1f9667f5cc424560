//! [`shorten`]: a text of an author inside a message.

/// As much of a text as a message bears, on one line.
pub(crate) fn shorten(text: &str) -> String {
    const CHARACTERS: usize = 60;
    let mut shown: String = text
        .chars()
        .take(CHARACTERS)
        .map(|each| if each.is_control() { ' ' } else { each })
        .collect();
    if text.chars().nth(CHARACTERS).is_some() {
        shown.push('…');
    }
    shown
}
