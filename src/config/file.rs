//! The configuration file: turns TOML into settings with their places.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use hotplate_actors::text::decode;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::finding::{Finding, SourceRange, about};
use super::keys::{Key, Kind, Value, keys};
use super::sources::{Assignment, Origin};
use super::validate::{RawValue, validate};
use super::{quantity, suggestion};

/// Bytes of a configuration file, which is fifty times the sample.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Reads a file. `named_by` is the variable that names it, for the error if it cannot be read.
pub(super) fn read(path: &Path, named_by: Option<&str>) -> Result<Vec<Assignment>, Vec<Finding>> {
    let shown = path.display().to_string();
    let text = read_text(path, &shown, named_by).map_err(|finding| vec![*finding])?;
    parse(path, &text)
}

fn read_text(path: &Path, shown: &str, named_by: Option<&str>) -> Result<String, Box<Finding>> {
    use std::io::Read;
    let help = match named_by {
        Some(variable) => format!("`{variable}` names it: set it to another file, or unset it"),
        None => "name another file with `--config FILE`".to_owned(),
    };
    let wrong = |message: String| Box::new(about(shown, "unreadable", message, help.as_str()));
    let cannot = |error: std::io::Error| wrong(format!("the configuration cannot be read: {error}"));
    let file = std::fs::File::open(path).map_err(cannot)?;
    if file.metadata().map_err(cannot)?.is_dir() {
        return Err(wrong("the configuration is a directory".to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(wrong(format!(
            "the configuration is larger than {FILE_BYTES_MAX} bytes"
        )));
    }
    decode(bytes).map_err(|diagnostic| {
        Box::new(Finding {
            place: shown.to_owned(),
            diagnostic: *diagnostic,
        })
    })
}

/// Parses the settings in a text, or returns every error from top to bottom.
pub(super) fn parse(path: &Path, text: &str) -> Result<Vec<Assignment>, Vec<Finding>> {
    let mut reading = FileReading {
        shown: path.display().to_string().into(),
        text: text.into(),
        path,
        assigned: Vec::new(),
        findings: Vec::new(),
    };
    match DeTable::parse(text) {
        Ok(table) => reading.table("", table.get_ref()),
        Err(error) => {
            let place = reading.place(error.span().unwrap_or_default());
            reading.findings.push(place.error("bad-toml", error.message(), ""));
        }
    }
    match reading.findings.is_empty() {
        true => Ok(reading.assigned),
        false => {
            reading
                .findings
                .sort_by_key(|finding| finding.diagnostic.span.map(|span| (span.line, span.column)));
            Err(reading.findings)
        }
    }
}

/// The state while a file is read.
struct FileReading<'f> {
    shown: Arc<str>,
    text: Arc<str>,
    path: &'f Path,
    assigned: Vec<Assignment>,
    findings: Vec<Finding>,
}

impl FileReading<'_> {
    fn table(&mut self, section: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let path = match section {
                "" => name.get_ref().to_string(),
                section => format!("{section}.{}", name.get_ref()),
            };
            let key = keys().iter().find(|key| key.path == path);
            let is_section = keys().iter().any(|key| within(key, &path));
            match (key, value.get_ref()) {
                (Some(key), _) => self.setting(key, value),
                (None, DeValue::Table(table)) if is_section => self.table(&path, table),
                (None, _) if is_section => {
                    let message = format!("`{path}` is a section");
                    let help = format!("write `[{path}]` on a line of its own, and its keys below it");
                    let finding = self.place(value.span()).error("wrong-type", message, help);
                    self.findings.push(finding);
                }
                (None, _) => self.unknown(section, &path, name.span(), value),
            }
        }
    }

    fn setting(&mut self, key: &'static Key, value: &Spanned<DeValue<'_>>) {
        let place = self.place(value.span());
        let given = match (key.kind, value.get_ref()) {
            (Kind::List, DeValue::Array(items)) => {
                RawValue::List(items.iter().map(|item| entry(item.get_ref())).collect())
            }
            (_, value) => raw(value),
        };
        match validate(key, given) {
            Ok(value) => {
                let line = self.text[..place.bytes.start].matches('\n').count() + 1;
                let path = self.path.to_owned();
                self.assigned.push(Assignment {
                    key,
                    value,
                    origin: Origin::File { path, line },
                    place,
                });
            }
            Err(wrong) => {
                let written = written(key, &wrong.instead);
                let help = match wrong.meant {
                    true => format!("write `{written}`"),
                    false => format!("for example `{written}`"),
                };
                self.findings.push(place.error(wrong.code, wrong.message, help));
            }
        }
    }

    fn unknown(&mut self, section: &str, path: &str, name: Range<usize>, value: &Spanned<DeValue<'_>>) {
        let place = self.place(name);
        if let DeValue::Table(_) = value.get_ref() {
            let help = match suggestion::section(path) {
                Some(known) => format!("did you mean `[{known}]`?"),
                None => format!("the sections are {}", listed(sections())),
            };
            let message = format!("there is no section `{path}`");
            return self.findings.push(place.error("unknown-key", message, help));
        }
        let help = match suggestion::key(path) {
            Some(key) => {
                let raw = with_unit(path, raw(value.get_ref()));
                let meant = validate(key, raw).or_else(|wrong| match wrong.meant {
                    true => Ok(wrong.instead),
                    false => Err(()),
                });
                let below = match key.section() == section {
                    true => String::new(),
                    false => format!(" below `[{}]`", key.section()),
                };
                let known = if below.is_empty() { key.name() } else { &key.path };
                match meant {
                    Ok(value) => format!("did you mean `{known}`? write `{}`{below}", written(key, &value)),
                    Err(()) => format!("did you mean `{known}`?"),
                }
            }
            None if section.is_empty() => format!("the sections are {}", listed(sections())),
            None => {
                let keys = keys().iter().filter(|key| key.section() == section);
                format!("the keys of `[{section}]` are {}", listed(keys.map(Key::name)))
            }
        };
        let message = format!("there is no key `{path}`");
        self.findings.push(place.error("unknown-key", message, help));
    }

    fn place(&self, bytes: Range<usize>) -> SourceRange {
        SourceRange {
            shown: Arc::clone(&self.shown),
            text: Arc::clone(&self.text),
            bytes,
        }
    }
}

fn within(key: &Key, section: &str) -> bool {
    key.path.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

fn sections() -> impl Iterator<Item = &'static str> {
    let mut last = "";
    let all = keys().iter().map(Key::section);
    all.filter(move |section| std::mem::replace(&mut last, section) != *section)
}

fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

fn written(key: &Key, value: &Value) -> String {
    format!("{} = {value}", key.name())
}

/// Adds the unit that a wrong name ends in: `render_s = 2` is two seconds.
fn with_unit(path: &str, raw: RawValue) -> RawValue {
    match (raw, quantity::without_unit(path).1) {
        (RawValue::Whole(Some(number)), unit) if !matches!(unit, "" | "ms" | "bytes" | "size" | "timeout" | "max") => {
            RawValue::Text(format!("{number}{unit}"))
        }
        (raw, _) => raw,
    }
}

/// Reads an entry of a list. A section of a list, such as `[[admin.subject]]`, becomes one text: `name = ci; may = read, publish`.
fn entry(value: &DeValue<'_>) -> RawValue {
    let DeValue::Table(table) = value else {
        return raw(value);
    };
    let text = |value: &DeValue<'_>| match raw(value) {
        RawValue::Text(text) => Some(text),
        RawValue::List(items) => {
            let items = items.into_iter().map(|item| match item {
                RawValue::Text(text) => Some(text),
                _ => None,
            });
            Some(items.collect::<Option<Vec<String>>>()?.join(", "))
        }
        _ => None,
    };
    let pairs = table
        .iter()
        .map(|(name, value)| Some(format!("{} = {}", name.get_ref(), text(value.get_ref())?)));
    match pairs.collect::<Option<Vec<String>>>() {
        Some(pairs) => RawValue::Text(pairs.join("; ")),
        None => RawValue::Other("a section with values other than texts"),
    }
}

fn raw(value: &DeValue<'_>) -> RawValue {
    match value {
        DeValue::String(text) => RawValue::Text(text.to_string()),
        DeValue::Integer(number) => RawValue::Whole(i128::from_str_radix(number.as_str(), number.radix()).ok()),
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .map_or(RawValue::Other("a fraction"), RawValue::Fraction),
        DeValue::Boolean(flag) => RawValue::Flag(*flag),
        DeValue::Array(list) => RawValue::List(list.iter().map(|item| raw(item.get_ref())).collect()),
        DeValue::Datetime(_) => RawValue::Other("a date"),
        DeValue::Table(_) => RawValue::Other("a section"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors_of(text: &str) -> String {
        let findings = parse(Path::new("conf/hotplate.toml"), text).expect_err("invalid");
        let shown: Vec<String> = findings.iter().map(Finding::to_string).collect();
        shown.join("\n")
    }

    #[test]
    fn errors_have_a_place_and_a_correction() {
        for (text, parts) in [
            (
                "[limits]\nrender_sm = 5\n",
                &[
                    "error[unknown-key]",
                    "conf/hotplate.toml:2:1",
                    "render_sm = 5",
                    "^^^^^^^^^",
                    "`render_ms = 5`",
                ][..],
            ),
            (
                "[limits]\nrender = \"2s\"",
                &[
                    "hotplate.toml:2:1",
                    "did you mean `render_ms`? write `render_ms = 2000`",
                ],
            ),
            ("[limits]\nrender_s = 3", &["write `render_ms = 3000`"]),
            (
                "[limits]\n  render_ms = \"2s\"",
                &[
                    "error[wrong-unit]",
                    "hotplate.toml:2:15",
                    "whole number of milliseconds",
                    "write `render_ms = 2000`",
                ],
            ),
            (
                "render_ms = 5",
                &[
                    "hotplate.toml:1:1",
                    "did you mean `limits.render_ms`? write `render_ms = 5` below `[limits]`",
                ],
            ),
            (
                "[limit]\nrender_ms = 5",
                &["hotplate.toml:1:2", "no section `limit`", "did you mean `[limits]`?"],
            ),
            ("[wombat]", &["the sections are `server`, `dev`"]),
            ("limits = 5", &["`limits` is a section"]),
            ("[[limits]]", &["`limits` is a section"]),
            ("[server]\nwombat = 1", &["the keys of `[server]` are `bind`"]),
            (
                "[supervision.watcher]\nrestart = \"never\"",
                &["one of `permanent`, `transient`, `temporary`"],
            ),
            (
                "[supervision.watchr]\n",
                &[
                    "no section `supervision.watchr`",
                    "did you mean `[supervision.watcher]`?",
                ],
            ),
            ("[supervision]\nrestarts = 5", &["no key `supervision.restarts`"]),
            ("[server.bind]\nx = 1", &["this is a section"]),
            ("[log]\nlevel = [", &["error[bad-toml]", "hotplate.toml:2:"]),
            (
                "[log]\nlevel = \"a\"\nlevel = \"b\"",
                &["error[bad-toml]", "hotplate.toml:3:1", "duplicate"],
            ),
            (
                "\u{feff}[limits]\nrender_ms = -1",
                &["error[out-of-range]", "hotplate.toml:2:13", "from 1 to"],
            ),
            ("[limits]\nrender_ms = 0x", &["out-of-range"]),
            (
                "[limits]\nrender_ms = 99999999999999999999999999999999999999999999",
                &["out-of-range"],
            ),
        ] {
            let shown = errors_of(text);
            for part in parts {
                assert!(shown.contains(part), "{part} is not in:\n{shown}");
            }
        }
    }

    #[test]
    fn errors_are_sorted_by_place() {
        let shown = errors_of("[server]\nwombat = 1\n[limits]\nrender_ms = true\na = 1\n[dev]\nbind = 5\n");
        let order: Vec<usize> = [":2:1", ":4:13", ":5:1", ":7:8"]
            .iter()
            .map(|place| shown.find(place).unwrap_or_else(|| panic!("{place}: {shown}")))
            .collect();
        assert!(order.is_sorted(), "{shown}");
    }

    #[test]
    fn the_error_names_another_encoding() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("hotplate.toml");
        let written = "\u{feff}[limits]\r\nrender_ms = 5\r\n";
        std::fs::write(&file, written).expect("written");
        assert_eq!(read(&file, None).expect("UTF-8").len(), 1);
        let utf16: Vec<u8> = written.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (bytes, part) in [(utf16, "iconv -f UTF-16LE"), (b"[log]\n# caf\xe9\n".to_vec(), "2:6")] {
            std::fs::write(&file, bytes).expect("written");
            let findings = read(&file, None).expect_err("invalid");
            assert!(findings[0].to_string().contains(part), "{}", findings[0]);
        }
    }

    #[test]
    fn every_notation_of_toml_works() {
        for text in [
            "[limits]\nrender_ms = 5_0",
            "limits.render_ms = 50",
            "limits = { render_ms = 0x32 }",
            "[limits]\n\"render_ms\" = 50 # five",
            "\u{feff}[limits]\r\nrender_ms = 50\r\n",
        ] {
            let assigned = parse(Path::new("x"), text).unwrap_or_else(|findings| panic!("{text}: {findings:?}"));
            let found: Vec<_> = assigned.iter().map(|one| (one.key.path.as_str(), &one.value)).collect();
            assert_eq!(found, [("limits.render_ms", &Value::Whole(50))], "{text}");
        }
        assert!(parse(Path::new("x"), "").is_ok_and(|assigned| assigned.is_empty()));
    }
}
