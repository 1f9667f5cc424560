//! Interleaved measurement rounds and their statistics.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Approximate run time of one subject in one round.
const TURN: Duration = Duration::from_millis(2);

/// Returns the processor time that this thread has taken, which other programs on the machine do not change.
pub fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one `timespec`, which is there.
    let code = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(code, 0, "the clock exists");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// A subject of a measurement.
pub struct Subject<'s> {
    /// The name of its row.
    pub name: String,
    /// Runs one unit of work.
    pub run: Box<dyn FnMut() + 's>,
}

impl<'s> Subject<'s> {
    /// Creates a subject from a function whose result is discarded.
    pub fn new<T>(name: impl Into<String>, mut run: impl FnMut() -> T + 's) -> Self {
        Self {
            name: name.into(),
            run: Box::new(move || {
                black_box(run());
            }),
        }
    }
}

/// The nanoseconds per unit of one subject, one number for each round.
pub struct Samples(pub Vec<f64>);

impl Samples {
    /// Returns a quantile of the rounds: 0.5 is the median.
    pub fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1) as f64;
        sorted.get((last * share).round() as usize).copied().unwrap_or(f64::NAN)
    }

    /// Returns the median.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// Returns the ratio to `other` for each round.
    pub fn ratio_to(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(own, other)| own / other).collect())
    }

    /// Returns the difference to `other` for each round.
    pub fn minus(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(own, other)| own - other).collect())
    }
}

/// Runs the subjects alternately in a number of rounds, and returns the nanoseconds of each.
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

/// Warms a subject up and determines its number of runs per turn.
fn repetitions(subject: &mut Subject<'_>) -> u32 {
    let start = Instant::now();
    let mut runs = 0;
    while start.elapsed() < TURN * 5 {
        (subject.run)();
        runs += 1;
    }
    (runs / 5).max(1)
}

/// Returns a duration in nanoseconds.
pub fn nanoseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

/// Returns the number of rounds: the environment variable `ROUNDS`, or `default`.
pub fn rounds(default: usize) -> usize {
    let asked = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    asked.unwrap_or(default).max(1)
}
