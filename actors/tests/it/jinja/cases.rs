//! Fixed templates with what they print, in the words of the judge.

use hotplate_actors::dialect::Missing;
use serde_json::json;

use super::judge::{Texts, ours, theirs};

/// Checks that both print the same for each text as the entry `page.html`.
pub(crate) fn check_all(context: &serde_json::Value, partials: Texts<'_>, texts: &[(&str, &str)]) {
    check_entry("page.html", context, partials, texts);
}

/// Checks that both print the same for each text as an entry of this name.
fn check_entry(name: &str, context: &serde_json::Value, partials: Texts<'_>, texts: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (text, expected) in texts {
        let mut set = vec![(name, *text)];
        set.extend_from_slice(partials);
        let (ours, theirs) = (
            ours(&set, context, Missing::Error),
            theirs(&set, context, Missing::Error),
        );
        if theirs.as_deref() != Ok(*expected) {
            wrong.push(format!("{text}\n  expected {expected:?}\n  judge    {theirs:?}"));
        }
        if ours.as_deref() != Ok(*expected) {
            wrong.push(format!("{text}\n  expected {expected:?}\n  ours     {ours:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn expressions_print_like_the_judge() {
    let context = json!({
        "a": { "b": { "c": 1 }, "list": [1, 2, 3], "zero": 0 },
        "name": "A & B", "n": 3, "f": 2.5, "yes": true, "no": false, "nothing": null,
        "big": 18_446_744_073_709_551_615_u64, "items": [{"x": "b", "n": 2}, {"x": "a", "n": 1}, {"x": "B", "n": 3}],
        "map": { "z": 1, "y": [true, null] }, "long": "the quick brown fox jumps", "s": "Σίσυφος",
    });
    check_all(
        &context,
        &[],
        &[
            ("", ""),
            ("text\n", "text"),
            (
                "{{ name }}|{{ n }}|{{ f }}|{{ yes }}|{{ nothing }}|{{ big }}",
                "A &amp; B|3|2.5|True|None|18446744073709551615",
            ),
            (
                "{{ a.b.c }}{{ a['b']['c'] }}{{ a.list[0] }}{{ a.list.1 }}{{ a.list[-1] }}",
                "11123",
            ),
            (
                "{{ 1 + 2 * 3 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % -3 }} {{ 2 ** 10 }} {{ 7 / 2 }} {{ 1 / 4 }}",
                "7 3 -4 -2 1024 3.5 0.25",
            ),
            ("{{ 'a' ~ 1 ~ none ~ [1, 'b'] }}", "a1None[1, &#39;b&#39;]"),
            (
                "{{ [1, 'a', none, true, 1.0, (1,), {'k': 'v'}] }}",
                "[1, &#39;a&#39;, None, True, 1.0, (1,), {&#39;k&#39;: &#39;v&#39;}]",
            ),
            (
                "{{ 1 < 2 < 3 }} {{ 3 > 2 > 2 }} {{ 1 == 1.0 }} {{ 'a' in 'cat' }} {{ 4 not in [1, 2] }}",
                "True False True True True",
            ),
            (
                "{{ 'x' if yes else 'y' }}{{ 'x' if no }}{{ 'p' if no else 'q' if no else 'r' }}",
                "xr",
            ),
            (
                "{{ yes and n }} {{ no or 'd' }} {{ not yes }} {{ nothing or 0 or '' or 'z' }}",
                "3 d False z",
            ),
            (
                "{{ a.list[1:] }}{{ a.list[::-1] }}{{ name[:3] }}{{ name[-1] }}",
                "[2, 3][3, 2, 1]A &amp;B",
            ),
            (
                "{{ x is defined }} {{ n is odd }} {{ n is divisibleby(3) }} {{ name is startingwith('A') }} {{ n is in [1, 3] }}",
                "False True True True True",
            ),
            (
                "{{ missing | default('d') }} {{ '' | default('e', true) }} {{ name | default('f') }}",
                "d e A &amp; B",
            ),
            (
                "{{ name | upper }} {{ name | lower }} {{ 'hello world-wide (web)' | title }} {{ 'heLLo' | capitalize }}",
                "A &amp; B a &amp; b Hello World-Wide (Web) Hello",
            ),
            ("{{ name | length }} {{ a.list | length }} {{ map | length }}", "5 3 2"),
            (
                "{{ name | replace('A', '<') }} {{ name | safe }} {{ '<' | escape }} {{ '<' | e | e }}",
                "&lt; &amp; B A & B &lt; &lt;",
            ),
            (
                "{{ a.list | join(', ') }} {{ items | map(attribute='x') | join }} {{ ['<', '>'] | join('<br>' | safe) }}",
                "1, 2, 3 baB &lt;<br>&gt;",
            ),
            (
                "{{ items | sort(attribute='x') | map(attribute='n') | list }} {{ [3, 1, 2] | sort(reverse=true) }}",
                "[1, 2, 3] [3, 2, 1]",
            ),
            (
                "{{ items | selectattr('n', 'gt', 1) | map(attribute='x') | list }} {{ [1, 2, 3] | reject('odd') | list }}",
                "[&#39;b&#39;, &#39;B&#39;] [2]",
            ),
            (
                "{% for group in items | groupby('x') %}{{ group.grouper }}={{ group.list | length }},{% endfor %}",
                "a=1,b=2,",
            ),
            (
                "{{ map | dictsort }} {{ map | items | list }} {{ map | tojson }}",
                "[(&#39;y&#39;, [True, None]), (&#39;z&#39;, 1)] [(&#39;y&#39;, [True, None]), (&#39;z&#39;, 1)] {\"y\": [true, null], \"z\": 1}",
            ),
            (
                "{{ '<a>' | tojson }} {{ [1, {'a': 2}] | tojson(indent=2) }}",
                "\"\\u003ca\\u003e\" [\n  1,\n  {\n    \"a\": 2\n  }\n]",
            ),
            (
                "{{ 2.5 | round }} {{ 3.5 | round }} {{ 1.255 | round(2) }} {{ 42.7 | round(method='floor') }} {{ -3 | abs }} {{ '12' | int + 1 }} {{ '1.5' | float }}",
                "2.0 4.0 1.25 42.0 3 13 1.5",
            ),
            (
                "{{ [1, 2, 3, 4, 5] | batch(2) | list }} {{ [1, 2, 3, 4, 5] | slice(2) | list }} {{ [1, 1, 2] | unique | list }} {{ [1, 2] | sum }} {{ [2, 1] | min }} {{ 'b' | first }}",
                "[[1, 2], [3, 4], [5]] [[1, 2, 3], [4, 5]] [1, 2] 3 1 b",
            ),
            (
                "{{ 'a b' | urlencode }} {{ {'q': 'a&b'} | urlencode }} {{ '  x ' | trim }}| {{ 'a-b' | split('-') }} {{ 'x\ny' | lines }}",
                "a%20b q=a%26b x| [&#39;a&#39;, &#39;b&#39;] [&#39;x&#39;, &#39;y&#39;]",
            ),
            (
                "{{ 'a\nb' | indent(2) }} {{ '%05.1f|%-4s|%x' | format(3.14159, 'ab', 255) }} {{ range(3) | list }} {{ range(1, 10, 3) | list }}",
                "a\n  b 003.1|ab  |ff [0, 1, 2] [1, 4, 7]",
            ),
            (
                "{{ dict(a=1, b='x') }} {{ {'a': 1, 'a': 2} }} {{ [1, 2] + [3] }} {{ [0] * 3 }} {{ 'ab' * 2 }}",
                "{&#39;a&#39;: 1, &#39;b&#39;: &#39;x&#39;} {&#39;a&#39;: 2} [1, 2, 3] [0, 0, 0] abab",
            ),
            (
                "{{ 1e3 }} {{ 1e16 }} {{ 0.1 + 0.2 }} {{ 1.0 }} {{ 10 ** 20 }} {{ 1e400 }} {{ [1e16, 1e-7] }}",
                "1000.0 10000000000000000.0 0.30000000000000004 1.0 100000000000000000000 inf [1e16, 1e-7]",
            ),
            (
                "{{ long | truncate(length=12) }} {{ 1 | pluralize }}{{ 2 | pluralize }} {{ '<b>x</b> y' | striptags }} {{ 1500 | filesizeformat }}",
                "the... s x y 1.5 kB",
            ),
            (
                "{{ [1, 2, 3] | map('string') | list }} {{ ['a', 'b'] | map('upper') | join }} {{ [[1, 2], [3]] | map('length') | list }}",
                "[&#39;1&#39;, &#39;2&#39;, &#39;3&#39;] AB [2, 1]",
            ),
            (
                "{{ [1, 2] | zip(['a', 'b']) | list }} {{ {'a': 1} | chain({'b': 2}) }} {{ [1] | chain([2]) | list }}",
                "[(1, &#39;a&#39;), (2, &#39;b&#39;)] {&#39;a&#39;: 1, &#39;b&#39;: 2} [1, 2]",
            ),
            (
                "{{ s | lower }} {{ s | upper }} {{ 'ΟΔΥΣΣΕΥΣ' | capitalize }} {{ 'ß' | capitalize }}",
                "σίσυφος ΣΊΣΥΦΟΣ Οδυσσευς Ss",
            ),
            (
                "{{ true + 1 }} {{ true == 1 }} {{ 'a' < 'b' }} {{ [1] < [1, 0] }} {{ none < 1 }} {{ (1, 2) == [1, 2] }}",
                "2 True True True True False",
            ),
            (
                "{{ [1, [2, {'a': [1, 2]}], (3,), {}] | pprint }}",
                "[\n    1,\n    [\n        2,\n        {\n            &#39;a&#39;: [\n                1,\n                2,\n            ],\n        },\n    ],\n    (3,),\n    {},\n]",
            ),
        ],
    );
}

#[test]
fn statements_print_like_the_judge() {
    let context = json!({
        "items": ["a", "b", "c"], "empty": [], "word": "hi", "map": { "k": "v", "l": "w" },
        "tree": [{ "n": 1, "sub": [{ "n": 2, "sub": [{ "n": 3, "sub": [] }] }] }, { "n": 4, "sub": [] }],
        "pairs": [[1, 2], [3, 4]], "title": "T", "rows": [{ "cells": [1, 2] }, { "cells": [3] }],
    });
    check_all(
        &context,
        &[],
        &[
            (
                "{% if items %}y{% else %}n{% endif %}{% if empty %}y{% elif word == 'hi' %}e{% else %}n{% endif %}",
                "ye",
            ),
            (
                "{% for item in items %}{{ loop.index }}/{{ loop.length }}{{ item }}{% if not loop.last %},{% endif %}{% endfor %}",
                "1/3a,2/3b,3/3c",
            ),
            (
                "{% for item in empty %}x{% else %}none{% endfor %}{% for c in word %}{{ c }}{{ loop.last }}{% endfor %}",
                "nonehFalseiFalse",
            ),
            (
                "{% for k in map %}{{ k }}{% endfor %}{% for k, v in map | items %}{{ k }}={{ v }};{% endfor %}",
                "klk=v;l=w;",
            ),
            (
                "{% for a, b in pairs %}{{ a }}-{{ b }} {% endfor %}{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
                "1-2 3-4 123",
            ),
            (
                "{% for item in items if item != 'b' %}{{ loop.index }}{{ item }}{% endfor %}",
                "1a2c",
            ),
            (
                "{% for item in items %}{% if loop.first %}{% continue %}{% endif %}{{ item }}{% break %}{% endfor %}",
                "b",
            ),
            ("{% for item in items %}{% break %}{% else %}else{% endfor %}", "else"),
            (
                "{% for item in items %}{{ loop.cycle('x', 'y') }}{{ loop.changed(item) }}{{ loop.previtem | default('-') }}{{ loop.nextitem | default('+') }} {% endfor %}",
                "xTrue-b yTrueac xTrueb+ ",
            ),
            (
                "{% for n in tree recursive %}{{ n.n }}{{ loop.depth }}[{{ loop(n.sub) }}]{% endfor %}",
                "11[22[33[]]]41[]",
            ),
            (
                "{% for n in tree recursive %}{{ n.n }}{% set inner = loop(n.sub) %}({{ inner }}){% endfor %}",
                "1(2(3()))4()",
            ),
            (
                "{% set x = 1 %}{% for i in items %}{% set x = i %}{% endfor %}{{ x }}",
                "1",
            ),
            (
                "{% set ns = namespace(n=0) %}{% for i in items %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }} {{ ns }}",
                "3 {&#39;n&#39;: 3}",
            ),
            (
                "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set t = 1, 2 %}{{ t }}",
                "12(1, 2)",
            ),
            (
                "{% set block %}<{{ word }}>{% endset %}{{ block }}{% set up | upper %}x{% endset %}{{ up }}",
                "<hi>X",
            ),
            (
                "{% with a = 1, b = a + 1 %}{{ a }}{{ b }}{% set c = 3 %}{{ c }}{% endwith %}{{ c is defined }}",
                "123False",
            ),
            (
                "{% filter upper | replace('A', 'B') %}a{{ word }}{% endfilter %}",
                "BHI",
            ),
            (
                "{% autoescape false %}{{ '<' }}{% endautoescape %}{{ '<' }}{% autoescape 'none' %}{{ '<' }}{% endautoescape %}",
                "<&lt;<",
            ),
            (
                "{% raw %}{{ x }}{% endraw %}{# comment #}|{%- if true %} y {%- endif %}",
                "{{ x }}| y",
            ),
            (
                "{% macro m(a, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(b=4, a=5) }} {{ m('<') }}",
                "12 13 54 &lt;2",
            ),
            (
                "{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}x{{ word }}{% endcall %}",
                "[xhi]",
            ),
            (
                "{% macro m(xs) %}{% for x in xs %}{{ caller(x) }}{% endfor %}{% endmacro %}{% call(x) m([1, 2]) %}<{{ x }}>{% endcall %}",
                "<1><2>",
            ),
            (
                "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
                "3210",
            ),
            (
                "{% set y = 5 %}{% macro m(x) %}{{ x }}{{ y }}{% endmacro %}{% set y = 6 %}{{ m(1) }}{{ m }}{{ m.name }}{{ m.arguments }}",
                "16&lt;macro m&gt;m[&#39;x&#39;]",
            ),
            (
                "{% for i in [1, 2] %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}",
                "12",
            ),
            (
                "{% do namespace() %}{% set f = '<b>' %}{{ f }}{% set x = 'a' ~ '<' ~ ('b' | safe) %}{{ x }}",
                "&lt;b&gt;a&lt;b",
            ),
            (
                "{% for row in rows %}{% for cell in row.cells %}{{ loop.index0 }}{{ cell }} {% endfor %}{{ loop.index }};{% endfor %}",
                "01 12 1;03 2;",
            ),
            (
                "{% for i in range(3) %}{% for j in range(2) %}{% if j == 1 %}{% break %}{% endif %}{{ i }}{{ j }} {% endfor %}{% endfor %}",
                "00 10 20 ",
            ),
        ],
    );
}

#[test]
fn several_templates_print_like_the_judge() {
    let context = json!({ "title": "A & B", "items": [1, 2], "user": { "name": "ü" } });
    let partials: Texts<'_> = &[
        (
            "base.html",
            "<{% block title %}base{% endblock %}>{% block body %}{% block inner %}in{% endblock %}{% endblock %}|{{ self.title() }}",
        ),
        (
            "mid.html",
            "{% extends 'base.html' %}{% block title %}mid {{ super() }}{% endblock %}",
        ),
        ("item.html", "[{{ item | default('none') }}{{ title }}]"),
        ("item.txt", "({{ title }})"),
        (
            "sets.html",
            "{% set leaked = 'L' %}{% macro hello(n) %}Hello {{ n }}!{% endmacro %}{% set _private = 1 %}text",
        ),
        ("loop.html", "{% block cell %}{{ item }}{% endblock %}"),
        (
            "lists.html",
            "{% for item in items %}{% block row scoped %}{{ item }}{{ loop.index }}{% endblock %}{% endfor %}",
        ),
    ];
    check_all(
        &context,
        partials,
        &[
            (
                "{% extends 'base.html' %}{% block title %}{{ title }}{% endblock %}ignored",
                "<A &amp; B>in|A &amp; B",
            ),
            (
                "{% extends 'mid.html' %}{% block title %}top {{ super() }}{% endblock %}{% block inner %}x{{ super() }}{% endblock %}",
                "<top mid base>xin|top mid base",
            ),
            (
                "{% extends 'mid.html' %}{% set x = 1 %}{% block body %}{{ x }}{{ title }}{% endblock %}",
                "<mid base>1A &amp; B|mid base",
            ),
            (
                "{% for item in items %}{% include 'item.html' %}{% endfor %}",
                "[1A &amp; B][2A &amp; B]",
            ),
            (
                "{% include 'item.txt' %}{% include ['nope.html', 'item.html'] %}{% include 'nope.html' ignore missing %}",
                "(A & B)[noneA &amp; B]",
            ),
            ("{% include 'sets.html' %}{{ leaked }}{{ hello('x') }}", "textLHello x!"),
            (
                "{% import 'sets.html' as s %}{{ s.hello('<') }}{{ s.leaked }}{{ s._private is defined }}{{ leaked is defined }}",
                "Hello &lt;!LFalseFalse",
            ),
            (
                "{% from 'sets.html' import hello, leaked as l %}{{ hello(1) }}{{ l }}",
                "Hello 1!L",
            ),
            (
                "{% extends 'lists.html' %}{% block row %}<{{ item }}>{% endblock %}",
                "<1><2>",
            ),
            (
                "{% include 'mid.html' %}{% extends 'base.html' %}{% block title %}t{% endblock %}",
                "<mid base>in|mid base<t>in|t",
            ),
            (
                "{% macro wrap() %}({{ caller() }}){% endmacro %}{% call wrap() %}{% include 'item.txt' %}{% endcall %}",
                "((A & B))",
            ),
            ("{% include 'base.html' if title else 'mid.html' %}", "<base>in|base"),
            (
                "{% if true %}{% extends 'base.html' %}{% endif %}{% block inner %}i{% endblock %}",
                "<base>i|base",
            ),
        ],
    );
}

/// Texts on which the judge panics or loses output or escaping.
#[test]
fn what_the_judge_gets_wrong_is_right() {
    let context = json!({ "items": [1, 2, 3] });
    for (text, expected) in [
        (
            "{% for x in items %}{% with y = x %}{% if y == 2 %}{% continue %}{% endif %}{{ y }}{% endwith %}{% endfor %}",
            "13",
        ),
        (
            "{% for x in items %}{% with y = x %}{% if y == 2 %}{% break %}{% endif %}{{ y }}{% endwith %}{% endfor %}",
            "1",
        ),
        (
            "{% for x in items %}{% autoescape false %}{% break %}{% endautoescape %}{% endfor %}{{ '<' }}",
            "&lt;",
        ),
        (
            "{% for x in [] %}{% else %}{% for y in items %}{% break %}{% endfor %}e{% endfor %}",
            "e",
        ),
        ("{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}", "11"),
        ("{{ '' | default('x', boolean=true) }}", "x"),
        (
            "{% set a = 'b' %}{{ debug() | replace('\n', '') }}",
            "{    &#39;items&#39;: [        1,        2,        3,    ],    &#39;a&#39;: &#39;b&#39;,}",
        ),
    ] {
        assert_eq!(
            ours(&[("page.html", text)], &context, Missing::Error).as_deref(),
            Ok(expected),
            "{text}"
        );
    }
}

#[test]
fn pages_in_json_print_like_the_judge() {
    let context = json!({
        "name": "A & \"B\" </x>\u{1}\n", "n": 3, "f": 2.5, "big": 18_446_744_073_709_551_615_u64, "yes": true, "nothing": null,
        "list": [1, "a'b", [], {}], "map": { "a": 1, "b": [true, null] }, "empty": "",
    });
    let partials = [
        ("part.html", "<{{ name[:3] }}>"),
        ("part.txt", "{{ name[:3] }}"),
        ("part.json", "{{ name[:3] }}"),
    ];
    let texts = [
        ("{{ name }}", "\"A & \\\"B\\\" </x>\\u0001\\n\""),
        (
            "{{ n }} {{ f }} {{ big }} {{ yes }} {{ nothing }} {{ -1 }} {{ 1e300 }} {{ 2 ** 70 }} {{ empty }}",
            "3 2.5 18446744073709551615 true null -1 1e+300 1180591620717411303424 \"\"",
        ),
        ("{{ list }}{{ map }}", "[1,\"a'b\",[],{}]{\"a\":1,\"b\":[true,null]}"),
        (
            "{{ (1, 'x') }}{{ {1: 2, 'k': 'y', 1.5: none} }}",
            "[1,\"x\"]{\"1\":2,\"k\":\"y\",\"1.5\":null}",
        ),
        ("{% for item in list %}{{ item }};{% endfor %}", "1;\"a'b\";[];{};"),
        (
            "{% for item in list %}{{ loop.index }}{{ loop.first }},{% endfor %}",
            "1true,2false,3false,4false,",
        ),
        (
            "{{ name | safe }}|{{ 'x' | tojson }}|{{ ['<'] | tojson }}",
            "A & \"B\" </x>\u{1}\n|\"x\"|[\"\\u003c\"]",
        ),
        (
            "{{ '<' | e }}{{ 'a' ~ ('b' | safe) }}{{ [1, 'c' | safe] | join('-') }}",
            "\"<\"\"a\"b1\"-\"c",
        ),
        (
            "{{ ('x' | safe) | replace('x', 'y') }}{{ 'a' + ('b' | safe) }}",
            "\"y\"\"a\"b",
        ),
        (
            "{{ n ~ name[:1] ~ ('x' ~ f) }};{{ 1 ~ 2 }}{% if 1 ~ '' %}{{ 'a' ~ 1 }}{% endif %}",
            "\"3Ax2.5\";\"12\"\"a1\"",
        ),
        ("{% set x %}{{ n }}{{ 'q' }}{% endset %}{{ x }}", "3\"q\""),
        ("{% macro m(v) %}{{ v }}{% endmacro %}{{ m('w') }}", "\"w\""),
        (
            "{% autoescape false %}{{ 'x' }}{{ 'y' | e }}{% endautoescape %}{{ 'z' }}",
            "x\"y\"\"z\"",
        ),
        ("{% autoescape true %}{{ 'x' }}{% endautoescape %}", "\"x\""),
        ("{{ 'x' if no is defined }}", "null"),
        (
            "{% include 'part.html' %}{% include 'part.txt' %}{% include 'part.json' %}",
            "<A &amp;>A &\"A &\"",
        ),
    ];
    for name in [
        "page.json",
        "page.json.j2",
        "page.js.jinja",
        "page.yaml",
        "page.yml",
        "page.json5",
    ] {
        check_entry(name, &context, &partials, &texts);
    }
    check_all(
        &context,
        &[],
        &[(
            "{% autoescape 'json' %}{{ name[:3] }}{{ list }}{% endautoescape %}{{ n }}",
            "\"A &\"[1,\"a'b\",[],{}]3",
        )],
    );
}
