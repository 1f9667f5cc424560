//! The store of an engine: opening it at the start, serving the stored version, and describing versions for the writer.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::languages::{Languages, RestoredLanguage};
use super::{ActorEntry, Registry, StartError};
use crate::accepted::AcceptedState;
use crate::audit::progress::AuditProgress;
use crate::audit::{AuditLog, AuditOptions, keys};
use crate::cause::Cause;
use crate::compiler::{CompilerConfig, Dialects, compile_all};
use crate::diagnostic::Diagnostic;
use crate::dialect::{Members, TemplateId};
use crate::graph::plan::Graph;
use crate::loader::Loader;
use crate::protocol::batch::{CompiledBatch, CompiledText};
use crate::protocol::hold::HoldOrigin;
use crate::protocol::messages::{BatchOutcome, RestoreVersion};
use crate::protocol::plan::Plan;
use crate::registry::AnsweredState;
use crate::snapshot::index::Index;
use crate::snapshot::view::View;
use crate::snapshot::{IdSet, StoredStale};
use crate::store::files::SystemFiles;
use crate::store::state::StoreState;
use crate::store::version::{SharedText, StoredBody, StoredClass, StoredHold, StoredText, StoredVersion};
use crate::store::{Store, StoreOptions, TEXT_BYTES_MAX};
use crate::supervision::Pool;
use crate::template::{Digest, Missing, Source, TemplateKey, TemplateName};
use crate::version::{LoaderId, Revision};
use crate::wall_clock::now_ms;

/// The state of Registry and Graph.
pub(super) type Accepted = AcceptedState<AnsweredState, Arc<Graph>>;

/// The store and the audit log of an engine, with the thread that reads and writes it.
#[derive(Clone)]
pub(crate) struct Storing {
    pub(super) store: Option<(Arc<Mutex<Store>>, Arc<StoreState>)>,
    pub(super) audit: Option<(Arc<Mutex<AuditLog>>, Arc<AuditProgress>)>,
    pub(super) thread: Pool,
}

impl Storing {
    /// Creates what the options ask for; `None` if that is nothing. Nothing is read yet.
    pub(super) fn new(
        store: Option<&StoreOptions>,
        audit: Option<&AuditOptions>,
        loaders: &[Box<dyn Loader>],
    ) -> Result<Option<Self>, StartError> {
        if store.is_none() && audit.is_none() {
            return Ok(None);
        }
        let absolute = |directory: &PathBuf| std::path::absolute(directory).unwrap_or_else(|_| directory.clone());
        let store = store.map(|options| {
            let sources = loaders.iter().map(|loader| loader.identity()).collect();
            let directory = absolute(&options.directory);
            let store = Store::new(directory.clone(), Arc::new(SystemFiles), options.keep, sources);
            (Arc::new(Mutex::new(store)), StoreState::new(directory))
        });
        let audit = audit.map(|options| -> Result<_, StartError> {
            let options = AuditOptions {
                directory: absolute(&options.directory),
                ..options.clone()
            };
            let progress = AuditProgress::new(options.directory.display().to_string());
            let process = format!("{}-{}", std::process::id(), now_ms());
            let signer = options.key.as_deref().map(keys::signer).transpose();
            let log = AuditLog::new(options, Arc::new(SystemFiles), process);
            let log = match signer.map_err(StartError::AuditKey)? {
                Some(signer) => log.signed_by(signer),
                None => log,
            };
            Ok((Arc::new(Mutex::new(log)), progress))
        });
        let audit = audit.transpose()?;
        Ok(Some(Self {
            store,
            audit,
            thread: Pool::start("hotplate-store", 1, 4, None)?,
        }))
    }

    /// Returns the stored version, if one is whole.
    pub(super) async fn open(&self) -> Result<Option<StoredVersion>, StartError> {
        let Some((store, state)) = &self.store else {
            return Ok(None);
        };
        let store = Arc::clone(store);
        let open = move || store.lock().unwrap_or_else(PoisonError::into_inner).open();
        let lost = |lost| StartError::Failed(Box::new(lost));
        let opened = self.thread.run(open).await.map_err(lost)?.map_err(StartError::Store)?;
        for problem in &opened.problems {
            tracing::error!(problem, "a file of the store cannot be used");
        }
        let version = opened.version.as_ref().map(|stored| stored.version);
        state.opened(version, opened.problems);
        Ok(opened.version)
    }
}

/// Compiles a stored version, and has the Registry serve it.
pub(super) async fn restore(
    stored: StoredVersion,
    mut graph: Graph,
    compiler: &CompilerConfig,
    languages: &Mutex<Languages>,
    registry: &ActorEntry<Registry>,
) -> Result<(), StartError> {
    let version = stored.version;
    let mut stale = Vec::with_capacity(stored.stale.len());
    for class in stored.stale {
        let texts = compile(class.members, compiler, languages).await?;
        stale.push((class.since, class.templates, graph.view_of(&texts)));
    }
    let mut plans = Vec::with_capacity(stored.loaders.len());
    for (loader, texts) in (0..).zip(stored.loaders) {
        let batch = CompiledBatch {
            revision: Revision {
                loader: LoaderId(loader),
                number: 0,
            },
            complete: true,
            texts: compile(texts, compiler, languages).await?,
            removed: Vec::new(),
        };
        plans.push(graph.apply(&batch));
    }
    let mut held = Vec::with_capacity(stored.held.len());
    for hold in stored.held {
        let StoredHold {
            name,
            served,
            since,
            cause,
        } = hold;
        let served = served.map(|body| StoredText {
            name: name.clone(),
            body,
        });
        let served = compile(served.into_iter().collect(), compiler, languages).await?.pop();
        let origin = HoldOrigin {
            version: since,
            cause,
            is_promotion: false,
        };
        held.push((name, served.map(|(_, text)| text), origin));
    }
    if !held.is_empty() {
        plans.push(graph.hold_again(held));
    }
    let Some(plan) = plans.into_iter().reduce(Plan::then) else {
        return Ok(());
    };
    let ids = |templates: Vec<TemplateName>| -> IdSet {
        let known = templates.iter().filter_map(|name| plan.names.get(name.as_str()));
        known.collect()
    };
    let stale = stale.into_iter().map(|(since, templates, view)| StoredStale {
        since,
        view: Arc::new(view),
        ids: ids(templates),
    });
    let stale = stale.collect();
    let restored = RestoreVersion {
        plan,
        stale,
        version,
        graph: Arc::new(graph),
        cause: Cause::by("store").reason("the last stored version, until the templates are loaded"),
    };
    match registry.recipient().send(restored).await {
        Ok(BatchOutcome::Published(_)) => Ok(()),
        Ok(outcome) => Err(StartError::Failed(
            format!("the stored version is not accepted: {outcome:?}").into(),
        )),
        Err(closed) => Err(StartError::Failed(Box::new(closed))),
    }
}

/// Compiles stored texts, each in the language in which it was stored.
async fn compile(
    texts: Vec<StoredText>,
    compiler: &CompilerConfig,
    languages: &Mutex<Languages>,
) -> Result<Vec<(TemplateKey, CompiledText)>, StartError> {
    let mut of_settings = Vec::with_capacity(texts.len());
    let mut others: HashMap<(&'static str, Missing), (Dialects, Vec<Source>)> = HashMap::new();
    let mut compiled = Vec::new();
    let lock = || languages.lock().unwrap_or_else(PoisonError::into_inner);
    for StoredText { name, body } in texts {
        let (digest, text, stored) = match body {
            StoredBody::Text(digest, text, stored) => (digest, text, stored),
            StoredBody::Unreadable(reason) => {
                let diagnostic = Diagnostic::error("unreadable", reason).in_template(&name);
                compiled.push((name.into(), broken(None, None, diagnostic)));
                continue;
            }
        };
        let mut languages = lock();
        let mut source = languages.source(&name, text.as_str(), digest, &stored);
        match languages.restore(&source, &stored) {
            RestoredLanguage::OfSettings => of_settings.push(source),
            RestoredLanguage::Other(digest, dialect, missing) => {
                source.digest = digest;
                source.missing = missing;
                let of_language = others.entry((dialect.id(), missing));
                let (_, sources) = of_language.or_insert_with(|| (languages.only(&dialect, missing), Vec::new()));
                sources.push(source);
            }
            RestoredLanguage::Unknown(digest) => {
                let message = format!(
                    "its stored text is in the dialect `{}`, which this program does not have",
                    stored.dialect
                );
                let diagnostic = Diagnostic::error("unknown-dialect", message)
                    .in_template(&name)
                    .help("use a program that has the dialect, or load the template from its source again");
                compiled.push((name.into(), broken(Some(digest), Some(source.text), diagnostic)));
            }
        }
    }
    let failed = |lost: String| StartError::Failed(lost.into());
    compiled.extend(compile_all(of_settings, compiler).await.map_err(failed)?);
    for (dialects, sources) in others.into_values() {
        let compiler = CompilerConfig {
            dialects,
            ..compiler.clone()
        };
        compiled.extend(compile_all(sources, &compiler).await.map_err(failed)?);
    }
    Ok(compiled)
}

fn broken(digest: Option<Digest>, text: Option<Arc<str>>, diagnostic: Diagnostic) -> CompiledText {
    CompiledText::Broken {
        digest,
        text,
        diagnostics: Arc::new([diagnostic]),
    }
}

/// Describes the accepted state for the store. Texts are shared and not copied; the cost is that of all templates.
pub(super) fn describe(accepted: &Accepted, loaders: usize, languages: &mut Languages) -> StoredVersion {
    let state = &accepted.registry.state;
    let snapshot = state.snapshot();
    let mut described = StoredVersion {
        version: snapshot.version(),
        digest: format!("{:#}", snapshot.digest()),
        loaders: vec![Vec::new(); loaders],
        stale: Vec::new(),
        held: Vec::new(),
    };
    for (loader, texts) in accepted.graph.texts() {
        if let Some(of_loader) = described.loaders.get_mut(usize::from(loader.0)) {
            *of_loader = texts.map(|(name, text)| stored_text(name, text, languages)).collect();
        }
    }
    let classes = state.stale_classes().into_iter();
    described.stale = classes
        .map(|class| stored_class(&class, state.names(), languages))
        .collect();
    let held = accepted.graph.held();
    described.held = held
        .map(|(name, served, origin)| StoredHold {
            name: name.clone(),
            served: served.map(|text| stored_body(name, text, languages)),
            since: origin.version,
            cause: origin.cause.clone(),
        })
        .collect();
    languages.described();
    described
}

fn stored_text(name: &TemplateName, text: &CompiledText, languages: &mut Languages) -> StoredText {
    StoredText {
        name: name.clone(),
        body: stored_body(name, text, languages),
    }
}

fn stored_body(name: &TemplateName, text: &CompiledText, languages: &mut Languages) -> StoredBody {
    let mut stored = |digest: &Digest, text: SharedText| {
        let (digest, language) = languages.describe(name, *digest, text.as_str());
        StoredBody::Text(digest, text, language)
    };
    match text {
        CompiledText::Unit { digest, unit } => stored(digest, SharedText::Unit(Arc::clone(unit))),
        CompiledText::Broken {
            digest: Some(digest),
            text: Some(text),
            ..
        } if text.len() as u64 <= TEXT_BYTES_MAX => stored(digest, SharedText::Plain(Arc::clone(text))),
        CompiledText::Broken { diagnostics, .. } => {
            let first = diagnostics.first().map(|diagnostic| diagnostic.message.clone());
            StoredBody::Unreadable(first.unwrap_or_default())
        }
    }
}

/// Describes templates that are stale, with every text that their closures have in the view of their last good version.
fn stored_class(class: &StoredStale, names: &Index, languages: &mut Languages) -> StoredClass {
    let templates = class.ids.iter().filter_map(|id| names.name(id).cloned());
    StoredClass {
        since: class.since,
        templates: templates.collect(),
        members: reached(&class.ids, &class.view, languages),
    }
}

fn reached(tops: &IdSet, view: &View, languages: &mut Languages) -> Vec<StoredText> {
    let mut seen = IdSet::default();
    let mut next: Vec<TemplateId> = tops.iter().collect();
    let mut reached = Vec::new();
    while let Some(id) = next.pop() {
        if !seen.insert(id) {
            continue;
        }
        if let Some(member) = view.member(id) {
            next.extend(member.callees.iter().chain(&member.companions));
            let text = SharedText::Unit(Arc::clone(&member.unit));
            let (digest, language) = languages.describe(&member.name, member.digest, text.as_str());
            reached.push(StoredText {
                name: member.name.clone(),
                body: StoredBody::Text(digest, text, language),
            });
        }
    }
    reached
}
