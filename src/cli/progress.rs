//! [`Progress`]: the progress of long work, on stderr, for people at a terminal.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

/// Work with fewer steps ends before its progress could be read.
const STEPS_MIN: usize = 500;

/// Shows the progress of some work until it is dropped. If stderr is not a terminal, it shows nothing.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Starts to show work of a known number of steps.
    pub(crate) fn counting(what: &'static str, steps: usize) -> Self {
        if steps < STEPS_MIN {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new(steps as u64).with_message(what);
        Self(bar.with_style(style("{msg} [{bar:30}] {pos}/{len}")))
    }

    /// Starts to show work of unknown length.
    pub(crate) fn waiting(what: &'static str) -> Self {
        let bar = ProgressBar::new_spinner().with_message(what);
        let bar = bar.with_style(style("{spinner} {msg} {elapsed}"));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Starts to show work that counts its steps itself. Their number is not known before its end.
    pub(crate) fn counted(what: &'static str, counter: Arc<AtomicUsize>) -> Self {
        let progress = Self::waiting(what);
        let steps = move |state: &ProgressState, out: &mut dyn fmt::Write| {
            let counted = counter.load(Ordering::Relaxed);
            let _ = match counted {
                0 => write!(out, "{:.0?}", state.elapsed()),
                _ => write!(out, "{counted}"),
            };
        };
        let style = style("{spinner} {msg} {steps}").with_key("steps", steps);
        progress.0.set_style(style);
        progress
    }

    /// Counts one step.
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
