//! Numbers with a unit, as people write them. They are invalid, but they are parsed, so that the error can say what to write instead.

use super::keys::Unit;

/// Parses `"2s"` as milliseconds and `"16 MiB"` as bytes. Returns `None` if the text is no whole number of that unit.
pub(super) fn parse(text: &str, unit: Unit) -> Option<u64> {
    let text = text.trim().replace('_', "");
    let end = text.find(|character: char| !character.is_ascii_digit() && character != '.');
    let (number, suffix) = text.split_at(end.unwrap_or(text.len()));
    let number: f64 = number.parse().ok()?;
    let scaled = number * factor(suffix.trim(), unit)?;
    // Larger whole numbers have no exact `f64`.
    (scaled.fract() == 0.0 && (0.0..=9.0e15).contains(&scaled)).then_some(scaled as u64)
}

fn factor(suffix: &str, unit: Unit) -> Option<f64> {
    let suffix = suffix.to_ascii_lowercase();
    let factor = match (unit, suffix.as_str()) {
        (_, "") => 1.0,
        (Unit::Milliseconds, "ms" | "msec" | "millis" | "milliseconds") => 1.0,
        (Unit::Milliseconds, "s" | "sec" | "secs" | "second" | "seconds") => 1e3,
        (Unit::Milliseconds, "m" | "min" | "mins" | "minute" | "minutes") => 6e4,
        (Unit::Milliseconds, "h" | "hour" | "hours") => 3.6e6,
        (Unit::Milliseconds, "d" | "day" | "days") => 8.64e7,
        (Unit::Bytes, "b" | "byte" | "bytes") => 1.0,
        (Unit::Bytes, "kb") | (Unit::Count, "k") => 1e3,
        (Unit::Bytes, "mb") | (Unit::Count, "m") => 1e6,
        (Unit::Bytes, "gb") => 1e9,
        (Unit::Bytes, "k" | "ki" | "kib") => 1024.0,
        (Unit::Bytes, "m" | "mi" | "mib") => 1024.0 * 1024.0,
        (Unit::Bytes, "g" | "gi" | "gib") => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    Some(factor)
}

/// Splits a name into its stem and its unit: `render_s` is `render` in seconds.
pub(super) fn without_unit(name: &str) -> (&str, &str) {
    const UNITS: &[&str] = &[
        "ms",
        "msec",
        "millis",
        "milliseconds",
        "s",
        "sec",
        "secs",
        "seconds",
        "min",
        "mins",
        "minutes",
        "hours",
        "bytes",
        "b",
        "kb",
        "kib",
        "mb",
        "mib",
        "gb",
        "gib",
        "size",
        "timeout",
        "max",
    ];
    match name.rsplit_once('_') {
        Some((stem, unit)) if UNITS.contains(&unit) => (stem, unit),
        _ => (name, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_parsed_in_the_unit_of_the_key() {
        for (text, unit, expected) in [
            ("2s", Unit::Milliseconds, Some(2_000)),
            ("1.5 s", Unit::Milliseconds, Some(1_500)),
            ("250ms", Unit::Milliseconds, Some(250)),
            ("2m", Unit::Milliseconds, Some(120_000)),
            ("2000", Unit::Milliseconds, Some(2_000)),
            ("0.1ms", Unit::Milliseconds, None),
            ("2MiB", Unit::Milliseconds, None),
            ("2 MiB", Unit::Bytes, Some(2_097_152)),
            ("64M", Unit::Bytes, Some(67_108_864)),
            ("1_000 kb", Unit::Bytes, Some(1_000_000)),
            ("5k", Unit::Count, Some(5_000)),
            ("five", Unit::Count, None),
            ("", Unit::Count, None),
            ("-1s", Unit::Milliseconds, None),
            ("1e400", Unit::Count, None),
            ("99999999999999999999999", Unit::Bytes, None),
        ] {
            assert_eq!(parse(text, unit), expected, "{text}");
        }
    }
}
