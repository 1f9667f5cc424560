//! [`ScopeMemory`]: what the renders of one scope remember.

use std::sync::OnceLock;

use super::breaker::Breakers;
use super::late_faults::LateFaults;

/// The late faults and the circuit breakers of a scope beside shared stable. Nothing is allocated before a render of the scope fails.
#[derive(Debug, Default)]
pub(crate) struct ScopeMemory(OnceLock<Box<RenderMemory>>);

/// The late faults and the circuit breakers of one scope.
#[derive(Debug, Default)]
pub(crate) struct RenderMemory {
    pub(crate) late: LateFaults,
    pub(crate) breakers: Breakers,
}

impl ScopeMemory {
    /// Returns the memory, if a render has failed.
    #[inline]
    pub(crate) fn known(&self) -> Option<&RenderMemory> {
        self.0.get().map(|memory| &**memory)
    }

    /// Returns the memory, to remember something.
    pub(crate) fn for_failure(&self) -> &RenderMemory {
        self.0.get_or_init(Box::default)
    }
}
