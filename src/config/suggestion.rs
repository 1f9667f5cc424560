//! Suggestions for a key or a section of the configuration that does not exist.

use hotplate_actors::suggestion;

use super::keys::{Key, keys};
use super::quantity::without_unit;

/// The shortest part of a key that counts as an abbreviation of the key, in bytes.
const ABBREVIATION_BYTES_MIN: usize = 4;

/// Returns the key that a path most probably means: a key that differs only in its unit, a similar one, or a longer one. Among equally good
/// keys, one in the section of the path is preferred.
pub(super) fn key(path: &str) -> Option<&'static Key> {
    let path = normalized(path);
    let (section, name) = path.rsplit_once('.').unwrap_or(("", &path));
    let in_section = |key: &&Key| key.section() == section;
    let candidates = || {
        let others = keys().iter().filter(move |key| !in_section(key));
        keys().iter().filter(in_section).chain(others)
    };
    let find = |is_meant: &dyn Fn(&str) -> bool| candidates().find(|key| is_meant(key.name()));
    // A missing or different unit is the most frequent mistake.
    let (stem, _) = without_unit(name);
    find(&|known| without_unit(known).0 == stem)
        .or_else(|| {
            let meant = suggestion(name, candidates().map(Key::name))?;
            find(&|known| known == meant)
        })
        .or_else(|| {
            let is_long = name.len() >= ABBREVIATION_BYTES_MIN;
            find(&|known| is_long && (known.starts_with(name) || known.ends_with(name)))
        })
}

/// Returns the variable that `rest`, a name without its prefix, most probably means: the variable of a key, with or without its section, or
/// one of `others`.
pub(super) fn variable(rest: &str, others: &[&'static str]) -> Option<String> {
    let whole: Vec<(String, String)> = keys()
        .iter()
        .map(|key| (key.path.replace('.', "_"), key.variable()))
        .collect();
    let others = others.iter().map(|other| {
        (
            other.trim_start_matches("HOTPLATE_").to_lowercase(),
            (*other).to_owned(),
        )
    });
    let known: Vec<_> = whole.into_iter().chain(others).collect();
    let rest = normalized(rest);
    let (stem, _) = without_unit(&rest);
    let found = known.iter().find(|(name, _)| without_unit(name).0 == stem).or_else(|| {
        let meant = suggestion(&rest, known.iter().map(|(name, _)| name.as_str()))?;
        known.iter().find(|(name, _)| name == meant)
    });
    found
        .map(|(_, variable)| variable.clone())
        .or_else(|| key(&rest).map(Key::variable))
}

/// Returns the section that a name most probably means.
pub(super) fn section(section: &str) -> Option<&'static str> {
    suggestion(&normalized(section), keys().iter().map(Key::section))
}

/// Returns a path in the notation of the keys.
fn normalized(path: &str) -> String {
    path.to_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_similar_key_is_suggested() {
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
            assert_eq!(key(given).map(|key| key.path.as_str()), expected, "{given}");
        }
        assert_eq!(section("limit"), Some("limits"));
        assert_eq!(section("wombat"), None);
    }
}
