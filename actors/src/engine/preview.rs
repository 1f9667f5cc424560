//! Previews: a dry run of the Compiler, the Graph and a publication, on a draft of the accepted state.
//!
//! A preview reads the accepted state once and writes nothing: the draft shares its memory, and what differs is dropped with the preview. It
//! runs on one thread of its own, which is started with the first preview, so that neither renders nor edits wait for it. Only the
//! compiler's cache is shared, so a text that is published after its preview is not compiled again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Dialects, Entries};
use crate::accepted::AcceptedState;
use crate::compiler::{Cache, compile_text};
use crate::contract::Checks;
use crate::diagnostic::Diagnostic;
use crate::dialect::{Escape, Missing, TemplateId};
use crate::graph::plan::Graph;
use crate::limits::Limits;
use crate::protocol::batch::{CompiledBatch, CompiledText};
use crate::protocol::plan::Plan;
use crate::protocol::preview::{PreviewError, PreviewReport, PreviewRequest, RenderComparison, SampleRender};
use crate::protocol::render::{RenderFailure, RenderOptions};
use crate::protocol::report::NameSample;
use crate::reader::ContextSource;
use crate::reader::unserved::render_once;
use crate::registry::AnsweredState;
use crate::registry::publish::check_size;
use crate::samples::{SampleTexts, Samples};
use crate::snapshot::{EntryStatus, Snapshot};
use crate::supervision::{HangPolicy, Pool, Unavailable, Vault};
use crate::template::{Digest, Source, TemplateKey, TemplateName};
use crate::version::{LoaderId, Revision};

/// Previews that wait for the thread. One more is answered `Busy`.
const WAITING_MAX: usize = 4;
/// A render that is shorter than this is repeated, and the shortest time counts.
const REPEATED_BELOW: Duration = Duration::from_millis(2);
const REPETITIONS: usize = 3;

/// Everything that a preview is made from.
#[derive(Clone)]
pub(crate) struct Previews {
    pub(super) accepted: Vault<AcceptedState<AnsweredState, Arc<Graph>>>,
    pub(super) dialects: Dialects,
    pub(super) cache: Arc<Cache>,
    pub(super) limits: Arc<Limits>,
    pub(super) entries: Entries,
    pub(super) checks: Checks,
    pub(super) hang_policy: HangPolicy,
    /// The thread, from the first preview on.
    pub(super) pool: Arc<Mutex<Option<Pool>>>,
}

/// A snapshot that nobody serves, and its report.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) report: PreviewReport,
}

impl Previews {
    /// Makes a preview on the thread for previews.
    pub(crate) async fn make(&self, request: PreviewRequest) -> Result<Draft, PreviewError> {
        let (bytes, limit) = (request.bytes(), self.limits.preview_bytes);
        if bytes > limit {
            return Err(PreviewError::TooLarge { bytes, limit });
        }
        let previews = self.clone();
        let made = self.pool()?.run(move || previews.draft(request));
        made.await?
    }

    /// Returns the graph of the newest accepted texts.
    pub(crate) fn graph(&self) -> Arc<Graph> {
        self.accepted.draft().graph
    }

    /// Returns the samples of entries.
    pub(crate) fn samples(&self) -> &Arc<Samples> {
        &self.checks.samples
    }

    pub(super) fn pool(&self) -> Result<Pool, Unavailable> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = &*pool {
            return Ok(pool.clone());
        }
        let started = Pool::start("hotplate-preview", 1, WAITING_MAX, Some(self.hang_policy.clone()));
        let started = started.map_err(|error| Unavailable::Lost(format!("a thread cannot be started: {error}")))?;
        Ok(pool.insert(started).clone())
    }

    /// Compiles the texts, plans the batch and publishes it, all on a draft.
    fn draft(&self, request: PreviewRequest) -> Result<Draft, PreviewError> {
        let begun = Instant::now();
        let AcceptedState { registry, graph, .. } = self.accepted.draft();
        // Its ids are those of the draft, which a later snapshot may have given to other names.
        let before = Arc::clone(registry.state.snapshot());
        let mut next = Graph::clone(&graph);
        let render = request.render;
        let texts: Vec<TemplateName> = request.edits.keys().cloned().collect();
        let batches = self.compile(&graph, request);
        let plans = batches.iter().map(|batch| next.apply(batch));
        // Without a batch, the plan is that of the accepted texts.
        let reviewed = plans.reduce(Plan::then).map(|plan| plan.reviewed).unwrap_or_default();
        let batches: Vec<&CompiledBatch> = batches.iter().collect();
        let outcome = next.keep_contract(&batches, &self.checks);
        let plan = next.reviewed(reviewed.or(&outcome.reviewed));
        check_size(&plan, &self.limits).map_err(|refusal| PreviewError::Refused(refusal.to_string()))?;
        let (snapshot, report) = registry.state.preview(&plan, &self.limits);

        let names_of = |keys: Vec<TemplateKey>| keys.into_iter().map(|key| key.name).collect::<Vec<_>>();
        let (changed, removed) = (names_of(report.changed), names_of(report.removed));
        let edited = changed.iter().chain(&removed).cloned();
        let broken = texts.iter().filter(|name| next.faults_of(name).is_some()).cloned();
        let affected = next.reached_from(edited.chain(broken));
        let mut affected: Vec<&TemplateName> = affected
            .iter()
            .filter(|id| exists(&snapshot, *id) || exists(&before, *id))
            .filter_map(|id| next.name(id))
            .filter(|name| self.entries.has(name))
            .collect();
        affected.sort_unstable();
        let mut diagnostics = report.diagnostics;
        for name in &texts {
            let faults = next.faults_of(name).unwrap_or_default();
            for fault in faults.iter() {
                if !diagnostics.iter().any(|known| known == fault) {
                    diagnostics.push(fault.clone());
                }
            }
        }
        diagnostics.extend(outcome.refused);
        diagnostics.truncate(self.limits.event_names.max(1));
        let mut draft = PreviewReport {
            version: before.version(),
            digest: report.digest,
            warnings: self.warnings(&snapshot, &changed, &next),
            changed,
            removed,
            affected: NameSample {
                count: affected.len(),
                names: affected
                    .iter()
                    .take(self.limits.event_names)
                    .map(|name| (*name).clone())
                    .collect(),
            },
            stale: report.stale,
            broken: report.broken,
            recovered: report.recovered,
            diagnostics,
            renders: Vec::new(),
            renders_skipped: 0,
            micros: micros(begun.elapsed()),
        };
        if render {
            self.render(&affected, &before, &snapshot, &mut draft);
        }
        Ok(Draft {
            snapshot,
            report: draft,
        })
    }

    /// Compiles the texts that differ from the accepted ones, as one batch for each loader that has one of the names. A new name counts as
    /// one of the first loader.
    fn compile(&self, graph: &Graph, request: PreviewRequest) -> Vec<CompiledBatch> {
        let mut batches: BTreeMap<LoaderId, CompiledBatch> = BTreeMap::new();
        let batch_of = |loader| CompiledBatch {
            revision: Revision { loader, number: 0 },
            complete: false,
            texts: Vec::new(),
            removed: Vec::new(),
        };
        let mut removed: Vec<TemplateName> = Vec::new();
        if request.complete {
            removed.extend(graph.names().filter(|name| !request.edits.contains_key(*name)).cloned());
        }
        for (name, text) in request.edits {
            let Some(text) = text else {
                removed.push(name);
                continue;
            };
            let known = graph.provider(&name);
            let loader = known.map_or(LoaderId(0), |(loader, _)| loader);
            let source = match known {
                Some((_, before)) => self.as_before(Source::new(name, text), before),
                None => Source::new(name, text),
            };
            // The same text has the same result.
            if known.is_some_and(|(_, before)| before.digest() == Some(source.digest)) {
                continue;
            }
            let (text, _) = compile_text(&source, &self.dialects, &self.limits, &self.cache);
            let batch = batches.entry(loader).or_insert_with(|| batch_of(loader));
            batch.texts.push((source.key, text));
        }
        for name in removed {
            if let Some((loader, _)) = graph.provider(&name) {
                batches
                    .entry(loader)
                    .or_insert_with(|| batch_of(loader))
                    .removed
                    .push(name.into());
            }
        }
        batches.into_values().collect()
    }

    /// Returns a source in the language and with the leniency that the text before it has from its root.
    fn as_before(&self, source: Source, before: &CompiledText) -> Source {
        let text = match before {
            CompiledText::Unit { unit, .. } => unit.text(),
            CompiledText::Broken { text: Some(text), .. } => text,
            CompiledText::Broken { text: None, .. } => return source,
        };
        let root = before.digest().and_then(|digest| self.dialects.root_of(text, digest));
        match root {
            Some(root) => source.of_root(root),
            None => source,
        }
    }

    fn warnings(&self, snapshot: &Snapshot, changed: &[TemplateName], graph: &Graph) -> Vec<Diagnostic> {
        let members = changed.iter().filter_map(|name| snapshot.member(name.as_str()));
        let escaped = members.filter(|member| Escape::of(&member.name) == Escape::Html);
        let warnings = escaped.flat_map(|member| {
            let warnings = member.unit.warnings().iter();
            warnings.map(|warning| warning.clone().in_template(&member.name))
        });
        let warnings = warnings.chain(graph.contract_warnings().cloned());
        warnings.take(self.limits.event_names).collect()
    }

    /// Renders entries that have a sample, as long as the limits allow it.
    fn render(&self, entries: &[&TemplateName], before: &Snapshot, after: &Snapshot, report: &mut PreviewReport) {
        let until = Instant::now() + Duration::from_millis(self.limits.preview_ms);
        let mut bytes_left = self.limits.preview_bytes;
        for entry in entries {
            let (old, new) = (self.sampled(before, entry), self.sampled(after, entry));
            if old.is_none() && new.is_none() {
                continue;
            }
            if report.renders.len() >= self.limits.preview_renders || Instant::now() >= until {
                report.renders_skipped += 1;
                continue;
            }
            let side = |sampled: Option<Sampled<'_>>| sampled.map(|sampled| sampled.render(&self.limits, until));
            let (mut old, mut new) = (side(old).unwrap_or_default(), side(new).unwrap_or_default());
            let is_same = old.digest == new.digest;
            for side in [&mut old, &mut new] {
                let size = side.body.as_ref().map_or(0, |body| body.len());
                match bytes_left.checked_sub(size) {
                    Some(left) if !is_same => bytes_left = left,
                    _ => side.body = None,
                }
            }
            report.renders.push(RenderComparison {
                entry: (*entry).clone(),
                before: old,
                after: new,
            });
        }
    }

    /// Returns an entry of a snapshot with its sample.
    fn sampled<'s>(&'s self, snapshot: &'s Snapshot, entry: &TemplateName) -> Option<Sampled<'s>> {
        let closure = snapshot.status(snapshot.id(entry.as_str())?).closure()?;
        let texts = SampleTexts::new(closure, snapshot.names());
        let source = self.checks.samples.of(&texts)?;
        Some(Sampled { texts, source })
    }
}

/// An entry with its sample.
struct Sampled<'s> {
    texts: SampleTexts<'s>,
    source: Box<dyn ContextSource + 's>,
}

impl Sampled<'_> {
    fn render(&self, limits: &Limits, until: Instant) -> SampleRender {
        let options = RenderOptions {
            deadline: Some(until),
            missing: Missing::Error,
            ..RenderOptions::default()
        };
        let closure = self.texts.closure();
        let mut shortest = Duration::MAX;
        let mut rendered = None;
        for _ in 0..REPETITIONS {
            let begun = Instant::now();
            rendered = Some(render_once(limits, &closure, &*self.source, &options));
            shortest = shortest.min(begun.elapsed());
            if shortest >= REPEATED_BELOW {
                break;
            }
        }
        let result = SampleRender {
            micros: micros(shortest),
            ..SampleRender::default()
        };
        match rendered {
            Some(Ok(body)) => SampleRender {
                digest: Some(Digest::of(body.as_bytes())),
                bytes: body.len(),
                body: Some(body.into()),
                ..result
            },
            Some(Err(failure)) => SampleRender {
                error: Some(fault_of(failure, self.texts.entry())),
                ..result
            },
            None => result,
        }
    }
}

/// Returns the diagnostic of a render that failed.
pub(crate) fn fault_of(failure: RenderFailure, entry: &TemplateName) -> Diagnostic {
    match failure {
        RenderFailure::Failed(error) => *error.diagnostic,
        other => Diagnostic::error("not-rendered", other.to_string()).in_template(entry),
    }
}

/// Returns true if a snapshot has a template. An id is valid in every later snapshot, and leads nowhere in earlier ones.
fn exists(snapshot: &Snapshot, id: TemplateId) -> bool {
    !matches!(snapshot.status(id), EntryStatus::Gone)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
