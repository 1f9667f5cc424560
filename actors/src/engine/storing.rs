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
use crate::graph::hold::StorableHold;
use crate::graph::plan::Graph;
use crate::loader::RegisteredLoader;
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
        loaders: &[RegisteredLoader],
    ) -> Result<Option<Self>, StartError> {
        if store.is_none() && audit.is_none() {
            return Ok(None);
        }
        let absolute = |directory: &PathBuf| std::path::absolute(directory).unwrap_or_else(|_| directory.clone());
        let store = store.map(|options| {
            let sources = loaders.iter().map(|registered| registered.loader.identity()).collect();
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
    mut stored: StoredVersion,
    mut graph: Graph,
    compiler: &CompilerConfig,
    languages: &Mutex<Languages>,
    registry: &ActorEntry<Registry>,
) -> Result<(), StartError> {
    let (version, origin) = (stored.version, stored.origin.take());
    let mut texts = StoredTexts::of(&mut stored, languages, &compiler.dialects);
    for group in texts.groups() {
        let compiler = CompilerConfig {
            dialects: group.dialects,
            ..compiler.clone()
        };
        let compiled = compile_all(group.sources, &compiler).await;
        texts.set(group.places, compiled.map_err(|lost| StartError::Failed(lost.into()))?);
    }
    let Some((plan, stale)) = assemble(stored, texts, &mut graph) else {
        return Ok(());
    };
    let restored = RestoreVersion {
        plan,
        stale,
        version,
        graph: Arc::new(graph),
        cause: Cause::by("store").reason("the last stored version, until the templates are loaded"),
        origin,
    };
    match registry.recipient().send(restored).await {
        Ok(BatchOutcome::Published(_)) => Ok(()),
        Ok(outcome) => Err(StartError::Failed(
            format!("the stored version is not accepted: {outcome:?}").into(),
        )),
        Err(closed) => Err(StartError::Failed(Box::new(closed))),
    }
}

/// Applies the compiled texts of a stored version to a graph without templates. Returns the plan, and the templates that were stale; `None` if
/// the version has no loaders.
pub(super) fn assemble(
    stored: StoredVersion,
    texts: StoredTexts,
    graph: &mut Graph,
) -> Option<(Plan, Vec<StoredStale>)> {
    let mut texts = texts.compiled.into_iter().flatten();
    let mut stale = Vec::with_capacity(stored.stale.len());
    for class in stored.stale {
        let texts: Vec<_> = texts.by_ref().take(class.members.len()).collect();
        stale.push((class.since, class.templates, graph.view_of(&texts)));
    }
    let mut plans = Vec::with_capacity(stored.loaders.len());
    for (loader, of_loader) in (0..).zip(stored.loaders) {
        let batch = CompiledBatch {
            revision: Revision {
                loader: LoaderId(loader),
                number: 0,
            },
            complete: true,
            texts: texts.by_ref().take(of_loader.len()).collect(),
            removed: Vec::new(),
        };
        plans.push(graph.apply(&batch));
    }
    let held: Vec<_> = stored
        .held
        .into_iter()
        .map(|hold| StorableHold {
            name: hold.name,
            served: hold.served.and_then(|_| texts.next()).map(|(_, text)| text),
            rejected: hold.rejected,
            origin: HoldOrigin {
                version: hold.since,
                cause: hold.cause,
                is_promotion: false,
            },
        })
        .collect();
    if !held.is_empty() {
        plans.push(graph.hold_again(held));
    }
    let plan = plans.into_iter().reduce(Plan::then)?;
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
    Some((plan, stale))
}

/// The texts of a stored version, in a fixed order: those of stale templates, of the loaders, and of held templates.
pub(super) struct StoredTexts {
    /// The compiled texts by place.
    compiled: Vec<Option<(TemplateKey, CompiledText)>>,
    groups: Vec<TextGroup>,
}

/// Texts that are compiled with the same choice of a language.
pub(super) struct TextGroup {
    pub(super) dialects: Dialects,
    pub(super) sources: Vec<Source>,
    places: Vec<usize>,
}

impl StoredTexts {
    /// Sorts the texts of a version by language, each as it was stored. The lists of the version keep their lengths only.
    pub(super) fn of(stored: &mut StoredVersion, languages: &Mutex<Languages>, of_settings: &Dialects) -> Self {
        let mut texts = Self {
            compiled: Vec::new(),
            groups: vec![TextGroup {
                dialects: of_settings.clone(),
                sources: Vec::new(),
                places: Vec::new(),
            }],
        };
        let mut others: HashMap<(&'static str, Missing), usize> = HashMap::new();
        let mut languages = languages.lock().unwrap_or_else(PoisonError::into_inner);
        let members = stored.stale.iter_mut().flat_map(|class| &mut class.members);
        let own = members.chain(stored.loaders.iter_mut().flatten());
        let own = own.map(|text| (&text.name, &mut text.body));
        let held = stored.held.iter_mut();
        let held = held.filter_map(|hold| Some((&hold.name, hold.served.as_mut()?)));
        for (name, body) in own.chain(held) {
            let place = texts.compiled.len();
            let body = std::mem::replace(body, StoredBody::Unreadable(String::new()));
            let (digest, text, language) = match body {
                StoredBody::Text(digest, text, language) => (digest, text, language),
                StoredBody::Unreadable(reason) => {
                    let diagnostic = Diagnostic::error("unreadable", reason).in_template(name);
                    texts
                        .compiled
                        .push(Some((name.clone().into(), broken(None, None, diagnostic))));
                    continue;
                }
            };
            let mut source = languages.source(name, text.as_str(), digest, &language);
            let group = match languages.restore(&source, &language) {
                RestoredLanguage::OfSettings => 0,
                RestoredLanguage::Other(digest, dialect, missing) => {
                    source.digest = digest;
                    source.missing = missing;
                    *others.entry((dialect.id(), missing)).or_insert_with(|| {
                        texts.groups.push(TextGroup {
                            dialects: languages.only(&dialect, missing),
                            sources: Vec::new(),
                            places: Vec::new(),
                        });
                        texts.groups.len() - 1
                    })
                }
                RestoredLanguage::Unknown(digest) => {
                    let message = format!(
                        "its stored text is in the dialect `{}`, which this program does not have",
                        language.dialect
                    );
                    let diagnostic = Diagnostic::error("unknown-dialect", message)
                        .in_template(name)
                        .help("use a program that has the dialect, or load the template from its source again");
                    let broken = broken(Some(digest), Some(source.text), diagnostic);
                    texts.compiled.push(Some((name.clone().into(), broken)));
                    continue;
                }
            };
            texts.compiled.push(None);
            texts.groups[group].sources.push(source);
            texts.groups[group].places.push(place);
        }
        texts
    }

    /// Takes the texts that are to be compiled.
    pub(super) fn groups(&mut self) -> Vec<TextGroup> {
        std::mem::take(&mut self.groups)
    }

    /// Sets the compiled texts of a group, which are in its order.
    fn set(&mut self, places: Vec<usize>, compiled: Vec<(TemplateKey, CompiledText)>) {
        for (place, text) in places.into_iter().zip(compiled) {
            self.compiled[place] = Some(text);
        }
    }

    /// Compiles all texts in this thread.
    pub(super) fn compile(&mut self, mut compile: impl FnMut(&Source, &Dialects) -> CompiledText) {
        for TextGroup {
            dialects,
            sources,
            places,
        } in self.groups()
        {
            let compiled = sources.into_iter().map(|source| {
                let text = compile(&source, &dialects);
                (source.key, text)
            });
            let compiled = compiled.collect();
            self.set(places, compiled);
        }
    }
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
        origin: accepted.origin.as_deref().cloned(),
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
        .map(|held| StoredHold {
            served: held.served.map(|text| stored_body(&held.name, text, languages)),
            name: held.name,
            rejected: held.rejected,
            since: held.origin.version,
            cause: held.origin.cause,
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
