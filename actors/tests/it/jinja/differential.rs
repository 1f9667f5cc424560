//! A differential test: random templates and contexts print the same as with minijinja, or fail with both.

use std::sync::atomic::{AtomicBool, Ordering};

use super::generator::Case;
use super::judge::{Verdict, compare};
use crate::differential::number;
use crate::generator::Choices;

/// The default number of cases. `HOTPLATE_CASES` sets another one.
const CASES: u64 = 4_000;

/// Of as many cases, one has an entry that is escaped as JSON.
const JSON_OF: u64 = 8;

/// The number of threads.
const THREADS: u64 = 2;

/// The number of cases by verdict.
#[derive(Debug, Default)]
struct Counts {
    same: u64,
    both_failed: u64,
    lost: u64,
}

#[test]
fn random_templates_print_like_the_judge() {
    let (seed, cases) = (number("HOTPLATE_SEED", 0), number("HOTPLATE_CASES", CASES));
    let differs = AtomicBool::new(false);
    let run = |thread: u64| {
        let mut all = Counts::default();
        for seed in (seed..seed + cases).skip(thread as usize).step_by(THREADS as usize) {
            if differs.load(Ordering::Relaxed) {
                break;
            }
            let mut case = Case::choose(&mut Choices::of_seed(seed));
            if seed % JSON_OF == 0
                && let Some((name, _)) = case.templates.first_mut()
            {
                *name = "page.json.j2".into();
            }
            match compare(&case) {
                Ok(Verdict::Same) => all.same += 1,
                Ok(Verdict::BothFailed) => all.both_failed += 1,
                Ok(Verdict::Lost) => all.lost += 1,
                Err(difference) => {
                    differs.store(true, Ordering::Relaxed);
                    let is_used = |name: &str| {
                        case.templates
                            .iter()
                            .any(|(_, text)| text.contains(&format!("'{name}'")))
                    };
                    let used = case
                        .templates
                        .iter()
                        .enumerate()
                        .filter(|(at, (name, _))| *at == 0 || is_used(name));
                    let shown: Vec<String> = used.map(|(_, (name, text))| format!("--- {name}\n{text}")).collect();
                    let (texts, context) = (shown.join("\n"), &case.context);
                    panic!(
                        "repeat with HOTPLATE_SEED={seed} HOTPLATE_CASES=1\n{difference}\n{:?} {context}\n{texts}",
                        case.missing
                    );
                }
            }
        }
        all
    };
    let counts: Vec<Counts> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let run = &run;
                scope.spawn(move || run(thread))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no difference"))
            .collect()
    });
    let of = |count: fn(&Counts) -> u64| counts.iter().map(count).sum::<u64>();
    let (same, failed, lost) = (of(|each| each.same), of(|each| each.both_failed), of(|each| each.lost));
    println!("{same} the same, {failed} failed both, {lost} on which the judge panicked");
    if cases >= 1000 {
        // A generator that only makes one kind of case proves nothing.
        assert!(same > cases / 10 && failed > cases / 50, "{counts:?}");
    }
}
