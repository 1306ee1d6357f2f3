//! The clients of a simulated cluster: honest ones, who wait and repeat and believe f+1, and an evil one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::network::Dice;
use super::schedule::EvilDeed;
use super::swarm::HONEST_CLIENTS;
use crate::app::smallbank::encode_operations;
use crate::client::{Tally, Verdict};
use crate::committee::Committee;
use crate::crypto::{Signature, Signed, Signer};
use crate::replica::{Reply, Submission};
use crate::types::{ClientId, Digest, ReplicaId, ReplicaSet, Session, Time, Timestamp};
use crate::workload::{Mix, Workload};

/// How many sessions an honest client key uses.
const SESSIONS: u16 = 8;

/// A submission on its way, as bytes would be: signed, or pretending to be.
pub(super) type Request = Arc<Signed<Submission>>;

/// What an honest client waits for.
struct Pending {
    request: Request,
    tally: Tally,
    since: Time,
    /// Its timestamp is that of an earlier one: it will never be answered.
    is_stale: bool,
}

/// A result that an honest client believes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Accepted {
    pub(super) session: Session,
    pub(super) timestamp: Timestamp,
    pub(super) submission: Digest,
    pub(super) result: Vec<u8>,
}

/// All clients of a run.
pub(super) struct Clients {
    committee: Committee,
    accounts: u32,
    signers: Vec<Signer>,
    clocks: BTreeMap<Session, u64>,
    /// How many submissions in a thousand have the timestamp of the one before.
    forgetful_per_mille: u16,
    /// What each session has submitted last under its newest timestamp.
    last: BTreeMap<Session, Digest>,
    pending: BTreeMap<Session, Pending>,
}

impl Clients {
    /// The number of client keys in the roster.
    pub(super) const KEYS: u16 = HONEST_CLIENTS + 1;

    /// Clients with their signers, in roster order; the last one is evil.
    pub(super) fn new(committee: Committee, accounts: u32, signers: Vec<Signer>, forgetful_per_mille: u16) -> Clients {
        Clients {
            committee,
            accounts,
            signers,
            clocks: BTreeMap::new(),
            forgetful_per_mille,
            last: BTreeMap::new(),
            pending: BTreeMap::new(),
        }
    }

    fn sign(&self, session: Session, timestamp: u64, operations: Vec<u8>) -> Request {
        let body = Submission { session, timestamp: Timestamp(timestamp), operations };
        Arc::new(Signed::by(&self.signers[usize::from(session.client.0)], body))
    }

    fn operations(&self, draw: u64, count: u8) -> Vec<u8> {
        let mut workload = Workload::new(draw, self.accounts, Mix::DEFAULT, Workload::DEFAULT_ALPHA);
        let operations: Vec<_> = (0..count.max(1)).map(|_| workload.next_operation()).collect();
        encode_operations(&operations)
    }

    /// An honest client submits, if one of its sessions is idle.
    pub(super) fn submit(&mut self, now: Time, client: ClientId, operations: u8, draw: u64) -> Option<Request> {
        let client = ClientId(client.0 % HONEST_CLIENTS);
        let mut sessions = (0..SESSIONS).map(|index| Session { client, index });
        let session = sessions.find(|session| !self.pending.contains_key(session))?;
        let clock = self.clocks.entry(session).or_default();
        let forgets = *clock > 0 && Dice::new([draw, 78, now.0, *clock]).per_mille(self.forgetful_per_mille);
        let (stale, next) = (*clock, *clock + 1);
        let operations = self.operations(draw, operations);
        let again = forgets.then(|| self.sign(session, stale, operations.clone()));
        // The same once more would rightly be answered as before.
        let again = again.filter(|request| self.last.get(&session) != Some(&request.body.digest()));
        let is_stale = again.is_some();
        let request = again.unwrap_or_else(|| self.sign(session, next, operations));
        if !is_stale {
            self.clocks.insert(session, next);
        }
        self.wait(now, &request, is_stale);
        Some(request)
    }

    fn wait(&mut self, since: Time, request: &Request, is_stale: bool) {
        let Submission { session, timestamp, .. } = request.body;
        let tally = Tally::new(self.committee, timestamp, request.body.digest());
        if !is_stale {
            self.last.insert(session, request.body.digest());
        }
        self.pending.insert(session, Pending { request: request.clone(), tally, since, is_stale });
    }

    /// What a session waits for, to be sent again; `None` if that has been answered. What has a stale timestamp is signed
    /// anew under the next one.
    pub(super) fn resend(&mut self, session: Session, timestamp: Timestamp) -> Option<Request> {
        let pending = self.pending.get_mut(&session).filter(|pending| pending.tally.timestamp() == timestamp)?;
        pending.tally.forget_busy();
        let (request, since, is_stale) = (pending.request.clone(), pending.since, pending.is_stale);
        if !is_stale {
            return Some(request);
        }
        let clock = self.clocks.entry(session).or_default();
        *clock += 1;
        let timestamp = *clock;
        let request = self.sign(session, timestamp, request.body.operations.clone());
        self.wait(since, &request, false);
        Some(request)
    }

    /// A replica answers.
    pub(super) fn on_reply(&mut self, from: ReplicaId, reply: &Reply) -> Option<Accepted> {
        let (session, timestamp) = (reply.session, reply.timestamp);
        let pending = self.pending.get_mut(&session)?;
        match pending.tally.count(from, reply.clone()) {
            Verdict::Executed(result) => {
                // What is believed is an answer to what was asked, whatever the reply says it answers.
                let submission = pending.request.body.digest();
                self.pending.remove(&session);
                Some(Accepted { session, timestamp, submission, result })
            }
            // Simulated clients count on, and forget nothing that they signed.
            Verdict::Open | Verdict::Busy | Verdict::Old(_) => None,
        }
    }

    /// The requests of honest clients that are open: whose, and since when.
    pub(super) fn open(&self) -> impl Iterator<Item = (Session, Time)> {
        self.pending.iter().map(|(session, pending)| (*session, pending.since))
    }

    /// What the evil client sends to whom.
    pub(super) fn misbehave(&mut self, deed: EvilDeed, draw: u64) -> Vec<(Request, ReplicaSet)> {
        let mut dice = Dice::new([draw, 77, 0, 0]);
        let everyone: ReplicaSet = self.committee.members().collect();
        let half: ReplicaSet = self.committee.members().filter(|_| dice.per_mille(500)).collect();
        let rest: ReplicaSet = self.committee.members().filter(|member| !half.contains(*member)).collect();
        let session = Session { client: ClientId(HONEST_CLIENTS), index: dice.below(4) as u16 };
        let clock = self.clocks.entry(session).or_default();
        *clock += 1;
        let timestamp = *clock;
        let (one, other) = (self.operations(draw, 1), self.operations(draw.wrapping_add(1), 2));
        match deed {
            EvilDeed::TwoBodies => {
                vec![(self.sign(session, timestamp, one), half), (self.sign(session, timestamp, other), rest)]
            }
            EvilDeed::OneReplica => {
                let victim = ReplicaId(dice.below(self.committee.size() as u64) as u8);
                vec![(self.sign(session, timestamp, one), [victim].into_iter().collect())]
            }
            EvilDeed::TimeTravel => {
                let far = u64::MAX - dice.below(3);
                vec![(self.sign(session, far, one), half), (self.sign(session, timestamp, other), everyone)]
            }
            EvilDeed::Garbage => {
                let bytes = (0..dice.below(40)).map(|_| dice.next() as u8).collect();
                vec![(self.sign(session, timestamp, bytes), everyone)]
            }
            EvilDeed::Forgery => {
                let victim = Session { client: ClientId(0), index: 0 };
                let body = Submission { session: victim, timestamp: Timestamp(u64::MAX), operations: one };
                let stolen = Signed { body, signature: self.sign(session, timestamp, other).signature };
                let unsigned = Signed { body: stolen.body.clone(), signature: Signature::BLANK };
                vec![(Arc::new(stolen), half), (Arc::new(unsigned), rest)]
            }
        }
    }
}
