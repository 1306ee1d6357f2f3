//! Checkpoints and state transfer at work: what keeps a replica's state equal to the others' (§4.3, rules 27 and 28).

use super::transfer::{self, Fetched, Transfer};
use super::{ANSWERS_PAUSE, Output, Outputs, PeerMessage, Replica, StatePart, StateRequest};
use crate::app::Application;
use crate::crypto::Signed;
use crate::protocol::{Checkpoint, CheckpointCertificate, Event, Protocol, Recipients, Timer, Work};
use crate::rejection::Rejection;
use crate::types::{Micros, ReplicaId, Session, Time, Timestamp};

/// How long a replica tries to reach a stable checkpoint by executing before it fetches the state, and how long a part
/// of it may take at first.
pub(super) const TRANSFER_PAUSE: Micros = Micros::from_millis(200);
/// The longest that a part may take.
const MAX_TRANSFER_PATIENCE: Micros = Micros::from_millis(3200);

/// How many bytes of state a peer gets within [`ANSWERS_PAUSE`], but for the answer that reaches this: more than a link of
/// a gigabit carries.
const MAX_STATE_BYTES: usize = 8 << 20;

impl<P: Protocol, A: Application> Replica<P, A> {
    /// Signs and sends what the state is, and holds it still.
    pub(super) fn take_checkpoint(&mut self, now: Time, outputs: &mut Outputs<P>) {
        let (seq, digest) = (self.state.executed, self.state.digest());
        self.checkpoints.keep(seq, digest, self.state.clone());
        // One that differed, and executes again, signs no second digest for the same slot.
        if self.checkpoints.may_sign(seq) {
            let body = Checkpoint { seq, digest, replica: self.me };
            outputs.push(Output::Send(Recipients::All, PeerMessage::Checkpoint(Signed::unsigned(body))));
        }
        if let Some(certificate) = self.ahead.take_if(|certificate| certificate.seq() <= seq) {
            self.on_certificate(now, certificate, outputs);
        }
    }

    pub(super) fn on_checkpoint(
        &mut self,
        now: Time,
        signed: &Signed<Checkpoint>,
        outputs: &mut Outputs<P>,
    ) -> Result<(), Rejection> {
        if let Some(certificate) = self.checkpoints.on_vote(self.me, signed)? {
            self.on_certificate(now, certificate, outputs);
        }
        Ok(())
    }

    /// A quorum has this state. Ours is there too, or is on its way, or has to be fetched.
    pub(super) fn on_certificate(&mut self, now: Time, certificate: CheckpointCertificate, outputs: &mut Outputs<P>) {
        let seq = certificate.seq();
        if seq <= self.checkpoints.stable().seq() {
            return;
        }
        if self.state.executed >= seq {
            match self.checkpoints.own_digest(seq) {
                Some(mine) if mine == certificate.digest() => self.stabilise(now, certificate, outputs),
                Some(mine) => {
                    outputs.push(Output::Note(Event::Diverged { seq, mine, certified: certificate.digest() }));
                    self.fetch_state(now, certificate, outputs);
                }
                None => {}
            }
            return;
        }
        if self.ahead.as_ref().is_none_or(|known| known.seq() < seq) {
            let was_known = self.ahead.replace(certificate).is_some();
            if !was_known && self.transfer.is_none() {
                outputs.push(Output::SetTimer(Timer::StateTransfer, now.after(TRANSFER_PAUSE)));
            }
        }
    }

    fn stabilise(&mut self, now: Time, certificate: CheckpointCertificate, outputs: &mut Outputs<P>) {
        let seq = certificate.seq();
        self.checkpoints.stabilise(certificate.clone());
        self.pool.collect(seq);
        self.auditor.collect(seq);
        outputs.push(Output::Note(Event::CheckpointStable { seq, digest: certificate.digest() }));
        self.remember_state(&certificate, outputs);
        self.act(now, outputs, |protocol, cx| protocol.on_stable_checkpoint(cx, &certificate));
    }

    /// Rule 20: a checkpoint that is not stable by the next status report is sent again.
    pub(super) fn repeat_checkpoint(&mut self, outputs: &mut Outputs<P>) {
        let unstable = self.checkpoints.unstable_own().cloned();
        let seq = unstable.as_ref().map(|own| own.body.seq);
        if let Some(own) = unstable.filter(|_| seq == self.unstable_at_status) {
            outputs.push(Output::Send(Recipients::All, PeerMessage::Checkpoint(own)));
        }
        self.unstable_at_status = seq;
    }

    /// Begins a transfer, or goes on with the one that is under way to a newer checkpoint.
    fn fetch_state(&mut self, now: Time, target: CheckpointCertificate, outputs: &mut Outputs<P>) {
        match &mut self.transfer {
            Some(transfer) if transfer.target() < target.seq() => transfer.follow(target),
            Some(_) => {}
            None => {
                outputs.push(Output::Note(Event::TransferBegan { target: target.seq() }));
                self.transfer = Some(Transfer::new(target, self.committee.others(self.me), self.state.tree()));
            }
        }
        self.request_state(now, outputs);
    }

    fn request_state(&mut self, now: Time, outputs: &mut Outputs<P>) {
        let Some(transfer) = &mut self.transfer else { return };
        for (peer, request) in transfer.requests(now) {
            outputs.push(Output::Send(Recipients::One(peer), PeerMessage::StateRequest(request)));
        }
        outputs.push(Output::SetTimer(Timer::StateTransfer, transfer.timeout(now, self.transfer_patience)));
    }

    /// Either a part did not come, or executing did not reach the checkpoint in time.
    pub(super) fn on_transfer_timeout(&mut self, now: Time, outputs: &mut Outputs<P>) {
        let Some(transfer) = &mut self.transfer else {
            let executed = self.state.executed;
            if let Some(certificate) = self.ahead.take().filter(|certificate| certificate.seq() > executed) {
                self.fetch_state(now, certificate, outputs);
            }
            return;
        };
        transfer.on_timeout(now, self.transfer_patience);
        if transfer.is_exhausted() {
            self.transfer_patience = Micros(2 * self.transfer_patience.0).min(MAX_TRANSFER_PATIENCE);
        }
        self.go_on_fetching(now, outputs);
    }

    /// Asks for what is open. If the target is lost, all are asked again, for a newer one if one is known.
    fn go_on_fetching(&mut self, now: Time, outputs: &mut Outputs<P>) {
        let committee = self.committee;
        let is_lost = |transfer: &&mut Transfer| transfer.is_exhausted() || transfer.is_outrun(committee);
        if let Some(transfer) = self.transfer.as_mut().filter(is_lost) {
            let target = transfer.target();
            match self.ahead.take().filter(|certificate| certificate.seq() > target) {
                Some(certificate) => transfer.follow(certificate),
                None => transfer.start_over(),
            }
        }
        self.request_state(now, outputs);
    }

    /// Answers with a part of the state, unless the peer has drawn all that it may for now: it takes a silent peer for one
    /// that is slow, and asks again.
    pub(super) fn on_state_request(
        &mut self,
        now: Time,
        from: ReplicaId,
        request: &StateRequest,
        outputs: &mut Outputs<P>,
    ) {
        let (StateRequest::Nodes { seq, .. } | StateRequest::Leaves { seq, .. }) = request;
        self.spent.add(1);
        if self.drawn.entry(from).or_default().state.room(now, ANSWERS_PAUSE, MAX_STATE_BYTES) == 0 {
            return;
        }
        let part = match self.checkpoints.fetch(from, *seq) {
            Some(snapshot) => transfer::answer(snapshot, request),
            None => self.checkpoints.newer(from, *seq).cloned().map(StatePart::Newer),
        };
        if let Some(part) = part {
            let bytes = part.bytes();
            self.drawn.entry(from).or_default().state.draw(bytes);
            self.spent.add(bytes / Work::BYTES);
            outputs.push(Output::Send(Recipients::One(from), PeerMessage::StatePart(part)));
        }
    }

    pub(super) fn on_state_part(
        &mut self,
        now: Time,
        from: ReplicaId,
        part: StatePart,
        outputs: &mut Outputs<P>,
    ) -> Result<(), Rejection> {
        let transfer = self.transfer.as_mut().ok_or(Rejection::Unsolicited)?;
        if let StatePart::Newer(certificate) = part {
            transfer.on_newer(from, certificate.seq())?;
            if self.ahead.as_ref().is_none_or(|known| known.seq() < certificate.seq()) {
                self.ahead = Some(certificate);
            }
            self.go_on_fetching(now, outputs);
            return Ok(());
        }
        let verdict = transfer.on_part(from, part, self.state.tree());
        match transfer.take_fetched() {
            Some(fetched) => self.install(now, &fetched, outputs),
            // What a liar was asked for is asked of others.
            None if verdict != Err(Rejection::Unsolicited) => self.request_state(now, outputs),
            None => {}
        }
        verdict
    }

    /// Puts a complete, certified state in place of ours, at once.
    fn install(&mut self, now: Time, fetched: &Fetched, outputs: &mut Outputs<P>) {
        let Fetched { target, leaves } = fetched;
        self.transfer = None;
        self.transfer_patience = Micros(self.transfer_patience.0 / 2).max(TRANSFER_PAUSE);
        outputs.push(Output::CancelTimer(Timer::StateTransfer));
        let seq = target.seq();
        let Some(mut state) = self.state.with_leaves(seq, leaves) else { return };
        assert_eq!(state.digest(), target.digest(), "every leaf was checked against the certificate");
        self.state = state;
        self.checkpoints.forget_after(seq);
        self.checkpoints.keep(seq, target.digest(), self.state.clone());
        self.decided = self.decided.split_off(&seq.next());
        let settled: Vec<(Session, Timestamp)> = self.state.clients.newest().collect();
        settled.into_iter().for_each(|(session, timestamp)| self.pool.settle(session, timestamp));
        self.checkpoints.stabilise(target.clone());
        self.pool.collect(seq);
        self.auditor.collect(seq);
        let bytes = leaves.values().map(|leaf| leaf.len() as u64).sum();
        self.remember_state(target, outputs);
        outputs.push(Output::Note(Event::TransferDone { seq, leaves: leaves.len() as u32, bytes }));
        self.act(now, outputs, |protocol, cx| protocol.on_state_installed(cx, target));
        self.execute_ready(now, outputs);
        let executed = self.state.executed;
        self.ahead.take_if(|certificate| certificate.seq() <= executed);
        if self.ahead.is_some() {
            outputs.push(Output::SetTimer(Timer::StateTransfer, now.after(TRANSFER_PAUSE)));
        }
    }
}
