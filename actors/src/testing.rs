//! For tests: a language of three words, and a [`World`] in which its texts are served.
//!
//! A line `call x` calls a template, `fmt y` uses a formatter, `bad` does not compile; anything else is text.

mod edits;
mod model;
mod properties;
mod versions;

use std::any::Any;
use std::sync::Arc;

use crate::Limits;
use crate::diagnostic::{Diagnostic, Span};
use crate::dialect::{Call, Closure, Formatter, FormatterUse, Formatters, Frame, RenderError, Unit};
use crate::graph::companions::Companions;
use crate::graph::plan::Graph;
use crate::protocol::batch::{CompiledBatch, CompiledText};
use crate::protocol::plan::Plan;
use crate::protocol::report::Report;
use crate::registry::publish::{Decision, publish};
use crate::registry::state::RegistryState;
use crate::snapshot::{Snapshot, Standing, Why};
use crate::template::{Digest, TemplateName};
use crate::value::Value;
use crate::version::{LoaderId, Revision};

pub(crate) fn name(name: &str) -> TemplateName {
    TemplateName::new(name).expect("a valid name")
}

struct Fake {
    text: String,
    calls: Vec<Call>,
    formatters: Vec<FormatterUse>,
}

impl Unit for Fake {
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
        // What follows the first word of the line, or the whole line.
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
            };
        }
        if let Some(callee) = content.strip_prefix("call ") {
            let span = last_word();
            calls.push(Call {
                name: name(callee),
                span,
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
    let unit = Arc::new(Fake {
        text: text.into(),
        calls,
        formatters,
    });
    CompiledText::Unit { digest, unit }
}

/// A batch of the first loader.
pub(crate) fn batch(texts: &[(&str, &str)], removed: &[&str]) -> CompiledBatch {
    CompiledBatch {
        revision: Revision {
            loader: LoaderId(0),
            number: 1,
        },
        complete: false,
        texts: texts
            .iter()
            .map(|(of, text)| (name(of), compile(&name(of), text)))
            .collect(),
        removed: removed.iter().map(|removed| name(removed)).collect(),
    }
}

/// The formatters `upper` and `lower`.
pub(crate) fn formatters() -> Formatters {
    let mut formatters = Formatters::default();
    for name in ["upper", "lower"] {
        formatters.insert(name, Formatter::new(|_, _| Ok(())));
    }
    formatters
}

/// `x.html` travels with `x.json`, if there is one.
pub(crate) fn companions() -> Companions {
    Companions::new(|page| {
        let stem = page.as_str().strip_suffix(".html");
        stem.map(|stem| name(&format!("{stem}.json"))).into_iter().collect()
    })
}

/// A graph and what is served of it.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) graph: Graph,
    pub(crate) truth: RegistryState,
    pub(crate) limits: Limits,
}

impl World {
    pub(crate) fn new(companions: Companions) -> Self {
        Self {
            graph: Graph::new(&formatters(), companions),
            truth: RegistryState::new(),
            limits: Limits::default(),
        }
    }

    /// A world that has these texts.
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
        let plan = self.graph.apply(batch);
        let report = self.publish(&plan);
        (plan, report)
    }

    pub(crate) fn publish(&mut self, plan: &Plan) -> Option<Report> {
        match publish(&self.truth, plan, &formatters(), &self.limits) {
            Decision::Unchanged => None,
            Decision::Held { truth } => {
                self.truth = truth;
                None
            }
            Decision::Published { truth, report, .. } => {
                self.truth = truth;
                Some(report)
            }
            Decision::Refused { reason } => panic!("refused: {reason}"),
        }
    }

    pub(crate) fn snapshot(&self) -> &Arc<Snapshot> {
        self.truth.snapshot()
    }

    /// How a name stands, in one line: `current: page part`, `stale since 3: page part`, `broken by part`, `gone`. A text
    /// is shown by its last line.
    pub(crate) fn shown(&self, of: &str) -> String {
        let Some(id) = self.snapshot().id(of) else {
            return "never heard of".into();
        };
        match self.snapshot().standing(id) {
            Standing::Current(closure) => format!("current:{}", texts(closure)),
            Standing::Stale { closure, since, .. } => format!("stale since {since}:{}", texts(closure)),
            Standing::Broken { why } => format!("broken by {}", why.cause),
            Standing::Gone => "gone".into(),
        }
    }

    /// Why a name is not current.
    pub(crate) fn why(&self, of: &str) -> Arc<Why> {
        let id = self.snapshot().id(of).expect("has an id");
        match self.snapshot().standing(id) {
            Standing::Stale { why, .. } | Standing::Broken { why } => Arc::clone(why),
            other => panic!("{of} is {other:?}"),
        }
    }
}

fn texts(closure: Closure<'_>) -> String {
    let members = closure.members();
    let members = members.into_iter().chain(closure.companions());
    members
        .map(|member| format!(" {}", member.unit.text().lines().last().unwrap_or_default()))
        .collect()
}
