//! The Compiler: compiles each changed source by itself on a pool of threads. A bounded cache returns texts that were compiled before.
//!
//! Each loader has a Compiler of its own, with its own mailbox, so a large batch of one loader does not delay a small one of another. All
//! share the pool and the cache. A batch has only so many jobs in the queue of the pool as keep its threads busy, so the jobs of other
//! loaders come next.

mod cache;
mod first_batches;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::counters::Recorder;
use crate::diagnostic::Diagnostic;
use crate::dialect::{Dialect, Missing};
use crate::limits::Limits;
use crate::protocol::batch::{CompiledBatch, CompiledText};
use crate::protocol::messages::{BatchOutcome, Compiled, CompiledTogether, SourcesChanged};
use crate::supervision::{Behavior, MeteredRecipient, Pool, Serve, Started, Unavailable, contain};
use crate::template::{Digest, RootLanguage, Source, TemplateKey, TemplateName};

pub(crate) use cache::Cache;
pub(crate) use first_batches::FirstBatches;
use first_batches::Joined;

/// The number of sources in one job, large enough that passing it to a thread costs little in comparison.
const SOURCES_PER_JOB: usize = 64;

/// The dialects of an engine, and the choice between them.
#[derive(Clone)]
pub(crate) struct Dialects {
    pub(crate) default: Arc<dyn Dialect>,
    pub(crate) choose: Arc<DialectChoice>,
    /// The dialects of roots and loaders, which sources name by their ids.
    pub(crate) of_sources: Vec<Arc<dyn Dialect>>,
    /// True if the extension of a text for which `choose` has no answer can decide.
    pub(crate) by_extension: bool,
    /// The treatment of paths that do not exist in the data, for all texts.
    pub(crate) missing: Missing,
    /// The filters, tests, functions and globals that the program has registered for templates in Jinja.
    #[cfg(feature = "jinja")]
    pub(crate) extensions: Arc<crate::dialect::jinja::Extensions>,
}

/// Returns the number of jobs of one batch that are in flight at most, on a pool of `threads` threads (0 is one per processor). One more
/// than threads keeps all of them busy, and a job of another batch begins after at most one of these.
pub(crate) fn jobs_in_flight(threads: usize) -> usize {
    let threads = match threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        given => given,
    };
    threads + 1
}

type DialectChoice = dyn Fn(&TemplateName) -> Option<Arc<dyn Dialect>> + Send + Sync;

impl Dialects {
    /// Returns the dialect of a source, in its lenient variant if the engine or the source is lenient.
    fn of(&self, source: &Source) -> Arc<dyn Dialect> {
        let (dialect, missing) = self.language_of(&source.key.name, source.missing, source.dialect);
        #[cfg(feature = "jinja")]
        let dialect = match self.extensions.is_empty() {
            true => dialect,
            false => dialect.extended(&self.extensions).unwrap_or(dialect),
        };
        match missing {
            Missing::Error => dialect,
            Missing::Lenient => dialect.lenient().unwrap_or(dialect),
        }
    }

    /// Returns the dialect of a text whose root has this leniency and dialect, and the leniency with which it is compiled.
    pub(crate) fn language_of(
        &self,
        name: &TemplateName,
        missing: Missing,
        of_root: Option<&str>,
    ) -> (Arc<dyn Dialect>, Missing) {
        let chosen = (self.choose)(name).or_else(|| self.by_extension(name));
        let of_source = || {
            let id = of_root?;
            self.of_sources.iter().find(|dialect| dialect.id() == id).cloned()
        };
        let dialect = chosen.or_else(of_source).unwrap_or_else(|| Arc::clone(&self.default));
        let is_lenient = [self.missing, missing].contains(&Missing::Lenient) && dialect.lenient().is_some();
        let missing = if is_lenient { Missing::Lenient } else { Missing::Error };
        (dialect, missing)
    }

    /// Finds the root of a text by its digest; `None` if no root of this engine gives the text this digest.
    pub(crate) fn root_of(&self, text: &str, digest: Digest) -> Option<RootLanguage> {
        let strict = Digest::of(text.as_bytes());
        let each = [
            (Missing::Error, strict),
            (Missing::Lenient, Source::lenient_digest(&strict)),
        ];
        let ids = self.of_sources.iter().map(|dialect| Some(dialect.id()));
        let roots = std::iter::once(None).chain(ids);
        let mut roots = roots.flat_map(|id| each.iter().map(move |(missing, own)| (*missing, id, own)));
        roots
            .find(|(_, id, own)| Source::dialect_digest(own, *id) == digest)
            .map(|(missing, id, _)| (missing, id))
    }

    /// Returns the dialect with an id: one of the program, or a built-in one.
    pub(crate) fn with_id(&self, id: &str) -> Option<Arc<dyn Dialect>> {
        let built_in: Vec<Arc<dyn Dialect>> = vec![
            Arc::new(crate::dialect::tiny::Tiny),
            #[cfg(feature = "jinja")]
            Arc::new(crate::dialect::jinja::Jinja),
        ];
        let of_program = self.of_sources.iter().chain([&self.default]);
        of_program.chain(&built_in).find(|dialect| dialect.id() == id).cloned()
    }
}

impl Dialects {
    #[cfg(feature = "jinja")]
    fn by_extension(&self, name: &TemplateName) -> Option<Arc<dyn Dialect>> {
        let is_chosen = self.by_extension && name.is_jinja();
        is_chosen.then(|| Arc::new(crate::dialect::jinja::Jinja) as Arc<dyn Dialect>)
    }

    /// Without the feature `jinja`, no extension stands for a dialect.
    #[cfg(not(feature = "jinja"))]
    fn by_extension(&self, _name: &TemplateName) -> Option<Arc<dyn Dialect>> {
        let _ = self.by_extension;
        None
    }
}

impl fmt::Debug for Dialects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Dialects").field(&self.default.id()).finish()
    }
}

/// The configuration and shared state of a Compiler, which outlive a fault of it.
#[derive(Clone)]
pub(crate) struct CompilerConfig {
    pub(crate) dialects: Dialects,
    pub(crate) limits: Arc<Limits>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) pool: Pool,
    pub(crate) recorder: Arc<Recorder>,
    /// Counts the texts that were compiled, for a program that shows the progress.
    pub(crate) progress: Option<Arc<AtomicUsize>>,
    pub(crate) graph: MeteredRecipient<Compiled>,
    /// The recipient of the first batches of all loaders.
    pub(crate) graph_at_start: MeteredRecipient<CompiledTogether>,
    pub(crate) first_batches: Arc<FirstBatches>,
}

/// The behaviour of the Compiler.
pub(crate) struct Compiler(CompilerConfig);

impl Behavior for Compiler {
    type Config = CompilerConfig;

    fn start(setup: &CompilerConfig) -> Started<Self> {
        Ok(Self(setup.clone()))
    }
}

impl Serve<SourcesChanged> for Compiler {
    async fn serve(&mut self, message: SourcesChanged) -> BatchOutcome {
        let SourcesChanged {
            revision,
            complete,
            changed,
            unreadable,
            removed,
            noticed,
            cause,
        } = message;
        // The compiler pool runs the jobs; this actor only waits, so its mailbox keeps the order of batches.
        let mut texts = match compile_all(changed, &self.0).await {
            Ok(texts) => texts,
            Err(lost) => return BatchOutcome::Lost(lost),
        };
        texts.extend(unreadable.into_iter().map(|(key, diagnostics)| {
            self.0.recorder.compiles.failed(&diagnostics);
            (
                key,
                CompiledText::Broken {
                    digest: None,
                    diagnostics,
                    text: None,
                },
            )
        }));
        tracing::debug!(texts = texts.len(), "compiled");
        let batch = CompiledBatch {
            revision,
            complete,
            texts,
            removed,
        };
        self.hand_on(Compiled { batch, noticed, cause }).await
    }
}

impl Compiler {
    /// Hands a batch on to the Graph; at the start, together with those of the other loaders.
    async fn hand_on(&self, compiled: Compiled) -> BatchOutcome {
        let lost = |gone: actix::MailboxError| BatchOutcome::Lost(gone.to_string());
        match self.0.first_batches.join(compiled) {
            Joined::Alone(compiled) => self.0.graph.send(compiled).await.unwrap_or_else(lost),
            Joined::Waits(decided) => {
                let lost = |_| BatchOutcome::Lost("another loader has failed at the start".into());
                decided.await.unwrap_or_else(lost)
            }
            Joined::Completes(batches, waiting) => {
                let outcome = self.0.graph_at_start.send(CompiledTogether(batches)).await;
                let outcome = outcome.unwrap_or_else(lost);
                for other in waiting {
                    // A Compiler that has failed meanwhile does not wait any more.
                    let _ = other.send(outcome.clone());
                }
                outcome
            }
        }
    }
}

/// Compiles sources on the pool, a few jobs at a time.
///
/// # Errors
/// The reason why a job did not end.
pub(crate) async fn compile_all(
    sources: Vec<Source>,
    setup: &CompilerConfig,
) -> Result<Vec<(TemplateKey, CompiledText)>, String> {
    let mut texts = Vec::with_capacity(sources.len());
    let mut waiting = std::collections::VecDeque::new();
    let mut sources = sources.into_iter();
    loop {
        let job: Vec<Source> = sources.by_ref().take(SOURCES_PER_JOB).collect();
        let last = job.is_empty();
        if !last {
            let context = setup.clone();
            let current = Arc::new(CurrentText::default());
            let seen = Arc::clone(&current);
            let span = tracing::Span::current();
            let job = setup.pool.run(move || {
                let _batch = span.entered();
                let mut texts = Vec::with_capacity(job.len());
                for source in job {
                    let _begun = seen.begin(&source, &context);
                    texts.push(compile(source, &context));
                }
                texts
            });
            waiting.push_back((job, current));
        }
        while waiting.len() >= if last { 1 } else { jobs_in_flight(setup.pool.threads()) } {
            let Some((job, current)) = waiting.pop_front() else {
                break;
            };
            match job.await {
                Ok(compiled) => texts.extend(compiled),
                Err(lost) => {
                    current.mark_as_hanging(setup, &lost);
                    return Err(lost.to_string());
                }
            }
        }
        if last {
            return Ok(texts);
        }
    }
}

/// The text that a job compiles at the moment. It is cleared when the compilation ends, also by a panic, so after a hang it names the
/// text that is to blame.
#[derive(Default)]
struct CurrentText(Mutex<Option<(Digest, &'static str)>>);

/// A guard that clears the current text when a compilation ends.
struct StartedJob<'h>(&'h CurrentText);

impl CurrentText {
    fn begin(&self, source: &Source, setup: &CompilerConfig) -> StartedJob<'_> {
        let dialect = setup.dialects.of(source).id();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((source.digest, dialect));
        StartedJob(self)
    }

    /// Puts the text that a job hangs on into the cache as broken. The batch will be sent again, and must not hang again.
    fn mark_as_hanging(&self, setup: &CompilerConfig, lost: &Unavailable) {
        let current = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((digest, dialect)) = current {
            let message = format!("the dialect `{dialect}` hangs on this text: {lost}");
            let diagnostic = Diagnostic::error("dialect-hangs", message);
            setup.cache.put(digest, dialect, Err(Arc::new([diagnostic])));
        }
    }
}

impl Drop for StartedJob<'_> {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Compiles one source, and counts it.
fn compile(source: Source, setup: &CompilerConfig) -> (TemplateKey, CompiledText) {
    let (text, cached) = compile_text(&source, &setup.dialects, &setup.limits, &setup.cache);
    setup.recorder.compiles.looked_up(cached);
    if let Some(progress) = &setup.progress {
        progress.fetch_add(1, Ordering::Relaxed);
    }
    if let CompiledText::Broken { diagnostics, .. } = &text {
        setup.recorder.compiles.failed(diagnostics);
    }
    (source.key, text)
}

/// Compiles one source, and returns true if the cache had it. A panic of its dialect becomes a diagnostic.
pub(crate) fn compile_text(
    source: &Source,
    dialects: &Dialects,
    limits: &Limits,
    cache: &Cache,
) -> (CompiledText, bool) {
    let dialect = dialects.of(source);
    let Source { key, text, digest, .. } = source;
    let mut cached = true;
    let compiled = cache.get_or_make(*digest, dialect.id(), || {
        cached = false;
        contain(|| dialect.compile(text, limits)).unwrap_or_else(|panic| {
            let message = format!("the dialect `{}` failed on this text: {panic}", dialect.id());
            Err(vec![Diagnostic::error("dialect-panicked", message)])
        })
    });
    let digest = *digest;
    let compiled = match compiled {
        Ok(unit) => CompiledText::Unit { digest, unit },
        Err(diagnostics) => CompiledText::Broken {
            digest: Some(digest),
            diagnostics: diagnostics
                .iter()
                .map(|diagnostic| diagnostic.clone().in_template(&key.name))
                .collect(),
            text: Some(Arc::clone(text)),
        },
    };
    (compiled, cached)
}
