//! The Graph: the calls between templates, and the effect of a batch of changes on each of them.
//!
//! It applies a batch to a draft of the accepted graph and sends the resulting plan to the Registry, which commits the draft together
//! with its own state. So a batch that is lost changes nothing, and a Graph that failed continues from the accepted graph. If plan and
//! Registry disagree (`Conflict`), the Graph sends a plan of everything.
//!
//! [`plan`] applies a batch, [`edges`] holds the calls in both directions, `faults` finds what is wrong with one template by itself, and
//! `verdicts` computes which templates are bad because of it.

pub mod companions;
pub mod edges;
mod faults;
pub mod plan;
mod verdicts;

use crate::protocol::messages::{BatchOutcome, Compiled, CompiledTogether, Dependents, Edge, Edges, PublishBatch};
use crate::protocol::plan::Plan;
use crate::supervision::{Behavior, MeteredRecipient, Serve, Started, Unavailable, Vault};
use crate::template::TemplateName;

use plan::Graph;

/// The configuration of a Graph.
#[derive(Clone)]
pub(crate) struct GraphConfig {
    /// The graph of the state that the Registry has accepted.
    pub(crate) accepted: Vault<Graph>,
    pub(crate) registry: MeteredRecipient<PublishBatch<Graph>>,
}

/// The behaviour of the Graph.
pub(crate) struct Grapher(GraphConfig);

impl Behavior for Grapher {
    type Config = GraphConfig;

    fn start(setup: &GraphConfig) -> Started<Self> {
        Ok(Self(setup.clone()))
    }
}

impl Serve<Compiled> for Grapher {
    async fn serve(&mut self, compiled: Compiled) -> BatchOutcome {
        let mut graph = self.0.accepted.draft();
        let plan = graph.apply(compiled.batch);
        tracing::debug!("planned");
        match self.publish(plan, &graph, compiled.noticed).await {
            BatchOutcome::Conflict => self.publish(graph.whole(), &graph, compiled.noticed).await,
            outcome => outcome,
        }
    }
}

impl Grapher {
    async fn publish(&self, plan: Plan, graph: &Graph, noticed: std::time::Instant) -> BatchOutcome {
        let batch = PublishBatch {
            plan,
            graph: graph.clone(),
            noticed,
        };
        let answer = self.0.registry.send(batch).await;
        answer.unwrap_or_else(|gone| BatchOutcome::Lost(gone.to_string()))
    }
}

impl Serve<Dependents> for Grapher {
    async fn serve(&mut self, query: Dependents) -> Result<Vec<TemplateName>, Unavailable> {
        Ok(self.0.accepted.draft().dependents(&query.0))
    }
}

impl Serve<Edges> for Grapher {
    async fn serve(&mut self, _: Edges) -> Result<Vec<Edge>, Unavailable> {
        let graph = self.0.accepted.draft();
        let mut edges: Vec<Edge> = graph
            .edges()
            .map(|(caller, callee, exists)| Edge {
                caller: caller.clone(),
                callee: callee.clone(),
                exists,
            })
            .collect();
        edges.sort();
        Ok(edges)
    }
}

impl Serve<CompiledTogether> for Grapher {
    async fn serve(&mut self, CompiledTogether(batches): CompiledTogether) -> BatchOutcome {
        let mut graph = self.0.accepted.draft();
        let Some(noticed) = batches.iter().map(|compiled| compiled.noticed).min() else {
            return BatchOutcome::Refused("there is no batch".into());
        };
        for compiled in batches {
            graph.apply(compiled.batch);
        }
        self.publish(graph.whole(), &graph, noticed).await
    }
}
