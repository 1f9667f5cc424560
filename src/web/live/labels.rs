//! [`Setting`]: what can be chosen about development.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use hotplate_actors::TemplateName;

use super::editor::Editor;
use crate::LiveLimits;

/// What can be chosen.
#[derive(Debug, Clone, Default)]
pub(in crate::web) struct Setting {
    pub(in crate::web) editor: Editor,
    pub(in crate::web) sources: Sources,
    /// The path that stylesheets are served under, and their directory.
    pub(in crate::web) styles: Option<(String, PathBuf)>,
    /// Names that browsers may know the server by.
    pub(in crate::web) hosts: Vec<String>,
    pub(in crate::web) limits: LiveLimits,
}

/// Says something of a template.
type TemplateLabel<T> = Arc<dyn Fn(&TemplateName) -> T + Send + Sync>;

/// How templates are shown to their author.
#[derive(Clone)]
pub(in crate::web) struct Sources {
    /// The name that people know.
    pub(in crate::web) shown: TemplateLabel<TemplateName>,
    /// The file, if it has one.
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
