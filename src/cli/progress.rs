//! [`Progress`]: how far long work is, on stderr, for people at a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Below this, work is over before anybody looks.
const STEPS_MIN: usize = 500;

/// Shows how far some work is, until it is dropped. Where stderr is no terminal, nothing.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Work of many steps.
    pub(crate) fn counting(what: &'static str, steps: usize) -> Self {
        if steps < STEPS_MIN {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new(steps as u64).with_message(what);
        Self(bar.with_style(style("{msg} [{bar:30}] {pos}/{len}")))
    }

    /// Work of which nobody knows how long it takes.
    pub(crate) fn waiting(what: &'static str) -> Self {
        let bar = ProgressBar::new_spinner().with_message(what);
        let bar = bar.with_style(style("{spinner} {msg} {elapsed}"));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// One step further.
    pub(crate) fn step(&self) {
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
