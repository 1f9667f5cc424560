//! Filters, tests, functions and globals of the program that embeds the engine.

use hotplate_actors::dialect::jinja::{FunctionCall, Markup};
use hotplate_actors::dialect::{FormatterError, RenderFault};
use hotplate_actors::{Builder, Freshness, Hotplate, Limits, MemoryLoader, RenderFailure, StartError, Value};
use serde_json::json;

/// Returns an engine with one page and what the tests use.
fn engine(page: &str, limits: Limits) -> Builder {
    Hotplate::builder()
        .loader(MemoryLoader::of([("page.html", page)]).expect("a template"))
        .jinja()
        .limits(limits)
        .jinja_filter("price(amount, currency='EUR', digits=2)", |call| {
            let (amount, digits): (f64, usize) = (call.get("amount")?, call.get("digits")?);
            Ok(format!("{amount:.digits$} {}", call.get::<&str>("currency")?))
        })
        .jinja_filter("upper", |call| Ok(format!("<{}>", call.get::<&str>("value")?)))
        .jinja_filter("show(value, *more, **named)", shown)
        .jinja_filter("lines_of(text)", |call| {
            Ok(Markup(call.markup("text")?.replace('\n', "<br>")))
        })
        .jinja_filter("needs(value, other)", |call| {
            Ok(call.get::<i64>("value")? + call.get::<i64>("other")?)
        })
        .jinja_filter("panics", |_| -> Result<(), _> { panic!("on purpose") })
        .jinja_filter("wrong", |call| call.get::<bool>("mistyped"))
        .jinja_filter("large(count)", |call| Ok("x".repeat(call.get("count")?)))
        .jinja_filter("larger(count)", |call| Ok(Markup("x".repeat(call.get("count")?))))
        .jinja_filter("deep(count)", |call| {
            let mut value = json!(1);
            (0..call.get::<usize>("count")?).for_each(|_| value = json!([value.take()]));
            Ok(value)
        })
        .jinja_filter("one", |_| Ok(1))
        .jinja_test("overdue(age, days=30)", |call| {
            Ok(call.get::<u64>("age")? > call.get("days")?)
        })
        .jinja_function("url_for(route, **query)", |call| {
            let Value::Object(query) = call.get("query")? else {
                return Ok(String::new());
            };
            let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
            Ok(format!("/{}?{}", call.get::<&str>("route")?, query.join(",")))
        })
        .jinja_function("rows(count=2)", |call| {
            Ok((0..call.get::<u64>("count")?)
                .map(|n| json!({ "n": n }))
                .collect::<Vec<_>>())
        })
        .jinja_function("range", |_| Ok("mine"))
        .jinja_global("site", &json!({ "name": "A & B", "tags": ["x", "y"] }))
}

fn shown(call: &FunctionCall<'_>) -> Result<String, FormatterError> {
    let (value, more, named): (Value<'_>, Vec<Value<'_>>, Value<'_>) =
        (call.get("value")?, call.get("more")?, call.get("named")?);
    let named = match named {
        Value::Object(named) => named
            .iter()
            .map(|(name, value)| format!("{name}={}", value.kind()))
            .collect(),
        _ => Vec::new(),
    };
    let more: Vec<&str> = more.iter().map(Value::kind).collect();
    Ok(format!("{}|{}|{}", value.kind(), more.join(","), named.join(",")))
}

#[test]
fn they_work_with_arguments_by_position_by_name_and_by_default() {
    let context =
        json!({ "n": 3, "map": { "currency": "CHF" }, "args": ["USD", 0], "text": "a < b\nc", "late": [10, 40] });
    for (page, expected) in [
        ("{{ 1.5|price }}", "1.50 EUR"),
        (
            "{{ 1.5|price('USD') }} {{ n|price(digits=0) }} {{ 2|price(digits=1, currency='X') }}",
            "1.50 USD 3 EUR 2.0 X",
        ),
        (
            "{{ 1|price(*args) }} {{ 1|price(**map) }} {{ 1|price(missing) }}",
            "1 USD 1.00 CHF 1.00 EUR",
        ),
        ("{{ [1, 2]|map('price', 'X')|join(', ') }}", "1.00 X, 2.00 X"),
        (
            "{% filter upper %}a{% endfilter %} {{ 'b'|upper }}",
            "&lt;a&gt; &lt;b&gt;",
        ),
        (
            "{{ [1]|show(none, true, 'x', a=1.5, b={'c': 1}) }}",
            "an array|null,a boolean,a string|a=a number,b=an object",
        ),
        ("{{ text|lines_of }} {{ '<i>'|safe|lines_of }}", "a &lt; b<br>c <i>"),
        (
            "{% autoescape false %}{{ text|lines_of }}{% endautoescape %}",
            "a < b<br>c",
        ),
        ("{{ 1|needs(2) }} {{ 1|needs(other=3) }}", "3 4"),
        (
            "{{ 40 is overdue }} {{ 40 is overdue(days=50) }} {{ 40 is not overdue 50 }}",
            "True False True",
        ),
        (
            "{{ late|select('overdue')|join }} {{ 'overdue' is test }} {{ 'price' is filter }}",
            "40 True True",
        ),
        ("{{ url_for('a', b=1)|safe }}", "/a?b=Unsigned(1)"),
        (
            "{% for row in rows() %}{{ row.n }}{% endfor %}{{ rows(count=3)|length }}{{ rows(1)[0].n }}",
            "0130",
        ),
        ("{{ range() }} {% set range = 5 %}{{ range }}", "mine 5"),
        (
            "{{ site.name }} {{ site.tags|last }} {{ site is mapping }} {% set site = 1 %}{{ site }}",
            "A &amp; B y True 1",
        ),
        (
            "{% macro m() %}{{ site.tags[0] }}{{ rows()|length }}{% endmacro %}{{ m() }}",
            "x2",
        ),
    ] {
        let hotplate = engine(page, Limits::default()).start().expect("it starts");
        let rendered = hotplate.render("page.html", &context);
        assert_eq!(
            rendered.map(|page| page.body).map_err(|error| error.to_string()),
            Ok(expected.to_owned()),
            "{page}"
        );
    }
}

/// Returns why the page cannot be rendered.
fn failure(hotplate: &Hotplate) -> String {
    match hotplate.render("page.html", &json!({})) {
        Ok(page) => match page.freshness {
            Freshness::Fallback { why } => why.diagnostics.iter().map(ToString::to_string).collect(),
            _ => page.body,
        },
        Err(error) => error.to_string(),
    }
}

#[test]
fn data_takes_precedence_over_functions_and_globals() {
    let hotplate = engine("{{ site }}{{ rows }}", Limits::default())
        .start()
        .expect("it starts");
    let page = hotplate.render("page.html", &json!({ "site": 1, "rows": 2 }));
    assert_eq!(page.expect("a page").body, "12");
}

#[test]
fn wrong_calls_are_refused_with_the_name_and_what_is_meant() {
    for (page, code, part) in [
        ("{{ 1|pricee }}", "unknown-filter", "did you mean `price`?"),
        ("{{ 1|pricee('x') }}", "unknown-filter", "did you mean `price`?"),
        ("{{ [1]|map('pricee') }}", "unknown-filter", "did you mean `price`?"),
        ("{{ 1 is overdu }}", "unknown-test", "did you mean `overdue`?"),
        ("{{ 1|price(curency='x') }}", "arguments", "did you mean `currency`?"),
        ("{{ 1|price('a', 1, 2) }}", "arguments", "takes 2 arguments at most"),
        ("{{ 1|needs }}", "arguments", "`needs` needs its argument `other`"),
        ("{{ 1 is overdue(1, 2) }}", "arguments", "takes one argument"),
        // Found when it is rendered.
        ("{{ url_fo('a') }}", "unknown-function", "did you mean `url_for`?"),
        ("{{ url_for() }}", "arguments", "`url_for` needs its argument `route`"),
        ("{{ rows(cont=1) }}", "arguments", "did you mean `count`?"),
        ("{{ rows(1, count=2) }}", "arguments", "twice"),
        ("{{ rows(1, 2) }}", "arguments", "takes one argument"),
        ("{{ missing|upper }}", "undefined", "`missing` is undefined"),
        (
            "{{ rows(missing) }}{{ 1|needs(missing) }}",
            "undefined",
            "`missing` is undefined",
        ),
        (
            "{{ 'x'|price }}",
            "function-failed",
            "the filter `price` failed: `amount` has to be a number, not a string",
        ),
        (
            "{{ 'x' is overdue }}",
            "function-failed",
            "the test `overdue` failed: `age` has to be an integer that is not negative",
        ),
        (
            "{{ 1|price(digits=-1) }}",
            "function-failed",
            "`digits` has to be an integer that is not negative",
        ),
        (
            "{{ 1|wrong }}",
            "function-failed",
            "it asks for `mistyped`, which is not one of its parameters",
        ),
        (
            "{{ 1|panics }}",
            "function-failed",
            "the filter `panics` failed: it panicked: on purpose",
        ),
        (
            "{{ range|upper }}",
            "invalid-operation",
            "a function of the program does not take a function",
        ),
    ] {
        let hotplate = engine(page, Limits::default()).start().expect("it starts");
        let error = failure(&hotplate);
        assert!(error.contains(code) && error.contains(part), "{page}\n{error}");
    }
}

#[test]
fn results_and_time_are_bounded() {
    let limits = Limits {
        context_bytes: 10_000,
        context_depth: 10,
        ..Limits::default()
    };
    for (page, part) in [
        ("{{ 11000|large|length }}", "`context_bytes`"),
        ("{{ 11000|larger|length }}", "`context_bytes`"),
        (
            "{% for i in [1, 2, 3, 4] %}{{ 3000|large|length }}{% endfor %}",
            "`context_bytes`",
        ),
        ("{{ 20|deep|length }}", "nests deeper than 10 levels"),
    ] {
        let hotplate = engine(page, limits.clone()).start().expect("it starts");
        let error = failure(&hotplate);
        assert!(error.contains(part), "{page}\n{error}");
    }
    let ok = engine("{{ 9000|large|length }}{{ 9|deep|length }}", limits)
        .start()
        .expect("it starts");
    assert_eq!(
        ok.render("page.html", &json!({})).expect("within the limits").body,
        "90001"
    );
}

/// A function may have blocked, so the clock is looked at after each call, however few steps the page takes.
#[test]
fn a_call_ends_with_a_look_at_the_clock() {
    let limits = Limits {
        render_ms: 0,
        ..Limits::default()
    };
    let plain = engine("{{ 1 }}", limits.clone()).start().expect("it starts");
    assert_eq!(failure(&plain), "1");
    let calls = engine("{{ 1|one }}", limits).start().expect("it starts");
    assert!(failure(&calls).contains("`render_ms`"), "{}", failure(&calls));
}

#[test]
fn failures_are_those_of_a_formatter_with_a_place() {
    let hotplate = engine("\n{{ 1|panics }}", Limits::default())
        .start()
        .expect("it starts");
    let Err(RenderFailure::Failed(error)) = hotplate.render("page.html", &json!({})) else {
        panic!("it fails")
    };
    assert_eq!(error.fault, RenderFault::Formatter);
    let span = error.diagnostic.span.expect("a place");
    assert_eq!((span.line, span.column), (2, 4));
}

#[test]
fn names_are_checked_at_the_start() {
    let start = |builder: Builder| {
        builder
            .loader(MemoryLoader::of([("page.html", "")]).expect("a template"))
            .start()
    };
    let nothing = |_: &FunctionCall<'_>| Ok(());
    for (builder, part) in [
        (Hotplate::builder().jinja_filter("a b", nothing), "`a b`"),
        (Hotplate::builder().jinja_filter("a()", nothing), "the first parameter"),
        (
            Hotplate::builder().jinja_test("if", |_| Ok(true)),
            "a meaning of its own",
        ),
        (Hotplate::builder().jinja_function("loop", nothing), "`loop`"),
        (
            Hotplate::builder().jinja_function("a(b=c)", nothing),
            "defaults that are written out",
        ),
        (
            Hotplate::builder().jinja_global("a(b)", &1),
            "a global has no parameters",
        ),
        (Hotplate::builder().jinja_global("self", &1), "a meaning of its own"),
        (
            Hotplate::builder().jinja_function("a", nothing).jinja_global("a", &1),
            "a function of that name",
        ),
        (
            Hotplate::builder().jinja_global("a", &1).jinja_function("a", nothing),
            "a global of that name",
        ),
        (
            Hotplate::builder().jinja_global("a", &"x".repeat(100)).limits(Limits {
                context_bytes: 99,
                ..Limits::default()
            }),
            "`context_bytes`",
        ),
    ] {
        match start(builder) {
            Err(error @ StartError::Extension { .. }) => assert!(error.to_string().contains(part), "{error}"),
            other => panic!("{part}: {other:?}"),
        }
    }
    let replaced = Hotplate::builder()
        .jinja_global("a", &1)
        .jinja_global("a", &2)
        .jinja_filter("b", nothing)
        .jinja_filter("b", nothing);
    assert!(start(replaced).is_ok());
}

#[test]
fn stubs_take_any_arguments_and_real_filters_precede_them() {
    let builder = engine(
        "{{ 5|tax('x', y=1) }}{{ 6|tax }}{{ [7]|map('tax', 1)|join }}{{ 1|needs(1) }}",
        Limits::default(),
    );
    let hotplate = builder
        .formatter_stubs(["tax", "needs", "upper", "a-b"])
        .start()
        .expect("it starts");
    assert_eq!(failure(&hotplate), "5672");
}
