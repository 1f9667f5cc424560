//! A differential test: for random templates and contexts, accepted templates print the same as with the crate.

use crate::against_the_crate::{Verdict, compare};
use crate::generator::{Case, Choices};

/// The default number of cases. `HOTPLATE_CASES` sets another one.
const CASES: u64 = 100_000;

/// The number of threads.
const THREADS: u64 = 2;

pub(crate) fn number(variable: &str, default: u64) -> u64 {
    let set = std::env::var(variable).ok();
    set.map_or(default, |set| {
        set.parse().unwrap_or_else(|_| panic!("{variable} is no number: {set}"))
    })
}

/// The number of cases by verdict.
#[derive(Debug, Default)]
struct Counts {
    refused: u64,
    same: u64,
    both_failed: u64,
    stopped: u64,
}

fn run(seeds: impl Iterator<Item = u64>) -> Counts {
    let mut counts = Counts::default();
    for seed in seeds {
        let case = Case::choose(&mut Choices::of_seed(seed));
        match compare(&case) {
            Ok(Verdict::Refused) => counts.refused += 1,
            Ok(Verdict::Same) => counts.same += 1,
            Ok(Verdict::BothFailed) => counts.both_failed += 1,
            Ok(Verdict::Stopped) => counts.stopped += 1,
            Err(difference) => {
                panic!("repeat with HOTPLATE_SEED={seed} HOTPLATE_CASES=1\n{difference}\n{case:#?}")
            }
        }
    }
    counts
}

#[test]
fn random_templates_print_the_same() {
    let (seed, cases) = (number("HOTPLATE_SEED", 0), number("HOTPLATE_CASES", CASES));
    let counts_of_threads: Vec<Counts> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn(move || run((seed..seed + cases).skip(thread as usize).step_by(THREADS as usize)))
            })
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.map(|counts| counts.expect("no difference")).collect()
    });
    let of = |count: fn(&Counts) -> u64| counts_of_threads.iter().map(count).sum::<u64>();
    let (same, failed, refused) = (
        of(|each| each.same),
        of(|each| each.both_failed),
        of(|each| each.refused),
    );
    println!(
        "{same} the same, {failed} failed both, {refused} refused, {} stopped",
        of(|each| each.stopped)
    );
    if cases >= 1000 {
        // A generator that only makes one kind of case proves nothing.
        for count in [same, failed, refused] {
            assert!(count > cases / 20, "{counts_of_threads:?}");
        }
    }
}
