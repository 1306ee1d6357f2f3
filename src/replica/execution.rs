//! The executor: decided slots run strictly in order, and never without their bodies (rule 9).

use std::collections::BTreeSet;

use super::clients::Freshness;
use super::{ANSWERS_PAUSE, ExecutedSlot, Output, Outputs, PeerMessage, Replica, Reply, ReplyOutcome};
use crate::app::Application;
use crate::crypto::Signed;
use crate::protocol::{Batch, Event, Pool as _, Protocol, Recipients, Timer, Work};
use crate::rejection::Rejection;
use crate::replica::Submission;
use crate::types::{Digest, Micros, ReplicaId, SeqNum, Time};

/// How long after bodies were asked for they are asked for again.
const FETCH_PAUSE: Micros = Micros::from_millis(50);
/// The most bytes of bodies that a peer gets within [`ANSWERS_PAUSE`]: 5 MB a second from each of the others.
const MAX_BODIES_BYTES: usize = 256 << 10;

impl<P: Protocol, A: Application> Replica<P, A> {
    /// Runs every decided slot whose turn it is.
    pub(super) fn execute_ready(&mut self, now: Time, outputs: &mut Outputs<P>) {
        // While leaves are compared with a checkpoint's they must not move.
        while self.transfer.is_none() {
            let seq = self.state.executed.next();
            let Some(batch) = self.decided.get(&seq) else { return };
            let missing = self.pool.missing(batch);
            if !missing.is_empty() {
                self.spent.add(batch.submissions.len());
                self.lacking = missing.iter().copied().collect();
                let holder = self.protocol.status().leader;
                self.want_bodies(now, &missing, holder, outputs);
                return;
            }
            self.lacking.clear();
            let batch = self.decided.remove(&seq).expect("just seen");
            self.remember_executed(&batch, outputs);
            let served_since = self.execute(seq, batch, outputs);
            self.act(now, outputs, |protocol, cx| protocol.on_executed(cx, seq, served_since));
            if self.checkpoints.is_due(seq) {
                self.take_checkpoint(now, outputs);
            }
        }
    }

    /// Runs a slot; gives when the longest waiting of the submissions that ran was admitted.
    fn execute(&mut self, seq: SeqNum, batch: Batch, outputs: &mut Outputs<P>) -> Option<Time> {
        let mut served_since: Option<Time> = None;
        let mut operations = 0;
        let mut ran_now = Vec::new();
        self.pool.on_executing(seq, &batch);
        for digest in &batch.submissions {
            let Signed { body, .. } = self.pool.body(digest).expect("none is missing, and all are held");
            let (session, timestamp) = (body.session, body.timestamp);
            if let Some(ran) = self.state.run(*digest, body) {
                ran_now.push(*digest);
                served_since = served_since.into_iter().chain(self.pool.waiting_since(digest)).min();
                operations += ran.operations;
                self.counters.operations += u64::from(ran.operations);
                self.counters.operations_failed += u64::from(ran.failed);
            }
            if let Freshness::Last(entry) = self.state.clients.freshness(session, timestamp) {
                let outcome = ReplyOutcome::Executed(entry.result.clone());
                let reply = Reply { session, timestamp, submission: entry.submission, outcome };
                outputs.push(Output::Reply(session, reply));
            }
            self.pool.settle(session, timestamp);
        }
        let submissions = ran_now.len() as u32;
        self.counters.submissions += u64::from(submissions);
        self.state.executed = seq;
        self.pool.on_executed(seq, &batch);
        outputs.push(Output::Executed(ExecutedSlot { seq, batch, ran: ran_now }));
        outputs.push(Output::Note(Event::Executed { seq, submissions, operations }));
        served_since
    }

    /// Bodies are needed: they are waited for a little, since the client sends its own copy to everyone, then fetched.
    pub(super) fn want_bodies(&mut self, now: Time, digests: &[Digest], holder: ReplicaId, outputs: &mut Outputs<P>) {
        if self.pool.want(digests, holder) {
            let wait = Micros::from_millis(self.settings.body_wait_ms);
            outputs.push(Output::SetTimer(Timer::Bodies, now.after(wait)));
        }
    }

    pub(super) fn fetch_bodies(&mut self, now: Time, outputs: &mut Outputs<P>) {
        let others: Vec<ReplicaId> = self.committee.others(self.me).collect();
        let requests = self.pool.ask_for_wanted(&others);
        if requests.is_empty() {
            return;
        }
        for (peer, digests) in requests {
            outputs.push(Output::Send(Recipients::One(peer), PeerMessage::FetchBodies(digests)));
        }
        outputs.push(Output::SetTimer(Timer::Bodies, now.after(FETCH_PAUSE)));
    }

    /// Answers with each body once, as far as the peer may draw more now.
    pub(super) fn on_fetch_bodies(&mut self, now: Time, from: ReplicaId, digests: &[Digest], outputs: &mut Outputs<P>) {
        let pacing = &mut self.drawn.entry(from).or_default().bodies;
        let room = pacing.room(now, ANSWERS_PAUSE, MAX_BODIES_BYTES);
        let mut bytes = 0;
        let fits = |body: &&Signed<Submission>| {
            let with_it = bytes + body.body.operations.len() + 128;
            let fits = with_it <= room;
            bytes = if fits { with_it } else { bytes };
            fits
        };
        let distinct: BTreeSet<&Digest> = digests.iter().collect();
        let bodies: Vec<Signed<Submission>> =
            distinct.into_iter().filter_map(|digest| self.pool.body(digest)).take_while(fits).cloned().collect();
        pacing.draw(bytes);
        self.spent.add(digests.len() + bytes / Work::BYTES);
        if !bodies.is_empty() {
            outputs.push(Output::Send(Recipients::One(from), PeerMessage::Bodies(bodies)));
        }
    }

    pub(super) fn on_bodies(
        &mut self,
        now: Time,
        bodies: Vec<Signed<Submission>>,
        outputs: &mut Outputs<P>,
    ) -> Result<(), Rejection> {
        let mut arrived = Vec::new();
        for submission in bodies {
            let digest = submission.body.digest();
            if self.pool.supply(digest, submission) {
                arrived.push(digest);
            }
        }
        if arrived.is_empty() {
            return Err(Rejection::Unsolicited);
        }
        self.on_arrived(now, &arrived, outputs);
        Ok(())
    }

    /// Bodies that were wanted are in the pool: goes on with what waited for them. Each is looked up, so that bodies that
    /// come one by one do not make all that is open be looked through each time.
    pub(super) fn on_arrived(&mut self, now: Time, arrived: &[Digest], outputs: &mut Outputs<P>) {
        self.act(now, outputs, |protocol, cx| protocol.on_bodies(cx, arrived));
        let lacked = self.lacking.len();
        for digest in arrived {
            self.lacking.remove(digest);
        }
        if lacked > 0 && self.lacking.is_empty() {
            self.execute_ready(now, outputs);
        }
    }
}
