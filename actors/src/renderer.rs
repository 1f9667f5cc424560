//! The Renderer: takes `Render`, reads one immutable snapshot, answers text.
//!
//! Each runs in a thread of its own, so that a long render holds back neither the control actors nor the caller's thread.

use crate::messages::Render;
use crate::reader::{Reader, RenderFailure, Rendered};
use crate::supervision::{Behavior, Serve, Started};

/// The behaviour of a Renderer.
pub(crate) struct Renderer(Reader);

impl Behavior for Renderer {
    type Setup = Reader;

    fn start(setup: &Reader) -> Started<Self> {
        Ok(Self(setup.clone()))
    }
}

impl Serve<Render> for Renderer {
    async fn serve(&mut self, render: Render) -> Result<Rendered, RenderFailure> {
        self.0.render(&render.name, None, &render.context, &render.options)
    }
}
