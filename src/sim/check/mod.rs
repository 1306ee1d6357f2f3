//! What must hold after every event, whatever the adversary did: one file per invariant.
//!
//! A checker sees one event at a time, as a [`Scene`]: what reached a replica, what the replica did, and what it looks
//! like now. It keeps its own, naive account of the run and shares nothing with the code that it checks but the
//! messages. What holds for honest replicas is asked of honest ones only; those that lost their memory are honest.

mod accusation;
mod agreement;
mod beginning;
mod bounds;
mod checkpoints;
mod complaint;
mod deposing;
mod evidence;
mod fairness;
mod history;
mod liveness;
mod money;
mod once;
mod participation;
mod real_time;
mod refusals;
mod remembering;
mod repeating;
mod results;
mod showing;
mod statements;
mod validity;
mod watching;
mod work;

use std::collections::BTreeMap;

pub(super) use self::history::History;
pub(super) use self::liveness::Deadline;
use super::clients::Accepted;
use super::parcel::Parcel;
use crate::app::smallbank::SmallBank;
use crate::attack::{Byzantine, Forge};
use crate::committee::Committee;
use crate::protocol::{Protocol, Settings};
use crate::rejection::Rejection;
use crate::replica::{Output, Submission};
use crate::types::{Digest, ReplicaId, ReplicaSet, SeqNum, Session, Time, Timestamp};

/// One event at one replica, and what it did.
pub(super) struct Scene<'a, P: Protocol>
where
    P::Message: Forge,
{
    /// When it happens.
    pub(super) now: Time,
    /// Which seat: a Byzantine replica that leads two lives has two.
    pub(super) seat: usize,
    pub(super) replica: ReplicaId,
    /// Whether what honest replicas owe is owed by this one.
    pub(super) is_honest: bool,
    /// What it did this upon.
    pub(super) cause: Cause<'a, P::Message>,
    /// What it sent, with the statements in it.
    pub(super) said: &'a [std::sync::Arc<Parcel<P::Message>>],
    /// Everything that it did.
    pub(super) outputs: &'a [Output<P::Message>],
    /// How it is now.
    pub(super) node: &'a Byzantine<P, SmallBank>,
    /// What honest replicas have executed, this event included.
    pub(super) history: &'a History,
}

/// Upon what a replica does something.
#[derive(Clone, Copy)]
pub(super) enum Cause<'a, M> {
    /// A message reached it, its signatures being good.
    Heard(&'a Parcel<M>),
    /// A timer ran out, a client submitted something, or it started.
    Other,
    /// Several events, whose effects waited for one joint write: what it has been since is not what it was then.
    Held,
}

impl<'a, P: Protocol> Scene<'a, P>
where
    P::Message: Forge,
{
    /// The message that reached it, if this is upon one.
    pub(super) fn heard(&self) -> Option<&'a Parcel<P::Message>> {
        match self.cause {
            Cause::Heard(parcel) => Some(parcel),
            Cause::Other | Cause::Held => None,
        }
    }
}

/// An invariant.
pub(super) trait Checker<P: Protocol>: Send
where
    P::Message: Forge,
{
    /// What it is called in reports.
    fn name(&self) -> &'static str;

    /// How often it had something to look at: an invariant that held because nothing of its kind happened says nothing.
    fn exercised(&self) -> u64;

    /// Looks at an event.
    ///
    /// # Errors
    ///
    /// What does not hold any more.
    fn after(&mut self, scene: &Scene<'_, P>) -> Result<(), String>;

    /// An honest client has submitted something.
    fn on_submitted(&mut self, _session: Session, _timestamp: Timestamp, _history: &History) {}

    /// An honest client believes a result.
    ///
    /// # Errors
    ///
    /// What does not hold any more.
    fn on_accepted(&mut self, _accepted: &Accepted, _history: &History) -> Result<(), String> {
        Ok(())
    }

    /// A message is refused at a replica's door.
    ///
    /// # Errors
    ///
    /// What does not hold any more.
    fn on_refused(&mut self, _by: ReplicaId, _from: ReplicaId, _why: &Rejection) -> Result<(), String> {
        Ok(())
    }

    /// Everything is settled in a cluster that has nobody Byzantine and a network without faults, and stays so.
    fn on_settled(&mut self) {}

    /// The safety phase is over.
    fn on_calm(&mut self) {}

    /// A replica starts again.
    fn on_restart(&mut self, _seat: usize, _restart: Restart) {}
}

/// What a replica knows that starts again.
#[derive(Clone, Copy)]
pub(super) struct Restart {
    /// What it has executed, as far as it remembers.
    pub(super) executed: SeqNum,
    /// Whether it has forgotten what it said, or may have.
    pub(super) has_lost_log: bool,
}

/// An invariant of restarts: a replica starts on its disk if and only if that holds what was written.
pub(super) const RESTORED_IF_WHOLE: &str = "restored if whole";

/// Every invariant but liveness, which has a time of its own.
pub(super) struct Checks<P: Protocol>
where
    P::Message: Forge,
{
    checkers: Vec<Box<dyn Checker<P>>>,
    history: History,
}

/// Which invariant does not hold, and what is seen of that.
pub(super) type Broken = (&'static str, String);

impl<P: Protocol> Checks<P>
where
    P::Message: Forge,
{
    /// `mortal` are those whose processes end in the middle of what they do.
    pub(super) fn new(
        committee: Committee,
        settings: &Settings,
        byzantine: ReplicaSet,
        mortal: ReplicaSet,
    ) -> Checks<P> {
        let unheard = byzantine.iter().chain(mortal.iter()).collect();
        Checks {
            checkers: vec![
                Box::new(agreement::Agreement::default()),
                Box::new(validity::Validity::default()),
                Box::new(once::Once::default()),
                Box::new(results::Results::default()),
                Box::new(real_time::RealTime::default()),
                Box::new(money::Money::new(settings)),
                Box::new(checkpoints::Checkpoints::new(committee, unheard)),
                Box::new(statements::Statements::default()),
                Box::new(complaint::Complaints::default()),
                Box::new(showing::Showing::default()),
                Box::new(beginning::Beginning::new(committee, byzantine, settings.window_slots)),
                Box::new(deposing::Deposing::default()),
                Box::new(participation::Participation::new(settings)),
                Box::new(fairness::Fairness::default()),
                Box::new(watching::Watching::default()),
                Box::new(repeating::Repeating::new(settings)),
                Box::new(remembering::Remembering::default()),
                Box::new(bounds::Bounds::default()),
                Box::new(work::Work::new(settings)),
                Box::new(accusation::Accusation { byzantine, looks: 0 }),
                Box::new(refusals::Refusals { byzantine, looks: 0 }),
                Box::new(evidence::Evidence::new(committee, byzantine, settings.window_slots)),
            ],
            history: History::new(settings),
        }
    }

    /// The last slot that anybody honest has executed.
    pub(super) fn executed(&self) -> SeqNum {
        self.history.executed()
    }

    /// The names of all invariants.
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.checkers.iter().map(|checker| checker.name()).chain([Deadline::NAME, RESTORED_IF_WHOLE]).collect()
    }

    /// How often each invariant but liveness and that of restarts had something to look at.
    pub(super) fn exercised(&self) -> BTreeMap<&'static str, u64> {
        self.checkers.iter().map(|checker| (checker.name(), checker.exercised())).collect()
    }

    /// A client, honest or not, signed this: it may be executed.
    pub(super) fn on_signed(&mut self, digest: Digest, submission: &Submission) {
        self.history.on_signed(digest, submission);
    }

    pub(super) fn on_submitted(&mut self, session: Session, timestamp: Timestamp) {
        let Checks { checkers, history } = self;
        checkers.iter_mut().for_each(|checker| checker.on_submitted(session, timestamp, history));
    }

    pub(super) fn on_accepted(&mut self, accepted: &Accepted) -> Result<(), Broken> {
        let Checks { checkers, history } = self;
        checkers
            .iter_mut()
            .try_for_each(|checker| checker.on_accepted(accepted, history).map_err(|what| (checker.name(), what)))
    }

    pub(super) fn on_refused(&mut self, by: ReplicaId, from: ReplicaId, why: &Rejection) -> Result<(), Broken> {
        self.checkers
            .iter_mut()
            .try_for_each(|checker| checker.on_refused(by, from, why).map_err(|what| (checker.name(), what)))
    }

    pub(super) fn on_calm(&mut self) {
        self.checkers.iter_mut().for_each(|checker| checker.on_calm());
    }

    pub(super) fn on_settled(&mut self) {
        self.checkers.iter_mut().for_each(|checker| checker.on_settled());
    }

    pub(super) fn on_restart(&mut self, seat: usize, restart: Restart) {
        self.checkers.iter_mut().for_each(|checker| checker.on_restart(seat, restart));
    }

    /// Looks at an event through every checker.
    #[expect(
        clippy::too_many_arguments,
        reason = "they are the fields of a scene, which borrows the history from here"
    )]
    pub(super) fn after(
        &mut self,
        now: Time,
        seat: usize,
        replica: ReplicaId,
        is_honest: bool,
        cause: Cause<'_, P::Message>,
        said: &[std::sync::Arc<Parcel<P::Message>>],
        outputs: &[Output<P::Message>],
        node: &Byzantine<P, SmallBank>,
    ) -> Result<(), Broken> {
        if is_honest {
            for output in outputs {
                if let Output::Executed(slot) = output {
                    self.history.record(slot).map_err(|what| ("prefix order", what))?;
                }
            }
        }
        let scene = Scene { now, seat, replica, is_honest, cause, said, outputs, node, history: &self.history };
        self.checkers.iter_mut().try_for_each(|checker| checker.after(&scene).map_err(|what| (checker.name(), what)))
    }
}
