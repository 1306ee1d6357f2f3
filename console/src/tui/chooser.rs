//! Choosing the victims of an attack, with a sensible choice made beforehand.

use byztop_core::attack::{Attack, Directive, EquivocationForm, Trigger};
use byztop_core::types::{ReplicaId, ReplicaSet};

use super::action::{Injection, Motion};
use super::model::Model;

/// A half-made choice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Chooser {
    pub attacker: ReplicaId,
    pub attack: Injection,
    /// Everyone else, and whether they are chosen.
    pub candidates: Vec<(ReplicaId, bool)>,
    /// The row of the mark.
    pub cursor: usize,
    /// Whether an equivocation gives the victims another batch instead of another number.
    pub is_by_digest: bool,
}

impl Chooser {
    /// Offers the last f of the others, rather those that nothing is set on and that do not lead: few enough that the
    /// rest is a quorum.
    pub(super) fn new(model: &Model, attacker: ReplicaId, attack: Injection) -> Chooser {
        let leader = model.reign().map(|reign| reign.leader);
        let faulty = model.faulty();
        let mut order: Vec<ReplicaId> = model.committee.others(attacker).collect();
        order.sort_by_key(|id| (faulty.contains(id), Some(*id) == leader, std::cmp::Reverse(*id)));
        let chosen = &order[..model.committee.faulty().clamp(1, order.len().max(1)).min(order.len())];
        let candidates = model.committee.others(attacker).map(|id| (id, chosen.contains(&id))).collect::<Vec<_>>();
        let cursor = candidates.iter().position(|(_, is_chosen)| *is_chosen).unwrap_or(0);
        Chooser { attacker, attack, candidates, cursor, is_by_digest: false }
    }

    pub(super) fn move_mark(&mut self, motion: Motion) {
        self.cursor = motion.apply(self.cursor, self.candidates.len(), 8);
    }

    pub(super) fn toggle(&mut self) {
        if let Some((_, is_chosen)) = self.candidates.get_mut(self.cursor) {
            *is_chosen = !*is_chosen;
        }
    }

    /// Switches the form of an equivocation.
    pub(super) fn switch_form(&mut self) {
        self.is_by_digest = self.attack == Injection::Equivocate && !self.is_by_digest;
    }

    /// What was chosen, or `None` if nobody was.
    pub(super) fn directive(&self) -> Option<Directive> {
        let chosen = self.candidates.iter().filter(|(_, is_chosen)| *is_chosen);
        let victims: ReplicaSet = chosen.map(|(id, _)| *id).collect();
        let form = if self.is_by_digest {
            EquivocationForm::Digest
        } else {
            EquivocationForm::Offset(Attack::DEFAULT_OFFSET_SLOTS)
        };
        let attack = match self.attack {
            Injection::Equivocate => Attack::Equivocation { victims, form },
            _ => Attack::Dark(victims),
        };
        (!victims.is_empty()).then_some(Directive { attacker: None, attack, trigger: Trigger::Always })
    }
}
