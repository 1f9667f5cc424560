//! [`publish`]: computes the next version from the last one and a plan.
//!
//! The Graph decides which templates are good, bad or gone. Only the Registry knows what was served before, so it derives the status:
//!
//! | verdict | before | now |
//! |---|---|---|
//! | good | any | current |
//! | bad | current | stale: it pins the view of the last version, which all entries that break together share |
//! | bad | stale | stale, with the view that it already pins |
//! | bad | broken, or new | broken |
//! | gone | any | removed |
//!
//! The work is proportional to the plan, not to the number of templates.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::state::{RegistryEntry, RegistryState};
use crate::dialect::{Formatter, FormatterError, Formatters, Member};
use crate::limits::Limits;
use crate::protocol::plan::{Placement, Plan, Verdict};
use crate::protocol::report::Report;
use crate::snapshot::entry::{Entry, EntryState};
use crate::snapshot::index::Index;
use crate::snapshot::served::Closures;
use crate::snapshot::view::View;
use crate::snapshot::{EntryChange, NameHasher, Why};
use crate::template::TemplateName;
use crate::version::Version;

/// The decision about a plan.
#[derive(Debug)]
#[non_exhaustive]
pub enum Decision {
    /// The plan changes nothing.
    Unchanged,
    /// The plan is published as a new version.
    Published {
        /// The new state of the Registry, with the snapshot to serve.
        state: RegistryState,
        /// The differences from the version before.
        report: Report,
    },
    /// The plan is accepted and waits, because an earlier version is held.
    Held {
        /// The new state of the Registry.
        state: RegistryState,
    },
    /// The plan is rejected, and nothing changes.
    Refused {
        /// The reason.
        reason: Refusal,
    },
}

/// The reason why a plan is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The number of names would exceed [`Limits::templates`].
    #[error(
        "there would be {templates} names of templates, defined or called, but the limit `templates` is {limit}: \
         raise the limit, or remove templates and restart"
    )]
    TooManyTemplates {
        /// The number of names that there would be.
        templates: usize,
        /// The limit.
        limit: usize,
    },
    /// The plan does not fit the state of the Registry, so the Graph has to send a whole plan.
    #[error("the plan and the registry disagree about `{name}`: a whole plan is needed")]
    Incoherent {
        /// The first name about which they disagree.
        name: TemplateName,
    },
}

/// Computes the next version: a pure function whose cost is that of the plan, plus an amortised cost for new names.
#[must_use]
pub fn publish(state: &RegistryState, plan: &Plan, formatters: &Formatters, limits: &Limits) -> Decision {
    let mut draft = Draft::new(state, formatters);
    let written = draft.write(plan);
    let limit = limits.templates.min(u32::MAX as usize);
    let templates = draft.index.len();
    if templates > limit {
        let reason = Refusal::TooManyTemplates { templates, limit };
        return Decision::Refused { reason };
    }
    if let Err(name) = written {
        let reason = Refusal::Incoherent { name };
        return Decision::Refused { reason };
    }
    if draft.changes.is_empty() {
        return Decision::Unchanged;
    }
    let (next, names) = draft.finish();
    if next.is_held() {
        return Decision::Held { state: next };
    }
    let (state, report) = next.publish(state, names.iter(), None, limits);
    Decision::Published { state, report }
}

/// The next head while it is being made.
struct Draft<'t> {
    state: &'t RegistryState,
    formatters: &'t Formatters,
    index: Index,
    /// The digests of closures in the view that stale entries pin.
    closures: Closures<'t>,
    /// The new records of changed names; `None` for a name that is gone.
    changes: HashMap<TemplateName, Option<Arc<RegistryEntry>>, NameHasher>,
}

impl<'t> Draft<'t> {
    fn new(state: &'t RegistryState, formatters: &'t Formatters) -> Self {
        Self {
            state,
            formatters,
            index: state.index.clone(),
            closures: Closures::new(&state.head.content.view),
            changes: HashMap::default(),
        }
    }

    /// Applies a plan.
    ///
    /// # Errors
    /// A name about which the plan and the state disagree.
    fn write(&mut self, plan: &Plan) -> Result<(), TemplateName> {
        let mut members: HashMap<&TemplateName, Arc<Member>, NameHasher> = HashMap::default();
        for placement in &plan.units {
            let member = self.member(placement);
            members.insert(&placement.name, member);
        }
        for (name, verdict) in &plan.verdicts {
            let member = members.remove(name);
            match verdict {
                Verdict::Good => self.good(name, member)?,
                Verdict::Bad(why) => self.bad(name, member, why),
                Verdict::Gone => self.gone(name),
            }
        }
        // A text without a verdict: the plan is incomplete.
        if let Some(name) = members.into_keys().next() {
            return Err(name.clone());
        }
        // A whole plan names every template, so any other is gone.
        if plan.whole {
            let named: HashSet<&TemplateName, NameHasher> = plan.verdicts.iter().map(|(name, _)| name).collect();
            let defined = self.state.head.records.keys();
            defined
                .filter(|name| !named.contains(name))
                .for_each(|name| self.gone(name));
        }
        Ok(())
    }

    /// Returns the member of a placement: the existing one, if its text has not changed.
    fn member(&mut self, placement: &Placement) -> Arc<Member> {
        let Placement {
            name,
            digest,
            unit,
            companions,
        } = placement;
        let before = self.before(name).and_then(|record| record.member.as_ref());
        if let Some(member) = before.filter(|member| member.digest == *digest) {
            return Arc::clone(member);
        }
        self.index.id_of(name);
        let formatters = unit
            .formatters()
            .iter()
            .map(|used| match self.formatters.get(&used.name) {
                Some(formatter) => formatter.clone(),
                None => missing_formatter(),
            });
        Arc::new(Member {
            name: name.clone(),
            digest: *digest,
            formatters: formatters.collect(),
            callees: unit.calls().iter().map(|call| self.index.id_of(&call.name)).collect(),
            companions: companions.iter().map(|companion| self.index.id_of(companion)).collect(),
            unit: Arc::clone(unit),
        })
    }

    /// Makes a template current.
    fn good(&mut self, name: &TemplateName, member: Option<Arc<Member>>) -> Result<(), TemplateName> {
        let before = self.before(name).and_then(|record| record.member.clone());
        let Some(member) = member.or(before) else {
            return Err(name.clone());
        };
        let entry = Entry::current(&member);
        self.record(name, Some(member), Arc::new(entry));
        Ok(())
    }

    /// Makes a template stale, or broken if it has no good version.
    fn bad(&mut self, name: &TemplateName, member: Option<Arc<Member>>, why: &Arc<Why>) {
        let before = self.before(name);
        let entry = match before {
            Some(RegistryEntry { id, entry, member }) => match (&entry.state, member) {
                (EntryState::Current, Some(member)) => {
                    // The entry breaks now. It pins the last view, in which its closure was current.
                    let closure = self.closures.digest(*id, member);
                    let pinned_view = Arc::clone(self.pinned_view());
                    Arc::new(Entry::stale(
                        name.clone(),
                        closure,
                        pinned_view,
                        self.since(),
                        Arc::clone(why),
                    ))
                }
                (EntryState::Current, None) => Arc::new(Entry::broken(name.clone(), Arc::clone(why))),
                (EntryState::Stale { why: was, .. } | EntryState::Broken { why: was }, _) if was.is_equivalent(why) => {
                    Arc::clone(entry)
                }
                (EntryState::Stale { .. } | EntryState::Broken { .. }, _) => Arc::new(entry.with_faults(why)),
            },
            None => Arc::new(Entry::broken(name.clone(), Arc::clone(why))),
        };
        let member = member.or_else(|| before.and_then(|record| record.member.clone()));
        self.record(name, member, entry);
    }

    /// Removes a template.
    fn gone(&mut self, name: &TemplateName) {
        if self.before(name).is_some() {
            self.changes.insert(name.clone(), None);
        }
    }

    /// Stores the new record of a name, if it differs from the one before.
    fn record(&mut self, name: &TemplateName, member: Option<Arc<Member>>, entry: Arc<Entry>) {
        let is_unchanged = self.before(name).is_some_and(|before| {
            let same_member = before.member.as_ref().map(Arc::as_ptr) == member.as_ref().map(Arc::as_ptr);
            same_member && before.entry.is_the_same_as(&entry)
        });
        if !is_unchanged {
            let id = self.index.id_of(name);
            let record = Arc::new(RegistryEntry { id, member, entry });
            self.changes.insert(name.clone(), Some(record));
        }
    }

    fn before(&self, name: &TemplateName) -> Option<&'t RegistryEntry> {
        self.state.head.records.get(name).map(|record| &**record)
    }

    /// Returns the view that the entries pin which this plan makes stale.
    fn pinned_view(&self) -> &'t Arc<View> {
        &self.state.head.content.view
    }

    /// Returns the last version in which those entries were current.
    fn since(&self) -> Version {
        self.state.head.version
    }

    /// Returns the state with all changes applied, and their names.
    fn finish(self) -> (RegistryState, Vec<TemplateName>) {
        let mut state = self.state.clone();
        let mut names = Vec::with_capacity(self.changes.len());
        let (mut members, mut entries) = (Vec::new(), Vec::new());
        for (name, record) in self.changes {
            let before = match &record {
                Some(record) => state.head.records.insert(name.clone(), record.clone()),
                None => state.head.records.remove(&name),
            };
            names.push(name);
            let Some(id) = record.as_ref().or(before.as_ref()).map(|record| record.id) else {
                continue;
            };
            let (member, entry) = match &record {
                Some(record) => (record.member.clone(), Some(Arc::clone(&record.entry))),
                None => (None, None),
            };
            // Readers see a member and an entry; each is written only if it changed.
            let member_before = before.as_ref().and_then(|before| before.member.as_ref());
            if member.as_ref().map(Arc::as_ptr) != member_before.map(Arc::as_ptr) {
                members.push((id, member));
            }
            let entry_before = before.as_ref().map(|before| &before.entry);
            let same = entry
                .as_ref()
                .zip(entry_before)
                .is_some_and(|(entry, before)| entry.is_the_same_as(before));
            if !same {
                entries.push(EntryChange {
                    id,
                    before: entry_before.cloned(),
                    after: entry,
                });
            }
        }
        state.head.content.write(members, entries);
        state.index = self.index;
        (state, names)
    }
}

/// Returns a placeholder for a formatter that is not registered. A template with one is bad and never rendered.
fn missing_formatter() -> Formatter {
    Formatter::new(|_, _| Err(FormatterError::new("there is no such formatter")))
}
