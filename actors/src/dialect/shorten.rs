//! [`shorten`]: shortens texts of authors for messages.

/// Returns a text on one line, cut to a length that is readable in a message.
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
