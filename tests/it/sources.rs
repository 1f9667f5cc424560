//! `hotplate serve URL`, `templates.sources` and `hotplate sources`. The sources themselves are tested in their crate.

use std::path::Path;
use std::process::Command;

use crate::command::{run, text};
use crate::files::Files;
use crate::reload::serve_with_admin;

fn git(directory: &Path, arguments: &[&str]) {
    let done = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args([
            "-c",
            "user.name=Test",
            "-c",
            "user.email=test@localhost",
            "-c",
            "commit.gpgsign=false",
        ])
        .args(arguments)
        .output()
        .expect("git is installed");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn commit(files: &Files) {
    git(files.path(), &["add", "-A"]);
    git(files.path(), &["commit", "-q", "-m", "edit"]);
}

fn repository(files: &[(&str, &str)]) -> Files {
    let files = Files::new(files);
    git(files.path(), &["init", "-q", "-b", "main"]);
    commit(&files);
    files
}

fn reload(admin: &str) {
    let ran = run(&["reload", "--admin", admin]);
    assert_eq!(ran.code, 0, "{} {}", ran.stdout, ran.stderr);
}

#[test]
fn a_repository_is_served_and_a_commit_is_a_version() {
    let files = repository(&[
        ("site/index.html", "<p>first</p>"),
        ("site/_part/a.html", "part"),
        ("other.html", "other"),
    ]);
    let url = format!("git+file:{}#ref=main&dir=site", text(files.path()));
    let (server, admin) = serve_with_admin(Path::new(&url), &[], &[]);
    assert!(server.get("/").body.contains("first"));
    for path in ["/other", "/_part/a.html"] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    files.write("site/index.html", "<p>second</p>");
    commit(&files);
    reload(&admin);
    assert!(server.get("/").body.contains("second"));
    let shown = run(&["sources", "--admin", &admin]);
    for part in ["SOURCE", "git ", " at main:site", "loaded", "s ago"] {
        assert!(shown.stdout.contains(part), "{part}: {}", shown.stdout);
    }
    assert_eq!(shown.code, 0);
    git(files.path(), &["branch", "-q", "-m", "main", "renamed"]);
    let ran = run(&["reload", "--admin", &admin]);
    assert_ne!(ran.code, 0, "{}", ran.stdout);
    let shown = run(&["sources", "--admin", &admin]);
    assert_eq!(shown.code, 1, "{}", shown.stdout);
    for part in ["refused", "cannot be resolved"] {
        assert!(shown.stdout.contains(part), "{part}: {}", shown.stdout);
    }
    assert!(server.get("/").body.contains("second"), "the last good version");
}

#[test]
fn a_source_of_a_site_takes_precedence_over_its_directory() {
    let upper = repository(&[("index.html", "<p>from git, {title}</p>"), ("other.html", "other")]);
    let source = format!(
        "[templates]\nsources = [\"git+file:{}#ref=main\"]\n",
        text(upper.path())
    );
    let site = Files::new(&[
        ("templates/index.html", "<p>from the directory</p>"),
        ("templates/about.html", "<p>about</p>"),
        ("data/index.json", r#"{"title": "with data"}"#),
        ("hotplate.toml", &source),
    ]);
    let (server, admin) = serve_with_admin(site.path(), &[], &[]);
    let page = server.get("/").body;
    assert!(page.contains("from git, with data"), "{page}");
    assert!(server.get("/about").body.contains("about"));
    git(upper.path(), &["rm", "-q", "index.html"]);
    git(upper.path(), &["commit", "-q", "-m", "remove"]);
    reload(&admin);
    assert!(server.get("/").body.contains("from the directory"));
}

#[test]
fn a_database_that_is_down_at_the_start_is_named_and_the_server_starts() {
    // Nothing listens at this port.
    let source = "[templates]\nsources = [\"postgres://user@127.0.0.1:1/site\"]\n";
    let site = Files::new(&[("templates/index.html", "<p>never</p>"), ("hotplate.toml", source)]);
    let (server, admin) = serve_with_admin(site.path(), &[], &[]);
    let page = server.get("/");
    assert_eq!(page.status, 503, "{}", page.body);
    let shown = run(&["sources", "--admin", &admin]);
    assert_eq!(shown.code, 1);
    for part in ["unavailable", "postgres://127.0.0.1:1/site"] {
        assert!(shown.stdout.contains(part), "{part}: {}", shown.stdout);
    }
}

#[test]
fn a_wrong_source_is_refused_with_advice() {
    for (url, part) in [
        ("postgres://user:hunter2@127.0.0.1/site", "password_file"),
        ("git+file:/nowhere#branch=main", "no option `branch`"),
        ("https://user:hunter2@host/manifest.json", "token"),
    ] {
        let ran = run(&["check", url]);
        assert_eq!(ran.code, 2, "{url}: {}", ran.stderr);
        assert!(
            ran.stderr.contains(part) && !ran.stderr.contains("hunter2"),
            "{}",
            ran.stderr
        );
        let ran = run(&["config", "--set", &format!("templates.sources={url}")]);
        assert_eq!(ran.code, 2, "{url}: {}", ran.stdout);
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
}
