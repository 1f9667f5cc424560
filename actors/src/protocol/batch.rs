//! [`CompiledBatch`]: what the Compiler hands on to the Graph.

use std::fmt;
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::dialect::Unit;
use crate::template::{Digest, TemplateName};
use crate::version::Revision;

/// The texts of one loader that changed, compiled.
#[derive(Debug, Clone)]
pub struct CompiledBatch {
    /// Whose, and which.
    pub revision: Revision,
    /// Whether `texts` are all that the loader has: what it had before and is not named is removed.
    pub complete: bool,
    /// What is new or changed. The last one counts if a name comes twice.
    pub texts: Vec<(TemplateName, CompiledText)>,
    /// What the loader no longer has. A name that is among the texts too is not removed.
    pub removed: Vec<TemplateName>,
}

/// What became of one text.
#[derive(Clone)]
pub enum CompiledText {
    /// It compiled.
    Unit {
        /// Of the text.
        digest: Digest,
        /// What the text does.
        unit: Arc<dyn Unit>,
    },
    /// It did not.
    Broken {
        /// Of the text, if it could be read.
        digest: Option<Digest>,
        /// What its author has to change.
        diagnostics: Arc<[Diagnostic]>,
    },
}

impl CompiledText {
    /// Whether it is made of the same text, with the same result.
    pub(crate) fn is_the_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unit { digest: a, .. }, Self::Unit { digest: b, .. }) => a == b,
            (
                Self::Broken { digest, diagnostics },
                Self::Broken {
                    digest: other_digest,
                    diagnostics: other_diagnostics,
                },
            ) => digest == other_digest && diagnostics == other_diagnostics,
            _ => false,
        }
    }
}

impl fmt::Debug for CompiledText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit { digest, .. } => f.debug_struct("Unit").field("digest", digest).finish_non_exhaustive(),
            Self::Broken { digest, diagnostics } => {
                let mut shown = f.debug_struct("Broken");
                shown.field("digest", digest).field("diagnostics", diagnostics).finish()
            }
        }
    }
}
