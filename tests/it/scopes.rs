//! Stages and tenants of a site, by their directories.

use crate::command::{RunOutput, run, text};
use crate::files::Files;

fn site() -> Files {
    Files::new(&[
        (
            "templates/index.html",
            "{{ call _parts/brand.html with page }} {page.title}",
        ),
        ("templates/_parts/brand.html", "everyone"),
        ("data/_all.json", r#"{"page": {"title": "home"}}"#),
        ("templates@canary/_parts/brand.html", "canary"),
        ("tenants/acme/_parts/brand.html", "acme"),
        ("tenants/beta/templates/_parts/brand.html", "beta"),
        ("tenants/beta/data/_all.json", r#"{"page": {"title": "beta's home"}}"#),
        ("tenants/beta@canary/_parts/brand.html", "beta canary"),
    ])
}

fn rendered(site: &Files, arguments: &[&str]) -> RunOutput {
    let arguments = [&["render", text(site.path()), "index.html"], arguments].concat();
    run(&arguments)
}

#[test]
fn each_directory_is_a_layer() {
    let site = site();
    for (arguments, expected) in [
        (&[][..], "everyone home"),
        (&["--stage", "canary"], "canary home"),
        (&["--stage", "experimental"], "everyone home"),
        (&["--tenant", "acme"], "acme home"),
        (&["--tenant", "acme", "--stage", "canary"], "acme home"),
        (&["--tenant", "beta"], "beta beta&apos;s home"),
        (
            &["--tenant", "beta", "--stage", "canary"],
            "beta canary beta&apos;s home",
        ),
    ] {
        let ran = rendered(&site, arguments);
        let expected = [
            expected.to_owned(),
            expected.replace("&apos;", "&#39;"),
            expected.replace("&apos;", "&#x27;"),
        ];
        assert!(
            ran.code == 0 && expected.contains(&ran.stdout),
            "{arguments:?}: {ran:?}"
        );
    }
    for (arguments, code, part) in [
        (
            ["--tenant", "nobody"],
            1,
            "tenant `nobody` has no template; those that have one are acme, beta",
        ),
        (["--tenant", "../acme"], 2, "is not the id of a tenant"),
        (["--tenant", "ACME"], 2, "is not the id of a tenant"),
        (["--stage", "beta"], 2, "there is no stage `beta`"),
    ] {
        let ran = rendered(&site, &arguments);
        assert!(ran.code == code && ran.stderr.contains(part), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn explain_names_each_look_up() {
    let site = site();
    let explain = |name: &str, arguments: &[&str]| {
        let arguments = [&["explain", text(site.path()), name], arguments].concat();
        run(&arguments)
    };
    let ran = explain("_parts/brand.html", &["--tenant", "beta", "--stage", "canary"]);
    let expected = "`_parts/brand.html` is looked up in these layers:\n  tenant beta@canary: this text is used\n  tenant beta: a text that is not \
                    used\n  shared@canary: a text that is not used\n  shared: a text that is not used\nit is current\n";
    assert_eq!((ran.code, ran.stdout.as_str()), (0, expected));
    let ran = explain("index.html", &["--tenant", "acme"]);
    assert!(
        ran.stdout
            .contains("tenant acme: no text\n  shared: this text is used\n"),
        "{}",
        ran.stdout
    );
    let ran = explain("nothing.html", &["--stage", "canary"]);
    assert!(
        ran.code == 1 && ran.stdout.contains("no such template"),
        "{}",
        ran.stdout
    );
    let ran = explain("index.html", &["--format", "json"]);
    let output: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(output["explanation"]["layers"][0]["layer"], "shared");
    assert_eq!(output["explanation"]["status"], "current");
}

/// A fault of everyone is found once; one of several scopes once, with the first scope.
#[test]
fn check_finds_each_fault_once() {
    let site = site();
    let clean = run(&["check", text(site.path())]);
    assert!(
        clean.code == 0 && clean.stdout.contains("nothing is wrong"),
        "{}",
        clean.stdout
    );
    let site = Files::new(&[
        ("templates/index.html", "{page.title}"),
        ("templates/broken.html", "{{ if }}"),
        ("data/_all.json", r#"{"page": {"title": "home"}}"#),
        ("tenants/acme/index.html", "{page.titel}"),
        ("tenants/beta/index.html", "{page.titel}"),
        ("tenants/beta/only.html", "{{ call nobody.html with page }}"),
        ("tenants/Bad Id/index.html", "x"),
        ("tenants/stray.html", "x"),
    ]);
    let ran = run(&["check", text(site.path())]);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    for (part, times) in [
        ("`titel`", 1),
        ("(tenant acme)", 1),
        ("there is no template `nobody.html` (tenant beta)", 1),
        ("`Bad Id` is not the id of a tenant", 1),
        ("belongs to no tenant", 1),
        ("broken.html:1:", 1),
    ] {
        let found = ran.stdout.matches(part).count();
        assert!(
            found >= 1 && (times == 0 || found <= 2),
            "{part} {found} times: {}",
            ran.stdout
        );
    }
}

/// A tenant whose directory is a link to that of another one would see its templates.
#[cfg(unix)]
#[test]
fn a_link_to_another_tenant_is_left_out() {
    let site = site();
    std::os::unix::fs::symlink(site.path().join("tenants/beta"), site.path().join("tenants/spy")).expect("a link");
    let file = site.path().join("tenants/acme/index.html");
    std::os::unix::fs::symlink(site.path().join("tenants/beta/templates/_parts/brand.html"), &file).expect("a link");
    let ran = rendered(&site, &["--tenant", "spy"]);
    assert!(
        ran.code == 1 && ran.stderr.contains("tenant `spy` has no template"),
        "{ran:?}"
    );
    let ran = run(&["check", text(site.path())]);
    assert!(ran.stdout.contains("a symbolic link is left out"), "{}", ran.stdout);
    assert_eq!(rendered(&site, &["--tenant", "acme"]).stdout, "acme home");
}
