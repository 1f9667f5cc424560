//! [`AcceptedState`]: the state that Graph and Registry share.

/// The last state that the Registry has accepted. The Registry is its only writer; the Graph works on drafts of it. The two halves are
/// committed together, so they always are about the same templates, and a fault of either actor loses nothing. A clone is cheap.
#[derive(Debug, Clone)]
pub(crate) struct AcceptedState<R, G> {
    /// The number of states that were accepted before. A plan that was made for an earlier state is a conflict. A version would not do:
    /// while an operator holds one, further batches are accepted under it.
    pub(crate) number: u64,
    /// The state of the Registry.
    pub(crate) registry: R,
    /// The graph of the newest accepted texts.
    pub(crate) graph: G,
}

impl<R, G> AcceptedState<R, G> {
    pub(crate) fn new(registry: R, graph: G) -> Self {
        Self {
            number: 0,
            registry,
            graph,
        }
    }

    /// Returns the state after this one.
    pub(crate) fn next(&self, registry: R, graph: G) -> Self {
        Self {
            number: self.number + 1,
            registry,
            graph,
        }
    }
}
