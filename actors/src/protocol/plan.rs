//! [`Plan`]: what the Graph hands on to the Registry.

use std::fmt;
use std::sync::Arc;

use crate::dialect::Unit;
use crate::snapshot::Why;
use crate::template::{Digest, TemplateName};

/// What the next version is to be, as far as it differs from the last one that was accepted.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Whether it says everything: names that it does not name are gone.
    pub whole: bool,
    /// New texts that compiled.
    pub units: Vec<Placement>,
    /// What is to be thought of each entry that changed or about which something else is to be thought than before.
    pub verdicts: Vec<(TemplateName, Verdict)>,
}

/// A unit and the name that it is to have.
#[derive(Clone)]
pub struct Placement {
    /// The name.
    pub name: TemplateName,
    /// Of the text.
    pub digest: Digest,
    /// What the text does.
    pub unit: Arc<dyn Unit>,
    /// What travels with it, if it is there.
    pub companions: Arc<[TemplateName]>,
}

impl fmt::Debug for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Placement");
        shown
            .field("name", &self.name)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// What is to be thought of the newest closure of an entry.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// It can be served.
    Good,
    /// It cannot.
    Bad(Arc<Why>),
    /// The entry is not defined any more.
    Gone,
}
