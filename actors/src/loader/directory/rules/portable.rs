//! [`unportable`]: names that other systems, to which the templates may be copied, do not allow.

/// Names of devices on Windows, with any extension.
const DEVICES: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9", "lpt1", "lpt2",
    "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// Returns the reason why a file or directory cannot have this name on every system.
pub(in super::super) fn unportable(component: &str) -> Option<&'static str> {
    let stem = component.split('.').next().unwrap_or_default();
    if component.contains(['<', '>', ':', '"', '|', '?', '*']) {
        return Some("Windows has no names with `<`, `>`, `:`, `\"`, `|`, `?` or `*`");
    }
    if component.ends_with(['.', ' ']) {
        return Some("Windows drops a dot or a space at the end");
    }
    DEVICES
        .iter()
        .any(|device| stem.eq_ignore_ascii_case(device))
        .then_some("on Windows it is the name of a device")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_names_and_characters_are_found() {
        for name in ["a:b.html", "con.html", "AUX", "a.", "a ", "what?.html", "Com1.txt"] {
            assert!(unportable(name).is_some(), "{name}");
        }
        for name in [
            "a.html",
            "console.html",
            "com10.txt",
            "größe.html",
            "a b.html",
            "com.html",
        ] {
            assert_eq!(unportable(name), None, "{name}");
        }
    }
}
