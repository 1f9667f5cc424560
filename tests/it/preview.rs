//! `hotplate preview`, and the previews of the admin API.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::command::{RunOutput, run, text};
use crate::files::Files;
use crate::reload::serve_with_admin;
use crate::wire;

const SITE: [(&str, &str); 5] = [
    (
        "templates/index.html",
        "{{ call _part/head.html with page }}<p>{page.title}</p>\n",
    ),
    (
        "templates/about.html",
        "{{ call _part/head.html with page }}<p>About</p>\n",
    ),
    ("templates/plain.html", "<p>plain</p>\n"),
    ("templates/_part/head.html", "<h1>{title}</h1>\n"),
    ("data/index.json", r#"{"page":{"title":"Home"}}"#),
];

fn git(directory: &Path, arguments: &[&str]) {
    let done = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(["-c", "user.name=Test", "-c", "user.email=test@localhost"])
        .args(arguments)
        .output()
        .expect("git is installed");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn assert_told(done: &RunOutput, code: i32, parts: &[&str]) {
    let told = format!("{}{}", done.stdout, done.stderr);
    assert_eq!(done.code, code, "{told}");
    for part in parts {
        assert!(told.contains(part), "`{part}` is not in:\n{told}");
    }
}

#[test]
fn a_directory_is_compared_with_another_one() {
    let (before, after) = (Files::new(&SITE), Files::new(&SITE));
    let preview = |more: &[&str]| {
        let arguments = ["preview", text(after.path()), "--against", text(before.path())];
        run(&[&arguments, more].concat())
    };
    assert_told(&preview(&["--fail-on", "change"]), 0, &["nothing would change"]);
    for (path, content, code, parts) in [
        (
            "templates/_part/head.html",
            "<h2>{title}</h2>\n",
            [0, 1],
            &[
                "changes _part/head.html",
                "2 pages that would be rendered from other texts: about.html and index.html",
                "index.html: 26 bytes in",
                "-<h1>Home</h1>",
                "+<h2>Home</h2>",
            ][..],
        ),
        (
            "templates/_part/head.html",
            "<h2>{titel}</h2>\n",
            [1, 1],
            &["index.html would fail", "_part/head.html:1:6", "did you mean `title`?"],
        ),
        (
            "templates/_part/head.html",
            "{{ if }}",
            [1, 1],
            &[
                "would be stale: _part/head.html, about.html and index.html",
                "_part/head.html:1:",
            ],
        ),
        (
            "templates/_part/head.html",
            SITE[3].1,
            [0, 0],
            &["nothing would change"],
        ),
        ("data/index.json", "{", [1, 1], &["data/index.json", "this is not JSON"]),
        (
            "data/index.json",
            r#"{"page":{"title":"News"}}"#,
            [0, 1],
            &["changes data/index.json", "+<p>News</p>"],
        ),
    ] {
        after.write(path, content);
        assert_told(&preview(&[]), code[0], parts);
        assert_told(&preview(&["--fail-on", "change"]), code[1], &[]);
    }
    after.remove("templates/plain.html");
    assert_told(&preview(&[]), 0, &["removes plain.html"]);
    let partial = preview(&["--partial", "--format", "json"]);
    let report: Value = serde_json::from_str(&partial.stdout).expect("JSON");
    assert_eq!(report["removed"]["count"], 0);
}

#[test]
fn each_side_is_read_by_its_own_settings() {
    let pages = "[templates]\ndirectory = \"pages\"\n";
    let files = Files::new(&[
        ("new/hotplate.toml", pages),
        ("new/pages/index.html", "<p>new</p>\n"),
        ("old/hotplate.toml", "[templates]\nplain = true\n"),
        ("old/index.html", "<p>old</p>\n"),
    ]);
    let (new, old) = (files.path().join("new"), files.path().join("old"));
    git(&new, &["init", "-q"]);
    git(&new, &["add", "-A"]);
    git(&new, &["commit", "-q", "-m", "one"]);
    let archive = files.path().join("new.tar");
    git(&new, &["archive", "--output", text(&archive), "HEAD"]);
    files.write("new/hotplate.toml", "[templates]\nplain = true\n");
    for published in [
        &["preview", text(&archive)][..],
        &["preview", text(&new), "--ref", "HEAD"],
    ] {
        let shown = run(&[published, &["--against", text(&old)]].concat());
        assert_told(&shown, 0, &["publishing ", "changes index.html\n"]);
        assert!(!shown.stdout.contains("removes"), "{}", shown.stdout);
    }
    // A file that is named counts for both sides.
    let named = files.path().join("new/hotplate.toml");
    let shown = run(&[
        "preview",
        text(&archive),
        "--against",
        text(&old),
        "--config",
        text(&named),
    ]);
    assert_told(&shown, 0, &["pages/index.html"]);
}

#[test]
fn a_revision_and_an_archive_are_previewed() {
    let files = Files::new(&SITE);
    let directory = text(files.path());
    git(files.path(), &["init", "-q"]);
    git(files.path(), &["add", "-A"]);
    git(files.path(), &["commit", "-q", "-m", "one"]);
    files.write("templates/plain.html", "<p>edited</p>\n");
    let by_revision = run(&["preview", directory, "--ref", "HEAD"]);
    let heading = format!("publishing revision HEAD of {directory} over the files of {directory}:\n");
    assert!(by_revision.stdout.starts_with(&heading), "{}", by_revision.stdout);
    assert_told(&by_revision, 0, &["changes plain.html"]);
    for (revision, part) in [
        ("nothing", "`git archive nothing` failed: fatal:"),
        ("--ref=--output=x", "is not a revision"),
        ("--ref=", "is not a revision"),
    ] {
        let arguments = match revision.starts_with("--") {
            true => vec!["preview", directory, revision],
            false => vec!["preview", directory, "--ref", revision],
        };
        assert!(run(&arguments).code > 1);
        assert_told(&run(&arguments), run(&arguments).code, &[part]);
    }
    let archive = files.path().join("all.tar");
    git(files.path(), &["archive", "--output", text(&archive), "HEAD"]);
    let by_archive = run(&["preview", text(&archive), "--against", directory]);
    assert_told(&by_archive, 0, &["changes plain.html"]);
    files.write("broken.tar", "no archive");
    let broken = run(&[
        "preview",
        text(&files.path().join("broken.tar")),
        "--against",
        directory,
    ]);
    assert_told(&broken, 2, &["this is not a whole tar archive"]);
    assert_told(
        &run(&["preview", directory, "--against", "nowhere"]),
        2,
        &["neither a directory nor an address"],
    );
}

#[test]
fn a_running_instance_is_asked_and_not_changed() {
    let (served, edited) = (Files::new(&SITE), Files::new(&SITE));
    let (server, admin) = serve_with_admin(served.path(), &[], &["--set", "templates.watch=false"]);
    let preview = |more: &[&str]| {
        let arguments = ["preview", text(edited.path()), "--against", &admin];
        run(&[&arguments, more].concat())
    };
    assert_told(&preview(&["--fail-on", "change"]), 0, &["nothing would change"]);
    edited.write("templates/_part/head.html", "<h2>{titel}</h2>\n");
    let place = format!("{}/templates/_part/head.html", text(edited.path()));
    let annotation = format!("::error file={place},line=1,endLine=1,col=6,endColumn=10,title=missing-path::");
    assert_told(&preview(&["--format", "github"]), 1, &[&annotation]);
    let log = preview(&["--format", "sarif"]);
    let log: Value = serde_json::from_str(&log.stdout).expect("JSON");
    let result = &log["runs"][0]["results"][0];
    assert_eq!(
        (&result["ruleId"], &result["level"]),
        (&json!("missing-path"), &json!("error"))
    );
    assert!(server.get("/").body.contains("<h1>Home</h1>"));

    let ask = |method: &str, path: &str, headers: &[(&str, &str)], body: &str| {
        let address = admin.parse().expect("an address");
        wire::ask(address, method, &format!("/admin/v1/previews{path}"), headers, body)
    };
    let all = ask("GET", "", &[], "").json();
    assert_eq!(all["previews"][0]["errors"], true);
    let id = all["previews"][0]["id"].as_str().expect("an id").to_owned();
    let page = ask("GET", &format!("/{id}/render/index.html"), &[], "");
    assert_eq!(page.status, 422, "{page:?}");
    let data = r#"{"data":{"page":{"titel":"<b>","title":"x"}}}"#;
    let as_json = [("content-type", "application/json")];
    let page = ask("POST", &format!("/{id}/render/index.html"), &as_json, data);
    assert_eq!(page.body, "<h2>&lt;b&gt;</h2>\n<p>x</p>\n");
    // It is shown with the origin of the operator's listener, so it must not run scripts there.
    let policy = page.header("content-security-policy").expect("one");
    assert!(
        policy.starts_with("sandbox; default-src 'none'") && !policy.contains("allow-"),
        "{policy}"
    );

    // The dashboard shows it in a frame, beside the difference.
    let address = admin.parse().expect("an address");
    let page = wire::ask(
        address,
        "GET",
        &format!("/_hotplate/previews/{id}?at=index.html"),
        &[],
        "",
    );
    for part in [
        "<iframe src=\"/_hotplate/previews/",
        "sandbox",
        "would fail",
        "<span class=\"code\">missing-path</span>",
    ] {
        assert!(
            page.body.contains(part) == (part.starts_with("<span")),
            "{part}: {}",
            page.body
        );
    }
    edited.write("templates/_part/head.html", "<h2>{title}</h2>\n");
    assert_told(&preview(&[]), 0, &["+<h2>Home</h2>"]);
    let all = ask("GET", "", &[], "").json();
    let newest = all["previews"][0]["id"].as_str().expect("an id").to_owned();
    let page = wire::ask(address, "GET", &format!("/_hotplate/previews/{newest}"), &[], "");
    assert!(
        page.header("content-security-policy")
            .is_some_and(|policy| policy.contains("frame-src 'self'"))
    );
    let frame = format!("<iframe src=\"/_hotplate/previews/{newest}/render/index.html\"");
    for part in [
        &*frame,
        "sandbox></iframe>",
        "<span class=\"del\">-&lt;h1&gt;Home&lt;&#x2F;h1&gt;",
    ] {
        let unescaped = page.body.replace("&#x2F;", "/").replace("&#x2f;", "/");
        assert!(
            unescaped.contains(&part.replace("&#x2F;", "/")),
            "{part}: {}",
            page.body
        );
    }
    let list = wire::ask(address, "GET", "/_hotplate/previews", &[], "");
    assert!(list.body.contains(&newest) && list.body.contains(&id));
    let shown = wire::ask(
        address,
        "GET",
        &format!("/_hotplate/previews/{newest}/render/index.html"),
        &[],
        "",
    );
    assert!(shown.body.contains("<h2>Home</h2>"));

    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(3);
    for (path, status) in [("plain.html", 201), ("../plain.html", 422)] {
        let mut header = header.clone();
        header.as_gnu_mut().expect("gnu").name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        archive.append(&header, &b"new"[..]).expect("in memory");
        let sent = String::from_utf8(archive.get_ref().clone()).expect("text and zeros");
        let answer = ask(
            "POST",
            "?complete=true",
            &[("content-type", "application/x-tar")],
            &sent,
        );
        assert_eq!(answer.status, status, "{answer:?}");
        if status == 201 {
            assert_eq!(answer.json()["changed"]["names"], json!(["plain.html"]));
            assert_eq!(answer.json()["removed"]["count"], 4);
        }
    }
    let giant = format!("{}", 1_u64 << 30);
    let refused = ask("POST", "", &[("content-length", &giant)], "");
    assert_eq!(refused.status, 413, "{refused:?}");
}

/// Runs a program in a repository, with the command on its path.
fn in_repository(directory: &Path, program: &str, arguments: &[&str]) -> RunOutput {
    let command = Path::new(env!("CARGO_BIN_EXE_hotplate"));
    let path = std::env::var("PATH").expect("a path");
    let path = format!("{}:{path}", text(command.parent().expect("a directory")));
    let done = Command::new(program)
        .current_dir(directory)
        .args(arguments)
        .env("PATH", path)
        .env_remove("GITHUB_ACTIONS")
        .output()
        .expect("starts");
    RunOutput {
        code: done.status.code().expect("an exit code"),
        stdout: String::from_utf8(done.stdout).expect("text"),
        stderr: String::from_utf8(done.stderr).expect("text"),
    }
}

#[cfg(unix)]
#[test]
fn the_examples_for_git_and_ci_work() {
    let files = Files::new(&SITE.map(|(path, content)| (path, content)));
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci");
    let directory = files.path();
    let committer = [
        "-c",
        "user.name=Test",
        "-c",
        "user.email=test@localhost",
        "commit",
        "-q",
        "-m",
        "x",
    ];
    git(directory, &["init", "-q", "-b", "main"]);
    git(directory, &["add", "-A"]);
    git(directory, &["commit", "-q", "-m", "one"]);
    std::fs::copy(docs.join("pre-commit"), directory.join(".git/hooks/pre-commit")).expect("installed");
    git(directory, &["checkout", "-q", "-b", "branch"]);
    files.write("templates/plain.html", "{{ if a == b }}");
    git(directory, &["add", "-A"]);
    let refused = in_repository(directory, "git", &committer);
    assert_told(&refused, 1, &["plain.html:1:7", "there are no comparisons"]);
    // What is staged counts, and not the file.
    files.write("templates/plain.html", "<p>fine</p>\n");
    git(directory, &["add", "-A"]);
    files.write("templates/plain.html", "{{ if");
    assert_told(&in_repository(directory, "git", &committer), 0, &[]);
    git(directory, &["checkout", "-q", "--", "."]);
    let script = text(&docs.join("preview.sh")).to_owned();
    let preview = || in_repository(directory, "sh", &[&script, ".", "main"]);
    assert_told(&preview(), 0, &["nothing is wrong", "changes plain.html"]);
    files.write("templates/plain.html", "{title}");
    files.write("samples/plain.json", "{}");
    assert_told(&preview(), 1, &["plain.html:1:2"]);
}

#[test]
fn a_contract_is_checked_by_every_command() {
    let schema =
        r#"{"type":"object","properties":{"page":{"type":"object","properties":{"title":{"type":"string"}}}}}"#;
    let files = Files::new(&[&SITE[..], &[("schemas/index.json", schema)]].concat());
    let directory = text(files.path());
    assert_told(&run(&["check", directory]), 0, &["nothing is wrong"]);
    files.write("templates/_part/head.html", "<h1>{titel}</h1>\n");
    let parts = [
        "error[contract-missing-field]",
        "_part/head.html:1:6",
        "called from index.html:1:9",
        "did you mean `title`?",
    ];
    assert_told(&run(&["check", directory]), 1, &parts);
    let annotation = format!(
        "::error file={directory}/templates/_part/head.html,line=1,endLine=1,col=6,endColumn=10,title=contract-missing-field::"
    );
    assert_told(&run(&["check", directory, "--format", "github"]), 1, &[&annotation]);
    let log: Value = serde_json::from_str(&run(&["check", directory, "--format", "sarif"]).stdout).expect("JSON");
    assert_eq!(log["runs"][0]["results"][0]["ruleId"], "contract-missing-field");
    for (key, code, part) in [
        ("contract.policy=warn", 1, "warning[contract-missing-field]"),
        ("contract.policy=refuse-batch", 1, "error[contract-missing-field]"),
        (
            "contract.required=nowhere.html",
            1,
            "the required template `nowhere.html` does not exist",
        ),
        ("contract.policy=refuse", 2, "refuse-entry"),
    ] {
        assert_told(&run(&["check", directory, "--set", key]), code, &[part]);
    }
    for (schema, part) in [("{", "data/"), (r#"{"type":"sting"}"#, "this is no JSON Schema")] {
        files.write("schemas/index.json", schema);
        let done = run(&["check", directory]);
        assert!(
            done.code == 1 && (done.stdout.contains(part) || done.stdout.contains("schemas/index.json")),
            "{}",
            done.stdout
        );
    }
    files.write("schemas/index.json", r#"{"$ref":"http://127.0.0.1:1/never.json"}"#);
    files.write("templates/_part/head.html", SITE[3].1);
    assert_told(&run(&["check", directory]), 0, &["nothing is wrong"]);
    // A server refuses the page before its first visitor.
    files.write(
        "schemas/index.json",
        r#"{"properties":{"page":{"properties":{"title":{}}}}}"#,
    );
    let (server, admin) = serve_with_admin(files.path(), &[], &["--set", "templates.watch=false"]);
    files.write("templates/index.html", "<p>{page.subtitle}</p>");
    let reload = run(&["reload", "--admin", &admin]);
    assert_told(
        &reload,
        1,
        &[
            "contract-missing-field",
            "index.html:1:5",
            "stale: still serving version 1 of index.html",
        ],
    );
    assert!(server.get("/").body.contains("<h1>Home</h1>"));
}
