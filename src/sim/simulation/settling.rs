//! The end of a run: once the network has healed, everything settles within a bound.

use super::Simulation;
use crate::app::smallbank::SmallBank;
use crate::attack::{Byzantine, Forge};
use crate::protocol::{Protocol, Settings, Status};
use crate::sim::check::Deadline;
use crate::sim::network::Dice;
use crate::sim::queue::Happening;
use crate::sim::swarm::HONEST_CLIENTS;
use crate::types::{ClientId, Micros, ReplicaSet, Session};

/// After the safety phase: how often it is looked whether all is settled.
pub(super) const SETTLING: Micros = Micros::from_millis(20);

/// How long a client waits that does not repeat its request soon: longer than any request timer.
const LONG_PATIENCE: Micros = Micros::from_millis(10_000);

impl<P: Protocol> Simulation<P>
where
    P::Message: Forge,
{
    /// Ends the run if all is well and it was long enough; goes on with one more request if it was not.
    pub(super) fn settle(&mut self) {
        let unsettled = self.unsettled();
        let Some(deadline) = self.deadline.as_mut() else { return };
        if let Some(what) = unsettled {
            if deadline.has_passed(self.now) {
                let bound = deadline.bound().as_millis();
                return self.break_off(Deadline::NAME, format!("{what}, {bound} ms after the network healed"));
            }
            self.bustle();
        } else {
            deadline.extend(self.now);
            self.starved = None;
            let is_harmonious = self.is_harmonious();
            if is_harmonious {
                self.checks.on_settled();
            }
            if self.steps >= self.schedule.min_events {
                self.is_over = true;
                return;
            }
            match is_harmonious && Dice::new([self.schedule.seed, 9, self.steps, 0]).per_mille(500) {
                true => self.pass_over_the_primary(),
                false => self.ask_for_more(),
            }
        }
        self.enqueue(self.now.after(SETTLING), Happening::Settling);
    }

    /// One more request, of the honest clients in turn.
    fn ask_for_more(&mut self) {
        let (client, draw) = (ClientId((self.steps % 3) as u16), self.steps);
        self.submit(client, 2, draw, self.schedule.committee.members().collect());
    }

    /// Whether messages take a fraction of a request's timeout, nobody is Byzantine or loses its log, and all are in one view,
    /// ask for no other and have nothing waiting: what came before the network healed may have been lost on its way to the primary.
    fn is_harmonious(&self) -> bool {
        let mut statuses = self.seats.iter().map(|seat| seat.node.as_ref().map(|node| node.replica().status()));
        let Some(Some(first)) = statuses.next() else { return false };
        let is_idle = |node: &Byzantine<P, SmallBank>| node.replica().shares().is_empty();
        let is_like_first = |status: Status| status.view == first.view && status.asking_for.is_none();
        let is_fast = 16 * self.schedule.slowest_after_calm().0 <= self.schedule.settings.request_timeout().0;
        is_fast
            && self.byzantine.is_empty()
            && self.schedule.amnesiac().is_empty()
            && first.asking_for.is_none()
            && self.seats.iter().all(|seat| seat.node.as_ref().is_some_and(is_idle))
            && statuses.all(|status| status.is_some_and(is_like_first))
    }

    /// One more request, to f+1 backups alone, by a client that does not repeat it for long: rule 24 brings it to the primary.
    fn pass_over_the_primary(&mut self) {
        let committee = self.schedule.committee;
        let Some(node) = self.seats.first().and_then(|seat| seat.node.as_ref()) else { return };
        let leader = node.replica().status().leader;
        let to: ReplicaSet = committee.others(leader).take(committee.weak_quorum()).collect();
        if to.is_empty() {
            return;
        }
        self.coverage.add("primary_passed_over", 1);
        let (client, draw) = (ClientId((self.steps % 3) as u16), self.steps);
        self.submit_with(client, 1, draw, to, LONG_PATIENCE);
    }

    /// While one request waits for long the other clients go on, and never pause for as long as replicas are patient: that
    /// they are served must not make up for it (rule 17). Once it is answered they stop, or a cluster that takes longer for
    /// each request than replicas are patient at first would never have answered all.
    fn bustle(&mut self) {
        let Some(oldest) = self.clients.open().min_by_key(|(_, since)| *since) else { return };
        let (starved, since) = *self.starved.get_or_insert(oldest);
        if !self.clients.open().any(|open| open == (starved, since)) {
            return;
        }
        let Settings { pool_submissions, .. } = self.schedule.settings;
        let patience = self.schedule.settings.request_timeout();
        let ticks = (patience.0 / 4 / SETTLING.0).max(1);
        let (turn, tick) = (self.now.0 / SETTLING.0 / ticks, self.now.0 / SETTLING.0 % ticks);
        let is_time = Dice::new([self.schedule.seed, 4, turn, 0]).below(ticks) == tick;
        // A pool with a few places may be full whenever a client repeats itself.
        let is_roomy = pool_submissions > 100;
        if is_roomy && is_time && self.now.since(since) > patience {
            let client = ClientId((starved.client.0 + 1) % HONEST_CLIENTS);
            self.submit(client, 1, self.steps, self.schedule.committee.members().collect());
        }
    }

    /// What is not settled: an open request, or a replica that has not caught up.
    pub(super) fn unsettled(&self) -> Option<String> {
        if let Some((Session { client, index }, since)) = self.clients.open().next() {
            let waited = self.now.since(since).as_millis();
            return Some(format!("a request of {client}/{index} has waited for {waited} ms"));
        }
        let honest = self.seats.iter().filter(|seat| !self.byzantine.contains(seat.id));
        let statuses =
            || honest.clone().filter_map(|seat| seat.node.as_ref().map(|node| (seat.id, node.replica().status())));
        let newest = statuses().map(|(_, status)| status.executed).max()?;
        if newest < self.checks.executed() {
            return Some(format!(
                "{} slots were executed, and nobody knows of more than {newest}",
                self.checks.executed()
            ));
        }
        let behind = statuses().find(|(_, status)| status.executed < newest);
        if let Some((id, status)) = behind {
            return Some(format!("{id} has executed {} of {newest} slots", status.executed));
        }
        let watching = statuses().find(|(_, status)| status.observing_until.is_some());
        watching.map(|(id, _)| format!("{id} lost its log and has not rejoined"))
    }
}
