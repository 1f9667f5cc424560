//! [`VitalsHistory`]: one reading of the counters in each second, from which the dashboard computes rates.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use hotplate_actors::Counters;
use hotplate_actors::counters::Histogram;
use serde::Serialize;

use super::phrases;
use super::visitors::{Answers, Visitors};

/// Readings that are kept: one for each second of a minute, and the one before.
const READINGS: usize = 61;
/// Readings over which percentiles are computed, so that they show the current state.
const RECENT: usize = 10;

/// The last readings.
#[derive(Debug, Default)]
pub(super) struct VitalsHistory(Mutex<VecDeque<Reading>>);

#[derive(Debug)]
struct Reading {
    at: Instant,
    answers: Answers,
    seconds: Histogram,
}

/// The figures of the moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Vitals {
    /// Renders in the last second.
    pub(super) renders_per_second: f64,
    /// The median duration of the last renders, in milliseconds.
    pub(super) p50_ms: Option<f64>,
    /// The 99th percentile of these durations.
    pub(super) p99_ms: Option<f64>,
    /// The median time from noticing an edit to the swap, of all since the start, in milliseconds.
    pub(super) reload_p50_ms: Option<f64>,
    /// The 99th percentile of these times.
    pub(super) reload_p99_ms: Option<f64>,
    /// Versions in memory now.
    pub(super) snapshots: usize,
    /// The most versions in memory at once.
    pub(super) snapshots_high_water: usize,
    /// Renders in each of the last seconds, oldest first.
    pub(super) history: Vec<f64>,
}

impl VitalsHistory {
    /// Adds a reading and drops the oldest.
    pub(super) fn take(&self, counters: &Counters, at: Instant) {
        let mut readings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        readings.push_back(Reading {
            at,
            answers: Answers::of(counters),
            seconds: counters.render_seconds.clone(),
        });
        while readings.len() > READINGS {
            readings.pop_front();
        }
    }

    /// Computes the figures, with the current counters.
    pub(super) fn vitals(&self, counters: &Counters) -> Vitals {
        let readings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = |from: &Reading, to: &Reading| {
            let seconds = to.at.saturating_duration_since(from.at).as_secs_f64();
            #[expect(clippy::cast_precision_loss, reason = "a rate is an estimate")]
            let renders = to.answers.since(from.answers).total() as f64;
            if seconds > 0.0 { renders / seconds } else { 0.0 }
        };
        let recent = readings
            .len()
            .checked_sub(1 + RECENT.min(readings.len().saturating_sub(1)));
        let recent = recent.and_then(|first| readings.get(first)).zip(readings.back());
        let seconds = recent
            .map(|(from, to)| to.seconds.since(&from.seconds))
            .unwrap_or_default();
        let ms = |seconds: Option<f64>| seconds.map(|seconds| seconds * 1000.0);
        let pairs = readings.iter().zip(readings.iter().skip(1));
        Vitals {
            renders_per_second: readings
                .iter()
                .rev()
                .nth(1)
                .zip(readings.back())
                .map_or(0.0, |(from, to)| rate(from, to)),
            p50_ms: ms(seconds.quantile(0.5)),
            p99_ms: ms(seconds.quantile(0.99)),
            reload_p50_ms: ms(counters.publish_seconds.quantile(0.5)),
            reload_p99_ms: ms(counters.publish_seconds.quantile(0.99)),
            snapshots: counters.snapshots_live,
            snapshots_high_water: counters.snapshots_high_water,
            history: pairs.map(|(from, to)| rate(from, to)).collect(),
        }
    }

    /// Returns the answers that visitors got in the last ten seconds, with the current counters.
    pub(super) fn visitors(&self, counters: &Counters, now: Instant) -> Visitors {
        let readings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(from) = readings
            .len()
            .checked_sub(RECENT)
            .map_or(readings.front(), |first| readings.get(first))
        else {
            return Visitors::default();
        };
        Visitors {
            seconds: now.saturating_duration_since(from.at).as_secs_f64(),
            answers: Answers::of(counters).since(from.answers),
        }
    }
}

/// Figures as text. The script of the dashboard writes each into the element that is marked with its name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct VitalsView {
    rate: String,
    p50: String,
    p99: String,
    reload_p50: String,
    reload_p99: String,
    snapshots: String,
    snapshots_most: String,
    spark: String,
    current: String,
    stale: String,
    stand_in: String,
    error: String,
    rejected: String,
    not_found: String,
}

impl VitalsView {
    /// Formats figures.
    pub(super) fn of(vitals: &Vitals, visitors: Visitors) -> Self {
        let per_second = visitors.per_second();
        Self {
            current: phrases::amount(per_second.current),
            stale: phrases::amount(per_second.stale),
            stand_in: phrases::amount(per_second.stand_in),
            error: phrases::amount(per_second.error),
            rejected: phrases::amount(per_second.rejected),
            not_found: phrases::amount(per_second.not_found),
            rate: phrases::amount(vitals.renders_per_second),
            p50: phrases::duration(vitals.p50_ms),
            p99: phrases::duration(vitals.p99_ms),
            reload_p50: phrases::duration(vitals.reload_p50_ms),
            reload_p99: phrases::duration(vitals.reload_p99_ms),
            snapshots: vitals.snapshots.to_string(),
            snapshots_most: vitals.snapshots_high_water.to_string(),
            spark: phrases::spark(&vitals.history),
        }
    }
}
