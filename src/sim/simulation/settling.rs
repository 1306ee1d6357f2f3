//! The end of a run: once the network has healed, everything settles within a bound.

use std::fmt::Write as _;

use super::Simulation;
use crate::attack::Forge;
use crate::protocol::Protocol;
use crate::sim::check::Deadline;
use crate::sim::queue::Happening;
use crate::types::{ClientId, Micros, Session};

/// After the safety phase: how often it is looked whether all is settled.
pub(super) const SETTLING: Micros = Micros::from_millis(20);

impl<P: Protocol> Simulation<P>
where
    P::Message: Forge,
{
    /// Ends the run if all is well and it was long enough; goes on with one more request if it was not.
    pub(super) fn settle(&mut self) {
        self.log(|line| line.write_str("is all settled?"));
        let unsettled = self.unsettled();
        let Some(deadline) = self.deadline.as_mut() else { return };
        if let Some(what) = unsettled {
            if deadline.has_passed(self.now) {
                let bound = deadline.bound().as_millis();
                return self.break_off(Deadline::NAME, format!("{what}, {bound} ms after the network healed"));
            }
        } else {
            deadline.extend(self.now);
            if self.steps >= self.schedule.min_events {
                self.is_over = true;
                return;
            }
            let (client, draw) = (ClientId(self.steps as u16 % 3), self.steps);
            self.submit(client, 2, draw, self.schedule.committee.members().collect());
        }
        self.enqueue(self.now.after(SETTLING), Happening::Settling);
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
