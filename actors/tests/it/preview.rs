//! Previews: the effect of texts that are not published.

use std::collections::BTreeMap;

use hotplate_actors::{
    Hotplate, Limits, MemoryLoader, PreviewError, PreviewReport, PreviewRequest, RenderOptions, TemplateName,
};
use serde_json::json;

fn engine(limits: Limits) -> Hotplate {
    let texts = [
        ("page.html", "{{ call part.html with user }}".to_owned()),
        ("other.html", "<p>{title}</p>".into()),
        ("part.html", "<b>{name}</b>".into()),
    ];
    let builder = Hotplate::builder().loader(MemoryLoader::of(texts).expect("names"));
    builder
        .entries(|name| name.as_str() != "part.html")
        .sample("page.html", &json!({ "user": { "name": "Ada" } }))
        .limits(limits)
        .start()
        .expect("it starts")
}

fn request(edits: &[(&str, Option<&str>)]) -> PreviewRequest {
    let edit = |(name, text): &(&str, Option<&str>)| {
        let name = TemplateName::new(name).expect("a name");
        (name, text.map(Into::into))
    };
    PreviewRequest {
        edits: edits.iter().map(edit).collect::<BTreeMap<_, _>>(),
        complete: false,
        render: true,
    }
}

fn names(names: impl IntoIterator<Item = impl ToString>) -> Vec<String> {
    names.into_iter().map(|name| name.to_string()).collect()
}

/// Returns the lists of a report as names.
fn described(report: &PreviewReport) -> [Vec<String>; 6] {
    [
        names(&report.changed),
        names(&report.removed),
        names(&report.affected),
        names(&report.stale),
        names(&report.broken),
        names(report.diagnostics.iter().map(|fault| fault.code)),
    ]
}

#[tokio::test]
async fn a_preview_tells_what_would_change() {
    let hotplate = engine(Limits::default());
    type Expected = [&'static [&'static str]; 6];
    type Edits = &'static [(&'static str, Option<&'static str>)];
    let cases: [(Edits, Expected); 7] = [
        (&[], [&[], &[], &[], &[], &[], &[]]),
        (&[("part.html", Some("<b>{name}</b>"))], [&[], &[], &[], &[], &[], &[]]),
        (
            &[("part.html", Some("<i>{name}</i>"))],
            [&["part.html"], &[], &["page.html"], &[], &[], &[]],
        ),
        (
            &[("part.html", Some("{{ if a == b }}"))],
            [
                &[],
                &[],
                &["page.html"],
                &["page.html", "part.html"],
                &[],
                &["comparison", "unclosed-block"],
            ],
        ),
        (
            &[("part.html", None)],
            [
                &[],
                &["part.html"],
                &["page.html"],
                &["page.html"],
                &[],
                &["unknown-template"],
            ],
        ),
        (
            &[("new.html", Some("{{ call par.html with user }}"))],
            [
                &["new.html"],
                &[],
                &["new.html"],
                &[],
                &["new.html"],
                &["unknown-template"],
            ],
        ),
        (
            &[("new.html", Some("new")), ("other.html", None)],
            [
                &["new.html"],
                &["other.html"],
                &["new.html", "other.html"],
                &[],
                &[],
                &[],
            ],
        ),
    ];
    for (edits, expected) in cases {
        let preview = hotplate.preview(request(edits)).await.expect("a preview");
        let expected = expected.map(|list| names(list.iter()));
        assert_eq!(described(preview.report()), expected, "{edits:?}");
    }
    let complete = PreviewRequest {
        complete: true,
        ..request(&[("other.html", Some("<p>{title}</p>"))])
    };
    let preview = hotplate.preview(complete).await.expect("a preview");
    assert_eq!(names(&preview.report().removed), ["page.html", "part.html"]);
    // Nothing of this is served, counted or remembered.
    assert_eq!(hotplate.snapshot().version().number(), 1);
    assert_eq!(hotplate.diagnostics(), []);
    assert!(hotplate.counters().renders.values().all(|count| *count == 0));
    let user = json!({ "user": { "name": "Ada" } });
    assert_eq!(hotplate.render("page.html", &user).expect("served").body, "<b>Ada</b>");
}

#[tokio::test]
async fn samples_are_rendered_now_and_then() {
    let hotplate = engine(Limits::default());
    let edits = [("part.html", Some("<i>{name}</i>")), ("other.html", Some("x"))];
    let preview = hotplate.preview(request(&edits)).await.expect("a preview");
    let report = preview.report();
    assert_eq!(names(&report.affected), ["other.html", "page.html"]);
    let [render] = &report.renders[..] else {
        panic!("only one entry has a sample: {:?}", report.renders)
    };
    assert_eq!((render.entry.as_str(), report.has_errors()), ("page.html", false));
    let bodies = [&render.before, &render.after].map(|side| side.body.as_deref());
    assert_eq!(bodies, [Some("<b>Ada</b>"), Some("<i>Ada</i>")]);
    let options = RenderOptions::default();
    assert_eq!(
        preview.render_sample("page.html", &options).expect("whole").body,
        "<i>Ada</i>"
    );
    assert_eq!(
        preview.render_sample("other.html", &options).expect("no data").body,
        "x"
    );
    let you = json!({ "user": { "name": "you" } });
    assert_eq!(preview.render("page.html", &you).expect("whole").body, "<i>you</i>");
    assert!(preview.render("none.html", &you).is_err());

    // An entry that fails with its sample would be refused, and its last good version would still be served.
    let preview = hotplate
        .preview(request(&[("part.html", Some("{age}"))]))
        .await
        .expect("a preview");
    let report = preview.report();
    assert_eq!(
        (names(&report.stale), report.diagnostics[0].code),
        (vec!["page.html".to_owned()], "missing-path")
    );
    assert!(report.has_errors() && !report.renders[0].is_changed());
    assert_eq!(
        preview
            .render_sample("page.html", &options)
            .expect("the last good one")
            .body,
        "<b>Ada</b>"
    );
}

#[tokio::test]
async fn a_preview_is_bounded() {
    let small = || Limits {
        preview_bytes: 30,
        ..Limits::default()
    };
    let hotplate = engine(small());
    let long = "x".repeat(30);
    let refused = hotplate.preview(request(&[("other.html", Some(&long))])).await;
    let Err(PreviewError::TooLarge { bytes: 40, limit: 30 }) = refused else {
        panic!("{refused:?}")
    };
    // Both outputs would have 21 bytes, and only one of them fits.
    let preview = hotplate
        .preview(request(&[("part.html", Some("<i>{name}----</i>"))]))
        .await;
    let preview = preview.expect("it fits");
    let render = &preview.report().renders[0];
    assert_eq!((render.before.bytes, render.after.bytes), (10, 14));
    assert!(render.is_changed() && render.before.body.is_some() && render.after.body.is_some());

    for (renders, milliseconds) in [(0, 1_000), (10, 0)] {
        let limits = Limits {
            preview_renders: renders,
            preview_ms: milliseconds,
            ..Limits::default()
        };
        let preview = engine(limits).preview(request(&[("part.html", Some("a"))])).await;
        let preview = preview.expect("without renders");
        assert_eq!(
            (preview.report().renders.len(), preview.report().renders_skipped),
            (0, 1)
        );
    }
    let few = Limits {
        templates: 3,
        ..Limits::default()
    };
    let refused = engine(few).preview(request(&[("new.html", Some("x"))])).await;
    let refused = refused.expect_err("a fourth name").to_string();
    assert!(refused.contains("the limit `templates` is 3"), "{refused}");
}

#[tokio::test]
async fn a_sample_that_loops_is_cut_at_its_budget() {
    let numbers: Vec<u32> = (0..1_000).collect();
    let texts = [("page.html", "fine".to_owned())];
    let limits = Limits {
        render_steps: 10_000,
        ..Limits::default()
    };
    let hotplate = Hotplate::builder()
        .loader(MemoryLoader::of(texts).expect("names"))
        .sample("page.html", &json!({ "n": numbers }))
        .limits(limits)
        .start()
        .expect("it starts");
    let nested = "{{ for a in n }}{{ for b in n }}{{ for c in n }}{a}{{ endfor }}{{ endfor }}{{ endfor }}";
    let preview = hotplate.preview(request(&[("page.html", Some(nested))])).await;
    let preview = preview.expect("a preview");
    assert_eq!(preview.report().diagnostics[0].code, "budget");
    assert_eq!(hotplate.render("page.html", &()).expect("served").body, "fine");
}
