//! Tests of the store as users see it: a process ends, something happens to the templates, and the next process serves.

mod history;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hotplate_actors::dialect::{Dialect, Unit};
use hotplate_actors::{
    AuditOptions, Cause, Freshness, Hotplate, Limits, MemoryHandle, MemoryLoader, Mount, StartError, StoreError,
    StoreOptions, TemplateName, Version,
};
use serde_json::json;

fn block<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(future)
}

/// A directory with a site and a store.
struct Scene {
    directory: tempfile::TempDir,
}

impl Scene {
    fn new(texts: &[(&str, &str)]) -> Self {
        let scene = Self {
            directory: tempfile::tempdir().expect("a directory"),
        };
        fs::create_dir(scene.site()).expect("created");
        texts.iter().for_each(|(name, text)| scene.edit(name, text));
        scene
    }

    fn site(&self) -> PathBuf {
        self.directory.path().join("site")
    }

    fn store(&self) -> PathBuf {
        self.directory.path().join("store")
    }

    fn edit(&self, name: &str, text: &str) {
        fs::write(self.site().join(name), text).expect("written");
    }

    /// Starts an engine that finds changes by reloads only.
    fn start(&self) -> Result<Hotplate, StartError> {
        self.start_keeping(4)
    }

    fn start_keeping(&self, versions: usize) -> Result<Hotplate, StartError> {
        let builder = Hotplate::builder().mounts([Mount::new("", self.site()).late()]);
        builder
            .watch(false)
            .store(StoreOptions::new(self.store()).keep(versions))
            .start()
    }

    fn started(&self) -> Hotplate {
        self.start().expect("starts")
    }
}

/// Ends an engine; everything that it published is durable then.
fn end(hotplate: Hotplate) {
    assert!(block(hotplate.shutdown(Duration::from_secs(60))), "it ends in time");
}

fn body(hotplate: &Hotplate, name: &str) -> String {
    hotplate.render(name, &json!({ "page": {} })).expect("renders").body
}

/// Waits until something is true, which another thread brings about.
fn eventually(what: &str, is_true: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is_true() {
        assert!(Instant::now() < until, "{what}");
        std::thread::yield_now();
    }
}

fn durable(hotplate: &Hotplate) -> Version {
    hotplate.health().store.expect("a store").durable.unwrap_or_default()
}

#[test]
fn a_missing_directory_leaves_the_stored_version_served() {
    let scene = Scene::new(&[("page.html", "{{ call foot.html with page }}"), ("foot.html", "one")]);
    let hotplate = scene.started();
    scene.edit("foot.html", "two");
    block(hotplate.reload()).expect("reloads");
    let (version, digest) = (hotplate.snapshot().version(), hotplate.snapshot().snapshot().digest());
    end(hotplate);

    fs::rename(scene.site(), scene.directory.path().join("away")).expect("moved");
    let hotplate = scene.started();
    let snapshot = hotplate.snapshot();
    assert_eq!((snapshot.version(), snapshot.snapshot().digest()), (version, digest));
    assert_eq!(body(&hotplate, "page.html"), "two");
    let health = || hotplate.health();
    eventually("the loader has failed", || {
        let store = health().store.expect("a store");
        store
            .not_loaded
            .iter()
            .any(|reason| reason.contains("does not exist") || reason.contains("could not"))
    });
    let now = health();
    assert!(now.ready, "{:?}", now.reasons);
    assert!(
        now.degraded.iter().any(|reason| reason.contains("stored templates")),
        "{:?}",
        now.degraded
    );
    let counters = hotplate.counters();
    assert!(counters.desired_version > counters.live_version);

    // It is back, with an edit.
    fs::rename(scene.directory.path().join("away"), scene.site()).expect("moved");
    scene.edit("foot.html", "three");
    block(hotplate.reload()).expect("reloads");
    assert_eq!(body(&hotplate, "page.html"), "three");
    eventually("nothing is left to load", || {
        health().store.expect("a store").not_loaded.is_empty()
    });
    assert_eq!(hotplate.snapshot().version(), version.next());
    end(hotplate);
}

#[test]
fn stale_templates_come_back_stale() {
    let scene = Scene::new(&[
        ("page.html", "old {{ call part.html with page }}"),
        ("part.html", "part"),
        ("other.html", "other"),
    ]);
    let hotplate = scene.started();
    let good = hotplate.snapshot().version();
    // Two breaks, one after the other: the page pins the first version, the other template the second.
    scene.edit("page.html", "new {{ if a == b }}");
    block(hotplate.reload()).expect("reloads");
    scene.edit("part.html", "changed part");
    block(hotplate.reload()).expect("reloads");
    let second = hotplate.snapshot().version();
    scene.edit("other.html", "bad {{ if a == b }}");
    scene.edit("never.html", "bad {{ if a == b }}");
    block(hotplate.reload()).expect("reloads");
    let expected = hotplate.snapshot().snapshot().digest();
    end(hotplate);

    for is_there in [true, false] {
        if !is_there {
            fs::remove_dir_all(scene.site()).expect("removed");
        }
        let hotplate = scene.started();
        assert_eq!(hotplate.snapshot().snapshot().digest(), expected);
        for (name, text, since) in [("page.html", "old part", good), ("other.html", "other", second)] {
            let answer = hotplate.render(name, &json!({ "page": {} })).expect("renders");
            assert_eq!(answer.body, text);
            assert!(
                matches!(answer.freshness, Freshness::Stale { since: found, .. } if found == since),
                "{name}"
            );
        }
        assert_eq!(body(&hotplate, "part.html"), "changed part");
        assert_eq!(hotplate.not_current().len(), 3, "{:?}", hotplate.not_current());
        assert!(!hotplate.diagnostics().is_empty());
        end(hotplate);
    }

    // A fix makes them current again.
    fs::create_dir(scene.site()).expect("created");
    for (name, text) in [
        ("page.html", "fixed {{ call part.html with page }}"),
        ("part.html", "p"),
        ("other.html", "o"),
    ] {
        scene.edit(name, text);
    }
    let hotplate = scene.started();
    block(hotplate.reload()).expect("reloads");
    assert_eq!(body(&hotplate, "page.html"), "fixed p");
    assert!(hotplate.not_current().is_empty(), "{:?}", hotplate.not_current());
    end(hotplate);
}

#[test]
fn what_was_rolled_back_waits_after_a_restart() {
    let scene = Scene::new(&[("page.html", "good"), ("other.html", "one"), ("third.html", "a")]);
    let hotplate = scene.started();
    let good = hotplate.snapshot().version();
    scene.edit("page.html", "bad");
    scene.edit("new.html", "new");
    block(hotplate.reload()).expect("reloads");
    let cause = Cause::by("alice").reason("it is wrong");
    let commands = hotplate.commands().cause(cause.clone());
    block(commands.roll_back(good)).expect("rolls back");
    let expected = hotplate.snapshot().snapshot().digest();
    end(hotplate);

    scene.edit("third.html", "b");
    for is_there in [false, true] {
        let away = scene.directory.path().join("away");
        match is_there {
            false => fs::rename(scene.site(), &away).expect("moved"),
            true => fs::rename(&away, scene.site()).expect("moved"),
        }
        let hotplate = scene.started();
        match is_there {
            false => assert_eq!(hotplate.snapshot().snapshot().digest(), expected),
            true => _ = block(hotplate.reload()).expect("reloads"),
        }
        assert_eq!(body(&hotplate, "page.html"), "good");
        assert!(
            hotplate.render("new.html", &json!({})).is_err(),
            "it waits to be created"
        );
        let waiting = block(hotplate.history()).expect("answers").waiting;
        let names: Vec<&str> = waiting.templates.iter().map(|each| each.template.as_str()).collect();
        assert_eq!(names, ["new.html", "page.html"]);
        assert!(waiting.templates.iter().all(|each| each.cause == cause));
        assert_eq!(body(&hotplate, "third.html"), if is_there { "b" } else { "a" });
        end(hotplate);
    }

    // Another text of the page lifts its hold, and resuming the other.
    let hotplate = scene.started();
    scene.edit("page.html", "fixed");
    block(hotplate.reload()).expect("reloads");
    assert_eq!(body(&hotplate, "page.html"), "fixed");
    block(hotplate.resume()).expect("resumes");
    assert_eq!(body(&hotplate, "new.html"), "new");
    end(hotplate);
    let hotplate = scene.started();
    assert!(block(hotplate.history()).expect("answers").waiting.is_empty());
    end(hotplate);
}

#[test]
fn what_the_loaders_say_becomes_the_next_version() {
    let scene = Scene::new(&[("page.html", "one"), ("gone.html", "gone")]);
    end(scene.started());
    scene.edit("page.html", "two");
    fs::remove_file(scene.site().join("gone.html")).expect("removed");
    let hotplate = scene.started();
    block(hotplate.reload()).expect("reloads");
    assert_eq!(body(&hotplate, "page.html"), "two");
    assert!(hotplate.render("gone.html", &json!({ "page": {} })).is_err());
    let version = hotplate.snapshot().version();
    assert_eq!(version, Version::from_number(2));
    eventually("it is stored", || durable(&hotplate) == version);
    end(hotplate);
    let again = scene.started();
    block(again.reload()).expect("reloads");
    assert_eq!(again.snapshot().version(), version, "nothing has changed");
    end(again);
}

#[test]
fn a_damaged_current_version_is_named_and_the_previous_one_is_served() {
    let scene = Scene::new(&[("page.html", "one")]);
    let hotplate = scene.started();
    eventually("it is stored", || durable(&hotplate) == Version::from_number(1));
    scene.edit("page.html", "two");
    block(hotplate.reload()).expect("reloads");
    end(hotplate);
    fs::remove_dir_all(scene.site()).expect("removed");
    let current = scene.store().join("manifests/2");
    let mut bytes = fs::read(&current).expect("reads");
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    fs::write(&current, bytes).expect("written");
    let hotplate = scene.started();
    assert_eq!(body(&hotplate, "page.html"), "one");
    let problems = hotplate.health().store.expect("a store").problems;
    assert!(
        problems.len() == 1 && problems[0].contains("manifests/2"),
        "{problems:?}"
    );
    end(hotplate);
}

#[test]
fn another_format_and_other_sources_refuse_the_start() {
    let scene = Scene::new(&[("page.html", "one")]);
    end(scene.started());
    let other = tempfile::tempdir().expect("a directory");
    let builder = Hotplate::builder().root(other.path());
    let refused = builder.store(StoreOptions::new(scene.store())).start().map(|_| ());
    assert!(
        matches!(refused, Err(StartError::Store(StoreError::OtherSources { .. }))),
        "{refused:?}"
    );
    let file = scene.store().join("STORE");
    let newer = fs::read_to_string(&file).expect("reads").replace("store 1", "store 2");
    fs::write(&file, newer).expect("written");
    let refused = scene.start().map(|_| ()).expect_err("a newer format").to_string();
    assert!(refused.contains("format 2") && refused.contains("STORE"), "{refused}");
}

#[test]
fn what_is_written_is_apart_from_what_is_loaded() {
    let scene = Scene::new(&[("page.html", "one")]);
    let site = scene.site();
    let mut nested = vec![site.clone(), site.join("a/b"), scene.directory.path().to_owned()];
    #[cfg(unix)]
    {
        let link = scene.directory.path().join("link");
        std::os::unix::fs::symlink(&site, &link).expect("a link");
        nested.push(link.join("store"));
    }
    for directory in nested {
        let builder = || Hotplate::builder().root(&site).watch(false);
        let refused = [
            builder().store(StoreOptions::new(&directory)).start(),
            builder().audit(AuditOptions::new(&directory)).start(),
        ];
        for refused in refused {
            let said = refused.map(|_| ()).expect_err("it would publish itself").to_string();
            for part in [&*directory.to_string_lossy(), &site.to_string_lossy(), "choose another"] {
                assert!(said.contains(part), "{said}");
            }
        }
    }
    assert!(!site.join("a").exists(), "nothing was written");
    // A name that begins like that of the site is not inside it.
    let beside = scene.directory.path().join("site-store");
    let builder = Hotplate::builder().root(&site).watch(false);
    end(builder.store(StoreOptions::new(beside)).start().expect("starts"));
}

#[test]
fn a_store_that_cannot_be_written_stops_nothing() {
    let scene = Scene::new(&[("page.html", "one")]);
    // A file is in the place of the directory, which fails for every user, root included.
    fs::create_dir(scene.store()).expect("created");
    fs::write(scene.store().join("manifests"), "in the way").expect("written");
    let hotplate = match scene.start() {
        Ok(hotplate) => hotplate,
        Err(error) => panic!("{error}"),
    };
    eventually("the failure is counted", || {
        hotplate.health().store.expect("a store").failures > 0
    });
    let health = hotplate.health();
    let error = health.store.expect("a store").error.expect("a reason");
    assert!(error.contains("manifests"), "{error}");
    assert!(health.ready && health.degraded.iter().any(|reason| reason.contains("not stored")));
    scene.edit("page.html", "two");
    block(hotplate.reload()).expect("reloads");
    assert_eq!(body(&hotplate, "page.html"), "two");

    // Once it can be written, the newest version is stored without a further edit.
    fs::remove_file(scene.store().join("manifests")).expect("removed");
    eventually("it is stored", || durable(&hotplate) == hotplate.snapshot().version());
    assert_eq!(hotplate.health().store.expect("a store").error, None);
    end(hotplate);
}

#[test]
fn a_required_template_is_served_or_the_engine_does_not_start() {
    let scene = Scene::new(&[("page.html", "good"), ("other.html", "{{ if }}")]);
    let start = |required: &[&str]| {
        let builder = Hotplate::builder()
            .mounts([Mount::new("", scene.site()).late()])
            .watch(false);
        let builder = builder.required_at_start(required.iter().copied());
        builder.store(StoreOptions::new(scene.store())).start()
    };
    for (required, said) in [
        ("other.html", "other.html"),
        ("no.html", "does not exist"),
        ("../a", "../a"),
    ] {
        let refused = start(&["page.html", required])
            .map(|_| ())
            .expect_err("it cannot be served")
            .to_string();
        assert!(refused.contains(said), "{refused}");
    }
    end(start(&["page.html"]).expect("it is good"));

    // The stored version has it, whatever its source has now.
    scene.edit("page.html", "{{ if }}");
    let hotplate = start(&["page.html"]).expect("a stored version is good");
    assert_eq!(body(&hotplate, "page.html"), "good");
    block(hotplate.reload()).expect("reloads");
    assert_eq!(body(&hotplate, "page.html"), "good");
    // A stored version without it is no reason to start, but its source may be.
    end(hotplate);
    assert!(start(&["other.html"]).is_err());
    scene.edit("other.html", "fixed");
    let hotplate = start(&["other.html"]).expect("its source is good");
    assert_eq!(body(&hotplate, "other.html"), "fixed");
    end(hotplate);
}

#[test]
fn several_loaders_come_back_each_with_its_own_texts() {
    let directory = tempfile::tempdir().expect("a directory");
    let start = |first: &[(&str, &str)], second: &[(&str, &str)]| {
        let (one, handle): (_, MemoryHandle) = MemoryLoader::new();
        let (two, below) = MemoryLoader::new();
        let named = |texts: &[(&str, &str)]| -> Vec<(TemplateName, Option<String>)> {
            let named = texts
                .iter()
                .map(|(name, text)| (TemplateName::new(name).expect("valid"), Some((*text).to_owned())));
            named.collect()
        };
        handle.edit(named(first));
        below.edit(named(second));
        let builder = Hotplate::builder().loader(one).loader(two);
        let hotplate = builder
            .store(StoreOptions::new(directory.path().join("store")))
            .start()
            .expect("starts");
        (hotplate, handle)
    };
    let (hotplate, _) = start(&[("page.html", "above")], &[("page.html", "below")]);
    assert_eq!(body(&hotplate, "page.html"), "above");
    end(hotplate);
    let (hotplate, handle) = start(&[("page.html", "above")], &[("page.html", "below")]);
    assert_eq!(body(&hotplate, "page.html"), "above");
    handle.remove(TemplateName::new("page.html").expect("valid"));
    block(hotplate.reload()).expect("reloads");
    assert_eq!(body(&hotplate, "page.html"), "below");
    end(hotplate);
}

#[test]
fn files_stay_few_however_many_versions_are_published() {
    let scene = Scene::new(&[("page.html", "0"), ("same.html", "same")]);
    let hotplate = scene.started();
    for number in 1..=200 {
        scene.edit("page.html", &number.to_string());
        block(hotplate.reload()).expect("reloads");
    }
    end(hotplate);
    let count = |path: &Path| fs::read_dir(path).expect("reads").count();
    assert!(count(&scene.store().join("manifests")) <= 4);
    let blobs = fs::read_dir(scene.store().join("blobs")).expect("reads");
    let texts: usize = blobs.map(|directory| count(&directory.expect("an entry").path())).sum();
    assert!(texts <= 5, "{texts} texts");
}

/// A text that means one thing in `tiny` and another in `jinja`.
#[cfg(feature = "jinja")]
const EITHER: &str = "{a}";

#[cfg(feature = "jinja")]
#[test]
fn a_text_is_restored_in_its_language_and_its_source_in_that_of_the_settings() {
    use hotplate_actors::dialect::{jinja::Jinja, tiny::Tiny};
    let scene = Scene::new(&[("page.html", "{{ a | upper }}{{ b }}"), ("bad.html", "{% if %}")]);
    let start = |mount: Mount| {
        let builder = Hotplate::builder().mounts([mount.late()]).watch(false);
        let hotplate = builder.store(StoreOptions::new(scene.store())).start();
        hotplate.expect("starts")
    };
    let mount = || Mount::new("", scene.site());
    let page = |hotplate: &Hotplate| hotplate.render("page.html", &json!({ "a": "x" })).map(|page| page.body);
    // A root with a language and leniency of its own, whose digests contain both.
    let hotplate = start(mount().lenient().dialect(Jinja));
    assert_eq!(page(&hotplate).expect("renders"), "X");
    end(hotplate);
    let away = scene.directory.path().join("away");
    fs::rename(scene.site(), &away).expect("moved");
    for other in [
        mount(),
        mount().dialect(Tiny),
        mount().lenient().dialect(Jinja),
        mount(),
    ] {
        let hotplate = start(other);
        assert_eq!(page(&hotplate).expect("renders"), "X");
        let message = hotplate.diagnostics()[0].message.clone();
        assert!(
            hotplate.diagnostics()[0]
                .template
                .as_ref()
                .is_some_and(|name| name.as_str() == "bad.html"),
            "{message}"
        );
        end(hotplate);
    }
    // The same text from its source, in another language, is another text.
    fs::rename(&away, scene.site()).expect("moved");
    fs::remove_file(scene.site().join("bad.html")).expect("removed");
    scene.edit("page.html", EITHER);
    for (default, expected) in [("tiny", "x"), ("jinja", "{a}"), ("tiny", "x")] {
        let builder = Hotplate::builder().mounts([mount()]).watch(false);
        let builder = if default == "jinja" { builder.jinja() } else { builder };
        let hotplate = builder.store(StoreOptions::new(scene.store())).start().expect("starts");
        block(hotplate.reload()).expect("reloads");
        assert_eq!(page(&hotplate).expect("renders"), expected);
        end(hotplate);
    }
}

#[test]
fn a_text_in_a_language_that_does_not_exist_is_named() {
    let scene = Scene::new(&[("page.html", "one"), ("other.html", "other")]);
    let start = |choice: bool| {
        let builder = Hotplate::builder()
            .mounts([Mount::new("", scene.site()).late()])
            .watch(false);
        let builder = match choice {
            true => builder.data_dialect_for(|name| {
                (name.as_str() == "page.html").then(|| std::sync::Arc::new(Ours) as std::sync::Arc<dyn Dialect>)
            }),
            false => builder,
        };
        builder.store(StoreOptions::new(scene.store())).start().expect("starts")
    };
    let hotplate = start(true);
    assert_eq!(body(&hotplate, "page.html"), "one");
    end(hotplate);
    let away = scene.directory.path().join("away");
    fs::rename(scene.site(), &away).expect("moved");
    let hotplate = start(false);
    assert_eq!(body(&hotplate, "other.html"), "other");
    let fault = hotplate.diagnostics()[0].to_string();
    assert!(fault.contains("`ours`") && fault.contains("page.html"), "{fault}");
    end(hotplate);
    // The program that has it serves it again, from what the other one has stored.
    let hotplate = start(true);
    assert_eq!(body(&hotplate, "page.html"), "one");
    end(hotplate);
    // The source replaces it at the other one.
    fs::rename(&away, scene.site()).expect("moved");
    let hotplate = start(false);
    block(hotplate.reload()).expect("reloads");
    assert_eq!(body(&hotplate, "page.html"), "one");
    end(hotplate);
}

/// A language of a program: the built-in one under another id.
struct Ours;

impl Dialect for Ours {
    fn id(&self) -> &'static str {
        "ours"
    }

    fn compile(
        &self,
        text: &str,
        limits: &Limits,
    ) -> Result<std::sync::Arc<dyn Unit>, Vec<hotplate_actors::Diagnostic>> {
        hotplate_actors::dialect::tiny::Tiny.compile(text, limits)
    }
}
