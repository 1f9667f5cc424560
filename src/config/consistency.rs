//! Checks for settings that are valid one by one but contradict each other. Pure functions.

use hotplate_actors::RuleError;
use hotplate_actors::dialect::{Dialect, tiny::Tiny};
use hotplate_actors::supervision::PolicyError;

use super::Config;
use crate::scope::ScopeChooser;

/// A contradiction between settings.
pub(super) struct Contradiction {
    /// The keys that contradict each other. The error is shown at the first of them that is set.
    pub(super) keys: Vec<String>,
    pub(super) message: String,
    pub(super) help: String,
}

/// Returns every contradiction in a configuration.
pub(super) fn contradictions(config: &Config) -> Vec<Contradiction> {
    let mut found = Vec::new();
    let limits = &config.limits;
    if limits.settle_ms > limits.settle_max_ms {
        found.push(Contradiction {
            keys: keys(&["limits.settle_ms", "limits.settle_max_ms"]),
            message: format!(
                "`settle_ms` is {} ms, and the longest wait for a file is {} ms",
                limits.settle_ms, limits.settle_max_ms
            ),
            help: "set `settle_max_ms` to at least `settle_ms`".to_owned(),
        });
    }
    if let Err(error) = limits.check() {
        found.push(Contradiction {
            keys: error.limits.map(|limit| format!("limits.{limit}")).into(),
            message: error.problem,
            help: error.help,
        });
    }
    if limits.render_hang_ms <= limits.render_ms {
        found.push(Contradiction {
            keys: keys(&["limits.render_ms", "limits.render_hang_ms"]),
            message: format!(
                "a render would count as hanging after {} ms, before its own limit of {} ms",
                limits.render_hang_ms, limits.render_ms
            ),
            help: "set `render_hang_ms` to several times `render_ms`".to_owned(),
        });
    }
    let rules = config.files.rules();
    let patterns = hotplate_actors::Rules {
        extensions: None,
        ..rules.clone()
    };
    let extensions = hotplate_actors::Rules {
        include: Vec::new(),
        exclude: Vec::new(),
        ..rules
    };
    for RuleError { field, problem, help } in [extensions, patterns].iter().filter_map(|rules| rules.check().err()) {
        found.push(Contradiction {
            keys: keys(&[&format!("files.{field}")]),
            message: problem,
            help,
        });
    }
    let templates = &config.templates;
    if ["", ".", "./"].contains(&templates.directory.as_str()) {
        found.push(Contradiction {
            keys: keys(&["templates.directory"]),
            message: "the directory of templates would contain the whole site, its data included".to_owned(),
            help: "write `directory = \"templates\"`, or `plain = true` for a folder of templates and nothing else"
                .to_owned(),
        });
    }
    if templates.plain && templates.directory != Config::default().templates.directory {
        found.push(Contradiction {
            keys: keys(&["templates.plain", "templates.directory"]),
            message: "a plain folder of templates has no directory of templates inside".to_owned(),
            help: "remove either `plain` or `directory`".to_owned(),
        });
    }
    let sources = config.templates.sources.iter();
    found.extend(sources.filter_map(|source| {
        let error = crate::source_url::SourceUrl::parse(source).err()?;
        Some(Contradiction {
            keys: keys(&["templates.sources"]),
            message: error,
            help: "for example \"postgres://user@host/database\" or \"git+file:/srv/site.git#ref=main\"".to_owned(),
        })
    }));
    let dialects = config.templates.dialects.iter();
    found.extend(dialects.filter_map(|entry| {
        Some(Contradiction {
            keys: keys(&["templates.dialects"]),
            message: format!("`{}` is not the language of a folder", entry.escape_debug()),
            help: super::folders::parse(entry).err()?,
        })
    }));
    let formatters = config.templates.formatters.iter();
    found.extend(
        formatters
            .filter(|name| Tiny.formatter_name(name).is_err())
            .map(|name| Contradiction {
                keys: keys(&["templates.formatters"]),
                message: format!("`{name}` cannot be the name of a formatter"),
                help: "write the name that templates use after `|`: one word, such as `price`".to_owned(),
            }),
    );
    let (admin, render) = (&config.admin, &config.render);
    for (section, name, secret, file) in [
        ("admin", "token", &admin.token, &admin.token_file),
        ("admin", "hook_secret", &admin.hook_secret, &admin.hook_secret_file),
        ("render", "token", &render.token, &render.token_file),
    ] {
        if !secret.is_empty() && !file.is_empty() {
            found.push(Contradiction {
                keys: vec![format!("{section}.{name}_file"), format!("{section}.{name}")],
                message: format!("both `{name}` and `{name}_file` are set"),
                help: "remove one of them".to_owned(),
            });
        }
    }
    if !config.audit.key.is_empty() && config.audit.dir.is_empty() {
        found.push(Contradiction {
            keys: keys(&["audit.key"]),
            message: "there is a key for signatures, and no audit log".to_owned(),
            help: "set `audit.dir` (`--audit DIR`) too, or remove the key".to_owned(),
        });
    }
    let server = &config.server;
    if server.pin_paths.is_empty() != server.pin_key_file.is_empty() {
        let (present, absent) = match server.pin_paths.is_empty() {
            true => ("server.pin_key_file", "pin_paths"),
            false => ("server.pin_paths", "pin_key_file"),
        };
        found.push(Contradiction {
            keys: keys(&[present]),
            message: format!(
                "`{}` has no effect without `{absent}`",
                present.trim_start_matches("server.")
            ),
            help: format!("set `server.{absent}` too, or remove this setting"),
        });
    }
    let paths = server.pin_paths.iter().filter(|path| !path.starts_with('/'));
    found.extend(paths.map(|path| Contradiction {
        keys: keys(&["server.pin_paths"]),
        message: format!("`{}` is not the beginning of a path", path.escape_debug()),
        help: "begin with a slash, such as `/checkout/`".to_owned(),
    }));
    if let Err(error) = ScopeChooser::new(&config.scopes) {
        let key = format!("scopes.{}", error.field);
        // The place of a secret would show it.
        let is_secret = error.field == "pin_key";
        found.push(Contradiction {
            message: if is_secret {
                format!("`{key}`: {}", error.problem)
            } else {
                error.problem
            },
            keys: if is_secret { Vec::new() } else { keys(&[&key]) },
            help: error.help.to_owned(),
        });
    }
    if let Err(error) = config.judge.check() {
        found.push(Contradiction {
            keys: [error.good, error.bad, error.threshold]
                .map(|field| format!("judge.{field}"))
                .into(),
            message: "the judge could not tell a healthy canary from another one".to_owned(),
            help: format!("set `{}` below `{}`", error.good, error.bad),
        });
    }
    if let Err(problem) = config.promotion.plan() {
        found.push(Contradiction {
            keys: keys(&["promotion.steps"]),
            message: problem,
            help: "write growing numbers up to 10000, such as [\"500\", \"2500\", \"10000\"]".to_owned(),
        });
    }
    #[cfg(feature = "admin")]
    if let Err(error) = crate::admin::Subject::parse_all(&config.admin.subject) {
        found.push(Contradiction {
            keys: keys(&["admin.subject"]),
            message: error.problem,
            help: error.help,
        });
    }
    let policies = config.supervision.policies();
    found.extend(policies.filter_map(|(actor, policy)| {
        let PolicyError {
            field,
            given,
            problem,
            help,
            ..
        } = policy.check().err()?;
        let of = |field: &str| format!("supervision.{actor}.{field}");
        let others = [
            "restart",
            "restarts",
            "period_ms",
            "backoff_min_ms",
            "backoff_max_ms",
            "calm_ms",
        ];
        let message = format!("`{field}` of the {actor} is {given}, {problem}");
        let keys = std::iter::once(of(field)).chain(others.map(of)).collect();
        Some(Contradiction { keys, message, help })
    }));
    found
}

fn keys(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}
