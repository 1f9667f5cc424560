//! What is accepted prints what the crate prints, for templates and contexts that nobody thought of.

use crate::against_the_crate::{Verdict, compare};
use crate::generator::{Case, Choices};

/// How many cases, unless `HOTPLATE_CASES` says so.
const CASES: u64 = 100_000;

/// Threads that share them.
const THREADS: u64 = 2;

fn number(variable: &str, default: u64) -> u64 {
    let set = std::env::var(variable).ok();
    set.map_or(default, |set| {
        set.parse().unwrap_or_else(|_| panic!("{variable} is no number: {set}"))
    })
}

/// How often each verdict fell.
#[derive(Debug, Default)]
struct Tally {
    refused: u64,
    same: u64,
    both_failed: u64,
    stopped: u64,
}

fn run(seeds: impl Iterator<Item = u64>) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        let case = Case::choose(&mut Choices::of_seed(seed));
        match compare(&case) {
            Ok(Verdict::Refused) => tally.refused += 1,
            Ok(Verdict::Same) => tally.same += 1,
            Ok(Verdict::BothFailed) => tally.both_failed += 1,
            Ok(Verdict::Stopped) => tally.stopped += 1,
            Err(difference) => {
                panic!("again with HOTPLATE_SEED={seed} HOTPLATE_CASES=1\n{difference}\n{case:#?}")
            }
        }
    }
    tally
}

#[test]
fn what_is_accepted_prints_what_the_crate_prints() {
    let (seed, cases) = (number("HOTPLATE_SEED", 0), number("HOTPLATE_CASES", CASES));
    let tallies: Vec<Tally> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn(move || run((seed..seed + cases).skip(thread as usize).step_by(THREADS as usize)))
            })
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.map(|tally| tally.expect("no difference")).collect()
    });
    let of = |count: fn(&Tally) -> u64| tallies.iter().map(count).sum::<u64>();
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
            assert!(count > cases / 20, "{tallies:?}");
        }
    }
}
