//! A run as people follow it: a line for each event, and what comes next.

use super::{START, Simulation};
use crate::attack::Forge;
use crate::protocol::Protocol;
use crate::replica::PeerMessage;
use crate::sim::queue::Happening;
use crate::types::{ReplicaId, ReplicaSet, Session, Time};

impl<P: Protocol> Simulation<P>
where
    P::Message: Forge,
{
    /// From now on [`Simulation::take_line`] tells each event.
    pub fn tell(&mut self) {
        self.line = Some(String::new());
    }

    /// What was told since this was last asked: who heard what, and what it did. Empty unless [`Simulation::tell`] was
    /// called.
    pub fn take_line(&mut self) -> String {
        self.line.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// When the next event happens and what it is, in a few words; `None` if the run is over.
    pub fn upcoming(&mut self) -> Option<(Time, String)> {
        while !self.is_over {
            match self.queue.peek()? {
                // A timer that was set anew or cancelled is no event.
                (_, Happening::Wake { seat, timer, token }) if !self.seats[*seat].is_set(*timer, *token) => {
                    self.queue.pop();
                }
                (at, what) => return Some((Time(at.since(START).0), self.describe(what))),
            }
        }
        None
    }

    /// The message that reached a replica in the last event, if that is what it was: to whom, from whom.
    pub fn heard(&self) -> Option<(ReplicaId, ReplicaId, &PeerMessage<P::Message>)> {
        let (seat, parcel) = self.heard.as_ref()?;
        Some((self.seats[*seat].id, parcel.from, parcel.message()))
    }

    /// The messages that left replicas in the last event, and whom for. Empty unless [`Simulation::tell`] was called.
    pub fn said(&self) -> impl Iterator<Item = (ReplicaId, ReplicaSet, &PeerMessage<P::Message>)> {
        self.said.iter().map(|(to, parcel)| (parcel.from, *to, parcel.message()))
    }

    /// An event in a few words.
    pub(super) fn describe(&self, what: &Happening<P::Message>) -> String {
        match what {
            Happening::Arrival { seat, parcel } => format!("{} hears {}: {parcel}", self.seats[*seat].id, parcel.from),
            Happening::Wake { seat, timer, .. } => format!("{} wakes: {timer:?}", self.seats[*seat].id),
            Happening::Request { seat, request } => {
                let Session { client, index } = request.body.session;
                let (id, digest) = (self.seats[*seat].id, request.body.digest());
                format!("{id} hears {client}/{index}: request t{} {}", request.body.timestamp.0, digest.short())
            }
            Happening::Reply { from, reply } => {
                let Session { client, index } = reply.session;
                format!("{client}/{index} hears {from}: reply t{}", reply.timestamp.0)
            }
            Happening::Resend { session: Session { client, index }, timestamp } => {
                format!("{client}/{index} looks after t{}", timestamp.0)
            }
            Happening::Action(index) => self.schedule.actions[*index].1.to_string(),
            Happening::Settling => "is all settled?".to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pbft::Pbft;
    use crate::sim::{Schedule, run};
    use crate::types::ProtocolName;

    #[test]
    fn looking_ahead_tells_the_next_event_and_changes_nothing() {
        let schedule = Schedule { min_events: 0, ..Schedule::of_seed(ProtocolName::Pbft, 3) };
        let mut watched = Simulation::<Pbft>::new(&schedule);
        watched.tell();
        while let Some((at, event)) = watched.upcoming() {
            assert!(watched.step());
            let line = watched.take_line();
            assert_eq!(watched.now(), at, "{line}");
            assert!(line.starts_with(&event), "{event} turned out to be {line}");
            let is_to_replica = line.starts_with('n') && line.contains(" hears n") && !line.contains("(it is down)");
            assert_eq!(watched.heard().is_some(), is_to_replica, "{line}");
        }
        assert!(!watched.step());
        assert_eq!(watched.report(), run(&schedule));
    }
}
