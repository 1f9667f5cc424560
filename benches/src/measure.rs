//! Interleaved rounds, and what comes of them.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long one subject runs in one round, about.
const TURN: Duration = Duration::from_millis(2);

/// Something that is measured.
pub struct Subject<'s> {
    /// What its row is called.
    pub name: String,
    /// One unit of its work.
    pub run: Box<dyn FnMut() + 's>,
}

impl<'s> Subject<'s> {
    /// A subject whose result is computed for nothing.
    pub fn new<T>(name: impl Into<String>, mut run: impl FnMut() -> T + 's) -> Self {
        Self {
            name: name.into(),
            run: Box::new(move || {
                black_box(run());
            }),
        }
    }
}

/// The nanoseconds of one subject, one number for each round.
pub struct Samples(pub Vec<f64>);

impl Samples {
    /// The value that a share of the rounds does not exceed: 0.5 is the median.
    pub fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1) as f64;
        sorted.get((last * share).round() as usize).copied().unwrap_or(f64::NAN)
    }

    /// The median.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// Round by round, how many times as long as `other`.
    pub fn ratio_to(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(own, other)| own / other).collect())
    }

    /// Round by round, how much longer than `other`.
    pub fn minus(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(own, other)| own - other).collect())
    }
}

/// Runs the subjects in turn, in so many rounds; answers the nanoseconds of each.
pub fn interleaved(subjects: &mut [Subject<'_>], rounds: usize) -> Vec<Samples> {
    let turns: Vec<u32> = subjects.iter_mut().map(repetitions).collect();
    let mut samples: Vec<Samples> = subjects.iter().map(|_| Samples(Vec::with_capacity(rounds))).collect();
    for _ in 0..rounds {
        for ((subject, repetitions), samples) in subjects.iter_mut().zip(&turns).zip(&mut samples) {
            let start = Instant::now();
            for _ in 0..*repetitions {
                (subject.run)();
            }
            samples.0.push(nanoseconds(start.elapsed()) / f64::from(*repetitions));
        }
    }
    samples
}

/// Warms a subject up and finds how often it runs in one turn.
fn repetitions(subject: &mut Subject<'_>) -> u32 {
    let start = Instant::now();
    let mut runs = 0;
    while start.elapsed() < TURN * 5 {
        (subject.run)();
        runs += 1;
    }
    (runs / 5).max(1)
}

/// A duration as a number.
pub fn nanoseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

/// How many rounds: the variable `ROUNDS`, or `default`.
pub fn rounds(default: usize) -> usize {
    let asked = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    asked.unwrap_or(default).max(1)
}
