//! Generates templates and contexts from a sequence of choices: random ones in a test, the bytes of a fuzzer under `fuzz/`.

use serde_json::{Map, Value, json};

/// A source of choices. When it is exhausted, it chooses 0, which ends all loops of the generator.
pub(crate) struct Choices<'b> {
    bytes: &'b [u8],
    random: Option<u64>,
}

impl<'b> Choices<'b> {
    /// Creates the choices of a seed (SplitMix64: <https://prng.di.unimi.it/splitmix64.c>).
    #[allow(dead_code, reason = "the fuzzer has bytes, the test has seeds")]
    pub(crate) fn of_seed(seed: u64) -> Self {
        let random = Some(seed);
        Self { bytes: &[], random }
    }

    #[allow(dead_code, reason = "the fuzzer has bytes, the test has seeds")]
    pub(crate) fn of_bytes(bytes: &'b [u8]) -> Self {
        Self { bytes, random: None }
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        if let Some(state) = &mut self.random {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = *state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            return ((mixed ^ (mixed >> 31)) % end as u64) as usize;
        }
        match self.bytes.split_first() {
            Some((first, rest)) => {
                self.bytes = rest;
                usize::from(*first) % end
            }
            None => 0,
        }
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == count - 1
    }

    pub(crate) fn of<T: Copy>(&mut self, options: &[T]) -> T {
        options[self.below(options.len())]
    }

    fn of_values(&mut self, options: &[Value]) -> Value {
        options[self.below(options.len())].clone()
    }
}

/// Templates that call each other, the entry first, and a context.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) templates: Vec<(String, String)>,
    pub(crate) context: Value,
    /// True if every template is correct; otherwise some may have been corrupted.
    pub(crate) is_tame: bool,
}

const NAMES: [&str; 3] = ["page", "part/row.html", "tree"];

const KEYS: [&str; 12] = [
    "a", "b", "items", "name", "x", "0", "1", "ok", "nota", "não", "a-b", "@id",
];

const TEXTS: [&str; 20] = [
    "text", " ", "\n", "  \n\t", "}", "}}", "a\\b", "\\{", "\\{\\{", "<b>", "ü&\"", "\r\n", " - ", "-", "#}", "\u{a0}",
    "\\\\{", " \\{ ", "\u{feff}", "'x' ",
];

impl Case {
    pub(crate) fn choose(choices: &mut Choices<'_>) -> Self {
        let mut context = Map::new();
        for key in KEYS {
            // Most of what a template asks for is there: one that fails at once shows little.
            if !choices.one_in(8) {
                let value = match key {
                    "items" => (0..choices.below(4)).map(|_| value(choices, 2)).collect(),
                    _ => value(choices, 3),
                };
                context.insert(key.into(), value);
            }
        }
        let context = match choices.one_in(12) {
            true => value(choices, 4),
            false => Value::Object(context),
        };
        let is_tame = !choices.one_in(3);
        let count = 1 + choices.below(NAMES.len());
        let templates = NAMES[..count].iter().map(|name| {
            let mut template = Template {
                choices,
                text: String::new(),
                names: Vec::new(),
                loops: 0,
                templates: count,
            };
            template.body(3);
            let mut text = template.text;
            if !is_tame {
                // Now and then there is nothing to corrupt, only rubble.
                let rounds = if choices.one_in(6) { 8 } else { 1 };
                if rounds > 1 {
                    text.clear();
                }
                for _ in 0..rounds {
                    corrupt(&mut text, choices);
                }
            } else if text.ends_with('\\') {
                text.push('.');
            }
            ((*name).to_owned(), text)
        });
        let templates = templates.collect();
        Self {
            templates,
            context,
            is_tame,
        }
    }
}

fn value(choices: &mut Choices<'_>, depth: usize) -> Value {
    let kinds = if depth == 0 { 8 } else { 12 };
    match choices.below(kinds) {
        0 => Value::Null,
        1 => json!(choices.one_in(2)),
        2 => json!(choices.below(3)),
        3 => choices.of_values(&[
            json!(1.0),
            json!(-0.0),
            json!(0.1),
            json!(1e300),
            json!(5e-324),
            json!(1e16),
        ]),
        4 => choices.of_values(&[json!(u64::MAX), json!(i64::MIN), json!(-1), json!(123_456_789_012_u64)]),
        5 => json!(""),
        6 => json!("<a href=\"x\">'Tom' & Jérôme, longer than one wide step</a>"),
        7 => json!(choices.of(&["x", "0", "ß\u{2028}", "plain text of more than sixteen bytes"])),
        8..=9 => (0..choices.below(4)).map(|_| value(choices, depth - 1)).collect(),
        _ => {
            let fields = (0..choices.below(5)).map(|_| (choices.of(&KEYS).to_owned(), value(choices, depth - 1)));
            Value::Object(fields.collect())
        }
    }
}

struct Template<'c, 'b> {
    choices: &'c mut Choices<'b>,
    text: String,
    names: Vec<String>,
    loops: usize,
    templates: usize,
}

impl Template<'_, '_> {
    fn body(&mut self, depth: usize) {
        for _ in 0..self.choices.below(6) {
            self.part(depth);
        }
    }

    fn part(&mut self, depth: usize) {
        match self.choices.below(if depth == 0 { 7 } else { 13 }) {
            0..=2 => self.literal(),
            3..=4 => self.value(),
            5 => self.comment(),
            6 => self.call(),
            7..=9 => self.condition(depth - 1),
            10..=11 => self.scope(depth - 1, true),
            _ => self.scope(depth - 1, false),
        }
    }

    /// Opens a tag. A backslash directly before it would turn its brace into text.
    fn open(&mut self, braces: &str) {
        if self.text.ends_with('\\') {
            self.text.push(' ');
        }
        // A brace directly after `\{` would be rejected.
        if self.text.ends_with("\\{") {
            self.text.push(' ');
        }
        self.text.push_str(braces);
    }

    fn tag(&mut self, braces: (&str, &str), inner: &str) {
        let (open, close) = braces;
        let before = self.choices.of(&["", " ", "- ", "-", " -\t"]);
        let after = self.choices.of(&["", " ", " -", "-", "\t- "]);
        self.open(open);
        self.text.push_str(before);
        self.text.push_str(inner);
        self.text.push_str(after);
        self.text.push_str(close);
    }

    fn block(&mut self, inner: &str) {
        self.tag(("{{", "}}"), inner);
    }

    fn literal(&mut self) {
        let text = self.choices.of(&TEXTS);
        self.text.push_str(text);
    }

    fn comment(&mut self) {
        let comment = self.choices.of(&["", " c ", "- c -", "-", "-}", "{{ x }}", " -c"]);
        self.open("{#");
        self.text.push_str(comment);
        self.text.push_str("#}");
    }

    fn path(&mut self) -> String {
        let mut path = if !self.names.is_empty() && self.choices.one_in(2) {
            let which = self.choices.below(self.names.len());
            self.names[which].clone()
        } else {
            // The last of the keys begins with `@`: right as a later step only.
            KEYS[self.choices.below(KEYS.len() - 1)].to_owned()
        };
        while self.choices.one_in(6) {
            path.push('.');
            path.push_str(self.choices.of(&KEYS));
        }
        path
    }

    fn keyword(&mut self) -> &'static str {
        match self.loops {
            0 => "@root",
            _ => self.choices.of(&["@root", "@index", "@first", "@last", "@index"]),
        }
    }

    fn value(&mut self) {
        let inner = match self.choices.below(6) {
            // The whole context has no text, most of the time.
            0 if self.loops > 0 || self.choices.one_in(16) => self.keyword().to_owned(),
            1 => {
                let formatter = match self.choices.one_in(16) {
                    true => self.choices.of(&["| gone", "|upper | gone", "|gone|unescaped"]),
                    false => self.choices.of(&[
                        "|unescaped",
                        " | unescaped",
                        "|upper",
                        " | upper | unescaped",
                        "|unescaped|upper",
                        "| upper|upper |upper",
                    ]),
                };
                self.path() + formatter
            }
            _ => self.path(),
        };
        self.tag(("{", "}"), &inner);
    }

    fn condition(&mut self, depth: usize) {
        let not = self.choices.of(&["", "", "not ", "not\t"]);
        let mut path = if self.choices.one_in(4) {
            self.keyword().to_owned()
        } else {
            self.path()
        };
        if not.is_empty() && path.starts_with("not") {
            path.insert(0, 'a');
        }
        self.block(&format!("if {not}{path}"));
        self.body(depth);
        if self.choices.one_in(2) {
            self.block("else");
            self.body(depth);
        }
        self.block("endif");
    }

    fn scope(&mut self, depth: usize, is_loop: bool) {
        let path = match self.choices.below(8) {
            0 if is_loop => "@root".into(),
            1..=5 if is_loop => "items".into(),
            _ => self.path(),
        };
        let name = self.choices.of(&["x", "item", "a", "0", "in", "as"]);
        let blank = self.choices.of(&[" ", "  ", "\t "]);
        if is_loop {
            self.block(&format!("for {name} {blank}in {path}"));
        } else {
            self.block(&format!("with {path} as {blank}{name}"));
        }
        self.names.push(name.into());
        self.loops += usize::from(is_loop);
        self.body(depth);
        self.loops -= usize::from(is_loop);
        self.names.pop();
        self.block(if is_loop { "endfor" } else { "endwith" });
    }

    fn call(&mut self) {
        let which = self.choices.below(self.templates * 4 + 1) / 4;
        let name = NAMES[..self.templates].get(which).unwrap_or(&"gone.html");
        let path = self.path();
        self.block(&format!("call {name} with {path}"));
    }
}

/// Corrupts some characters of a text, which may make it invalid.
fn corrupt(text: &mut String, choices: &mut Choices<'_>) {
    const BITS: [&str; 34] = [
        "{",
        "}",
        "{{",
        "}}",
        "\\",
        "-",
        "|",
        "#",
        "{#",
        "#}",
        " ",
        "\n",
        "\r",
        ".",
        "@",
        "not",
        " not ",
        "if ",
        "in",
        " as ",
        "é",
        "\u{a0}",
        "+1",
        "0",
        "@index",
        "@root",
        "{{ else }}",
        "{{ endif }}",
        "{a}",
        "==",
        "\t",
        "@last",
        "\u{2003}",
        "nota",
    ];
    for _ in 0..=choices.below(4) {
        let place = |choices: &mut Choices<'_>, text: &str| {
            let high = choices.below(256);
            let low = choices.below(256);
            text.floor_char_boundary((high * 256 + low) % (text.len() + 1))
        };
        let at = place(choices, text);
        match choices.below(3) {
            0 => text.insert_str(at, choices.of(&BITS)),
            1 => remove(text, at),
            _ => {
                remove(text, at);
                text.insert_str(at, choices.of(&BITS));
            }
        }
    }
}

fn remove(text: &mut String, at: usize) {
    if at < text.len() {
        text.remove(at);
    }
}
