//! The figures of the judge, from a seeded simulation: how soon it stops a canary that fails, and how rarely one that does not.

use std::sync::Arc;
use std::time::Duration;

use super::*;

/// A generator of numbers in [0, 1): SplitMix64 (Steele, Lea, Flood, *Fast splittable pseudorandom number generators*, 2014).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
        let bits = ((mixed ^ (mixed >> 31)) >> 11) as f64;
        bits / (1_u64 << 53) as f64
    }

    /// Returns the number of good events before the next bad one, of which `share` are bad.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the number is positive and less than 2^53"
    )]
    fn good_in_a_row(&mut self, share: f64) -> u64 {
        ((1.0 - self.next()).ln() / (1.0 - share).ln()).floor() as u64
    }
}

/// Returns the number of events until the alarm, if it comes within `most`. Runs of good events are added at once.
fn until_alarm(test: &Cusum, numbers: &mut Numbers, share: f64, most: u64) -> Option<u64> {
    let (mut sum, mut events) = (0, 0);
    loop {
        let good = numbers.good_in_a_row(share);
        sum = test.after(test.after_good(sum, good), true);
        events += good + 1;
        if events > most {
            return None;
        }
        if test.is_alarm(sum) {
            return Some(events);
        }
    }
}

/// Returns the share of `runs` of 100,000 healthy events in which there is an alarm, in per cent.
fn false_alarms(test: &Cusum, share: f64, runs: u32) -> f64 {
    let mut numbers = Numbers(7);
    let alarms = (0..runs).filter(|_| until_alarm(test, &mut numbers, share, 100_000).is_some());
    100.0 * alarms.count() as f64 / f64::from(runs)
}

fn tests() -> (Cusum, Cusum) {
    let settings = JudgeSettings::default();
    (settings.failures().expect("valid"), settings.unusual().expect("valid"))
}

/// Returns the p99 of the number of events until the alarm, in 10,000 runs.
fn p99_until_alarm(test: &Cusum, share: f64) -> u64 {
    let mut numbers = Numbers(11);
    let mut events: Vec<u64> = (0..10_000)
        .map(|_| until_alarm(test, &mut numbers, share, u64::MAX).expect("there is no limit"))
        .collect();
    events.sort_unstable();
    events[9_900]
}

#[test]
fn healthy_canaries_are_stopped_in_less_than_one_of_a_hundred_times() {
    let (failures, unusual) = tests();
    let failures = false_alarms(&failures, 0.001, 20_000);
    let unusual = false_alarms(&unusual, 0.01, 5_000);
    println!("stopped within 100,000 healthy renders: by failures {failures:.2} %, by unusual renders {unusual:.2} %");
    assert!(failures < 1.0, "{failures} %");
    assert!(unusual < 1.0, "{unusual} %");
}

#[test]
fn failing_canaries_are_stopped_soon() {
    let (failures, unusual) = tests();
    let renders = [1.0, 0.05, 0.02].map(|share| p99_until_alarm(&failures, share));
    let unusual = [1.0, 0.1].map(|share| p99_until_alarm(&unusual, share));
    println!("renders until the stop (p99): failing at 100, 5, 2 % {renders:?}, unusual at 100, 10 % {unusual:?}");
    assert_eq!(renders[0], 4);
    assert!(renders[1] <= 250, "{renders:?}");
    assert_eq!(unusual[0], 7);
}

/// Checks that the judge itself, with its distributions, stops as few healthy canaries as the sums alone: the times of canary and stable
/// are drawn from the same distribution with a long tail.
#[test]
fn a_canary_like_stable_goes_on() {
    let mut numbers = Numbers(3);
    let mut draw = || {
        let tail = (1.0 - numbers.next()).powf(-0.5);
        let took = Duration::from_nanos(50_000).mul_f64(tail);
        let bytes = 4_000 + took.subsec_nanos() / 50;
        (took, u64::from(bytes), numbers.next() < 0.001)
    };
    let mut stops = 0;
    for _ in 0..20 {
        let settings = JudgeSettings {
            // Without the floor the tail itself is judged.
            slow_floor_us: 0,
            ..JudgeSettings::default()
        };
        let judge = Judge::new(&settings, Arc::new(StageSwitch::new(500))).expect("valid");
        for render in 0..5_000_u64 {
            let (took, bytes, _) = draw();
            judge.observe_stable(took, bytes, 1);
            let (took, bytes, is_failed) = draw();
            let canary = Observation {
                stage: Stage::Canary,
                outcome: if is_failed { Outcome::Failed } else { Outcome::Good },
                took,
                bytes,
            };
            stops += u32::from(judge.observe(&canary, render).is_some());
        }
    }
    assert_eq!(stops, 0);
}
