//! The Graph: the calls between templates, and the effect of a batch of changes on each of them.
//!
//! It applies a batch to a draft of the accepted graph and sends the resulting plan to the Registry, which commits the draft together
//! with its own state. So a batch that is lost changes nothing, and a Graph that failed continues from the accepted graph. If something
//! else was accepted since the draft was made (`Conflict`), the Graph applies the batch to a new draft.
//!
//! [`plan`] applies a batch and decides which templates are bad, `hold` has the texts that an operator rolled back, `callers` holds the reverse edges, and `faults` finds what is wrong with
//! one template by itself.

mod callers;
pub mod companions;
pub(crate) mod contracts;
mod faults;
pub(crate) mod hold;
mod impact;
mod inspect;
mod layers;
pub mod plan;
mod promote;
mod tenant_faults;
pub(crate) mod tenants;

use std::fmt::Display;
use std::sync::Arc;

use crate::accepted::AcceptedState;
use crate::cause::Cause;
use crate::contract::Checks;
use crate::protocol::batch::CompiledBatch;
use crate::protocol::messages::{BatchOutcome, Compiled, CompiledTogether, Dependents, Edge, Edges, PublishBatch};
use crate::protocol::plan::Plan;
use crate::supervision::{Behavior, MeteredRecipient, Pool, Serve, Started, Unavailable, Vault};
use crate::template::TemplateName;

use contracts::ContractOutcome;
use plan::Graph;

/// The number of times that a batch is applied to a new draft. Only a command of an operator in the same moment makes a draft obsolete.
pub(crate) const CONFLICTS_MAX: usize = 8;

/// The configuration of a Graph. `R` is the state of the Registry, which the Graph does not look into.
#[derive(Clone)]
pub(crate) struct GraphConfig<R> {
    /// The state that the Registry has accepted, with the graph of its templates.
    pub(crate) accepted: Vault<AcceptedState<R, Arc<Graph>>>,
    pub(crate) registry: MeteredRecipient<PublishBatch<Arc<Graph>>>,
    /// The contract, if there is one.
    pub(crate) checks: Option<Checks>,
    /// The threads that check it: a sample may take as long as any render.
    pub(crate) pool: Pool,
}

/// The behaviour of the Graph.
pub(crate) struct Grapher<R>(GraphConfig<R>);

impl<R: Clone + Unpin + 'static> Behavior for Grapher<R> {
    type Config = GraphConfig<R>;

    fn start(setup: &GraphConfig<R>) -> Started<Self> {
        Ok(Self(setup.clone()))
    }
}

impl<R: Clone + Unpin + 'static> Serve<Compiled> for Grapher<R> {
    async fn serve(&mut self, compiled: Compiled) -> BatchOutcome {
        self.publish(vec![compiled]).await
    }
}

impl<R: Clone + Unpin + 'static> Serve<CompiledTogether> for Grapher<R> {
    async fn serve(&mut self, CompiledTogether(batches): CompiledTogether) -> BatchOutcome {
        self.publish(batches).await
    }
}

impl<R: Clone + Unpin + 'static> Grapher<R> {
    async fn publish(&self, batches: Vec<Compiled>) -> BatchOutcome {
        let GraphConfig {
            accepted,
            registry,
            checks,
            pool,
        } = &self.0;
        let send = async |batch| registry.send(batch).await;
        let batches = Arc::new(batches);
        let check = async |graph: Graph| match checks.clone() {
            None => Ok((graph, ContractOutcome::default())),
            Some(checks) => {
                let batches = Arc::clone(&batches);
                let checked = pool.run(move || {
                    let mut graph = graph;
                    let batches: Vec<&CompiledBatch> = batches.iter().map(|compiled| &compiled.batch).collect();
                    let outcome = graph.keep_contract(&batches, &checks);
                    (graph, outcome)
                });
                checked.await
            }
        };
        publish(&batches, || accepted.draft(), check, send).await
    }
}

/// Applies batches to a draft, checks its contract, and sends them as one plan to the Registry; if something else was accepted meanwhile, to a new draft.
pub(crate) async fn publish<R, E: Display>(
    batches: &[Compiled],
    draft: impl Fn() -> AcceptedState<R, Arc<Graph>>,
    check: impl AsyncFn(Graph) -> Result<(Graph, ContractOutcome), Unavailable>,
    send: impl AsyncFn(PublishBatch<Arc<Graph>>) -> Result<BatchOutcome, E>,
) -> BatchOutcome {
    let Some(noticed) = batches.iter().map(|compiled| compiled.noticed).min() else {
        return BatchOutcome::Refused("there is no batch".into());
    };
    let cause = Cause::of_all(batches.iter().map(|compiled| &compiled.cause));
    for _ in 0..=CONFLICTS_MAX {
        let AcceptedState { number, graph, .. } = draft();
        let mut graph = Graph::clone(&graph);
        let plans = batches.iter().map(|compiled| graph.apply(&compiled.batch));
        let Some(mut plan) = plans.reduce(Plan::then) else {
            break;
        };
        let (mut graph, outcome) = match check(graph).await {
            Ok(checked) => checked,
            Err(lost) => return BatchOutcome::Lost(lost.to_string()),
        };
        if let Some(reason) = outcome.reason() {
            return BatchOutcome::Refused(reason);
        }
        if outcome.checked > 0 || !outcome.reviewed.is_empty() {
            let news = plan.news;
            plan = graph.reviewed(plan.reviewed.or(&outcome.reviewed));
            plan.news.add(news);
        }
        tracing::debug!(checked = outcome.checked, "planned");
        let batch = PublishBatch {
            base: number,
            plan,
            graph: Arc::new(graph),
            noticed,
            cause: cause.clone(),
        };
        match send(batch).await {
            Ok(BatchOutcome::Conflict) => {}
            Ok(outcome) => return outcome,
            Err(gone) => return BatchOutcome::Lost(gone.to_string()),
        }
    }
    BatchOutcome::Conflict
}

impl<R: Clone + Unpin + 'static> Serve<Dependents> for Grapher<R> {
    async fn serve(&mut self, query: Dependents) -> Result<Vec<TemplateName>, Unavailable> {
        Ok(self.0.accepted.draft().graph.dependents(&query.0))
    }
}

impl<R: Clone + Unpin + 'static> Serve<Edges> for Grapher<R> {
    async fn serve(&mut self, _: Edges) -> Result<Vec<Edge>, Unavailable> {
        let graph = self.0.accepted.draft().graph;
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
