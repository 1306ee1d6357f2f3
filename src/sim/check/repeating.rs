//! Rule 20: who says twice that it stands where it stood hears again what it was told about the slot that it waits for.
//!
//! Links that are good again do not bring back what was lost, nor a proposal that overtook its view and was refused. Most
//! often a timeout, a question or the next view makes up for it, later and at a price. So this looks at what is owed, and
//! not at what comes of it.

use std::collections::BTreeMap;

use super::{Checker, Restart, Scene};
use crate::attack::Forge;
use crate::protocol::{Message as _, Protocol, Recipients, Settings};
use crate::replica::{Output, PeerMessage};
use crate::types::{Micros, ReplicaId, SeqNum, Time, View};

/// What is repeated.
const VOTES: [&str; 3] = ["pre-prepare", "prepare", "commit"];

/// What each seat has said and heard.
pub(super) struct Repeating {
    /// How often it had something to look at.
    looks: u64,
    /// Nobody is told again sooner.
    pause: Micros,
    seats: BTreeMap<usize, Account>,
}

#[derive(Default)]
struct Account {
    view: View,
    /// Whom it told of each of its votes in the view.
    told: BTreeMap<(SeqNum, &'static str), Recipients>,
    /// Where each peer stood when it last reported.
    reports: BTreeMap<ReplicaId, (View, SeqNum)>,
    /// When each peer was last told something that the others were not.
    repeated_at: BTreeMap<ReplicaId, Time>,
}

impl Repeating {
    pub(super) fn new(settings: &Settings) -> Repeating {
        Repeating { looks: 0, pause: settings.status_interval(), seats: BTreeMap::new() }
    }
}

impl Account {
    /// Which votes about a slot it has told a peer, with others or alone.
    fn told_of(&self, seq: SeqNum, peer: ReplicaId) -> impl Iterator<Item = &'static str> {
        let is_meant = move |to: &Recipients| [Recipients::All, Recipients::One(peer)].contains(to);
        VOTES.into_iter().filter(move |name| self.told.get(&(seq, name)).is_some_and(is_meant))
    }
}

impl<P: Protocol> Checker<P> for Repeating
where
    P::Message: Forge,
{
    fn name(&self) -> &'static str {
        "votes are repeated"
    }

    fn exercised(&self) -> u64 {
        self.looks
    }

    fn after(&mut self, scene: &Scene<'_, P>) -> Result<(), String> {
        if !scene.is_honest {
            return Ok(());
        }
        let (me, now, status) = (scene.replica, scene.now, scene.node.replica().status());
        let account = self.seats.entry(scene.seat).or_default();
        if account.view != status.view {
            account.view = status.view;
            account.told.clear();
        }
        // What is settled is told in other ways.
        account.told.retain(|(seq, _), _| *seq > status.stable);
        let votes: Vec<(Recipients, SeqNum, &'static str)> =
            scene.outputs.iter().filter_map(|output| vote(output, status.view)).collect();
        if let Some((from, report @ (view, executed))) = report(scene)
            && account.reports.insert(from, report) == Some(report)
            && view == status.view
            && account.repeated_at.get(&from).is_none_or(|at| now.since(*at) >= self.pause)
        {
            let next = executed.next();
            let is_repeated = |name: &&str| votes.contains(&(Recipients::One(from), next, *name));
            self.looks += account.told_of(next, from).count() as u64;
            if let Some(name) = account.told_of(next, from).find(|name| !is_repeated(name)) {
                return Err(format!(
                    "{me} hears twice that {from} stands after slot {executed}, and does not repeat its {name} for {next}"
                ));
            }
        }
        for (to, seq, name) in votes {
            account.told.entry((seq, name)).or_insert(to);
        }
        // A certificate that is said again makes a pause as a vote does.
        for peer in scene.outputs.iter().filter_map(told_alone) {
            account.repeated_at.insert(peer, now);
        }
        Ok(())
    }

    fn on_restart(&mut self, seat: usize, _: Restart) {
        self.seats.remove(&seat);
    }
}

/// The report that reached the replica, and whose it is.
fn report<P: Protocol>(scene: &Scene<'_, P>) -> Option<(ReplicaId, (View, SeqNum))>
where
    P::Message: Forge,
{
    let parcel = scene.heard()?;
    let PeerMessage::Protocol(message) = parcel.message() else { return None };
    Some((parcel.from, message.reports()?))
}

/// Who is told something about a slot that the others are not.
fn told_alone<M: crate::protocol::Message>(output: &Output<M>) -> Option<ReplicaId> {
    let Output::Send(Recipients::One(peer), PeerMessage::Protocol(message)) = output else { return None };
    message.slot().map(|_| *peer)
}

/// A vote of the view, and to whom it is sent.
fn vote<M: crate::protocol::Message>(output: &Output<M>, view: View) -> Option<(Recipients, SeqNum, &'static str)> {
    let Output::Send(to, PeerMessage::Protocol(message)) = output else { return None };
    let (voted_in, seq) = message.slot()?;
    (voted_in == view && VOTES.contains(&message.name())).then_some((*to, seq, message.name()))
}
