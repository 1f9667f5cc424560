//! [`LiveSettings`]: the settings of live reload.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use hotplate_actors::TemplateName;

use super::editor::Editor;
use crate::LiveLimits;

/// The settings of live reload.
#[derive(Debug, Clone, Default)]
pub(in crate::web) struct LiveSettings {
    pub(in crate::web) editor: Editor,
    pub(in crate::web) sources: Sources,
    /// The path under which stylesheets are served, and their directory.
    pub(in crate::web) styles: Option<(String, PathBuf)>,
    /// The host names that are allowed besides addresses and `localhost`.
    pub(in crate::web) hosts: Vec<String>,
    pub(in crate::web) limits: LiveLimits,
    /// True if the overlay does not open by itself.
    pub(in crate::web) no_overlay: bool,
}

/// A function that returns a label of a template.
type TemplateLabel<T> = Arc<dyn Fn(&TemplateName) -> T + Send + Sync>;

/// The names and files of templates as their author knows them.
#[derive(Clone)]
pub(in crate::web) struct Sources {
    /// Returns the displayed name.
    pub(in crate::web) shown: TemplateLabel<TemplateName>,
    /// Returns the file, if the template has one.
    pub(in crate::web) file: TemplateLabel<Option<PathBuf>>,
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            shown: Arc::new(TemplateName::clone),
            file: Arc::new(|_| None),
        }
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sources(..)")
    }
}
