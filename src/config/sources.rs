//! [`Sources`]: where a configuration is read from, and [`Settings`]: what that came to.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::finding::{ConfigError, Finding, SourceRange, about};
use super::keys::{Key, Kind, Value, keys};
use super::validate::{RawValue, judge};
use super::{Config, consistency, file, suggestion};

/// Where a configuration is read from: a file, variables, flags, each laid over the one before. It can be read again.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    file: Option<PathBuf>,
    /// Who says that it is this file, if that is to be said.
    named_by: Option<String>,
    variables: Vec<(String, String)>,
    flags: Vec<Flag>,
}

#[derive(Debug, Clone)]
struct Flag {
    /// As it is given: `--set limits.render_ms=`, `--bind `.
    written: String,
    path: String,
    value: String,
}

/// A configuration, and what is to be said about it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// What holds.
    pub config: Config,
    /// What is probably not meant, and was not used.
    pub warnings: Vec<Finding>,
    assigned: BTreeMap<&'static str, (Origin, SourceRange)>,
}

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Nobody said otherwise.
    Default,
    /// A line of a file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A variable of the environment.
    Variable(String),
    /// A flag of the command.
    Flag(String),
}

/// One setting of one source.
#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) key: &'static Key,
    pub(super) value: Value,
    pub(super) origin: Origin,
    pub(super) place: SourceRange,
}

impl Sources {
    /// Nothing but the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A file, which has to be there.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self.named_by = None;
        self
    }

    /// A file, which has to be there, and the variable that names it, for what is said if it cannot be read.
    #[must_use]
    pub fn file_of_variable(mut self, variable: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self.named_by = Some(variable.into());
        self
    }

    /// The variables `HOTPLATE_SECTION__KEY` among these. One that is empty counts as unset. A key that there is not is refused as in a
    /// file; another name that begins with `HOTPLATE_` is a warning, unless it is one that Kubernetes sets for a service of that name.
    #[must_use]
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let ours = |(name, value): &(String, String)| name.starts_with(PREFIX) && !value.is_empty();
        self.variables = variables.into_iter().filter(ours).collect();
        self.variables.sort_unstable();
        self
    }

    /// A flag that sets a key, as it is written before its value: `--bind `.
    #[must_use]
    pub fn flag(mut self, written: impl Into<String>, path: impl Into<String>, value: impl Into<String>) -> Self {
        self.flags.push(Flag {
            written: written.into(),
            path: path.into(),
            value: value.into(),
        });
        self
    }

    /// The file, if one is read.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Reads everything.
    ///
    /// # Errors
    /// [`ConfigError`] with all that is wrong; then none of it is to be used.
    pub fn read(&self) -> Result<Settings, ConfigError> {
        let (mut assigned, mut findings, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        match self
            .file
            .as_deref()
            .map(|path| file::read(path, self.named_by.as_deref()))
        {
            Some(Ok(settings)) => assigned.extend(settings),
            Some(Err(wrong)) => findings.extend(wrong),
            None => {}
        }
        for (name, value) in &self.variables {
            match variable(name, value) {
                Ok(Some(setting)) => assigned.push(setting),
                Ok(None) => warnings.extend(unused(name, value)),
                Err(finding) => findings.push(*finding),
            }
        }
        for flag in &self.flags {
            match flag.read() {
                Ok(setting) => assigned.push(setting),
                Err(finding) => findings.push(*finding),
            }
        }
        if !findings.is_empty() {
            return Err(ConfigError { findings });
        }
        let mut settings = Settings {
            config: Config::default(),
            warnings,
            assigned: BTreeMap::new(),
        };
        for Assignment {
            key,
            value,
            origin,
            place,
        } in assigned
        {
            let value = match (key.kind, value, &origin) {
                (Kind::File, Value::Text(named), Origin::File { path, .. }) if !named.is_empty() => {
                    let beside = path.parent().unwrap_or(Path::new("")).join(named);
                    Value::Text(beside.to_string_lossy().into_owned())
                }
                (_, value, _) => value,
            };
            (key.set)(&mut settings.config, value);
            settings.assigned.insert(key.path, (origin, place));
        }
        let contradictions = consistency::contradictions(&settings.config);
        let findings: Vec<Finding> = contradictions
            .into_iter()
            .map(|wrong| settings.refused(&wrong.keys, "contradiction", wrong.message, wrong.help))
            .collect();
        match findings.is_empty() {
            true => Ok(settings),
            false => Err(ConfigError { findings }),
        }
    }
}

impl Settings {
    /// Where the value of a key comes from.
    #[must_use]
    pub fn origin(&self, key: &Key) -> Origin {
        let assigned = self.assigned.get(key.path);
        assigned.map_or(Origin::Default, |(origin, _)| origin.clone())
    }

    /// A finding about a value that only its user can judge, at its place.
    #[must_use]
    pub fn refuse(&self, path: &str, message: impl Into<String>, help: impl Into<String>) -> ConfigError {
        let finding = self.refused(&[path], "unknown-value", message.into(), help.into());
        ConfigError {
            findings: vec![finding],
        }
    }

    /// At the first of some keys that somebody set.
    fn refused(&self, paths: &[impl AsRef<str>], code: &'static str, message: String, help: String) -> Finding {
        match paths.iter().find_map(|path| self.assigned.get(path.as_ref())) {
            Some((_, place)) => place.error(code, message, help),
            None => about("the configuration", code, message, help),
        }
    }
}

const PREFIX: &str = "HOTPLATE_";

/// The setting in a variable; `None` if it is not meant as one.
fn variable(name: &str, value: &str) -> Result<Option<Assignment>, Box<Finding>> {
    let Some(path) = name.strip_prefix(PREFIX).filter(|rest| rest.contains("__")) else {
        return Ok(None);
    };
    let path = path.to_lowercase().replace("__", ".");
    let Some(key) = keys().iter().find(|key| key.path == path && key.variable() == name) else {
        let help = match suggestion::key(&path) {
            Some(key) => format!("did you mean `{}`?", key.variable()),
            None => "`hotplate config` shows every key".to_owned(),
        };
        let message = format!("there is no key `{path}`");
        return Err(Box::new(variable_name(name).error("unknown-key", message, help)));
    };
    let place = SourceRange {
        shown: "the environment".into(),
        text: format!("{name}={value}").into(),
        bytes: name.len() + 1..name.len() + 1 + value.len(),
    };
    assign(
        key,
        value,
        &format!("{name}="),
        Origin::Variable(name.to_owned()),
        place,
    )
    .map(Some)
}

/// Variables that are no settings and mean something all the same.
const OTHERS: [&str; 1] = ["HOTPLATE_CONFIG"];

/// A warning about a variable that is ours by its name and is not used. It is no error as an unknown key is: the environment is not written
/// by one hand.
fn unused(name: &str, value: &str) -> Option<Finding> {
    let rest = name.strip_prefix(PREFIX)?;
    if OTHERS.contains(&name) || is_service_link(rest, value) {
        return None;
    }
    let message = format!("`{name}` is not used");
    let help = match suggestion::variable(rest, &OTHERS) {
        Some(known) => format!("did you mean `{known}`?"),
        None => "a setting is `HOTPLATE_SECTION__KEY`; `hotplate config` shows every key".to_owned(),
    };
    Some(variable_name(name).warning("unknown-key", message, help))
}

/// The name of a variable. What nobody knows may have a secret as its value.
fn variable_name(name: &str) -> SourceRange {
    SourceRange {
        shown: "the environment".into(),
        text: name.into(),
        bytes: 0..name.len(),
    }
}

/// Returns true for what Kubernetes sets where a service is called `hotplate` or `hotplate-…`: `HOTPLATE_SERVICE_HOST`,
/// `HOTPLATE_PORT=tcp://…`, `HOTPLATE_PORT_80_TCP_ADDR`.
fn is_service_link(rest: &str, value: &str) -> bool {
    let rest = format!("_{rest}");
    let of_port = rest.split_once("_PORT_").and_then(|(_, port)| port.split_once('_'));
    rest.ends_with("_SERVICE_HOST")
        || rest.ends_with("_SERVICE_PORT")
        || rest.contains("_SERVICE_PORT_")
        || rest.ends_with("_PORT") && value.contains("://")
        || of_port.is_some_and(|(number, protocol)| {
            let known = ["TCP", "UDP", "SCTP"].iter().any(|known| protocol.starts_with(known));
            known && number.bytes().all(|byte| byte.is_ascii_digit())
        })
}

impl Flag {
    fn read(&self) -> Result<Assignment, Box<Finding>> {
        let text = format!("{}{}", self.written, self.value);
        let start = self.written.len();
        let place = |bytes| SourceRange {
            shown: "the command line".into(),
            text: text.as_str().into(),
            bytes,
        };
        let Some(key) = keys().iter().find(|key| key.path == self.path) else {
            let help = match suggestion::key(&self.path) {
                Some(key) => format!("did you mean `{}`?", key.path),
                None => "`hotplate config` shows every key".to_owned(),
            };
            let message = format!("there is no key `{}`", self.path);
            return Err(Box::new(place(0..start).error("unknown-key", message, help)));
        };
        let origin = Origin::Flag(self.written.trim_end_matches([' ', '=']).to_owned());
        assign(key, &self.value, &self.written, origin, place(start..text.len()))
    }
}

fn assign(
    key: &'static Key,
    text: &str,
    before: &str,
    origin: Origin,
    place: SourceRange,
) -> Result<Assignment, Box<Finding>> {
    let default = key.get(&Config::default());
    match judge(key, RawValue::untyped(text, key.kind), &default) {
        Ok(value) => Ok(Assignment {
            key,
            value,
            origin,
            place,
        }),
        Err(wrong) => {
            let instead = match &wrong.instead {
                Value::Text(text) => text.clone(),
                Value::Whole(number) => number.to_string(),
                Value::List(list) => list.join(","),
                Value::Flag(flag) => flag.to_string(),
            };
            let help = match wrong.meant {
                true => format!("write `{before}{instead}`"),
                false => format!("for example `{before}{instead}`"),
            };
            Err(Box::new(place.error(wrong.code, wrong.message, help)))
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => name.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(variables: &[(&str, &str)]) -> Sources {
        let owned = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Sources::new().environment(owned)
    }

    fn key(path: &str) -> &'static Key {
        keys().iter().find(|key| key.path == path).expect("a key")
    }

    #[test]
    fn each_source_is_laid_over_the_one_before() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("hotplate.toml");
        std::fs::write(&file, "[limits]\nrender_ms = 1\nreload_ms = 1\nstart_ms = 1\n").expect("written");
        let sources = variables(&[
            ("HOTPLATE_LIMITS__RELOAD_MS", "2"),
            ("HOTPLATE_LIMITS__START_MS", "2"),
            ("PATH", "x__y"),
        ])
        .flag("--set limits.start_ms=", "limits.start_ms", "3")
        .file(&file);
        let settings = sources.read().expect("good");
        let limits = &settings.config.limits;
        assert_eq!((limits.render_ms, limits.reload_ms, limits.start_ms), (1, 2, 3));
        assert_eq!(
            settings.origin(key("limits.render_ms")),
            Origin::File { path: file, line: 2 }
        );
        let origins = ["limits.reload_ms", "limits.start_ms", "limits.grace_ms"];
        let origins = origins.map(|path| settings.origin(key(path)).to_string());
        assert_eq!(
            origins,
            ["HOTPLATE_LIMITS__RELOAD_MS", "--set limits.start_ms", "the default"]
        );
    }

    #[test]
    fn a_variable_or_flag_that_is_wrong_is_shown() {
        for (name, value, parts) in [
            (
                "HOTPLATE_LIMITS__RENDER_MS",
                "2s",
                &["the environment:1:28", "^^", "write `HOTPLATE_LIMITS__RENDER_MS=2000`"][..],
            ),
            (
                "HOTPLATE_LIMITS__RENDER",
                "5",
                &["did you mean `HOTPLATE_LIMITS__RENDER_MS`?"],
            ),
            (
                "HOTPLATE_TEMPLATES__WATCH",
                "yes",
                &["write `HOTPLATE_TEMPLATES__WATCH=true`"],
            ),
            ("HOTPLATE_WOMBAT__X", "1", &["there is no key `wombat.x`"]),
            (
                "HOTPLATE_FILES__EXTENSIONS",
                "*.ht*",
                &["the environment:1:28", "is not an extension", "write [\"ht\"]"],
            ),
            (
                "HOTPLATE_FILES__EXTENSIONS",
                "[html,txt]",
                &["`[html` is not an extension", "write [\"html\"]"],
            ),
            (
                "HOTPLATE_FILES__EXTENSIONS",
                "[]",
                &["no extension is given", "write [\"*\"]"],
            ),
        ] {
            let shown = variables(&[(name, value)]).read().expect_err("wrong").to_string();
            for part in parts {
                assert!(shown.contains(part), "{part} is not in:\n{shown}");
            }
        }
        let shown = Sources::new()
            .flag("--bind ", "server.bind", "80")
            .read()
            .expect_err("wrong")
            .to_string();
        assert!(shown.contains("write `--bind 127.0.0.1:80`"), "{shown}");
        let shown = Sources::new()
            .flag("--set a.b=", "a.b", "80")
            .read()
            .expect_err("wrong")
            .to_string();
        assert!(shown.contains("there is no key `a.b`"), "{shown}");
    }

    #[test]
    fn a_variable_that_is_empty_counts_as_unset_whichever_it_is() {
        let all = keys().iter().map(|key| (key.variable(), String::new()));
        let others = ["HOTPLATE_WOMBAT__X", "HOTPLATE_RENDER_MS"].map(|name| (name.to_owned(), String::new()));
        let settings = Sources::new().environment(all.chain(others)).read().expect("good");
        assert_eq!(settings.config, Config::default());
        assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
    }

    #[test]
    fn a_path_in_a_file_is_relative_to_that_and_elsewhere_to_the_working_directory() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("conf/hotplate.toml");
        std::fs::create_dir(directory.path().join("conf")).expect("created");
        for (named, expected) in [
            ("token", directory.path().join("conf/token")),
            ("../token", directory.path().join("conf/../token")),
            ("/run/token", "/run/token".into()),
            ("", "".into()),
        ] {
            std::fs::write(&file, format!("[admin]\ntoken_file = \"{named}\"\n")).expect("written");
            let settings = Sources::new().file(&file).read().expect("good");
            assert_eq!(Path::new(&settings.config.admin.token_file), expected);
        }
        let settings = variables(&[("HOTPLATE_ADMIN__TOKEN_FILE", "token")]).file(&file);
        assert_eq!(settings.read().expect("good").config.admin.token_file, "token");
    }

    #[test]
    fn a_variable_that_names_no_file_is_named() {
        let sources = Sources::new().file_of_variable("HOTPLATE_CONFIG", "/nowhere/hotplate.toml");
        let shown = sources.read().expect_err("is not there").to_string();
        for part in ["/nowhere/hotplate.toml", "cannot be read", "`HOTPLATE_CONFIG` names it"] {
            assert!(shown.contains(part), "{part} is not in:\n{shown}");
        }
    }

    #[test]
    fn extensions_are_understood_as_they_are_written() {
        for written in ["html", ".html", "*.html", "[\".html\"]"] {
            let settings = variables(&[("HOTPLATE_FILES__EXTENSIONS", written)])
                .read()
                .expect("good");
            assert!(settings.config.files.rules().check().is_ok(), "{written}");
        }
    }

    #[test]
    fn a_variable_that_is_not_used_is_told_with_the_nearest_known_one_and_without_its_value() {
        let known = |section: &str| format!("did you mean `HOTPLATE_{section}`?");
        for (name, value, help) in [
            ("HOTPLATE_LIMITS_RENDER_MS", "5", Some(known("LIMITS__RENDER_MS"))),
            ("HOTPLATE_RENDER_MS", "5", Some(known("LIMITS__RENDER_MS"))),
            ("HOTPLATE_RENDER", "5", Some(known("LIMITS__RENDER_MS"))),
            ("HOTPLATE_BIND", "0.0.0.0:80", Some(known("SERVER__BIND"))),
            ("HOTPLATE_LOG_LEVLE", "debug", Some(known("LOG__LEVEL"))),
            ("HOTPLATE_TOKEN", "s3cret", Some(known("ADMIN__TOKEN"))),
            ("HOTPLATE_CONFG", "/etc/hotplate.toml", Some(known("CONFIG"))),
            ("HOTPLATE_WOMBAT", "5", Some("`HOTPLATE_SECTION__KEY`".to_owned())),
            ("HOTPLATE_", "5", Some("`HOTPLATE_SECTION__KEY`".to_owned())),
            ("HOTPLATE_PORT", "80", Some("`HOTPLATE_SECTION__KEY`".to_owned())),
            ("HOTPLATE_CONFIG", "/etc/hotplate.toml", None),
            ("HOTPLATE_PORT", "tcp://10.0.0.1:80", None),
            ("HOTPLATE_SERVICE_HOST", "10.0.0.1", None),
            ("HOTPLATE_SERVICE_PORT", "80", None),
            ("HOTPLATE_SERVICE_PORT_HTTP", "80", None),
            ("HOTPLATE_PORT_80_TCP", "tcp://10.0.0.1:80", None),
            ("HOTPLATE_PORT_80_TCP_ADDR", "10.0.0.1", None),
            ("HOTPLATE_ADMIN_SERVICE_HOST", "10.0.0.1", None),
            ("HOTPLATE_ADMIN_PORT_9901_TCP_PROTO", "tcp", None),
            ("HOTPLATES", "5", None),
            ("OTHER_RENDER_MS", "5", None),
        ] {
            let warnings = variables(&[(name, value)]).read().expect("good").warnings;
            let shown: Vec<String> = warnings.iter().map(Finding::to_string).collect();
            assert_eq!(shown.len(), usize::from(help.is_some()), "{name}: {shown:?}");
            for (shown, help) in shown.iter().zip(help) {
                assert!(shown.contains(&format!("`{name}` is not used")), "{shown}");
                assert!(shown.contains(&help), "{shown}");
                assert!(!shown.contains("s3cret"), "{shown}");
            }
        }
        let refused = variables(&[("HOTPLATE_ADMIN__TOKNE", "s3cret")]);
        let refused = refused.read().expect_err("no such key").to_string();
        assert!(
            refused.contains(&known("ADMIN__TOKEN")) && !refused.contains("s3cret"),
            "{refused}"
        );
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused_at_the_one_that_was_set() {
        let sources = Sources::new().flag("--set limits.settle_ms=", "limits.settle_ms", "5000");
        let shown = sources.read().expect_err("a contradiction").to_string();
        assert!(
            shown.contains("error[contradiction]") && shown.contains("settle_max_ms"),
            "{shown}"
        );
        assert!(shown.contains("^^^^"), "{shown}");
        let flag = (
            "--set supervision.graph.backoff_max_ms=",
            "supervision.graph.backoff_max_ms",
        );
        let shown = Sources::new()
            .flag(flag.0, flag.1, "5")
            .read()
            .expect_err("a contradiction")
            .to_string();
        assert!(
            shown.contains("`backoff_min_ms` of the graph is 10") && shown.contains("backoff_max_ms=5"),
            "{shown}"
        );
    }
}
