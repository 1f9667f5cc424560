//! Tests of the whole choice.

use proptest::prelude::*;

use super::request::tests::TestHead;
use super::*;

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn options() -> ScopeOptions {
    ScopeOptions {
        trusted_proxies: vec!["10.0.0.0/8".into()],
        stage_path: "/@".into(),
        sticky_by: StickyBy::Cookie,
        canary_buckets: 500,
        experimental_networks: vec!["192.0.2.0/24".into(), "2001:db8::/32".into()],
        pin_key: KEY.into(),
        ..ScopeOptions::default()
    }
}

fn chooser() -> ScopeChooser {
    ScopeChooser::new(&options()).expect("valid")
}

/// Returns the key of a visitor in a bucket below, or not below, a share.
fn visitor(share: u32, is_inside: bool) -> String {
    let mut keys = (0..).map(|number| format!("v{number}"));
    let found = keys.find(|key| (bucket_of("hotplate", key.as_bytes()) < share) == is_inside);
    found.expect("there are enough")
}

fn pinned(stage: Stage) -> String {
    let pin = StagePin::new(KEY.as_bytes(), 60).expect("long enough");
    let cookie = pin.cookie(&Scope { tenant: None, stage }, 0);
    cookie.split(';').next().expect("a pair").to_owned()
}

fn stage(chooser: &ScopeChooser, head: &TestHead) -> (Stage, Why) {
    let choice = chooser.choose_at(head, None, &|| 1_000).expect("a page");
    (choice.scope.stage, choice.why)
}

#[test]
fn the_first_part_that_names_a_stage_decides() {
    let chooser = chooser();
    let inside = format!("hotplate_visitor={}", visitor(500, true));
    let proxy = |path: &str| TestHead::new(path, "10.0.0.1").header("x-forwarded-for", "192.0.2.7");
    let everything = |path: &str| proxy(path).header("cookie", &format!("{}; {inside}", pinned(Stage::Experimental)));
    let bucket = bucket_of("hotplate", visitor(500, true).as_bytes());
    for (head, expected) in [
        (
            everything("/@canary/").header(STAGE_HEADER, "stable"),
            (Stage::Stable, Why::Header),
        ),
        (everything("/@canary/x"), (Stage::Canary, Why::Path)),
        (everything("/x"), (Stage::Experimental, Why::Pin)),
        (
            proxy("/x").header("cookie", &inside),
            (Stage::Canary, Why::Bucket { bucket, share: 500 }),
        ),
        (proxy("/x"), (Stage::Stable, Why::NoKey)),
    ] {
        assert_eq!(stage(&chooser, &head), expected, "{head:?}");
    }
    assert_eq!(chooser.counters(), ScopeCounters::default());
}

#[test]
fn forged_and_unknown_parts_do_not_count() {
    let outside = format!("hotplate_visitor={}", visitor(500, false));
    let bucket = Why::Bucket {
        bucket: bucket_of("hotplate", visitor(500, false).as_bytes()),
        share: 500,
    };
    let from = |peer: &str| TestHead::new("/", peer).header("cookie", &outside);
    let forged_pin = pinned(Stage::Canary).replacen("canary", "experimental", 1);
    let zero = ScopeCounters::default();
    for (head, expected, counted) in [
        (
            from("203.0.113.1").header(STAGE_HEADER, "canary"),
            bucket,
            ScopeCounters { not_trusted: 1, ..zero },
        ),
        (
            from("10.0.0.1").header(STAGE_HEADER, "wombat"),
            Why::UnknownStage,
            ScopeCounters {
                unknown_stages: 1,
                ..zero
            },
        ),
        (
            from("10.0.0.1").header(STAGE_HEADER, "Canary"),
            Why::UnknownStage,
            ScopeCounters {
                unknown_stages: 1,
                ..zero
            },
        ),
        (
            from("10.0.0.1")
                .header(STAGE_HEADER, "canary")
                .header(STAGE_HEADER, "stable"),
            Why::UnknownStage,
            ScopeCounters {
                unknown_stages: 1,
                ..zero
            },
        ),
        (
            TestHead::new("/@wombat/", "203.0.113.1"),
            Why::UnknownStage,
            ScopeCounters {
                unknown_stages: 1,
                ..zero
            },
        ),
        (
            TestHead::new("/@canary%2f/", "203.0.113.1"),
            Why::UnknownStage,
            ScopeCounters {
                unknown_stages: 1,
                ..zero
            },
        ),
        (
            TestHead::new("/", "203.0.113.1").header("cookie", &format!("{forged_pin}; {outside}")),
            bucket,
            ScopeCounters {
                invalid_pins: 1,
                ..zero
            },
        ),
        (
            TestHead::new("/", "203.0.113.1").header("cookie", &format!("hotplate_visitor={}", "v".repeat(10_000))),
            Why::NoKey,
            zero,
        ),
        (
            TestHead::new("/@experimental/", "203.0.113.1").header("x-forwarded-for", "192.0.2.7"),
            Why::Elsewhere("203.0.113.1".parse().ok()),
            ScopeCounters { elsewhere: 1, ..zero },
        ),
        (
            TestHead::new("/@experimental/", "10.0.0.1").header("x-forwarded-for", "192.0.2.7, 203.0.113.1"),
            Why::Elsewhere("203.0.113.1".parse().ok()),
            ScopeCounters { elsewhere: 1, ..zero },
        ),
        (
            TestHead::new("/@experimental/", "10.0.0.1").header("x-forwarded-for", "192.0.2.7, x"),
            Why::Elsewhere(None),
            ScopeCounters { elsewhere: 1, ..zero },
        ),
        (
            TestHead::new("/@experimental/", ""),
            Why::Elsewhere(None),
            ScopeCounters { elsewhere: 1, ..zero },
        ),
    ] {
        let chooser = chooser();
        assert_eq!(stage(&chooser, &head), (Stage::Stable, expected), "{head:?}");
        assert_eq!(chooser.counters(), counted, "{head:?}");
    }
}

#[test]
fn experimental_pages_are_for_some_networks() {
    let chooser = chooser();
    for (peer, forwarded, expected) in [
        ("192.0.2.200", "", Stage::Experimental),
        ("::ffff:192.0.2.200", "", Stage::Experimental),
        ("2001:db8:1::2", "", Stage::Experimental),
        ("10.0.0.1", "192.0.2.1", Stage::Experimental),
        ("192.0.3.1", "", Stage::Stable),
        ("10.0.0.1", "", Stage::Stable),
    ] {
        let head = TestHead::new("/@experimental", peer).header("x-forwarded-for", forwarded);
        assert_eq!(stage(&chooser, &head).0, expected, "{peer} {forwarded}");
    }
    let strict = ScopeOptions {
        experimental_elsewhere: Elsewhere::Forbidden,
        ..options()
    };
    let strict = ScopeChooser::new(&strict).expect("valid");
    let refused = strict.choose(&TestHead::new("/@experimental", "192.0.3.1"));
    assert_eq!(refused, Err(Refused::Forbidden("192.0.3.1".parse().ok())));
    let nobody = ScopeOptions {
        experimental_networks: Vec::new(),
        ..options()
    };
    let nobody = ScopeChooser::new(&nobody).expect("valid");
    assert_eq!(
        stage(&nobody, &TestHead::new("/@experimental", "192.0.2.1")).0,
        Stage::Stable
    );
}

#[test]
fn a_stopped_stage_is_stable_for_everyone() {
    let chooser = chooser();
    let heads = [
        TestHead::new("/@canary/", "203.0.113.1"),
        TestHead::new("/", "203.0.113.1").header("cookie", &pinned(Stage::Canary)),
        TestHead::new("/", "10.0.0.1").header(STAGE_HEADER, "canary"),
        TestHead::new("/", "203.0.113.1").header("cookie", &format!("hotplate_visitor={}", visitor(500, true))),
    ];
    assert!(heads.iter().all(|head| stage(&chooser, head).0 == Stage::Canary));
    chooser.stage_switch().stop(Stage::Canary);
    for head in &heads {
        assert_eq!(
            stage(&chooser, head),
            (Stage::Stable, Why::Stopped(Stage::Canary)),
            "{head:?}"
        );
    }
}

#[test]
fn the_page_is_what_the_path_names_behind_its_scope() {
    let options = ScopeOptions {
        tenant_from: TenantFrom::Path,
        ..options()
    };
    let chooser = ScopeChooser::new(&options).expect("valid");
    for (path, tenant, expected) in [
        ("/", None, (Stage::Stable, "/")),
        ("/a/b", None, (Stage::Stable, "/a/b")),
        ("/@canary/a/b", None, (Stage::Canary, "/a/b")),
        ("/@canary", None, (Stage::Canary, "/")),
        ("/@stable/a", None, (Stage::Stable, "/a")),
        ("/@canaryx/a", None, (Stage::Stable, "/@canaryx/a")),
        ("/t/acme/a", Some("acme"), (Stage::Stable, "/a")),
        ("/t/acme", Some("acme"), (Stage::Stable, "/")),
        ("/t/acme/@canary/a", Some("acme"), (Stage::Canary, "/a")),
    ] {
        let choice = chooser.choose(&TestHead::new(path, "203.0.113.1")).expect("a page");
        assert_eq!(choice.scope.tenant.as_ref().map(Tenant::as_str), tenant, "{path}");
        assert_eq!((choice.scope.stage, choice.page_path(path)), expected, "{path}");
    }
    let unknown = chooser.choose(&TestHead::new("/t/Acme/a", ""));
    assert_eq!(unknown, Err(Refused::UnknownTenant));
    assert_eq!(chooser.counters().unknown_tenants, 1);
    let known = ScopeChooser::new(&options).expect("valid");
    let known = known.tenants(|id| Tenant::new(id).ok().filter(|tenant| tenant.as_str() == "acme"));
    assert!(known.choose(&TestHead::new("/t/acme/", "")).is_ok());
    assert_eq!(
        known.choose(&TestHead::new("/t/globex/", "")),
        Err(Refused::UnknownTenant)
    );
}

#[test]
fn a_program_names_tenants() {
    let chooser = chooser().tenant_by(|head| match head.path() {
        "/" => Ok(None),
        path => Tenant::new(&path[1..]).map(Some).map_err(|_| UnknownTenant),
    });
    let of = |path: &str| chooser.choose(&TestHead::new(path, ""));
    let choice = of("/acme").expect("a tenant");
    assert!(choice.is_private && choice.tenant_why == TenantWhy::Program);
    assert_eq!(choice.scope.tenant.as_ref().map(Tenant::as_str), Some("acme"));
    assert!(of("/").expect("shared").scope.tenant.is_none());
    assert_eq!(of("/.."), Err(Refused::UnknownTenant));
}

#[test]
fn caches_are_told_by_what_an_answer_varies() {
    let none = ScopeChooser::new(&ScopeOptions::default()).expect("valid");
    assert_eq!(none.vary(), "");
    assert!(!none.choose(&TestHead::new("/", "")).expect("a page").is_private);
    let chooser = chooser();
    assert_eq!(chooser.vary(), "x-template-stage, cookie");
    let by_user = ScopeOptions {
        tenant_from: TenantFrom::Header,
        sticky_by: StickyBy::Header,
        sticky_name: "X-User".into(),
        pin_key: String::new(),
        ..options()
    };
    let by_user = ScopeChooser::new(&by_user).expect("valid");
    assert_eq!(by_user.vary(), "x-template-stage, x-tenant, x-user");
    let is_private = |head: &TestHead| chooser.choose(head).map(|choice| choice.is_private);
    for (path, expected) in [
        ("/", true),
        ("/@canary/", false),
        ("/@stable/", false),
        ("/@experimental/", true),
    ] {
        assert_eq!(is_private(&TestHead::new(path, "")), Ok(expected), "{path}");
    }
    chooser.stage_switch().set_canary(0);
    assert_eq!(is_private(&TestHead::new("/", "")), Ok(false));
    assert_eq!(chooser.visitor_cookie(), None);
}

#[test]
fn settings_by_which_nothing_can_be_chosen_are_named() {
    type Change = fn(&mut ScopeOptions);
    let changes: [(&str, Change); 6] = [
        ("trusted_proxies", |options| {
            options.trusted_proxies = vec!["proxy".into()]
        }),
        ("experimental_networks", |options| {
            options.experimental_networks = vec!["1.2.3.4/33".into()]
        }),
        ("stage_path", |options| options.stage_path = "canary".into()),
        ("pin_key", |options| options.pin_key = "short".into()),
        ("sticky_name", |options| options.sticky_name = "a b".into()),
        ("canary_buckets", |options| options.canary_buckets = BUCKETS + 1),
    ];
    for (field, change) in changes {
        let mut options = options();
        change(&mut options);
        let error = ScopeChooser::new(&options).expect_err(field);
        assert_eq!(error.field, field);
        assert!(error.to_string().contains(": write "), "{error}");
    }
}

proptest! {
    #[test]
    fn widening_keeps_the_visitors_of_canary(key in "[!-:<-~]{1,40}", one in 0..=BUCKETS, other in 0..=BUCKETS) {
        let chooser = chooser();
        let head = TestHead::new("/", "203.0.113.1").header("cookie", &format!("hotplate_visitor={key}"));
        let at = |share| {
            chooser.stage_switch().set_canary(share);
            stage(&chooser, &head).0 == Stage::Canary
        };
        let (narrow, wide) = (at(one.min(other)), at(one.max(other)));
        prop_assert!(wide || !narrow);
        prop_assert!(!at(0) && at(BUCKETS));
    }

    #[test]
    fn no_request_panics(
        path in "\\PC{0,40}", peer in "[0-9a-f:.]{0,20}",
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 6),
    ) {
        let mut head = TestHead::new(&path, &peer);
        let names = [STAGE_HEADER, "cookie", "x-forwarded-for", "x-tenant", "cookie", "forwarded"];
        head.headers = names.into_iter().zip(values).collect();
        let choice = chooser().choose(&head);
        prop_assert!(choice.is_ok_and(|choice| choice.scope.tenant.is_none() && path.ends_with(choice.page_path(&path))
            || choice.page_path(&path) == "/"));
    }
}
