//! Names in sentences, and names as people know them.

use hotplate::TemplateName;
use hotplate::diagnostic::Diagnostic;
use hotplate::site::Site;

/// Names that a sentence spells out.
const SPELT_OUT: usize = 3;

/// `a.html, b.html, c.html and 4 more`.
pub(crate) fn list(site: &Site, names: &[TemplateName]) -> String {
    let mut list = String::new();
    for (at, name) in names.iter().take(SPELT_OUT).enumerate() {
        let before = match at {
            0 => "",
            _ if at + 1 == names.len() => " and ",
            _ => ", ",
        };
        list += before;
        list += site.shown(name).as_str();
    }
    match names.len().saturating_sub(SPELT_OUT) {
        0 => list,
        more => format!("{list} and {more} more"),
    }
}

/// The names as people know them, all of them.
pub(crate) fn shown(site: &Site, names: &[TemplateName]) -> Vec<TemplateName> {
    names.iter().map(|name| site.shown(name)).collect()
}

/// A diagnostic with names as people know them.
pub(crate) fn diagnostic(site: &Site, diagnostic: &Diagnostic) -> Diagnostic {
    let mut diagnostic = diagnostic.clone();
    diagnostic.template = diagnostic.template.map(|name| site.shown(&name));
    diagnostic
}

/// `1 error`, `2 errors`.
pub(crate) fn count(count: usize, one: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {one}s"),
    }
}
