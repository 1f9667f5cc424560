//! The Renderer: receives `Render`, reads one immutable snapshot, answers with text.
//!
//! It has a pool of threads, so that a long render delays neither the control actors nor the thread of the caller, and a formatter that
//! blocks forever costs one thread of the pool and nothing else. Moving a message to another thread costs more than most renders, so a
//! caller inside an actix arbiter is answered in place if renders run no code of the program and the render is short (`inline_steps`). A
//! render that takes longer starts again in the pool.

mod unproven_threads;

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::counters::RenderInProgress;
use crate::limits::Limits;
use crate::protocol::messages::Render;
use crate::protocol::render::{RenderFailure, RenderOptions, Rendered};
use crate::reader::{ContextSource, Reader};
use crate::snapshot::Snapshot;
use crate::supervision::{
    AfterJob, Child, FaultKind, FaultMoment, InjectedFaults, OneShotAnswer, Pool, Timeout, Timer, Timers, Unavailable,
    contain,
};

use unproven_threads::{ThreadPermit, UnprovenThreads};

/// The Renderer, or an actor of the program that replaces it.
#[derive(Clone)]
pub(crate) struct Renderer {
    pub(crate) worker: Arc<RenderWorker>,
    pub(crate) pool: Pool,
    timers: Timers,
    limits: Arc<Limits>,
    unproven_threads: Arc<UnprovenThreads>,
    /// True if renders run no code of the program, such as its formatters.
    trusted: bool,
    /// The actor that replaces it, if there is one.
    pub(crate) custom: Arc<ArcSwapOption<CustomRenderer>>,
}

/// An actor of the program that renders in place of the Renderer.
pub(crate) struct CustomRenderer {
    pub(crate) send: Box<dyn Fn(Render) -> Answering + Send + Sync>,
    /// The supervision record of the actor, if it is supervised.
    pub(crate) child: Option<Arc<Child>>,
}

/// A template to render, and the data for it.
struct RenderJob {
    name: String,
    /// Version to render; if `None`, the version that is served when the render begins.
    snapshot: Option<Arc<Snapshot>>,
    source: Box<dyn SendContextSource>,
    options: RenderOptions,
}

/// A source of data behind a pointer, so that it can be sent to another thread.
trait SendContextSource: Send {
    fn render(&self, reader: &Reader, begun: RenderInProgress, job: &RenderJob) -> Result<Rendered, RenderFailure>;

    fn render_briefly(
        &self,
        reader: &Reader,
        begun: RenderInProgress,
        job: &RenderJob,
    ) -> Option<Result<Rendered, RenderFailure>>;
}

impl<S: ContextSource + Send> SendContextSource for S {
    fn render(&self, reader: &Reader, begun: RenderInProgress, job: &RenderJob) -> Result<Rendered, RenderFailure> {
        let RenderJob {
            name,
            snapshot,
            options,
            ..
        } = job;
        reader.render_for_message(begun, snapshot.as_deref(), name, self, options)
    }

    fn render_briefly(
        &self,
        reader: &Reader,
        begun: RenderInProgress,
        job: &RenderJob,
    ) -> Option<Result<Rendered, RenderFailure>> {
        let snapshot = job.snapshot.clone().unwrap_or_else(|| reader.current());
        reader.render_briefly(begun, &snapshot, &job.name, self, &job.options)
    }
}

impl RenderJob {
    /// Drops the data, whose `Drop` is code of the program and may panic.
    fn drop_contained(self) {
        let _ = contain(move || drop(self));
    }
}

impl From<Render> for RenderJob {
    fn from(Render { name, context, options }: Render) -> Self {
        Self {
            name,
            snapshot: None,
            source: Box::new(context),
            options,
        }
    }
}

/// The answer to a render, in the future.
pub(crate) type Answering = Pin<Box<dyn Future<Output = Result<Rendered, RenderFailure>> + Send>>;

/// Renders in any thread, under the restart policy of the Renderer.
pub(crate) struct RenderWorker {
    pub(crate) reader: Reader,
    pub(crate) child: Arc<Child>,
    pub(crate) faults: InjectedFaults,
}

impl RenderWorker {
    /// Renders once. Returns the next step of the thread as well.
    fn serve(&self, job: RenderJob, begun: RenderInProgress) -> (Result<Rendered, RenderFailure>, AfterJob) {
        let rendered = self.supervised(|| job.source.render(&self.reader, begun, &job));
        job.drop_contained();
        match rendered {
            Ok(rendered) => (rendered, AfterJob::Continue),
            Err((failure, next)) => (Err(failure), next),
        }
    }

    /// Renders once in the thread of the caller if that is short; else returns `None`.
    fn serve_briefly(&self, job: &RenderJob, begun: RenderInProgress) -> Option<Result<Rendered, RenderFailure>> {
        match self.supervised(|| job.source.render_briefly(&self.reader, begun, job)) {
            Ok(rendered) => rendered,
            // The caller's arbiter must not sleep through a restart pause.
            Err((failure, _)) => Some(Err(failure)),
        }
    }

    /// Runs work that may panic under the restart policy of the Renderer.
    fn supervised<T>(&self, work: impl FnOnce() -> T) -> Result<T, (RenderFailure, AfterJob)> {
        let generation = self
            .child
            .ensure_up()
            .map_err(|fault| (fault.into(), AfterJob::Continue))?;
        let result = contain(|| {
            self.faults.trigger(FaultMoment::Before);
            let result = work();
            self.faults.trigger(FaultMoment::After);
            result
        });
        result.map_err(|panic| {
            self.faults.increment();
            let fault = self.child.report_failure(generation, FaultKind::Panicked, panic);
            (fault.into(), AfterJob::BackOff(Arc::clone(&self.child)))
        })
    }
}

impl Renderer {
    pub(crate) fn new(worker: RenderWorker, pool: Pool, timers: Timers, limits: Arc<Limits>, trusted: bool) -> Self {
        let _ = worker.child.ensure_up();
        let unproven_threads = UnprovenThreads::new(limits.unproven_threads, pool.threads());
        Self {
            worker: Arc::new(worker),
            unproven_threads: Arc::new(unproven_threads),
            pool,
            timers,
            limits,
            trusted,
            custom: Arc::default(),
        }
    }

    /// Renders in place if that is safe and allowed, else in the pool. The render is counted while it is in progress, and logged once if it
    /// has no answer. `begun` is the arrival of the message.
    pub(crate) async fn render(
        &self,
        render: Render,
        begun: RenderInProgress,
        pooled: bool,
    ) -> Result<Rendered, RenderFailure> {
        let _ticket = self.worker.child.meter().ticket();
        if let Some(custom) = self.custom.load_full() {
            let rendered = self.render_custom(&custom, render).await;
            if let Err(failure) = &rendered {
                self.worker.reader.unanswered(None, failure);
            }
            return rendered;
        }
        if !pooled && self.trusted && actix::Arbiter::try_current().is_some() {
            let job = RenderJob::from(render);
            if let Some(rendered) = self.worker.serve_briefly(&job, begun) {
                if let Err(failure) = &rendered {
                    self.worker.reader.unanswered(Some(&job.name), failure);
                }
                job.drop_contained();
                return rendered;
            }
            return self.render_pooled(job, begun).await;
        }
        self.render_pooled(render.into(), begun).await
    }

    /// Returns true if short renders may run in the thread of the caller.
    pub(crate) fn is_trusted(&self) -> bool {
        self.trusted
    }

    /// Renders an entry of one version in the pool.
    pub(crate) async fn render_from_source(
        &self,
        snapshot: Arc<Snapshot>,
        name: &str,
        source: impl ContextSource + Send + 'static,
        options: RenderOptions,
        begun: RenderInProgress,
    ) -> Result<Rendered, RenderFailure> {
        let _ticket = self.worker.child.meter().ticket();
        let job = RenderJob {
            name: name.to_owned(),
            snapshot: Some(snapshot),
            source: Box::new(source),
            options,
        };
        self.render_pooled(job, begun).await
    }

    /// Renders in the pool, and logs once if there is no answer. A render of an unproven template waits for a permit first.
    async fn render_pooled(&self, mut job: RenderJob, begun: RenderInProgress) -> Result<Rendered, RenderFailure> {
        let (answer, mut answered) = oneshot::channel();
        let answer = OneShotAnswer::new(answer);
        let on_abandoned = answer.clone();
        let (until, _deadline) = self.deadline(&mut job.options, answer.clone());
        let worker = Arc::clone(&self.worker);
        let span = tracing::Span::current();
        let asked_for: Arc<str> = job.name.as_str().into();
        let (blamed, snapshot, queued) = (Arc::clone(&self.worker), job.snapshot.clone(), Instant::now());
        let scope = job.options.scope.clone();
        let name = Arc::clone(&asked_for);
        let permit = match worker.reader.unproven(snapshot.as_deref(), &scope, &name) {
            Some(id) => tokio::select! {
                permit = self.unproven_threads.next(id) => permit,
                // The deadline came first.
                rendered = &mut answered => {
                    job.drop_contained();
                    return self.note_answer(&asked_for, rendered);
                }
            },
            None => ThreadPermit::default(),
        };
        let ends = permit.clone();
        let run = move || {
            let _permit = permit;
            let _request = span.entered();
            if !answer.is_wanted() {
                job.drop_contained();
                return AfterJob::Continue;
            }
            let started = Instant::now();
            let (name, snapshot, deadline) = (job.name.clone(), job.snapshot.clone(), job.options.deadline);
            let scope = job.options.scope.clone();
            let (rendered, next) = worker.serve(job, begun);
            if let (Err(RenderFailure::Unavailable(Unavailable::Timeout(_))), Some(deadline)) = (&rendered, deadline) {
                let ended = Instant::now();
                // If the render waited for longer than it ran, the delay is due to other renders and not to this template.
                if ended >= deadline && ended - started >= started - queued {
                    let why = "the render did not end before the deadline of its caller";
                    worker
                        .reader
                        .took_too_long(snapshot.as_deref(), &scope, &name, why, false);
                }
            }
            answer.send(rendered);
            next
        };
        let hang_ms = self.limits.render_hang_ms;
        // The deadline comes first and cancels the render, so only a render that cannot be cancelled counts as hanging.
        let until = until.checked_add(Duration::from_millis(self.limits.render_grace_ms));
        self.pool.submit_until(until, run, move |why| {
            ends.end();
            let why = match why {
                Unavailable::Timeout(_) => {
                    let why = "the render does not end: a formatter or the data blocks";
                    blamed
                        .reader
                        .took_too_long(snapshot.as_deref(), &scope, &name, why, true);
                    Unavailable::Lost(format!(
                        "`{name}` took longer than {hang_ms} ms (the limit `render_hang_ms`)"
                    ))
                }
                other => other,
            };
            on_abandoned.send(Err(why.into()));
        });
        self.note_answer(&asked_for, answered.await)
    }

    /// Logs a render that has no answer.
    fn note_answer(
        &self,
        name: &str,
        answered: Result<Result<Rendered, RenderFailure>, oneshot::error::RecvError>,
    ) -> Result<Rendered, RenderFailure> {
        let rendered =
            answered.unwrap_or_else(|_| Err(Unavailable::Lost("the engine has stopped meanwhile".into()).into()));
        if let Err(failure) = &rendered {
            self.worker.reader.unanswered(Some(name), failure);
        }
        rendered
    }

    /// Sends a render to the actor that replaces the Renderer.
    async fn render_custom(&self, custom: &CustomRenderer, mut render: Render) -> Result<Rendered, RenderFailure> {
        let (late, is_late) = oneshot::channel();
        let _deadline = self.deadline(&mut render.options, OneShotAnswer::new(late));
        tokio::select! {
            rendered = (custom.send)(render) => rendered,
            Ok(late) = is_late => late,
        }
    }

    /// Starts the timer of a render, which cancels it and answers `Timeout`. Returns the deadline, and a guard that cancels the render when
    /// it is dropped.
    fn deadline(
        &self,
        options: &mut RenderOptions,
        late: OneShotAnswer<Result<Rendered, RenderFailure>>,
    ) -> (Instant, (Timer, tokio_util::sync::DropGuard)) {
        let token = match options.cancel.take() {
            Some(token) => token.child_token(),
            None => CancellationToken::new(),
        };
        options.cancel = Some(token.clone());
        let wait_ms = self.limits.render_wait_ms;
        let longest = Instant::now().checked_add(Duration::from_millis(wait_ms));
        let waited = Timeout::Waited {
            ms: wait_ms,
            limit: "the limit `render_wait_ms`",
        };
        let (at, timeout) = match (options.deadline, longest) {
            (Some(deadline), Some(longest)) if deadline > longest => (longest, waited),
            (Some(deadline), _) => (deadline, Timeout::Deadline),
            (None, Some(longest)) => (longest, waited),
            // A time that overflows is cut to 68 years.
            (None, None) => (Instant::now() + Duration::from_secs(1 << 31), waited),
        };
        let cancels = token.clone();
        let timer = self.timers.at(at, move || {
            cancels.cancel();
            late.send(Err(Unavailable::Timeout(timeout).into()));
        });
        (at, (timer, token.drop_guard()))
    }
}
