//! Which views others ask for.

use std::collections::BTreeMap;

use super::form::Form;
use super::message::ViewChange;
use crate::crypto::Signed;
use crate::types::{ReplicaId, View};

/// The view changes of each replica that count: the one for the highest view that it asked for, and, if it asked for a lower
/// one after that, the last of those.
///
/// Nobody honest ever asks for less than before. A replica that was under an attack may have signed a view change for the
/// last view there is, and is needed again once the attack has ended: without the second one it could never help a view to
/// begin.
#[derive(Clone, Debug)]
pub(super) struct Asks<F: Form> {
    highest: BTreeMap<ReplicaId, Signed<ViewChange<F>>>,
    lower: BTreeMap<ReplicaId, Signed<ViewChange<F>>>,
}

impl<F: Form> Asks<F> {
    /// The most view changes that are kept, of `n` replicas.
    pub(super) const fn bound(n: usize) -> usize {
        2 * n
    }

    /// Nobody asks.
    pub(super) fn new() -> Asks<F> {
        Asks { highest: BTreeMap::new(), lower: BTreeMap::new() }
    }

    /// Keeps a view change, unless one of the replica for that view is kept; gives the one that went for it.
    pub(super) fn keep(&mut self, signed: &Signed<ViewChange<F>>) -> Option<Signed<ViewChange<F>>> {
        let ViewChange { view, replica, .. } = signed.body;
        let is_known = self.for_view(view).any(|earlier| earlier.body.replica == replica);
        let is_highest = self.of(replica).is_none_or(|highest| highest.body.view < view);
        let kept = if is_highest { &mut self.highest } else { &mut self.lower };
        if is_known { None } else { kept.insert(replica, signed.clone()) }
    }

    /// The view change of one replica for the highest view that it asked for.
    pub(super) fn of(&self, replica: ReplicaId) -> Option<&Signed<ViewChange<F>>> {
        self.highest.get(&replica)
    }

    /// The same of everyone, in the order of replicas.
    pub(super) fn highest(&self) -> impl Iterator<Item = &Signed<ViewChange<F>>> + Clone {
        self.highest.values()
    }

    /// Those for one view in the order of replicas, at most one of each.
    pub(super) fn for_view(&self, view: View) -> impl Iterator<Item = &Signed<ViewChange<F>>> + Clone {
        let of = move |(replica, highest)| {
            let mut both = std::iter::once(highest).chain(self.lower.get(replica));
            both.find(|signed| signed.body.view == view)
        };
        self.highest.iter().filter_map(of)
    }

    /// Everything that is kept.
    pub(super) fn all(&self) -> impl Iterator<Item = &Signed<ViewChange<F>>> + Clone {
        self.highest.values().chain(self.lower.values())
    }

    /// How many are kept.
    pub(super) fn len(&self) -> usize {
        self.highest.len() + self.lower.len()
    }

    /// Takes back the highest request of a replica, which has long said that it does not make it.
    pub(super) fn withdraw(&mut self, replica: ReplicaId) {
        self.highest.remove(&replica);
        self.highest.extend(self.lower.remove_entry(&replica));
    }

    /// Forgets those for views that are not above this one.
    pub(super) fn forget_up_to(&mut self, view: View) {
        for asks in [&mut self.highest, &mut self.lower] {
            asks.retain(|_, signed| signed.body.view > view);
        }
    }
}
