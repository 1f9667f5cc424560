//! [`Companions`]: the files that belong to a template without being called.

use std::fmt;
use std::sync::Arc;

use crate::template::TemplateName;

/// A pure function from the name of a template to the names of its companions: files that are published together with it without being
/// called, such as the data of a page.
#[derive(Clone)]
pub struct Companions(Arc<FindCompanions>);

type FindCompanions = dyn Fn(&TemplateName) -> Vec<TemplateName> + Send + Sync;

impl Companions {
    /// Wraps a function.
    pub fn new(companions: impl Fn(&TemplateName) -> Vec<TemplateName> + Send + Sync + 'static) -> Self {
        Self(Arc::new(companions))
    }

    /// Returns the companions of a name.
    pub(crate) fn of(&self, name: &TemplateName) -> Vec<TemplateName> {
        (self.0)(name)
    }
}

impl Default for Companions {
    /// Returns a function by which no template has companions.
    fn default() -> Self {
        Self::new(|_| Vec::new())
    }
}

impl fmt::Debug for Companions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Companions(..)")
    }
}
