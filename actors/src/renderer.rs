//! The Renderer: takes `Render`, reads one immutable snapshot, answers text.
//!
//! It works in threads of its own, so that a long render holds back neither the control actors nor the caller's thread, and a
//! formatter that blocks for ever hurts one of these threads and nobody else. Where nothing of the user's runs in a render, a caller
//! inside an actix arbiter is answered in place as far as that is short (`inline_steps`): handing the message over to another
//! thread costs more than most renders. One that takes longer begins anew in one of these threads.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::budget::Exceeded;
use crate::counters::Begun;
use crate::limits::Limits;
use crate::protocol::messages::Render;
use crate::protocol::render::{RenderFailure, RenderOptions, Rendered};
use crate::reader::{Reader, Supply};
use crate::snapshot::Snapshot;
use crate::supervision::{Abandoned, Alarm, Alarms, Child, FaultKind, Faults, Moment, Once, Pool, Rest, contain};

/// The Renderer, or what a user has put in its place.
#[derive(Clone)]
pub(crate) struct Renderer {
    pub(crate) desk: Arc<Desk>,
    pub(crate) pool: Pool,
    alarms: Alarms,
    limits: Arc<Limits>,
    /// Whether nothing of the user's runs in a render.
    trusted: bool,
    /// What the user has put in its place.
    pub(crate) instead: Arc<ArcSwapOption<Instead>>,
}

/// An actor of the user's that renders.
pub(crate) struct Instead {
    pub(crate) send: Box<dyn Fn(Render) -> Answering + Send + Sync>,
    /// It, where it is supervised.
    pub(crate) child: Option<Arc<Child>>,
}

/// What to render, and with what.
struct Order {
    name: String,
    /// Of which version; of what is served when it begins, if of none.
    snapshot: Option<Arc<Snapshot>>,
    supply: Box<dyn SupplyBox>,
    options: RenderOptions,
}

/// A supply that is sent to another thread.
trait SupplyBox: Send {
    fn render(&self, reader: &Reader, begun: Begun, order: &Order) -> Result<Rendered, RenderFailure>;

    fn render_briefly(&self, reader: &Reader, begun: Begun, order: &Order) -> Option<Result<Rendered, RenderFailure>>;
}

impl<S: Supply + Send> SupplyBox for S {
    fn render(&self, reader: &Reader, begun: Begun, order: &Order) -> Result<Rendered, RenderFailure> {
        let Order {
            name,
            snapshot,
            options,
            ..
        } = order;
        reader.render_for_message(begun, snapshot.as_deref(), name, self, options)
    }

    fn render_briefly(&self, reader: &Reader, begun: Begun, order: &Order) -> Option<Result<Rendered, RenderFailure>> {
        let snapshot = order.snapshot.clone().unwrap_or_else(|| reader.current());
        reader.render_briefly(begun, &snapshot, &order.name, self, &order.options)
    }
}

impl Order {
    /// The data is the user's, and so is its `Drop`.
    fn put_away(self) {
        let _ = contain(move || drop(self));
    }
}

impl From<Render> for Order {
    fn from(Render { name, context, options }: Render) -> Self {
        Self {
            name,
            snapshot: None,
            supply: Box::new(context),
            options,
        }
    }
}

pub(crate) type Answering = Pin<Box<dyn Future<Output = Result<Rendered, RenderFailure>> + Send>>;

/// Where one render is done, in whatever thread.
pub(crate) struct Desk {
    pub(crate) reader: Reader,
    pub(crate) child: Arc<Child>,
    pub(crate) faults: Faults,
}

impl Desk {
    /// Renders once, and says whether the thread has to pause.
    fn serve(&self, order: Order, begun: Begun) -> (Result<Rendered, RenderFailure>, Rest) {
        let rendered = self.supervised(|| order.supply.render(&self.reader, begun, &order));
        order.put_away();
        match rendered {
            Ok(rendered) => (rendered, Rest::No),
            Err((failure, rest)) => (Err(failure), rest),
        }
    }

    /// Renders once in a thread that others wait for, as far as that is short; `None` where it is not.
    fn serve_briefly(&self, order: &Order, begun: Begun) -> Option<Result<Rendered, RenderFailure>> {
        match self.supervised(|| order.supply.render_briefly(&self.reader, begun, order)) {
            Ok(rendered) => rendered,
            // A caller's arbiter does not pause.
            Err((failure, _)) => Some(Err(failure)),
        }
    }

    /// Does what may fail under the policy of the Renderer. Else answers with what, and whether the thread has to pause.
    fn supervised<T>(&self, work: impl FnOnce() -> T) -> Result<T, (RenderFailure, Rest)> {
        let generation = self.child.ready().map_err(|fault| (fault.into(), Rest::No))?;
        let done = contain(|| {
            self.faults.strike(Moment::Before);
            let done = work();
            self.faults.strike(Moment::After);
            done
        });
        done.map_err(|said| {
            self.faults.note();
            let fault = self.child.failed(generation, FaultKind::Panicked, said);
            (fault.into(), Rest::Of(Arc::clone(&self.child)))
        })
    }
}

impl Renderer {
    pub(crate) fn new(desk: Desk, pool: Pool, alarms: Alarms, limits: Arc<Limits>, trusted: bool) -> Self {
        let _ = desk.child.ready();
        Self {
            desk: Arc::new(desk),
            pool,
            alarms,
            limits,
            trusted,
            instead: Arc::default(),
        }
    }

    /// Renders in place where that is safe and wanted, else in one of the threads; counted while it is under way, and logged once
    /// where that comes to no answer. `begun` is when the message came.
    pub(crate) async fn render(&self, render: Render, begun: Begun, pooled: bool) -> Result<Rendered, RenderFailure> {
        let _counted = self.desk.child.meter().ticket();
        if let Some(instead) = self.instead.load_full() {
            let rendered = self.render_instead(&instead, render).await;
            if let Err(failure) = &rendered {
                self.desk.reader.unanswered(None, failure);
            }
            return rendered;
        }
        if !pooled && self.trusted && actix::Arbiter::try_current().is_some() {
            let order = Order::from(render);
            if let Some(rendered) = self.desk.serve_briefly(&order, begun) {
                if let Err(failure) = &rendered {
                    self.desk.reader.unanswered(Some(&order.name), failure);
                }
                order.put_away();
                return rendered;
            }
            return self.render_pooled(order, begun).await;
        }
        self.render_pooled(render.into(), begun).await
    }

    /// Whether a render may be done in a thread that others wait for, as far as it is short.
    pub(crate) fn is_trusted(&self) -> bool {
        self.trusted
    }

    /// Renders an entry of one version in one of the threads.
    pub(crate) async fn render_supplied(
        &self,
        snapshot: Arc<Snapshot>,
        name: &str,
        supply: impl Supply + Send + 'static,
        options: RenderOptions,
        begun: Begun,
    ) -> Result<Rendered, RenderFailure> {
        let _counted = self.desk.child.meter().ticket();
        let order = Order {
            name: name.to_owned(),
            snapshot: Some(snapshot),
            supply: Box::new(supply),
            options,
        };
        self.render_pooled(order, begun).await
    }

    /// Renders in one of the threads, and logs once where that comes to no answer.
    async fn render_pooled(&self, mut order: Order, begun: Begun) -> Result<Rendered, RenderFailure> {
        let (answer, answered) = oneshot::channel();
        let (answer, instead) = Once::pair(answer);
        let (until, _deadline) = self.deadline(&mut order.options, instead.another());
        let desk = Arc::clone(&self.desk);
        let span = tracing::Span::current();
        let asked_for: Arc<str> = order.name.as_str().into();
        let (blamed, snapshot, asked) = (Arc::clone(&self.desk), order.snapshot.clone(), Instant::now());
        let name = Arc::clone(&asked_for);
        let run = move || {
            let _request = span.entered();
            if !answer.is_wanted() {
                order.put_away();
                return Rest::No;
            }
            let began = Instant::now();
            let (name, snapshot, deadline) = (order.name.clone(), order.snapshot.clone(), order.options.deadline);
            let (rendered, rest) = desk.serve(order, begun);
            if let (Err(RenderFailure::Timeout(_)), Some(deadline)) = (&rendered, deadline) {
                let ended = Instant::now();
                // Who waited longer than it was rendered was held up by others.
                if ended >= deadline && ended - began >= began - asked {
                    let said = "the render did not end before the deadline of its caller";
                    desk.reader.took_too_long(snapshot.as_deref(), &name, said, false);
                }
            }
            answer.give(rendered);
            rest
        };
        let lost = self.limits.render_hang_ms;
        // The alarm of the deadline comes first, so that a render that can be ended is.
        let until = until.checked_add(Duration::from_millis(self.limits.render_grace_ms));
        self.pool.submit_until(until, run, move |why| {
            instead.give(Err(match why {
                Abandoned::Hangs(_) => {
                    let said = "the render does not end: a formatter or the data blocks";
                    blamed.reader.took_too_long(snapshot.as_deref(), &name, said, true);
                    RenderFailure::Lost(format!(
                        "`{name}` took longer than {lost} ms (the limit `render_hang_ms`)"
                    ))
                }
                Abandoned::NoRoom => RenderFailure::Busy,
                Abandoned::NobodyLeft => RenderFailure::Lost(why.to_string()),
            }));
        });
        let rendered = answered
            .await
            .unwrap_or_else(|_| Err(RenderFailure::Lost("the engine has ended meanwhile".into())));
        if let Err(failure) = &rendered {
            self.desk.reader.unanswered(Some(&asked_for), failure);
        }
        rendered
    }

    /// Has an actor of the user's render.
    async fn render_instead(&self, instead: &Instead, mut render: Render) -> Result<Rendered, RenderFailure> {
        let (late, is_late) = oneshot::channel();
        let (late, _) = Once::pair(late);
        let _deadline = self.deadline(&mut render.options, late);
        tokio::select! {
            rendered = (instead.send)(render) => rendered,
            Ok(late) = is_late => late,
        }
    }

    /// Answers `Timeout` when it is time, which is said. Until then it ends the render when this is dropped.
    fn deadline(
        &self,
        options: &mut RenderOptions,
        late: Once<Result<Rendered, RenderFailure>>,
    ) -> (Instant, (Alarm, tokio_util::sync::DropGuard)) {
        let token = match options.cancel.take() {
            Some(token) => token.child_token(),
            None => CancellationToken::new(),
        };
        options.cancel = Some(token.clone());
        let wait_ms = self.limits.render_wait_ms;
        let longest = Instant::now().checked_add(Duration::from_millis(wait_ms));
        let (at, exceeded) = match (options.deadline, longest) {
            (Some(deadline), Some(longest)) if deadline > longest => (longest, Exceeded::Waited(wait_ms)),
            (Some(deadline), _) => (deadline, Exceeded::Deadline),
            (None, Some(longest)) => (longest, Exceeded::Waited(wait_ms)),
            // Further away than can be counted.
            (None, None) => (Instant::now() + Duration::from_secs(1 << 31), Exceeded::Waited(wait_ms)),
        };
        let ends = token.clone();
        let alarm = self.alarms.at(at, move || {
            ends.cancel();
            late.give(Err(RenderFailure::Timeout(exceeded)));
        });
        (at, (alarm, token.drop_guard()))
    }
}
