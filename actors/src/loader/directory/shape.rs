//! [`KeyShape`]: which layer a file belongs to, by its path.
//!
//! A loader has several roots, and each file has one name among all of them. A root of another layer than shared stable therefore has a
//! prefix that no directory has by accident. When changes are reported, the prefix becomes the layer.

use std::collections::BTreeSet;

use crate::diagnostic::Diagnostic;
use crate::loader::Changes;
use crate::template::{Layer, Scope, Stage, TemplateKey, TemplateName, Tenant};

/// The prefix of the names of a later stage, before the stage.
const STAGES: &str = "@@stages/";
/// The prefix of the names of tenants, before the tenant and perhaps its stage.
const TENANTS: &str = "@@tenants/";
/// The directory of the templates of a tenant that also has data, and that of its data.
const TEMPLATES: &str = "templates/";
const DATA: &str = "data/";
/// The number of remarks that are kept about paths that belong to no layer.
const REMARKS_MAX: usize = 100;

/// The layer of the files of a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RootLayer {
    /// All belong to one layer.
    One(Layer),
    /// The first directory of a path names the tenant, and perhaps its stage: `acme/` or `acme@canary/`.
    Tenants,
}

impl Default for RootLayer {
    fn default() -> Self {
        Self::One(Layer::SHARED_STABLE)
    }
}

impl RootLayer {
    /// Returns the prefix of the names of a root.
    pub(super) fn prefix(&self) -> String {
        let Self::One(layer) = self else {
            return TENANTS.to_owned();
        };
        let Scope { tenant, stage } = layer.scope();
        match (tenant, stage) {
            (None, Stage::Stable) => String::new(),
            (None, stage) => format!("{STAGES}{}/", stage.as_str()),
            (Some(tenant), Stage::Stable) => format!("{TENANTS}{}/", tenant.as_str()),
            (Some(tenant), stage) => format!("{TENANTS}{}@{}/", tenant.as_str(), stage.as_str()),
        }
    }
}

/// The way from the names of a loader to keys.
#[derive(Debug, Default)]
pub(super) struct KeyShape {
    /// True if a root has another layer than shared stable.
    pub(super) is_used: bool,
    /// The prefix of the names of the data of tenants; without one, they have no data.
    pub(super) data_prefix: Option<String>,
    /// The files of tenants that lie in a directory `templates`, by name.
    in_templates: BTreeSet<TemplateName>,
    remarks: Vec<Diagnostic>,
    noted: BTreeSet<String>,
}

/// The place of a file of a tenant, by its path below the directory of all tenants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TenantFile {
    pub(super) key: TemplateKey,
    /// True if it lies in the directory `templates` of the tenant.
    is_in_templates: bool,
}

/// Returns the key of a file of a tenant, given its path below the directory of all tenants: `acme/a.html`, `acme@canary/a.html`,
/// `acme/templates/a.html`, `acme/data/a.json`. A file that is no template and no data has none.
///
/// # Errors
/// The reason why the path is not that of a tenant, and what to do.
pub(super) fn tenant_file(path: &str, data_prefix: Option<&str>) -> Result<Option<TenantFile>, (String, &'static str)> {
    let Some((directory, file)) = path.split_once('/') else {
        let reason = "the file belongs to no tenant".to_owned();
        return Err((reason, "move it into the directory of a tenant"));
    };
    let (id, stage) = directory.split_once('@').unwrap_or((directory, Stage::Stable.as_str()));
    let tenant = Tenant::new(id).map_err(|error| (error.to_string(), "rename the directory"))?;
    let stage = Stage::of(stage).filter(|stage| *stage != Stage::Stable || !directory.contains('@'));
    let Some(stage) = stage else {
        let reason = format!("the directory `{directory}` names no stage");
        return Err((
            reason,
            "a directory of a tenant is `<id>`, `<id>@canary` or `<id>@experimental`",
        ));
    };
    let is_json = file.ends_with(".json");
    let name = match (file.strip_prefix(TEMPLATES), file.strip_prefix(DATA), data_prefix) {
        (Some(template), _, _) => template.to_owned(),
        (None, Some(data), Some(prefix)) if is_json => format!("{prefix}{data}"),
        _ if is_json && data_prefix.is_some() => return Ok(None),
        _ => file.to_owned(),
    };
    let name = TemplateName::new(&name).map_err(|error| (error.to_string(), "rename it"))?;
    let tenant = Some(tenant);
    Ok(Some(TenantFile {
        key: TemplateKey {
            layer: Layer::of(Scope { tenant, stage }),
            name,
        },
        is_in_templates: file.starts_with(TEMPLATES),
    }))
}

impl KeyShape {
    /// Returns the changes with the key of each file.
    pub(super) fn keys(&mut self, changes: Changes) -> Changes {
        if !self.is_used {
            return changes;
        }
        let Changes {
            complete,
            changed,
            unreadable,
            removed,
            tag,
        } = changes;
        if complete {
            self.in_templates.clear();
            self.remarks.clear();
            self.noted.clear();
        }
        let present = changed.iter().map(|source| &source.key.name);
        let present: Vec<TemplateName> = present
            .chain(unreadable.iter().map(|(key, _)| &key.name))
            .cloned()
            .collect();
        for key in &removed {
            self.in_templates.remove(&key.name);
        }
        for name in &present {
            if self.tenant_file(name).is_some_and(|file| file.is_in_templates) {
                self.in_templates.insert(name.clone());
            }
        }
        let mut shaped = Changes {
            complete,
            tag,
            ..Changes::default()
        };
        for mut source in changed {
            if let Some(key) = self.key(&source.key.name, true) {
                source.key = key;
                shaped.changed.push(source);
            }
        }
        for (key, diagnostics) in unreadable {
            if let Some(key) = self.key(&key.name, true) {
                let named = diagnostics
                    .iter()
                    .map(|diagnostic| diagnostic.clone().in_template(&key.name));
                let named = named.collect();
                shaped.unreadable.push((key, named));
            }
        }
        let removed = removed.iter().filter_map(|key| self.key(&key.name, false));
        shaped.removed = removed.collect();
        shaped
    }

    /// Returns the remarks about paths that belong to no layer.
    pub(super) fn remarks(&self) -> impl Iterator<Item = Diagnostic> + '_ {
        self.remarks.iter().cloned()
    }

    fn tenant_file(&self, name: &TemplateName) -> Option<TenantFile> {
        let path = name.as_str().strip_prefix(TENANTS)?;
        tenant_file(path, self.data_prefix.as_deref()).ok().flatten()
    }

    /// Returns the key of a file by its name. `notes` is true for a file that exists.
    fn key(&mut self, name: &TemplateName, notes: bool) -> Option<TemplateKey> {
        if let Some(path) = name.as_str().strip_prefix(TENANTS) {
            return match tenant_file(path, self.data_prefix.as_deref()) {
                Ok(None) => None,
                Ok(Some(file)) if !file.is_in_templates && self.is_beside(path) => {
                    if notes {
                        let reason =
                            "the tenant has a file of the same name in its directory `templates`, which is used"
                                .to_owned();
                        self.remark(path.to_owned(), &reason, "remove one of them");
                    }
                    None
                }
                Ok(Some(file)) => Some(file.key),
                Err((reason, help)) => {
                    if notes {
                        let directory = path.split_once('/').map_or(path, |(directory, _)| directory);
                        self.remark(directory.to_owned(), &reason, help);
                    }
                    None
                }
            };
        }
        let Some(path) = name.as_str().strip_prefix(STAGES) else {
            return Some(name.into());
        };
        let (stage, file) = path.split_once('/')?;
        let stage = Stage::of(stage)?;
        Some(TemplateKey {
            layer: Layer::of(Scope { tenant: None, stage }),
            name: TemplateName::new(file).ok()?,
        })
    }

    /// Returns true if a file of a tenant has one of the same name in the directory `templates`.
    fn is_beside(&self, path: &str) -> bool {
        let Some((directory, file)) = path.split_once('/') else {
            return false;
        };
        !self.in_templates.is_empty()
            && self
                .in_templates
                .contains(format!("{TENANTS}{directory}/{TEMPLATES}{file}").as_str())
    }

    fn remark(&mut self, place: String, reason: &str, help: &str) {
        if self.noted.len() >= REMARKS_MAX || !self.noted.insert(place.clone()) {
            return;
        }
        tracing::warn!(path = place, "{reason}; {help}");
        crate::without_subscriber::warn_without_subscriber(format_args!("{place}: {reason}; {help}"));
        let message = format!("`{}` is left out: {reason}", place.escape_debug());
        self.remarks.push(Diagnostic::warning("tenant", message).help(help));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::template::Source;

    fn name(name: &str) -> TemplateName {
        TemplateName::new(name).expect("valid")
    }

    #[test]
    fn paths_of_tenants() {
        let long = format!("{}/a.html", "x".repeat(65));
        for (path, expected) in [
            ("acme/a.html", Ok("a.html (tenant acme)")),
            ("acme@canary/x/a.html", Ok("x/a.html (tenant acme@canary)")),
            ("acme@experimental/a.html", Ok("a.html (tenant acme@experimental)")),
            ("acme/templates/a.html", Ok("a.html (tenant acme)")),
            ("acme/data/a.json", Ok("data:a.json (tenant acme)")),
            ("acme/data/a.html", Ok("data/a.html (tenant acme)")),
            ("acme/notes.json", Ok("")),
            ("a.html", Err("belongs to no tenant")),
            ("Acme/a.html", Err("`Acme` is not the id of a tenant")),
            ("acme@beta/a.html", Err("names no stage")),
            ("acme@stable/a.html", Err("names no stage")),
            ("@canary/a.html", Err("it is empty")),
            ("b\u{e4}r/a.html", Err("is not the id of a tenant")),
            (&long, Err("longer than 64 bytes")),
        ] {
            match (tenant_file(path, Some("data:")), expected) {
                (Ok(found), Ok(expected)) => {
                    let shown = found.map(|file| file.key.to_string()).unwrap_or_default();
                    assert_eq!(shown, expected, "{path}");
                }
                (Err((reason, _)), Err(expected)) => assert!(reason.contains(expected), "{path}: {reason}"),
                (found, expected) => panic!("{path}: {found:?} is not {expected:?}"),
            }
        }
    }

    #[test]
    fn roots_have_prefixes_that_become_layers() {
        let mut shape = KeyShape {
            is_used: true,
            ..KeyShape::default()
        };
        let acme = Some(Tenant::new("acme").expect("valid"));
        for (tenant, stage) in [
            (None, Stage::Stable),
            (None, Stage::Canary),
            (acme.clone(), Stage::Stable),
            (acme, Stage::Experimental),
        ] {
            let layer = Layer::of(Scope { tenant, stage });
            let raw = format!("{}x/a.html", RootLayer::One(layer.clone()).prefix());
            let key = shape.key(&name(&raw), true).expect("has a layer");
            assert_eq!((key.layer, key.name), (layer, name("x/a.html")));
        }
    }

    #[test]
    fn a_file_in_templates_is_used_before_one_beside_it() {
        let mut shape = KeyShape {
            is_used: true,
            ..KeyShape::default()
        };
        let sources = |names: &[&str]| Changes {
            changed: names
                .iter()
                .map(|of| Source::new(name(&format!("{TENANTS}{of}")), *of))
                .collect(),
            ..Changes::default()
        };
        let texts = |changes: &Changes| {
            changes
                .changed
                .iter()
                .map(|source| Arc::clone(&source.text))
                .collect::<Vec<_>>()
        };
        let both = shape.keys(sources(&[
            "acme/a.html",
            "acme/templates/a.html",
            "Bad/a.html",
            "Bad/b.html",
        ]));
        assert_eq!(texts(&both), ["acme/templates/a.html".into()]);
        assert_eq!(shape.remarks().count(), 2);
        // The other one goes, and the used one stays.
        let removed = |of: &str| Changes {
            removed: vec![name(&format!("{TENANTS}{of}")).into()],
            ..Changes::default()
        };
        assert!(shape.keys(removed("acme/a.html")).is_empty());
        assert_eq!(shape.keys(removed("acme/templates/a.html")).removed.len(), 1);
        assert_eq!(texts(&shape.keys(sources(&["acme/a.html"]))).len(), 1);
    }
}
