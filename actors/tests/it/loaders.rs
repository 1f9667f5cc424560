//! Loaders: the conformance suite over those of this crate, and what the engine does with priorities, tags and errors.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hotplate_actors::conformance::{Fixture, check};
use hotplate_actors::loader::{Changes, Depth, Hints, LoaderError, Supports};
use hotplate_actors::{
    BlockingLoader, DirectoryLoader, EmbeddedLoader, Hotplate, Limits, Loader, LoaderState, MemoryHandle, MemoryLoader,
    Mount, Source, StoreOptions, TemplateName, WatchBy,
};

fn name(text: &str) -> TemplateName {
    TemplateName::new(text).expect("a valid name")
}

fn block<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(future)
}

struct Directory {
    parent: tempfile::TempDir,
    by: WatchBy,
}

impl Directory {
    fn new(by: WatchBy) -> Self {
        let parent = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(parent.path().join("templates")).expect("creates");
        Self { parent, by }
    }
}

impl Fixture for Directory {
    fn loader(&self) -> Box<dyn Loader> {
        let mount = Mount::new("", self.parent.path().join("templates"));
        Box::new(DirectoryLoader::new([mount], &Limits::default()).watch_by(self.by))
    }

    fn edit(&mut self, edits: &[(&str, Option<&str>)]) {
        for (name, text) in edits {
            let path = self.parent.path().join("templates").join(name);
            std::fs::create_dir_all(path.parent().expect("below the root")).expect("creates");
            match text {
                Some(text) => std::fs::write(path, text).expect("writes"),
                None => std::fs::remove_file(path).expect("removes"),
            }
        }
    }

    fn set_down(&mut self, down: bool) -> bool {
        let (here, away) = (self.parent.path().join("templates"), self.parent.path().join("away"));
        let moved = if down {
            std::fs::rename(here, away)
        } else {
            std::fs::rename(away, here)
        };
        moved.expect("renames");
        true
    }
}

#[test]
fn the_directory_conforms() {
    for by in [WatchBy::Auto, WatchBy::Poll] {
        check(&mut Directory::new(by));
    }
}

/// A source in memory for any number of loaders, each with a memory of its own.
#[derive(Default)]
struct Memories {
    texts: std::collections::BTreeMap<String, String>,
    handles: std::sync::Mutex<Vec<MemoryHandle>>,
}

impl Fixture for Memories {
    fn loader(&self) -> Box<dyn Loader> {
        let (loader, handle) = MemoryLoader::new();
        handle.edit(
            self.texts
                .iter()
                .map(|(name, text)| (crate::loaders::name(name), Some(text.as_str()))),
        );
        self.handles.lock().expect("no panic").push(handle);
        Box::new(loader)
    }

    fn edit(&mut self, edits: &[(&str, Option<&str>)]) {
        for handle in self.handles.lock().expect("no panic").iter() {
            handle.edit(edits.iter().map(|(name, text)| (crate::loaders::name(name), *text)));
        }
        for (name, text) in edits {
            match text {
                Some(text) => self.texts.insert((*name).into(), (*text).into()),
                None => self.texts.remove(*name),
            };
        }
    }
}

#[test]
fn the_memory_conforms() {
    check(&mut Memories::default());
}

/// A loader whose priority, names, tag and errors are those of the case.
struct Custom {
    text: &'static str,
    priority: i32,
    supports: Supports,
    fails: Arc<AtomicBool>,
    error: fn() -> LoaderError,
    tag: Option<&'static str>,
}

impl Custom {
    fn new(text: &'static str) -> Self {
        Self {
            text,
            priority: 0,
            supports: Supports::All,
            fails: Arc::default(),
            error: || LoaderError::unavailable("it is down"),
            tag: None,
        }
    }
}

impl BlockingLoader for Custom {
    fn describe(&self) -> String {
        format!("the loader of `{}`", self.text)
    }

    fn priority(&self) -> i32 {
        self.priority
    }

    fn supports(&self) -> Supports {
        self.supports.clone()
    }

    fn watch(&mut self, _: Hints) -> Result<(), LoaderError> {
        Ok(())
    }

    fn sync(&mut self, depth: Depth) -> Result<Changes, LoaderError> {
        if self.fails.load(Ordering::SeqCst) {
            return Err((self.error)());
        }
        if depth != Depth::Afresh {
            return Ok(Changes::default());
        }
        let key = name("mail:a.html");
        Ok(Changes {
            complete: true,
            changed: vec![Source::new(key, self.text)],
            tag: self.tag.map(Into::into),
            ..Changes::default()
        })
    }
}

fn served(hotplate: &Hotplate) -> String {
    let rendered = hotplate.render("mail:a.html", &());
    rendered.map_or_else(|failure| failure.to_string(), |rendered| rendered.body)
}

#[test]
fn the_highest_priority_wins_whatever_the_order_is() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let mut builder = Hotplate::builder();
        for priority in order {
            let text = ["lowest", "middle", "highest"][priority];
            let loader = Custom {
                priority: priority as i32,
                ..Custom::new(text)
            };
            builder = builder.loader(loader);
        }
        let hotplate = builder
            .loader(Custom {
                priority: 2,
                ..Custom::new("later")
            })
            .start()
            .expect("starts");
        assert_eq!(served(&hotplate), "highest", "{order:?}");
        assert!(hotplate.health().loaders.is_sorted_by_key(|loader| -loader.priority));
    }
}

#[test]
fn an_absent_source_falls_through_and_comes_later() {
    let fails = Arc::new(AtomicBool::new(true));
    let upper = Custom {
        priority: 1,
        fails: Arc::clone(&fails),
        error: || LoaderError::absent("there is no table"),
        ..Custom::new("upper")
    };
    let hotplate = Hotplate::builder()
        .loader(upper)
        .loader(Custom::new("lower"))
        .start()
        .expect("starts");
    assert_eq!(served(&hotplate), "lower");
    assert_eq!(hotplate.health().loaders[0].state, LoaderState::Absent);
    let version = hotplate.snapshot().version();
    block(hotplate.reload()).expect("reloads");
    assert_eq!(hotplate.snapshot().version(), version, "nothing new");
    fails.store(false, Ordering::SeqCst);
    block(hotplate.reload()).expect("reloads");
    assert_eq!(served(&hotplate), "upper");
    fails.store(true, Ordering::SeqCst);
    block(hotplate.reload()).expect("reloads");
    assert_eq!(served(&hotplate), "lower");
}

#[test]
fn an_outage_at_the_start_hides_only_the_names_of_the_source() {
    for (prefix, expected) in [("mail:", None), ("shop:", Some("lower"))] {
        let fails = Arc::new(AtomicBool::new(true));
        let upper = Custom {
            priority: 1,
            supports: Supports::Prefix(prefix.into()),
            fails: Arc::clone(&fails),
            error: || LoaderError::unavailable("it is down").retry_after(Duration::from_millis(100)),
            ..Custom::new("upper")
        };
        let hotplate = Hotplate::builder()
            .loader(upper)
            .loader(Custom::new("lower"))
            .start()
            .expect("starts");
        let now = served(&hotplate);
        match expected {
            Some(text) => assert_eq!(now, text),
            None => {
                let why = hotplate.diagnostics()[0].to_string();
                assert!(why.contains("`upper` has precedence for this name"), "{why}");
                assert_ne!(now, "lower");
            }
        }
        let health = hotplate.health();
        assert_eq!(health.loaders[0].error.as_deref(), Some("it is down"), "{health:?}");
        assert!(health.degraded.concat().contains("it is down"), "{health:?}");
        fails.store(false, Ordering::SeqCst);
        // Nobody reloads: it is tried again.
        while expected.is_none() && served(&hotplate) != "upper" {
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_loader_delivers_only_what_it_supports() {
    let loader = Custom {
        supports: Supports::Prefix("shop:".into()),
        ..Custom::new("text")
    };
    let error = Hotplate::builder()
        .loader(loader)
        .start()
        .expect_err("refused")
        .to_string();
    assert!(error.contains("mail:a.html") && error.contains("`supports`"), "{error}");
}

#[test]
fn the_tag_is_in_the_health_and_in_the_cause() {
    let loader = Custom {
        tag: Some("1a2b3c"),
        ..Custom::new("text")
    };
    let hotplate = Hotplate::builder().loader(loader).start().expect("starts");
    assert_eq!(hotplate.health().loaders[0].tag.as_deref(), Some("1a2b3c"));
    let published = hotplate.publications();
    assert_eq!(
        published[0].published.cause.to_string(),
        "loader the loader of `text`: at 1a2b3c"
    );
}

#[test]
fn embedded_defaults_are_served_without_a_stored_version_and_never_over_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let fails = Arc::new(AtomicBool::new(false));
    let start = |fails: &Arc<AtomicBool>| {
        let upper = Custom {
            fails: Arc::clone(fails),
            error: || LoaderError::absent("there is no table"),
            ..Custom::new("upper")
        };
        let defaults = EmbeddedLoader::of("defaults", [("mail:a.html", "default")]).expect("valid names");
        let builder = Hotplate::builder().loader(defaults).loader(upper);
        builder
            .store(StoreOptions::new(directory.path().join("store")))
            .start()
            .expect("starts")
    };
    fails.store(true, Ordering::SeqCst);
    let hotplate = start(&fails);
    assert_eq!(served(&hotplate), "default");
    assert!(block(hotplate.shutdown(Duration::from_secs(60))));
    fails.store(false, Ordering::SeqCst);
    let hotplate = start(&fails);
    while served(&hotplate) != "upper" {
        std::thread::yield_now();
    }
    assert!(block(hotplate.shutdown(Duration::from_secs(60))));
}

#[test]
fn a_first_batch_waits_for_no_loader_that_is_down_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let fails = Arc::new(AtomicBool::new(false));
    let (memory, edits) = MemoryLoader::new();
    edits.set(name("b.html"), "b");
    let upper = Custom {
        fails: Arc::clone(&fails),
        ..Custom::new("upper")
    };
    let options = || StoreOptions::new(directory.path().join("store"));
    let hotplate = Hotplate::builder()
        .loader(upper)
        .loader(memory)
        .store(options())
        .start()
        .expect("starts");
    assert!(block(hotplate.shutdown(Duration::from_secs(60))));
    for error in [|| LoaderError::unavailable("down"), || LoaderError::new("wrong")] {
        fails.store(true, Ordering::SeqCst);
        let upper = Custom {
            fails: Arc::clone(&fails),
            error,
            ..Custom::new("upper")
        };
        let (memory, edits) = MemoryLoader::new();
        edits.set(name("b.html"), "another b");
        let hotplate = Hotplate::builder()
            .loader(upper)
            .loader(memory)
            .store(options())
            .start()
            .expect("starts");
        assert_eq!(served(&hotplate), "upper", "from the store");
        while hotplate.render("b.html", &()).expect("renders").body != "another b" {
            std::thread::yield_now();
        }
        edits.set(name("b.html"), "b");
        while hotplate.render("b.html", &()).expect("renders").body != "b" {
            std::thread::yield_now();
        }
        assert!(block(hotplate.shutdown(Duration::from_secs(60))));
    }
}

#[test]
fn names_of_embedded_templates_are_checked() {
    assert!(EmbeddedLoader::of("defaults", [("../a.html", "")]).is_err());
    assert!(TemplateName::new("mail:welcome.txt").is_ok());
}
