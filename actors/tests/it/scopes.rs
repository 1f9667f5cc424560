//! Scopes: what tenants and later stages are served, and what they cannot see.

use hotplate_actors::template::{Layer, Scope, Stage, TemplateKey, Tenant};
use hotplate_actors::{
    Event, Hotplate, Limits, MemoryHandle, MemoryLoader, ReloadOutcome, RenderFailure, Status, StoreOptions,
    TemplateName,
};
use serde_json::json;

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// Returns a context for templates that call others.
fn data() -> serde_json::Value {
    json!({ "n": 1 })
}

fn scope(tenant: &str, stage: Stage) -> Scope {
    Scope {
        tenant: (!tenant.is_empty()).then(|| Tenant::new(tenant).expect("a tenant")),
        stage,
    }
}

/// Returns the key of `name`, of `tenant:name`, `@canary:name` or `tenant@canary:name`.
fn key(key: &str) -> TemplateKey {
    let (layer, name) = key.rsplit_once(':').unwrap_or(("", key));
    let (tenant, stage) = layer.split_once('@').unwrap_or((layer, "stable"));
    TemplateKey {
        layer: Layer::of(scope(tenant, Stage::of(stage).expect("a stage"))),
        name: TemplateName::new(name).expect("a name"),
    }
}

fn start(texts: &[(&str, &str)], limits: Limits) -> (Hotplate, MemoryHandle) {
    let (loader, memory) = MemoryLoader::new();
    memory.edit(texts.iter().map(|(of, text)| (key(of), Some(*text))));
    let hotplate = Hotplate::builder().loader(loader).limits(limits).watch(false);
    (hotplate.start().expect("starts"), memory)
}

fn reload(hotplate: &Hotplate) -> ReloadOutcome {
    block(hotplate.reload()).expect("an answer").outcome
}

/// A store keeps the shared stable layer only. Texts of others are served beside it, and are those of their source after a restart.
#[test]
fn a_store_and_other_layers_stand_beside_each_other() {
    let directory = tempfile::tempdir().expect("a directory");
    for (round, text) in ["one", "two"].into_iter().enumerate() {
        let (loader, memory) = MemoryLoader::new();
        memory.set(key("a.html"), text);
        memory.set(key("acme:a.html"), "acme");
        memory.set(key("@canary:a.html"), "canary");
        let builder = Hotplate::builder()
            .loader(loader)
            .store(StoreOptions::new(directory.path()));
        let hotplate = builder.watch(false).start().expect("starts");
        block(hotplate.reload()).expect("an answer");
        let seen = |scope: &str| {
            let scope = key(&format!("{scope}x")).layer.scope().clone();
            hotplate.scope(&scope).render("a.html", &data()).expect("renders").body
        };
        assert_eq!(
            [seen(""), seen("acme:"), seen("@canary:")],
            [text, "acme", "canary"],
            "round {round}"
        );
        assert_eq!(hotplate.health().degraded, [""; 0]);
        drop(hotplate);
    }
}

#[test]
fn each_scope_sees_its_layers_in_their_order() {
    let texts = [
        ("page.txt", "{{ call part.txt with n }}"),
        ("part.txt", "shared"),
        ("@canary:part.txt", "canary"),
        ("acme:part.txt", "acme"),
        ("beta@canary:part.txt", "beta canary"),
    ];
    let (hotplate, memory) = start(&texts, Limits::default());
    let served = |hotplate: &Hotplate| {
        let tenants = ["", "acme", "beta"];
        let scopes = tenants
            .into_iter()
            .flat_map(|tenant| Stage::ALL.map(|stage| scope(tenant, stage)));
        let bodies = scopes.map(|scope| {
            hotplate
                .scope(&scope)
                .render("page.txt", &data())
                .expect("renders")
                .body
        });
        bodies.collect::<Vec<_>>()
    };
    let before = [
        "shared",
        "canary",
        "shared",
        "acme",
        "acme",
        "acme",
        "shared",
        "beta canary",
        "shared",
    ];
    assert_eq!(served(&hotplate), before);
    // An override that goes reaches exactly those who saw it.
    memory.remove(key("acme:part.txt"));
    memory.set(key("acme:other.txt"), "keeps the tenant");
    assert_eq!(reload(&hotplate), ReloadOutcome::Published);
    let after = [
        "shared",
        "canary",
        "shared",
        "shared",
        "canary",
        "shared",
        "shared",
        "beta canary",
        "shared",
    ];
    assert_eq!(served(&hotplate), after);
    // A tenant without texts is gone.
    memory.remove(key("acme:other.txt"));
    reload(&hotplate);
    let acme = hotplate.scope(&scope("acme", Stage::Stable));
    assert!(!acme.exists() && matches!(acme.render("page.txt", &data()), Err(RenderFailure::NotFound { .. })));
    assert_eq!(hotplate.tenants(), [Tenant::new("beta").expect("valid")]);
    assert_eq!(hotplate.later_stages(), [Stage::Canary]);
}

/// By message, by request, pinned, and in a kept version: the scope is an option of a render.
#[test]
fn every_way_to_render_takes_a_scope() {
    let (hotplate, memory) = start(&[("a.txt", "shared"), ("acme:a.txt", "acme {n}")], Limits::default());
    let acme = scope("acme", Stage::Canary);
    let handle = hotplate.scope(&acme);
    let data = data();
    assert_eq!(handle.render("a.txt", &data).expect("renders").body, "acme 1");
    assert_eq!(
        handle.request("a.txt").with(&data).render().expect("renders").body,
        "acme 1"
    );
    assert_eq!(
        hotplate
            .handle("a.txt")
            .request()
            .with(&data)
            .scope(&acme)
            .render()
            .expect("renders")
            .body,
        "acme 1"
    );
    let began = hotplate.snapshot();
    memory.set(key("acme:a.txt"), "new {n}");
    reload(&hotplate);
    assert_eq!(handle.render("a.txt", &data).expect("renders").body, "new 1");
    let pinned = began.request("a.txt").with(&data).scope(&acme).render();
    assert_eq!(pinned.expect("renders").body, "acme 1");
    let kept = handle.request("a.txt").with(&data).at(began.version()).render();
    assert_eq!(kept.expect("is kept").body, "acme 1");
    let context = || hotplate_actors::Context::new(json!({ "n": 1 }));
    actix::System::new().block_on(async {
        for renders in [hotplate.renderer(), hotplate.renderer().pooled()] {
            let request = handle.request("a.txt").with_source(context());
            assert_eq!(renders.render(request).await.expect("renders").body, "new 1");
            let request = hotplate.request("a.txt").with_source(context());
            assert_eq!(renders.render(request).await.expect("renders").body, "shared");
        }
    });
}

/// A text that compiles and fails when it is rendered is answered from the last good text of its own scope, however many versions others made.
#[test]
fn a_late_failure_of_a_tenant_is_its_own() {
    let limits = Limits {
        history_versions: 2,
        ..Limits::default()
    };
    let texts = [("a.txt", "shared {n}"), ("acme:a.txt", "acme {n}"), ("beta:b.txt", "b")];
    let (hotplate, memory) = start(&texts, limits);
    let (acme, beta) = (scope("acme", Stage::Stable), scope("beta", Stage::Stable));
    let (acme, beta) = (hotplate.scope(&acme), hotplate.scope(&beta));
    memory.set(key("acme:a.txt"), "acme {m}");
    reload(&hotplate);
    for number in 0..10 {
        memory.set(key("beta:b.txt"), format!("b {number}"));
        reload(&hotplate);
    }
    let data = data();
    let rendered = acme.render("a.txt", &data).expect("the last good one");
    assert_eq!(
        (rendered.body.as_str(), rendered.freshness.as_str()),
        ("acme 1", "stale")
    );
    assert!(acme.serving("a.txt").is_some() && beta.serving("a.txt").is_none());
    assert_eq!(
        hotplate.serving(
            hotplate.snapshot().snapshot(),
            hotplate.snapshot().snapshot().id("a.txt").expect("known")
        ),
        None
    );
    assert_eq!(
        beta.render("a.txt", &data).expect("renders").freshness.as_str(),
        "current"
    );
    assert_eq!(hotplate.render("a.txt", &data).expect("renders").body, "shared 1");
    memory.set(key("acme:a.txt"), "again {n}");
    reload(&hotplate);
    let mut events = hotplate.subscribe();
    assert_eq!(acme.render("a.txt", &data).expect("renders").body, "again 1");
    assert_eq!(acme.serving("a.txt"), None);
    let Some(Event::Fixed(fixed)) = block(events.next()) else {
        panic!("the template is fixed");
    };
    assert_eq!(fixed.scope, Some(Layer::of(acme.scope().clone())));
}

#[test]
fn a_broken_text_of_a_tenant_is_stale_for_it_alone() {
    let texts = [
        ("page.txt", "{{ call part.txt with n }}"),
        ("part.txt", "shared"),
        ("acme:part.txt", "acme"),
    ];
    let (hotplate, memory) = start(&texts, Limits::default());
    memory.set(key("acme:part.txt"), "{{ if }}");
    let report = block(hotplate.reload()).expect("an answer");
    assert_eq!(report.outcome, ReloadOutcome::Published);
    let acme = hotplate.scope(&scope("acme", Stage::Stable));
    assert_eq!(
        acme.render("page.txt", &data()).expect("the last good one").body,
        "acme"
    );
    assert_eq!(
        (
            acme.status("page.txt"),
            hotplate.scope(&Scope::default()).status("page.txt")
        ),
        (Some(Status::Stale), Some(Status::Current))
    );
    let why = acme.why("page.txt").expect("is stale");
    assert_eq!((why.cause.as_str(), why.diagnostics[0].chain.len()), ("part.txt", 1));
    let explained = acme.explain("part.txt");
    let layers: Vec<_> = explained
        .layers
        .iter()
        .map(|layer| (layer.layer.to_string(), layer.has_text, layer.is_used))
        .collect();
    assert_eq!(
        layers,
        [
            ("tenant acme".to_owned(), true, true),
            ("shared".to_owned(), true, false)
        ]
    );
    assert_eq!(explained.status, Some(Status::Stale));
}

/// No name, call, dynamic name or suggestion of one tenant reaches a text of another, nor a shared text that is not exported.
#[test]
fn tenants_cannot_see_each_other() {
    let secret = "beta's own words";
    let (loader, memory) = MemoryLoader::new();
    let texts = [
        ("shared.txt", "{{ call internal/part.txt with n }}"),
        ("internal/part.txt", "internal words"),
        ("beta:secret.txt", secret),
        ("beta:internal/beta.txt", secret),
        ("beta@canary:staged.txt", secret),
        ("acme:own.txt", "mine"),
        ("acme:internal/part.txt", "acme's internal words"),
        ("acme:call.txt", "{{ call secret.txt with n }}"),
        ("acme:misspelt.txt", "{{ call secrett.txt with n }}"),
        ("acme:call-internal.txt", "{{ call internal/part.txt with n }}"),
        ("acme:call-beta.txt", "{{ call internal/beta.txt with n }}"),
    ];
    memory.edit(texts.iter().map(|(of, text)| (key(of), Some(*text))));
    let builder = Hotplate::builder().loader(loader).watch(false);
    let hotplate = builder
        .exported(|name| !name.starts_with("internal/"))
        .start()
        .expect("starts");
    let everyone = scope("", Stage::Stable);
    let others = Stage::ALL
        .map(|stage| scope("acme", stage))
        .into_iter()
        .chain([everyone, scope("nobody", Stage::Stable)]);
    let names = [
        "secret.txt",
        "secrett.txt",
        "staged.txt",
        "internal/beta.txt",
        "internal/bta.txt",
        "call.txt",
        "misspelt.txt",
        "call-beta.txt",
        "beta/secret.txt",
        "beta:secret.txt",
        "\0beta\0secret.txt",
        "\0beta\0internal/beta.txt",
        "tenants/beta/secret.txt",
        "../beta/secret.txt",
    ];
    for scope in others {
        let handle = hotplate.scope(&scope);
        for name in names {
            let answer = match handle.render(name, &data()) {
                Ok(rendered) => format!("{} {:?}", rendered.body, rendered.freshness),
                Err(failure) => format!("{failure} {failure:?}"),
            };
            let shown = format!("{answer} {:?} {:?}", handle.why(name), handle.explain(name));
            assert!(!shown.contains("own words"), "{name} for {scope:?}: {shown}");
            let suggested =
                shown.contains("did you mean") && (shown.contains("`secret.txt`?") || shown.contains("beta.txt`?"));
            assert!(!suggested, "{name} for {scope:?}: {shown}");
        }
        assert!(
            handle.names().iter().all(|name| !name.as_str().contains("secret")),
            "{:?}",
            handle.names()
        );
    }
    let acme = hotplate.scope(&scope("acme", Stage::Stable));
    assert_eq!(
        acme.render("internal/part.txt", &data()).expect("its own").body,
        "acme's internal words"
    );
    assert_eq!(
        acme.render("call-internal.txt", &data()).expect("its own").body,
        "acme's internal words"
    );
    assert_eq!(
        acme.render("shared.txt", &data()).expect("a shared one").body,
        "internal words"
    );
    let beta = hotplate.scope(&scope("beta", Stage::Stable));
    assert!(matches!(
        beta.render("internal/part.txt", &data()),
        Err(RenderFailure::NotFound { .. })
    ));
    assert_eq!(beta.render("secret.txt", &data()).expect("its own").body, secret);
}

#[cfg(feature = "jinja")]
#[test]
fn includes_and_computed_names_stay_in_their_scope() {
    let texts = [
        ("base.html.j2", "[{% block b %}shared{% endblock %}]"),
        (
            "page.html.j2",
            "{% extends 'base.html.j2' %}{% block b %}page{% endblock %}",
        ),
        ("pick.html.j2", "{% include [name, 'none.html'] ignore missing %}."),
        ("beta:secret.html", "secret"),
        ("beta:base.html.j2", "<{% block b %}{% endblock %}>"),
        ("acme:own.html.j2", "{% include 'secret.html' ignore missing %}!"),
        ("acme:dynamic.html.j2", "{% include name %}"),
        ("acme:loop.html.j2", "{% extends 'page.html.j2' %}"),
        ("acme:base.html.j2", "{% extends 'loop.html.j2' %}"),
    ];
    let (hotplate, _memory) = start(&texts, Limits::default());
    let data = json!({ "name": "secret.html" });
    let render = |tenant: &str, name: &str| hotplate.scope(&scope(tenant, Stage::Stable)).render(name, &data);
    let body = |tenant: &str, name: &str| render(tenant, name).expect("renders").body;
    assert_eq!(
        (body("", "page.html.j2"), body("beta", "page.html.j2")),
        ("[page]".into(), "<page>".into())
    );
    assert_eq!(
        (body("", "pick.html.j2"), body("beta", "pick.html.j2")),
        (".".into(), "secret.".into())
    );
    assert_eq!(
        (body("acme", "pick.html.j2"), body("acme", "own.html.j2")),
        (".".into(), "!".into())
    );
    let failure = render("acme", "dynamic.html.j2")
        .expect_err("there is none for it")
        .to_string();
    assert!(!failure.contains("did you mean"), "{failure}");
    // `page` extends `base`, which for this tenant extends `loop`, which extends `page`. For everyone `page` is fine.
    let acme = hotplate.scope(&scope("acme", Stage::Stable));
    for name in ["page.html.j2", "loop.html.j2", "base.html.j2"] {
        let why = acme.why(name).unwrap_or_else(|| panic!("{name} is fine"));
        assert_eq!(why.diagnostics[0].code, "extends-cycle", "{name}");
    }
    assert_eq!(hotplate.scope(&Scope::default()).why("page.html.j2"), None);
}

/// A name of a tenant is never looked up in a way that remembers it.
#[test]
fn unknown_tenants_leave_nothing() {
    let (hotplate, _memory) = start(&[("a.txt", "shared"), ("acme:a.txt", "acme")], Limits::default());
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/statm").ok()?;
        status.split(' ').nth(1)?.parse::<usize>().ok()
    };
    let ask = |numbers: std::ops::Range<usize>| {
        for number in numbers {
            let scope = scope(&format!("t{number}"), Stage::ALL[number % 3]);
            let handle = hotplate.scope(&scope);
            let failure = handle.render(&format!("a{number}.txt"), &data()).expect_err("unknown");
            assert!(matches!(failure, RenderFailure::NotFound { nearest: None, .. }));
            assert!(!handle.exists() && handle.why("a.txt").is_none());
        }
    };
    ask(0..20_000);
    let before = resident();
    ask(20_000..120_000);
    // 100,000 tenants of one page of memory each would be 100,000 pages. Other tests of this process run at the same time.
    if let (Some(before), Some(after)) = (before, resident()) {
        assert!(after < before + 50_000, "{before} pages before, {after} after");
    }
    assert_eq!(hotplate.tenants().len(), 1);
    assert_eq!(hotplate.snapshot().snapshot().id("a119999.txt"), None);
}

#[test]
fn tenants_are_bounded() {
    let limits = Limits {
        tenants: 2,
        tenant_templates: 2,
        tenant_bytes: 4096,
        ..Limits::default()
    };
    let texts = [
        ("a.txt", "shared"),
        ("t1:a.txt", "one"),
        ("t2:a.txt", "two"),
        ("t2:b.txt", "two"),
    ];
    let (hotplate, memory) = start(&texts, limits);
    assert_eq!(hotplate.tenants().len(), 2);
    // One tenant more refuses the batch, and nothing changes.
    memory.set(key("t3:a.txt"), "three");
    let ReloadOutcome::Refused(reason) = reload(&hotplate) else {
        panic!("not refused");
    };
    assert!(reason.contains("limit `tenants` is 2"), "{reason}");
    memory.remove(key("t3:a.txt"));
    // The text after the last one that fits is broken and says why, and further ones are left out; others are not affected.
    for name in ["t2:c.txt", "t2:d.txt", "t2:e.txt"] {
        memory.set(key(name), "more");
    }
    reload(&hotplate);
    let two = hotplate.scope(&scope("t2", Stage::Stable));
    assert_eq!(
        (two.status("b.txt"), two.status("c.txt"), two.status("d.txt")),
        (Some(Status::Current), Some(Status::Broken), None)
    );
    assert_eq!(two.why("c.txt").expect("is broken").diagnostics[0].code, "tenant-limit");
    // One that has too many bytes keeps its last good text.
    memory.set(key("t1:a.txt"), "x".repeat(5000));
    reload(&hotplate);
    let one = hotplate.scope(&scope("t1", Stage::Stable));
    assert_eq!(one.render("a.txt", &data()).expect("the last good one").body, "one");
    assert!(
        one.why("a.txt").expect("is stale").diagnostics[0]
            .message
            .contains("tenant_bytes")
    );
    memory.set(key("t1:a.txt"), "x".repeat(1000));
    reload(&hotplate);
    assert_eq!(one.status("a.txt"), Some(Status::Current));
}

/// A report names the scopes whose templates changed their status otherwise than for everyone.
#[test]
fn reports_name_scopes() {
    let texts = [
        ("page.txt", "{{ call part.txt with n }}"),
        ("part.txt", "shared"),
        ("acme:part.txt", "acme"),
        ("@canary:part.txt", "canary"),
    ];
    let (hotplate, memory) = start(&texts, Limits::default());
    memory.set(key("acme:part.txt"), "{{ call nobody.txt with n }}");
    memory.set(key("@canary:page.txt"), "{{ if }}");
    let mut events = hotplate.subscribe();
    assert_eq!(reload(&hotplate), ReloadOutcome::Published);
    let Some(Event::Published(published)) = block(events.next()) else {
        panic!("a version was published");
    };
    let report = published;
    assert!(report.stale.is_empty(), "not for everyone");
    let scopes: Vec<_> = report
        .scopes
        .iter()
        .map(|scope| (scope.scope.to_string(), scope.stale.count, scope.diagnostics.len()))
        .collect();
    let expected = [
        ("shared@canary".to_owned(), 1, 2),
        ("tenant acme".to_owned(), 2, 1),
        ("tenant acme@canary".to_owned(), 1, 1),
        ("tenant acme@experimental".to_owned(), 2, 1),
    ];
    assert_eq!(scopes, expected);
    assert_eq!(report.changed, [key("acme:part.txt")]);
}

/// Health names the scopes whose templates are not current, and says so no longer once they are.
#[test]
fn health_names_scopes_in_trouble() {
    let texts = [
        ("page.txt", "{{ call part.txt }}"),
        ("part.txt", "shared"),
        ("acme:part.txt", "acme"),
    ];
    let (hotplate, memory) = start(&texts, Limits::default());
    assert_eq!(hotplate.health().degraded, [""; 0]);
    memory.set(key("acme:part.txt"), "{{ call nobody.txt }}");
    block(hotplate.reload()).expect("an answer");
    assert_eq!(hotplate.health().degraded, ["1 template of tenant acme is not current"]);
    memory.set(key("acme:part.txt"), "acme again");
    block(hotplate.reload()).expect("an answer");
    assert_eq!(hotplate.health().degraded, [""; 0]);
}
