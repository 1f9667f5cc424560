//! Templates that try to take memory, time or stack, and mistakes that the judge does not survive.

use hotplate_actors::budget::Exceeded;
use hotplate_actors::dialect::{Missing, RenderFault};
use hotplate_actors::{Limits, dialect::Escape};
use serde_json::json;

use super::judge::{Texts, fault, ours, refused};
use crate::set::{How, Set};

/// Renders on a thread whose stack is as small as that of a worker.
fn on_a_small_stack<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    on_a_stack(2 * 1024 * 1024, test)
}

pub(super) fn on_a_stack<T: Send>(bytes: usize, test: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(bytes);
        let thread = thread.spawn_scoped(scope, test).expect("a thread");
        thread.join().expect("it returns")
    })
}

#[test]
fn large_values_end_at_a_limit() {
    let limits = Limits::default();
    let stopped = [
        RenderFault::Budget(Exceeded::Memory(limits.context_bytes)),
        RenderFault::Budget(Exceeded::Steps(limits.render_steps)),
        RenderFault::Budget(Exceeded::Output(limits.output_bytes)),
        RenderFault::Budget(Exceeded::Time(limits.render_ms)),
        RenderFault::Operation,
    ];
    let doubled = "{% set ns = namespace(x=['a']) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x | string }}";
    let deep = "{% set ns = namespace(x=[]) %}{% for i in range(10000) %}{% set ns.x = [ns.x] %}{% endfor %}";
    let printed = format!("{deep}{{{{ ns.x }}}}");
    let compared = format!("{deep}{{{{ ns.x == [ns.x] }}}}");
    let as_json = format!("{deep}{{{{ ns.x | tojson }}}}");
    let sorted = format!("{deep}{{{{ [ns.x, [ns.x]] | sort }}}}");
    for text in [
        doubled,
        &printed,
        &compared,
        &as_json,
        &sorted,
        "{{ 'x' * 10 ** 9 }}",
        "{{ 'x' * 10 ** 30 }}",
        "{{ [1] * 10 ** 9 }}",
        "{{ range(10 ** 12) }}",
        "{{ ('x' * 100000) | replace('', 'y' * 100000) | length }}",
        "{{ range(100000) | join('x' * 100000) | length }}",
        "{{ 'a\\nb' | indent(10 ** 10) }}",
        "{{ [1] | tojson(indent=10 ** 10) }}",
        "{{ [1] | batch(10 ** 10, 'x') }}",
        "{{ [1] | slice(10 ** 10) }}",
        "{{ '%1000000000d' | format(1) }}",
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        "{% for a in range(100000) %}{{ range(100000) | sum }}{% endfor %}",
        "{% set ns = namespace(s='x') %}{% for i in range(1000) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}",
        "{% set ns = namespace() %}{% set ns.me = ns %}{{ ns | tojson }}",
        "{% set ns = namespace() %}{% set ns.me = [ns, ns] %}{{ ns | string }}",
        "{% set ns = namespace() %}{% set ns.me = [ns, ns] %}{{ ns | pprint }}",
        "{% set ns = namespace() %}{% set ns.me = ns %}{{ debug(ns) }}",
        "{% set a = namespace() %}{% set b = namespace() %}{% set a.x = b %}{% set b.x = a %}{{ a == b }}",
        "{% set a = namespace() %}{% set b = namespace() %}{% set a.x = b %}{% set b.x = a %}{{ [a, b] | sort }}",
        "{{ loop.cycle() if loop is defined else range() }}",
        "{% for x in [1] %}{{ loop.cycle() }}{% endfor %}",
    ] {
        let fault = on_a_small_stack(|| fault(&[("page.html", text)], &json!({})));
        let reason = fault.map(|(fault, _)| fault);
        assert!(
            reason.is_some_and(|reason| stopped.contains(&reason)),
            "{text}: {fault:?}"
        );
    }
}

#[test]
fn circles_end_at_the_depth() {
    let depth = RenderFault::Budget(Exceeded::Depth(Limits::default().call_depth));
    let deep = json!({ "tree": deep_tree(100) });
    let cases: &[(Texts<'_>, (RenderFault, &str))] = &[
        (&[("a.html", "{% include 'a.html' %}")], (depth, "budget")),
        (
            &[
                ("a.html", "{% include 'b.html' %}"),
                ("b.html", "{% if true %}{% include 'a.html' %}{% endif %}"),
            ],
            (depth, "budget"),
        ),
        (&[("a.html", "{% import 'a.html' as a %}")], (depth, "budget")),
        (
            &[("a.html", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}")],
            (depth, "budget"),
        ),
        (
            &[(
                "a.html",
                "{% macro m() %}{% set x = m() | upper %}{% endmacro %}{{ [m()] }}",
            )],
            (depth, "budget"),
        ),
        (
            &[("a.html", "{% block a %}{{ self.a() }}{% endblock %}")],
            (depth, "budget"),
        ),
        (
            &[
                ("a.html", "{% extends 'b.html' %}"),
                ("b.html", "{% extends 'a.html' %}"),
            ],
            (RenderFault::Operation, "extends-cycle"),
        ),
        (
            &[
                ("a.html", "{% extends 'b.html' %}"),
                ("b.html", "{% extends 'b.html' %}"),
            ],
            (RenderFault::Operation, "extends-cycle"),
        ),
        (
            &[(
                "a.html",
                "{% macro m(n) %}{% if n %}{% call m(n - 1) %}{{ caller }}{% endcall %}{% endif %}{{ caller is defined }}{% endmacro %}{{ m(1000) }}",
            )],
            (depth, "budget"),
        ),
        (
            &[(
                "a.html",
                "{% set ns = namespace(x=[1]) %}{% for x in [ns] recursive %}{{ loop([ns]) }}{% endfor %}",
            )],
            (depth, "budget"),
        ),
    ];
    for (texts, expected) in cases {
        let fault = on_a_small_stack(|| fault(texts, &json!({})));
        assert_eq!(fault, Some(*expected), "{texts:?}");
    }
    let text = "{% for n in tree recursive %}{{ n.k }}{{ loop(n.sub) }}{% endfor %}";
    let rendered = on_a_small_stack(|| ours(&[("a.html", text)], &deep, Missing::Error));
    assert!(rendered.is_ok_and(|text| text.len() == 100));
    // A deep value is printed at the largest depth of calls.
    let text =
        "{% macro m(n) %}{% if n %}{{ [m(n - 1)] | join }}{% else %}{{ tree }}{% endif %}{% endmacro %}{{ m(120) }}";
    let rendered = on_a_small_stack(|| ours(&[("a.html", text)], &deep, Missing::Error));
    assert!(rendered.is_ok_and(|text| text.len() > 1000));
}

/// The largest depth takes half of a stack of 2 MiB, also without optimisation and whatever is configured: the other half is for what
/// calls the render, and for what it calls last.
#[test]
fn the_largest_depth_fits_the_stack() {
    let limits = Limits {
        call_depth: 256,
        ..Limits::default()
    };
    for (way, text) in RECURSIVE {
        let limits = limits.clone();
        let fault = on_a_stack(1280 * 1024, move || {
            let how = How {
                escape: Escape::Html,
                missing: Missing::Error,
                limits,
            };
            let texts = [
                ("a.html", *text),
                (
                    "b.html",
                    "{% extends 'c.html' %}{% block x %}{{ super() }}{% endblock %}",
                ),
                ("c.html", "{% block x %}{% include 'a.html' %}{% endblock %}"),
            ];
            let set = Set::compile_as(&hotplate_actors::dialect::jinja::Jinja, texts, &how.limits).expect("right");
            set.render(&json!({}), &how).map_err(|error| error.fault)
        });
        assert_eq!(fault, Err(RenderFault::Budget(Exceeded::Depth(128))), "{way}");
    }
}

/// Every way in which a template can run inside of itself.
const RECURSIVE: &[(&str, &str)] = &[
    ("include", "{% include 'a.html' %}"),
    (
        "include in blocks",
        "{% if true %}{% for x in [1] %}{% with y = x %}{% include ['none.html', 'a.html'] ignore missing %}{% endwith %}{% endfor %}{% endif %}",
    ),
    (
        "include under filter",
        "{% filter upper %}{% include 'a.html' %}{% endfilter %}",
    ),
    ("import", "{% import 'a.html' as a %}"),
    ("from import", "{% from 'a.html' import a %}"),
    ("macro", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
    (
        "macro in an expression",
        "{% macro m() %}{{ [m() | upper] | join }}{% endmacro %}{{ [m() | upper] | join }}",
    ),
    (
        "macro in its argument",
        "{% macro m(a, b=1) %}{{ m(m(m() ~ 'x') | upper if b else 2, b=[m()] | map('upper') | list) }}{% endmacro %}{{ m() }}",
    ),
    (
        "macro in a default",
        "{% macro m(a=m()) %}{{ a }}{% endmacro %}{{ m() }}",
    ),
    (
        "macro in a condition",
        "{% macro m() %}{% if m() %}{% elif m() %}{% endif %}{% endmacro %}{{ m() }}",
    ),
    (
        "macro as iterable",
        "{% macro m() %}{% for x in [m()] if m() %}{{ m() }}{% endfor %}{% endmacro %}{{ m() }}",
    ),
    (
        "macro in a loop filter",
        "{% macro m() %}{% for x in [1] if m() %}{{ m() }}{% endfor %}{% endmacro %}{{ m() }}",
    ),
    (
        "macro in a set",
        "{% macro m() %}{% set x = m() | upper %}{% endmacro %}{{ m() }}",
    ),
    (
        "macro in a set block",
        "{% macro m() %}{% set x | replace(m(), 'x') %}{{ m() }}{% endset %}{% endmacro %}{{ m() }}",
    ),
    (
        "macro in filter arguments",
        "{% macro m() %}{% filter replace('x', m()) %}x{% endfilter %}{% endmacro %}{{ m() }}",
    ),
    (
        "macro of a namespace",
        "{% set ns = namespace() %}{% macro m() %}{{ ns.f() }}{% endmacro %}{% set ns.f = m %}{{ ns.f() }}",
    ),
    (
        "macro of a list",
        "{% set ns = namespace() %}{% macro m() %}{{ ns.f[0](*[]) ~ 1 }}{% endmacro %}{% set ns.f = [m] %}{{ ns.f[0]() }}",
    ),
    (
        "macro in autoescape",
        "{% macro m() %}{% autoescape m() %}{% endautoescape %}{% endmacro %}{{ m() }}",
    ),
    (
        "macro in include name",
        "{% macro m() %}{% include 'a.html' if m() else 'b.html' %}{% endmacro %}{{ m() }}",
    ),
    (
        "macro in the name of an import",
        "{% macro m() %}{% from 'a.html' if m() else 'b.html' import y %}{% endmacro %}{{ m() }}",
    ),
    (
        "macro in the name of a module",
        "{% macro m() %}{% import 'a.html' if m() else 'b.html' as y %}{% endmacro %}{{ m() }}",
    ),
    (
        "macro from an import",
        "{% from 'a.html' import m %}{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    ),
    (
        "caller",
        "{% macro m() %}{{ caller() }}{% endmacro %}{% macro n() %}{% call m() %}{{ n() }}{% endcall %}{% endmacro %}{{ n() }}",
    ),
    (
        "caller in an expression",
        "{% macro m() %}{{ [caller(1) | upper] | join }}{% endmacro %}{% macro n() %}{% call(x) m() %}{{ [n()] | join }}{% endcall %}{% endmacro %}{{ n() }}",
    ),
    (
        "caller that is handed on",
        "{% macro m(n) %}{% call m(n) %}{{ caller }}{% endcall %}{{ caller() }}{% endmacro %}{{ m(1) }}",
    ),
    (
        "block",
        "{% block a %}{% for x in [1] %}{{ ('' ~ self.a()) | upper }}{% endfor %}{% endblock %}",
    ),
    ("block that prints", "{% block a %}{{ self.a() }}{% endblock %}"),
    ("extends and super", "{% include 'b.html' %}"),
    (
        "loop",
        "{% set ns = namespace() %}{% for x in [1] recursive %}{{ [loop([1])] | join }}{% endfor %}",
    ),
    (
        "loop that prints",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    ),
    (
        "loop in its argument",
        "{% for x in [1] recursive %}{{ loop([loop([1])]) }}{% endfor %}",
    ),
];

fn deep_tree(levels: usize) -> serde_json::Value {
    (0..levels / 2).fold(json!([]), |sub, _| json!([{ "k": "xx", "sub": sub }]))
}

#[test]
fn temporary_values_count_up_to_the_limit() {
    let text = "{% for i in range(1000) %}{% set x = 'abcdefghij' ~ i %}{% endfor %}";
    let render = |context_bytes: usize| {
        let limits = Limits {
            context_bytes,
            ..Limits::default()
        };
        let how = How {
            escape: Escape::Html,
            missing: Missing::Error,
            limits,
        };
        let texts = [("page.html", text)];
        let set = Set::compile_as(&hotplate_actors::dialect::jinja::Jinja, texts, &how.limits).expect("right");
        set.render(&json!({}), &how).map_err(|error| error.fault)
    };
    assert_eq!(render(1_000_000), Ok(String::new()));
    let memory = RenderFault::Budget(Exceeded::Memory(10_000));
    assert_eq!(render(10_000), Err(memory));
}

#[test]
fn mistakes_are_refused() {
    for (text, expected) in [
        ("{% if false %}{{ x | nofilter(1) }}{% endif %}", "unknown-filter"),
        ("{% if false %}{{ x is notest }}{% endif %}", "unknown-test"),
        ("{{ x | upper(1) }}", "arguments"),
        ("{{ x | replace('a') }}", "arguments"),
        ("{{ x | sort(attribut='a') }}", "arguments"),
        ("{{ x is divisibleby }}", "arguments"),
        ("{{ x | map('uper') }}", "unknown-filter"),
        ("{{ x | select('od') }}", "unknown-test"),
        ("{% include '../secret' %}", "template-name"),
        ("{% extends ['../a.html', name] %}", "template-name"),
        ("{% block a %}{% extends 'a.html' %}{% endblock %}", "extends-place"),
        ("{{ super(1) }}", "arguments"),
        ("{{ x | urlize }}", "unknown-filter"),
    ] {
        assert_eq!(refused(text), [expected], "{text}");
    }
}

#[test]
fn faults_say_what_and_where() {
    let context = json!({ "user": { "name": "x", "tags": [] }, "items": [1] });
    let partials = [
        ("part.html", "\n{{ user.nmae }}"),
        ("lib.html", "{% macro field(name, label='') %}{{ nope }}{% endmacro %}"),
        ("base.html", "{% block main required %}{% endblock %}"),
    ];
    for (text, parts) in [
        (
            "{{ usr.name }}",
            &["`usr` is undefined", "did you mean `user`?", "page.html:1:4"][..],
        ),
        (
            "{{ user.nmae | upper }}",
            &["`user.nmae` is undefined", "did you mean `user.name`?"],
        ),
        (
            "{{ user.name + 1 }}",
            &["`+` does not take a string and a number", "write `~`"],
        ),
        (
            "{% include 'part.html' %}",
            &[
                "part.html:2:4",
                "called from page.html:1:12",
                "did you mean `user.name`?",
            ],
        ),
        (
            "{% from 'lib.html' import field %}\n{{ field('x') }}",
            &["lib.html:1:37", "called from page.html:2:4", "`nope` is undefined"],
        ),
        (
            "{% from 'lib.html' import field %}{{ field('x', lable='y') }}",
            &["has no argument `lable`", "did you mean `label`?"],
        ),
        (
            "{% from 'lib.html' import field %}{{ feild('x') }}",
            &["no function or macro `feild`", "did you mean `field`?"],
        ),
        ("{% for a, b in items %}{% endfor %}", &["a number cannot be unpacked"]),
        (
            "{% for x in user.name.y %}{% endfor %}",
            &["`user.name.y` is undefined"],
        ),
        ("{% for x in 1 %}{% endfor %}", &["a number cannot be iterated over"]),
        (
            "{{ user.items() }}",
            &["a map has no method `items`", "write `| items`"],
        ),
        ("{% extends 'base.html' %}", &["the block `main` has to be defined"]),
        ("{{ 1 / 0 }}", &["divided by zero"]),
        ("{{ self.nope() }}", &["there is no block `nope`"]),
        ("{% autoescape 'xml' %}{% endautoescape %}", &["`| tojson`"]),
    ] {
        let mut texts = vec![("page.html", text)];
        texts.extend_from_slice(&partials);
        let error = ours(&texts, &context, Missing::Error).expect_err(text);
        for part in parts {
            assert!(error.contains(part), "{text}: {part} is not in\n{error}");
        }
    }
}

/// A program stays within a factor of its text, whatever the text nests or repeats.
#[test]
fn programs_are_not_much_larger_than_their_texts() {
    use hotplate_actors::dialect::{Dialect, jinja::Jinja};
    let nested = |open: &str, body: String, close: &str| format!("{}{body}{}", open.repeat(90), close.repeat(90));
    let many = |count: usize, part: &dyn Fn(usize) -> String| (0..count).map(part).collect::<String>();
    let with = nested("{%with a=1%}", "{%if a%}{%break%}{%endif%}".repeat(2000), "{%endwith%}");
    let escapes = nested("{%autoescape true%}", "{%continue%}".repeat(2000), "{%endautoescape%}");
    let macros = |names| {
        let uses = many(names, &|at| format!("{{{{x{at}}}}}"));
        nested("{%macro m()%}", uses, "{%endmacro%}")
    };
    for text in [
        format!("{{%for a in b%}}{with}{{%endfor%}}"),
        format!("{{%for a in b%}}{escapes}{{%endfor%}}"),
        macros(2000),
        many(4000, &|at| format!("{{%set a{at}=a{}%}}", at / 2)),
        format!("{{{{ a{} }}}}", "<1".repeat(4000)),
    ] {
        let unit = Jinja.compile(&text, &Limits::default()).expect("right");
        assert!(unit.bytes() < 64 * text.len(), "{}: {}", unit.bytes(), &text[..60]);
    }
    assert!(refused(&macros(5000)).is_empty());
    assert_eq!(refused(&macros(6000)), ["too-many-names"]);
}

/// Renders with a small number of steps and memory, and without a limit of time.
fn stopped(texts: &[(&str, &str)], limits: Limits) -> Result<String, RenderFault> {
    let how = How {
        escape: Escape::Html,
        missing: Missing::Error,
        limits: Limits {
            render_ms: 600_000,
            ..limits
        },
    };
    let set = Set::compile_as(
        &hotplate_actors::dialect::jinja::Jinja,
        texts.iter().copied(),
        &how.limits,
    );
    set.expect("right")
        .render(&json!({ "x": 1 }), &how)
        .map_err(|error| error.fault)
}

/// Work that one operation can be made to do counts as steps, so that the clock is looked at in time.
#[test]
fn steps_count_work() {
    let limits = Limits {
        render_steps: 100_000,
        ..Limits::default()
    };
    let many = |count: usize, part: &dyn Fn(usize) -> String| (0..count).map(part).collect::<String>();
    let sets = many(2000, &|at| format!("{{%set v{at}=1%}}"));
    // Of more names than have registers, each is searched for.
    let uses = format!("{{{{ [{}] | length }}}}", many(4000, &|at| format!("x{at},")));
    let names = many(4000, &|at| format!("{}v{}", if at > 0 { "," } else { "" }, at % 2000));
    let importing = format!("{sets}{{% from 'b.html' import {names} %}}");
    let including = format!("{sets}{{% include 'b.html' %}}");
    let setting = many(8000, &|at| format!("{{%set v{at}=1%}}"));
    let blocks = many(4000, &|at| format!("{{%block b{at}%}}{{%endblock%}}"));
    let exported = format!(
        "{{% import 'b.html' as b %}}{{{{ [{}] | length }}}}",
        "b.v1,".repeat(100)
    );
    let ok = [("b.html", sets.as_str())];
    assert_eq!(
        stopped(&[("a.html", &exported), ok[0]], Limits::default()).as_deref(),
        Ok("100")
    );
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("names in an expression", &[("a.html", &including), ("b.html", &uses)]),
        ("names of an import", &[("a.html", &importing), ("b.html", "")]),
        ("assignments", &[("a.html", &setting)]),
        ("blocks", &[("a.html", &blocks)]),
        (
            "long paths",
            &[(
                "a.html",
                "{% set ns = namespace() %}{% set ns.me = ns %}{{ ([ns] * 400) | map(attribute='me.' * 5000 ~ 'x') | list | length }}",
            )],
        ),
        (
            "prefixes",
            &[(
                "a.html",
                "{% set s = 'x' * 100000 %}{{ ([s] * 100) | select('startingwith', s) | list | length }}",
            )],
        ),
        (
            "comparisons of loop.changed",
            &[(
                "a.html",
                "{% set s = 'x' * 100000 %}{% set t = s ~ '' %}{% for i in range(100) %}{{ loop.changed(s if i % 2 else t) }}{% endfor %}",
            )],
        ),
        (
            "arguments of loop.cycle",
            &[(
                "a.html",
                "{% set l = range(1000) | list %}{% for i in range(200) %}{{ loop.cycle(*l) }}{% endfor %}",
            )],
        ),
        (
            "filters of long texts",
            &[(
                "a.html",
                "{% set s = 'x ' * 20000 %}{% for i in range(100) %}{{ s | upper | title | urlencode | striptags | length }}{% endfor %}",
            )],
        ),
        (
            "counting words",
            &[(
                "a.html",
                "{% set s = 'x ' * 20000 %}{% for i in range(100) %}{{ s | wordcount }}{% endfor %}",
            )],
        ),
        (
            "loops without a body",
            &[(
                "a.html",
                "{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}",
            )],
        ),
        (
            "continue",
            &[(
                "a.html",
                "{% for a in range(1000) %}{% for b in range(1000) %}{% continue %}{% endfor %}{% endfor %}",
            )],
        ),
        (
            "break",
            &[(
                "a.html",
                "{% for a in range(90000) %}{% for b in range(1000) %}{% with c = b %}{% break %}{% endwith %}{% endfor %}{% endfor %}",
            )],
        ),
    ];
    for (what, texts) in cases {
        let steps = RenderFault::Budget(Exceeded::Steps(limits.render_steps));
        assert_eq!(stopped(texts, limits.clone()), Err(steps), "{what}");
    }
}

/// Memory outside of the arena counts as well.
#[test]
fn memory_of_intermediate_results_counts() {
    let limits = Limits {
        context_bytes: 1_000_000,
        ..Limits::default()
    };
    let entries: String = (0..1000).map(|at| format!("{at}:1,")).collect();
    let merged = format!(
        "{{% set m = {{ {entries} }} %}}{{{{ m | chain({}) | length }}}}",
        "m,".repeat(100)
    );
    let spread = format!(
        "{{% set l = range(1000) | list %}}{{% for i in [1] %}}{{{{ loop.cycle({}) }}}}{{% endfor %}}",
        "*l,".repeat(100)
    );
    let stack = format!(
        "{{% macro m() %}}{{{{ [{}m()] | length }}}}{{% endmacro %}}{{{{ m() }}}}",
        "1,".repeat(1000)
    );
    let sets: String = (0..1000).map(|at| format!("{{%set v{at}=1%}}")).collect();
    let variables = format!("{{% macro m() %}}{sets}{{{{ m() }}}}{{% endmacro %}}{{{{ m() }}}}");
    for (what, text) in [
        ("merged maps", merged.as_str()),
        ("spread arguments", &spread),
        ("values of many levels", &stack),
        ("variables of many levels", &variables),
        ("a sorted list", "{{ ([3] * 20000) | sort | length }}"),
        (
            "a doubled text",
            "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        ),
        (
            "a mapped list",
            "{{ range(100000) | map('string') | map('upper') | list | length }}",
        ),
        ("batches", "{{ range(100000) | batch(3, 'x') | length }}"),
        ("groups", "{{ range(100000) | groupby('x', default=1) | length }}"),
        ("different items", "{{ range(30000) | unique | length }}"),
    ] {
        let memory = RenderFault::Budget(Exceeded::Memory(limits.context_bytes));
        assert_eq!(stopped(&[("a.html", text)], limits.clone()), Err(memory), "{what}");
    }
}

/// Values that nest deeply end every walk over them, also at the largest depth of calls.
#[test]
fn deep_values_end_every_walk() {
    let lists = "{% set a = namespace(x=1, y=1) %}{% for i in range(500) %}{% set a.x = [a.x] %}{% set a.y = [a.y] %}{% endfor %}";
    let maps = lists.replace("[a.x]", "{'k': a.x}").replace("[a.y]", "{'k': a.y}");
    let keys = lists.replace("[a.x]", "{a.x: 1}").replace("[a.y]", "{a.y: 1}");
    let tuples = lists.replace("[a.x]", "(a.x,)").replace("[a.y]", "(a.y,)");
    for made in [lists, &maps, &keys, &tuples] {
        for walk in [
            "a.x == a.y",
            "a.x != a.y",
            "a.x < a.y",
            "a.x in [a.y]",
            "{a.x: 1}[a.y]",
            "[a.x, a.y] | sort",
            "[a.x, a.y] | unique",
            "[a.x, a.y] | max",
            "[{'k': a.x}, {'k': a.y}] | groupby('k')",
            "a.x is eq(a.y)",
            "a.x | string",
            "a.x ~ ''",
            "a.x | pprint",
            "a.x | tojson",
            "[a.x] | join",
            "debug(a)",
            "a",
        ] {
            let plain = format!("{made}{{{{ {walk} }}}}");
            let called = format!(
                "{made}{{% macro m(n) %}}{{% if n %}}{{% for i in [1] if m(n - 1) %}}{{% endfor %}}{{% endif %}}{{{{ {walk} }}}}{{% endmacro %}}{{{{ m(120) }}}}"
            );
            for text in [plain, called] {
                let fault = on_a_small_stack(|| fault(&[("page.html", &text)], &json!({})));
                assert_eq!(
                    fault.map(|(fault, _)| fault),
                    Some(RenderFault::Operation),
                    "{walk} of {made}"
                );
            }
        }
    }
}
