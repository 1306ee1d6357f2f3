//! Attacks that are set, and when they hold.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::chance::Subject;
use super::language::{Attack, Directive, Trigger};
use super::voice::Voice;
use super::{flood, forgery, junk, nested, replay};
use crate::protocol::Status;
use crate::types::{Micros, Time};

/// An attack that is set.
pub(super) struct Active {
    pub(super) directive: Directive,
    since: Time,
    /// When it next does something of its own accord, if it ever does.
    pub(super) acts_at: Option<Time>,
    /// How often it has done so.
    turns: u64,
}

impl Active {
    pub(super) fn new(directive: Directive, now: Time) -> Active {
        let acts_at = pace(&directive.attack).map(|pace| now.after(pace));
        Active { directive, since: now, acts_at, turns: 0 }
    }

    pub(super) fn attack(&self) -> &Attack {
        &self.directive.attack
    }

    pub(super) fn name(&self) -> &'static str {
        self.directive.attack.name()
    }

    /// Whether its time is over.
    pub(super) fn is_over(&self, now: Time) -> bool {
        matches!(self.directive.trigger, Trigger::During { until, .. } if now.since(self.since) >= until)
    }

    /// If it is its time to act of its own accord: the how manyth time this is, counted from 0. A late turn is no two.
    pub(super) fn take_turn(&mut self, now: Time) -> Option<u64> {
        let pace = pace(&self.directive.attack)?;
        self.acts_at.filter(|at| *at <= now)?;
        self.acts_at = Some(now.after(pace));
        self.turns += 1;
        Some(self.turns - 1)
    }

    /// Whether it holds for a subject, or now if there is none.
    pub(super) fn holds(
        &self,
        now: Time,
        status: &Status,
        subject: Option<Subject>,
        voice: &Voice,
        chance: &mut ChaCha8Rng,
    ) -> bool {
        match self.directive.trigger {
            Trigger::Always => true,
            Trigger::During { from, until } => (from..until).contains(&now.since(self.since)),
            Trigger::Slots { first, last } => {
                subject.and_then(|of| of.seq()).is_some_and(|seq| (first..=last).contains(&seq))
            }
            Trigger::InView(view) => subject.and_then(|of| of.view).unwrap_or(status.view) == view,
            Trigger::WhileLeading => status.leader == voice.me,
            Trigger::WithProbability { per_mille } => {
                let draw = match subject {
                    Some(subject) => subject.draw(voice.seed, self.name()),
                    None => chance.random_range(0..1000),
                };
                draw < per_mille
            }
        }
    }
}

/// How often an attack does something of its own accord; `None` for one that only alters what the replica does.
fn pace(attack: &Attack) -> Option<Micros> {
    match attack {
        Attack::Flood { .. } => Some(flood::PACE),
        Attack::Junk(_) => Some(junk::PACE),
        Attack::ForgeViewChange => Some(forgery::PACE),
        Attack::ForgeNested => Some(nested::PACE),
        Attack::Replay => Some(replay::PACE),
        _ => None,
    }
}
