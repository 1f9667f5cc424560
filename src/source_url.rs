//! [`SourceUrl`]: a source of templates as it is written in settings and in arguments.
//!
//! ```text
//! postgres://user@host:5432/database#password_file=/run/secrets/db&prefix=mail/
//! git+file:/srv/site.git#ref=v1.4.2&dir=templates
//! https://host/site/manifest.json#token_file=/run/secrets/token&interval_ms=5000
//! ```
//!
//! Options of the source follow the `#`. All have `priority`, a number: of several sources that have a name, the one with the
//! highest provides it. It is 1 by default, so that sources take precedence over the directory of a site, which has 0.

use std::fmt;
use std::path::PathBuf;

use hotplate_actors::Builder;

/// The priority of a source that names none.
const PRIORITY: i32 = 1;

/// A source of templates that is no directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceUrl {
    written: String,
    kind: SourceKind,
    priority: i32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum SourceKind {
    Postgres {
        address: String,
        password_file: Option<PathBuf>,
        prefix: Option<String>,
    },
    Git {
        repository: PathBuf,
        revision: String,
        directory: String,
    },
    Http {
        url: String,
        token_file: Option<PathBuf>,
        interval_ms: Option<u64>,
        allow_private: bool,
    },
}

/// Returns true if an argument is a source and not a directory.
#[cfg(feature = "cli")]
pub(crate) fn is_source(argument: &str) -> bool {
    ["postgres:", "postgresql:", "git+file:", "http:", "https:"]
        .iter()
        .any(|scheme| argument.starts_with(scheme))
}

impl SourceUrl {
    /// Takes a source apart.
    ///
    /// # Errors
    /// A text that says what is wrong, and what to write.
    pub(crate) fn parse(written: &str) -> Result<Self, String> {
        let (address, options) = written.split_once('#').unwrap_or((written, ""));
        let mut options = Options::parse(options)?;
        let priority = options.number("priority")?.unwrap_or(i64::from(PRIORITY));
        let priority = i32::try_from(priority).map_err(|_| "`priority` is too large".to_owned())?;
        let kind = match address.split_once(':').map(|(scheme, _)| scheme) {
            Some("postgres" | "postgresql") => {
                let authority = address.split('/').nth(2).unwrap_or_default();
                let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
                if user.contains(':') || address.contains("password=") {
                    let help = "put it into a file, and write `#password_file=/path` behind the address";
                    return Err(format!(
                        "a password in an address would appear in logs and lists of processes: {help}"
                    ));
                }
                SourceKind::Postgres {
                    address: address.to_owned(),
                    password_file: options.take("password_file").map(Into::into),
                    prefix: options.take("prefix"),
                }
            }
            Some("git+file") => {
                let path = address["git+file:".len()..].trim_start_matches("//");
                if path.is_empty() {
                    return Err("write the path of a repository, such as `git+file:/srv/site.git#ref=main`".to_owned());
                }
                SourceKind::Git {
                    repository: path.into(),
                    revision: options.take("ref").unwrap_or_else(|| "HEAD".to_owned()),
                    directory: options.take("dir").unwrap_or_default(),
                }
            }
            Some("http" | "https") => SourceKind::Http {
                url: address.to_owned(),
                token_file: options.take("token_file").map(Into::into),
                interval_ms: options.number("interval_ms")?.and_then(|ms| u64::try_from(ms).ok()),
                allow_private: options.flag("allow_private")?,
            },
            _ => {
                let known = "`postgres://…`, `git+file:/…` or `https://…`";
                return Err(format!("`{}` is no source: write {known}", shorten(address)));
            }
        };
        options.finish()?;
        let written = written.to_owned();
        let source = Self {
            written,
            kind,
            priority,
        };
        source.check()?;
        Ok(source)
    }

    /// Adds a loader of the source to an engine.
    #[cfg(feature = "sources")]
    pub(crate) fn add_to(&self, builder: Builder) -> Builder {
        use hotplate_sources::git::GitLoader;
        use hotplate_sources::{http, postgres};

        // They were checked when they were parsed.
        match &self.kind {
            SourceKind::Postgres { .. } => match self.postgres() {
                Ok(loader) => builder.loader_with(move || postgres::PostgresLoader::clone(&loader)),
                Err(_) => builder,
            },
            SourceKind::Git {
                repository,
                revision,
                directory,
            } => {
                let (repository, revision, directory) = (repository.clone(), revision.clone(), directory.clone());
                let priority = self.priority;
                builder.loader_with(move || {
                    let loader = GitLoader::new(&repository, &revision).directory(&directory);
                    loader.with_priority(priority)
                })
            }
            SourceKind::Http { .. } => match self.http() {
                Ok(loader) => builder.loader_with(move || http::HttpLoader::clone(&loader)),
                Err(_) => builder,
            },
        }
    }

    #[cfg(feature = "sources")]
    fn check(&self) -> Result<(), String> {
        match &self.kind {
            SourceKind::Postgres { .. } => self.postgres().map(drop),
            SourceKind::Git { .. } => Ok(()),
            SourceKind::Http { .. } => self.http().map(drop),
        }
    }

    #[cfg(feature = "sources")]
    fn postgres(&self) -> Result<hotplate_sources::postgres::PostgresLoader, String> {
        let SourceKind::Postgres {
            address,
            password_file,
            prefix,
        } = &self.kind
        else {
            return Err("it is no database".to_owned());
        };
        let loader = hotplate_sources::postgres::PostgresLoader::new(address).map_err(|error| error.to_string())?;
        let mut loader = loader.with_priority(self.priority);
        if let Some(file) = password_file {
            loader = loader.password_file(file);
        }
        if let Some(prefix) = prefix {
            loader = loader.prefix(prefix);
        }
        Ok(loader)
    }

    #[cfg(feature = "sources")]
    fn http(&self) -> Result<hotplate_sources::http::HttpLoader, String> {
        let SourceKind::Http {
            url,
            token_file,
            interval_ms,
            allow_private,
        } = &self.kind
        else {
            return Err("it is no URL".to_owned());
        };
        let loader = hotplate_sources::http::HttpLoader::new(url).map_err(|error| error.to_string())?;
        let mut loader = loader.with_priority(self.priority);
        if let Some(file) = token_file {
            loader = loader.token_file(file);
        }
        if let Some(ms) = interval_ms {
            loader = loader.interval(std::time::Duration::from_millis((*ms).max(1)));
        }
        if *allow_private {
            loader = loader.allow_private_addresses();
        }
        Ok(loader)
    }

    #[cfg(not(feature = "sources"))]
    pub(crate) fn add_to(&self, builder: Builder) -> Builder {
        builder
    }

    #[cfg(not(feature = "sources"))]
    fn check(&self) -> Result<(), String> {
        let _ = (&self.kind, self.priority);
        Err("this program was built without the feature `sources`".to_owned())
    }
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// The options behind the `#`, each `key=value` or `key`.
struct Options(Vec<(String, String)>);

impl Options {
    fn parse(text: &str) -> Result<Self, String> {
        let mut options: Vec<(String, String)> = Vec::new();
        for option in text.split('&').filter(|option| !option.is_empty()) {
            let (key, value) = option.split_once('=').unwrap_or((option, "true"));
            if options.iter().any(|(known, _)| known == key) {
                return Err(format!("the option `{}` is there twice", shorten(key)));
            }
            options.push((key.to_owned(), value.to_owned()));
        }
        Ok(Self(options))
    }

    fn take(&mut self, key: &str) -> Option<String> {
        let place = self.0.iter().position(|(known, _)| known == key)?;
        Some(self.0.swap_remove(place).1)
    }

    fn number(&mut self, key: &str) -> Result<Option<i64>, String> {
        let value = self.take(key);
        let number = value.map(|value| {
            value
                .parse()
                .map_err(|_| format!("`{key}` is a number, and not `{}`", shorten(&value)))
        });
        number.transpose()
    }

    fn flag(&mut self, key: &str) -> Result<bool, String> {
        match self.take(key).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(format!("`{key}` is `true` or `false`, and not `{}`", shorten(other))),
        }
    }

    fn finish(self) -> Result<(), String> {
        match self.0.first() {
            None => Ok(()),
            Some((key, _)) => Err(format!(
                "there is no option `{}` of such a source; docs/sources.md lists them",
                shorten(key)
            )),
        }
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_debug).collect()
}

#[cfg(all(test, feature = "cli"))]
mod tests {
    use super::*;

    #[test]
    fn sources_are_taken_apart() {
        for written in [
            "postgres://serve@db.internal:5433/site",
            "postgresql://serve@%2Frun%2Fpostgresql/site#password_file=/run/db&prefix=mail/&priority=7",
            "git+file:/srv/site.git",
            "git+file:///srv/site.git#ref=v1.4.2&dir=site/templates",
            "https://host/site/manifest.json?x=1#token_file=/run/token&interval_ms=500",
            "http://localhost:8000/manifest.json#allow_private&priority=-1",
        ] {
            assert!(is_source(written));
            let source = SourceUrl::parse(written).unwrap_or_else(|error| panic!("{written}: {error}"));
            assert_eq!(source.to_string(), written);
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_no_secret_is_repeated() {
        for (written, reason) in [
            ("site", "is no source"),
            ("s3://bucket", "is no source"),
            ("git+file:", "path of a repository"),
            ("git+file:/a#branch=main", "no option `branch`"),
            ("git+file:/a#ref=a&ref=b", "twice"),
            ("https://host/m.json#interval_ms=soon", "is a number"),
            ("https://host/m.json#allow_private=perhaps", "`true` or `false`"),
            ("https://user:hunter2@host/m.json", "has a password"),
            ("postgres://user:hunter2@host/site", "password_file"),
            ("postgres://user@host/site?password=hunter2", "password_file"),
            ("postgres://user@host:port/site", "is invalid"),
        ] {
            let error = SourceUrl::parse(written).expect_err(written);
            assert!(
                error.contains(reason) && !error.contains("hunter2"),
                "{written}: {error}"
            );
        }
    }
}
