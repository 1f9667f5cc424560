//! Revisions of real repositories.

use std::path::Path;
use std::process::Command;

use hotplate_actors::conformance::{Fixture, check};
use hotplate_actors::loader::{BlockingLoader, Depth};
use hotplate_actors::{Hotplate, Loader};
use hotplate_sources::git::GitLoader;

use super::{name, served, wait_for, wait_until};

struct Repository(tempfile::TempDir);

impl Repository {
    /// Creates a repository with an empty commit, or says `skipped`.
    fn new() -> Option<Self> {
        if Command::new("git").arg("--version").output().is_err() {
            println!("skipped: git is not installed");
            return None;
        }
        let repository = Self(tempfile::tempdir().expect("a directory"));
        std::fs::create_dir(repository.work_tree()).expect("creates");
        repository.git(&["init", "-q", "-b", "main"]);
        repository.git(&["commit", "-q", "--allow-empty", "-m", "begin"]);
        Some(repository)
    }

    fn work_tree(&self) -> std::path::PathBuf {
        self.0.path().join("site")
    }

    fn git(&self, arguments: &[&str]) -> String {
        git(&self.work_tree(), arguments)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.work_tree().join(name);
        std::fs::create_dir_all(path.parent().expect("below")).expect("creates");
        std::fs::write(path, text).expect("writes");
    }

    fn commit(&self) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "edit"]);
        self.git(&["rev-parse", "HEAD"])
    }
}

fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@localhost",
            "-c",
            "commit.gpgsign=false",
            "-C",
        ])
        .arg(directory)
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("git runs");
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

impl Fixture for Repository {
    fn loader(&self) -> Box<dyn Loader> {
        Box::new(GitLoader::new(self.work_tree(), "main"))
    }

    fn edit(&mut self, edits: &[(&str, Option<&str>)]) {
        for (name, text) in edits {
            match text {
                Some(text) => self.write(name, text),
                None => std::fs::remove_file(self.work_tree().join(name)).expect("removes"),
            }
        }
        self.commit();
    }

    fn set_down(&mut self, down: bool) -> bool {
        let away = self.0.path().join("away");
        let (from, to) = if down {
            (self.work_tree(), away)
        } else {
            (away, self.work_tree())
        };
        std::fs::rename(from, to).expect("renames");
        true
    }
}

#[test]
fn git_conforms() {
    if let Some(mut repository) = Repository::new() {
        check(&mut repository);
    }
}

#[test]
fn a_push_to_a_bare_repository_is_one_version_with_the_commit_as_tag() {
    let Some(work) = Repository::new() else { return };
    work.write("site/templates/a.html", "a1");
    work.write("site/templates/b.html", "b1");
    work.write("site/templates/notes.md~", "no template");
    work.write("other/c.html", "not below the directory");
    work.commit();
    let bare = work.0.path().join("bare.git");
    git(work.0.path(), &["clone", "-q", "--bare", "site", "bare.git"]);
    let path = bare.clone();
    let create = move || GitLoader::new(&path, "main").directory("site/templates");
    let hotplate = Hotplate::builder().loader_with(create).start().expect("starts");
    assert_eq!(served(&hotplate, "a.html").as_deref(), Some("a1"));
    assert_eq!(served(&hotplate, "c.html"), None);
    let before = hotplate.snapshot().version().number();
    work.write("site/templates/a.html", "a2");
    work.write("site/templates/b.html", "b2");
    let commit = work.commit();
    work.git(&["push", "-q", "../bare.git", "main"]);
    wait_for(&hotplate, "b.html", "b2");
    assert_eq!(served(&hotplate, "a.html").as_deref(), Some("a2"));
    assert_eq!(hotplate.snapshot().version().number(), before + 1);
    // It is noted a moment after the version is served.
    let tag = || hotplate.health().loaders[0].tag.clone().unwrap_or_default();
    wait_until(|| tag() == commit, &|| format!("the tag is {commit} and not {}", tag()));
    // A branch that is forced back is another commit like any other.
    work.git(&["reset", "-q", "--hard", "HEAD~1"]);
    work.git(&["push", "-q", "-f", "../bare.git", "main"]);
    wait_for(&hotplate, "a.html", "a1");
    assert_eq!(served(&hotplate, "b.html").as_deref(), Some("b1"));
}

#[test]
fn what_is_no_text_is_named() {
    let Some(work) = Repository::new() else { return };
    work.write("latin.html", b"caf\xe9");
    work.write("large.html", "x".repeat(2_000));
    work.write("good.html", "good");
    #[cfg(unix)]
    std::os::unix::fs::symlink("good.html", work.work_tree().join("link.html")).expect("links");
    work.commit();
    let mut loader = GitLoader::new(work.work_tree(), "HEAD").text_bytes(1_000);
    let changes = BlockingLoader::sync(&mut loader, Depth::Afresh).expect("loads");
    assert_eq!(changes.changed.len(), 1);
    let mut faults: Vec<_> = changes
        .unreadable
        .iter()
        .map(|(key, faults)| (key.as_str(), faults[0].code))
        .collect();
    faults.sort_unstable();
    assert_eq!(faults, [("large.html", "too-large"), ("latin.html", "not-utf8")]);
    let status = BlockingLoader::status(&loader);
    if cfg!(unix) {
        assert!(status.remarks[0].message.contains("link.html"), "{status:?}");
    }
}

#[test]
fn a_wrong_revision_and_a_corrupt_object_are_refused() {
    let Some(work) = Repository::new() else { return };
    work.write("a.html", "the text of a");
    let commit = work.commit();
    for revision in ["missing", "--all", "HEAD:a.html", ""] {
        let error = BlockingLoader::sync(&mut GitLoader::new(work.work_tree(), revision), Depth::Afresh);
        let error = error.expect_err(revision);
        assert!(!error.is_unavailable(), "{revision}: {error}");
        assert!(error.to_string().contains("cannot be resolved"), "{error}");
    }
    let object = work.git(&["rev-parse", &format!("{commit}:a.html")]);
    let path = work
        .work_tree()
        .join(".git/objects")
        .join(&object[..2])
        .join(&object[2..]);
    std::fs::remove_file(path).expect("removes");
    let error = BlockingLoader::sync(&mut GitLoader::new(work.work_tree(), "main"), Depth::Afresh);
    let error = error.expect_err("it is missing").to_string();
    assert!(error.contains("`a.html`") && error.contains(&object), "{error}");
}

#[test]
fn a_sync_without_another_commit_reads_nothing() {
    let Some(work) = Repository::new() else { return };
    work.write("a.html", "a");
    work.write("b.html", "b");
    work.commit();
    let mut loader = GitLoader::new(work.work_tree(), "main");
    let first = BlockingLoader::sync(&mut loader, Depth::Afresh).expect("loads");
    assert_eq!(first.changed.len(), 2);
    let again = BlockingLoader::sync(&mut loader, Depth::Everything).expect("loads");
    assert!(again.is_empty() && again.tag == first.tag);
    work.write("b.html", "another b");
    work.commit();
    let edited = BlockingLoader::sync(&mut loader, Depth::Everything).expect("loads");
    let names: Vec<_> = edited.changed.iter().map(|source| source.key.name.clone()).collect();
    assert_eq!(names, [name("b.html")]);
}

/// Prints how long a switch takes: `cargo test -p hotplate-sources --all-features -- --ignored --nocapture figures`.
#[test]
#[ignore = "it prints figures and checks nothing"]
fn figures() {
    let Some(work) = Repository::new() else { return };
    for number in 0..10_000 {
        work.write(&format!("d{}/p{number}.html", number % 100), format!("text {number}"));
    }
    work.commit();
    let mut loader = GitLoader::new(work.work_tree(), "main");
    let began = std::time::Instant::now();
    BlockingLoader::sync(&mut loader, Depth::Afresh).expect("loads");
    println!("10,000 files of a commit: {:?}", began.elapsed());
    for number in 0..100 {
        work.write(&format!("d{number}/p{number}.html"), "another text");
    }
    work.commit();
    let began = std::time::Instant::now();
    let changes = BlockingLoader::sync(&mut loader, Depth::Hinted).expect("loads");
    println!(
        "another commit with {} of 10,000 changed: {:?}",
        changes.changed.len(),
        began.elapsed()
    );
    let began = std::time::Instant::now();
    BlockingLoader::sync(&mut loader, Depth::Hinted).expect("loads");
    println!("the same commit: {:?}", began.elapsed());
}
