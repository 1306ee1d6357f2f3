//! The end of a run: once the network has healed, everything settles within a bound.

use super::Simulation;
use crate::attack::Forge;
use crate::protocol::Protocol;
use crate::sim::check::Deadline;
use crate::sim::clients::Clients;
use crate::sim::queue::Happening;
use crate::types::{ClientId, Micros, Session};

/// After the safety phase: how often it is looked whether all is settled.
pub(super) const SETTLING: Micros = Micros::from_millis(20);

/// A request that has waited for so long may be starved: others are served meanwhile, to see whether it is.
const STARVING: Micros = Micros::from_millis(2000);

impl<P: Protocol> Simulation<P>
where
    P::Message: Forge,
{
    /// Ends the run if all is well and it was long enough; goes on with one more request if it was not.
    pub(super) fn settle(&mut self) {
        let unsettled = self.unsettled();
        let is_starving = self.clients.open().any(|(_, since)| self.now.since(since) > STARVING);
        let Some(deadline) = self.deadline.as_mut() else { return };
        if let Some(what) = unsettled {
            if deadline.has_passed(self.now) {
                let bound = deadline.bound().as_millis();
                return self.break_off(Deadline::NAME, format!("{what}, {bound} ms after the network healed"));
            }
            // Rule 17: that others are served helps nobody who is not. Whoever finds a pool full is refused by right.
            if is_starving && self.schedule.settings.pool_submissions >= Clients::MAX_OPEN {
                self.ask_for_more();
            }
        } else {
            deadline.extend(self.now);
            if self.steps >= self.schedule.min_events {
                self.is_over = true;
                return;
            }
            self.ask_for_more();
        }
        self.enqueue(self.now.after(SETTLING), Happening::Settling);
    }

    /// One more request, of the honest clients in turn.
    fn ask_for_more(&mut self) {
        let (client, draw) = (ClientId((self.steps % 3) as u16), self.steps);
        self.submit(client, 2, draw, self.schedule.committee.members().collect());
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
        let behind = statuses().find(|(_, status)| status.executed < newest);
        if let Some((id, status)) = behind {
            return Some(format!("{id} has executed {} of {newest} slots", status.executed));
        }
        let watching = statuses().find(|(_, status)| status.observing_until.is_some());
        watching.map(|(id, _)| format!("{id} lost its log and has not rejoined"))
    }
}
