//! [`Plan`]: the content of the next version, from the Graph to the Registry.

use crate::snapshot::index::Index;
use crate::snapshot::{IdSet, NewestScopes, NewestTexts, ScopeNews};

/// The content of the next version: the newest texts and which of them are bad. Its parts share all memory with the last plan, except for
/// what changed.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The names of all templates that were ever defined or called.
    pub(crate) names: Index,
    /// The texts of the shared stable scope.
    pub(crate) newest: NewestTexts,
    /// The texts of the other scopes.
    pub(crate) scopes: NewestScopes,
    /// The news about other scopes.
    pub(crate) news: ScopeNews,
    /// The templates whose status was decided again: those that something reaches that changed. The reason why one of them is bad may be
    /// another, even if it was bad before.
    pub(crate) reviewed: IdSet,
}

impl Plan {
    /// Returns the plan of two batches, the second of which was applied after the first.
    pub(crate) fn then(self, second: Self) -> Self {
        let reviewed = self.reviewed.or(&second.reviewed);
        let mut news = self.news;
        news.add(second.news.clone());
        Self {
            reviewed,
            news,
            ..second
        }
    }
}
