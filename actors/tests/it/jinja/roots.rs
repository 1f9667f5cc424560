//! Roots whose templates are in different languages.

use std::fs;

use hotplate_actors::dialect::{jinja::Jinja, tiny::Tiny};
use hotplate_actors::{Hotplate, MemoryLoader, Mount, Version};
use serde_json::json;

use super::engine::{block, name};

#[test]
fn each_root_has_its_language() {
    let (new, old) = (tempfile::tempdir().expect("made"), tempfile::tempdir().expect("made"));
    let write = |root: &tempfile::TempDir, file: &str, text: &str| {
        fs::write(root.path().join(file), text).expect("written");
    };
    write(&new, "page.html", "{{ x | upper }} {% include 'old/page.html' %}");
    write(&old, "page.html", "{x | upper}{{ if x }}!{{ endif }}");
    write(&old, "new.html.j2", "{{ x ~ 1 }}");
    write(&old, "same.html", "{x}");
    let (loader, memory) = MemoryLoader::new();
    memory.set(name("own.html"), "{x}");
    let mounts = [
        Mount::new("", new.path()).dialect(Jinja),
        Mount::new("old/", old.path()).dialect(Tiny).lenient(),
    ];
    let hotplate = Hotplate::builder().mounts(mounts).loader(loader).watch(false);
    let hotplate = hotplate.start().expect("starts");
    let data = json!({ "x": "<a>" });
    let render = |page: &str| hotplate.render(page, &data).expect("is rendered").body;
    assert_eq!(render("page.html"), "&lt;A&gt; &lt;A&gt;!");
    assert_eq!(
        render("old/new.html.j2"),
        "&lt;a&gt;1",
        "the extension of a file counts"
    );
    assert_eq!(render("own.html"), "&lt;a&gt;", "the default");
    // The same text under the same name, from a root with another language.
    fs::create_dir(new.path().join("old")).expect("made");
    assert_eq!(render("old/same.html"), "&lt;a&gt;");
    let before = hotplate.snapshot().version();
    write(&new, "old/same.html", "{x}");
    block(hotplate.reload()).expect("reloads");
    assert_eq!(render("old/same.html"), "{x}");
    assert!(hotplate.snapshot().version() > Version::NONE.max(before));
}

#[test]
fn the_default_language_is_that_of_all_other_roots() {
    let root = tempfile::tempdir().expect("made");
    fs::write(root.path().join("a.html"), "{x}{{ if x }}!{{ endif }}").expect("written");
    let tiny = Mount::new("tiny/", root.path()).dialect(Tiny);
    let loader = MemoryLoader::of([("b.html", "{{ x ~ 1 }}")]).expect("valid");
    let hotplate = Hotplate::builder().mounts([tiny]).loader(loader).jinja().watch(false);
    let hotplate = hotplate.start().expect("starts");
    let render = |page: &str| hotplate.render(page, &json!({ "x": 1 })).expect("is rendered").body;
    assert_eq!(
        (render("tiny/a.html").as_str(), render("b.html").as_str()),
        ("1!", "11")
    );
}
