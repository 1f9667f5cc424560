//! What holds under every interleaving of threads, tried one after the other by loom.

mod sync {
    pub(super) use loom::sync::{Arc, Mutex};
}

/// The very source, with loom's locks.
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
fn an_overtaken_incarnation_is_fenced_and_may_still_read() {
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
fn what_a_vault_acknowledged_is_in_what_its_successor_builds_on() {
    loom::model(|| {
        let vault = Vault::new(Vec::new());
        let first = vault.open();
        let overtaken = loom::thread::spawn(move || {
            let mut draft = first.draft();
            draft.push("first");
            first.commit(draft).is_ok()
        });
        let second = vault.open();
        let mut draft = second.draft();
        draft.push("second");
        assert!(second.commit(draft).is_ok(), "nobody has overtaken it");
        let acknowledged = overtaken.join().expect("no panic");
        let expected: &[&str] = match acknowledged {
            true => &["first", "second"],
            false => &["second"],
        };
        assert_eq!(vault.draft(), expected);
    });
}

#[test]
fn of_two_who_open_a_vault_only_the_later_writes() {
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
