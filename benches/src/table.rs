//! Markdown tables and the format of their numbers.

use crate::measure::Samples;

/// Prints a table; the first column is left-aligned, all others right-aligned.
pub fn print(columns: &[&str], rows: &[Vec<String>]) {
    println!("| {} |", columns.join(" | "));
    println!("|---|{}", "---:|".repeat(columns.len() - 1));
    for row in rows {
        println!("| {} |", row.join(" | "));
    }
    println!();
}

/// Formats nanoseconds in a suitable unit.
pub fn time(nanoseconds: f64) -> String {
    match nanoseconds.abs() {
        0.0..1e3 => format!("{nanoseconds:.0} ns"),
        1e3..1e4 => format!("{:.2} µs", nanoseconds / 1e3),
        1e4..1e6 => format!("{:.1} µs", nanoseconds / 1e3),
        1e6..1e7 => format!("{:.2} ms", nanoseconds / 1e6),
        _ => format!("{:.0} ms", nanoseconds / 1e6),
    }
}

/// Formats the median of a ratio in bold.
pub fn ratio(samples: &Samples) -> String {
    format!("**{:.2}**", samples.median())
}

/// Formats the interval that contains interquartile range.
pub fn spread(samples: &Samples) -> String {
    format!("{:.2}–{:.2}", samples.quantile(0.25), samples.quantile(0.75))
}
