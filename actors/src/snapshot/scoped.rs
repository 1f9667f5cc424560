//! [`Scoped`]: a snapshot as one scope sees it.

use std::sync::Arc;

use super::breaker::Breakers;
use super::late_faults::{LateFault, LateFaults, Serving};
use super::memory::ScopeMemory;
use super::scopes::ScopeContent;
use super::{EntryStatus, Generation, Snapshot, Status, Why};
use crate::dialect::{Closure, TemplateId};
use crate::template::{Digest, Layer, Scope, Stage, TemplateName, Tenant};
use crate::version::Version;

/// The templates of one version as one scope sees them. It is as cheap to copy as the references that it consists of.
///
/// ```
/// use hotplate_actors::template::{Scope, Tenant};
/// use hotplate_actors::{Hotplate, MemoryLoader, Status};
///
/// let hotplate = Hotplate::builder().loader(MemoryLoader::of([("a.txt", "a")])?).start()?;
/// let pinned = hotplate.snapshot();
/// let everyone = pinned.snapshot().everyone();
/// let id = everyone.id("a.txt").expect("is a template");
/// assert_eq!(everyone.entries().count(), 1);
/// assert!(everyone.why(id).is_none(), "it is current");
/// let nobody = Scope { tenant: Some(Tenant::new("nobody")?), ..Scope::default() };
/// assert!(pinned.snapshot().scoped(&nobody).is_none(), "a tenant without texts is unknown");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Scoped<'s> {
    snapshot: &'s Snapshot,
    /// None for the shared stable scope.
    other: Option<OtherScope<'s>>,
}

/// A scope beside shared stable.
#[derive(Debug, Clone, Copy)]
struct OtherScope<'s> {
    scope: &'s Scope,
    content: ScopeContent<'s>,
    memory: &'s ScopeMemory,
}

impl Snapshot {
    /// Returns this snapshot as a scope sees it; `None` if no text belongs to its tenant. A stage without texts is that of stable. Nothing is
    /// allocated.
    #[must_use]
    pub fn scoped<'s>(&'s self, scope: &'s Scope) -> Option<Scoped<'s>> {
        let scopes = &self.generation.scopes;
        let content = scopes.content(scope, &self.content);
        let memory = match &scope.tenant {
            Some(tenant) => scopes.tenant(tenant)?.memory(scope.stage),
            None if scope.stage == Stage::Stable || std::ptr::eq(content.content, &self.content) => {
                return Some(self.everyone());
            }
            None => self.live.0.stage_memory(scope.stage),
        };
        let other = Some(OtherScope { scope, content, memory });
        Some(Scoped { snapshot: self, other })
    }

    /// Returns the tenant with an id, if it has any text. Nothing is allocated, whatever is asked.
    #[must_use]
    pub fn tenant(&self, id: &str) -> Option<Tenant> {
        self.generation.scopes.tenant_named(id)
    }

    /// Returns the tenants that have a text, sorted.
    #[must_use]
    pub fn tenants(&self) -> Vec<Tenant> {
        let mut tenants: Vec<Tenant> = self.generation.scopes.tenants.keys().cloned().collect();
        tenants.sort_unstable();
        tenants
    }

    /// Returns the stages beside the stable one that have a text of everyone.
    #[must_use]
    pub fn later_stages(&self) -> Vec<Stage> {
        let later = Stage::ALL.into_iter().skip(1).zip(&self.generation.scopes.stages);
        later
            .filter(|(_, content)| content.is_some())
            .map(|(stage, _)| stage)
            .collect()
    }

    /// Returns the scopes that have templates that are not current for them although they are for everyone of the stage below, each with their
    /// number: the later stages, and each tenant in the first stage in which it has any. The work is that of the scopes that have any.
    pub(crate) fn scopes_in_trouble(&self) -> Vec<(Layer, usize)> {
        self.generation.scopes.in_trouble(&self.content)
    }

    /// Returns true if any text belongs to a tenant or to a later stage.
    pub(crate) fn has_scopes(&self) -> bool {
        !self.generation.scopes.is_empty()
    }

    /// Returns true if a layer has a text of a name, whether it compiles or not.
    pub(crate) fn has_text(&self, layer: &Layer, name: &str) -> bool {
        let (scopes, scope) = (&self.generation.scopes, layer.scope());
        scopes
            .id(scope, name, &self.index)
            .is_some_and(|id| scopes.has_text(scope, id, &self.content))
    }

    /// Returns this snapshot as the shared stable scope sees it.
    #[inline]
    #[must_use]
    pub fn everyone(&self) -> Scoped<'_> {
        Scoped {
            snapshot: self,
            other: None,
        }
    }
}

impl<'s> Scoped<'s> {
    /// Returns the snapshot.
    #[inline]
    #[must_use]
    pub fn snapshot(self) -> &'s Snapshot {
        self.snapshot
    }

    /// Returns the scope; `None` if it is the shared stable one.
    #[must_use]
    pub fn scope(self) -> Option<&'s Scope> {
        self.other.map(|other| other.scope)
    }

    /// Returns the same scope of another snapshot.
    pub(crate) fn of<'o>(self, other: &'o Snapshot) -> Option<Scoped<'o>>
    where
        's: 'o,
    {
        match self.other {
            None => Some(other.everyone()),
            Some(scope) => other.scoped(scope.scope),
        }
    }

    /// Returns the id that a name has in the scope. The id is valid in every later snapshot as well.
    #[inline]
    #[must_use]
    pub fn id(self, name: &str) -> Option<TemplateId> {
        match self.other {
            None => self.snapshot.index.get(name),
            Some(other) => {
                let scopes = &self.snapshot.generation.scopes;
                scopes.id(other.scope, name, &self.snapshot.index)
            }
        }
    }

    /// Returns the name of an entry that is spelt with the same characters in other code points: `é` may be one code point or two, and
    /// macOS writes it as two. Meant for a name that no entry has.
    #[cold]
    #[must_use]
    pub fn equivalent(self, name: &str) -> Option<TemplateName> {
        let exists = |spelling: &String| {
            let status = self.id(spelling).map(|id| self.status(id));
            !matches!(status, None | Some(EntryStatus::Gone))
        };
        let spelling = crate::template::spellings(name).find(exists)?;
        TemplateName::new(&spelling).ok()
    }

    /// Returns the status of an entry.
    #[inline]
    #[must_use]
    pub fn status(self, id: TemplateId) -> EntryStatus<'s> {
        match self.other {
            None => self.snapshot.content.status(id),
            Some(other) => other.content.status(id),
        }
    }

    /// Returns the status of the template with a name; `None` if the scope has none.
    #[must_use]
    pub fn status_of(self, name: &str) -> Option<Status> {
        match self.status(self.id(name)?) {
            EntryStatus::Current(_) => Some(Status::Current),
            EntryStatus::Stale { .. } => Some(Status::Stale),
            EntryStatus::Broken => Some(Status::Broken),
            EntryStatus::Gone => None,
        }
    }

    /// Returns every entry, by id.
    pub fn entries(self) -> impl Iterator<Item = (TemplateId, &'s TemplateName, EntryStatus<'s>)> {
        self.content().entries(&self.snapshot.index)
    }

    /// Returns every entry that can be rendered by its name. Texts that are not exported are entries that a tenant only reaches by calls.
    pub fn named_entries(self) -> impl Iterator<Item = (TemplateId, &'s TemplateName, EntryStatus<'s>)> {
        self.entries()
            .filter(move |(id, name, _)| self.id(name.as_str()) == Some(*id))
    }

    /// Returns the faults that keep the newest text of an entry from being served; `None` if it is current.
    #[must_use]
    pub fn why(self, id: TemplateId) -> Option<Arc<Why>> {
        match self.other {
            None => self.snapshot.why(id),
            Some(other) => other.content.why(id, &self.snapshot.index).map(Arc::new),
        }
    }

    /// Returns the digest of the closure that is rendered under an id.
    pub(crate) fn closure_digest(self, id: TemplateId) -> Option<Digest> {
        self.status(id).closure().map(|closure| closure.digest())
    }

    pub(crate) fn content(self) -> ScopeContent<'s> {
        match self.other {
            None => self.snapshot.content.everyone(),
            Some(other) => other.content,
        }
    }

    /// Returns the circuit breakers, if they may know a template.
    #[inline]
    pub(crate) fn breakers(self, id: TemplateId) -> Option<&'s Breakers> {
        let breakers = match self.other {
            None => &self.snapshot.live.0.breakers,
            Some(other) => &other.memory.known()?.breakers,
        };
        breakers.may_know(id).then_some(breakers)
    }

    /// Returns the circuit breakers, to remember a failure.
    pub(crate) fn breakers_for_failure(self) -> &'s Breakers {
        match self.other {
            None => &self.snapshot.live.0.breakers,
            Some(other) => &other.memory.for_failure().breakers,
        }
    }

    /// Returns the late faults, if a template may be watched.
    #[inline]
    pub(crate) fn watching(self, id: TemplateId) -> Option<&'s LateFaults> {
        self.late().filter(|late| late.may_watch(id))
    }

    /// Returns the late faults, to remember a failure.
    pub(crate) fn late_for_failure(self) -> &'s LateFaults {
        match self.other {
            None => &self.snapshot.live.0.late,
            Some(other) => {
                self.snapshot.live.0.note_failing(other.scope);
                &other.memory.for_failure().late
            }
        }
    }

    /// Returns the late faults, if any render has failed.
    pub(crate) fn late(self) -> Option<&'s LateFaults> {
        match self.other {
            None => Some(&self.snapshot.live.0.late),
            Some(other) => Some(&other.memory.known()?.late),
        }
    }

    /// Returns the faults of an entry that the compiler could not see and that appeared when the closure that is served now was rendered.
    #[must_use]
    pub fn late_fault(self, id: TemplateId) -> Option<LateFault> {
        self.late()?.of(id, || self.closure_digest(id))
    }

    /// Returns the answer to requests for an entry whose newest text is not served, as far as is known; see [`Snapshot::serving`].
    #[must_use]
    pub fn serving(self, id: TemplateId) -> Option<Serving> {
        let status = match self.status(id) {
            EntryStatus::Stale { since, .. } => Some(Serving::LastGood(since)),
            EntryStatus::Broken => return Some(self.snapshot.live.0.without_good),
            EntryStatus::Current(_) => None,
            EntryStatus::Gone => return None,
        };
        // A stale closure may have failed in renders as well. Then a still older one is served, or none.
        let late = self.late_fault(id).filter(|late| late.still_fails);
        late.map(|late| late.serving).or(status)
    }

    /// Returns the status of an entry in an earlier version. Before a tenant had texts, it saw those of everyone.
    fn status_in(self, generation: &'s Generation, id: TemplateId) -> EntryStatus<'s> {
        match self.other {
            None => generation.content.status(id),
            Some(other) => generation.scopes.content(other.scope, &generation.content).status(id),
        }
    }

    /// Returns the closure of an entry in an earlier version, and the last version in which that closure was current. Returns `None` if there
    /// is none, or if its digest is among `seen`.
    fn unseen(
        self,
        generation: &'s Generation,
        id: TemplateId,
        seen: &mut Vec<Digest>,
    ) -> Option<(Version, Closure<'s>)> {
        let (closure, since) = match self.status_in(generation, id) {
            EntryStatus::Current(closure) => (closure, generation.version),
            EntryStatus::Stale { closure, since, .. } => (closure, since),
            EntryStatus::Broken | EntryStatus::Gone => return None,
        };
        let digest = closure.digest();
        if seen.contains(&digest) {
            return None;
        }
        seen.push(digest);
        Some((since, closure))
    }

    /// Returns the closures of an entry in the kept versions, newest first, each with the last version in which it was current. Each
    /// closure differs from the one that is served now and from those before it. Computed lazily, because only renders that fail need it.
    pub fn earlier(self, id: TemplateId) -> impl Iterator<Item = (Version, Closure<'s>)> {
        let mut seen: Vec<Digest> = Vec::new();
        seen.extend(self.status(id).closure().map(|closure| closure.digest()));
        let absent = self.last_absent(id);
        let kept = self.snapshot.earlier.answering();
        kept.take_while(move |generation| Some(generation.version) > absent)
            .filter_map(move |generation| self.unseen(generation, id, &mut seen))
    }

    /// Returns the last kept version in which no template had this name. A template that was removed is no earlier version of a new one
    /// of the same name.
    fn last_absent(self, id: TemplateId) -> Option<Version> {
        let earlier = &self.snapshot.earlier;
        let former = self.remembered(id);
        let former = former.filter(|generation| generation.version < earlier.former_before);
        let kept = earlier.answering().chain(former);
        let mut absent = kept.filter(|generation| matches!(self.status_in(generation, id), EntryStatus::Gone));
        absent.next().map(|generation| generation.version)
    }

    /// Returns the versions before the last change of a text: of that of everyone, of that of the stage, and of those of the tenant.
    fn remembered(self, id: TemplateId) -> impl Iterator<Item = &'s Arc<Generation>> {
        let earlier = &self.snapshot.earlier;
        let scope = self.other.map(|other| other.scope);
        let of_layers = scope.into_iter().flat_map(move |scope| earlier.layers.of(scope, id));
        earlier.former.get(id).into_iter().chain(of_layers)
    }

    /// Returns the closures of an entry before the versions that [`Scoped::earlier`] knows, newest first. These are the closures before
    /// the last change of its own text, of a template that it calls, or of its data, as far as they are remembered (the limit
    /// `last_good_templates`).
    pub fn former(self, id: TemplateId) -> impl Iterator<Item = (Version, Closure<'s>)> {
        let closure = self.status(id).closure();
        let mut ids: Vec<TemplateId> = Vec::new();
        if let Some(closure) = &closure {
            let members = closure.members().into_iter().chain(closure.companions());
            // A name that is not exported has an id of the tenant, and one of everyone.
            let names = members.map(|member| member.name.as_str());
            let both = |name| [self.id(name), self.snapshot.index.get(name)];
            ids.extend(names.flat_map(both).flatten());
        }
        let absent = self.last_absent(id);
        let before = self.snapshot.earlier.former_before;
        let former = ids.into_iter().flat_map(|id| self.remembered(id));
        let mut former: Vec<&'s Arc<Generation>> = former
            .filter(|generation| generation.version < before && Some(generation.version) > absent)
            .collect();
        former.sort_unstable_by_key(|generation| std::cmp::Reverse(generation.version));
        former.dedup_by_key(|generation| generation.version);
        let mut seen: Vec<Digest> = closure.iter().map(Closure::digest).collect();
        former
            .into_iter()
            .filter_map(move |generation| self.unseen(generation, id, &mut seen))
    }

    /// Returns the closures of an entry in the views that stale templates are served from, newest first, if it computes names of templates:
    /// then it may have reached a template that broke since. Unlike the kept versions, these views stay as long as that is broken.
    pub fn pinned(self, id: TemplateId) -> impl Iterator<Item = (Version, Closure<'s>)> {
        let closure = self.status(id).closure().filter(Closure::reaches_any);
        let mut seen: Vec<Digest> = closure.iter().map(Closure::digest).collect();
        let mut pinned = match closure {
            Some(_) => self.content().pinned(id),
            None => Vec::new(),
        };
        pinned.sort_unstable_by_key(|(since, _)| std::cmp::Reverse(*since));
        pinned.into_iter().filter(move |(_, closure)| {
            let digest = closure.digest();
            let is_new = !seen.contains(&digest);
            seen.push(digest);
            is_new
        })
    }
}
