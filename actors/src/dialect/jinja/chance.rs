//! [`Chance`]: the random numbers of a render, which repeat if the data or a global has a seed, `RAND_SEED`.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use super::failure::{Failure, Outcome};
use super::value::{Arguments, Kind, Machine, Space, Val, whole};

/// A generator of random numbers (Marsaglia's xorshift), for variety on pages and not for secrets.
pub(super) struct Chance<'s, 'r>(&'s Space<'r>);

impl<'s, 'r> Chance<'s, 'r> {
    /// Returns the generator of a render, which the first use seeds.
    pub(super) fn of(space: &'s Space<'r>) -> Outcome<Self> {
        if space.seed().get().is_none() {
            let seed = space.setting("RAND_SEED")?.and_then(seed_of);
            // The keys of a hasher are random.
            let seed = seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
            space.seed().set(Some(seed));
        }
        Ok(Self(space))
    }

    fn next(&mut self) -> u64 {
        let seed = self.0.seed();
        let mut number = seed.get().unwrap_or_default();
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        seed.set(Some(number));
        number
    }

    /// Returns a number from 0 to 1.
    fn share(&mut self) -> f64 {
        self.next() as f64 / u64::MAX as f64
    }

    /// Returns an index of a list that has as many items.
    pub(super) fn below(&mut self, count: usize) -> usize {
        let index = (self.share() * count as f64) as usize;
        index.min(count.saturating_sub(1))
    }

    /// Returns an integer of a range whose end does not belong to it.
    pub(super) fn between(&mut self, lower: i64, upper: i64) -> i64 {
        let distance = (i128::from(upper) - i128::from(lower)) as f64;
        let number = i128::from(lower) + (self.share() * distance) as i128;
        let last = if upper > lower { upper - 1 } else { lower };
        let number = i64::try_from(number).unwrap_or(last);
        number.clamp(lower.min(upper), lower.max(last))
    }
}

/// Returns one of the items of a list, or one of the characters of a text, by chance.
pub(super) fn random<'r>(value: Val<'r>, _: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    machine.defined(value)?;
    if !matches!(value.kind(), Kind::List | Kind::Str) {
        let message = format!("`random` takes a list or a string, not {}", value.words());
        return Err(Failure::invalid(message));
    }
    let length = value.length().unwrap_or(0);
    let index = Chance::of(machine.space)?.below(length);
    match value.item(Val::count(index), machine)? {
        Some(chosen) => Ok(match (chosen, value.is_safe()) {
            (Val::Str(text), true) => Val::Safe(text),
            (chosen, _) => chosen,
        }),
        None => Err(Failure::invalid("`random` takes a list that is not empty")),
    }
}

/// Words of dummy text.
const WORDS: [&str; 64] = [
    "a", "ac", "ad", "aenean", "aliquam", "amet", "ante", "at", "augue", "blandit", "commodo", "congue", "cras",
    "cursus", "dapibus", "diam", "dictum", "dolor", "donec", "dui", "egestas", "elit", "enim", "erat", "eros", "est",
    "et", "eu", "fames", "felis", "fusce", "gravida", "habitant", "id", "in", "integer", "ipsum", "justo", "lacinia",
    "lectus", "leo", "libero", "lorem", "magna", "massa", "mauris", "metus", "morbi", "nam", "nec", "nisi", "nulla",
    "nunc", "odio", "orci", "pede", "porta", "purus", "quam", "risus", "sapien", "sed", "tellus", "urna",
];

/// Returns paragraphs of dummy text: `lipsum(n=5, min=20, max=100, html=false)`.
pub(super) fn lipsum<'r>(arguments: &Arguments<'_, 'r>, machine: &mut Machine<'_, 'r>) -> Outcome<Val<'r>> {
    arguments.check("lipsum", 0, 1, &["n", "min", "max", "html"])?;
    let count = |name| arguments.count(usize::MAX, name);
    let paragraphs = arguments.count(0, "n")?.unwrap_or(5);
    let (least, most) = (count("min")?.unwrap_or(20), count("max")?.unwrap_or(100));
    let bound = |words: usize| i64::try_from(words).unwrap_or(i64::MAX);
    let html = arguments.truth(usize::MAX, "html")?.unwrap_or(false);
    let mut chance = Chance::of(machine.space)?;
    let mut text = machine.space.writer();
    for _ in 0..paragraphs {
        machine.items(1)?;
        text.push(if html { "<p>" } else { "" })?;
        let (mut last, mut stop, mut begins) = ("", 0, true);
        for at in 0..chance.between(bound(least), bound(most)) {
            machine.items(1)?;
            text.push(if at > 0 { " " } else { "" })?;
            let mut next = chance.below(WORDS.len());
            if WORDS[next] == last {
                next = (next + 1) % WORDS.len();
            }
            last = WORDS[next];
            let (initial, rest) = last.split_at(1);
            let capital = initial.to_ascii_uppercase();
            text.push(if begins { &capital } else { initial })?;
            text.push(rest)?;
            begins = at - stop > chance.between(10, 20);
            if begins {
                text.push(".")?;
                stop = at;
            }
        }
        text.push(match (begins, html) {
            (true, false) => "\n\n",
            (false, false) => ".\n\n",
            (true, true) => "</p>\n\n",
            (false, true) => ".</p>\n\n",
        })?;
    }
    let text = text.finish();
    Ok(if html { Val::Safe(text) } else { Val::Str(text) })
}

fn seed_of(value: Val<'_>) -> Option<u64> {
    let number = whole(value).filter(|number| !number.is_negative())?;
    u64::try_from(number.magnitude()).ok()
}
