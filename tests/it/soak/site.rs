//! The site that is edited: how each page is saved, and which answers are right.
//!
//! Each page is made of three files, the page, a partial that it calls twice and its data, and each of them carries a number at its
//! beginning and at its end. So an answer shows if it contains half a file, or parts of two versions.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread::park_timeout;
use std::time::Duration;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::files::Files;

/// The ways in which pages are edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Never.
    Steady,
    /// In place, twice within a moment.
    Pairs,
    /// In place, in many small parts and with a pause.
    Slowly,
    /// Written beside, and renamed into place.
    Renamed,
    /// Deleted and created.
    Recreated,
    /// Its whole directory is exchanged for another.
    Moved,
    /// The link `..data` is pointed to another directory, as in a mounted ConfigMap, and each file is a link through it.
    Mounted,
    /// Like `Mounted`, and the directory of partials is a link through `..data`.
    MountedDirectory,
    /// Sometimes its page loops for ever.
    Loops,
    /// Sometimes its page fails when it is rendered.
    Fails,
    /// Sometimes its page does not compile.
    Broken,
    /// Its page loops for ever in a phase of its own.
    Hammered,
}

/// All pages that are read all the time.
pub(super) const WAYS: [Way; 11] = [
    Way::Steady,
    Way::Pairs,
    Way::Slowly,
    Way::Renamed,
    Way::Recreated,
    Way::Moved,
    Way::Mounted,
    Way::MountedDirectory,
    Way::Loops,
    Way::Fails,
    Way::Broken,
];

/// A page that is larger than all buffers between the server and a client that reads nothing.
pub(super) const LARGE: &str = "/large";
/// Files under `static/` that are edited: one is renamed into place, the other is written in place.
pub(super) const RENAMED: &str = "/static/site.css";
pub(super) const IN_PLACE: &str = "/static/in-place.css";

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Pairs => "pairs",
            Self::Slowly => "slowly",
            Self::Renamed => "renamed",
            Self::Recreated => "recreated",
            Self::Moved => "moved",
            Self::Mounted => "mounted",
            Self::MountedDirectory => "mounted-directory",
            Self::Loops => "loops",
            Self::Fails => "fails",
            Self::Broken => "broken",
            Self::Hammered => "hammered",
        }
    }

    /// Returns true if all its files change at once.
    fn is_mounted(self) -> bool {
        matches!(self, Self::Mounted | Self::MountedDirectory)
    }

    /// Returns the path of its partial below its directory. A mounted ConfigMap has no directories; a projected volume may have some.
    fn part(self) -> &'static str {
        match self {
            Self::Mounted => "part.html",
            _ => "_parts/part.html",
        }
    }

    /// Returns its path over HTTP.
    pub(super) fn path(self) -> String {
        format!("/{}/", self.name())
    }

    /// Returns true if the answer to a request may have this status: a page that was deleted is absent until it is created again.
    pub(super) fn may_be(self, status: u16) -> bool {
        status == 200 || (self == Self::Recreated && status == 404)
    }

    /// Returns the pause between two edits.
    pub(super) fn pause(self) -> Duration {
        Duration::from_millis(match self {
            Self::Pairs | Self::Slowly => 7,
            Self::Loops => 2_000,
            _ => 40,
        })
    }
}

/// The directory of the site.
pub(super) struct Site {
    files: Files,
}

fn padding(number: u64) -> String {
    "x".repeat(100 + usize::try_from(number * 37 % 1_900).unwrap_or_default())
}

fn page(way: Way, number: u64) -> String {
    let call = format!("{{{{ call {}/{} with page }}}}", way.name(), way.part());
    let pad = padding(number);
    format!(
        "<page {number}>\n{pad}\n{call}\n<data {{page.number}} {{page.end}}>\n{call}\n{pad}\n{}</page {number}>\n",
        lines()
    )
}

/// Returns a loop, so that a render of the page does some work.
fn lines() -> &'static str {
    "{{ for line in lines }}<li>{line}</li>{{ endfor }}\n"
}

fn part(number: u64) -> String {
    format!("<part {number} {{number}} {{end}}>{}</part {number}>", padding(number))
}

fn data(number: u64) -> String {
    let pad = padding(number);
    format!(r#"{{"page": {{"number": {number}, "pad": "{pad}", "end": {number}}}}}"#)
}

fn looping(number: u64) -> String {
    let body = "{{ for a in lines }}{{ for b in lines }}{{ for c in lines }}{{ for d in lines }}{{ endfor }}{{ endfor }}{{ endfor }}{{ endfor }}";
    format!("<page {number}>\n{body}\n</page {number}>\n")
}

fn in_place(path: &Path, text: &str) -> io::Result<()> {
    File::create(path)?.write_all(text.as_bytes())
}

fn renamed(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new~");
    in_place(&beside, text)?;
    fs::rename(beside, path)
}

impl Site {
    pub(super) fn new() -> io::Result<Self> {
        let all = serde_json::json!({ "lines": (0..200).collect::<Vec<_>>() }).to_string();
        let large = format!("{}\n", "y".repeat(900)).repeat(1_000);
        let files = Files::new(&[
            ("data/_all.json", &all),
            ("templates/large.html", &large),
            ("templates/404.html", "nothing here"),
            ("static/site.css", &Self::style(0)),
            ("static/in-place.css", &Self::style(0)),
        ]);
        let site = Self { files };
        for way in WAYS.into_iter().chain([Way::Hammered]) {
            site.create(way)?;
        }
        Ok(site)
    }

    pub(super) fn path(&self) -> &Path {
        self.files.path()
    }

    pub(super) fn style(number: u64) -> String {
        format!("/* {number} */{}/* {number} */", padding(number))
    }

    fn directory(&self, way: Way) -> PathBuf {
        self.path().join("templates").join(way.name())
    }

    fn data_file(&self, way: Way) -> PathBuf {
        self.path().join("data").join(way.name()).join("index.json")
    }

    fn create(&self, way: Way) -> io::Result<()> {
        fs::create_dir_all(self.path().join("data").join(way.name()))?;
        fs::write(self.data_file(way), data(0))?;
        let directory = self.directory(way);
        if way.is_mounted() {
            fs::create_dir_all(&directory)?;
            fill(&directory.join("..0"), way, 0)?;
            symlink("..0", directory.join("..data"))?;
            symlink("..data/index.html", directory.join("index.html"))?;
            let partials = way.part().split('/').next().unwrap_or_default();
            return symlink(Path::new("..data").join(partials), directory.join(partials));
        }
        fill(&directory, way, 0)
    }

    /// Saves a page once more. The number determines which of its files are written, and their content.
    pub(super) fn edit(&self, way: Way, number: u64) -> io::Result<()> {
        let directory = self.directory(way);
        let (index, partial) = (directory.join("index.html"), directory.join(way.part()));
        let each = [
            (index.clone(), page(way, number)),
            (partial, part(number)),
            (self.data_file(way), data(number)),
        ];
        match way {
            Way::Steady => Ok(()),
            Way::Pairs => {
                let (path, text) = &each[(number % 3) as usize];
                in_place(path, text)?;
                in_place(path, text)
            }
            Way::Slowly => {
                let (path, text) = &each[(number % 3) as usize];
                let mut file = File::create(path)?;
                let (one, other) = text.split_at(text.len() / 2);
                one.as_bytes().chunks(100).try_for_each(|part| file.write_all(part))?;
                park_timeout(Duration::from_millis(3));
                other.as_bytes().chunks(100).try_for_each(|part| file.write_all(part))
            }
            Way::Renamed => each.iter().try_for_each(|(path, text)| renamed(path, text)),
            Way::Recreated => {
                let (path, text) = &each[(number % 3) as usize];
                fs::remove_file(path)?;
                fs::write(path, text)
            }
            Way::Moved => {
                let beside = self.path().join("beside");
                fill(&beside, way, number)?;
                renameat_with(CWD, &beside, CWD, &directory, RenameFlags::EXCHANGE)?;
                fs::remove_dir_all(beside)
            }
            Way::Mounted | Way::MountedDirectory => {
                let target = format!("..{number}");
                fill(&directory.join(&target), way, number)?;
                symlink(&target, directory.join("..new"))?;
                let before = fs::read_link(directory.join("..data"))?;
                fs::rename(directory.join("..new"), directory.join("..data"))?;
                fs::remove_dir_all(directory.join(before))
            }
            Way::Loops | Way::Hammered if number % 2 == 1 => renamed(&index, &looping(number)),
            Way::Fails if number % 2 == 1 => {
                renamed(&index, &format!("<page {number}>\n{{nowhere}}</page {number}>\n"))
            }
            Way::Broken if number % 2 == 1 => {
                renamed(&index, &format!("<page {number}>\n{{{{ if }}}}</page {number}>\n"))
            }
            Way::Loops | Way::Hammered | Way::Fails | Way::Broken => renamed(&index, &page(way, number)),
        }
    }

    /// Saves all files of a page, whole and without errors.
    pub(super) fn settle(&self, way: Way, number: u64) -> io::Result<()> {
        match way {
            Way::Moved | Way::Mounted | Way::MountedDirectory => self.edit(way, number)?,
            _ => fill(&self.directory(way), way, number)?,
        }
        renamed(&self.data_file(way), &data(number))
    }

    /// Saves both static files once more.
    pub(super) fn edit_styles(&self, number: u64) -> io::Result<()> {
        let (text, directory) = (Self::style(number), self.path().join("static"));
        renamed(&directory.join("site.css"), &text)?;
        in_place(&directory.join("in-place.css"), &text)
    }

    /// Writes settings that can change while the server runs, every fourth time wrong ones.
    pub(super) fn configure(&self, number: u64) -> io::Result<()> {
        let level = ["warn", "info", "hotplate=debug,warn", "error"][(number % 4) as usize];
        let text = match number % 4 {
            3 => "[server]\ndrain_ms = \"soon\"\n".to_owned(),
            _ => format!("[server]\ndrain_ms = {}\n[log]\nlevel = \"{level}\"\n", 10_000 + number),
        };
        renamed(&self.path().join("hotplate.toml"), &text)
    }
}

fn fill(directory: &Path, way: Way, number: u64) -> io::Result<()> {
    let partial = directory.join(way.part());
    fs::create_dir_all(partial.parent().unwrap_or(directory))?;
    renamed(&partial, &part(number))?;
    renamed(&directory.join("index.html"), &page(way, number))
}

/// The faults in the text of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// The beginning and the end of a file do not belong together.
    Half,
    /// The answer mixes several versions.
    Mixed,
}

/// Returns the text between two texts, and the rest after the second.
fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<(&'t str, &'t str)> {
    text.split_once(before)?.1.split_once(after)
}

/// Returns the number of a page, or its fault.
pub(super) fn judge(way: Way, text: &str) -> Result<u64, Wrong> {
    let (number, rest) = between(text, "<page ", ">").ok_or(Wrong::Half)?;
    let inner = rest.strip_suffix(&format!("</page {number}>\n")).ok_or(Wrong::Half)?;
    let (first, rest) = judge_part(inner)?;
    let (data, rest) = between(rest, "<data ", ">").ok_or(Wrong::Half)?;
    let (second, _) = judge_part(rest)?;
    let one_version = first == second && first.data == data && (!way.is_mounted() || first.number == number);
    if !one_version || !text.starts_with("<page ") {
        return Err(Wrong::Mixed);
    }
    number.parse().map_err(|_| Wrong::Half)
}

/// The content of a partial.
#[derive(PartialEq, Eq)]
struct Part<'t> {
    number: &'t str,
    data: &'t str,
    pad: &'t str,
}

/// Reads the next partial in a text. Returns it and the rest of the text.
fn judge_part(text: &str) -> Result<(Part<'_>, &str), Wrong> {
    let read = || {
        let (head, rest) = between(text, "<part ", ">")?;
        let (number, data) = head.split_once(' ')?;
        let (pad, rest) = rest.split_once(&format!("</part {number}>"))?;
        Some((Part { number, data, pad }, rest))
    };
    let (part, rest) = read().ok_or(Wrong::Half)?;
    match part.data.split_once(' ') {
        Some((number, end)) if number == end => Ok((part, rest)),
        Some(_) => Err(Wrong::Mixed),
        None => Err(Wrong::Half),
    }
}

/// Returns true if a static file is whole.
pub(super) fn is_whole_style(text: &str) -> bool {
    let number = between(text, "/* ", " */").map(|(number, _)| number);
    number.is_some_and(|number| text.ends_with(&format!("/* {number} */")) && text.len() > 100)
}

#[test]
fn half_and_mixed_answers_are_told_from_whole_ones() {
    let whole = "<page 5>\nx\n<part 4 3 3>x</part 4>\n<data 3 3>\n<part 4 3 3>x</part 4>\nx\n</page 5>\n";
    assert_eq!(judge(Way::Pairs, whole), Ok(5));
    assert_eq!(
        judge(Way::Mounted, whole),
        Err(Wrong::Mixed),
        "its files change together"
    );
    for (from, to, wrong) in [
        ("</page 5>", "</page 6>", Wrong::Half),
        ("</page 5>\n", "", Wrong::Half),
        ("x</part 4>\nx", "x", Wrong::Half),
        ("<data 3 3>", "<data 2 2>", Wrong::Mixed),
        ("<data 3 3>", "<data 3 4>", Wrong::Mixed),
        (
            "<part 4 3 3>x</part 4>\n<data",
            "<part 2 3 3>x</part 2>\n<data",
            Wrong::Mixed,
        ),
        (
            "<part 4 3 3>x</part 4>\n<data",
            "<part 4 3 2>x</part 4>\n<data",
            Wrong::Mixed,
        ),
    ] {
        assert_eq!(judge(Way::Pairs, &whole.replacen(from, to, 1)), Err(wrong), "{to}");
    }
}
