//! Support for tests: a minimal dialect, and a [`World`] in which its texts are published.
//!
//! A line `call x` calls a template, `fmt y` uses a formatter, and `bad` does not compile. Any other line is text.

mod conflicts;
mod edits;
mod model;
mod properties;
mod scoped_model;
mod scope_costs;
mod scopes;
mod versions;

use std::any::Any;
use std::sync::Arc;

use crate::Limits;
use crate::cause::Cause;
use crate::diagnostic::{Diagnostic, Span};
use crate::dialect::{Call, CallKind, Closure, Formatter, FormatterUse, Formatters, Frame, RenderError, Unit};
use crate::graph::companions::Companions;
use crate::graph::plan::Graph;
use crate::protocol::batch::{CompiledBatch, CompiledText};
use crate::protocol::messages::RolledBack;
use crate::protocol::plan::Plan;
use crate::protocol::report::Report;
use crate::registry::history::{self, Resumed};
use crate::registry::publish::{Decision, publish};
use crate::registry::state::RegistryState;
use crate::snapshot::{EntryStatus, Snapshot, Why};
use crate::template::{Digest, TemplateKey, TemplateName};
use crate::value::Value;
use crate::version::{LoaderId, Revision, Version};

/// Creates a template name.
pub(crate) fn name(name: &str) -> TemplateName {
    TemplateName::new(name).expect("a valid name")
}

/// Creates the key of a text of the shared stable layer.
pub(crate) fn key(of: &str) -> TemplateKey {
    name(of).into()
}

/// A compiled text of the minimal dialect.
struct TestUnit {
    text: String,
    calls: Vec<Call>,
    formatters: Vec<FormatterUse>,
}

impl Unit for TestUnit {
    fn text(&self) -> &str {
        &self.text
    }

    fn calls(&self) -> &[Call] {
        &self.calls
    }

    fn formatters(&self) -> &[FormatterUse] {
        &self.formatters
    }

    fn render(&self, _: &Closure<'_>, _: &Value<'_>, _: &mut Frame<'_>) -> Result<(), RenderError> {
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Compiles a text under a name.
pub(crate) fn compile(of: &TemplateName, text: &str) -> CompiledText {
    let digest = Digest::of(text.as_bytes());
    let (mut calls, mut formatters) = (Vec::new(), Vec::new());
    for (line, content) in (1..).zip(text.lines()) {
        // The span of the last word of the line.
        let last_word = || {
            let (before, word) = content.rsplit_once(' ').unwrap_or(("", content));
            let small = |number: usize| u32::try_from(number).expect("short");
            let column = if before.is_empty() { 1 } else { small(before.len()) + 2 };
            let length = small(word.len());
            Span { line, column, length }
        };
        if content == "bad" {
            let fault = Diagnostic::error("bad", "this line is bad")
                .in_template(of)
                .at_span(text, last_word());
            return CompiledText::Broken {
                digest: Some(digest),
                diagnostics: Arc::new([fault]),
                text: Some(text.into()),
            };
        }
        if let Some(callee) = content.strip_prefix("call ") {
            let span = last_word();
            calls.push(Call {
                name: name(callee),
                span,
                kind: CallKind::Required,
            });
        }
        if let Some(formatter) = content.strip_prefix("fmt ") {
            let span = last_word();
            formatters.push(FormatterUse {
                name: formatter.into(),
                span,
            });
        }
    }
    let unit = Arc::new(TestUnit {
        text: text.into(),
        calls,
        formatters,
    });
    CompiledText::Unit { digest, unit }
}

/// Creates a batch of the first loader.
pub(crate) fn batch(texts: &[(&str, &str)], removed: &[&str]) -> CompiledBatch {
    CompiledBatch {
        revision: Revision {
            loader: LoaderId(0),
            number: 1,
        },
        complete: false,
        texts: texts
            .iter()
            .map(|(of, text)| (key(of), compile(&name(of), text)))
            .collect(),
        removed: removed.iter().map(|removed| key(removed)).collect(),
    }
}

/// Returns the formatters `upper` and `lower`.
pub(crate) fn formatters() -> Formatters {
    let mut formatters = Formatters::default();
    for name in ["upper", "lower"] {
        formatters.insert(name, Formatter::new(|_, _| Ok(())));
    }
    formatters
}

/// Returns companions by which `x.json` belongs to `x.html`.
pub(crate) fn companions() -> Companions {
    Companions::new(|page| {
        let stem = page.as_str().strip_suffix(".html");
        stem.map(|stem| name(&format!("{stem}.json"))).into_iter().collect()
    })
}

/// A graph and the state of a Registry, without actors.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) graph: Graph,
    pub(crate) state: RegistryState,
    pub(crate) limits: Limits,
}

impl World {
    pub(crate) fn new(companions: Companions) -> Self {
        Self {
            graph: Graph::new(&formatters(), companions),
            state: RegistryState::new(),
            limits: Limits::default(),
        }
    }

    /// Creates a world with these texts.
    pub(crate) fn with(texts: &[(&str, &str)]) -> Self {
        let mut world = Self::new(companions());
        world.edit(texts, &[]);
        world
    }

    pub(crate) fn edit(&mut self, texts: &[(&str, &str)], removed: &[&str]) -> (Plan, Option<Report>) {
        self.apply(batch(texts, removed))
    }

    /// Applies a batch and publishes the plan, which must not be refused.
    pub(crate) fn apply(&mut self, batch: CompiledBatch) -> (Plan, Option<Report>) {
        let plan = self.graph.apply(&batch);
        let report = self.publish(&plan);
        (plan, report)
    }

    pub(crate) fn publish(&mut self, plan: &Plan) -> Option<Report> {
        match publish(&self.state, plan, &self.limits) {
            Decision::Unchanged => None,
            Decision::Published { state, report, .. } => {
                self.state = state;
                Some(report)
            }
            Decision::Refused { reason } => panic!("refused: {reason}"),
        }
    }

    /// Rolls back to a version.
    pub(crate) fn roll_back(&mut self, to: Version) -> Result<Report, RolledBack> {
        let changed = history::roll_back(&self.state, &self.graph, to, &Cause::by("operator"), &self.limits)?;
        (self.state, self.graph) = (changed.state, changed.graph);
        Ok(changed.report)
    }

    /// Applies everything that waits. Returns `None` if nothing did.
    pub(crate) fn resume(&mut self) -> Option<Option<Report>> {
        match history::resume(&self.state, &self.graph, &self.limits) {
            Resumed::Nothing => None,
            Resumed::Published(changed) => {
                (self.state, self.graph) = (changed.state, changed.graph);
                Some(Some(changed.report))
            }
            Resumed::Unchanged(graph) => {
                self.graph = graph;
                Some(None)
            }
            Resumed::Refused(reason) => panic!("refused: {reason}"),
        }
    }

    pub(crate) fn snapshot(&self) -> &Arc<Snapshot> {
        self.state.snapshot()
    }

    /// Returns the status of a name in one line: `current: page part`, `stale since 3: page part`, `broken by part`, `gone`. The last
    /// line of a text stands for it.
    pub(crate) fn status(&self, of: &str) -> String {
        let Some(id) = self.snapshot().id(of) else {
            return "unknown".into();
        };
        match self.snapshot().status(id) {
            EntryStatus::Current(closure) => format!("current:{}", texts(closure)),
            EntryStatus::Stale { closure, since } => format!("stale since {since}:{}", texts(closure)),
            EntryStatus::Broken => format!("broken by {}", self.why(of).cause),
            EntryStatus::Gone => "gone".into(),
        }
    }

    /// Returns the faults of a name that is not current.
    pub(crate) fn why(&self, of: &str) -> Arc<Why> {
        let id = self.snapshot().id(of).expect("has an id");
        self.snapshot().why(id).unwrap_or_else(|| panic!("{of} is current"))
    }
}

fn texts(closure: Closure<'_>) -> String {
    let members = closure.members();
    let members = members.into_iter().chain(closure.companions());
    members
        .map(|member| format!(" {}", member.unit.text().lines().last().unwrap_or_default()))
        .collect()
}
