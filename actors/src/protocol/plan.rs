//! [`Plan`]: the content of the next version, from the Graph to the Registry.

use std::fmt;
use std::sync::Arc;

use crate::dialect::Unit;
use crate::snapshot::Why;
use crate::template::{Digest, TemplateName};

/// The content of the next version, as a difference from the last one that was accepted.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// True if the plan is complete: names that are missing here are removed.
    pub whole: bool,
    /// New texts that compiled.
    pub units: Vec<Placement>,
    /// The verdict on each entry that changed, or whose verdict did.
    pub verdicts: Vec<(TemplateName, Verdict)>,
}

/// A compiled text and its name.
#[derive(Clone)]
pub struct Placement {
    /// The name.
    pub name: TemplateName,
    /// Digest of the text.
    pub digest: Digest,
    /// The compiled text.
    pub unit: Arc<dyn Unit>,
    /// Data files that are published together with it, if they exist.
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

/// The verdict on the newest closure of an entry: the template with everything that it calls.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// It can be served.
    Good,
    /// It cannot be served.
    Bad(Arc<Why>),
    /// The entry is not defined any more.
    Gone,
}
