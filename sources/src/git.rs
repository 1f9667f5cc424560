//! [`GitLoader`]: the templates of one revision of a git repository, bare or with a work tree.
//!
//! The repository is read by the command `git`, which the audit log and previews use as well: it knows every format of objects and refs that
//! the repository may have. A library with the same knowledge (gix) would be 53 crates more to compile than the command has.
//!
//! A sync asks for the commit of the revision. If it is another one, the files of its tree are listed, and those with other contents are
//! read: a checkout is never needed, and a switch of the revision is one batch. The tag is the id of the commit. Files of refs are compared
//! four times a second, so a commit or a push is noticed at once, and each second if the revision is an expression such as `main~1`.

mod command;
mod refs;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use hotplate_actors::loader::directory::EXTENSIONS;
use hotplate_actors::loader::{BlockingLoader, Changes, Depth, Hints, LoaderError, Supports};
use hotplate_actors::{LoaderStatus, Source, TemplateKey, WatchMode};

use crate::remarks::{Remarks, TEXT_BYTES_MAX, not_utf8, too_large};
use command::Git;
use refs::RefFiles;

/// The most files that are listed.
const FILES_MAX: usize = 1_000_000;
/// The most bytes of all texts that one sync reads.
const ALL_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// The time between two comparisons of the files of refs.
const POLL: Duration = Duration::from_millis(250);
/// The number of polls after which a hint is given although no file has changed.
const POLLS_TO_HINT: u32 = 120;
/// The same for a revision that is an expression.
const POLLS_TO_HINT_EXPRESSION: u32 = 4;

/// Loads the files of a revision.
///
/// ```no_run
/// use hotplate_actors::Hotplate;
/// use hotplate_sources::git::GitLoader;
///
/// let create = || GitLoader::new("/srv/site.git", "v1.4.2").directory("templates");
/// let hotplate = Hotplate::builder().loader_with(create).start()?;
/// # Ok::<(), hotplate_actors::StartError>(())
/// ```
pub struct GitLoader {
    git: Git,
    repository: PathBuf,
    revision: String,
    directory: String,
    priority: i32,
    text_bytes: u64,
    /// The commit of the last sync that succeeded, and the contents of its files.
    commit: Option<String>,
    known: HashMap<TemplateKey, String>,
    /// Ends the thread that watches when it is dropped.
    watching: Option<Sender<()>>,
    status: LoaderStatus,
}

/// A file of a tree.
struct TreeFile {
    key: TemplateKey,
    object: String,
}

impl GitLoader {
    /// Creates a loader of a revision of a repository: a branch, a tag, a commit, or an expression. Nothing is read yet.
    #[must_use]
    pub fn new(repository: impl Into<PathBuf>, revision: &str) -> Self {
        let repository = repository.into();
        Self {
            git: Git::new(&repository, Duration::from_secs(20)),
            repository,
            revision: revision.to_owned(),
            directory: String::new(),
            priority: 0,
            text_bytes: TEXT_BYTES_MAX,
            commit: None,
            known: HashMap::new(),
            watching: None,
            status: LoaderStatus::default(),
        }
    }

    /// Sets the directory of the templates within the repository. Names are the paths below it.
    #[must_use]
    pub fn directory(mut self, directory: &str) -> Self {
        directory.trim_matches('/').clone_into(&mut self.directory);
        self
    }

    /// Sets the [priority](BlockingLoader::priority); 0 by default.
    #[must_use]
    pub fn with_priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Sets the size of a text in bytes beyond which it is a fault of its template; a mebibyte by default.
    #[must_use]
    pub fn text_bytes(mut self, bytes: u64) -> Self {
        self.text_bytes = bytes;
        self
    }

    /// Returns the commit of the revision.
    fn resolve(&self) -> Result<String, LoaderError> {
        if !self.repository.is_dir() {
            let path = self.repository.display();
            return Err(LoaderError::unavailable(format!(
                "there is no repository at {path} at present"
            )));
        }
        let wanted = format!("{}^{{commit}}", self.revision);
        let answer = self
            .git
            .run(&["rev-parse", "--verify", "--end-of-options", &wanted], None);
        let id = answer
            .map_err(|error| self.failed(&format!("the revision `{}` cannot be resolved", self.revision), error))?;
        Ok(String::from_utf8_lossy(&id).trim().to_owned())
    }

    fn failed(&self, what: &str, error: command::GitError) -> LoaderError {
        let message = format!("{what} in {}: {error}", self.repository.display());
        match error {
            command::GitError::Refused(_) => LoaderError::new(message),
            _ => LoaderError::unavailable(message),
        }
    }

    /// Returns the files of a commit that may be templates.
    fn list(&self, commit: &str, remarks: &mut Remarks) -> Result<Vec<TreeFile>, LoaderError> {
        let tree = match self.directory.as_str() {
            "" => commit.to_owned(),
            directory => format!("{commit}:{directory}"),
        };
        let listed = self.git.run(&["ls-tree", "-r", "-z", "--end-of-options", &tree], None);
        let listed = listed.map_err(|error| self.failed(&format!("the files of `{tree}` cannot be listed"), error))?;
        let mut files = Vec::new();
        for entry in listed.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
            // "100644 blob 5f3a…\tpath"
            let Some((head, path)) = entry
                .iter()
                .position(|byte| *byte == b'\t')
                .map(|tab| entry.split_at(tab))
            else {
                continue;
            };
            let (head, path) = (String::from_utf8_lossy(head), &path[1..]);
            let Ok(path) = std::str::from_utf8(path) else {
                remarks.add(
                    "bad-name",
                    "a file is left out, because its path is not UTF-8".to_owned(),
                );
                continue;
            };
            let is_template = Path::new(path).extension().and_then(|extension| extension.to_str());
            let is_hidden = path.split('/').any(|component| component.starts_with('.'));
            if is_hidden || !is_template.is_some_and(|extension| EXTENSIONS.contains(&extension)) {
                continue;
            }
            let mut words = head.split(' ');
            let (mode, _, object) = (words.next(), words.next(), words.next().unwrap_or_default());
            if !matches!(mode, Some("100644" | "100755" | "100664")) {
                remarks.add(
                    "not-a-file",
                    format!("`{path}` is left out, because it is a link or a submodule"),
                );
                continue;
            }
            if let Some(name) = remarks.name(path) {
                let (key, object) = (name.into(), object.to_owned());
                files.push(TreeFile { key, object });
            }
            if files.len() > FILES_MAX {
                return Err(LoaderError::new(format!(
                    "`{tree}` has more than {FILES_MAX} templates: name a directory"
                )));
            }
        }
        Ok(files)
    }

    /// Adds the contents of files to the changes.
    fn read(&self, files: &[&TreeFile], changes: &mut Changes) -> Result<(), LoaderError> {
        let cannot = |error| self.failed("the contents of templates cannot be read", error);
        let objects = |files: &mut dyn Iterator<Item = &TreeFile>| -> Vec<u8> {
            let lines: Vec<String> = files.map(|file| format!("{}\n", file.object)).collect();
            lines.concat().into_bytes()
        };
        let wanted = objects(&mut files.iter().copied());
        let sizes = self
            .git
            .run(&["cat-file", "--batch-check=%(objectsize)"], Some(wanted))
            .map_err(cannot)?;
        let sizes = String::from_utf8_lossy(&sizes).into_owned();
        let (mut small, mut all) = (Vec::with_capacity(files.len()), 0_u64);
        for (file, size) in files.iter().copied().zip(sizes.lines()) {
            let Ok(size) = size.parse::<u64>() else {
                return Err(self.corrupt(file));
            };
            if size > self.text_bytes {
                changes
                    .unreadable
                    .push(too_large(file.key.clone(), size, self.text_bytes));
                continue;
            }
            all += size;
            small.push((file, usize::try_from(size).unwrap_or(usize::MAX)));
        }
        if all > ALL_BYTES_MAX {
            let message =
                format!("the templates have {all} bytes, and at most {ALL_BYTES_MAX} are loaded: name a directory");
            return Err(LoaderError::new(message));
        }
        let wanted = objects(&mut small.iter().map(|(file, _)| *file));
        let contents = self
            .git
            .run(&["cat-file", "--batch=%(objectsize)"], Some(wanted))
            .map_err(cannot)?;
        let mut rest = contents.as_slice();
        for (file, size) in small {
            // "<size>\n<content>\n"
            let begins = format!("{size}\n");
            let content = rest.strip_prefix(begins.as_bytes()).and_then(|rest| rest.get(..=size));
            let Some(content) = content else {
                return Err(self.corrupt(file));
            };
            rest = &rest[begins.len() + size + 1..];
            match std::str::from_utf8(&content[..size]) {
                Ok(text) => changes.changed.push(Source::new(file.key.clone(), text)),
                Err(error) => changes.unreadable.push(not_utf8(file.key.clone(), &error)),
            }
        }
        Ok(())
    }

    fn corrupt(&self, file: &TreeFile) -> LoaderError {
        let (repository, name, object) = (self.repository.display(), &file.key, &file.object);
        LoaderError::new(format!(
            "the content of `{name}` cannot be read in {repository}, because the object {object} is missing or damaged: fetch it again"
        ))
    }
}

impl BlockingLoader for GitLoader {
    fn describe(&self) -> String {
        let below = if self.directory.is_empty() { "" } else { ":" };
        format!(
            "git {} at {}{below}{}",
            self.repository.display(),
            self.revision,
            self.directory
        )
    }

    fn name(&self) -> &'static str {
        "git"
    }

    /// Another revision of the repository is another state of the same source.
    fn identity(&self) -> String {
        format!("git {}:{}", self.repository.display(), self.directory)
    }

    fn priority(&self) -> i32 {
        self.priority
    }

    fn supports(&self) -> Supports {
        Supports::All
    }

    fn watch(&mut self, hints: Hints) -> Result<(), LoaderError> {
        let (end, ended) = channel::<()>();
        let (git, revision) = (self.git.clone(), self.revision.clone());
        let is_expression = revision.contains(['~', '^', ':', '{']);
        let polls_to_hint = if is_expression {
            POLLS_TO_HINT_EXPRESSION
        } else {
            POLLS_TO_HINT
        };
        let watch = move || {
            let mut files = RefFiles::new(&git, &revision);
            let mut polls = 0;
            while ended.recv_timeout(POLL) == Err(RecvTimeoutError::Timeout) {
                polls += 1;
                if files.have_changed() || polls >= polls_to_hint {
                    polls = 0;
                    hints.hint();
                }
            }
        };
        let thread = std::thread::Builder::new().name("hotplate-git".into()).spawn(watch);
        thread
            .map_err(|error| LoaderError::unavailable(format!("no thread can be started: {error}")).caused_by(error))?;
        self.watching = Some(end);
        self.status.watch_mode = WatchMode::Poll;
        self.status.why = "the files of its refs are compared four times a second".to_owned();
        Ok(())
    }

    fn sync(&mut self, depth: Depth) -> Result<Changes, LoaderError> {
        let began = Instant::now();
        let commit = self.resolve()?;
        let whole = matches!(depth, Depth::Afresh | Depth::Bytes);
        let tag = Some(commit.as_str().into());
        if !whole && self.commit.as_ref() == Some(&commit) {
            return Ok(Changes {
                tag,
                ..Changes::default()
            });
        }
        let mut remarks = Remarks::default();
        let files = self.list(&commit, &mut remarks)?;
        let mut changes = Changes {
            complete: depth == Depth::Afresh,
            tag,
            ..Changes::default()
        };
        let is_new = |file: &&TreeFile| whole || self.known.get(&file.key) != Some(&file.object);
        let new: Vec<&TreeFile> = files.iter().filter(is_new).collect();
        if !new.is_empty() {
            self.read(&new, &mut changes)?;
        }
        let known: HashMap<TemplateKey, String> = files.into_iter().map(|file| (file.key, file.object)).collect();
        if !changes.complete {
            let gone = self.known.keys().filter(|key| !known.contains_key(*key));
            changes.removed = gone.cloned().collect();
        }
        tracing::debug!(commit, changed = changes.changed.len(), took = ?began.elapsed(), "another commit");
        self.status.files = known.len() as u64;
        self.status.unreadable = changes.unreadable.len() as u64;
        self.status.reconciles += 1;
        self.status.remarks = remarks.list();
        (self.known, self.commit) = (known, Some(commit));
        Ok(changes)
    }

    fn status(&self) -> LoaderStatus {
        self.status.clone()
    }
}

impl fmt::Debug for GitLoader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitLoader")
            .field("source", &BlockingLoader::describe(self))
            .finish_non_exhaustive()
    }
}
