//! A suite that checks whether a [`Loader`] keeps the promises of that interface: [`check`].
//!
//! A loader that passes it can be used like those of this crate: no edit is lost, an outage removes nothing, and the engine replaces it
//! when it hangs or panics. The suite runs the loader by itself first, and then within an engine, beside a loader of lower priority.

mod alone;
mod engine;
mod faulty;

use crate::loader::Loader;

/// A source that the suite can edit and take away, and the loader that is checked.
pub trait Fixture {
    /// Creates a loader of the source, with priority 0 or higher.
    fn loader(&self) -> Box<dyn Loader>;

    /// Sets some texts and removes others (`None`), all at once if the source can do that.
    fn edit(&mut self, edits: &[(&str, Option<&str>)]);

    /// Makes the source unavailable, or available again, and returns true; returns false if this cannot be done. All loaders that exist
    /// have to notice it.
    fn set_down(&mut self, _down: bool) -> bool {
        false
    }

    /// Returns false if the loader gives no hints, so that its templates change only with a `Reload`.
    fn gives_hints(&self) -> bool {
        true
    }
}

/// Checks a loader.
///
/// | promise | |
/// |---|---|
/// | differences | each sync reports every text that was added, changed or removed since the last one, whatever its size, characters and name |
/// | deletions | a text that is deleted, and one that comes back, are reported; nothing else is removed |
/// | lost hints | a sync of everything finds what no hint was given for |
/// | hints | an edit leads to a hint |
/// | instances | a new instance, also one for templates that are served already, finds the same texts |
/// | outage | a sync fails; it is not the end of the texts, and not the absence of the source |
/// | recovery | what was edited before or during an outage is reported after it |
/// | priority, fall-through | its texts take precedence over those of lower loaders, which provide a name once it is deleted |
/// | start | an engine that starts during an outage serves no text of a lower loader in place of one of this |
/// | hang, panic | a sync that waits, blocks or panics changes nothing that is served, and the loader is replaced |
///
/// ```
/// use hotplate_actors::conformance::{Fixture, check};
/// use hotplate_actors::{DirectoryLoader, Limits, Loader, Mount};
///
/// struct Directory(tempfile::TempDir);
///
/// impl Fixture for Directory {
///     fn loader(&self) -> Box<dyn Loader> {
///         Box::new(DirectoryLoader::new([Mount::new("", self.0.path())], &Limits::default()))
///     }
///     fn edit(&mut self, edits: &[(&str, Option<&str>)]) {
///         for (name, text) in edits {
///             let path = self.0.path().join(name);
///             std::fs::create_dir_all(path.parent().expect("below the root")).expect("creates");
///             match text {
///                 Some(text) => std::fs::write(path, text).expect("writes"),
///                 None => std::fs::remove_file(path).expect("removes"),
///             }
///         }
///     }
/// }
///
/// check(&mut Directory(tempfile::tempdir()?));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
/// If the loader breaks a promise. The message names it.
pub fn check(fixture: &mut dyn Fixture) {
    alone::check(fixture);
    engine::check(fixture);
}

/// Runs a future on this thread, with timers and I/O.
fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = crate::supervision::runtime().expect("a runtime can be started");
    let result = runtime.block_on(future);
    runtime.shutdown_background();
    result
}

/// The longest time that the suite waits for anything. It is reached only if a promise is broken.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
