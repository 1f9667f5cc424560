//! Random sets of templates with a context, most of which render.

use std::fmt::Write;

use hotplate_actors::dialect::Missing;
use serde_json::{Value, json};

use crate::generator::Choices;

/// Templates of which the first one is the entry.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) templates: Vec<(String, String)>,
    pub(crate) context: Value,
    pub(crate) missing: Missing,
}

impl Case {
    pub(crate) fn choose(choices: &mut Choices<'_>) -> Self {
        let most = choices.of(&SIZES);
        let mut writer = Writer {
            choices,
            text: String::new(),
            size: 0,
            most,
            level: 0,
            loops: 0,
            recursive: 0,
            breakable: false,
            blocks: Vec::new(),
            within: Within::Template,
            includes: true,
        };
        let entry = writer
            .choices
            .of(&["page.html", "page.html", "page.html.j2", "page.txt"]);
        let lib = writer.template(Within::Library);
        let part = writer.template(Within::Partial);
        let text = writer.template(Within::Partial);
        let base = writer.template(Within::Template);
        let blocks = std::mem::take(&mut writer.blocks);
        let mid = writer.child("base.html", &blocks);
        let page = match writer.choices.below(4) {
            0 => writer.child("base.html", &blocks),
            1 => writer.child("mid.html", &blocks),
            _ => writer.template(Within::Template),
        };
        let missing = writer.choices.of(&[Missing::Error, Missing::Lenient]);
        let named = [
            (entry, page),
            ("base.html", base),
            ("mid.html", mid),
            ("part.html", part),
            ("part.txt", text),
            ("lib.html", lib),
        ];
        Self {
            templates: named.map(|(name, text)| (name.to_owned(), text)).into(),
            context: context(choices),
            missing,
        }
    }
}

fn context(choices: &mut Choices<'_>) -> Value {
    let texts = [
        "",
        "a",
        "<b> & 'c' \"d\"",
        "Two words",
        "path|é",
        "12",
        "UPPER lower",
        "x,y,z",
    ];
    let numbers = [0, 1, 2, 3, 7, -1, -12, 100];
    let text = |choices: &mut Choices<'_>| choices.of(&texts);
    let number = |choices: &mut Choices<'_>| choices.of(&numbers);
    let count = choices.below(4);
    let xs: Vec<i64> = (0..choices.below(5)).map(|_| number(choices)).collect();
    let rows: Vec<Value> = (0..count)
        .map(|_| json!({ "k": text(choices), "n": number(choices), "sub": [{ "k": "in", "n": 1, "sub": [] }] }))
        .collect();
    json!({
        "a": number(choices),
        "b": number(choices),
        "f": choices.of(&[0.0, 0.5, 2.5, -1.25, 1e20, 3.0, 1e-7]),
        "s": text(choices),
        "w": text(choices),
        "t": choices.one_in(2),
        "z": null,
        "xs": xs,
        "rows": rows,
        "m": { "k": text(choices), "n": number(choices), "o": { "p": text(choices) } },
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Template,
    Block,
    Macro,
    Partial,
    Library,
}

struct Writer<'c, 'b> {
    choices: &'c mut Choices<'b>,
    text: String,
    /// The statements and expressions that were written.
    size: usize,
    most: usize,
    level: usize,
    loops: usize,
    /// The recursive loops around this place.
    recursive: usize,
    /// `break` and `continue` are possible here.
    breakable: bool,
    blocks: Vec<String>,
    within: Within,
    includes: bool,
}

/// The largest numbers of statements and expressions of one template. Small ones show best what is wrong.
const SIZES: [usize; 6] = [2, 4, 8, 16, 32, 64];

impl Writer<'_, '_> {
    fn template(&mut self, within: Within) -> String {
        self.within = within;
        self.text.clear();
        self.size = 0;
        self.includes = within == Within::Template;
        if within == Within::Library || self.choices.one_in(3) {
            self.macros();
        }
        if within == Within::Template && self.choices.one_in(3) {
            let import = self.choices.of(&[
                "{% import 'lib.html' as lib %}",
                "{% from 'lib.html' import one, two as second, v1 %}",
                "{% from 'lib.html' import one %}",
                "{% import 'lib.html' as lib %}{{ lib.one(1) }}{{ lib.v1 | default('-') }}",
                "{% import 'lib' ~ '.html' as lib %}",
                "{% from ['lib.html'][0] import one, two %}",
            ]);
            self.text.push_str(import);
        }
        self.body();
        std::mem::take(&mut self.text)
    }

    fn child(&mut self, parent: &str, blocks: &[String]) -> String {
        self.within = Within::Template;
        self.text.clear();
        self.size = 0;
        self.includes = true;
        let name = match self.choices.below(4) {
            0 => format!("'{}' ~ '.html'", parent.trim_end_matches(".html")),
            1 => format!("nothing | default('{parent}')"),
            _ => format!("'{parent}'"),
        };
        let _ = write!(self.text, "{{% extends {name} %}}");
        if self.choices.one_in(3) {
            self.macros();
        }
        for block in blocks {
            if self.choices.one_in(3) {
                continue;
            }
            let _ = write!(self.text, "{{% block {block} %}}");
            self.in_block();
            self.text.push_str("{% endblock %}");
        }
        if self.choices.one_in(4) {
            self.statement();
        }
        std::mem::take(&mut self.text)
    }

    fn in_block(&mut self) {
        let (within, loops, breakable) = (self.within, self.loops, self.breakable);
        (self.within, self.loops, self.breakable) = (Within::Block, 0, false);
        if self.choices.one_in(3) {
            self.text.push_str("({{ super() }})");
        }
        self.body();
        (self.within, self.loops, self.breakable) = (within, loops, breakable);
    }

    fn macros(&mut self) {
        for (name, parameters) in [("one", "p"), ("two", "p, q=2"), ("three", "p='d', q=none")] {
            if self.choices.one_in(3) {
                continue;
            }
            let (within, loops, breakable) = (self.within, self.loops, self.breakable);
            (self.within, self.loops, self.breakable) = (Within::Macro, 0, false);
            let _ = write!(self.text, "{{% macro {name}({parameters}) %}}");
            if self.choices.one_in(3) {
                self.text.push_str("{{ caller() if caller is defined else '-' }}");
            }
            self.body();
            self.text.push_str("{% endmacro %}");
            (self.within, self.loops, self.breakable) = (within, loops, breakable);
        }
    }

    fn body(&mut self) {
        self.level += 1;
        for _ in 0..1 + self.choices.below(4) {
            if self.size > self.most || self.level > 5 {
                break;
            }
            self.statement();
        }
        self.level -= 1;
    }

    /// Writes a body in which `break` and `continue` are not possible.
    fn closed(&mut self) {
        let breakable = std::mem::replace(&mut self.breakable, false);
        self.body();
        self.breakable = breakable;
    }

    fn tag(&mut self, inner: &str) {
        let (open, close) = self.choices.of(&[
            ("{% ", " %}"),
            ("{% ", " %}"),
            ("{%- ", " %}"),
            ("{% ", " -%}"),
            ("{%+ ", " %}"),
        ]);
        let _ = write!(self.text, "{open}{inner}{close}");
    }

    fn statement(&mut self) {
        self.size += 1;
        match self.choices.below(24) {
            0..=2 => {
                let text = self.choices.of(&[
                    "text ",
                    "\n  ",
                    "<p>",
                    " \n",
                    "é",
                    "{ } % #",
                    "{# note #}",
                    "{% raw %}{{ x }}{% endraw %}",
                ]);
                self.text.push_str(text);
            }
            3..=9 => {
                let value = self.expr(0);
                let (open, close) = self.choices.of(&[("{{ ", " }}"), ("{{", "}}"), ("{{- ", " -}}")]);
                let _ = write!(self.text, "{open}{value}{close}");
            }
            10 | 11 => {
                let condition = self.expr(1);
                self.tag(&format!("if {condition}"));
                self.body();
                if self.choices.one_in(3) {
                    let condition = self.expr(1);
                    self.tag(&format!("elif {condition}"));
                    self.body();
                }
                if self.choices.one_in(2) {
                    self.tag("else");
                    self.body();
                }
                self.tag("endif");
            }
            12..=14 => self.for_loop(),
            15 | 16 => {
                let name = self.choices.of(&["v1", "v2", "a", "i"]);
                let value = self.expr(0);
                self.tag(&format!("set {name} = {value}"));
            }
            17 => {
                let name = self.choices.of(&["v1", "v2"]);
                let filter = self.choices.of(&["", "", " | upper", " | trim | length"]);
                self.tag(&format!("set {name}{filter}"));
                self.closed();
                self.tag("endset");
            }
            18 => {
                let (value, other) = (self.expr(1), self.expr(1));
                self.tag(&format!("with v1 = {value}, q = {other}"));
                self.closed();
                self.tag("endwith");
            }
            19 => match self.choices.below(2) {
                0 => {
                    let filter = self.choices.of(&[
                        "upper",
                        "trim",
                        "replace('a', '<')",
                        "escape",
                        "length",
                        "title | lower",
                    ]);
                    self.tag(&format!("filter {filter}"));
                    self.closed();
                    self.tag("endfilter");
                }
                _ => {
                    let enabled = self.choices.of(&["true", "false", "'html'", "'none'"]);
                    self.tag(&format!("autoescape {enabled}"));
                    self.closed();
                    self.tag("endautoescape");
                }
            },
            20 if self.within == Within::Template && self.loops == 0 => {
                let name = format!("block{}", self.blocks.len());
                self.blocks.push(name.clone());
                let scoped = self.choices.of(&["", " scoped"]);
                self.tag(&format!("block {name}{scoped}"));
                self.in_block();
                self.tag("endblock");
            }
            21 if self.includes && self.within != Within::Macro => {
                let include = self.choices.of(&[
                    "include 'part.html'",
                    "include 'part.txt'",
                    "include ['none.html', 'part.html']",
                    "include 'none.html' ignore missing",
                    "include 'part.html' if t else 'part.txt'",
                    "include 'part' ~ '.html'",
                    "include [s, 'part.txt']",
                    "include s ignore missing",
                    "include '../part' ~ '.html' ignore missing",
                    "include ['part.html', s] if t else [w, 'part.' ~ 'txt'] ignore missing",
                ]);
                self.tag(include);
            }
            22 if self.breakable => {
                let word = self.choices.of(&["break", "continue"]);
                let condition = self.expr(1);
                self.tag(&format!("if {condition}"));
                self.tag(word);
                self.tag("endif");
            }
            23 => {
                let (name, value) = (self.choices.of(&["one", "two", "three"]), self.expr(1));
                self.tag(&format!("call {name}({value})"));
                self.closed();
                self.tag("endcall");
            }
            _ => {
                self.tag("set ns = namespace(n=1)");
                let value = self.expr(1);
                self.tag(&format!("set ns.n = {value}"));
                self.text.push_str("{{ ns.n }}");
            }
        }
    }

    fn for_loop(&mut self) {
        let name = self.choices.of(&["i", "j", "row"]);
        let iterable = match self.choices.below(8) {
            0 => "xs".to_owned(),
            1 => "rows".to_owned(),
            2 => "range(3)".to_owned(),
            3 => "s".to_owned(),
            4 => "m".to_owned(),
            5 => "[1, 'b', none]".to_owned(),
            6 => "rows | map(attribute='n')".to_owned(),
            _ => self.expr(1),
        };
        let filter = self
            .choices
            .of(&["", "", "", " if (loop is undefined)", " if (i is defined)", " if true"]);
        let (target, iterable, filter) = match self.choices.below(8) {
            0 => ("k, v", "m | items".to_owned(), ""),
            1 => ("k, v", "[(1, 2), [3, 4]]".to_owned(), ""),
            _ => (name, iterable, filter),
        };
        let recursive = target == "row" && self.choices.one_in(3);
        let word = if recursive { " recursive" } else { "" };
        let iterable = if recursive { "rows".to_owned() } else { iterable };
        self.tag(&format!("for {target} in {iterable}{filter}{word}"));
        let breakable = std::mem::replace(&mut self.breakable, !recursive);
        self.loops += 1;
        self.recursive += usize::from(recursive);
        if recursive {
            self.text.push_str("{{ row.k }}[{{ loop(row.sub) }}]");
        }
        self.body();
        self.recursive -= usize::from(recursive);
        self.loops -= 1;
        self.breakable = breakable;
        if self.choices.one_in(3) {
            self.tag("else");
            self.closed();
        }
        self.tag("endfor");
    }

    fn name(&mut self) -> &'static str {
        if self.loops > 0 && self.choices.one_in(3) {
            return self.choices.of(&[
                "loop.index",
                "loop.index0",
                "loop.first",
                "loop.last",
                "loop.length",
                "loop.depth",
                "loop.revindex",
            ]);
        }
        match self.choices.below(14) {
            0 => self.choices.of(&["v1", "v2", "i", "j", "p", "q", "u", "k", "row"]),
            1 => self.choices.of(&["m.nope", "u.x", "m.o.nope", "rows[0].k", "xs[9]"]),
            _ => self.choices.of(&[
                "a", "b", "f", "s", "w", "t", "z", "xs", "rows", "m", "m.k", "m.n", "m.o.p", "m['k']", "xs[0]",
                "xs[-1]",
            ]),
        }
    }

    fn expr(&mut self, depth: usize) -> String {
        self.size += 1;
        if depth > 3 || self.size > 2 * self.most {
            return self.name().to_owned();
        }
        let deeper = depth + 1;
        match self.choices.below(26) {
            0..=5 => self.name().to_owned(),
            6..=8 => {
                let literal = self.choices.of(&[
                    "1", "0", "-3", "2.5", "'a'", "'<x>'", "\"it's\"", "''", "true", "false", "none", "[]", "{}",
                    "(1,)", "1e3", "10 ** 30",
                ]);
                literal.to_owned()
            }
            9 | 10 => {
                let operator = self.choices.of(&["+", "-", "*", "/", "//", "%", "~", "~", "**"]);
                format!("({} {operator} {})", self.expr(deeper), self.expr(deeper))
            }
            11 | 12 => {
                let operator = self.choices.of(&["==", "!=", "<", "<=", ">", ">=", "in", "not in"]);
                format!("({} {operator} {})", self.expr(deeper), self.expr(deeper))
            }
            13 => format!(
                "({} and {} or {})",
                self.expr(deeper),
                self.expr(deeper),
                self.expr(deeper)
            ),
            14 => format!("(not {})", self.expr(deeper)),
            15 => match self.choices.below(2) {
                0 => format!(
                    "({} if {} else {})",
                    self.expr(deeper),
                    self.expr(deeper),
                    self.expr(deeper)
                ),
                _ => format!("({} if {})", self.expr(deeper), self.expr(deeper)),
            },
            16 => format!("[{}, {}]", self.expr(deeper), self.expr(deeper)),
            17 => format!(
                "{{'k': {}, {}: 1}}",
                self.expr(deeper),
                self.choices.of(&["'n'", "2", "true"])
            ),
            18 => {
                let slice = self
                    .choices
                    .of(&["[1:]", "[:1]", "[::-1]", "[0]", "[-1]", "[::2]", "[1:-1]", "[-2:]"]);
                format!("({}){slice}", self.expr(deeper))
            }
            19 => {
                let test = self.choices.of(&[
                    "defined",
                    "undefined",
                    "none",
                    "odd",
                    "even",
                    "string",
                    "number",
                    "mapping",
                    "sequence",
                    "iterable",
                    "true",
                    "safe",
                    "lower",
                    "upper",
                    "integer",
                    "float",
                    "boolean",
                    "divisibleby(2)",
                    "in([1, 'a'])",
                    "eq(1)",
                    "startingwith('a')",
                    "sameas(none)",
                    "lt(3)",
                ]);
                let word = self.choices.of(&["is", "is not"]);
                format!("({} {word} {test})", self.expr(deeper))
            }
            20 if self.choices.one_in(8) => self
                .choices
                .of(&["(xs | chain([3]))", "(m | chain({'a': 1}))", "(xs | chain(range(2)))"])
                .to_owned(),
            20 if self.choices.one_in(2) => {
                let name = self.choices.of(&["one", "two", "three", "lib.one", "second"]);
                format!("{name}({})", self.expr(deeper))
            }
            21 if self.choices.one_in(3) && self.within == Within::Template && !self.blocks.is_empty() => {
                let block = self.choices.below(self.blocks.len());
                match self.level > 1 {
                    true => self.name().to_owned(),
                    false => format!("self.{}()", self.blocks[block]),
                }
            }
            _ => {
                let filter = self.choices.of(&[
                    "upper",
                    "lower",
                    "title",
                    "capitalize",
                    "trim",
                    "length",
                    "string",
                    "list",
                    "first",
                    "last",
                    "reverse",
                    "sort",
                    "unique",
                    "join(', ')",
                    "join",
                    "join('<')",
                    "default('d')",
                    "default('', true)",
                    "string | escape",
                    "safe",
                    "string | e",
                    "abs",
                    "int",
                    "float",
                    "int(7)",
                    "float(1.5)",
                    "round",
                    "round(1)",
                    "round(-1)",
                    "round(2, 'floor')",
                    "sum",
                    "min",
                    "max",
                    "tojson",
                    "items",
                    "dictsort",
                    "batch(2)",
                    "slice(2)",
                    "replace('a', 'b')",
                    "replace('<', '&')",
                    "split",
                    "split(',')",
                    "lines",
                    "indent",
                    "indent(2, true)",
                    "urlencode",
                    "pprint",
                    "bool",
                    "map('upper')",
                    "map('string')",
                    "map(attribute='k')",
                    "map(attribute='n', default=0)",
                    "select",
                    "reject('none')",
                    "select('odd')",
                    "selectattr('n')",
                    "rejectattr('n', 'gt', 1)",
                    "groupby('k')",
                    "sort(attribute='n')",
                    "sort(attribute='k,n', reverse=true)",
                    "sort(case_sensitive=true)",
                    "attr('k')",
                    "zip([1, 2])",
                    "list | sort | first",
                    "map('default', 'x')",
                    "truncate(length=9)",
                    "striptags",
                    "pluralize",
                    "tojson(indent=2)",
                    "unique(attribute='k')",
                    "min(attribute='n')",
                    "join(attribute='n')",
                    "d('x') | upper",
                    "trim('a')",
                    "batch(2, 'x')",
                    "slice(3, '-')",
                    "sum(attribute='n')",
                    "dictsort(by='value', reverse=true)",
                    "list | tojson",
                    "string | length",
                ]);
                format!("({} | {filter})", self.expr(deeper))
            }
        }
    }
}
