//! [`Sources`]: the sources of a configuration, and [`Settings`]: the configuration that was read from them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::finding::{ConfigError, Finding, SourceRange, about};
use super::keys::{Key, Kind, Tree, Value, keys};
use super::validate::{RawValue, validate};
use super::{Config, consistency, file, suggestion};

/// The sources of a configuration: a file, variables and flags, each of which overrides the ones before. They can be read again.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    file: Option<PathBuf>,
    /// The variable that names the file, if it should be in the error.
    named_by: Option<String>,
    variables: Vec<(String, String)>,
    flags: Vec<Flag>,
}

#[derive(Debug, Clone)]
struct Flag {
    /// The text before the value: `--set limits.render_ms=`, `--bind `.
    written: String,
    path: String,
    value: String,
}

/// A valid configuration, with its warnings and the origin of each setting.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The configuration.
    pub config: Config,
    /// Warnings about variables that look like settings and are not used.
    pub warnings: Vec<Finding>,
    origins: BTreeMap<&'static str, (Origin, SourceRange)>,
}

/// The source of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// No source sets it.
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

/// One setting in one source.
#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) key: &'static Key,
    pub(super) value: Value,
    pub(super) origin: Origin,
    pub(super) place: SourceRange,
}

impl Sources {
    /// Returns no sources, so that every setting has its default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the file, which must exist.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self.named_by = None;
        self
    }

    /// Uses no file.
    #[must_use]
    pub fn without_file(mut self) -> Self {
        self.file = None;
        self.named_by = None;
        self
    }

    /// Sets the file, which must exist, and the variable that names it, for the error if it cannot be read.
    #[must_use]
    pub fn file_of_variable(mut self, variable: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self.named_by = Some(variable.into());
        self
    }

    /// Sets the variables, and uses the ones named `HOTPLATE_SECTION__KEY`. An empty one counts as unset. An unknown key is an error, as in
    /// a file. Any other name that begins with `HOTPLATE_` is a warning, unless Kubernetes sets it for a service of that name.
    #[must_use]
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let ours = |(name, value): &(String, String)| name.starts_with(PREFIX) && !value.is_empty();
        self.variables = variables.into_iter().filter(ours).collect();
        self.variables.sort_unstable();
        self
    }

    /// Adds a flag that sets a key. `written` is the text before its value: `--bind `.
    #[must_use]
    pub fn flag(mut self, written: impl Into<String>, path: impl Into<String>, value: impl Into<String>) -> Self {
        self.flags.push(Flag {
            written: written.into(),
            path: path.into(),
            value: value.into(),
        });
        self
    }

    /// Returns the file, if there is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Reads and validates all sources.
    ///
    /// # Errors
    /// Every error in the sources. Then no setting is to be used.
    pub fn read(&self) -> Result<Settings, ConfigError> {
        let (mut assigned, mut findings, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        match self
            .file
            .as_deref()
            .map(|path| file::read(path, self.named_by.as_deref()))
        {
            Some(Ok(settings)) => assigned.extend(settings),
            Some(Err(errors)) => findings.extend(errors),
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
        let mut tree = Tree::of(&Config::default());
        let mut origins = BTreeMap::new();
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
            tree.set(key, &value);
            origins.insert(key.path.as_str(), (origin, place));
        }
        let too_large = |error: serde_json::Error| {
            let message = format!("a number is too large for this machine: {error}");
            let findings = vec![about(
                "the configuration",
                "out-of-range",
                message,
                "write a smaller one",
            )];
            ConfigError { findings }
        };
        let settings = Settings {
            config: tree.config().map_err(too_large)?,
            warnings,
            origins,
        };
        let contradictions = consistency::contradictions(&settings.config);
        let findings: Vec<Finding> = contradictions
            .into_iter()
            .map(|found| settings.error_at(&found.keys, "contradiction", found.message, found.help))
            .collect();
        match findings.is_empty() {
            true => Ok(settings),
            false => Err(ConfigError { findings }),
        }
    }
}

impl Settings {
    /// Returns the source of the value of a key.
    #[must_use]
    pub fn origin(&self, key: &Key) -> Origin {
        let origin = self.origins.get(key.path.as_str());
        origin.map_or(Origin::Default, |(origin, _)| origin.clone())
    }

    /// Returns an error at the place of a value, for a check that only the caller can make.
    #[must_use]
    pub fn refuse(&self, path: &str, message: impl Into<String>, help: impl Into<String>) -> ConfigError {
        let finding = self.error_at(&[path], "unknown-value", message.into(), help.into());
        ConfigError {
            findings: vec![finding],
        }
    }

    /// Returns an error at the first of some keys that is set.
    fn error_at(&self, paths: &[impl AsRef<str>], code: &'static str, message: String, help: String) -> Finding {
        match paths.iter().find_map(|path| self.origins.get(path.as_ref())) {
            Some((_, place)) => place.error(code, message, help),
            None => about("the configuration", code, message, help),
        }
    }
}

const PREFIX: &str = "HOTPLATE_";

/// Reads the setting in a variable. Returns `None` if its name is not the name of a setting.
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

/// Variables with the prefix that are not settings.
const OTHERS: [&str; 1] = ["HOTPLATE_CONFIG"];

/// Returns a warning about an unused variable with our prefix. It is no error, because other programs write to the environment too.
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

/// Returns the place of the name of a variable. The value is left out, because an unknown variable may hold a secret.
fn variable_name(name: &str) -> SourceRange {
    SourceRange {
        shown: "the environment".into(),
        text: name.into(),
        bytes: 0..name.len(),
    }
}

/// Returns true for the variables that Kubernetes sets where a service is called `hotplate` or `hotplate-…`: `HOTPLATE_SERVICE_HOST`,
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

/// Validates the text of a variable or a flag. `before` is the text before the value, for the correction.
fn assign(
    key: &'static Key,
    text: &str,
    before: &str,
    origin: Origin,
    place: SourceRange,
) -> Result<Assignment, Box<Finding>> {
    match validate(key, RawValue::untyped(text, key.kind)) {
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
    fn each_source_overrides_the_ones_before() {
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
        let settings = sources.read().expect("valid");
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
    fn invalid_variables_and_flags_are_shown() {
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
            let shown = variables(&[(name, value)]).read().expect_err("invalid").to_string();
            for part in parts {
                assert!(shown.contains(part), "{part} is not in:\n{shown}");
            }
        }
        let shown = Sources::new()
            .flag("--bind ", "server.bind", "80")
            .read()
            .expect_err("invalid")
            .to_string();
        assert!(shown.contains("write `--bind 127.0.0.1:80`"), "{shown}");
        let shown = Sources::new()
            .flag("--set a.b=", "a.b", "80")
            .read()
            .expect_err("invalid")
            .to_string();
        assert!(shown.contains("there is no key `a.b`"), "{shown}");
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let all = keys().iter().map(|key| (key.variable(), String::new()));
        let others = ["HOTPLATE_WOMBAT__X", "HOTPLATE_RENDER_MS"].map(|name| (name.to_owned(), String::new()));
        let settings = Sources::new().environment(all.chain(others)).read().expect("valid");
        assert_eq!(settings.config, Config::default());
        assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
    }

    #[test]
    fn a_path_in_a_file_is_relative_to_the_file() {
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
            let settings = Sources::new().file(&file).read().expect("valid");
            assert_eq!(Path::new(&settings.config.admin.token_file), expected);
        }
        let settings = variables(&[("HOTPLATE_ADMIN__TOKEN_FILE", "token")]).file(&file);
        assert_eq!(settings.read().expect("valid").config.admin.token_file, "token");
    }

    #[test]
    fn the_error_names_the_variable_that_names_the_file() {
        let sources = Sources::new().file_of_variable("HOTPLATE_CONFIG", "/nowhere/hotplate.toml");
        let shown = sources.read().expect_err("does not exist").to_string();
        for part in ["/nowhere/hotplate.toml", "cannot be read", "`HOTPLATE_CONFIG` names it"] {
            assert!(shown.contains(part), "{part} is not in:\n{shown}");
        }
    }

    #[test]
    fn extensions_have_several_notations() {
        for written in ["html", ".html", "*.html", "[\".html\"]"] {
            let settings = variables(&[("HOTPLATE_FILES__EXTENSIONS", written)])
                .read()
                .expect("valid");
            assert!(settings.config.files.rules().check().is_ok(), "{written}");
        }
    }

    #[test]
    fn the_warning_about_an_unused_variable_has_a_suggestion_and_no_value() {
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
            let warnings = variables(&[(name, value)]).read().expect("valid").warnings;
            let shown: Vec<String> = warnings.iter().map(Finding::to_string).collect();
            assert_eq!(shown.len(), usize::from(help.is_some()), "{name}: {shown:?}");
            for (shown, help) in shown.iter().zip(help) {
                assert!(shown.contains(&format!("`{name}` is not used")), "{shown}");
                assert!(shown.contains(&help), "{shown}");
                assert!(!shown.contains("s3cret"), "{shown}");
            }
        }
        let refused = variables(&[("HOTPLATE_ADMIN__TOKNE", "s3cret")]);
        let refused = refused.read().expect_err("unknown key").to_string();
        assert!(
            refused.contains(&known("ADMIN__TOKEN")) && !refused.contains("s3cret"),
            "{refused}"
        );
    }

    #[test]
    fn contradictions_are_shown_at_the_setting_that_is_set() {
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
