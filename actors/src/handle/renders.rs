//! Rendering by message: [`Renders`].

use std::sync::Arc;

use actix::Recipient;

use super::RenderRequest;
use crate::counters::RenderInProgress;
use crate::engine::{Answering, CustomRenderer, Engine};
use crate::protocol::messages::Render;
use crate::protocol::render::{RenderFailure, Rendered};
use crate::reader::ContextSource;
use crate::supervision::{BoundedRecipient, Serve, Supervised, Timeout, Unavailable};

/// A sender of `Render` messages.
///
/// A message is admitted by a mailbox (or answered `Busy`), has a deadline (`Timeout`) and is isolated: a panic is answered `Lost`, and a
/// formatter that blocks for ever costs one thread of the Renderer, which is replaced. A direct [`render`](crate::Hotplate::render) costs
/// least and has none of these: it runs in the thread of the caller and cannot be protected from such a formatter.
///
/// If no formatters or dialects of the program are registered, a short render of a caller inside an actix arbiter runs in place, without a
/// hop to another thread. With [`Renders::pooled`] it never does.
#[derive(Clone)]
pub struct Renders {
    pub(super) engine: Arc<Engine>,
    pub(super) pooled: bool,
}

impl Renders {
    /// Always uses a thread of the Renderer, for renders that take long.
    #[must_use]
    pub fn pooled(mut self) -> Self {
        self.pooled = true;
        self
    }

    /// Sends a `Render`. If the future is dropped, a render that waits is skipped, and one that runs ends at its next step.
    ///
    /// # Errors
    /// [`RenderFailure`]; [`Unavailable`]: `Busy` at once if too many are in flight, `Timeout` after its deadline, `Lost` if the Renderer
    /// failed or hung with it.
    pub fn send(&self, render: Render) -> impl Future<Output = Result<Rendered, RenderFailure>> + Send + use<> {
        let (engine, pooled) = (Arc::clone(&self.engine), self.pooled);
        async move {
            let mailbox = &engine.mailboxes.renders;
            let mut answer = PendingRender::begin(&engine);
            let rendered = match mailbox.admit() {
                Ok(_permit) => engine.renderer.render(render, answer.begun, pooled).await,
                Err(rejected) => reject(&engine, &render.name, rejected.into()),
            };
            answer.answered(&rendered);
            count(mailbox, &rendered);
            rendered
        }
    }

    /// Renders a request, whose data may come from any source. The render begins in the thread that polls the future; if it is not short
    /// (the limits `inline_steps` and `inline_ms`) or fails, it starts again in a thread of the Renderer with a whole budget. So other
    /// requests of the thread continue, whatever a template costs. If formatters or dialects of the program are registered, which may
    /// block, the render always runs in a thread of the Renderer, and a deadline applies even while they block.
    ///
    /// ```
    /// use hotplate_actors::{Context, Hotplate, MemoryLoader};
    ///
    /// # let system = actix::System::new();
    /// # system.block_on(async {
    /// let hotplate = Hotplate::builder().loader(MemoryLoader::of([("a.html", "Hello {name}!")])?).start()?;
    /// let data = Context::new(serde_json::json!({ "name": "World" }));
    /// let request = hotplate.request("a.html").with_source(data);
    /// let rendered = hotplate.renderer().render(request).await?;
    /// assert_eq!(rendered.body, "Hello World!");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// The errors of [`Renders::send`] and [`Hotplate::render`](crate::Hotplate::render).
    pub async fn render(
        &self,
        request: RenderRequest<'_, impl ContextSource + Send + 'static>,
    ) -> Result<Rendered, RenderFailure> {
        let (engine, reader) = (&*self.engine, &self.engine.reader);
        let mut answer = PendingRender::begin(engine);
        let RenderRequest {
            snapshot,
            name,
            source,
            options,
            ..
        } = request;
        let snapshot = snapshot.map_or_else(|| reader.current(), Arc::clone);
        if !self.pooled
            && engine.renderer.is_trusted()
            && let Some(rendered) = reader.render_briefly(answer.begun, &snapshot, name, &source, &options)
        {
            answer.answered(&rendered);
            if let Err(failure) = &rendered {
                reader.unanswered(Some(name), failure);
            }
            return rendered;
        }
        let mailbox = &engine.mailboxes.renders;
        let rendered = match mailbox.admit() {
            Ok(_permit) => {
                let renderer = &engine.renderer;
                renderer
                    .render_from_source(snapshot, name, source, options, answer.begun)
                    .await
            }
            // The engine has stopped, and direct renders continue from the last version.
            Err(Unavailable::Down(_)) => {
                let rendered = reader.render_for_message(answer.begun, Some(&snapshot), name, &source, &options);
                if let Err(failure) = &rendered {
                    reader.unanswered(Some(name), failure);
                }
                rendered
            }
            Err(rejected) => reject(engine, name, rejected.into()),
        };
        answer.answered(&rendered);
        count(mailbox, &rendered);
        rendered
    }

    /// Replaces the Renderer by your own actor; `None` restores it. The mailbox, deadlines and typed answers stay. Direct renders are not
    /// affected.
    pub fn replace(&self, with: Option<Recipient<Render>>) {
        self.set(with.map(|to| CustomRenderer {
            send: Box::new(move |render| {
                let connected = to.connected();
                let sent = to.send(render);
                Box::pin(async move {
                    match sent.await {
                        Ok(rendered) => rendered,
                        Err(gone) if connected => Err(Unavailable::Lost(gone.to_string()).into()),
                        Err(_) => Err(Unavailable::Down(
                            "the actor that renders in place of the Renderer has stopped".into(),
                        )
                        .into()),
                    }
                })
            }),
            child: None,
        }));
    }

    /// Replaces the Renderer by a supervised actor, which keeps its place through its restarts.
    pub fn replace_by<B>(&self, with: &Supervised<B>)
    where
        B: Serve<Render>,
        B::Config: Send + Sync,
    {
        let with = with.clone();
        let child = Some(Arc::clone(with.child()));
        let send = Box::new(move |render| {
            let sent = with.send(render);
            Box::pin(async move { sent.await? }) as Answering
        });
        self.set(Some(CustomRenderer { send, child }));
    }

    fn set(&self, custom: Option<CustomRenderer>) {
        self.engine.renderer.custom.store(custom.map(Arc::new));
    }
}

/// Logs a render that was rejected.
fn reject(engine: &Engine, name: &str, failure: RenderFailure) -> Result<Rendered, RenderFailure> {
    engine.reader.unanswered(Some(name), &failure);
    Err(failure)
}

/// Counts a render that was admitted and has no answer.
fn count(mailbox: &BoundedRecipient, rendered: &Result<Rendered, RenderFailure>) {
    if let Err(RenderFailure::Unavailable(unavailable)) = rendered {
        mailbox.count(unavailable);
    }
}

/// A render that is not answered yet. It is counted once, by the answer that its sender received: a sender that received `Timeout` has seen
/// an error, even if the render succeeds later.
struct PendingRender<'e> {
    engine: &'e Engine,
    begun: RenderInProgress,
    is_answered: bool,
}

impl<'e> PendingRender<'e> {
    fn begin(engine: &'e Engine) -> Self {
        Self {
            engine,
            begun: engine.recorder.begin(),
            is_answered: false,
        }
    }

    fn answered(&mut self, rendered: &Result<Rendered, RenderFailure>) {
        self.is_answered = true;
        self.engine.recorder.answered(self.begun, rendered);
    }
}

impl Drop for PendingRender<'_> {
    /// Counts a render whose sender no longer waits.
    fn drop(&mut self) {
        if !self.is_answered {
            self.answered(&Err(Unavailable::Timeout(Timeout::Cancelled).into()));
        }
    }
}

impl std::fmt::Debug for Renders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Renders(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::{Context, Hotplate, MemoryLoader, RenderOptions};

    /// The render ends by its deadline, its timer fires, and its sender is answered. Exactly one of these counts it.
    #[test]
    fn a_late_render_is_counted_once() {
        let loader = MemoryLoader::of([("page.html", "fine")]).expect("a template");
        let hotplate = Hotplate::builder().loader(loader).start().expect("starts");
        let late = || RenderOptions {
            deadline: Some(Instant::now()),
            ..RenderOptions::default()
        };
        let count = || hotplate.renderer().engine.fault_log.unanswered_so_far();
        actix::System::new().block_on(async {
            for (number, renders) in [hotplate.renderer(), hotplate.renderer().pooled()]
                .into_iter()
                .enumerate()
            {
                let render = Render {
                    options: late(),
                    ..Render::new("page.html", Context::new(()))
                };
                renders.send(render).await.expect_err("too late");
                assert_eq!(count(), 2 * number + 1, "sent");
                let pinned = hotplate.snapshot();
                let late = late();
                let request = pinned.request("page.html").with_source(Context::new(())).options(&late);
                renders.render(request).await.expect_err("too late");
                assert_eq!(count(), 2 * number + 2, "by request");
            }
        });
        hotplate
            .request("page.html")
            .options(&late())
            .render()
            .expect_err("too late");
        assert_eq!(count(), 5, "direct");
    }
}
