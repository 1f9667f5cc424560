//! Forms of other languages, and what their authors are told. Those that only a value can refuse are found when they are rendered.

use hotplate_actors::dialect::Missing;
use serde_json::json;

use super::judge::ours;

#[test]
fn forms_of_other_languages_are_explained() {
    let context = json!({
        "text": "a b", "names": ["x", "y"], "name": "Ada", "price": 1.5, "map": { "long": 1 }, "a": true, "b": false, "c": { "d": 1 },
    });
    let mut wrong = Vec::new();
    for (text, expected) in [
        // Keyword arguments of tera and Jinja2
        ("{{ text|split(pat=' ') }}", "write `split(' ')`"),
        ("{{ names|join(sep=', ') }}", "write `join(', ')`"),
        ("{{ nick|default(value='you') }}", "write `default('you')`"),
        (
            "{{ nick|default(value='you', boolean=true) }}",
            "write `default('you', boolean=true)`",
        ),
        ("{{ name|replace(from='a', to=c.d) }}", "write `replace('a', c.d)`"),
        ("{{ name|replace(to='b', from='a') }}", "write `replace('a', 'b')`"),
        ("{{ name|replace('a', to='b') }}", "write `replace('a', 'b')`"),
        ("{{ names|slice(start=1, end=2) }}", "write `list[start:end]`"),
        ("{{ names|batch(size=2, fill_with='-') }}", "write `batch(2, '-')`"),
        ("{{ name|truncate(len=3) }}", "write `truncate(length=3)`"),
        ("{{ names|sort(attr='x') }}", "write `sort(attribute='x')`"),
        (
            "{{ price|round(digits=1, method='floor') }}",
            "write `round(precision=1, method='floor')`",
        ),
        ("{{ map|tojson(pretty=true) }}", "write `tojson(indent=true)`"),
        // Misspelt ones
        ("{{ name|truncate(lenght=3) }}", "did you mean `length`?"),
        ("{{ price|round(methd='ceil') }}", "did you mean `method`?"),
        ("{{ nick|default(defualt_value='x') }}", "did you mean `default_value`?"),
        ("{{ name|replace(to='b') }}", "`replace` needs 2 arguments"),
        ("{{ nick|default(valeu='x') }}", "write `default('x')`"),
        ("{{ names|join(separater='x') }}", "write `join('x')`"),
        // Filters
        ("{{ name|escape_xml(1) }}", "write `|escape`"),
        ("{{ price|fmt('{:.2}') }}", "write `'%.2f' | format(value)`"),
        ("{{ price|fmt('{} EUR') }}", "write `'%s EUR' | format(value)`"),
        ("{{ price|fmt(':>') }}", "write `'%…' | format(value)`"),
        ("{{ name|date(format='%Y') }}", "write `|dateformat`"),
        // Methods
        ("{{ names.len() }}", "write `| length`"),
        ("{% for x in names.iter() %}{% endfor %}", "take it out"),
        ("{% if not names.is_empty() %}{% endif %}", "write `not value`"),
        ("{{ name.to_uppercase() }}", "write `| upper`"),
        ("{{ name.to_lowercase() }}", "write `| lower`"),
        ("{{ name.trim() }}", "write `| trim`"),
        ("{{ name.clone() }}", "take it out"),
        ("{{ name.contains('A') }}", "write `item in value`"),
        ("{{ name.starts_with('A') }}", "write `is startingwith(…)`"),
        ("{{ name.unwrap_or('x') }}", "write `| default('…', true)`"),
        // Operators
        ("{{ '%s!' % name }}", "write `'…' | format(value)`"),
        ("{{ '%s %d' % (name, 1) }}", "write `'…' | format(value)`"),
        ("{% if a && b %}{% endif %}", "write `{% if a and b %}`"),
        ("{% if a %}{% elif a || b %}{% endif %}", "write `{% elif a or b %}`"),
        ("{% if !a %}{% endif %}", "write `{% if not a %}`"),
        (
            "{% if !a && (b || c) %}{% endif %}",
            "write `{% if not a and (b or c) %}`",
        ),
        ("{% set x = !a %}", "write `{% set x = not a %}`"),
        // Loops
        ("{% for k, v in map %}{% endfor %}", "write `in map | items`"),
        ("{% for x in names %}{% enfor %}", "did you mean `endfor`?"),
    ] {
        match ours(&[("page.html", text)], &context, Missing::Error) {
            Ok(printed) => wrong.push(format!("{text} prints {printed:?}")),
            Err(error) if !error.contains(expected) => wrong.push(format!("{text}: {expected} is not in\n{error}")),
            Err(error) if error.matches("error[").count() > 1 && !text.contains("replace(to='b')") => {
                wrong.push(format!("{text} has several faults:\n{error}"));
            }
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_block_is_called_from_where_another_template_renders_it() {
    let block = "{% block main %}{{ missing }}{% endblock %}";
    let child = format!("{{% extends 'base.html' %}}{block}");
    let render = |texts: &[(&str, &str)]| ours(texts, &json!({}), Missing::Error).expect_err("undefined");
    let own = render(&[("page.html", block)]);
    assert!(own.contains("page.html:1:20") && !own.contains("called from"), "{own}");
    let extended = render(&[("page.html", &child), ("base.html", "\n{% block main %}{% endblock %}")]);
    assert!(
        extended.contains("page.html:1:45") && extended.contains("called from base.html:2"),
        "{extended}"
    );
}
