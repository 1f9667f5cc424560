//! `hotplate status`, `versions`, `diff`, `rollback`, `resume` and `leaks` against a running instance.

use serde_json::{Value, json};

use crate::command::{RunOutput, run, run_in};
use crate::files::Files;
use crate::http::Server;
use crate::reload::serve_with_admin;

/// An instance that reloads only on request, and an operator.
struct Operated {
    files: Files,
    server: Server,
    admin: String,
}

impl Operated {
    fn start(files: &[(&str, &str)]) -> Self {
        let files = Files::new(files);
        let (server, admin) = serve_with_admin(files.path(), &[], &["--set", "templates.watch=false"]);
        Self { files, server, admin }
    }

    fn run(&self, arguments: &[&str]) -> RunOutput {
        run(&[arguments, &["--admin", &self.admin]].concat())
    }

    /// Runs a command that has to end with a code and to print some parts.
    #[track_caller]
    fn expect(&self, arguments: &[&str], code: i32, parts: &[&str]) -> String {
        let ran = self.run(arguments);
        let said = ran.stdout.clone() + &ran.stderr;
        assert_eq!(ran.code, code, "{arguments:?}: {said}");
        for part in parts {
            assert!(
                said.contains(part),
                "{part:?} is not in what {arguments:?} says:\n{said}"
            );
        }
        ran.stdout
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[arguments, &["--format", "json"]].concat());
        serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {} {}", ran.stdout, ran.stderr))
    }

    fn body(&self, path: &str) -> String {
        self.server.get(path).body
    }
}

/// At three in the morning: a bad deployment, and the way back while others go on working.
#[test]
fn an_operator_goes_back_and_others_go_on() {
    let shop = Operated::start(&[
        ("templates/index.html", "<p>9.99</p>"),
        ("templates/foot.html", "foot"),
        ("templates/news.html", "news 1"),
    ]);
    shop.expect(
        &["status"],
        0,
        &["version 1 is served", "3 current, 0 stale, 0 broken", "\nready"],
    );
    // The deployment compiles, and is wrong.
    shop.files.write("templates/index.html", "<p>0.00</p>");
    shop.files.write("templates/foot.html", "foot {{ if }}");
    shop.files.write("templates/promo.html", "promo");
    shop.expect(
        &["reload", "--by", "deploy", "--reason", "release 42"],
        1,
        &["foot.html:1:"],
    );
    assert_eq!(shop.body("/"), "<p>0.00</p>");
    shop.expect(
        &["status"],
        1,
        &["version 2 is served", "by deploy: release 42", "stale: foot.html"],
    );
    shop.expect(
        &["diff"],
        0,
        &["changed index.html", "-<p>9.99</p>", "+<p>0.00</p>", "added promo.html"],
    );
    shop.expect(&["diff", "--exit-code"], 1, &[]);
    shop.expect(&["diff", "2", "source"], 0, &["+foot {{ if }}"]);

    // Nothing happens by accident.
    shop.expect(&["rollback"], 2, &["there is no terminal to ask", "--yes"]);
    shop.expect(
        &["rollback", "--yes", "--expect", "1"],
        3,
        &["version 2 is served and not 1", "deploy: release 42"],
    );
    shop.expect(&["rollback", "2", "--yes"], 2, &["version 2 is the one that is served"]);
    shop.expect(&["rollback", "99", "--yes"], 2, &["version 99 is not kept", "1, 2"]);
    assert_eq!(shop.body("/"), "<p>0.00</p>");

    let back = ["rollback", "--yes", "--by", "alice", "--reason", "prices are zero"];
    shop.expect(
        &back,
        0,
        &["version 3 is served now", "changed index.html", "removed promo.html"],
    );
    assert_eq!(
        (shop.body("/").as_str(), shop.server.get("/promo").status),
        ("<p>9.99</p>", 404)
    );
    let waiting = [
        "3 templates",
        "foot.html (changed), since version 3 by alice: prices are zero",
        "index.html (changed)",
        "promo.html (created)",
        "error[",
    ];
    shop.expect(&["status"], 1, &waiting);
    shop.expect(
        &["versions"],
        0,
        &["served, rollback", "deploy: release 42", "alice: prices are zero"],
    );
    shop.expect(
        &["reload"],
        1,
        &["nothing differs but what was rolled back", "promo.html"],
    );

    // Others go on working.
    shop.files.write("templates/news.html", "news 2");
    shop.expect(
        &["reload"],
        1,
        &["version 4 is served now; changed news.html", "waiting since a rollback"],
    );
    assert_eq!(
        (shop.body("/news").as_str(), shop.body("/").as_str()),
        ("news 2", "<p>9.99</p>")
    );
    // Each fix lifts the hold of its template.
    shop.files.write("templates/index.html", "<p>11.11</p>");
    shop.files.write("templates/foot.html", "foot 2");
    shop.expect(&["reload"], 1, &["changed foot.html, index.html", "promo.html"]);
    assert_eq!(shop.body("/"), "<p>11.11</p>");
    // The rest was fine after all.
    shop.expect(
        &["resume", "--yes", "--by", "bob"],
        0,
        &["version 6 is served now; changed promo.html"],
    );
    assert_eq!(shop.body("/promo"), "promo");
    shop.expect(&["status"], 0, &["by bob", "4 current"]);
    shop.expect(&["resume"], 0, &["nothing waits: version 6 is served"]);
    let leaks = shop.expect(&["leaks"], 0, &["in memory", "0 held for too long"]);
    assert!(leaks.starts_with("1 version in memory"), "{leaks}");
}

#[test]
fn every_command_answers_programs_in_json() {
    let files = [("templates/a.html", "a"), ("templates/b.html", "b")];
    let site = Operated::start(&files);
    site.files.write("templates/a.html", "a 2");
    assert_eq!(site.json(&["reload"])["outcome"], "published");
    let version = |answer: &Value| answer["version"].clone();
    let diff = site.json(&["diff", "1", "2"]);
    assert_eq!(
        (&diff["from"], &diff["to"], &diff["templates"][0]["name"]),
        (&json!(1), &json!(2), &json!("a.html"))
    );
    assert_eq!(version(&site.json(&["rollback", "1", "--yes"])), 3);
    let status = site.json(&["status"]);
    assert_eq!(
        (&status["version"]["version"], &status["waiting"]["count"]),
        (&json!(3), &json!(1))
    );
    assert_eq!(site.json(&["versions"])["waiting"]["templates"][0]["name"], "a.html");
    assert_eq!(version(&site.json(&["resume", "--yes"])), 4);
    assert_eq!(site.json(&["leaks"])["leaked"], 0);
}

#[test]
fn an_instance_that_cannot_be_asked_is_named() {
    let files = Files::new(&[("templates/a.html", "a")]);
    let secret = [("HOTPLATE_ADMIN__TOKEN", "secret")];
    let (_server, admin) = serve_with_admin(files.path(), &secret, &[]);
    for command in ["status", "versions", "diff", "rollback", "resume", "leaks", "sources"] {
        let ran = run(&[command, "--admin", &admin]);
        assert_eq!(
            (ran.code, ran.stderr.contains("--token-file")),
            (2, true),
            "{command}: {}",
            ran.stderr
        );
        let ran = run(&[command, "--admin", "127.0.0.1:1"]);
        assert_eq!(
            (ran.code, ran.stderr.contains("nothing listens at")),
            (3, true),
            "{command}: {}",
            ran.stderr
        );
    }
    let ran = run_in(&secret, &["status", "--admin", &format!("http://{admin}/_hotplate/")]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
    let ran = run_in(&secret, &["diff", "--admin", &admin]);
    assert_eq!(
        (ran.code, ran.stderr.contains("no version before version 1")),
        (2, true),
        "{}",
        ran.stderr
    );
}
