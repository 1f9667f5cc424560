//! The Renderer: takes `Render`, reads one immutable snapshot, answers text.
//!
//! It works in threads of its own, so that a long render holds back neither the control actors nor the caller's thread, and a
//! formatter that blocks for ever hurts one of these threads and nobody else. Where nothing of the user's runs in a render, so
//! that it is bounded by its budget, a caller inside an actix arbiter is answered in place: handing the message over to another
//! thread costs more than most renders.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::budget::Exceeded;
use crate::counters::Begun;
use crate::limits::Limits;
use crate::messages::Render;
use crate::reader::{Reader, RenderFailure, Rendered};
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

pub(crate) type Answering = Pin<Box<dyn Future<Output = Result<Rendered, RenderFailure>> + Send>>;

/// Where one render is done, in whatever thread.
pub(crate) struct Desk {
    pub(crate) reader: Reader,
    pub(crate) child: Arc<Child>,
    pub(crate) faults: Faults,
}

impl Desk {
    /// Renders once, and says whether the thread has to pause.
    fn serve(&self, render: Render, begun: Begun) -> (Result<Rendered, RenderFailure>, Rest) {
        let generation = match self.child.ready() {
            Ok(generation) => generation,
            Err(fault) => return (Err(fault.into()), Rest::No),
        };
        let rendered = contain(|| {
            self.faults.strike(Moment::Before);
            let Render { name, context, options } = &render;
            let rendered = self.reader.render_for_message(begun, name, context, options);
            self.faults.strike(Moment::After);
            rendered
        });
        // The data is the user's, and so is its `Drop`.
        let _ = contain(move || drop(render));
        match rendered {
            Ok(rendered) => (rendered, Rest::No),
            Err(said) => {
                self.faults.note();
                let fault = self.child.failed(generation, FaultKind::Panicked, said);
                (Err(fault.into()), Rest::Of(Arc::clone(&self.child)))
            }
        }
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

    /// Renders in place where that is safe and wanted, else in one of the threads; counted while it is under way. `begun` is when
    /// the message came.
    pub(crate) async fn render(&self, render: Render, begun: Begun, pooled: bool) -> Result<Rendered, RenderFailure> {
        let _counted = self.desk.child.meter().ticket();
        if let Some(instead) = self.instead.load_full() {
            return self.render_instead(&instead, render).await;
        }
        if !pooled && self.trusted && actix::Arbiter::try_current().is_some() {
            // A caller's arbiter does not pause.
            return self.desk.serve(render, begun).0;
        }
        self.render_pooled(render, begun).await
    }

    /// Renders in one of the threads.
    async fn render_pooled(&self, mut render: Render, begun: Begun) -> Result<Rendered, RenderFailure> {
        let (answer, answered) = oneshot::channel();
        let (answer, instead) = Once::pair(answer);
        let _deadline = self.deadline(&mut render, instead.another());
        let desk = Arc::clone(&self.desk);
        let span = tracing::Span::current();
        let name: Box<str> = render.name.as_str().into();
        let run = move || {
            let _request = span.entered();
            if !answer.is_wanted() {
                let _ = contain(move || drop(render));
                return Rest::No;
            }
            let (rendered, rest) = desk.serve(render, begun);
            answer.give(rendered);
            rest
        };
        let lost = self.limits.render_hang_ms;
        self.pool.submit(run, move |why| {
            instead.give(Err(match why {
                Abandoned::Hangs(_) => RenderFailure::Lost(format!(
                    "`{name}` took longer than {lost} ms (the limit `render_hang_ms`)"
                )),
                Abandoned::NoRoom => RenderFailure::Busy,
                Abandoned::NobodyLeft => RenderFailure::Lost(why.to_string()),
            }));
        });
        answered
            .await
            .unwrap_or_else(|_| Err(RenderFailure::Lost("the engine has ended meanwhile".into())))
    }

    /// Has an actor of the user's render.
    async fn render_instead(&self, instead: &Instead, mut render: Render) -> Result<Rendered, RenderFailure> {
        let (late, is_late) = oneshot::channel();
        let (late, _) = Once::pair(late);
        let _deadline = self.deadline(&mut render, late);
        tokio::select! {
            rendered = (instead.send)(render) => rendered,
            Ok(late) = is_late => late,
        }
    }

    /// Answers `Timeout` when it is time. Until then it ends the render when this is dropped.
    fn deadline(
        &self,
        render: &mut Render,
        late: Once<Result<Rendered, RenderFailure>>,
    ) -> (Alarm, tokio_util::sync::DropGuard) {
        let token = match render.options.cancel.take() {
            Some(token) => token.child_token(),
            None => CancellationToken::new(),
        };
        render.options.cancel = Some(token.clone());
        let wait_ms = self.limits.render_wait_ms;
        let longest = Instant::now().checked_add(Duration::from_millis(wait_ms));
        let (at, exceeded) = match (render.options.deadline, longest) {
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
        (alarm, token.drop_guard())
    }
}
