//! Filters, tests and functions of other languages under their names.

/// Returns what to write instead of a filter that does not exist here.
pub(in crate::dialect::jinja) fn filter_help(name: &str) -> Option<&'static str> {
    Some(match name {
        "raw" | "unescaped" | "noescape" | "html_safe" | "mark_safe" | "safeseq" => {
            "write `|safe`, only for markup of your own"
        }
        "escape_html" | "escape_xml" | "force_escape" | "h" | "escape_once" => {
            "write `|escape`; pages whose names end in `.html` are escaped anyway"
        }
        "json" | "json_encode" | "to_json" | "toJSON" | "jsonify" | "escapejs" | "json_script" => "write `|tojson`",
        "url_encode" | "urlencode_strict" | "urlquote" | "cgi_escape" => "write `|urlencode`",
        "upcase" | "uppercase" | "uc" => "write `|upper`",
        "downcase" | "lowercase" | "lc" => "write `|lower`",
        "titlecase" | "capitalize_all" => "write `|title`",
        "capfirst" | "ucfirst" => "write `|capitalize`",
        "size" | "len" | "strlen" => "write `|length`",
        "length_is" => "write `x|length == n`",
        "strip" | "trim_start" | "trim_end" | "lstrip" | "rstrip" => "write `|trim`",
        "strip_html" | "strip_tags" => "write `|striptags`",
        "as_str" | "stringify" | "str" | "to_string" | "tostring" => "write `|string`",
        "to_int" | "as_int" | "parseInt" => "write `|int`",
        "to_float" | "as_float" => "write `|float`",
        "make_list" => "write `|list`",
        "uniq" => "write `|unique`",
        "group_by" | "regroup" => "write `|groupby('attribute')`",
        "sort_by" | "sort_natural" => "write `|sort(attribute='name')`",
        "where" | "filter" => "write `|selectattr('attribute', '==', value)`",
        "column" | "pluck" => "write `|map(attribute='name')`",
        "get" => "write `map[key]`, or `map[key]|default(…)`",
        "nth" => "write `list[n]`",
        "keys" => "write `{% for key in map %}`, or `map|list`",
        "values" => "write `{% for key, value in map|items %}`",
        "concat" | "merge" | "push" => "write `list + [item]`; for maps `dict(map, key=value)`",
        "append" => "write `value ~ 'text'`",
        "prepend" => "write `'text' ~ value`",
        "remove" | "cut" => "write `|replace('text', '')`",
        "add" | "plus" => "write `a + b`",
        "minus" | "sub" => "write `a - b`",
        "times" | "mul" => "write `a * b`",
        "divided_by" | "div" => "write `a / b`, or `a // b` for whole numbers",
        "modulo" | "mod" => "write `a % b`",
        "divisibleby" => "write `x is divisibleby(n)`",
        "at_most" => "write `[x, most]|min`",
        "at_least" => "write `[x, least]|max`",
        "ceil" => "write `|round(0, 'ceil')`",
        "floor" => "write `|round(0, 'floor')`",
        "floatformat" | "number_format" => "write `|round(2)`, or `'%.2f'|format(x)`",
        "stringformat" | "sprintf" | "printf" => "write `'%…'|format(x)`",
        "yesno" => "write `'yes' if x else 'no'`",
        "default_if_none" => "write `|default('…', true)`",
        "truncatechars" | "truncatechars_html" => "write `|truncate(n)`",
        "truncatewords" | "truncatewords_html" => {
            "write `text|split|list` and a slice of it, or shorten the text in the data"
        }
        "nl2br" | "newline_to_br" | "linebreaksbr" | "linebreaks" => {
            "write `{{ text|escape|replace('\\n', '<br>'|safe) }}`"
        }
        "date" | "date_format" => "write `|dateformat`, with `format='%Y-%m-%d'` for a format of its own",
        "time" => "write `|timeformat`, with `format='%H:%M'` for a format of its own",
        "strftime" | "datetime" => "write `|datetimeformat(format='%Y-%m-%d %H:%M')`",
        "slugify" | "urlize" | "urlizetrunc" | "markdown" | "markdownify" | "timesince" | "timeuntil" => {
            "prepare the value in the data, or register a filter of that name"
        }
        "spaceless" => "remove blanks by `{%-` and `-%}`",
        "t" | "trans" | "translate" | "ngettext" | "gettext" => {
            "put the texts of a language into the data, such as `{{ t.title }}`"
        }
        _ => return None,
    })
}

/// Returns what to write instead of a method of a value: values have none.
pub(in crate::dialect::jinja) fn method_help(name: &str) -> Option<&'static str> {
    Some(match name {
        "items" => "write `| items`",
        "keys" => "go over the map itself, or write `| list`",
        "values" => "write `| items`, or `| dictsort`",
        "get" => "write `map[key] | default(…)`",
        "upper" | "to_uppercase" | "to_ascii_uppercase" | "toUpperCase" => "write `| upper`",
        "lower" | "to_lowercase" | "to_ascii_lowercase" | "toLowerCase" => "write `| lower`",
        "title" => "write `| title`",
        "capitalize" => "write `| capitalize`",
        "replace" => "write `| replace`",
        "split" | "split_whitespace" => "write `| split`",
        "lines" => "write `| lines`",
        "join" => "write `list | join(', ')`",
        "format" => "write `'…' | format(value)`, with `%s` for a text and `%d` for a number",
        "strip" | "lstrip" | "rstrip" | "trim" | "trim_start" | "trim_end" => "write `| trim`",
        "startswith" | "starts_with" | "startsWith" => "write `is startingwith(…)`",
        "endswith" | "ends_with" | "endsWith" => "write `is endingwith(…)`",
        "contains" | "contains_key" | "includes" => "write `item in value`",
        "len" | "length" | "size" => "write `| length`",
        "is_empty" => "write `not value`",
        "iter" | "into_iter" | "iter_mut" | "chars" | "collect" => "take it out: a `for` goes over the value itself",
        "enumerate" => "take it out, and write `loop.index0` in the loop",
        "rev" | "reverse" => "write `| reverse`",
        "sort" | "sorted" => "write `| sort`",
        "sum" => "write `| sum`",
        "min" => "write `| min`",
        "max" => "write `| max`",
        "abs" => "write `| abs`",
        "round" => "write `| round`",
        "first" => "write `| first`",
        "last" => "write `| last`",
        "nth" => "write `list[n]`",
        "map" => "write `| map(attribute='name')`",
        "filter" => "write `| selectattr('name', '==', value)`",
        "clone" | "to_owned" | "to_string" | "as_str" | "as_ref" | "as_deref" | "unwrap" | "expect" | "into"
        | "toString" | "display" => "take it out: a value is printed as it is",
        "is_some" => "write `is not none`",
        "is_none" => "write `is none`",
        "unwrap_or" | "unwrap_or_default" | "unwrap_or_else" => "write `| default('…', true)`",
        "append" | "extend" | "push" | "push_str" => "write `{% set list = list + [item] %}`",
        "update" | "insert" => "write `dict(map, key=value)`",
        "count" => "write `| select(\"eq\", …) | length`",
        _ => return None,
    })
}

/// Returns true for a method of Rust that no macro would be named after.
pub(in crate::dialect::jinja) fn is_method_of_rust(name: &str) -> bool {
    matches!(
        name,
        "len"
            | "is_empty"
            | "iter"
            | "into_iter"
            | "to_string"
            | "to_owned"
            | "to_uppercase"
            | "to_lowercase"
            | "as_str"
            | "as_ref"
            | "as_deref"
            | "clone"
            | "unwrap"
            | "unwrap_or"
            | "unwrap_or_default"
            | "is_some"
            | "is_none"
            | "starts_with"
            | "ends_with"
            | "contains_key"
            | "enumerate"
    )
}

/// Returns what to write instead of askama's `fmt` with a format of Rust.
pub(in crate::dialect::jinja) fn fmt_help(format: &str) -> String {
    let inner = format.split_once('{').and_then(|(before, rest)| {
        let (inner, after) = rest.split_once('}')?;
        Some((before, inner.split_once(':').map_or("", |(_, spec)| spec), after))
    });
    let Some((before, spec, after)) = inner else {
        return "write `'%…' | format(value)`".into();
    };
    let directive = match spec.strip_prefix('.') {
        Some(digits) if digits.chars().all(|each| each.is_ascii_digit()) => format!("%.{digits}f"),
        _ if !spec.is_empty() && spec.chars().all(|each| each.is_ascii_digit()) => format!("%{spec}s"),
        _ if matches!(spec, "x" | "X" | "o" | "e") => format!("%{spec}"),
        _ => "%s".into(),
    };
    format!("write `'{before}{directive}{after}' | format(value)`")
}

/// Returns what to write instead of a test that does not exist here.
pub(in crate::dialect::jinja) fn test_help(name: &str) -> Option<&'static str> {
    Some(match name {
        "empty" | "blank" => "write `not x`, or `x|length == 0`",
        "null" | "nil" | "nothing" | "None" => "write `x is none`",
        "same" | "identical" => "write `x is sameas(y)`",
        "divisible" | "divisible_by" => "write `x is divisibleby(n)`",
        "containing" | "contains" => "write `item in x`",
        "starting_with" | "startswith" => "write `x is startingwith('…')`",
        "ending_with" | "endswith" => "write `x is endingwith('…')`",
        "matching" => "there are no patterns: use `is startingwith(…)`, `is endingwith(…)` or `in`",
        "object" | "dict" | "map" => "write `x is mapping`",
        "array" | "list" | "tuple" => "write `x is sequence`",
        "str" | "text" => "write `x is string`",
        "bool" => "write `x is boolean`",
        "set" | "present" => "write `x is defined`",
        "callable" | "instance" | "constant" => "data has no functions and no types of a program: compare its values",
        _ => return None,
    })
}

/// Returns what to write instead of a function that does not exist here.
pub(in crate::dialect::jinja) fn function_help(name: &str) -> Option<&'static str> {
    Some(match name {
        "parent" => "write `{{ super() }}`",
        "caller" => "`caller()` prints the body of a `{% call %}`, inside of the macro that it calls",
        "include" | "render" => "write `{% include 'name.html' %}`",
        "dump" | "__tera_context" | "inspect" => "write `{{ debug() }}`",
        "len" | "length" | "count" | "size" => "write `x|length`",
        "max" | "min" => "write `[a, b]|max` or `[a, b]|min`",
        "sum" | "sorted" | "reversed" | "abs" | "round" => {
            "it is a filter: write `x|sum`, `x|sort`, `x|reverse`, `x|abs`, `x|round`"
        }
        "str" | "string" => "write `x|string`",
        "int" | "float" => "write `x|int` or `x|float`",
        "list" | "tuple" | "set" => "write `[…]`, or `x|list`",
        "enumerate" => "write `loop.index0` inside the `for`",
        "zip" => "write `a|zip(b)`",
        "isset" | "defined" => "write `x is defined`",
        "empty" => "write `not x`",
        "cycle" => "write `loop.cycle('a', 'b')`",
        "url_for" | "url" | "path" | "static" | "asset" | "get_url" => {
            "write the address itself, or put addresses into the data, such as `{{ urls.home }}`"
        }
        "date" | "today" => "write `now()|dateformat`, or put the time into the data",
        "random" | "get_random" | "rand" => "write `list|random`, or `randrange(first, end)`",
        "csrf_token" | "get_env" | "env" | "config" | "get_flashed_messages" => "put the value into the data",
        "_" | "gettext" | "ngettext" | "trans" => "put the texts of a language into the data, such as `{{ t.title }}`",
        "block" => "write `{{ self.name() }}`",
        "throw" | "raise" | "raise_helper" => "leave the value undefined: using it is an error that names it",
        _ => return None,
    })
}
