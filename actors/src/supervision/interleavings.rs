//! Properties of the vault under every interleaving of its threads, which loom enumerates.

mod sync {
    pub(super) use loom::sync::{Arc, Mutex};
}

/// The source of the vault, with the locks of loom.
#[path = "vault.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    clippy::duplicate_mod,
    reason = "it is compiled twice on purpose"
)]
mod vault;

use vault::{Fenced, Vault};

#[test]
fn an_earlier_incarnation_is_fenced_and_can_read() {
    loom::model(|| {
        let vault = Vault::new(1);
        let first = vault.open();
        assert_eq!(first.commit(2), Ok(()));
        let second = vault.open();
        assert_eq!(first.commit(3), Err(Fenced));
        assert_eq!(first.clone().commit(3), Err(Fenced));
        assert_eq!((first.draft(), second.draft()), (2, 2));
        assert_eq!(second.commit(4), Ok(()));
        assert_eq!(first.draft(), 4);
    });
}

#[test]
fn a_successor_builds_on_every_acknowledged_commit() {
    loom::model(|| {
        let vault = Vault::new(Vec::new());
        let first = vault.open();
        let earlier = loom::thread::spawn(move || {
            let mut draft = first.draft();
            draft.push("first");
            first.commit(draft).is_ok()
        });
        let second = vault.open();
        let mut draft = second.draft();
        draft.push("second");
        assert!(second.commit(draft).is_ok(), "no later incarnation");
        let acknowledged = earlier.join().expect("no panic");
        let expected: &[&str] = match acknowledged {
            true => &["first", "second"],
            false => &["second"],
        };
        assert_eq!(vault.draft(), expected);
    });
}

#[test]
fn the_state_comes_from_a_commit_that_was_not_fenced() {
    loom::model(|| {
        let vault = Vault::new(0);
        let open = |vault: Vault<i32>, number| {
            loom::thread::spawn(move || {
                let mine = vault.open();
                (mine.commit(number).is_ok(), number)
            })
        };
        let both = [open(vault.clone(), 1), open(vault.clone(), 2)];
        let outcomes = both.map(|one| one.join().expect("no panic"));
        let last = vault.draft();
        assert!(outcomes.iter().any(|(written, number)| *written && *number == last));
    });
}
