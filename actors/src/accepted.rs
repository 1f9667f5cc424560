//! [`AcceptedState`]: the state that Graph and Registry share.

use std::sync::Arc;

use crate::audit::progress::Unwritten;
use crate::protocol::hold::{HoldOrigin, WaitingTemplates};
use crate::protocol::kept::VersionOrigin;
use crate::protocol::plan::Plan;
use crate::snapshot::{Content, Scopes, SourceTexts};
use crate::stages::state::StagesState;
use crate::template::{Stage, Tenant};

/// The last state that the Registry has accepted. The Registry is its only writer; the Graph works on drafts of it. The two halves are
/// committed together, so they always are about the same templates, and a fault of either actor loses nothing. A clone is cheap.
#[derive(Debug, Clone)]
pub(crate) struct AcceptedState<R, G> {
    /// The number of states that were accepted before. A plan that was made for an earlier state is a conflict. A version would not do:
    /// a batch that changes nothing that is served is accepted under the same version.
    pub(crate) number: u64,
    /// The state of the Registry.
    pub(crate) registry: R,
    /// The graph of the newest accepted texts.
    pub(crate) graph: G,
    /// The records for the audit log that are not written yet.
    pub(crate) unwritten: Unwritten,
    /// The time and the cause of the version that is served.
    pub(crate) origin: Option<Arc<VersionOrigin>>,
    /// The decisions about the stages.
    pub(crate) stages: Arc<StagesState>,
}

impl<R, G> AcceptedState<R, G> {
    pub(crate) fn new(registry: R, graph: G) -> Self {
        Self {
            number: 0,
            registry,
            graph,
            unwritten: Unwritten::default(),
            origin: None,
            stages: Arc::default(),
        }
    }

    /// Returns the state after this one.
    pub(crate) fn next(&self, registry: R, graph: G) -> Self {
        Self {
            number: self.number + 1,
            registry,
            graph,
            unwritten: self.unwritten.clone(),
            origin: self.origin.clone(),
            stages: Arc::clone(&self.stages),
        }
    }
}

/// The operations on the graph that a command of an operator needs. The Registry calls them, so that graph and served version change in one
/// commit, and knows nothing else of the graph.
pub(crate) trait TextGraph: Sized {
    /// Returns the graph with the texts of an earlier version, and the plan of what is in effect then. Templates whose source has another text
    /// wait. The texts of tenants stay.
    fn roll_back(&self, to: &Content, scopes: &Scopes, origin: HoldOrigin) -> (Self, Plan);

    /// Returns the graph with everything applied that waits, and the effect; `None` if nothing waits.
    fn resume(&self) -> Option<(Self, Plan)>;

    /// Returns the graph in which stable has the texts of a later stage, those of everyone or those of one tenant, and the effect; `None` if
    /// none of them differs. The texts that stable has in the sources wait.
    fn promote(&self, stage: Stage, tenant: Option<&Tenant>, origin: HoldOrigin) -> Option<(Self, Plan)>;

    /// Returns the number of templates that wait.
    fn waiting(&self) -> usize;

    /// Returns up to `most` of the templates that wait.
    fn waiting_templates(&self, most: usize) -> WaitingTemplates;

    /// Returns the texts of the sources that are not the newest compiled ones: those that wait, and those that do not compile.
    fn source_texts(&self) -> SourceTexts;
}

impl<G: TextGraph> TextGraph for Arc<G> {
    fn roll_back(&self, to: &Content, scopes: &Scopes, origin: HoldOrigin) -> (Self, Plan) {
        let (graph, plan) = (**self).roll_back(to, scopes, origin);
        (Self::new(graph), plan)
    }

    fn resume(&self) -> Option<(Self, Plan)> {
        (**self).resume().map(|(graph, plan)| (Self::new(graph), plan))
    }

    fn promote(&self, stage: Stage, tenant: Option<&Tenant>, origin: HoldOrigin) -> Option<(Self, Plan)> {
        let promoted = (**self).promote(stage, tenant, origin);
        promoted.map(|(graph, plan)| (Self::new(graph), plan))
    }

    fn waiting(&self) -> usize {
        (**self).waiting()
    }

    fn waiting_templates(&self, most: usize) -> WaitingTemplates {
        (**self).waiting_templates(most)
    }

    fn source_texts(&self) -> SourceTexts {
        (**self).source_texts()
    }
}
