//! [`CompiledBatch`]: the result of the Compiler, for the Graph.

use std::fmt;
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::dialect::Unit;
use crate::snapshot::{BrokenText, SourceText};
use crate::template::{Digest, TemplateKey};
use crate::version::Revision;

/// The texts of one loader that changed, compiled.
#[derive(Debug, Clone)]
pub struct CompiledBatch {
    /// The loader and the number of the batch.
    pub revision: Revision,
    /// True if `texts` are everything that the loader has. A text that it had before and that is missing here is removed.
    pub complete: bool,
    /// New and changed texts. If a key comes twice, the last one counts.
    pub texts: Vec<(TemplateKey, CompiledText)>,
    /// Texts that the loader no longer has. One that is also among the texts is not removed.
    pub removed: Vec<TemplateKey>,
}

/// The result of compiling one text.
#[derive(Clone)]
pub enum CompiledText {
    /// It compiled.
    Unit {
        /// Digest of the text.
        digest: Digest,
        /// The compiled text.
        unit: Arc<dyn Unit>,
    },
    /// It did not compile.
    Broken {
        /// Digest of the text, if it could be read.
        digest: Option<Digest>,
        /// The errors in the text.
        diagnostics: Arc<[Diagnostic]>,
        /// The text, if it could be read.
        text: Option<Arc<str>>,
    },
}

impl CompiledText {
    /// Returns the digest of the text, if it could be read.
    pub(crate) fn digest(&self) -> Option<Digest> {
        match self {
            Self::Unit { digest, .. } => Some(*digest),
            Self::Broken { digest, .. } => *digest,
        }
    }

    /// Returns the text as a version keeps it, if it did not compile.
    pub(crate) fn broken(&self) -> Option<BrokenText> {
        match self {
            Self::Unit { .. } => None,
            Self::Broken {
                digest,
                diagnostics,
                text,
            } => Some(BrokenText {
                digest: *digest,
                diagnostics: Arc::clone(diagnostics),
                text: text.clone(),
            }),
        }
    }

    /// Returns a text that a version keeps.
    pub(crate) fn from_broken(broken: &BrokenText) -> Self {
        let BrokenText {
            digest,
            diagnostics,
            text,
        } = broken.clone();
        Self::Broken {
            digest,
            diagnostics,
            text,
        }
    }

    /// Returns the text to be compared with what is served.
    pub(crate) fn source(&self) -> SourceText {
        match self {
            Self::Unit { digest, unit } => SourceText::Compiled(*digest, Arc::clone(unit)),
            Self::Broken { .. } => SourceText::Broken(Arc::new(self.broken().unwrap_or_default())),
        }
    }

    /// Returns true if the other is the same text with the same result.
    pub(crate) fn is_the_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unit { digest: a, .. }, Self::Unit { digest: b, .. }) => a == b,
            (
                Self::Broken {
                    digest, diagnostics, ..
                },
                Self::Broken {
                    digest: other_digest,
                    diagnostics: other_diagnostics,
                    ..
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
            Self::Broken {
                digest, diagnostics, ..
            } => {
                let mut shown = f.debug_struct("Broken");
                shown.field("digest", digest).field("diagnostics", diagnostics).finish()
            }
        }
    }
}
