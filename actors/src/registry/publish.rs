//! [`publish`]: the next version from the last one and a plan.

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
use crate::snapshot::{EntryChange, NameHasher, Snapshot, Why};
use crate::template::TemplateName;
use crate::version::Version;

/// What is to become of a plan.
#[derive(Debug)]
#[non_exhaustive]
pub enum Decision {
    /// It says what is so already.
    Unchanged,
    /// It is a new version.
    Published {
        /// What the Registry knows from now on.
        truth: RegistryState,
        /// What is served from now on.
        snapshot: Arc<Snapshot>,
        /// What is new in it.
        report: Report,
    },
    /// It is accepted, but waits: what is served was chosen by rolling back.
    Held {
        /// What the Registry knows from now on.
        truth: RegistryState,
    },
    /// It is not accepted, and nothing changes.
    Refused {
        /// Why.
        reason: Refusal,
    },
}

/// Why a plan is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Over [`Limits::templates`].
    #[error(
        "there would be {templates} names of templates, defined or called, but the limit `templates` is {limit}: \
         raise the limit, or remove templates and start anew"
    )]
    TooManyTemplates {
        /// As many as there would be.
        templates: usize,
        /// The limit that was met.
        limit: usize,
    },
    /// The plan was made for something else than what the Registry has.
    #[error("the plan and the registry disagree about `{name}`: a whole plan is needed")]
    Incoherent {
        /// Which name shows it.
        name: TemplateName,
    },
}

/// Makes the next version. Pure; costs what the plan names, and once whenever names have grown by a quarter, what there are.
#[must_use]
pub fn publish(truth: &RegistryState, plan: &Plan, formatters: &Formatters, limits: &Limits) -> Decision {
    let mut draft = Draft::new(truth, formatters);
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
        return Decision::Held { truth: next };
    }
    let (truth, snapshot, report) = next.publish(truth, names.iter(), None, limits);
    Decision::Published {
        truth,
        snapshot,
        report,
    }
}

/// The next head while it is being made.
struct Draft<'t> {
    truth: &'t RegistryState,
    formatters: &'t Formatters,
    index: Index,
    /// Of the view that is the base.
    closures: Closures<'t>,
    /// What became of names whose record is another now.
    changes: HashMap<TemplateName, Option<Arc<RegistryEntry>>, NameHasher>,
}

impl<'t> Draft<'t> {
    fn new(truth: &'t RegistryState, formatters: &'t Formatters) -> Self {
        Self {
            truth,
            formatters,
            index: truth.index.clone(),
            closures: Closures::new(&truth.head.content.view),
            changes: HashMap::default(),
        }
    }

    /// Writes what a plan says. Fails with a name about which the plan and the truth disagree.
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
        if let Some(name) = members.into_keys().next() {
            return Err(name.clone());
        }
        if plan.whole {
            let named: HashSet<&TemplateName, NameHasher> = plan.verdicts.iter().map(|(name, _)| name).collect();
            let defined = self.truth.head.records.keys();
            defined
                .filter(|name| !named.contains(name))
                .for_each(|name| self.gone(name));
        }
        Ok(())
    }

    /// The member of a placement: the one that there is, if its text is the same.
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

    fn good(&mut self, name: &TemplateName, member: Option<Arc<Member>>) -> Result<(), TemplateName> {
        let before = self.before(name).and_then(|record| record.member.clone());
        let Some(member) = member.or(before) else {
            return Err(name.clone());
        };
        let entry = Entry::current(&member);
        self.record(name, Some(member), Arc::new(entry));
        Ok(())
    }

    /// What was served goes on being served.
    fn bad(&mut self, name: &TemplateName, member: Option<Arc<Member>>, why: &Arc<Why>) {
        let before = self.before(name);
        let entry = match before {
            Some(RegistryEntry { id, entry, member }) => match (&entry.state, member) {
                (EntryState::Current, Some(member)) => {
                    let closure = self.closures.digest(*id, member);
                    let base = Arc::clone(self.base());
                    Arc::new(Entry::stale(name.clone(), closure, base, self.since(), Arc::clone(why)))
                }
                (EntryState::Current, None) => Arc::new(Entry::broken(name.clone(), Arc::clone(why))),
                (EntryState::Stale { why: was, .. } | EntryState::Broken { why: was }, _) if was.says_the_same(why) => {
                    Arc::clone(entry)
                }
                (EntryState::Stale { .. } | EntryState::Broken { .. }, _) => Arc::new(entry.because(why)),
            },
            None => Arc::new(Entry::broken(name.clone(), Arc::clone(why))),
        };
        let member = member.or_else(|| before.and_then(|record| record.member.clone()));
        self.record(name, member, entry);
    }

    fn gone(&mut self, name: &TemplateName) {
        if self.before(name).is_some() {
            self.changes.insert(name.clone(), None);
        }
    }

    /// Notes what became of a name, if it is something else.
    fn record(&mut self, name: &TemplateName, member: Option<Arc<Member>>, entry: Arc<Entry>) {
        let same = self.before(name).is_some_and(|before| {
            let same_member = before.member.as_ref().map(Arc::as_ptr) == member.as_ref().map(Arc::as_ptr);
            same_member && before.entry.is_the_same_as(&entry)
        });
        if !same {
            let id = self.index.id_of(name);
            let record = Arc::new(RegistryEntry { id, member, entry });
            self.changes.insert(name.clone(), Some(record));
        }
    }

    fn before(&self, name: &TemplateName) -> Option<&'t RegistryEntry> {
        self.truth.head.records.get(name).map(|record| &**record)
    }

    /// The view that entries go on with which this plan makes stale: one for all of them.
    fn base(&self) -> &'t Arc<View> {
        &self.truth.head.content.view
    }

    /// The last version in which what this plan makes stale was current.
    fn since(&self) -> Version {
        self.truth.head.version
    }

    /// The truth with the changes in its head, and the names of the changes.
    fn finish(self) -> (RegistryState, Vec<TemplateName>) {
        let mut truth = self.truth.clone();
        let mut names = Vec::with_capacity(self.changes.len());
        let (mut members, mut entries) = (Vec::new(), Vec::new());
        for (name, record) in self.changes {
            let before = match &record {
                Some(record) => truth.head.records.insert(name.clone(), record.clone()),
                None => truth.head.records.remove(&name),
            };
            names.push(name);
            let Some(id) = record.as_ref().or(before.as_ref()).map(|record| record.id) else {
                continue;
            };
            let (member, entry) = match &record {
                Some(record) => (record.member.clone(), Some(Arc::clone(&record.entry))),
                None => (None, None),
            };
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
        truth.head.content.write(members, entries);
        truth.index = self.index;
        (truth, names)
    }
}

/// Stands where a formatter is not registered. The template is bad for that, and never rendered.
fn missing_formatter() -> Formatter {
    Formatter::new(|_, _| Err(FormatterError::new("there is no such formatter")))
}
