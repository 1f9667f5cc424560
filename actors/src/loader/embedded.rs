//! [`EmbeddedLoader`]: templates that the binary carries, as defaults below all other sources.

use super::{BlockingLoader, Changes, Depth, DirectoryLoader, Hints, LoaderError, MemoryLoader};
use crate::health::LoaderStatus;
use crate::template::{NameError, TemplateKey};

/// Loads templates that are part of the binary, with the lowest priority: whatever another source has takes precedence. So they are
/// defaults, also for a [store](crate::StoreOptions) that has no version to restore.
///
/// The macro `embed!` (feature `embed`) creates one from a directory at compile time. In a build with debug assertions the same call
/// follows edits of the directory, as long as that exists.
pub struct EmbeddedLoader {
    directory: String,
    loader: EmbeddedKind,
}

enum EmbeddedKind {
    Binary(MemoryLoader),
    /// Only the macro makes one.
    #[cfg_attr(not(feature = "embed"), expect(dead_code))]
    Disk(Box<DirectoryLoader>),
}

impl EmbeddedLoader {
    /// Creates a loader of these texts, by name. `directory` names their origin in messages.
    ///
    /// ```
    /// use hotplate_actors::{EmbeddedLoader, Hotplate, MemoryLoader};
    ///
    /// let defaults = EmbeddedLoader::of("templates", [("a.html", "default a"), ("b.html", "default b")])?;
    /// let (loader, edits) = MemoryLoader::new();
    /// let hotplate = Hotplate::builder().loader(defaults).loader(loader).start()?;
    /// edits.set(hotplate_actors::TemplateName::new("a.html")?, "new a");
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # runtime.block_on(hotplate.reload())?;
    /// assert_eq!(hotplate.render("a.html", &())?.body, "new a");
    /// assert_eq!(hotplate.render("b.html", &())?.body, "default b");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first name that is not valid for a template.
    pub fn of<'t>(directory: &str, texts: impl IntoIterator<Item = (&'t str, &'t str)>) -> Result<Self, NameError> {
        Ok(Self {
            directory: directory.to_owned(),
            loader: EmbeddedKind::Binary(MemoryLoader::of(texts)?),
        })
    }

    /// Creates a loader of the files of a directory: what [`embed!`](crate::embed) calls. Hidden files, and those without an extension of
    /// templates, are left out as in a directory.
    #[cfg(feature = "embed")]
    #[doc(hidden)]
    #[must_use]
    pub fn of_directory(manifest: &str, written: &str, is_debug: bool, files: &include_dir::Dir<'static>) -> Self {
        let directory = written.trim_start_matches("$CARGO_MANIFEST_DIR/").to_owned();
        let path = std::path::Path::new(manifest).join(&directory);
        if is_debug && path.is_dir() {
            let disk = DirectoryLoader::new([super::Mount::new("", path)], &crate::Limits::default());
            return Self {
                directory,
                loader: EmbeddedKind::Disk(Box::new(disk)),
            };
        }
        let mut texts = Vec::new();
        collect(files, &mut texts);
        let (loader, handle) = MemoryLoader::new();
        handle.edit(texts);
        Self {
            directory,
            loader: EmbeddedKind::Binary(loader),
        }
    }
}

#[cfg(feature = "embed")]
fn collect(
    directory: &include_dir::Dir<'static>,
    texts: &mut Vec<(crate::template::TemplateName, Option<&'static str>)>,
) {
    for file in directory.files() {
        let extension = file.path().extension().and_then(|extension| extension.to_str());
        let name = file.path().to_str().map(|path| path.replace('\\', "/"));
        let name = name.and_then(|name| crate::template::TemplateName::new(&name).ok());
        if let (Some(name), Some(text)) = (name, file.contents_utf8())
            && extension.is_some_and(|extension| super::directory::EXTENSIONS.contains(&extension))
        {
            texts.push((name, Some(text)));
        }
    }
    for below in directory.dirs() {
        collect(below, texts);
    }
}

/// Embeds the templates of a directory into the binary: returns an [`EmbeddedLoader`] with them. The path begins with
/// `$CARGO_MANIFEST_DIR/`, the directory of the package that calls this.
///
/// In a build with debug assertions the loader reads the directory and follows edits, so that a program in development needs no other call.
///
/// ```
/// use hotplate_actors::Hotplate;
///
/// let defaults = hotplate_actors::embed!("$CARGO_MANIFEST_DIR/tests/embedded");
/// let hotplate = Hotplate::builder().loader(defaults).start()?;
/// assert_eq!(hotplate.render("hello.html", &serde_json::json!({ "name": "you" }))?.body, "Hello you!\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(feature = "embed")]
#[macro_export]
macro_rules! embed {
    ($directory:tt) => {{
        // The macro of this crate expands to paths that begin with its name.
        use $crate::include_dir;
        static FILES: include_dir::Dir<'static> = include_dir::include_dir!($directory);
        $crate::EmbeddedLoader::of_directory(
            ::core::env!("CARGO_MANIFEST_DIR"),
            $directory,
            ::core::cfg!(debug_assertions),
            &FILES,
        )
    }};
}

impl BlockingLoader for EmbeddedLoader {
    fn describe(&self) -> String {
        match &self.loader {
            EmbeddedKind::Binary(_) => format!("{} in the binary", self.directory),
            EmbeddedKind::Disk(disk) => BlockingLoader::describe(&**disk),
        }
    }

    fn name(&self) -> &'static str {
        "embedded"
    }

    fn identity(&self) -> String {
        format!("embedded {}", self.directory)
    }

    fn priority(&self) -> i32 {
        i32::MIN
    }

    fn restored(&mut self, keys: &[TemplateKey]) {
        if let EmbeddedKind::Disk(disk) = &mut self.loader {
            BlockingLoader::restored(&mut **disk, keys);
        }
    }

    fn watch(&mut self, hints: Hints) -> Result<(), LoaderError> {
        match &mut self.loader {
            EmbeddedKind::Binary(memory) => BlockingLoader::watch(memory, hints),
            EmbeddedKind::Disk(disk) => BlockingLoader::watch(&mut **disk, hints),
        }
    }

    fn sync(&mut self, depth: Depth) -> Result<Changes, LoaderError> {
        match &mut self.loader {
            EmbeddedKind::Binary(memory) => BlockingLoader::sync(memory, depth),
            EmbeddedKind::Disk(disk) => BlockingLoader::sync(&mut **disk, depth),
        }
    }

    fn status(&self) -> LoaderStatus {
        match &self.loader {
            EmbeddedKind::Binary(memory) => BlockingLoader::status(memory),
            EmbeddedKind::Disk(disk) => BlockingLoader::status(&**disk),
        }
    }
}
