//! A place in the cluster: a replica that runs, stands still or is gone, and its timers.

use super::disk::Disk;
use super::schedule::Ending;
use crate::app::smallbank::SmallBank;
use crate::attack::{Byzantine, Forge};
use crate::durable::Write;
use crate::protocol::{Protocol, Timer};
use crate::replica::Output;
use crate::telemetry::Traffic;
use crate::types::{ReplicaId, ReplicaSet};

/// Which setting of a timer a wake belongs to: setting it again or cancelling it makes the earlier one void.
pub(super) type Token = u64;

/// One instance of a replica.
pub(super) struct Seat<P: Protocol>
where
    P::Message: Forge,
{
    pub(super) id: ReplicaId,
    /// None while its process is gone.
    pub(super) node: Option<Byzantine<P, SmallBank>>,
    /// It stands still: it hears nothing and its timers wait.
    pub(super) is_frozen: bool,
    /// The timers that ran out meanwhile.
    pub(super) missed: Vec<Timer>,
    pub(super) life: Life,
    pub(super) disk: Option<Disk>,
    /// Nothing more fits on its disk.
    pub(super) is_full: bool,
    /// Its process is about to end.
    pub(super) dying: Option<Dying<P::Message>>,
    /// It ran before, and what its disk holds is not all that it wrote; until it has written again.
    pub(super) has_lost_log: bool,
    /// What it has sent to others.
    pub(super) traffic: Traffic,
    timers: [Option<Token>; TIMERS],
    tokens: Token,
}

/// What a process does whose end is near.
pub(super) struct Dying<M> {
    pub(super) ending: Ending,
    /// So many events are still to come.
    pub(super) events_left: u16,
    /// What its events did since, and was not carried out.
    pub(super) held: Vec<Output<M>>,
    /// The power goes with it.
    pub(super) loss: Option<Loss>,
}

/// What a power cut takes with it, if it was not synced.
#[derive(Clone, Copy)]
pub(super) struct Loss {
    /// So many transactions.
    pub(super) lost: u16,
    /// One more was torn.
    pub(super) is_torn: bool,
}

/// Whether it is the only instance of its replica.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Life {
    /// It is.
    Only,
    /// It is the first of two and talks to these replicas, and to the first instances of others.
    First { sees: ReplicaSet },
    /// It is the second of two and talks to these replicas, and to the second instances of others.
    Second { sees: ReplicaSet },
}

const TIMERS: usize = Timer::ALL.len();

impl<P: Protocol> Seat<P>
where
    P::Message: Forge,
{
    pub(super) fn new(id: ReplicaId, node: Byzantine<P, SmallBank>) -> Seat<P> {
        let (missed, timers) = (Vec::new(), [None; TIMERS]);
        Seat {
            id,
            node: Some(node),
            is_frozen: false,
            missed,
            life: Life::Only,
            disk: None,
            is_full: false,
            dying: None,
            has_lost_log: false,
            traffic: Traffic::default(),
            timers,
            tokens: 0,
        }
    }

    /// What is to be remembered goes to the disk.
    pub(super) fn write(&mut self, writes: Vec<Write>) {
        if let Some(disk) = &mut self.disk {
            disk.commit(writes);
            self.has_lost_log = false;
        }
    }

    /// All that was written is gone.
    pub(super) fn lose_log(&mut self) {
        self.disk.iter_mut().for_each(Disk::wipe);
        self.has_lost_log = true;
    }

    /// Another instance signs with the same key.
    pub(super) fn share_key(&mut self) {
        if let Some(node) = &mut self.node {
            node.replica_mut().expect_unlogged_statements();
        }
    }

    /// The process ends; its timers go with it.
    pub(super) fn crash(&mut self) {
        self.node = None;
        self.dying = None;
        self.is_frozen = false;
        self.missed.clear();
        self.timers = [None; TIMERS];
    }

    /// Whether it hears what arrives.
    pub(super) fn is_running(&self) -> bool {
        self.node.is_some() && !self.is_frozen
    }

    /// Whether what one says can reach the other at all.
    pub(super) fn talks_to(&self, other: &Seat<P>) -> bool {
        match (self.life, other.life) {
            (Life::Only, Life::Only) | (Life::First { .. }, Life::First { .. }) => true,
            (Life::Second { .. }, Life::Second { .. }) => true,
            (Life::First { .. }, Life::Second { .. }) | (Life::Second { .. }, Life::First { .. }) => false,
            (Life::Only, Life::First { sees } | Life::Second { sees }) => sees.contains(self.id),
            (Life::First { sees } | Life::Second { sees }, Life::Only) => sees.contains(other.id),
        }
    }

    pub(super) fn set(&mut self, timer: Timer) -> Token {
        self.tokens += 1;
        self.timers[timer as usize] = Some(self.tokens);
        self.missed.retain(|missed| *missed != timer);
        self.tokens
    }

    pub(super) fn cancel(&mut self, timer: Timer) {
        self.timers[timer as usize] = None;
        self.missed.retain(|missed| *missed != timer);
    }

    /// Whether a wake is the one that was asked for last.
    pub(super) fn is_set(&self, timer: Timer, token: Token) -> bool {
        self.timers[timer as usize] == Some(token)
    }

    /// Whether a wake is the one that was asked for last; it is used up.
    pub(super) fn is_due(&mut self, timer: Timer, token: Token) -> bool {
        self.timers[timer as usize].take_if(|set| *set == token).is_some()
    }
}
