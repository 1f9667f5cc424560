//! [`Scopes`]: what the scopes beside shared stable serve in one version.
//!
//! A **stage** that has texts has a [`Content`] of its own, which shares with that of stable what does not differ. A stage without texts
//! serves the content of stable.
//!
//! A **tenant** has [`Overrides`], which are asked before the view of the stage, so a change of a shared text costs nothing for a tenant. It
//! also shares the status of its templates with the stage, for as long as
//!
//! - its bad templates are those of the stage, and
//! - its texts have not changed since the oldest template of the stage became stale. A stale template of the tenant is served from the view
//!   that the stage has pinned, with the texts of the tenant in place of those, and these must be the texts of that time.
//!
//! Otherwise the tenant *detaches*: it copies the classes of the stage, with its own former texts, and has a [`StaleSet`] of its own until
//! nothing is bad any more, neither in the stage nor for the tenant.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::content::{Content, NewestTexts};
use super::id_set::IdSet;
use super::index::Index;
use super::memory::ScopeMemory;
use super::overrides::{Exported, Overrides, id_in_scope};
use super::served::DigestSum;
use super::stale::{PinnedView, StaleSet};
use super::{EntryStatus, NameHasher};
use crate::diagnostic::Diagnostic;
use crate::dialect::{Closure, Member, ScopeView, TemplateId};
use crate::template::{Digest, Layer, Scope, Stage, TemplateKey, TemplateName, Tenant};
use crate::version::Version;

/// The number of stages beside the stable one.
pub(crate) const LATER_STAGES: usize = Stage::ALL.len() - 1;

/// The newest texts of a tenant in one stage, and what is wrong with them.
#[derive(Debug)]
pub(crate) struct TenantTexts {
    pub(crate) overrides: Arc<Overrides>,
    /// The templates whose newest text is one of the tenant.
    pub(crate) defined: BTreeSet<TemplateId>,
    /// Those whose text the tenant has in this stage.
    pub(crate) of_stage: BTreeSet<TemplateId>,
    /// The faults of texts that are not those of the stage: of the tenant's own texts, and of texts of everyone that have other faults, or
    /// none, because of the tenant's texts.
    pub(crate) faults: BTreeMap<TemplateId, Option<Arc<[Diagnostic]>>>,
}

/// The newest texts of a tenant, by stage. A later stage without a value has those of the stable one.
pub(crate) type TenantStages = [Option<Arc<TenantTexts>>; Stage::ALL.len()];

/// The newest texts of all scopes beside shared stable.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewestScopes {
    pub(crate) stages: [Option<NewestTexts>; LATER_STAGES],
    pub(crate) tenants: TenantMap<Arc<TenantStages>>,
    pub(crate) exported: ExportedNames,
    /// The sum of the digests of all texts of tenants.
    pub(crate) sum: DigestSum,
}

/// A persistent map by tenant.
pub(crate) type TenantMap<V> = im::HashMap<Tenant, V, NameHasher>;

/// [`Exported`], with a description for tests.
#[derive(Clone, Default)]
pub(crate) struct ExportedNames(pub(crate) Exported);

impl std::fmt::Debug for ExportedNames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ExportedNames(..)")
    }
}

/// The news about scopes in a plan.
#[derive(Debug, Clone, Default)]
pub(crate) struct ScopeNews {
    /// The tenants whose texts or bad templates were decided again.
    pub(crate) tenants: BTreeSet<Tenant>,
    /// New texts of other layers than shared stable that compile.
    pub(crate) changed: BTreeSet<TemplateKey>,
    /// Removed texts of other layers.
    pub(crate) removed: BTreeSet<TemplateKey>,
}

impl ScopeNews {
    pub(crate) fn add(&mut self, other: Self) {
        self.tenants.extend(other.tenants);
        for key in &other.changed {
            self.removed.remove(key);
        }
        for key in &other.removed {
            self.changed.remove(key);
        }
        self.changed.extend(other.changed);
        self.removed.extend(other.removed);
    }
}

/// A change of what scopes are served.
#[derive(Clone, Copy)]
pub(crate) struct ScopeChange<'c> {
    pub(crate) newest: &'c NewestScopes,
    /// The tenants that were decided again.
    pub(crate) tenants: &'c BTreeSet<Tenant>,
    /// The version before.
    pub(crate) since: Version,
    pub(crate) names: &'c Index,
    /// The scopes of the version that an operator rolled back to.
    pub(crate) rolled_back_to: Option<&'c Scopes>,
}

/// The contents that the scopes beside shared stable serve. A clone shares nearly all memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scopes {
    /// The content of each later stage; `None` if it is that of stable.
    pub(crate) stages: [Option<Content>; LATER_STAGES],
    pub(crate) tenants: TenantMap<Arc<TenantView>>,
    /// The tenants that have a stale set of their own.
    pub(crate) detached: im::OrdSet<Tenant>,
    exported: ExportedNames,
    /// The sum of the digests of all texts of tenants.
    sum: DigestSum,
}

/// The texts and statuses that a tenant is served.
#[derive(Debug, Clone)]
pub(crate) struct TenantView {
    /// By stage; a later one without a value is served what stable is.
    stages: [Option<TenantStage>; Stage::ALL.len()],
    /// The faults and circuit breakers that renders remember, for all versions.
    memory: Arc<[ScopeMemory; Stage::ALL.len()]>,
}

/// The texts and statuses that a tenant is served in one stage.
#[derive(Debug, Clone)]
pub(crate) struct TenantStage {
    texts: Arc<TenantTexts>,
    /// The templates that are not current, if they are not those of the stage.
    stale: Option<Arc<StaleSet>>,
}

/// The content of one scope, as references.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScopeContent<'s> {
    pub(crate) content: &'s Content,
    pub(crate) tenant: Option<&'s TenantStage>,
}

impl Scopes {
    /// Returns true if there is no scope beside shared stable.
    pub(crate) fn is_empty(&self) -> bool {
        self.stages.iter().all(Option::is_none) && self.tenants.is_empty()
    }

    /// Returns the content of a stage for everyone.
    #[inline]
    pub(crate) fn stage<'s>(&'s self, stage: Stage, stable: &'s Content) -> &'s Content {
        let later = stage.number().checked_sub(1).and_then(|at| self.stages[at].as_ref());
        later.unwrap_or(stable)
    }

    /// Returns a tenant, if it has any text.
    #[inline]
    pub(crate) fn tenant(&self, tenant: &Tenant) -> Option<&Arc<TenantView>> {
        self.tenants.get(tenant.as_str())
    }

    /// Returns the scopes with templates that are bad for them only, each with their number; see `Snapshot::scopes_in_trouble`.
    pub(crate) fn in_trouble(&self, stable: &Content) -> Vec<(Layer, usize)> {
        let layer = |tenant: Option<&Tenant>, stage| {
            let tenant = tenant.cloned();
            Layer::of(Scope { tenant, stage })
        };
        let mut found = Vec::new();
        for (stage, content) in Stage::ALL.into_iter().skip(1).zip(&self.stages) {
            let bad = content
                .as_ref()
                .map(|content| content.stale().bad().without(stable.stale().bad()));
            let bad = bad.map_or(0, |bad| bad.len());
            if bad > 0 {
                found.push((layer(None, stage), bad));
            }
        }
        for tenant in &self.detached {
            let Some(view) = self.tenants.get(tenant) else { continue };
            let bad_in = |stage: Stage| {
                let own = view.stages[stage.number()].as_ref()?.stale.as_ref()?;
                let bad = own.bad().without(self.stage(stage, stable).stale().bad()).len();
                (bad > 0).then(|| (layer(Some(tenant), stage), bad))
            };
            found.extend(Stage::ALL.into_iter().find_map(bad_in));
        }
        found
    }

    /// Returns the tenant with an id, if it has any text.
    pub(crate) fn tenant_named(&self, id: &str) -> Option<Tenant> {
        self.tenants.get_key_value(id).map(|(tenant, _)| tenant.clone())
    }

    /// Returns the content of a scope. A tenant that has no text has that of its stage.
    pub(crate) fn content<'s>(&'s self, scope: &Scope, stable: &'s Content) -> ScopeContent<'s> {
        let tenant = scope.tenant.as_ref().and_then(|tenant| self.tenant(tenant));
        ScopeContent {
            content: self.stage(scope.stage, stable),
            tenant: tenant.and_then(|tenant| tenant.stage(scope.stage)),
        }
    }

    /// Returns the id that a name has in a scope.
    #[inline]
    pub(crate) fn id(&self, scope: &Scope, name: &str, names: &Index) -> Option<TemplateId> {
        match &scope.tenant {
            None => names.get(name),
            Some(tenant) => id_in_scope(&self.exported.0, tenant, name, |name| names.get(name)),
        }
    }

    /// Returns true if the layer of a scope has a text of a template.
    pub(crate) fn has_text(&self, scope: &Scope, id: TemplateId, stable: &Content) -> bool {
        match (&scope.tenant, scope.stage) {
            (None, Stage::Stable) => !matches!(stable.status(id), EntryStatus::Gone),
            (None, stage) => {
                let content = self.stages[stage.number() - 1].as_ref();
                content.is_some_and(|content| content.is_own(id))
            }
            (Some(tenant), stage) => {
                let texts = self
                    .tenant(tenant)
                    .and_then(|view| view.stages[stage.number()].as_ref());
                texts.is_some_and(|stage| stage.texts.of_stage.contains(&id))
            }
        }
    }

    /// Returns true if these texts are those of these scopes. `news` are the tenants that may differ.
    pub(crate) fn has(&self, newest: &NewestScopes, news: &BTreeSet<Tenant>) -> bool {
        let are_stages = self.stages.iter().zip(&newest.stages).all(|pair| match pair {
            (Some(content), Some(newest)) => content.has(newest),
            (None, None) => true,
            _ => false,
        });
        let is_same = |tenant: &Tenant| match (self.tenants.get(tenant), newest.tenants.get(tenant)) {
            (Some(view), Some(stages)) => view.has(stages),
            (view, stages) => view.is_none() && stages.is_none(),
        };
        are_stages && news.iter().all(is_same)
    }

    /// Returns the scopes after a change, given the contents of stable before and after it. The cost is that of the later stages that changed,
    /// of the tenants that were decided again, and of those that are detached.
    pub(crate) fn next(&self, change: &ScopeChange<'_>, (was, is): (&Content, &Content)) -> Self {
        let ScopeChange {
            newest, since, names, ..
        } = *change;
        let mut next = Self {
            stages: [const { None }; LATER_STAGES],
            tenants: self.tenants.clone(),
            detached: self.detached.clone(),
            exported: newest.exported.clone(),
            sum: newest.sum,
        };
        for (at, texts) in newest.stages.iter().enumerate() {
            let before = self.stages[at].as_ref().unwrap_or(was);
            next.stages[at] = texts.as_ref().map(|texts| match change.rolled_back_to {
                None => before.next(texts, since, names),
                Some(to) => to.stages[at].as_ref().unwrap_or(is).clone(),
            });
        }
        let is_new = |tenant: &&Tenant| !change.tenants.contains(*tenant);
        for tenant in change.tenants.iter().chain(self.detached.iter().filter(is_new)) {
            let Some(stages) = newest.tenants.get(tenant) else {
                next.tenants.remove(tenant);
                next.detached.remove(tenant);
                continue;
            };
            let before = self.tenants.get(tenant);
            let mut view = TenantView {
                stages: [const { None }; Stage::ALL.len()],
                memory: before.map_or_else(Arc::default, |before| Arc::clone(&before.memory)),
            };
            for stage in Stage::ALL {
                let at = stage.number();
                let has_base = at == 0 || next.stages[at - 1].is_some();
                // A later stage without texts, neither of everyone nor of the tenant, is that of stable.
                let inherited = stages[0].as_ref().filter(|_| has_base);
                let Some(texts) = stages[at].as_ref().or(inherited) else {
                    continue;
                };
                let bases = (self.stage(stage, was), next.stage(stage, is));
                let former = before.and_then(|before| before.stage(stage));
                view.stages[at] = Some(TenantStage::next(former, texts, bases, change));
            }
            match view.stages.iter().flatten().any(|stage| stage.stale.is_some()) {
                true => _ = next.detached.insert(tenant.clone()),
                false => _ = next.detached.remove(tenant),
            }
            next.tenants.insert(tenant.clone(), Arc::new(view));
        }
        next
    }

    /// Returns a digest of everything that these scopes serve, together with that of shared stable.
    pub(crate) fn digest(&self, stable: Digest) -> Digest {
        if self.is_empty() {
            return stable;
        }
        let stages = self
            .stages
            .iter()
            .map(|content| content.as_ref().map_or(stable, Content::digest));
        let stages: Vec<Digest> = stages.collect();
        let tenants = self.sum.digest();
        let parts = [&stable].into_iter().chain(&stages).chain([&tenants]);
        Digest::over(parts.map(|part| part.as_bytes().as_slice()))
    }
}

impl TenantView {
    /// Returns what the tenant is served in a stage.
    #[inline]
    pub(crate) fn stage(&self, stage: Stage) -> Option<&TenantStage> {
        self.stages[stage.number()].as_ref().or(self.stages[0].as_ref())
    }

    /// Returns what renders of a stage remember. A stage without texts is that of stable.
    pub(crate) fn memory(&self, stage: Stage) -> &ScopeMemory {
        &self.memory[stage.number()]
    }

    fn has(&self, newest: &Arc<TenantStages>) -> bool {
        Stage::ALL.into_iter().all(|stage| {
            let texts = newest[stage.number()].as_ref().or(newest[0].as_ref());
            match (self.stage(stage), texts) {
                (Some(served), Some(texts)) => Arc::ptr_eq(&served.texts, texts) || served.texts.are(texts),
                (served, texts) => served.is_none() && texts.is_none(),
            }
        })
    }
}

impl TenantTexts {
    /// Returns true if these are the same texts, with the same bad templates.
    fn are(&self, other: &Self) -> bool {
        self.overrides.has_members_of(&other.overrides)
            && self.overrides.bad() == other.overrides.bad()
            && self.defined == other.defined
            && self.faults == other.faults
    }
}

impl TenantStage {
    /// Returns what a tenant is served after a version, in one stage. `was` and `is` are the contents of the stage before and after.
    fn next(
        before: Option<&Self>,
        texts: &Arc<TenantTexts>,
        (was, is): (&Content, &Content),
        change: &ScopeChange<'_>,
    ) -> Self {
        let former = before.map(|before| &before.texts.overrides);
        let own = before.and_then(|before| before.stale.as_ref());
        let stage_bad = is.stale().bad();
        let bad = texts.overrides.bad().unwrap_or(stage_bad);
        // The views that are pinned again after a roll-back are those of a time when the tenant may have had other texts.
        let has_same_texts =
            change.rolled_back_to.is_none() && former.is_some_and(|former| former.has_members_of(&texts.overrides));
        // A template that only the tenant had is stale for it, and broken for everyone.
        let is_stale_here = |id: &TemplateId| {
            let had_text = former.is_some_and(|former| former.placed(*id).is_some());
            had_text && stage_bad.contains(*id) && !was.is_bad(*id) && is.stale().is_broken(*id)
        };
        let is_shared = match own {
            None if texts.overrides.bad().is_some() => false,
            None => stage_bad.is_empty() || (has_same_texts && !texts.defined.iter().any(is_stale_here)),
            Some(_) => bad.is_empty() && stage_bad.is_empty(),
        };
        if is_shared {
            return Self {
                texts: Arc::clone(texts),
                stale: None,
            };
        }
        let detached = match own {
            Some(own) => Arc::clone(own),
            None => Arc::new(was.stale().detached(former)),
        };
        let pin = PinnedView {
            view: Arc::clone(&was.view),
            overrides: former.cloned(),
        };
        Self {
            texts: Arc::clone(texts),
            stale: Some(Arc::new(detached.next(bad, &pin, change.since))),
        }
    }
}

impl<'s> ScopeContent<'s> {
    /// Returns the templates that are not current.
    #[inline]
    pub(crate) fn stale(self) -> &'s StaleSet {
        let own = self.tenant.and_then(|tenant| tenant.stale.as_deref());
        own.unwrap_or_else(|| self.content.stale())
    }

    /// Returns true if a template has a fault or reaches one.
    pub(crate) fn is_bad(self, id: TemplateId) -> bool {
        self.stale().bad().contains(id)
    }

    /// Returns the view of the newest texts.
    #[inline]
    pub(crate) fn view(self) -> ScopeView<'s> {
        match self.tenant {
            None => ScopeView::shared(&*self.content.view),
            Some(tenant) => ScopeView::overlaid(&*self.content.view, &*tenant.texts.overrides),
        }
    }

    /// Returns the status of a template.
    #[inline]
    pub(crate) fn status(self, id: TemplateId) -> EntryStatus<'s> {
        let Some(tenant) = self.tenant else {
            return self.content.status(id);
        };
        let stale = self.stale();
        let Some(number) = stale.class_of(id) else {
            let view = self.view();
            let closure = view.member(id).map(|top| Closure::in_scope(view, top));
            return closure.map_or(EntryStatus::Gone, EntryStatus::Current);
        };
        let class = stale.class(number);
        let closure = class.and_then(|class| {
            let view = match &tenant.stale {
                Some(_) => class.pin.scope_view(),
                None => ScopeView::overlaid(&*class.pin.view, &*tenant.texts.overrides),
            };
            Some((Closure::in_scope(view, view.member(id)?), class.since))
        });
        closure.map_or(EntryStatus::Broken, |(closure, since)| EntryStatus::Stale {
            closure,
            since,
        })
    }

    /// Returns the closures of a template in the views that stale templates are served from and in which it is good.
    pub(crate) fn pinned(self, id: TemplateId) -> Vec<(Version, Closure<'s>)> {
        let inherited = self.tenant.filter(|tenant| tenant.stale.is_none());
        let closures = self.stale().classes().filter_map(|class| {
            let view = match inherited {
                Some(tenant) => ScopeView::overlaid(&*class.pin.view, &*tenant.texts.overrides),
                None => class.pin.scope_view(),
            };
            let top = view.member(id).filter(|_| view.is_whole(id))?;
            Some((class.since, Closure::in_scope(view, top)))
        });
        closures.collect()
    }

    /// Returns true if a template has a fault by itself.
    pub(crate) fn has_fault(self, id: TemplateId) -> bool {
        match self.own_faults(id) {
            Some(faults) => faults.is_some(),
            None => self.content.faults.has(id),
        }
    }

    /// Returns the faults of a text by itself.
    pub(crate) fn faults_of(self, id: TemplateId) -> Option<Arc<[Diagnostic]>> {
        match self.own_faults(id) {
            Some(faults) => faults.cloned(),
            None => self.content.faults.of(id, &self.content.view),
        }
    }

    /// Returns the faults that a text has only for the tenant, if they differ from those that it has for everyone.
    fn own_faults(self, id: TemplateId) -> Option<Option<&'s Arc<[Diagnostic]>>> {
        let texts = &*self.tenant?.texts;
        match texts.faults.get(&id) {
            Some(faults) => Some(faults.as_ref()),
            None => texts.defined.contains(&id).then_some(None),
        }
    }

    /// Returns the member of the newest text that compiled.
    pub(crate) fn member(self, id: TemplateId) -> Option<&'s Member> {
        self.view().member(id)
    }

    /// Returns every template of the scope, by id. `names` may be those of a later version.
    pub(crate) fn entries(
        self,
        names: &'s Index,
    ) -> impl Iterator<Item = (TemplateId, &'s TemplateName, EntryStatus<'s>)> {
        names.iter().filter_map(move |(id, name)| match self.status(id) {
            EntryStatus::Gone => None,
            status => Some((id, name, status)),
        })
    }

    /// Returns the bad templates.
    pub(crate) fn bad(self) -> &'s IdSet {
        self.stale().bad()
    }
}
