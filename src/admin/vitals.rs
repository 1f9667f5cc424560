//! [`Pulse`]: a reading of the counters each second, for rates.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use hotplate_actors::Counters;
use hotplate_actors::counters::Histogram;
use serde::Serialize;

/// Readings that are kept: a minute and the one before it.
const READINGS: usize = 61;
/// Readings that percentiles are taken over, so that they say how it is now.
const RECENT: usize = 10;

/// The last readings.
#[derive(Debug, Default)]
pub(super) struct VitalsHistory(Mutex<VecDeque<Reading>>);

#[derive(Debug)]
struct Reading {
    at: Instant,
    renders: u64,
    seconds: Histogram,
}

/// How it goes at the moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Vitals {
    /// Renders in a second, over the last few.
    pub(super) renders_per_second: f64,
    /// The duration that half of the renders of late stayed below, in milliseconds.
    pub(super) p50_ms: Option<f64>,
    /// The duration that 99 of 100 stayed below.
    pub(super) p99_ms: Option<f64>,
    /// From noticing an edit to the swap, half of all since the start.
    pub(super) reload_p50_ms: Option<f64>,
    /// The same, 99 of 100.
    pub(super) reload_p99_ms: Option<f64>,
    /// Versions in memory.
    pub(super) snapshots: usize,
    /// The most that there were.
    pub(super) snapshots_high_water: usize,
    /// Renders in each of the last seconds, oldest first.
    pub(super) history: Vec<f64>,
}

impl VitalsHistory {
    /// Takes a reading.
    pub(super) fn take(&self, counters: &Counters, at: Instant) {
        let mut readings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        readings.push_back(Reading {
            at,
            renders: counters.renders_total(),
            seconds: counters.render_seconds.clone(),
        });
        while readings.len() > READINGS {
            readings.pop_front();
        }
    }

    /// How it goes, with the counters of now.
    pub(super) fn vitals(&self, counters: &Counters) -> Vitals {
        let readings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = |from: &Reading, to: &Reading| {
            let seconds = to.at.saturating_duration_since(from.at).as_secs_f64();
            #[expect(clippy::cast_precision_loss, reason = "a rate is an estimate")]
            let renders = to.renders.saturating_sub(from.renders) as f64;
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
}
