//! [`Overrides`]: the compiled texts that a tenant has in place of those of everyone.

use std::sync::Arc;

use super::id_set::IdSet;
use super::index::private_key;
use super::served::DigestSum;
use super::view::PlacedMember;
use crate::dialect::{Member, Members, Overlay, TemplateId};
use crate::template::{Digest, TemplateName, Tenant};

/// A pure function that says which names are exported: shared by all tenants. Without one, all names are.
pub(crate) type Exported = Option<Arc<dyn Fn(&str) -> bool + Send + Sync>>;

/// The slots for each member, as a fraction: a look-up that finds nothing ends after a few slots.
const SLOTS: usize = 3;
const FOR_MEMBERS: usize = 2;

/// An immutable hash table with open addressing and linear probing, from ids to members. A render asks it before the view of the stage, so a
/// look-up is one multiplication and a few comparisons, and twenty members take 512 bytes.
pub(crate) struct Overrides {
    tenant: Tenant,
    exported: Exported,
    table: Arc<Table>,
    /// The bad templates of the scope, if they are not those of its stage.
    bad: Option<IdSet>,
}

#[derive(Default)]
struct Table {
    /// A power of two of slots, at least one of which is empty; or none.
    slots: Box<[Slot]>,
    len: usize,
}

type Slot = Option<(TemplateId, Arc<PlacedMember>)>;

impl Table {
    fn of(members: Vec<(TemplateId, Arc<PlacedMember>)>) -> Self {
        let len = members.len();
        if len == 0 {
            return Self::default();
        }
        let size = (len * SLOTS / FOR_MEMBERS + 1).next_power_of_two();
        let mut slots: Box<[Slot]> = (0..size).map(|_| None).collect();
        for (id, member) in members {
            let mut at = first_slot(id, size);
            while slots[at].is_some() {
                at = (at + 1) & (size - 1);
            }
            slots[at] = Some((id, member));
        }
        Self { slots, len }
    }

    #[inline]
    fn get(&self, id: TemplateId) -> Option<&Arc<PlacedMember>> {
        let size = self.slots.len();
        if size == 0 {
            return None;
        }
        let mut at = first_slot(id, size);
        loop {
            match &self.slots[at] {
                None => return None,
                Some((other, member)) if *other == id => return Some(member),
                Some(_) => at = (at + 1) & (size - 1),
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = &(TemplateId, Arc<PlacedMember>)> {
        self.slots.iter().flatten()
    }
}

/// Returns the first slot of an id: Fibonacci hashing (Knuth, volume 3, 6.4), which spreads ids that follow one another.
#[inline]
fn first_slot(id: TemplateId, size: usize) -> usize {
    let hash = (id.index() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (hash >> 32) as usize & (size - 1)
}

impl Overrides {
    pub(crate) fn new(tenant: Tenant, exported: Exported, members: Vec<(TemplateId, Arc<PlacedMember>)>) -> Self {
        Self {
            tenant,
            exported,
            table: Arc::new(Table::of(members)),
            bad: None,
        }
    }

    /// Returns these members with the bad templates of a scope, if they are not those of its stage.
    pub(crate) fn with_bad(&self, bad: Option<IdSet>) -> Self {
        Self {
            tenant: self.tenant.clone(),
            exported: self.exported.clone(),
            table: Arc::clone(&self.table),
            bad,
        }
    }

    /// Returns the bad templates of the scope, if they are not those of its stage.
    pub(crate) fn bad(&self) -> Option<&IdSet> {
        self.bad.as_ref()
    }

    /// Returns true if these are the same members, whatever is bad.
    pub(crate) fn has_members_of(&self, other: &Self) -> bool {
        let is_same = |(id, member): &(TemplateId, Arc<PlacedMember>)| {
            other.placed(*id).is_some_and(|other| Arc::ptr_eq(member, other))
        };
        Arc::ptr_eq(&self.table, &other.table) || (self.table.len == other.table.len && self.table.iter().all(is_same))
    }

    /// Returns the member of an id, with its digest.
    #[inline]
    pub(crate) fn placed(&self, id: TemplateId) -> Option<&Arc<PlacedMember>> {
        self.table.get(id)
    }

    /// Returns all members, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (TemplateId, &Arc<PlacedMember>)> {
        self.table.iter().map(|(id, member)| (*id, member))
    }

    /// Returns the number of members.
    pub(crate) fn len(&self) -> usize {
        self.table.len
    }

    fn is_exported(&self, name: &str) -> bool {
        self.exported.as_ref().is_none_or(|exported| exported(name))
    }
}

/// Returns the id that a name has in the scopes of a tenant. Nothing is allocated for a name that is exported.
pub(crate) fn id_in_scope(
    exported: &Exported,
    tenant: &Tenant,
    name: &str,
    find: impl Fn(&str) -> Option<TemplateId>,
) -> Option<TemplateId> {
    match exported {
        Some(exported) if !exported(name) => find(&private_key(tenant, name)),
        _ => find(name),
    }
}

impl Overlay for Overrides {
    #[inline]
    fn member(&self, id: TemplateId) -> Option<&Member> {
        self.table.get(id).map(|placed| &placed.member)
    }

    fn id(&self, name: &str, below: &dyn Members) -> Option<TemplateId> {
        id_in_scope(&self.exported, &self.tenant, name, |name| below.id(name))
    }

    fn is_whole(&self, id: TemplateId, below: &dyn Members) -> bool {
        match &self.bad {
            Some(bad) => !bad.contains(id),
            None => below.is_whole(id),
        }
    }

    fn names<'s>(&'s self, below: &'s dyn Members) -> Box<dyn Iterator<Item = &'s TemplateName> + 's> {
        let own = self.iter().map(|(_, placed)| &placed.member.name);
        let exported = below.names().filter(|name| self.is_exported(name.as_str()));
        Box::new(own.chain(exported))
    }

    fn digest(&self, below: &dyn Members) -> Digest {
        let mut sum = DigestSum::default();
        let is_good = |id| self.is_whole(id, below);
        let good = self.iter().filter(|(id, _)| is_good(*id));
        good.for_each(|(_, placed)| sum.add(&placed.own));
        let bad = self.bad.iter().flat_map(IdSet::iter);
        for member in bad.filter_map(|id| below.member(id)) {
            sum.subtract(&Digest::of(member.name.as_str().as_bytes()));
        }
        Digest::over([below.digest().as_bytes().as_slice(), sum.digest().as_bytes()])
    }
}

impl std::fmt::Debug for Overrides {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overrides")
            .field("tenant", &self.tenant)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
