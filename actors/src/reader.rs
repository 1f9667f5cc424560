//! The one render path: reads one immutable snapshot, answers text. The Renderer and the direct reader both use it.
//!
//! It takes no lock that a writer holds and does no I/O. A render that fails for a reason that lies in the template is tried again
//! with what the entry was before, with the same context: a bad edit does not reach visitors, even one that compiles.

mod late;
mod standin;
mod supply;
mod workspace;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;

use crate::budget::{Budget, Exceeded};
use crate::counters::Tally;
use crate::diagnostic::Diagnostic;
use crate::dialect::{Body, Closure, Escape, Frame, Missing, RenderError, RenderFault, TemplateId};
use crate::events::Teller;
use crate::likeness::likeness;
use crate::limits::Limits;
use crate::snapshot::{Snapshot, Standing, Why};
use crate::supervision::{Fault, FaultKind, contain};
use crate::template::{Digest, TemplateName};
use crate::value::ContextError;
use crate::version::Version;

pub use standin::StandIn;
pub use supply::{Given, Supply};

use late::Late;
use workspace::Workspace;

/// What a render answers.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// The text, whole.
    pub body: String,
    /// The version that it was read from.
    pub version: Version,
    /// Whether that is the newest text of the entry.
    pub freshness: Freshness,
}

/// How an answer relates to the newest text of its entry.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// It is that text.
    Current,
    /// An older good version of the entry.
    Stale {
        /// The last version in which it was current.
        since: Version,
        /// What is wrong with the newest.
        why: Arc<Why>,
    },
    /// A stand-in: there is no good version.
    Fallback {
        /// What is wrong.
        why: Arc<Why>,
    },
}

/// How to render.
#[derive(Debug, Clone, Default)]
pub struct RenderOptions {
    /// After this the answer is of no use any more.
    pub deadline: Option<Instant>,
    /// Ends the render at its next step.
    pub cancel: Option<CancellationToken>,
    /// What a path that leads nowhere means.
    pub missing: Missing,
}

/// What a failed render is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnFailure {
    /// What the entry was before, as far as that does better; else the failure. An entry that never was good: the stand-in.
    #[default]
    LastGood,
    /// The stand-in. An entry that broke still goes on as it was.
    Fallback,
    /// The failure. An entry that broke still goes on as it was.
    Return,
}

/// Why there is no answer. `Display` is for people: place, line, caret, calls and help where there are any.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RenderFailure {
    /// There is no such template.
    #[error("there is no template `{name}`{}", nearest.as_ref().map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default())]
    NotFound {
        /// As it was asked for.
        name: String,
        /// One with a name much like it.
        nearest: Option<TemplateName>,
    },
    /// The template is broken and there never was a good one.
    #[error("`{name}` cannot be served: {}", why.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Broken {
        /// Which.
        name: TemplateName,
        /// What is wrong.
        why: Arc<Why>,
    },
    /// The render failed.
    #[error("{0}")]
    Failed(RenderError),
    /// The data does not become a context.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// The caller's deadline passed, or the caller gave up.
    #[error("the render was ended: {0}")]
    Timeout(Exceeded),
    /// As many renders as there may be are under way: try again later, or raise the limit `renders_in_flight`.
    #[error("too many renders are under way (the limit `renders_in_flight`)")]
    Busy,
    /// The engine has ended, or its Renderer was given up.
    #[error("nobody renders by message: the engine has ended, or its Renderer was given up (health says which)")]
    Down,
    /// The Renderer failed with this render in hand.
    #[error("the render was lost: {0}")]
    Lost(String),
}

impl From<RenderError> for RenderFailure {
    #[cold]
    fn from(error: RenderError) -> Self {
        match error.fault {
            RenderFault::Budget(exceeded) if exceeded.by_caller() => Self::Timeout(exceeded),
            _ => Self::Failed(error),
        }
    }
}

impl From<Fault> for RenderFailure {
    fn from(fault: Fault) -> Self {
        match fault.kind {
            FaultKind::Down => Self::Down,
            _ => Self::Lost(fault.to_string()),
        }
    }
}

/// Reads what is served. A clone reads the same.
#[derive(Clone)]
pub(crate) struct Reader {
    served: Arc<ArcSwap<Snapshot>>,
    rest: Arc<Rest>,
}

/// What a look-up does not need.
struct Rest {
    limits: Arc<Limits>,
    on_failure: OnFailure,
    stand_in: StandIn,
    late: Late,
    tally: Arc<Tally>,
}

impl Reader {
    pub(crate) fn new(
        served: Arc<ArcSwap<Snapshot>>,
        limits: Arc<Limits>,
        on_failure: OnFailure,
        stand_in: StandIn,
        teller: &Teller,
        tally: Arc<Tally>,
    ) -> Self {
        let late = Late::new(teller);
        let rest = Rest {
            limits,
            on_failure,
            stand_in,
            late,
            tally,
        };
        Self {
            served,
            rest: Arc::new(rest),
        }
    }

    /// What is served now.
    pub(crate) fn current(&self) -> Arc<Snapshot> {
        self.served.load_full()
    }

    /// The digest of the text that is served under a name now.
    #[inline]
    pub(crate) fn digest(&self, name: &str, id: Option<TemplateId>) -> Option<Digest> {
        let snapshot = self.served.load();
        let id = id.or_else(|| snapshot.id(name))?;
        let closure = snapshot.standing(id).closure()?;
        Some(closure.top().digest)
    }

    /// Renders an entry of what is served now.
    pub(crate) fn render(
        &self,
        name: &str,
        id: Option<TemplateId>,
        supply: &(impl Supply + ?Sized),
        options: &RenderOptions,
    ) -> Result<Rendered, RenderFailure> {
        // A guard, not a clone: thousands of readers at once must not fight over one counter.
        let snapshot = self.served.load();
        self.render_in(&snapshot, name, id, supply, options)
    }

    /// Renders an entry of one snapshot.
    pub(crate) fn render_in(
        &self,
        snapshot: &Snapshot,
        name: &str,
        id: Option<TemplateId>,
        supply: &(impl Supply + ?Sized),
        options: &RenderOptions,
    ) -> Result<Rendered, RenderFailure> {
        let begun = self.rest.tally.begin();
        let id = id.or_else(|| snapshot.id(name));
        let result = self.answer(snapshot, name, id, supply, options);
        self.rest.tally.rendered(begun, id, &result);
        result
    }

    fn answer(
        &self,
        snapshot: &Snapshot,
        name: &str,
        id: Option<TemplateId>,
        supply: &(impl Supply + ?Sized),
        options: &RenderOptions,
    ) -> Result<Rendered, RenderFailure> {
        let version = snapshot.version();
        // Asked here first: a span that nobody wants costs a comparison so, and five times that without.
        let _span = (LevelFilter::current() >= LevelFilter::DEBUG)
            .then(|| tracing::debug_span!("render", name, version = version.number()).entered());
        let answer = |body, freshness| Rendered {
            body,
            version,
            freshness,
        };
        let Some(id) = id else {
            return Err(not_found(snapshot, name));
        };
        let (closure, freshness) = match snapshot.standing(id) {
            Standing::Current(closure) => (closure, Freshness::Current),
            Standing::Stale { closure, since, why } => (
                closure,
                Freshness::Stale {
                    since,
                    why: Arc::clone(why),
                },
            ),
            Standing::Broken { why } => return self.stand_in(snapshot, name, Arc::clone(why)),
            Standing::Gone => return Err(not_found(snapshot, name)),
        };
        let failure = match self.attempt(&closure, supply, options) {
            Ok(body) => return Ok(answer(body, freshness)),
            Err(failure) => failure,
        };
        let RenderFailure::Failed(error) = &failure else {
            return Err(failure);
        };
        if !error.fault.lies_in_the_template() {
            return Err(failure);
        }
        let why = || {
            Arc::new(Why {
                diagnostics: Arc::new([(*error.diagnostic).clone()]),
                cause: cause_of(error, &closure),
            })
        };
        match self.rest.on_failure {
            OnFailure::Return => Err(failure),
            OnFailure::Fallback => self.stand_in(snapshot, name, why()),
            OnFailure::LastGood => {
                // Several bad edits may have come one after the other, so each kept closure that differs is tried.
                // Bounded as a whole, for a visitor's own data may be what is too much for each of them.
                let until = Instant::now() + 2 * self.rest.limits.render_time();
                let mut earlier = snapshot.earlier(id).take_while(|_| Instant::now() < until);
                let better = earlier.find_map(|(since, closure)| {
                    self.attempt(&closure, supply, options).ok().map(|body| (since, body))
                });
                let Some((since, body)) = better else {
                    return Err(failure);
                };
                let why = why();
                self.rest.tally.rescued(id, &error.diagnostic);
                self.rest.late.report(&closure.top().name, id, version, since, &why);
                Ok(answer(body, Freshness::Stale { since, why }))
            }
        }
    }

    /// Renders one closure with a budget of its own.
    fn attempt(
        &self,
        closure: &Closure<'_>,
        supply: &(impl Supply + ?Sized),
        options: &RenderOptions,
    ) -> Result<String, RenderFailure> {
        let limits = &*self.rest.limits;
        let mut budget = Budget::new(limits, options.deadline, options.cancel.clone());
        if options.deadline.is_some() || options.cancel.is_some() {
            budget.check(Instant::now()).map_err(RenderFailure::Timeout)?;
        }
        let top = closure.top();
        Workspace::with(|arena, room| {
            let body = Body::within(std::mem::take(room), budget.output_bytes, 0);
            let mut frame = Frame::writing_to(body, &mut budget, Escape::of(&top.name), options.missing);
            // What the user's `Serialize` and a dialect of the user's do is contained; a formatter is contained where it is called.
            let rendered = contain(|| {
                let context = supply.supply(closure, arena, limits)?;
                Ok(top.unit.render(closure, &context, &mut frame)?)
            });
            let result = match rendered {
                Ok(Ok(())) => Ok(frame.body.to_text()),
                Ok(Err(failure)) => Err(failure),
                Err(said) => Err(panicked(&said, &top.name)),
            };
            *room = frame.body.into_room();
            result
        })
    }

    /// The answer for an entry that has no good version: a template of the user's, or the built-in last resort.
    fn stand_in(&self, snapshot: &Snapshot, name: &str, why: Arc<Why>) -> Result<Rendered, RenderFailure> {
        let entry = TemplateName::new(name).map_err(|_| not_found(snapshot, name))?;
        if self.rest.on_failure == OnFailure::Return {
            return Err(RenderFailure::Broken { name: entry, why });
        }
        let version = snapshot.version();
        let context = standin::About {
            name,
            version: version.number(),
            status: 503,
        };
        let configured = self
            .rest
            .stand_in
            .template
            .as_ref()
            .filter(|template| Escape::of(template) == Escape::of(&entry));
        let body = configured
            .and_then(|template| snapshot.standing(snapshot.id(template.as_str())?).closure())
            .and_then(|closure| self.attempt(&closure, &Given(&context), &RenderOptions::default()).ok())
            .unwrap_or_else(|| standin::last_resort(&entry).to_owned());
        Ok(Rendered {
            body,
            version,
            freshness: Freshness::Fallback { why },
        })
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("version", &self.current().version())
            .finish_non_exhaustive()
    }
}

#[cold]
fn panicked(said: &str, template: &TemplateName) -> RenderFailure {
    let diagnostic = Diagnostic::error("render-panicked", format!("the render panicked: {said}"));
    RenderFailure::Failed(RenderError::new(
        RenderFault::Internal,
        diagnostic.in_template(template),
    ))
}

/// Which template has the place that failed.
fn cause_of(error: &RenderError, closure: &Closure<'_>) -> TemplateName {
    error
        .diagnostic
        .template
        .clone()
        .unwrap_or_else(|| closure.top().name.clone())
}

/// Names that are compared with one that is not there: a visitor may ask for anything.
const NEAR_NAMES_MAX: usize = 2_000;

fn not_found(snapshot: &Snapshot, name: &str) -> RenderFailure {
    let shown: String = name.chars().take(200).collect();
    let near = |name: &TemplateName| likeness(&shown, name.as_str());
    let named = snapshot
        .entries()
        .take(NEAR_NAMES_MAX)
        .filter_map(|(_, other, _)| Some((near(other)?, other)));
    let nearest = named.min().map(|(_, other)| other.clone());
    RenderFailure::NotFound { name: shown, nearest }
}
