//! The directories of a site beside `templates/` and `data/`: those of later stages, and of tenants.

use hotplate_actors::loader::{Mount, Rules};
use hotplate_actors::template::{Layer, Scope, Stage};

use super::{Layout, Site, layout};

/// The directory of all tenants below that of the site.
const TENANTS: &str = "tenants";

impl Site {
    /// Returns the directories of later stages and of tenants that exist now. They are no part of what identifies a site in a store.
    pub(super) fn scope_mounts(&self) -> Vec<Mount> {
        let Layout::Site { templates } = &self.layout else {
            return Vec::new();
        };
        let mut mounts = Vec::new();
        for stage in [Stage::Canary, Stage::Experimental] {
            let layer = Layer::of(Scope { tenant: None, stage });
            // `/` at the end, as completion of a shell leaves it, is no part of a component.
            let mut beside = self
                .directory
                .join(templates)
                .components()
                .as_path()
                .as_os_str()
                .to_owned();
            beside.push(format!("@{}", stage.as_str()));
            let templates = Mount::new("", beside).rules(self.rules.clone());
            let data = self.json(layout::DATA_PREFIX, &format!("data@{}", stage.as_str()));
            mounts.extend([templates, data].map(|mount| mount.layer(layer.clone())));
        }
        // Their rules are those of everyone, but for patterns, which are about paths below `templates/`.
        let extensions = self.rules.extensions.clone().map(|mut extensions| {
            extensions.push("json".to_owned());
            extensions
        });
        let rules = Rules {
            extensions,
            bytes_max: self.rules.bytes_max,
            ..Rules::default()
        };
        let tenants = Mount::new("", self.directory.join(TENANTS)).rules(rules);
        mounts.push(tenants.tenants().tenant_data(layout::DATA_PREFIX));
        mounts.retain(|mount| mount.directory().is_dir());
        mounts.into_iter().map(Mount::supplementary).collect()
    }
}
