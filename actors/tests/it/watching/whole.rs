//! Writers save files in place again and again, each in its own way. No answer contains half of a file.
//!
//! `HOTPLATE_STORM_S` is the duration in seconds (default 2).

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use hotplate_actors::{Hotplate, Limits};
use serde_json::json;

use super::{file_systems, wait_for};

/// One way to save a file in place.
type Save = fn(&Path, &str) -> std::io::Result<()>;

const WAYS: [(&str, Save); 4] = [
    ("pairs.html", twice),
    ("replaced.html", replaced),
    ("slow.html", slowly),
    ("appended.html", in_parts),
];

/// Saves twice, the second time at once.
fn twice(path: &Path, text: &str) -> std::io::Result<()> {
    fs::write(path, text)?;
    fs::write(path, text.replace('y', "z"))
}

/// Deletes and creates the file, twice.
fn replaced(path: &Path, text: &str) -> std::io::Result<()> {
    for _ in 0..2 {
        fs::remove_file(path)?;
        fs::write(path, text)?;
    }
    Ok(())
}

/// Writes in two steps with a pause between them.
fn slowly(path: &Path, text: &str) -> std::io::Result<()> {
    fs::write(path, text)?;
    let mut file = File::create(path)?;
    let (one, other) = text.split_at(text.len() / 2);
    file.write_all(one.as_bytes())?;
    park_timeout(Duration::from_millis(3));
    file.write_all(other.as_bytes())
}

/// Writes in many small steps.
fn in_parts(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    text.as_bytes().chunks(16).try_for_each(|part| file.write_all(part))
}

fn text(number: u64) -> String {
    format!("({number}:{})", "y".repeat(200))
}

fn is_whole(text: &str) -> bool {
    text.starts_with('(') && text.ends_with(')') && text.len() > 200
}

#[test]
fn a_storm_of_saves_in_place_never_shows_half_a_file() {
    let seconds = std::env::var("HOTPLATE_STORM_S")
        .ok()
        .and_then(|text| text.parse().ok());
    let lasts = Duration::from_secs_f64(seconds.unwrap_or(2.0) / file_systems().len() as f64);
    for on in file_systems() {
        storm(&on, lasts);
    }
}

fn storm(on: &Path, lasts: Duration) {
    let root = tempfile::tempdir_in(on).expect("a directory");
    for (name, _) in WAYS {
        fs::write(root.path().join(name), text(0)).expect("written");
    }
    let calls = WAYS.map(|(name, _)| format!("{{{{ call {name} with it }}}}"));
    fs::write(root.path().join("page.html"), calls.join(",")).expect("written");
    // Long times, so that a pause of this machine is not taken for the end of a write or a deletion.
    let limits = Limits {
        settle_ms: 2_000,
        settle_max_ms: 60_000,
        grace_ms: 2_000,
        ..Limits::default()
    };
    let hotplate = Hotplate::builder()
        .root(root.path())
        .limits(limits)
        .start()
        .expect("starts");
    let page = hotplate.handle("page.html");
    let ends = AtomicBool::new(false);
    let (mut renders, mut half, mut example) = (0_u64, 0_u64, None);
    std::thread::scope(|scope| {
        for (name, save) in WAYS {
            let (path, ends) = (root.path().join(name), &ends);
            scope.spawn(move || {
                let mut number = 0;
                while !ends.load(Ordering::Relaxed) {
                    number += 1;
                    save(&path, &text(number)).expect("saved");
                    // Sometimes at once, sometimes when the save before it is just being read.
                    park_timeout(Duration::from_micros(number % 7 * 700));
                }
                fs::write(&path, text(u64::MAX)).expect("saved");
            });
        }
        let end = Instant::now() + lasts;
        while Instant::now() < end {
            match page.render(&json!({ "it": {} })) {
                Ok(answer) if answer.body.split(',').all(is_whole) => {}
                other => {
                    half += 1;
                    example.get_or_insert(format!("{other:?}"));
                }
            }
            renders += 1;
        }
        ends.store(true, Ordering::Relaxed);
    });
    let versions = hotplate.snapshot().version();
    println!(
        "{}: {half} of {renders} answers had half a file, {versions:?}",
        on.display()
    );
    assert_eq!(half, 0, "of {renders} on {}: {example:?}", on.display());
    let last = WAYS.map(|_| text(u64::MAX)).join(",");
    wait_for(|| {
        page.render(&json!({ "it": {} }))
            .is_ok_and(|answer| answer.body == last)
    });
}
