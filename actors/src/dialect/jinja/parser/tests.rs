use proptest::prelude::*;

use super::*;
use crate::dialect::jinja::parser::shown;

fn parsed(text: &str) -> String {
    match parse(text, &Limits::default()) {
        Ok(template) => shown::body(&template.body),
        Err(faults) => panic!("{text:?} is refused:\n{}", faults[0]),
    }
}

fn faults(text: &str) -> Vec<Diagnostic> {
    match parse(text, &Limits::default()) {
        Ok(template) => panic!("{text:?} is accepted: {}", shown::body(&template.body)),
        Err(faults) => faults,
    }
}

#[test]
fn expressions_have_the_precedence_of_jinja() {
    for (expression, expected) in [
        ("a.b.c", "a.b.c"),
        ("a.0.1", "a[0][1]"),
        ("a['b'][c]", "a[\"b\"][c]"),
        ("a[1:2]", "a[1:2:]"),
        ("a[:-1]", "a[:(-1):]"),
        ("a[::2]", "a[::2]"),
        ("a[:]", "a[::]"),
        ("a[1::]", "a[1::]"),
        ("1 + 2 * 3 - 4", "(1 + (2 * 3) - 4)"),
        ("1 - 2 - 3", "(1 - 2 - 3)"),
        ("1 - (2 - 3)", "(1 - (2 - 3))"),
        ("(1 - 2) - 3", "((1 - 2) - 3)"),
        ("a ~ b + c ~ d", "((a ~ b) + (c ~ d))"),
        ("a * b ~ c", "((a * b) ~ c)"),
        ("2 ** 3 ** 4", "(2 ** 3 ** 4)"),
        ("2 ** -1", "(2 ** (-1))"),
        ("-2 ** 2", "((-2) ** 2)"),
        ("7 // 2 % 3", "(7 // 2 % 3)"),
        ("not a == b and c or d", "(((not (a == b)) and c) or d)"),
        ("a or b or c", "(a or b or c)"),
        ("(a or b) or c", "((a or b) or c)"),
        ("not not a", "(not (not a))"),
        ("a < b <= c", "(a < b <= c)"),
        ("(a < b) < c", "((a < b) < c)"),
        ("a in b not in c", "(a in b not in c)"),
        ("a + 1 == b | f", "((a + 1) == b|f)"),
        ("a | f | g(1, x=2)", "a|f|g(1,x=2)"),
        ("a|f.g.h", "a|f.g.h"),
        ("-a.b|abs", "(-a.b)|abs"),
        ("--a", "(-(-a))"),
        ("- a(1)", "(-a(1))"),
        ("a is defined", "(a is defined)"),
        ("a is not defined and b", "((a is not defined) and b)"),
        ("a is divisibleby 3", "(a is divisibleby(3))"),
        ("a is divisibleby(3) is true", "(a is divisibleby(3) is true)"),
        ("a is eq -3", "(a is eq((-3)))"),
        ("a is in [1, 2]", "(a is in([1,2]))"),
        ("not a is none", "(not (a is none))"),
        ("'x' if a is defined else 'y'", "(\"x\" if (a is defined) else \"y\")"),
        ("a if b", "(a if b else undefined)"),
        ("a if b else c if d else e", "(a if b else c if d else e)"),
        ("(a if b else c) if d else e", "((a if b else c) if d else e)"),
        ("[a if b else c, d]", "[(a if b else c),d]"),
        ("f(*a, **b)", "f(*a,**b)"),
        ("f(a, b=c, *d,)", "f(a,b=c,*d)"),
        ("f(a)(b).c", "f(a)(b).c"),
        ("{'a': 1, b: {'c': 2}}", "{\"a\":1,b:{\"c\":2}}"),
        ("{'a': {}}", "{\"a\":{}}"),
        ("[]", "[]"),
        ("[1,]", "[1]"),
        ("()", "tuple()"),
        ("(a)", "a"),
        ("(a,)", "tuple(a)"),
        ("(a, b)", "tuple(a,b)"),
        ("'a' \"b\"", "\"ab\""),
        ("'it\\'s' ~ \"\\\"\"", "(\"it's\" ~ \"\\\"\")"),
        ("'\\n\\t\\\\\\x41\\u00e9\\101\\q'", "\"\\n\\t\\\\AéA\\\\q\""),
        ("'\\ud83d\\ude00'", "\"😀\""),
        ("'}} %}'", "\"}} %}\""),
        ("1_000", "1000"),
        ("0xff", "255"),
        ("0b101 + 0o17", "(5 + 15)"),
        ("1.5", "1.5"),
        ("1.", "1.0"),
        ("1e3", "1000.0"),
        ("1.5e-3", "0.0015"),
        ("2.foo", "2.foo"),
        ("18446744073709551616", "18446744073709551616"),
        ("true", "true"),
        ("True and False or None", "((true and false) or none)"),
        ("größe.ä1", "größe.ä1"),
        ("for", "for"),
        ("a.if.else", "a.if.else"),
        ("loop.index", "loop.index"),
    ] {
        let text = format!("{{{{ {expression} }}}}");
        assert_eq!(parsed(&text), format!("<{expected}>"), "{expression}");
    }
}

#[test]
fn statements_are_parsed() {
    for (text, expected) in [
        ("", ""),
        ("a", "\"a\""),
        (
            "{% if a %}x{% elif b %}y{% elif c %}{% else %}z{% endif %}",
            "if[a : \"x\"][b : \"y\"][c : ][\"z\"]",
        ),
        (
            "{% for x in xs %}{{ x }}{% else %}-{% endfor %}",
            "for x in xs[<x>][\"-\"]",
        ),
        (
            "{% for k, (a, b) in m|items if k > 1 recursive %}{% endfor %}",
            "for (k,(a,b)) in m|items if (k > 1) recursive[][]",
        ),
        ("{% for x, in xs %}{% break %}{% endfor %}", "for (x) in xs[break;][]"),
        ("{% set a = 1 %}", "set a=1;"),
        ("{% set a, b = 1, 2 %}", "set (a,b)=tuple(1,2);"),
        ("{% set a = 1, %}", "set a=tuple(1);"),
        ("{% set ns.a.b = c %}", "set ns.a.b=c;"),
        ("{% set a %}x{% endset %}", "set a[\"x\"]"),
        ("{% set a | upper | f(1) %}x{% endset %}", "set a|upper|f(1)[\"x\"]"),
        ("{% with %}x{% endwith %}", "with [\"x\"]"),
        ("{% with a = 1, (b, c) = d %}x{% endwith %}", "with a=1,(b,c)=d[\"x\"]"),
        (
            "{% filter upper|replace('a', 'b') %}x{% endfilter %}",
            "filter|upper|replace(\"a\",\"b\")[\"x\"]",
        ),
        ("{% autoescape false %}x{% endautoescape %}", "autoescape false[\"x\"]"),
        (
            "{% extends 'a' %}{% block b %}x{% endblock b %}",
            "extends \"a\";block b[\"x\"]",
        ),
        (
            "{% block b scoped required %} {# c #}{% endblock %}",
            "block b required[\" \"]",
        ),
        ("{% include 'a' %}", "include \"a\";"),
        (
            "{% include ['a', b] ignore missing with context %}",
            "include [\"a\",b]?;",
        ),
        ("{% include 'a' without context ignore missing %}", "include \"a\"?;"),
        ("{% import 'a' as b with context %}", "import \"a\" as b;"),
        (
            "{% from 'a' import b, c as d, without context %}",
            "from \"a\" import b,c as d;",
        ),
        ("{% macro m(a, b=1) %}{{ a }}{% endmacro %}", "macro m(a,b=1)[<a>]"),
        ("{% call m(1) %}x{% endcall %}", "call() m(1)[\"x\"]"),
        ("{% call(a, b=2) x.m() %}x{% endcall %}", "call(a,b=2) x.m()[\"x\"]"),
        ("{% do f(1) %}", "do f(1);"),
        (
            "{% for x in xs %}{% with %}{% autoescape true %}{% if x %}{% continue %}{% endif %}{% endautoescape %}{% endwith %}{% endfor %}",
            "for x in xs[with [autoescape true[if[x : continue;][]]]][]",
        ),
        (
            "{% for x in a %}{% for y in b %}{% else %}{% break %}{% endfor %}{% endfor %}",
            "for x in a[for y in b[][break;]][]",
        ),
    ] {
        assert_eq!(parsed(text), expected, "{text}");
    }
}

#[test]
fn whitespace_is_controlled() {
    for (text, expected) in [
        ("a\n", "\"a\""),
        ("a\r\n", "\"a\""),
        ("a\n\n", "\"a\\n\""),
        ("a\r", "\"a\""),
        (" {{- b -}} c ", "<b>\"c \""),
        (" {{+ b +}} c", "\" \"<b>\" c\""),
        ("a \n{%- set b = 1 -%}\n c", "\"a\"set b=1;\"c\""),
        ("a {#- b -#} c", "\"a\"\"c\""),
        ("a {#b#} c", "\"a \"\" c\""),
        ("{#-#} a", "\" a\""),
        ("{{ a -}} {# b #} c", "<a>\" c\""),
        ("{{-3}}", "<3>"),
        ("{{ 3 -}} }}", "<3>\"}}\""),
        ("{% raw %} {{ a }} {% endraw %}", "\" {{ a }} \""),
        ("a {%- raw -%} {{ {% x %} {%- endraw -%} b", "\"a\"\"{{ {% x %}\"\"b\""),
        ("{% raw %}{% endraw %}", ""),
        ("{% raw %} {%+ endraw %} ", "\" \"\" \""),
        ("{ a } {x} }} %} #}", "\"{ a } {x} }} %} #}\""),
        ("{{{'a': 1}}}", "<{\"a\":1}>"),
        ("\u{a0}{{- a -}}\u{2003}b", "<a>\"b\""),
    ] {
        assert_eq!(parsed(text), expected, "{text:?}");
    }
}

/// Each case names the code of the only fault, and the text that it marks.
#[test]
fn faults_are_marked_once() {
    for (text, code, marked) in [
        ("{{ a", "unclosed-tag", "{{"),
        ("{{ a } b", "unclosed-tag", "{{"),
        ("{{ a } {{ b }}", "unclosed-tag", "{{"),
        ("{% if a }} b {% endif %}", "unclosed-tag", "{%"),
        ("{{ a %}", "unclosed-tag", "{{"),
        ("{% set a = 1", "unclosed-tag", "{%"),
        ("{# a", "unclosed-comment", "{#"),
        ("{% raw %} a", "unclosed-block", "{% raw %}"),
        ("{{ }}", "unexpected-token", "}}"),
        ("{{ a b }}", "unexpected-token", "b"),
        ("{{ a + }}", "unexpected-token", "}}"),
        ("{{ (a }}", "unexpected-token", "}}"),
        ("{{ a) }}", "unexpected-token", ")"),
        ("{{ [a, b }}", "unexpected-token", "}}"),
        ("{{ a[] }}", "unexpected-token", "]"),
        ("{{ a.'b' }}", "unexpected-token", "'b'"),
        ("{{ a == not b }}", "unexpected-token", "not"),
        ("{{ a if b if c }}", "unexpected-token", "if"),
        ("{{ a not b }}", "unexpected-token", "b"),
        ("{{ f(a=1, b) }}", "argument-order", "b"),
        ("{{ 'a }}", "unclosed-string", "'a }}"),
        ("{{ '\\x4' }}", "bad-escape", "\\x"),
        ("{{ '\\ud800' }}", "bad-escape", "\\u"),
        ("{{ 1_ }}", "bad-number", "1_"),
        ("{{ 1e }}", "bad-number", "1e"),
        (
            "{{ 340282366920938463463374607431768211456 }}",
            "bad-number",
            "340282366920938463463374607431768211456",
        ),
        ("{{ § }}", "unexpected-character", "§"),
        ("{{ endif }}", "statement-in-braces", "endif"),
        ("{% %}", "unexpected-token", "%}"),
        ("{% 1 %}", "unexpected-token", "1"),
        ("{% fro a in b %}", "unknown-statement", "fro"),
        ("{% foo %}{% endfoo %}", "unknown-statement", "foo"),
        ("{% if %}{% endif %}", "unexpected-token", "%}"),
        ("{% if a %}", "unclosed-block", "if a"),
        ("{% set a %}", "unclosed-block", "set a"),
        ("{% endif %}", "unmatched-end", "endif"),
        ("{% if a %}{% endfor %}{% endif %}", "unmatched-end", "endfor"),
        ("{% for a in b %}{% if a %}{% endfor %}", "unmatched-end", "endfor"),
        ("{% else %}", "unmatched-else", "else"),
        ("{% with %}{% elif a %}{% endwith %}", "unmatched-else", "elif"),
        ("{% if a %}{% else %}{% else %}{% endif %}", "second-else", "else"),
        ("{% if a %}{% else %}{% elif b %}{% endif %}", "second-else", "elif"),
        (
            "{% if a %}{% else if b %}{% else %}{% endif %}",
            "unknown-statement",
            "else if",
        ),
        ("{% for a b %}{% else %}{% endfor %}", "unexpected-token", "b"),
        ("{% for loop in b %}{% endfor %}", "reserved-name", "loop"),
        ("{% set true = 1 %}", "reserved-name", "true"),
        ("{% set a = %}", "unexpected-token", "%}"),
        ("{% block a %}{% endblock b %}", "unmatched-end", "b"),
        (
            "{% block a %}{% endblock %}{% block a %}{% endblock a %}",
            "duplicate-block",
            "a",
        ),
        ("{% block a required %}x{% endblock %}", "required-block", "x"),
        (
            "{% macro m() %}{% block a %}{% endblock %}{% endmacro %}",
            "block-in-macro",
            "block a",
        ),
        (
            "{% call m() %}{% block a %}{% endblock %}{% endcall %}",
            "block-in-macro",
            "block a",
        ),
        ("{% extends 'a' %}{% extends 'b' %}", "second-extends", "extends 'b'"),
        ("{% macro m(a=1, b) %}{% endmacro %}", "parameter-order", "b"),
        ("{% macro m(a, a) %}{% endmacro %}", "duplicate-parameter", "a"),
        ("{% macro %}{% endmacro %}", "unexpected-token", "%}"),
        ("{% call m %}{% endcall %}", "not-a-call", "m"),
        ("{% call m()|f %}{% endcall %}", "not-a-call", "m()|f"),
        ("{% do a %}", "not-a-call", "a"),
        ("{% from 'a' import _b %}", "private-name", "_b"),
        ("{% include 'a' ignore %}", "unexpected-token", "%}"),
        ("{% import 'a' %}", "unexpected-token", "%}"),
        ("{% break %}", "no-loop-to-leave", "break"),
        (
            "{% for a in b %}{% else %}{% continue %}{% endfor %}",
            "no-loop-to-leave",
            "continue",
        ),
        (
            "{% for a in b %}{% filter f %}{% break %}{% endfilter %}{% endfor %}",
            "no-loop-to-leave",
            "break",
        ),
        (
            "{% for a in b %}{% set c %}{% break %}{% endset %}{% endfor %}",
            "no-loop-to-leave",
            "break",
        ),
        (
            "{% for a in b %}{% block c %}{% break %}{% endblock %}{% endfor %}",
            "no-loop-to-leave",
            "break",
        ),
        (
            "{% for a in b %}{% macro c() %}{% break %}{% endmacro %}{% endfor %}",
            "no-loop-to-leave",
            "break",
        ),
        (
            "{% for a in b %}{% call c() %}{% continue %}{% endcall %}{% endfor %}",
            "no-loop-to-leave",
            "continue",
        ),
    ] {
        let faults = faults(text);
        let [fault] = &faults[..] else {
            panic!("{text}: {} faults:\n{}", faults.len(), faults[1]);
        };
        assert_eq!(fault.code, code, "{text}:\n{fault}");
        assert!(fault.help.is_some() || code.starts_with("unexpected"), "{fault}");
        let (excerpt, start) = fault.excerpt().expect("an excerpt");
        let length = fault.span.expect("a span").length as usize;
        let shown: String = excerpt.chars().skip(start).take(length).collect();
        assert_eq!(shown, marked, "{text}:\n{fault}");
    }
}

#[test]
fn parsing_goes_on_behind_a_fault() {
    let text = "{% if a b %}{{ c d }}{% endif %}\n{{ e }}{% fro %}{{ f";
    let codes: Vec<_> = faults(text).iter().map(|fault| fault.code).collect();
    assert_eq!(
        codes,
        [
            "unexpected-token",
            "unexpected-token",
            "unknown-statement",
            "unclosed-tag"
        ]
    );
}

#[test]
fn limits_hold_at_their_bound() {
    let limits = Limits {
        source_bytes: 10,
        source_tags: 2,
        source_nesting: 3,
        source_diagnostics: 2,
        ..Limits::default()
    };
    let code = |text: &str| parse(text, &limits).err().map(|faults| faults[0].code);
    assert_eq!(code("0123456789"), None);
    assert_eq!(code("0123456789a"), Some("too-large"));
    let limits = Limits {
        source_bytes: 1000,
        ..limits
    };
    let code = |text: &str| parse(text, &limits).err().map(|faults| faults[0].code);
    assert_eq!(code("{{ a }}{# b #}"), None);
    assert_eq!(code("{{ a }}{# b #}{{ c }}"), Some("too-many-tags"));
    assert_eq!(code("{{ (a) }}"), Some("too-deep"), "three levels in each parenthesis");
    assert_eq!(code("{% if a %}{% endif %}"), None);
    let many = parse(&"{{ a b }}".repeat(2), &limits).expect_err("two faults");
    assert_eq!(many.len(), 2);
    let limits = Limits {
        source_tags: 100,
        ..limits
    };
    let many = parse(&"{{ a b }}".repeat(20), &limits).expect_err("two faults");
    assert_eq!(many.len(), 2);
}

#[test]
fn nesting_is_bounded() {
    let blocks = |count: usize| "{% if a %}".repeat(count) + &"{% endif %}".repeat(count);
    assert!(parse(&blocks(NESTING_MAX - 1), &Limits::default()).is_ok());
    assert_eq!(faults(&blocks(NESTING_MAX + 1))[0].code, "too-deep");
    let parentheses = |count: usize| format!("{{{{ {}a{} }}}}", "(".repeat(count), ")".repeat(count));
    assert!(parse(&parentheses(NESTING_MAX / 3 - 1), &Limits::default()).is_ok());
    assert_eq!(faults(&parentheses(NESTING_MAX))[0].code, "too-deep");
}

/// A mebibyte of anything that nests or repeats neither overflows a small stack nor takes long.
#[test]
fn adversarial_texts_need_little_stack() {
    let repeated = [
        "(",
        "-",
        "- ",
        "not ",
        "[",
        "{",
        "{a:",
        "f(",
        "a[",
        "a.",
        "a|f",
        "|f",
        "a+",
        "a and ",
        "a or ",
        "a==",
        "a~",
        "a**",
        "a if ",
        "a if b else ",
        "a is b ",
        "a is not b ",
        "'",
        "\"a\"",
        "a,",
        "a(b,",
        "1.",
        "0x",
        "\\",
        "}",
        ")",
        "a or b and not c == d + e ~ f * g ** (",
        "(a if b else ",
        "*",
        "x=",
        ":",
        "\u{e4}",
    ];
    let tags = [
        "{% if a %}",
        "{% for a in b %}",
        "{% endif %}",
        "{% else %}",
        "{% elif a %}",
        "{% block a %}",
        "{% macro a() %}",
        "{% call a() %}",
        "{% set a %}",
        "{% with a=1 %}",
        "{% filter f %}",
        "{% raw %}",
        "{% endraw %}",
        "{{",
        "{%",
        "{#",
        "{{ a }}",
        "{{ a",
        "{% a",
        "{{-",
        "{#-",
        "-}}",
        "{% foo %}",
        "{% if (",
        "{",
        "{{{",
        "{% set (",
        "{% for (",
    ];
    const BYTES: usize = 1 << 20;
    let fill = |piece: &str| piece.repeat(BYTES / piece.len());
    let mut texts: Vec<String> = tags.iter().map(|tag| fill(tag)).collect();
    texts.extend(repeated.iter().map(|piece| {
        let inner = fill(piece);
        format!("{{{{ {} }}}}", &inner[..inner.floor_char_boundary(inner.len() - 16)])
    }));
    texts.push(format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(80_000)));
    texts.push(format!("{{% set {}a", "(".repeat(BYTES)));
    let check = move || {
        for text in texts {
            let limits = Limits {
                source_bytes: 2 * BYTES,
                source_tags: usize::MAX,
                ..Limits::default()
            };
            drop(parse(&text, &limits));
        }
    };
    let thread = std::thread::Builder::new().stack_size(256 * 1024).spawn(check);
    thread.expect("a thread").join().expect("no fault");
}

#[test]
fn long_chains_are_accepted() {
    for (piece, last) in [
        ("a + ", "a"),
        ("a and ", "a"),
        ("a ~ ", "a"),
        ("a < ", "a"),
        ("a.", "a"),
        ("a|f|f|", "f"),
        ("a if b else ", "c"),
        ("'a' ", "'b'"),
        ("a is b is ", "c"),
    ] {
        let text = format!("{{{{ {}{last} }}}}", piece.repeat(20_000));
        if let Err(faults) = parse(&text, &Limits::default()) {
            panic!("{piece}: {}", faults[0]);
        }
    }
}

/// Pieces of which random texts consist.
fn piece() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "#}",
        "-}}",
        "{{-",
        "-%}",
        "{%-",
        "{%+",
        " ",
        "\n",
        "a",
        "b.c",
        "1",
        "1.5",
        "'x'",
        "\"",
        "\\",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "|",
        ".",
        "+",
        "-",
        "*",
        "**",
        "/",
        "//",
        "%",
        "~",
        "=",
        "==",
        "!=",
        "<",
        "not ",
        "and ",
        "or ",
        "in ",
        "is ",
        "if ",
        "else ",
        "elif ",
        "endif ",
        "for ",
        "endfor ",
        "set ",
        "endset ",
        "with ",
        "endwith ",
        "block ",
        "endblock ",
        "macro ",
        "endmacro ",
        "call ",
        "endcall ",
        "filter ",
        "endfilter ",
        "raw ",
        "endraw ",
        "include ",
        "import ",
        "from ",
        "as ",
        "extends ",
        "break ",
        "continue ",
        "do ",
        "autoescape ",
        "recursive ",
        "ignore missing ",
        "ä",
        "\u{301}",
        "?",
        "&&",
        "$",
        "@",
        "\0",
    ];
    prop_oneof![
        20 => proptest::sample::select(PIECES).prop_map(str::to_owned),
        1 => ".{0,3}",
    ]
}

proptest! {
    /// Any text is accepted or refused with positions, and nothing that the tree says lies outside of the text.
    #[test]
    fn any_text_is_parsed_or_refused(pieces in proptest::collection::vec(piece(), 0..60)) {
        let text = pieces.concat();
        match parse(&text, &Limits::default()) {
            Ok(template) => {
                for statement in &template.body {
                    prop_assert!(text.get(statement.at.range()).is_some());
                }
                shown::body(&template.body);
            }
            Err(faults) => {
                prop_assert!(!faults.is_empty());
                prop_assert!(faults.iter().all(|fault| fault.span.is_some()), "{}", faults[0]);
                prop_assert!(faults.len() <= Limits::default().source_diagnostics);
            }
        }
    }
}

/// An expression, as people write them.
fn expression() -> impl Strategy<Value = String> {
    let leaf = proptest::sample::select(
        &[
            "a",
            "b.c",
            "d.0.e",
            "1",
            "2.5",
            "1_0",
            "'s'",
            "\"t\" 'u'",
            "true",
            "none",
            "[]",
            "()",
            "{}",
            "loop.index",
            "x1",
            "1e3",
        ][..],
    )
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        let operator = proptest::sample::select(
            &[
                " + ", " - ", "*", " / ", "//", "%", "**", " ~ ", " == ", "!=", " < ", ">=", " in ", " not in ", " and ", " or ",
            ][..],
        );
        let prefix = proptest::sample::select(&["not ", "-", "- "][..]);
        let suffix = proptest::sample::select(
            &[
                "|upper", "|default('x')", "|join(', ')|safe", ".f", "[0]", "['k']", "[1:]", "[::2]", "[:-1]", "()", "(1, k=2)",
                " is defined", " is not none", " is divisibleby 3", " is eq('x')", " is in [1]",
            ][..],
        );
        prop_oneof![
            4 => (inner.clone(), operator, inner.clone()).prop_map(|(one, operator, other)| format!("{one}{operator}{other}")),
            1 => (prefix, inner.clone()).prop_map(|(prefix, value)| format!("{prefix}{value}")),
            3 => (inner.clone(), suffix).prop_map(|(value, suffix)| format!("{value}{suffix}")),
            1 => (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(one, test, other)| format!("{one} if {test} else {other}")),
            1 => inner.clone().prop_map(|value| format!("({value})")),
            1 => (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("[{one}, {other}]")),
            1 => (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("{{{one}: {other}}}")),
            1 => (inner.clone(), inner).prop_map(|(one, other)| format!("f({one}, *x, k={other})")),
        ]
    })
}

/// A text with one tag of each kind at most, around expressions.
fn template() -> impl Strategy<Value = String> {
    let forms = proptest::sample::select(
        &[
            "{{ E }}",
            "{{- E -}}",
            "{% if E %}x{% elif F %}y{% else %}z{% endif %}",
            "{% for k in E %}{{ k }}{% else %}{% endfor %}",
            "{% for k, (v, w) in E if F recursive %}{% break %}{% endfor %}",
            "{% set v = E %}",
            "{% set v, w = E, F %}",
            "{% set ns.v = E %}",
            "{% set v | upper %}{{ E }}{% endset %}",
            "{% with v = E, (w, x) = F %}{{ v }}{% endwith %}",
            "{% filter upper | replace(E, F) %}x{% endfilter %}",
            "{% autoescape E %}x{% endautoescape %}",
            "{% block v scoped %}{{ E }}{% endblock v %}",
            "{% extends E %}",
            "{% include E ignore missing with context %}",
            "{% import E as v %}",
            "{% from E import v, w as x with context %}",
            "{% macro m(v, w=E) %}{{ F }}{% endmacro %}",
            "{% call(v) f(E) %}x{% endcall %}",
            "{% do f(E) %}",
            "{% raw %}{{ E }}{% endraw %}",
            "{# E #}",
            "{{ E|f.g(F) }}",
        ][..],
    );
    (forms, expression(), expression()).prop_map(|(form, one, other)| form.replace('E', &one).replace('F', &other))
}

/// Returns true if minijinja accepts a text. It panics on some, such as `{% import 'a' as -b %}`.
fn is_accepted_by_the_crate(text: &str) -> bool {
    let compile = || minijinja::Environment::new().template_from_str(text).is_ok();
    std::panic::catch_unwind(compile).unwrap_or(false)
}

/// Returns true for faults that the dialect has and the crate has not: names that are keywords, and what fails or goes wrong there only when
/// it is rendered.
fn is_stricter(fault: &Diagnostic) -> bool {
    let is_keyword = ["`not`", "`if`", "`in`", "`is`", "`and`", "`or`", "`else`"]
        .iter()
        .any(|word| fault.message.ends_with(word));
    matches!(
        fault.code,
        "no-loop-to-leave" | "second-extends" | "duplicate-parameter" | "statement-in-braces" | "range-operator"
    ) || fault.code == "unexpected-token" && (is_keyword || fault.message.starts_with("`not` binds"))
}

/// Returns true for texts in which a keyword or a plus follows a test without arguments. The crate reads it as an argument.
fn is_kinder(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut after_tests = words
        .iter()
        .enumerate()
        .filter(|(_, word)| **word == "is")
        .map(|(at, _)| {
            let is_negated = words.get(at + 1) == Some(&"not");
            let test = at + 1 + usize::from(is_negated);
            (words.get(test), words.get(test + 1))
        });
    after_tests.any(|(test, next)| {
        test.is_some_and(|test| test.ends_with('+')) || next.is_some_and(|next| ["if", "in", "not", "+"].contains(next))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// The crate is the judge of what is accepted: whole texts, and texts that miss one character or have one too many.
    #[test]
    fn the_crate_accepts_the_same_texts(text in template(), at in any::<prop::sample::Index>(), edit in 0..4_u8) {
        let mut edited = text;
        let position = edited.floor_char_boundary(at.index(edited.len()));
        match edit {
            0 => drop(edited.remove(position)),
            1 => edited.insert(position, [' ', '(', ')', ',', '|', '.', '-', '%', '}', '1', 'a', '\''][position % 12]),
            _ => {}
        }
        let accepted = is_accepted_by_the_crate(&edited);
        match parse(&edited, &Limits::default()) {
            Ok(template) => prop_assert!(accepted || is_kinder(&edited), "{edited} is refused by the crate: {}", shown::body(&template.body)),
            Err(faults) => {
                // Two braces inside a tag count as another tag once there is a fault.
                let is_unclosed = faults[0].code == "unclosed-tag" && edited[2..].contains("{{");
                prop_assert!(!accepted || is_stricter(&faults[0]) || is_unclosed, "{edited} is accepted by the crate:\n{}", faults[0]);
            },
        }
    }
}
