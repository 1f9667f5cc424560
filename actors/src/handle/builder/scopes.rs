//! The settings of a [`Builder`] about scopes: the directories of stages and tenants, and the names that tenants share.

use std::path::PathBuf;
use std::sync::Arc;

use super::Builder;
use crate::loader::Mount;
use crate::snapshot::scopes::ExportedNames;
use crate::template::{Layer, Scope, Stage};

impl Builder {
    /// Loads the templates of all scopes below a directory, as one set: `templates/` for everyone, `templates@canary/` and
    /// `templates@experimental/` for the later stages, and `tenants/<id>/` and `tenants/<id>@canary/` for tenants. All but the first may be
    /// missing, and a tenant exists while its directory has a template.
    ///
    /// ```
    /// # let site = tempfile::tempdir()?;
    /// # let write = |path: &str, text: &str| {
    /// #     let path = site.path().join(path);
    /// #     std::fs::create_dir_all(path.parent().expect("a directory")).and_then(|()| std::fs::write(path, text))
    /// # };
    /// use hotplate_actors::Hotplate;
    /// use hotplate_actors::template::{Scope, Stage, Tenant};
    ///
    /// write("templates/a.txt", "everyone")?;
    /// write("tenants/acme/a.txt", "acme")?;
    /// let hotplate = Hotplate::builder().scopes(site.path()).start()?;
    /// let acme = Scope { tenant: Some(Tenant::new("acme")?), stage: Stage::Stable };
    /// assert_eq!(hotplate.scope(&acme).render("a.txt", &())?.body, "acme");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn scopes(self, directory: impl Into<PathBuf>) -> Self {
        let directory = directory.into();
        let later = [Stage::Canary, Stage::Experimental].map(|stage| {
            let root = directory.join(format!("templates@{}", stage.as_str()));
            Mount::new("", root).layer(Layer::of(Scope { tenant: None, stage }))
        });
        let tenants = Mount::new("", directory.join("tenants")).tenants();
        let everyone = Mount::new("", directory.join("templates"));
        self.mounts([everyone].into_iter().chain(later).chain([tenants]))
    }

    /// Selects the names that tenants share with everyone; the default is all. A tenant can neither name nor replace a shared template that is
    /// not exported: the same name in a text of the tenant means a template of the tenant alone. A shared template that the tenant may name
    /// still calls it. The function must be pure: it is asked again and again.
    ///
    /// ```
    /// use hotplate_actors::Hotplate;
    ///
    /// let builder = Hotplate::builder().exported(|name| !name.starts_with("internal/"));
    /// ```
    pub fn exported(mut self, is_exported: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.exported = ExportedNames(Some(Arc::new(is_exported)));
        self
    }
}
