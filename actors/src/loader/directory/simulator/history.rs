//! [`Op`]: an operation on a world, and strategies for random histories.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::world::World;

/// An operation on the file system. There are few paths, so that operations of one history meet.
#[derive(Debug, Clone)]
pub(super) enum Op {
    /// Truncates, writes and closes a file.
    Write(PathBuf, u8),
    /// Truncates a file, which the kernel does not report before the next write.
    Empty(PathBuf),
    /// Truncates a file and writes half of it.
    Begin(PathBuf, u8),
    /// Writes the other half and closes it.
    Finish(PathBuf),
    /// Writes a file beside it and renames that over it.
    Save(PathBuf, u8),
    /// Removes a file and writes it again at once.
    Replace(PathBuf, u8),
    /// Writes without an event.
    WriteSilently(PathBuf, u8),
    /// Changes the stamps and not the content.
    Touch(PathBuf),
    Remove(PathBuf),
    MakeDirectory(PathBuf),
    Rename(PathBuf, PathBuf),
    Exchange(PathBuf, PathBuf),
    Link(PathBuf, PathBuf),
    HardLink(PathBuf, PathBuf),
    Allow(PathBuf, bool),
}

impl World {
    pub(super) fn apply(&mut self, op: &Op) {
        match op {
            Op::Write(path, text) => {
                if self.open(path) {
                    self.write(path, &whole(*text));
                    self.close(path);
                }
            }
            Op::Empty(path) => self.write_silently(path, b""),
            Op::Begin(path, text) => {
                if self.open(path) {
                    self.open.insert(path.clone());
                    self.write(path, &half(*text));
                }
            }
            Op::Finish(path) => {
                if self.open.contains(path) {
                    self.write(path, b"-whole");
                    self.close(path);
                }
            }
            Op::Save(path, text) => {
                let beside = path.with_file_name(".beside~");
                self.apply(&Op::Write(beside.clone(), *text));
                self.rename(&beside, path);
            }
            Op::Replace(path, text) => {
                self.remove(path);
                self.apply(&Op::Write(path.clone(), *text));
            }
            Op::WriteSilently(path, text) => self.write_silently(path, &whole(*text)),
            Op::Touch(path) => self.allow(path, self.is_readable(path)),
            Op::Remove(path) => self.remove(path),
            Op::MakeDirectory(path) => self.make_directory(path),
            Op::Rename(from, to) => self.rename(from, to),
            Op::Exchange(one, other) => self.exchange(one, other),
            Op::Link(target, path) => self.make_link(target, path),
            Op::HardLink(from, path) => self.hard_link(from, path),
            Op::Allow(path, readable) => self.allow(path, *readable),
        }
    }
}

pub(super) fn whole(text: u8) -> Vec<u8> {
    format!("text {text}").into_bytes()
}

fn half(text: u8) -> Vec<u8> {
    format!("half {text}").into_bytes()
}

/// A step of a history.
#[derive(Debug, Clone)]
pub(super) enum Event {
    Op(Op),
    /// An operation during a sync, after a number of questions to the disk.
    Meanwhile(usize, Op),
    /// The arrival of all events during a sync, after a number of questions to the disk.
    HearMeanwhile(usize),
    /// Something goes away during a sync and comes back: after a number of questions to the disk, and after a number of further ones.
    Away(usize, usize, Op, Op),
    /// The arrival of a number of events.
    Hear(usize),
    /// The passing of time, in milliseconds, with all that falls due.
    Wait(u64),
    /// A `Reload`.
    Sync,
    /// A `Reload` that reads every byte.
    SyncBytes,
    /// An overflow of the queue of events.
    Overflow,
    /// The adversary drops the next event silently.
    Drop,
    /// The adversary repeats the next event.
    Repeat,
    /// The adversary swaps the next two events.
    Swap,
}

/// The root of the loader. It may be a link.
pub(super) const ROOT: &str = "/home/site";
/// The second root, whose names the first one may hide.
pub(super) const BASE: &str = "/home/base";

/// Creates the files and directories that a world begins with.
pub(super) fn begin(world: &mut World) {
    let directories = [
        "/home",
        "/out",
        "/home/site",
        "/home/site/a",
        "/home/base",
        "/home/other",
        "/out/d",
    ];
    for path in directories {
        world.make_directory(Path::new(path));
    }
    for (path, text) in [
        ("/home/site/x.html", 1),
        ("/home/site/a/y.html", 2),
        ("/home/base/x.html", 3),
        ("/out/x.html", 4),
    ] {
        world.apply(&Op::Write(path.into(), text));
    }
}

fn directory() -> impl Strategy<Value = PathBuf> {
    let site = ["", "a", "b", "a/c", "..1", "..2", "log"].map(|path| Path::new(ROOT).join(path));
    let others = [BASE, "/home/other", "/out", "/out/d"].map(PathBuf::from);
    prop_oneof![
        4 => prop::sample::select(site.to_vec()),
        1 => prop::sample::select(others.to_vec()),
    ]
}

fn file() -> impl Strategy<Value = PathBuf> {
    let name = prop::sample::select(vec!["x.html", "y.html", "z.html", "n.log", ".h.html"]);
    (directory(), name).prop_map(|(directory, name)| directory.join(name))
}

fn anything() -> impl Strategy<Value = PathBuf> {
    let fixed = [ROOT, "/home/site/..data", "/home/site/a", "/home/site/b"].map(PathBuf::from);
    prop_oneof![2 => file(), 2 => directory(), 1 => prop::sample::select(fixed.to_vec())]
}

/// Targets of links: absolute ones, and relative ones through `..data` as in a mounted volume.
fn target() -> impl Strategy<Value = PathBuf> {
    let relative = [
        "..data/x.html",
        "..data",
        "..1",
        "..2",
        "../out/x.html",
        "x.html",
        ".",
        "..",
    ]
    .map(PathBuf::from);
    prop_oneof![2 => anything(), 2 => prop::sample::select(relative.to_vec())]
}

fn op() -> impl Strategy<Value = Op> {
    let text = || 0_u8..6;
    prop_oneof![
        6 => (file(), text()).prop_map(|(path, text)| Op::Write(path, text)),
        3 => (file(), text()).prop_map(|(path, text)| Op::Begin(path, text)),
        3 => file().prop_map(Op::Finish),
        6 => (file(), text()).prop_map(|(path, text)| Op::Save(path, text)),
        3 => (file(), text()).prop_map(|(path, text)| Op::Replace(path, text)),
        1 => file().prop_map(Op::Touch),
        4 => anything().prop_map(Op::Remove),
        4 => directory().prop_map(Op::MakeDirectory),
        5 => (anything(), anything()).prop_map(|(from, to)| Op::Rename(from, to)),
        2 => (anything(), anything()).prop_map(|(one, other)| Op::Exchange(one, other)),
        4 => (target(), anything()).prop_map(|(target, path)| Op::Link(target, path)),
        3 => (file(), file()).prop_map(|(from, path)| Op::HardLink(from, path)),
        1 => (anything(), any::<bool>()).prop_map(|(path, readable)| Op::Allow(path, readable)),
    ]
}

/// Ways in which something goes away and comes back as the same.
fn away(what: impl Strategy<Value = PathBuf>) -> impl Strategy<Value = Event> {
    let aside = prop_oneof![
        2 => Just(PathBuf::from("/home/other/aside")),
        1 => directory(),
        1 => Just(PathBuf::from(BASE)),
    ];
    (0_usize..24, 1_usize..6, what, aside, any::<bool>()).prop_map(|(after, lasts, path, aside, exchanged)| {
        let (there, back) = match exchanged {
            true => (Op::Exchange(path.clone(), aside.clone()), Op::Exchange(path, aside)),
            false => (Op::Rename(path.clone(), aside.clone()), Op::Rename(aside, path)),
        };
        Event::Away(after, lasts, there, back)
    })
}

fn quiet_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => op(),
        1 => (file(), 0_u8..6).prop_map(|(path, text)| Op::WriteSilently(path, text)),
    ]
}

/// A history in which events may be late and are never lost silently.
pub(super) fn honest() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        12 => op().prop_map(Event::Op),
        2 => (0_usize..40, op()).prop_map(|(after, op)| Event::Meanwhile(after, op)),
        2 => away(anything()),
        1 => (0_usize..40).prop_map(Event::HearMeanwhile),
        4 => (0_usize..8).prop_map(Event::Hear),
        4 => (0_u64..120).prop_map(Event::Wait),
        2 => Just(Event::Sync),
        1 => Just(Event::Overflow),
    ];
    prop::collection::vec(event, 1..40)
}

/// A history in which events may also be lost silently, repeated and swapped.
pub(super) fn adverse() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        12 => quiet_op().prop_map(Event::Op),
        2 => (0_usize..40, quiet_op()).prop_map(|(after, op)| Event::Meanwhile(after, op)),
        1 => away(anything()),
        1 => (0_usize..40).prop_map(Event::HearMeanwhile),
        2 => (0_usize..8).prop_map(Event::Hear),
        3 => (0_u64..120).prop_map(Event::Wait),
        1 => Just(Event::Sync),
        1 => Just(Event::SyncBytes),
        1 => Just(Event::Overflow),
        3 => Just(Event::Drop),
        2 => Just(Event::Repeat),
        2 => Just(Event::Swap),
    ];
    prop::collection::vec(event, 1..40)
}

/// Returns operations that create nested directories and links of all kinds into them, for histories in which those go away and come back.
pub(super) fn nested() -> Vec<Op> {
    let site = |path: &str| Path::new(ROOT).join(path);
    let mut ops: Vec<Op> = ["a/c", "a/c/e", "b"].map(|path| Op::MakeDirectory(site(path))).into();
    ops.extend(["/out/d/e", "/out/d/e/f"].map(|path| Op::MakeDirectory(path.into())));
    let files = ["a/c/x.html", "a/c/e/y.html", "b/z.html"].map(site);
    let outside = ["/out/d/x.html", "/out/d/e/y.html", "/out/d/e/f/z.html"].map(PathBuf::from);
    ops.extend(files.into_iter().chain(outside).map(|path| Op::Write(path, 1)));
    let links = [
        ("/out/d", "l"),
        ("/out/d/e/f/z.html", "l.html"),
        ("a/c/e", "m"),
        ("a/c/x.html", "n.html"),
    ];
    ops.extend(links.map(|(target, path)| Op::Link(target.into(), site(path))));
    ops
}

/// A history that begins with [`nested`], in which directories and links on the way to a name go away between any two questions to the
/// disk and come back as the same. No event is lost silently.
pub(super) fn overtaken() -> impl Strategy<Value = Vec<Event>> {
    let inside = [
        "a/c/x.html",
        "a/c/e/y.html",
        "a/c/e/z.html",
        "b/z.html",
        "l/x.html",
        "l/e/y.html",
        "l.html",
        "m/y.html",
        "n.html",
    ];
    let file = || {
        let outside = ["/out/d/x.html", "/out/d/e/y.html", "/out/d/e/f/z.html"].map(PathBuf::from);
        let inside = inside.map(|path| Path::new(ROOT).join(path));
        prop::sample::select([inside.as_slice(), outside.as_slice()].concat())
    };
    let above = || {
        let inside = ["", "a", "a/c", "a/c/e", "b", "l", "m", "l.html"].map(|path| Path::new(ROOT).join(path));
        let outside = ["/out", "/out/d", "/out/d/e", "/out/d/e/f", "/home"].map(PathBuf::from);
        prop::sample::select([inside.as_slice(), outside.as_slice()].concat())
    };
    let text = || 0_u8..6;
    let event = prop_oneof![
        4 => (file(), text()).prop_map(|(path, text)| Event::Op(Op::Write(path, text))),
        2 => (file(), text()).prop_map(|(path, text)| Event::Op(Op::Save(path, text))),
        2 => (file(), text()).prop_map(|(path, text)| Event::Op(Op::Replace(path, text))),
        2 => file().prop_map(|path| Event::Op(Op::Remove(path))),
        1 => above().prop_map(|path| Event::Op(Op::MakeDirectory(path))),
        1 => above().prop_map(|path| Event::Op(Op::Touch(path))),
        1 => op().prop_map(Event::Op),
        5 => away(above()),
        3 => away(file()),
        3 => (0_usize..8).prop_map(Event::HearMeanwhile),
        2 => (0_usize..24, op()).prop_map(|(after, op)| Event::Meanwhile(after, op)),
        4 => (0_usize..8).prop_map(Event::Hear),
        4 => (0_u64..120).prop_map(Event::Wait),
        3 => Just(Event::Sync),
    ];
    prop::collection::vec(event, 1..30)
}
