//! What somebody probably meant with a key that there is not.

use super::keys::{Key, keys};
use super::quantity::without_unit;

/// Below this, two names are not alike.
const ALIKE: f64 = 0.6;

/// The known key that is most like a path, if one is like it at all.
pub(super) fn key(path: &str) -> Option<&'static Key> {
    let (section, name) = path.rsplit_once('.').unwrap_or(("", path));
    let scored = keys().iter().map(|key| {
        let same_section = if key.section() == section { 0.05 } else { 0.0 };
        (alike(name, key.name()) + same_section, key)
    });
    let (score, key) = scored.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (score >= ALIKE).then_some(key)
}

/// The variable that is most like `rest`, a name without its prefix: that of a key, with its section or without, or one of `others`.
pub(super) fn variable(rest: &str, others: &[&str]) -> Option<String> {
    let keys = keys().iter().map(|key| {
        let whole = alike(rest, &key.path.replace('.', "_"));
        (whole.max(alike(rest, key.name())), key.variable())
    });
    let others = others.iter().map(|other| {
        let known = other.trim_start_matches("HOTPLATE_").to_lowercase();
        (alike(rest, &known), (*other).to_owned())
    });
    // Of equals the first.
    let scored: Vec<_> = keys.chain(others).collect();
    let (score, variable) = scored.into_iter().rev().max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (score >= ALIKE).then_some(variable)
}

/// The section that is most like one.
pub(super) fn section(section: &str) -> Option<&'static str> {
    let scored = keys().iter().map(|key| (alike(section, key.section()), key.section()));
    let (score, section) = scored.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (score >= ALIKE).then_some(section)
}

/// From 0 to 1. A unit that is missing or another one is what people get wrong most.
fn alike(given: &str, known: &str) -> f64 {
    let given = &given.to_lowercase().replace('-', "_");
    let written = strsim::normalized_damerau_levenshtein(given, known);
    let (stem, unit) = without_unit(given);
    let by_stem = match without_unit(known).0 == stem {
        true if unit.is_empty() => 0.9,
        true => 0.95,
        false => 0.0,
    };
    let shorter = given.len() >= 4 && (known.starts_with(given.as_str()) || known.ends_with(given.as_str()));
    written.max(by_stem).max(if shorter { 0.8 } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_found() {
        for (given, expected) in [
            ("limits.render_sm", Some("limits.render_ms")),
            ("limits.render", Some("limits.render_ms")),
            ("limits.render_seconds", Some("limits.render_ms")),
            ("limits.Render-MS", Some("limits.render_ms")),
            ("limits.output", Some("limits.output_bytes")),
            ("limits.outputbytes", Some("limits.output_bytes")),
            ("render_ms", Some("limits.render_ms")),
            ("server.drain", Some("server.drain_ms")),
            ("server.port", None),
            ("server.bnid", Some("server.bind")),
            ("dev.bnid", Some("dev.bind")),
            ("log.levle", Some("log.level")),
            ("limits.zzzzzzzz", None),
        ] {
            assert_eq!(key(given).map(|key| key.path), expected, "{given}");
        }
        assert_eq!(section("limit"), Some("limits"));
        assert_eq!(section("wombat"), None);
    }
}
