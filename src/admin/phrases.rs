//! Formats figures for people.

/// Formats a duration with two significant digits in a suitable unit.
pub(super) fn duration(ms: Option<f64>) -> String {
    match ms {
        None => "–".to_owned(),
        Some(ms) if ms < 0.0995 => format!("{:.0} µs", ms * 1000.0),
        Some(ms) if ms < 1.0 => format!("{ms:.2} ms"),
        Some(ms) if ms < 9.95 => format!("{ms:.1} ms"),
        Some(ms) if ms < 999.5 => format!("{ms:.0} ms"),
        Some(ms) => format!("{:.1} s", ms / 1000.0),
    }
}

/// Formats a rate or a count.
pub(super) fn amount(value: f64) -> String {
    match value {
        value if value < 0.05 => "0".to_owned(),
        value if value < 9.95 => format!("{value:.1}"),
        value if value < 9_999.5 => format!("{value:.0}"),
        value if value < 999_950.0 => format!("{:.1} k", value / 1e3),
        value => format!("{:.1} M", value / 1e6),
    }
}

/// Formats a number of bytes.
#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
pub(super) fn bytes(bytes: u64) -> String {
    match bytes {
        bytes if bytes < 1 << 20 => format!("{:.0} KB", bytes as f64 / 1024.0),
        bytes if bytes < 1 << 30 => format!("{:.0} MB", bytes as f64 / f64::from(1 << 20)),
        bytes => format!("{:.1} GB", bytes as f64 / f64::from(1 << 30)),
    }
}

/// Formats the time since a moment.
pub(crate) fn ago(at_ms: u64, now_ms: u64) -> String {
    match now_ms.saturating_sub(at_ms) / 1000 {
        0..5 => "just now".to_owned(),
        seconds @ 5..60 => format!("{seconds} s ago"),
        seconds @ 60..3_600 => format!("{} min ago", seconds / 60),
        seconds @ 3_600..86_400 => format!("{} h ago", seconds / 3_600),
        seconds => format!("{} d ago", seconds / 86_400),
    }
}

/// Formats the time until a moment.
pub(super) fn ahead(at_ms: u64, now_ms: u64) -> String {
    match at_ms.saturating_sub(now_ms).div_ceil(1000) {
        0 => "with the next request".to_owned(),
        seconds @ 1..120 => format!("in {seconds} s"),
        seconds => format!("in {} min", seconds.div_ceil(60)),
    }
}

/// Formats a number with its noun: `1 template`, `2 templates`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// Formats a number with commas: `10,001`.
pub(super) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let grouped = digits.char_indices().flat_map(|(at, digit)| {
        let is_group = at > 0 && (digits.len() - at).is_multiple_of(3);
        is_group.then_some(',').into_iter().chain([digit])
    });
    grouped.collect()
}

/// Returns the path of a small chart, 120 wide and 32 high, with the newest value at the right.
#[expect(clippy::cast_precision_loss, reason = "there are 61 values at most")]
pub(super) fn spark(values: &[f64]) -> String {
    let max = values.iter().copied().fold(1.0, f64::max);
    let step = 120.0 / 59.0;
    let start = 120.0 - step * values.len().saturating_sub(1) as f64;
    let points = values.iter().enumerate().map(|(number, value)| {
        let (x, y) = (start + step * number as f64, 30.0 - 28.0 * value / max);
        format!("{}{x:.1},{y:.1}", if number == 0 { 'M' } else { 'L' })
    });
    points.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_formatted_for_people() {
        let durations = [0.0004, 0.021, 0.21, 2.13, 21.3, 213.0, 2_130.0].map(|ms| duration(Some(ms)));
        assert_eq!(
            durations,
            ["0 µs", "21 µs", "0.21 ms", "2.1 ms", "21 ms", "213 ms", "2.1 s"]
        );
        assert_eq!(
            [0.0, 1.25, 42.4, 12_345.0, 1_234_567.0].map(amount),
            ["0", "1.2", "42", "12.3 k", "1.2 M"]
        );
        assert_eq!(
            [0, 5_000, 61_000, 3_600_000, 90_000_000].map(|ms| ago(0, ms)),
            ["just now", "5 s ago", "1 min ago", "1 h ago", "1 d ago"]
        );
        assert_eq!([2_048, 5 << 20, 3 << 30].map(bytes), ["2 KB", "5 MB", "3.0 GB"]);
        assert_eq!(
            [0, 999, 1_000, 10_001, 1_234_567].map(grouped),
            ["0", "999", "1,000", "10,001", "1,234,567"]
        );
        assert_eq!(spark(&[]), "");
        assert_eq!(spark(&[0.0, 2.0]), "M118.0,30.0L120.0,2.0");
    }
}
