//! What befalls processes and their disks in a seed's schedule, where that is asked for.

use super::network::Dice;
use super::schedule::{Action, Durability, Ending, Schedule};
use crate::types::{ReplicaId, ReplicaSet, Time};

impl Schedule {
    /// The same, and processes end on the way, in the middle of what they do, and their disks fail them.
    ///
    /// Whoever keeps what it wrote may be anyone, sometimes all at once. Whoever loses its log, or what it wrote last, counts
    /// against f; in half of all seeds nobody else does. Those that lose their memory anyhow or lead two lives are spared.
    ///
    /// What else the seed brings does not change, but for the Byzantine replicas that make room.
    #[must_use]
    pub fn with_disk_faults(mut self) -> Schedule {
        // Of its own, so that the rest of a seed's fate does not depend on it.
        let mut dice = Dice::new([self.seed, 5, 0, 0]);
        if dice.per_mille(500) {
            self.actions.retain(|(_, action)| !is_byzantine_or_amnesiac(action));
        }
        if dice.per_mille(600) {
            self.durability = Durability::Os;
        }
        let calm = |(at, action): &(Time, Action)| (*action == Action::Calm).then_some(at.0);
        let Some(end) = self.actions.iter().find_map(calm) else { return self };
        let mut wear = Wear::new(&self, dice, end);
        for _ in 0..wear.dice.between(1, 5) {
            wear.befall();
        }
        self.actions.append(&mut wear.actions);
        self.actions.sort_by_key(|(at, _)| *at);
        self
    }
}

fn is_byzantine_or_amnesiac(action: &Action) -> bool {
    matches!(action, Action::Attack { .. } | Action::Heal(_) | Action::Twin { .. } | Action::Crash(_))
}

/// What befalls processes and disks, in the making.
struct Wear {
    dice: Dice,
    durability: Durability,
    /// Who may be killed: all but f at most.
    mortal: Vec<ReplicaId>,
    /// Who may lose what it wrote: as many as there is room for.
    forgetful: Vec<ReplicaId>,
    /// When the safety phase ends.
    end: u64,
    actions: Vec<(Time, Action)>,
}

impl Wear {
    fn new(schedule: &Schedule, mut dice: Dice, end: u64) -> Wear {
        let spared = |(_, action): &(Time, Action)| match action {
            Action::Crash(replica) | Action::Twin { replica, .. } => Some(*replica),
            _ => None,
        };
        let spared: ReplicaSet = schedule.actions.iter().filter_map(spared).collect();
        let mortal: Vec<ReplicaId> = schedule.committee.members().filter(|member| !spared.contains(*member)).collect();
        let faulty: ReplicaSet = schedule.byzantine().iter().chain(schedule.amnesiac().iter()).collect();
        let mut candidates: Vec<ReplicaId> = schedule.committee.members().filter(|m| !faulty.contains(*m)).collect();
        let room = schedule.committee.faulty().saturating_sub(faulty.len());
        let forgetful = (0..room).map(|_| candidates.remove(dice.below(candidates.len() as u64) as usize)).collect();
        let (durability, actions) = (schedule.durability, Vec::new());
        Wear { dice, durability, mortal, forgetful, end, actions }
    }

    fn at(&mut self, at: u64, action: Action) {
        self.actions.push((Time(at.min(self.end - 1)), action));
    }

    /// One misfortune, of one replica or of all.
    fn befall(&mut self) {
        let at = self.dice.below(self.end - 1);
        let kind = self.dice.below(10);
        if !self.forgetful.is_empty() && kind < 5 {
            let victim = self.dice.pick(&self.forgetful);
            return self.forget(at, victim);
        }
        let everyone = self.dice.per_mille(300);
        let victims = if everyone { self.mortal.clone() } else { vec![self.dice.pick(&self.mortal)] };
        for victim in victims {
            let end = match kind {
                5 => Action::DiskFull(victim),
                // What was handed to the operating system only may go: that is for those who may forget.
                6 | 7 if self.durability == Durability::Sync => self.power_cut(victim),
                _ => Action::Kill { replica: victim, ending: self.ending() },
            };
            self.at(at, end);
            let down = self.dice.between(1_000, 800_000);
            self.at(at + down, Action::Restart(victim));
        }
    }

    /// A replica loses its log or the end of it, and perhaps dies again while it watches.
    fn forget(&mut self, at: u64, victim: ReplicaId) {
        let is_rotten = self.durability == Durability::Sync || self.dice.per_mille(300);
        let (end, down) = (self.ending(), self.dice.between(1_000, 800_000));
        let power_cut = self.power_cut(victim);
        let kill = |ending| Action::Kill { replica: victim, ending };
        match is_rotten {
            true => {
                self.at(at, kill(end));
                let draw = self.dice.next();
                self.at(at + down / 2, Action::BitRot { replica: victim, draw });
            }
            false => self.at(at, power_cut),
        }
        self.at(at + down, Action::Restart(victim));
        if self.dice.per_mille(400) {
            let (soon, ending) = (at + down + self.dice.between(100, 300_000), self.ending());
            self.at(soon, kill(ending));
            let down = self.dice.between(1_000, 300_000);
            self.at(soon + down, Action::Restart(victim));
        }
    }

    fn power_cut(&mut self, replica: ReplicaId) -> Action {
        let ending = self.ending();
        let most = if self.dice.per_mille(300) { u64::from(Action::MAX_LOST) } else { 8 };
        let (lost, is_torn) = (self.dice.below(most + 1) as u16, self.dice.per_mille(300));
        Action::PowerCut { replica, ending, lost, is_torn }
    }

    fn ending(&mut self) -> Ending {
        let group = if self.dice.per_mille(300) { self.dice.between(2, 12) } else { 1 };
        Ending { after: self.dice.below(6) as u16, group: group as u16 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::ProtocolName;

    #[test]
    fn no_seed_goes_beyond_the_budget_and_the_rest_of_its_fate_is_the_same() {
        let mut forgetful = 0;
        for seed in 0..1000 {
            let schedule = Schedule::of_seed(ProtocolName::Pbft, seed);
            let worn = schedule.clone().with_disk_faults();
            assert!(!worn.is_beyond_budget() && !worn.with_disk().is_empty(), "seed {seed}");
            forgetful += usize::from(worn.amnesiac().iter().any(|replica| worn.with_disk().contains(replica)));
            let is_of_disks = |action: &Action| {
                matches!(
                    action,
                    Action::Kill { .. } | Action::PowerCut { .. } | Action::DiskFull(_) | Action::BitRot { .. }
                ) || matches!(action, Action::Restart(_))
            };
            let rest = worn.actions.iter().filter(|(_, action)| !is_of_disks(action));
            assert!(rest.clone().all(|action| schedule.actions.contains(action)), "seed {seed}");
        }
        assert!(forgetful > 300, "{forgetful} seeds in which somebody loses what it wrote");
    }
}
