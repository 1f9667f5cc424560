//! The forms of other template languages, and what to write here instead.
//!
//! tera, Django, Twig, Liquid, Go, Handlebars, Mustache and tinytemplate are what people know who come here, besides Jinja2 itself. Nothing is
//! accepted for it: a tag that was refused is looked at again, so that its author reads the line that works in place of a rule.

mod arguments;
mod expression;
mod names;

use super::fault::Fault;
use super::lexer::STATEMENTS;

pub(super) use arguments::foreign_arguments;
use expression::expression;
pub(super) use names::{filter_help, fmt_help, function_help, is_method_of_rust, method_help, test_help};

/// The statements of the language, for a word that is similar to none.
pub(super) const STATEMENTS_HELP: &str = "statements are `if`, `for`, `set`, `with`, `block`, `extends`, `include`, `import`, `from`, `macro`, \
     `call`, `filter`, `autoescape`, `raw`, `do`, `break` and `continue`";

/// The longest tag that is looked at again.
const TAG_BYTES_MAX: usize = 200;

/// Returns the fault of a tag, with better advice if the tag is one of another language.
#[cold]
pub(super) fn explained(fault: Fault, inner: &str, is_output: bool) -> Fault {
    let is_syntax = matches!(
        fault.code(),
        "unexpected-token"
            | "unexpected-character"
            | "unknown-statement"
            | "bad-number"
            | "range-operator"
            | "statement-in-braces"
            | "reserved-name"
            | "not-a-call"
    );
    if !is_syntax || inner.len() > TAG_BYTES_MAX {
        return fault;
    }
    let meant = match is_output {
        true => output(inner),
        false => statement(inner),
    };
    match meant {
        Some(help) => fault.help(help),
        None => fault,
    }
}

/// Returns what to write instead of `{{ inner }}`.
fn output(inner: &str) -> Option<String> {
    let mut characters = inner.chars();
    let first = characters.next()?;
    let rest = characters.as_str().trim();
    match first {
        '#' | '^' => return Some(opened_section(rest, first == '^')),
        '/' => return Some(closed_section(rest)),
        '>' => return Some(include(rest)),
        '!' if rest.starts_with("--") || !rest.contains(['&', '|', '=']) && rest.contains(' ') => {
            return Some("write comments as `{# … #}`".into());
        }
        '{' | '&' if is_path(rest.trim_end_matches('}').trim()) => {
            let value = rest.trim_end_matches('}').trim();
            return Some(format!(
                "write `{{{{ {value}|safe }}}}` for markup of your own, which is not escaped"
            ));
        }
        '@' => return Some(loop_variable(rest)),
        '.' | '$' => {
            let value = go_expression(inner);
            return Some(format!(
                "names have no `{first}` before them: write `{{{{ {value} }}}}`"
            ));
        }
        _ => {}
    }
    let (word, rest) = split_word(inner);
    match word {
        "if" | "elif" | "for" | "set" | "include" | "extends" | "block" | "import" | "from" | "macro" | "filter"
        | "else" | "with" | "call" | "range" | "template" | "define" | "end" | "each" | "unless" => {
            let meant = block_in_braces(word, rest);
            Some(format!("statements stand between `{{%` and `%}}`: {meant}"))
        }
        _ => expression(inner).map(|meant| meant.help(None)),
    }
}

/// Returns the statement that somebody meant who wrote its word between `{{` and `}}`: tinytemplate, Go.
fn block_in_braces(word: &str, rest: &str) -> String {
    match word {
        "range" => for_loop(&go_expression(rest.rsplit_once(":=").map_or(rest, |(_, list)| list))),
        "each" => for_loop(rest),
        "if" | "elif" => format!("`{{% {word} {} %}}`", go_expression(rest)),
        "unless" => format!("`{{% if not {rest} %}}`"),
        "else" if rest.starts_with("if ") => format!("`{{% elif {} %}}`", go_expression(&rest[3..])),
        "end" => "`{% endif %}` or `{% endfor %}`".into(),
        "template" => format!(
            "`{{% include {} %}}`",
            rest.split_whitespace().next().unwrap_or("'name.html'")
        ),
        "define" => "`{% block name %} … {% endblock %}`".into(),
        "call" => call(rest),
        "with" => match rest.split_once(" as ") {
            Some((value, name)) => format!("`{{% with {} = {} %}}`", name.trim(), value.trim()),
            None => format!("`{{% with item = {} %}}`", go_expression(rest)),
        },
        _ => format!("`{{% {word}{}{rest} %}}`", if rest.is_empty() { "" } else { " " }),
    }
}

/// Returns the `include` that is meant by `call name with value` of tinytemplate.
fn call(rest: &str) -> String {
    let (name, value) = rest.split_once(" with ").unwrap_or((rest, "@root"));
    let name = name.trim().trim_matches(['"', '\'']);
    match value.trim() {
        "@root" | "" => format!("`{{% include '{name}' %}}`"),
        value => format!(
            "`{{% with item = {value} %}}{{% include '{name}' %}}{{% endwith %}}`, and `item.` before the names in it"
        ),
    }
}

/// Returns what to write instead of `{% inner %}`.
fn statement(inner: &str) -> Option<String> {
    let (word, rest) = split_word(inner);
    let help = match word {
        "elseif" | "elsif" => format!("write `{{% elif {rest} %}}`"),
        "else" if rest.starts_with("if ") => format!("write `{{% elif {} %}}`", rest[3..].trim()),
        "empty" | "forelse" => "write `{% else %}`: a `for` has one for an empty list".into(),
        "unless" => format!("write `{{% if not ({rest}) %}}`"),
        "endunless" | "endifequal" | "endifchanged" => "write `{% endif %}`".into(),
        "ifequal" | "ifnotequal" => {
            let sign = if word == "ifequal" { "==" } else { "!=" };
            let (one, other) = rest.split_once(' ').unwrap_or((rest, "…"));
            format!("write `{{% if {one} {sign} {} %}}`", other.trim())
        }
        "ifchanged" => "write `{% if loop.changed(value) %}`".into(),
        "switch" | "match" | "case" | "when" => {
            "write `{% if value == … %} … {% elif value == … %} … {% endif %}`".into()
        }
        "foreach" | "each" => match rest.split_once(" as ") {
            Some((list, name)) => format!("write `{{% for {} in {} %}}`", plain(name), plain(list)),
            None => format!("write {}", for_loop(rest)),
        },
        "endforeach" | "endeach" => "write `{% endfor %}`".into(),
        "while" => "write `{% for … in range(…) %}`, with `{% break %}` where it ends".into(),
        "set_global" => {
            let name = rest.split(['=', ' ']).next().unwrap_or("name");
            format!(
                "an assignment that outlives a loop needs a namespace: `{{% set ns = namespace({name}=…) %}}` before the loop, and `{{% set \
                 ns.{name} = … %}}` in it"
            )
        }
        "assign" | "let" | "var" | "const" => format!("write `{{% set {} %}}`", rest.trim_end_matches(';')),
        "capture" => format!("write `{{% set {} %}} … {{% endset %}}`", plain(rest)),
        "endcapture" => "write `{% endset %}`".into(),
        "increment" | "decrement" => {
            let sign = if word == "increment" { '+' } else { '-' };
            format!("write `{{% set {rest} = {rest} {sign} 1 %}}`")
        }
        "load" | "use" | "tags" => "take it out: all filters and functions are there without it".into(),
        "url" | "url_for" | "static" | "asset" | "path" => {
            "write the address itself, or put addresses into the data, such as `{{ urls.home }}`".into()
        }
        "csrf_token" | "csrf" => "put the token into the data: `{{ csrf_token }}`".into(),
        "comment" => "write `{# … #}`, which may have several lines".into(),
        "endcomment" => "write `#}`".into(),
        "verbatim" | "literal" => "write `{% raw %} … {% endraw %}`".into(),
        "endverbatim" | "endliteral" => "write `{% endraw %}`".into(),
        "cycle" => format!("write `{{{{ loop.cycle({rest}) }}}}`"),
        "now" => "write `{{ now()|datetimeformat }}`, with `format='%Y-%m-%d'` for a format of its own".into(),
        "trans" | "translate" | "blocktrans" | "blocktranslate" | "gettext" => {
            "put the texts of a language into the data, such as `{{ t.title }}`".into()
        }
        "spaceless" => "remove blanks by `{%-` and `-%}`".into(),
        "apply" => format!("write `{{% filter {rest} %}} … {{% endfilter %}}`"),
        "endapply" => "write `{% endfilter %}`".into(),
        "firstof" => format!(
            "write `{{{{ {} }}}}`",
            rest.split_whitespace().collect::<Vec<_>>().join(" or ")
        ),
        "regroup" => "write `{% for group in list|groupby('attribute') %}`".into(),
        "widthratio" => "write the calculation: `{{ (value / most * 100)|round }}`".into(),
        "debug" | "dump" => "write `{{ debug() }}`".into(),
        "embed" | "component" | "section" | "slot" | "push" | "yield" | "stack" | "layout" => {
            "write `{% extends 'base.html' %}` and `{% block name %} … {% endblock %}`, or a macro with `{% call %}`"
                .into()
        }
        "render" | "partial" | "insert" | "include_once" | "includes" => format!("write {}", include_statement(rest)),
        "parent" | "parentblock" | "super" => "write `{{ super() }}`".into(),
        "print" | "echo" | "out" => format!("write `{{{{ {rest} }}}}`"),
        "return" | "function" | "fn" | "def" => "write `{% macro name(arguments) %} … {% endmacro %}`".into(),
        "endfunction" => "write `{% endmacro %}`".into(),
        "templatetag" => "write `{{ '{{' }}`, or `{% raw %} … {% endraw %}`".into(),
        "end" => "say what ends: `{% endif %}`, `{% endfor %}`, `{% endblock %}`".into(),
        "with" => return with(rest).or_else(|| in_statement(word, rest)),
        "include" => return include_with(rest).or_else(|| in_statement(word, rest)),
        "for" => return for_statement(rest).or_else(|| in_statement(word, rest)),
        "import" if !rest.contains(" as ") => {
            format!("write `{{% import {rest} as name %}}`, and call its macros as `{{{{ name.macro() }}}}`")
        }
        "from" if !rest.contains(" import ") => format!("write `{{% from {rest} import macro %}}`"),
        "macro" if !rest.contains('(') => format!("write `{{% macro {rest}() %}}`"),
        "endmacro" | "endcall" | "endfor" | "endif" | "endset" | "endwith" | "endfilter" | "endautoescape"
            if !rest.is_empty() =>
        {
            format!("write `{{% {word} %}}` alone")
        }
        "block" if rest.split_whitespace().count() > 1 => {
            let (name, content) = split_word(rest);
            format!("write `{{% block {name} %}}{{{{ {content} }}}}{{% endblock %}}`")
        }
        "block" if rest.contains(['"', '\'', '-', '.']) => {
            "name the block with a plain word, such as `{% block main %}`".into()
        }
        "if" | "elif" if rest.starts_with("let ") => "write `{% if value is not none %}`, or `is defined`".into(),
        "autoescape" => "write `{% autoescape true %}` or `{% autoescape false %}`".into(),
        "set" => return set(rest).or_else(|| in_statement(word, rest)),
        "call" => return called(rest),
        _ => return in_statement(word, rest),
    };
    Some(help)
}

/// Returns the statement with the expression in it that is meant.
fn in_statement(word: &str, rest: &str) -> Option<String> {
    if !STATEMENTS.contains(&word) {
        return None;
    }
    if let ("set", Some((name, value))) = (word, rest.split_once('='))
        && !value.starts_with('=')
    {
        let meant = expression(value)?;
        return Some(meant.help(Some(&format!("set {} =", name.trim()))));
    }
    expression(rest).map(|meant| meant.help(Some(word)))
}

/// Returns what to write instead of a `with` of Django: `a=b c=d`, `a as b`.
fn with(rest: &str) -> Option<String> {
    if let Some((value, name)) = rest.rsplit_once(" as ") {
        return Some(format!("write `{{% with {} = {} %}}`", name.trim(), value.trim()));
    }
    let pairs: Vec<&str> = rest.split_whitespace().collect();
    let all_pairs = pairs.len() > 1 && pairs.iter().all(|pair| pair.contains('=') && !pair.ends_with(','));
    all_pairs.then(|| format!("write commas between: `{{% with {} %}}`", pairs.join(", ")))
}

/// Returns what to write instead of an `include` with values of its own: Django, Twig, Liquid.
fn include_with(rest: &str) -> Option<String> {
    let (template, values) = rest
        .split_once(" with ")
        .or(rest.split_once(','))
        .or(rest.split_once(" only"))?;
    if values.trim().starts_with("context") {
        return None;
    }
    let values = values.trim().trim_end_matches("only").trim();
    let values = match values.strip_prefix('{') {
        Some(map) => map
            .trim_end_matches('}')
            .split(',')
            .filter_map(|pair| {
                let (key, value) = pair.split_once(':')?;
                Some(format!("{} = {}", plain(key), value.trim()))
            })
            .collect::<Vec<_>>()
            .join(", "),
        None => {
            let values = values.replace(": ", "=");
            values
                .split([' ', ','])
                .filter(|pair| !pair.is_empty())
                .collect::<Vec<_>>()
                .join(", ")
        }
    };
    let template = template.trim();
    Some(match values.is_empty() {
        true => format!("write `{{% include {template} %}}`: it sees all names that are defined here"),
        false => format!("write `{{% with {values} %}}{{% include {template} %}}{{% endwith %}}`"),
    })
}

fn include_statement(rest: &str) -> String {
    let name = rest
        .split([' ', ','])
        .next()
        .unwrap_or_default()
        .trim_matches(['"', '\'']);
    format!(
        "`{{% include '{}' %}}`",
        if name.is_empty() { "name.html" } else { name }
    )
}

fn for_statement(rest: &str) -> Option<String> {
    if let Some((names, list)) = rest.split_once(" of ").or(rest.split_once(" : ")) {
        return Some(format!("write `{{% for {} in {} %}}`", plain(names), list.trim()));
    }
    let (name, list) = rest.split_once(" in ")?;
    let (first, last) = list.split_once("..")?;
    let end = match (last.strip_prefix('='), last.trim().parse::<u64>()) {
        // Rust's `a..=b` and Twig's `a..b` include the end.
        (Some(last), _) => format!("{} + 1", plain(last)),
        (None, Ok(last)) => last.saturating_add(1).to_string(),
        (None, Err(_)) => format!("{} + 1", plain(last)),
    };
    Some(format!(
        "write `{{% for {} in range({}, {end}) %}}`",
        name.trim(),
        plain(first)
    ))
}

fn set(rest: &str) -> Option<String> {
    for operator in ["+=", "-=", "*=", "/=", "~="] {
        if let Some((name, value)) = rest.split_once(operator) {
            let (name, sign) = (name.trim(), &operator[..1]);
            return Some(format!("write `{{% set {name} = {name} {sign} {} %}}`", value.trim()));
        }
    }
    let (name, value) = rest.split_once(":=").or(rest.split_once(" to "))?;
    Some(format!("write `{{% set {} = {} %}}`", plain(name), value.trim()))
}

fn called(rest: &str) -> Option<String> {
    let name = rest.trim_start_matches("self::").trim_matches(['"', '\'']);
    if rest.contains(" with ") || rest.starts_with(['"', '\'']) {
        return Some(format!("write {}", call(rest)));
    }
    if is_path(name) {
        return Some(format!(
            "write `{{% call {name}() %}} … {{% endcall %}}`, or `{{% include '{name}' %}}` for a template"
        ));
    }
    in_statement("call", rest)
}

/// Returns the opening of a section of Handlebars or Mustache.
fn opened_section(rest: &str, inverted: bool) -> String {
    let (word, value) = split_word(rest);
    match word {
        "if" => format!("write `{{% if {value} %}}`"),
        "unless" => format!("write `{{% if not {value} %}}`"),
        "each" => format!("write {}", for_loop(value)),
        "with" => format!("write `{{% with item = {value} %}}`"),
        "" if inverted => "write `{% else %}`".into(),
        _ if inverted => format!("write `{{% if not {rest} %}}`"),
        _ => format!("write `{{% if {rest} %}}` or {}", for_loop(rest)),
    }
}

fn closed_section(rest: &str) -> String {
    match rest {
        "if" | "unless" => "write `{% endif %}`".into(),
        "each" => "write `{% endfor %}`".into(),
        "with" => "write `{% endwith %}`".into(),
        _ => "write `{% endif %}` or `{% endfor %}`".into(),
    }
}

fn include(rest: &str) -> String {
    format!("write {}", include_statement(rest))
}

/// Returns the variable of a loop that is meant by `@index` and its like.
fn loop_variable(rest: &str) -> String {
    match rest {
        "index" => "write `{{ loop.index0 }}`, or `{{ loop.index }}` to count from 1".into(),
        "first" | "last" => format!("write `{{{{ loop.{rest} }}}}`"),
        "key" => "write `{% for key, value in map|items %}`".into(),
        "root" => "names of the data are visible everywhere: write `{{ name }}`".into(),
        _ => format!("write `{{{{ {} }}}}`", plain(rest)),
    }
}

fn for_loop(list: &str) -> String {
    format!("`{{% for item in {} %}}`", list.trim())
}

/// Returns an expression of Go without the dots and dollars before its names.
fn go_expression(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut before = ' ';
    for each in text.trim().chars() {
        let begins_name = matches!(each, '.' | '$') && !before.is_alphanumeric() && !matches!(before, '_' | ']' | ')');
        if !begins_name {
            shown.push(each);
        }
        before = if begins_name { ' ' } else { each };
    }
    shown
}

fn split_word(text: &str) -> (&str, &str) {
    let end = text
        .find(|each: char| !each.is_alphanumeric() && each != '_')
        .unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

/// Returns a word without signs of variables and quotes around it.
fn plain(word: &str) -> &str {
    word.trim().trim_matches(['"', '\'', '$', ';', ' '])
}

fn is_path(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|each| each.is_alphanumeric() || matches!(each, '_' | '.'))
}

#[cfg(test)]
mod tests {
    use crate::dialect::jinja::parser::parse;
    use crate::limits::Limits;

    #[test]
    fn a_misspelt_statement_is_one_fault() {
        for text in [
            "{% for a in b %}{{ a }}{% enfor %}",
            "{% if a %}x{% else %}y{% endfi %}",
            "{% block a %}x{% endblok %}",
            "{% fro a in b %}x{% else %}y{% endfor %}",
            "{% iff a %}x{% endif %}",
            "{% if a %}{% for b in c %}{% enfor %}{% endif %}",
            "{% block a %}{% bloc b %}{% endblock %}{% endblock %}",
            "{% if a %}{% fro a in b %}{% endif %}",
            "{% fro a in b %}",
            "{% sett a = 1 %}{{ a }}",
            "{% set a %}x{% endst %}",
        ] {
            let faults = parse(text, &Limits::default()).expect_err(text);
            assert_eq!(faults.len(), 1, "{text}: {faults:?}");
            let help = faults[0].help.as_deref().unwrap_or_default();
            assert!(help.starts_with("did you mean"), "{text}: {help}");
        }
    }

    /// Each case is a tag of another language, and what its help has to contain.
    #[test]
    fn other_languages_are_understood() {
        let mut wrong = Vec::new();
        for (text, expected) in [
            // tera
            ("{{ self::input(label='x') }}", "{{ input(label='x') }}"),
            ("{{ macros::input() }}", "{{ macros.input() }}"),
            ("{% set a = macros::input() %}", "{% set a = macros.input() %}"),
            ("{% set_global total = 1 %}", "{% set ns = namespace(total=…) %}"),
            ("{% macro a() %}{% endmacro a %}", "{% endmacro %}"),
            ("{% import 'a.html' %}", "{% import 'a.html' as name %}"),
            // Django
            ("{% load static %}", "take it out"),
            ("{% url 'home' %}", "{{ urls.home }}"),
            ("{% for a in b %}{% empty %}{% endfor %}", "{% else %}"),
            ("{{ x|default:\"y\" }}", "{{ x|default(\"y\") }}"),
            ("{{ x|date:'Y'|upper }}", "{{ x|date('Y')|upper }}"),
            ("{% with a=b c=d %}{% endwith %}", "{% with a=b, c=d %}"),
            ("{% with b.c as a %}{% endwith %}", "{% with a = b.c %}"),
            (
                "{% include 'a.html' with x=y %}",
                "{% with x=y %}{% include 'a.html' %}{% endwith %}",
            ),
            ("{% ifequal a b %}{% endifequal %}", "{% if a == b %}"),
            ("{% comment %}x{% endcomment %}", "{# … #}"),
            ("{% csrf_token %}", "{{ csrf_token }}"),
            ("{% verbatim %}x{% endverbatim %}", "{% raw %}"),
            ("{% firstof a b %}", "{{ a or b }}"),
            // Twig
            ("{{ a ?: b }}", "{{ a or b }}"),
            ("{{ a ?? b }}", "{{ a|default(b) }}"),
            ("{{ a ? b : c }}", "{{ b if a else c }}"),
            ("{{ a ? 'x:y' : 'z' }}", "{{ 'x:y' if a else 'z' }}"),
            ("{% if a starts with 'b' %}{% endif %}", "a is startingwith('b')"),
            ("{% if a ends with 'b' %}{% endif %}", "a is endingwith('b')"),
            ("{% for i in 1..5 %}{% endfor %}", "{% for i in range(1, 6) %}"),
            (
                "{% include 'a.html' with {x: y, 'z': 1} only %}",
                "{% with x = y, z = 1 %}{% include 'a.html' %}{% endwith %}",
            ),
            ("{% apply upper %}x{% endapply %}", "{% filter upper %}"),
            ("{% elseif a %}", "{% elif a %}"),
            ("{% if a %}{% else if b %}{% endif %}", "{% elif b %}"),
            (
                "{% block title page.title %}{% endblock %}",
                "{% block title %}{{ page.title }}{% endblock %}",
            ),
            // JavaScript, PHP, Rust
            ("{% if a && b %}{% endif %}", "{% if a and b %}"),
            ("{% if a || b %}{% endif %}", "{% if a or b %}"),
            ("{% if !a %}{% endif %}", "{% if not a %}"),
            ("{% if a === b %}{% endif %}", "{% if a == b %}"),
            ("{{ !a }}", "{{ not a }}"),
            ("{% for a in b if c && d %}{% endfor %}", "{% for a in b if c and d %}"),
            ("{% set a = !b %}", "{% set a = not b %}"),
            ("{% set a = b contains 'c' %}", "{% set a = 'c' in b %}"),
            ("{% fro a in b %}{% endfor %}", "did you mean `for`?"),
            ("{{ a->b }}", "{{ a.b }}"),
            ("{{ a?.b }}", "{{ a.b }}"),
            ("{{ $a }}", "{{ a }}"),
            ("{% set a += 1 %}", "{% set a = a + 1 %}"),
            ("{% let a = 1 %}", "{% set a = 1 %}"),
            ("{% if let Some(a) = b %}{% endif %}", "is not none"),
            ("{% match a %}{% endmatch %}", "{% elif value == … %}"),
            // Liquid
            ("{% assign a = b %}", "{% set a = b %}"),
            ("{% unless a %}{% endunless %}", "{% if not (a) %}"),
            ("{% elsif a %}", "{% elif a %}"),
            ("{% render 'card' %}", "{% include 'card' %}"),
            ("{% capture a %}x{% endcapture %}", "{% set a %} … {% endset %}"),
            ("{% if a contains 'b' %}{% endif %}", "'b' in a"),
            // Go
            ("{{ .Name }}", "{{ Name }}"),
            ("{{ .Site.Title }}", "{{ Site.Title }}"),
            ("{{ range .Items }}", "{% for item in Items %}"),
            ("{{ range $i, $e := .Items }}", "{% for item in Items %}"),
            ("{{ if .Show }}", "{% if Show %}"),
            ("{{ template \"head\" . }}", "{% include \"head\" %}"),
            // tinytemplate
            ("{{ if a }}", "{% if a %}"),
            ("{{ for a in b }}", "{% for a in b %}"),
            ("{{ call head.html with a }}", "{% include 'head.html' %}"),
            ("{{ call head.html with @root }}", "{% include 'head.html' %}"),
            ("{{ with a as b }}", "{% with b = a %}"),
            ("{{ endif }}", "{% endif %}"),
            // Handlebars, Mustache
            ("{{#if a}}", "{% if a %}"),
            ("{{/if}}", "{% endif %}"),
            ("{{#each items}}", "{% for item in items %}"),
            ("{{> head}}", "{% include 'head' %}"),
            ("{{! a comment }}", "{# … #}"),
            ("{{{ a }}}", "{{ a|safe }}"),
            ("{{ @index }}", "{{ loop.index0 }}"),
        ] {
            match parse(text, &Limits::default()) {
                Ok(_) => wrong.push(format!("{text} is accepted")),
                Err(faults) => {
                    let help = faults[0].help.as_deref().unwrap_or_default();
                    if !help.contains(expected) {
                        wrong.push(format!("{text}: {expected} is not in:\n{}", faults[0]));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
