//! Webhooks: proofs of the sender, and the hint that they give.

use super::{SHOP, Served, name};
use crate::wait;
use crate::wire::{Answer, ask};

/// The HMAC-SHA256 of an empty body, and of `{"ref":"main"}`, with the secret `known` (`openssl dgst -sha256 -hmac known`).
const OF_NOTHING: &str = "sha256=18779e58332025799a6725dc239901454271990afeca03f2164c62c365a47098";
const OF_PUSH: &str = "sha256=ae925ed8893d04fb9e72bf46a3e1eafae51b849d0b916eb99de7d5ee554bbe0b";
const PUSH: &str = r#"{"ref":"main"}"#;

fn served(secret: &str) -> Served {
    Served::with(&SHOP, Some("token"), |admin| admin.hook_secret(secret))
}

fn send(served: &Served, loader: &str, header: (&str, &str), body: &str) -> Answer {
    ask(
        served.address(),
        "POST",
        &format!("/admin/v1/hooks/{loader}"),
        &[header],
        body,
    )
}

fn kind(answer: &Answer) -> String {
    let kind = answer.json()["type"].as_str().unwrap_or_default().to_owned();
    kind.rsplit(':').next().unwrap_or_default().to_owned()
}

#[test]
fn a_webhook_is_a_hint_that_may_be_sent_again() {
    let served = served("known");
    // The engine of this test gets no hint from the loader itself.
    served.memory.edit([(name("alone.txt"), Some("two"))]);
    for (header, body) in [
        (("x-hub-signature-256", OF_PUSH), PUSH),
        (("x-hotplate-signature", OF_PUSH), PUSH),
        (("x-hotplate-signature", OF_NOTHING), ""),
        (("x-gitlab-token", "known"), PUSH),
        (("x-gitlab-token", "known"), PUSH),
    ] {
        let answer = send(&served, "0", header, body);
        assert_eq!(answer.status, 202, "{answer:?}");
        assert!(
            answer.json()["loader"]
                .as_str()
                .is_some_and(|loader| !loader.is_empty()),
            "{answer:?}"
        );
    }
    wait::until("the edit is not served", || {
        served.get_json("/admin/v1/version")["version"] == 2
    });
    assert_eq!(
        served.get_json("/admin/v1/versions")["versions"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    let by_description = served.get_json("/admin/v1/health")["loaders"][0]["loader"].clone();
    let by_description = by_description.as_str().expect("a description").replace(' ', "%20");
    assert_eq!(
        send(&served, &by_description, ("x-gitlab-token", "known"), "").status,
        202
    );
}

#[test]
fn other_senders_are_refused() {
    let served = served("known");
    for (loader, header, body, status, expected) in [
        ("0", ("x-hub-signature-256", OF_NOTHING), PUSH, 401, "unauthorized"),
        ("0", ("x-hub-signature-256", "sha256=zz"), "", 401, "unauthorized"),
        ("0", ("x-gitlab-token", "other"), "", 401, "unauthorized"),
        ("0", ("accept", "*/*"), "", 401, "unauthorized"),
        // Only somebody who knows the secret learns which loaders there are.
        ("9", ("x-gitlab-token", "other"), "", 401, "unauthorized"),
        ("9", ("x-gitlab-token", "known"), "", 404, "no-such-loader"),
        ("%00", ("x-gitlab-token", "known"), "", 404, "no-such-loader"),
        ("0", ("origin", "https://evil.example"), "", 403, "another-site"),
    ] {
        let answer = send(&served, loader, header, body);
        assert_eq!(
            (answer.status, kind(&answer).as_str()),
            (status, expected),
            "{loader} {header:?}"
        );
    }
    // The token of the API is none of a webhook, and a webhook has no other method.
    let bearer = served.ask("POST", "/admin/v1/hooks/0", &[], "");
    assert_eq!(bearer.status, 401, "{bearer:?}");
    assert_eq!(served.get("/admin/v1/hooks/0").status, 405);
    assert_eq!(served.get_json("/admin/v1/version")["version"], 1);
    let large = "x".repeat((1 << 20) + 1);
    let answer = send(&served, "0", ("x-gitlab-token", "known"), &large);
    assert_eq!((answer.status, kind(&answer).as_str()), (413, "too-large"));
}

#[test]
fn without_a_secret_there_are_no_webhooks() {
    for served in [Served::start(&SHOP), served("")] {
        let answer = send(&served, "0", ("x-gitlab-token", ""), "");
        assert_eq!((answer.status, kind(&answer).as_str()), (404, "no-hooks"), "{answer:?}");
    }
}
