//! Malicious templates and contexts: each ends within its budget, with an error that gives the reason.

use std::time::{Duration, Instant};

use hotplate_actors::Limits;
use hotplate_actors::budget::{Budget, Exceeded};
use hotplate_actors::dialect::{Dialect, Escape, Frame, Missing, RenderFault, tiny::Tiny};
use hotplate_actors::value::{Arena, build};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::set::{How, Set};

fn refusals(text: &str, limits: &Limits) -> Vec<&'static str> {
    match Tiny.compile(text, limits) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(|fault| fault.code).collect(),
    }
}

#[test]
fn a_source_may_be_as_large_as_its_limit() {
    let limits = Limits {
        source_bytes: 10,
        ..Limits::default()
    };
    assert_eq!(refusals("0123456789", &limits), [""; 0]);
    assert_eq!(refusals("0123456789a", &limits), ["too-large"]);
}

#[test]
fn a_megabyte_on_one_line() {
    let limits = Limits::default();
    assert_eq!(refusals(&"a".repeat(1 << 20), &limits), [""; 0]);
    assert_eq!(refusals(&"{abcdefgh}".repeat(100_000), &limits), ["long-line"]);
    // The same with line breaks is no trouble to the judge.
    assert_eq!(refusals(&"{abcdefg}\n".repeat(100_000), &limits), [""; 0]);
    // No tag on the line is closed. Searching the end for each of them would take quadratic time.
    for opening in ["{", "{ ", "{{", "{#", "{-", "\\{{", "{a "] {
        let codes = refusals(&opening.repeat((1 << 20) / opening.len()), &limits);
        assert!(
            !codes.is_empty() && codes.len() <= limits.source_diagnostics,
            "{opening}: {codes:?}"
        );
    }
}

#[test]
fn tags_are_counted_exactly() {
    let limits = Limits::default();
    assert_eq!(refusals(&"{a}\n".repeat(100_000), &limits), [""; 0]);
    assert_eq!(refusals(&"{a}\n".repeat(100_001), &limits), ["too-many-tags"]);
    assert_eq!(refusals(&"\\{\n".repeat(100_001), &limits), ["too-many-tags"]);
    assert_eq!(refusals(&"{##}\n".repeat(100_001), &limits), ["too-many-tags"]);
}

#[test]
fn blocks_nest_as_deep_as_their_limit() {
    let limits = Limits::default();
    let nested = |depth: usize| "{{ if a }}\n".repeat(depth) + &"{{ endif }}\n".repeat(depth);
    assert_eq!(refusals(&nested(256), &limits), [""; 0]);
    assert_eq!(refusals(&nested(257), &limits), ["too-deep"]);
    assert_eq!(refusals(&nested(10_000), &limits), ["too-deep"]);
    assert_eq!(refusals(&"{{ if a }}\n".repeat(200), &limits), ["unclosed-block"; 20]);
    let loops = "{{ for x in x }}\n".repeat(200) + "{x}" + &"{{ endfor }}\n".repeat(200);
    let set = Set::compile([("page.html", loops.as_str())], &limits).expect("compiles");
    let mut deep = json!("end");
    for _ in 0..100 {
        deep = json!([deep]);
    }
    let error = set
        .render(&json!({ "x": deep }), &How::default())
        .expect_err("too shallow");
    assert_eq!(error.fault, RenderFault::NotIterable);
}

#[test]
fn diagnostics_of_a_text_have_a_limit() {
    let limits = Limits {
        source_diagnostics: 3,
        ..Limits::default()
    };
    assert_eq!(refusals(&"{a b}\n".repeat(10_000), &limits).len(), 3);
    let limits = Limits {
        source_diagnostics: 0,
        ..limits
    };
    assert_eq!(
        refusals("{a b}", &limits).len(),
        1,
        "a refusal without a reason helps nobody"
    );
}

#[test]
fn long_names_are_rejected() {
    let name = "n".repeat(70_000);
    for text in [
        format!("{{{name}}}"),
        format!("{{a.{name}}}"),
        format!("{{{{ for {name} in xs }}}}{{{{ endfor }}}}"),
    ] {
        let faults = Tiny.compile(&text, &Limits::default()).err().expect("too long");
        assert!(faults[0].to_string().len() < 2000, "{}", faults[0]);
    }
}

/// Renders with limits, and returns the fault.
fn fault(templates: &[(&str, &str)], context: &Value, limits: Limits) -> RenderFault {
    let set = Set::compile(templates.iter().copied(), &limits).expect("compiles");
    let how = How {
        limits,
        ..How::default()
    };
    let error = set.render(context, &how).expect_err("it goes over its budget");
    assert_eq!(error.diagnostic.code, "budget", "{error}");
    assert!(
        error.diagnostic.span.is_some() && error.diagnostic.template.is_some(),
        "{error}"
    );
    error.fault
}

/// Returns limits under which the number of steps ends a render, not the speed of the machine.
fn limits_of_steps() -> Limits {
    Limits {
        render_ms: 3_600_000,
        render_steps: 1_000_000,
        ..Limits::default()
    }
}

#[test]
fn empty_loops_in_loops_take_steps() {
    let items: Vec<u32> = (0..5000).collect();
    let text = "{{ for a in xs }}".repeat(4) + &"{{ endfor }}".repeat(4);
    let stopped = RenderFault::Budget(Exceeded::Steps(1_000_000));
    assert_eq!(
        fault(&[("page.html", &text)], &json!({ "xs": items }), limits_of_steps()),
        stopped
    );
    // Tags that print nothing take steps as well.
    let tags =
        "{{ for a in xs }}".to_owned() + &"{n}\n{{ if n }}{{ endif }}{{ with n as m }}{{ endwith }}".repeat(5000);
    let tags = tags.replace('\n', "{# #}\n{#- -#}") + "{{ endfor }}";
    assert_eq!(
        fault(
            &[("page.html", &tags)],
            &json!({ "xs": items, "n": null }),
            limits_of_steps()
        ),
        stopped
    );
}

#[test]
fn formatters_after_each_other_take_steps_and_output() {
    let text = "{a|upper|lower|upper|lower|upper}";
    let limits = |output_bytes| Limits {
        render_steps: 100_000,
        render_ms: 600_000,
        output_bytes,
        ..Limits::default()
    };
    let data = |count: usize| json!({ "a": "x".repeat(count) });
    let render = |count, output_bytes| fault(&[("page.html", text)], &data(count), limits(output_bytes));
    // Four times what lies between two of them, 32 bytes a step.
    assert_eq!(
        render(1_000_000, 2_000_000),
        RenderFault::Budget(Exceeded::Steps(100_000))
    );
    assert_eq!(
        render(1_000_000, 900_000),
        RenderFault::Budget(Exceeded::Output(900_000))
    );
    let set = Set::compile([("page.html", text)], &limits(2_000_000)).expect("right");
    let how = How {
        limits: limits(2_000_000),
        ..How::default()
    };
    assert_eq!(set.render(&data(700_000), &how).map(|text| text.len()), Ok(700_000));
}

#[test]
fn calls_that_double_take_steps() {
    let text = "{{ if a }}{{ call page.html with a }}{{ call page.html with a }}{{ endif }}";
    let mut deep = json!({ "a": null });
    for _ in 0..100 {
        deep = json!({ "a": deep });
    }
    let stopped = RenderFault::Budget(Exceeded::Steps(1_000_000));
    assert_eq!(fault(&[("page.html", text)], &deep, limits_of_steps()), stopped);
}

#[test]
fn calls_go_as_deep_as_their_limit() {
    let text = "{{ if a }}{{ call page.html with a }}{{ endif }}";
    let nested = |depth: usize| (0..depth).fold(json!({ "a": null }), |inner, _| json!({ "a": inner }));
    let limits = Limits {
        call_depth: 5,
        ..limits_of_steps()
    };
    let set = Set::compile([("page.html", text)], &limits).expect("compiles");
    let how = How {
        limits: limits.clone(),
        ..How::default()
    };
    assert_eq!(set.render(&nested(5), &how), Ok(String::new()));
    let error = set.render(&nested(6), &how).expect_err("one too many");
    assert_eq!(error.fault, RenderFault::Budget(Exceeded::Depth(5)));
    assert_eq!(error.diagnostic.chain.len(), 5, "{error}");
}

#[test]
fn a_literal_bomb_meets_the_output_limit() {
    let text = "{{ for a in xs }}{{ for a in xs }}{{ for a in xs }}0123456789{{ endfor }}{{ endfor }}{{ endfor }}";
    let items: Vec<u32> = (0..300).collect();
    let limits = Limits {
        output_bytes: 1_000_005,
        render_steps: u64::MAX,
        ..limits_of_steps()
    };
    let stopped = RenderFault::Budget(Exceeded::Output(1_000_005));
    assert_eq!(
        fault(&[("page.html", text)], &json!({ "xs": items }), limits.clone()),
        stopped
    );
    // Formatters write into the same output.
    for formatter in ["upper", "json", "url", "unescaped"] {
        let text = format!("{{{{ for a in xs }}}}{{s|{formatter}}}{{{{ endfor }}}}");
        let context = json!({ "xs": items, "s": "<".repeat(10_000) });
        assert_eq!(
            fault(&[("page.html", &text)], &context, limits.clone()),
            stopped,
            "{formatter}"
        );
    }
}

#[test]
fn a_deadline_and_a_cancellation_end_a_render() {
    let text = "{{ for a in xs }}{{ for a in xs }}{{ endfor }}{{ endfor }}";
    let items: Vec<u32> = (0..5000).collect();
    let set = Set::compile([("page.html", text)], &Limits::default()).expect("compiles");
    let limits = limits_of_steps();
    let arena = Arena::new();
    let value = build(&json!({ "xs": items }), &arena, &limits).expect("JSON is a context");
    let now = Instant::now();
    let gone = CancellationToken::new();
    gone.cancel();
    for (deadline, token, expected) in [
        (
            now.checked_sub(Duration::from_nanos(1)).or(Some(now)),
            None,
            Exceeded::Deadline,
        ),
        (None, Some(gone), Exceeded::Cancelled),
    ] {
        let mut budget = Budget::new(&limits, deadline, token);
        let mut frame = Frame::new(&mut budget, Escape::Html, Missing::Error);
        let closure = set.entry();
        let error = closure
            .top()
            .unit
            .render(&closure, &value, &mut frame)
            .expect_err("it ends");
        assert_eq!(error.fault, RenderFault::Budget(expected));
        assert!(!error.fault.lies_in_the_template());
    }
}

#[test]
fn silent_formatters_meet_the_deadline() {
    let set = Set::compile([("page.html", "{s|trim}")], &Limits::default()).expect("compiles");
    let arena = Arena::new();
    let value = build(&json!({ "s": " ".repeat(100_000) }), &arena, &Limits::default()).expect("JSON is a context");
    let now = Instant::now();
    let mut budget = Budget::new(&Limits::default(), Some(now), None);
    let mut frame = Frame::new(&mut budget, Escape::Html, Missing::Error);
    let closure = set.entry();
    let error = closure
        .top()
        .unit
        .render(&closure, &value, &mut frame)
        .expect_err("it ends");
    assert_eq!(error.fault, RenderFault::Budget(Exceeded::Deadline));
}
