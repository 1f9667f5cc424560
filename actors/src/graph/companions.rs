//! [`Companions`]: which names travel together.

use std::fmt;
use std::sync::Arc;

use crate::template::TemplateName;

/// What travels with a template of this name without being called, such as the data of a page. A pure function.
#[derive(Clone)]
pub struct Companions(Arc<FindCompanions>);

type FindCompanions = dyn Fn(&TemplateName) -> Vec<TemplateName> + Send + Sync;

impl Companions {
    /// Wraps a function.
    pub fn new(companions: impl Fn(&TemplateName) -> Vec<TemplateName> + Send + Sync + 'static) -> Self {
        Self(Arc::new(companions))
    }

    /// Those of a name, as the function says.
    pub(crate) fn of(&self, name: &TemplateName) -> Vec<TemplateName> {
        (self.0)(name)
    }
}

impl Default for Companions {
    /// Templates travel alone.
    fn default() -> Self {
        Self::new(|_| Vec::new())
    }
}

impl fmt::Debug for Companions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Companions(..)")
    }
}
