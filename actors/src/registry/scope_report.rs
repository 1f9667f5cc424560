//! The part of a [`Report`] about scopes beside shared stable.

use crate::dialect::TemplateId;
use crate::protocol::report::{NameSample, Report, ScopeReport};
use crate::snapshot::{EntryStatus, IdSet, ScopeNews, Snapshot};
use crate::template::{Layer, Scope, Stage, TemplateName, Tenant};

/// The number of templates of a scope whose reason is searched for.
const REASONS_MAX: usize = 10;

impl Report {
    /// Adds the texts of other layers, and the scopes in which other templates changed their status than for everyone. Names up to `listed`
    /// scopes, and templates of each status.
    pub(super) fn add_scopes(&mut self, before: &Snapshot, after: &Snapshot, news: &ScopeNews, listed: usize) {
        let (was, is) = (&before.generation().scopes, &after.generation().scopes);
        if was.is_empty() && is.is_empty() {
            return;
        }
        self.changed.extend(news.changed.iter().cloned());
        self.removed.extend(news.removed.iter().cloned());
        let for_everyone = Change::of(before, after, &Scope::default());
        for stage in [Stage::Canary, Stage::Experimental] {
            let scope = Scope { tenant: None, stage };
            let change = Change::of(before, after, &scope).beside(&for_everyone);
            self.scopes.extend(change.report(after, scope, listed));
        }
        let detached = was.detached.iter().chain(is.detached.iter());
        let tenants: std::collections::BTreeSet<&Tenant> = detached.collect();
        for tenant in tenants {
            if self.scopes.len() >= listed {
                break;
            }
            for stage in Stage::ALL {
                let of = |tenant| Scope { tenant, stage };
                let shared = Change::of(before, after, &of(None));
                let scope = of(Some(tenant.clone()));
                let change = Change::of(before, after, &scope).beside(&shared);
                self.scopes.extend(change.report(after, scope, listed));
            }
        }
        self.scopes.truncate(listed);
    }
}

/// The templates that are bad in a scope since a version, and those that no longer are.
struct Change {
    failed: IdSet,
    recovered: IdSet,
}

impl Change {
    fn of(before: &Snapshot, after: &Snapshot, scope: &Scope) -> Self {
        let bad = |snapshot: &Snapshot| {
            let generation = snapshot.generation();
            generation.scopes.content(scope, &generation.content).bad().clone()
        };
        let (was, is) = (bad(before), bad(after));
        Self {
            failed: is.without(&was),
            recovered: was.without(&is),
        }
    }

    /// Returns what is not the same for others.
    fn beside(self, others: &Self) -> Self {
        Self {
            failed: self.failed.without(&others.failed),
            recovered: self.recovered.without(&others.recovered),
        }
    }

    fn report(&self, after: &Snapshot, scope: Scope, listed: usize) -> Option<ScopeReport> {
        if self.failed.is_empty() && self.recovered.is_empty() {
            return None;
        }
        let generation = after.generation();
        let content = generation.scopes.content(&scope, &generation.content);
        let names = after.names();
        let sample = |ids: &IdSet| {
            let named = ids.iter().take(listed).filter_map(|id| names.name(id).cloned());
            let mut named: Vec<TemplateName> = named.collect();
            named.sort_unstable();
            NameSample {
                count: ids.len(),
                names: named,
            }
        };
        let is_current = |id: &TemplateId| matches!(content.status(*id), EntryStatus::Current(_));
        let recovered: IdSet = self.recovered.iter().filter(is_current).collect();
        let broken = content.stale().broken_of(&self.failed);
        let mut diagnostics = Vec::new();
        for why in self
            .failed
            .iter()
            .take(REASONS_MAX)
            .filter_map(|id| content.why(id, names))
        {
            for fault in why.diagnostics.iter() {
                let mut fault = fault.clone();
                fault.chain.clear();
                if !diagnostics.contains(&fault) {
                    diagnostics.push(fault);
                }
            }
        }
        if self.failed.is_empty() && recovered.is_empty() {
            return None;
        }
        Some(ScopeReport {
            stale: sample(&self.failed.without(&broken)),
            broken: sample(&broken),
            recovered: sample(&recovered),
            scope: Layer::of(scope),
            diagnostics,
        })
    }
}
