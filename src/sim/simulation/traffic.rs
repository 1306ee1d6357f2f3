//! What passes between clients and replicas in a run. Clients stand outside the cuts; what they send and hear may be lost or
//! late on links of their own until the calm.

use std::fmt::Write as _;

use super::Simulation;
use crate::attack::Forge;
use crate::crypto::{Author, Verified};
use crate::protocol::Protocol;
use crate::replica::{Input, Reply, ReplyOutcome};
use crate::sim::clients::Request;
use crate::sim::network::Dice;
use crate::sim::queue::Happening;
use crate::sim::schedule::{ClientFaults, Weather};
use crate::types::{ClientId, Micros, ReplicaId, ReplicaSet, Session, Time, Timestamp};

/// How long a client waits for an answer before it sends again.
const CLIENT_PATIENCE: Micros = Micros::from_millis(400);

impl<P: Protocol> Simulation<P>
where
    P::Message: Forge,
{
    pub(super) fn hand_over(&mut self, seat: usize, request: &Request) {
        let Session { client, index } = request.body.session;
        self.mix(&[3, seat as u64, u64::from(client.0), u64::from(index), request.body.timestamp.0], &[]);
        if !self.seats[seat].is_running() {
            return;
        }
        match Verified::check((**request).clone(), Author::Client(client), &self.verifier) {
            Ok(verified) => self.input(seat, None, Input::Client(verified)),
            Err(why) => self.log(|line| write!(line, " (refused at the door: {why})")),
        }
    }

    pub(super) fn reply(&mut self, from: ReplicaId, reply: &Reply) {
        let Session { client, index } = reply.session;
        let timestamp = reply.timestamp.0;
        self.mix(&[4, u64::from(from.0), u64::from(client.0), u64::from(index), timestamp], &[]);
        if let Some(accepted) = self.clients.on_reply(from, reply) {
            self.log(|line| line.write_str(" (believed)"));
            let checked = self.checks.on_accepted(&accepted);
            self.judge(checked);
        }
    }

    pub(super) fn resend(&mut self, session: Session, timestamp: Timestamp) {
        let Some(request) = self.clients.resend(session, timestamp) else { return };
        let is_new = request.body.timestamp != timestamp;
        let timestamp = request.body.timestamp;
        let Session { client, index } = session;
        self.mix(&[5, u64::from(client.0), u64::from(index), timestamp.0], &[]);
        self.log(|line| line.write_str(" (sends it again)"));
        if is_new {
            self.checks.on_signed(request.body.digest(), &request.body);
            self.checks.on_submitted(session, timestamp);
        }
        self.send_request(&request, self.schedule.committee.members().collect());
        self.enqueue(self.now.after(CLIENT_PATIENCE), Happening::Resend { session, timestamp });
    }

    /// A client's request is on its way to these.
    pub(super) fn send_request(&mut self, request: &Request, to: ReplicaSet) {
        let (session, digest) = (request.body.session, request.body.digest());
        let occasion = u64::from_le_bytes(digest.0[..8].try_into().expect("eight of 32 bytes"));
        for seat in 0..self.seats.len() {
            let id = self.seats[seat].id;
            if to.contains(id) {
                let mut dice = Dice::new([occasion, seat as u64, self.now.0, u64::from(session.index)]);
                if let Some(at) = self.carried(&mut dice) {
                    self.enqueue(at, Happening::Request { seat, request: request.clone() });
                }
            }
        }
    }

    /// When something between a client and a replica arrives; `None` if it is lost. Once it is calm their links are good.
    fn carried(&mut self, dice: &mut Dice) -> Option<Time> {
        let at = self.now.after(Weather::FAIR.delay(dice).0);
        if self.deadline.is_some() {
            return Some(at);
        }
        let ClientFaults { loss_per_mille, late_per_mille, .. } = self.schedule.clients;
        if dice.per_mille(loss_per_mille) {
            self.coverage.add("client_message_lost", 1);
            return None;
        }
        let is_late = dice.per_mille(late_per_mille);
        Some(if is_late { at.after(ClientFaults::LATENESS) } else { at })
    }

    pub(super) fn submit(&mut self, client: ClientId, operations: u8, draw: u64, to: ReplicaSet) {
        self.submit_with(client, operations, draw, to, CLIENT_PATIENCE);
    }

    /// A client submits, and waits so long for an answer before it sends that to everyone.
    pub(super) fn submit_with(
        &mut self,
        client: ClientId,
        operations: u8,
        draw: u64,
        to: ReplicaSet,
        patience: Micros,
    ) {
        let Some(request) = self.clients.submit(self.now, client, operations, draw) else { return };
        let (session, timestamp) = (request.body.session, request.body.timestamp);
        self.checks.on_signed(request.body.digest(), &request.body);
        self.checks.on_submitted(session, timestamp);
        self.send_request(&request, to);
        self.enqueue(self.now.after(patience), Happening::Resend { session, timestamp });
    }

    pub(super) fn answer(&mut self, seat: usize, reply: Reply) {
        if reply.outcome == ReplyOutcome::Busy {
            self.coverage.add("busy", 1);
        }
        let Session { client, index } = reply.session;
        let from = self.seats[seat].id;
        let mut dice = Dice::new([reply.timestamp.0, seat as u64, u64::from(client.0), u64::from(index) ^ self.now.0]);
        if let Some(at) = self.carried(&mut dice) {
            self.enqueue(at, Happening::Reply { from, reply });
        }
    }
}
