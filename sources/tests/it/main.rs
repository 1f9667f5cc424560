//! Integration tests of the sources: the conformance suite over each, and what is special about it. Nothing but loopback is used. Tests
//! that need PostgreSQL or git say `skipped` without it.

mod git;
mod http;
#[cfg(unix)]
mod postgres;

use std::time::{Duration, Instant};

use hotplate_actors::{Hotplate, Loader, TemplateName};

/// The longest wait, which is reached only if something is broken.
const PATIENCE: Duration = Duration::from_secs(60);

fn block<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

/// Returns what is served under a name.
fn served(hotplate: &Hotplate, name: &str) -> Option<String> {
    hotplate.digest(name)?;
    hotplate.render(name, &()).ok().map(|rendered| rendered.body)
}

/// Waits until a text is served, by hints alone.
fn wait_for(hotplate: &Hotplate, name: &str, text: &str) {
    wait_until(|| served(hotplate, name).as_deref() == Some(text), &|| {
        format!(
            "`{name}` is `{text}`: {:?}, {:?}",
            served(hotplate, name),
            hotplate.health().loaders
        )
    });
}

fn wait_until(mut is_so: impl FnMut() -> bool, what: &dyn Fn() -> String) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "{}", what());
        std::thread::yield_now();
    }
}

/// Syncs a loader once, by itself.
fn sync_once(
    loader: &mut dyn Loader,
) -> Result<hotplate_actors::loader::Changes, hotplate_actors::loader::LoaderError> {
    block(loader.sync(hotplate_actors::loader::Depth::Afresh))
}

fn name(text: &str) -> TemplateName {
    TemplateName::new(text).expect("a valid name")
}
