//! The pool: submissions that wait to be ordered, and the bodies behind every digest that a replica may need.
//!
//! Bounds: one waiting submission per session, [`Settings::pool_submissions`] from clients and as many from each replica
//! that passes on what it admitted itself; what is refused is answered *busy* and starts no timer (rule 17).
//!
//! Fairness: when the room of a source is full, a client that has fewer submissions there than another one gets in. The
//! client that has most gives up the newest one that is not proposed, or else the one that has most after it: this one is
//! answered *busy*, and its timer ends. So many sessions of one key keep no other key out.
//!
//! Other bodies are kept only if a proposal between the watermarks names them, until that
//! slot is behind a stable checkpoint; once executed they are kept for another window, since a later slot may name them
//! again and a replica that fetched the state in between has to get them from somebody.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::shares::{Arrival, Share, Shares};
use super::submission::Submission;
use crate::crypto::Signed;
use crate::protocol::{self, Batch, QueueLevel, Settings};
use crate::types::{ClientId, Digest, ReplicaId, SeqNum, Session, Time, Timestamp, View};

/// What became of a submission at the door.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Admission {
    /// It waits to be ordered.
    Admitted,
    /// It waits already, or an equal or newer one of its session does.
    Known,
    /// It waits to be ordered in place of another client's submission, which is refused now.
    InPlaceOf(Displaced),
    /// There is no room.
    Full,
}

/// A submission that had to make room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Displaced {
    pub(super) session: Session,
    pub(super) timestamp: Timestamp,
    pub(super) submission: Digest,
}

/// A submission that waits to be ordered.
struct Waiting {
    session: Session,
    timestamp: Timestamp,
    arrival: Arrival,
    /// Who has passed it on; none if its client was here.
    source: Option<ReplicaId>,
    /// Whether this view's primary, being us, has proposed it.
    is_proposed: bool,
    /// The last view whose primary was given the body, and when that was (rule 24).
    forwarded: Option<(View, Time)>,
}

struct Body {
    submission: Signed<Submission>,
    /// The body may go once this slot is stable, unless it still waits; 0 if no proposal is known to name it.
    kept_until: SeqNum,
}

/// A body that a proposal names and that is not here.
struct Wanted {
    holder: ReplicaId,
    asked: u32,
    /// Nobody wants it any more once this slot is stable.
    until: SeqNum,
}

/// Submissions and bodies of one replica.
pub(super) struct RequestPool {
    capacity: usize,
    window_slots: u64,
    bodies: BTreeMap<Digest, Body>,
    waiting: BTreeMap<Digest, Waiting>,
    /// Who has how many waiting, from each source.
    by_source: BTreeMap<Option<ReplicaId>, Shares>,
    by_session: BTreeMap<Session, Digest>,
    /// What each session waited for before, as long as its body may be asked for by a proposal that is late.
    superseded: BTreeMap<Session, Digest>,
    by_arrival: BTreeMap<Arrival, Digest>,
    /// What may be proposed, first in first out per client.
    queues: BTreeMap<ClientId, VecDeque<Digest>>,
    /// The client that was served last: the next one goes first.
    served_last: Option<ClientId>,
    wanted: BTreeMap<Digest, Wanted>,
    /// What slots of the view name already, whenever it arrives: at most a window's.
    named: BTreeSet<Digest>,
    arrivals: u64,
    executed: SeqNum,
}

impl RequestPool {
    pub(super) fn new(settings: &Settings) -> RequestPool {
        RequestPool {
            capacity: settings.pool_submissions,
            window_slots: settings.window_slots,
            bodies: BTreeMap::new(),
            waiting: BTreeMap::new(),
            by_source: BTreeMap::new(),
            by_session: BTreeMap::new(),
            superseded: BTreeMap::new(),
            by_arrival: BTreeMap::new(),
            queues: BTreeMap::new(),
            served_last: None,
            wanted: BTreeMap::new(),
            named: BTreeSet::new(),
            arrivals: 0,
            executed: SeqNum(0),
        }
    }

    /// Takes in a submission that has not been executed, from its client or from a replica that passes it on. What a
    /// replica has admitted has room with the others too: were it refused there, its timer would depose a primary that
    /// is merely busy.
    pub(super) fn admit(
        &mut self,
        now: Time,
        digest: Digest,
        submission: Signed<Submission>,
        source: Option<ReplicaId>,
    ) -> Admission {
        let Submission { session, timestamp, .. } = submission.body;
        let (mut source, mut displaced) = (source, None);
        match self.by_session.get(&session).map(|earlier| (*earlier, &self.waiting[earlier])) {
            Some((_, earlier)) if earlier.timestamp >= timestamp => return Admission::Known,
            // The session has moved on: it holds one place, and its newest submission gets it.
            Some((superseded, earlier)) => {
                source = earlier.source;
                self.supersede(session, superseded);
            }
            None if self.by_source.get(&source).is_some_and(|shares| shares.len() >= self.capacity) => {
                displaced = self.make_room(source, session.client);
                if displaced.is_none() {
                    return Admission::Full;
                }
            }
            None => {}
        }
        self.arrivals += 1;
        let arrival = (now, self.arrivals);
        self.by_source.entry(source).or_default().insert(session.client, arrival, digest);
        let is_proposed = self.named.contains(&digest);
        let waiting = Waiting { session, timestamp, arrival, source, is_proposed, forwarded: None };
        self.waiting.insert(digest, waiting);
        self.by_session.insert(session, digest);
        self.by_arrival.insert(arrival, digest);
        if !is_proposed {
            self.queues.entry(session.client).or_default().push_back(digest);
        }
        self.keep(digest, submission, SeqNum(0));
        displaced.map_or(Admission::Admitted, Admission::InPlaceOf)
    }

    /// Takes the newest unproposed submission of the client that has most in the room of a source, unless `client` has as
    /// many. Another primary may have proposed it: its body stays as that of one that its session has moved on from.
    fn make_room(&mut self, source: Option<ReplicaId>, client: ClientId) -> Option<Displaced> {
        let submission = self.by_source.get(&source)?.above(client).find(|digest| !self.waiting[digest].is_proposed)?;
        let Waiting { session, timestamp, .. } = self.waiting[&submission];
        self.supersede(session, submission);
        Some(Displaced { session, timestamp, submission })
    }

    /// Keeps a body that was asked for; false if nobody asked.
    pub(super) fn supply(&mut self, digest: Digest, submission: Signed<Submission>) -> bool {
        let is_wanted = self.wanted.contains_key(&digest);
        if is_wanted {
            self.keep(digest, submission, self.executed.plus(2 * self.window_slots));
        }
        is_wanted
    }

    /// Keeps a body that was on the disk.
    pub(super) fn remember(&mut self, digest: Digest, submission: Signed<Submission>) {
        self.keep(digest, submission, self.executed.plus(2 * self.window_slots));
    }

    fn keep(&mut self, digest: Digest, submission: Signed<Submission>, kept_until: SeqNum) {
        self.wanted.remove(&digest);
        self.bodies.entry(digest).or_insert(Body { submission, kept_until });
    }

    /// Whether somebody waits for this body.
    pub(super) fn wants(&self, digest: &Digest) -> bool {
        self.wanted.contains_key(digest)
    }

    /// Remembers that bodies are needed; true if that is news.
    pub(super) fn want(&mut self, digests: &[Digest], holder: ReplicaId) -> bool {
        let mut is_news = false;
        let until = self.executed.plus(2 * self.window_slots);
        for digest in digests.iter().filter(|digest| !self.bodies.contains_key(*digest)) {
            self.wanted.entry(*digest).or_insert_with(|| {
                is_news = true;
                Wanted { holder, asked: 0, until }
            });
        }
        is_news
    }

    /// What is still wanted, by whom to ask next: the holder first, then everyone in turn. What was asked for least goes
    /// first, so that names without a body behind them do not crowd out the others.
    pub(super) fn ask_for_wanted(&mut self, others: &[ReplicaId]) -> BTreeMap<ReplicaId, Vec<Digest>> {
        let mut by_peer: BTreeMap<ReplicaId, Vec<Digest>> = BTreeMap::new();
        if others.is_empty() {
            return by_peer;
        }
        let mut in_turn: Vec<(&Digest, &mut Wanted)> = self.wanted.iter_mut().collect();
        in_turn.sort_by_key(|(_, wanted)| wanted.asked);
        for (digest, wanted) in in_turn.into_iter().take(Batch::MAX_SUBMISSIONS) {
            let peer = match wanted.asked {
                0 if others.contains(&wanted.holder) => wanted.holder,
                asked => others[(wanted.holder.index() + asked as usize) % others.len()],
            };
            wanted.asked += 1;
            by_peer.entry(peer).or_default().push(*digest);
        }
        by_peer
    }

    pub(super) fn body(&self, digest: &Digest) -> Option<&Signed<Submission>> {
        self.bodies.get(digest).map(|body| &body.submission)
    }

    /// A submission whose body is here, if there is one.
    pub(super) fn some_body(&self) -> Option<Digest> {
        self.bodies.keys().next().copied()
    }

    /// When a submission was admitted that waits to be executed.
    pub(super) fn waiting_since(&self, digest: &Digest) -> Option<Time> {
        self.waiting.get(digest).map(|waiting| waiting.arrival.0)
    }

    /// A submission of the session was executed: whatever of the session is as old or older is settled, whichever body
    /// others saw under that timestamp.
    pub(super) fn settle(&mut self, session: Session, timestamp: Timestamp) {
        if let Some(digest) = self.by_session.get(&session).copied()
            && self.waiting[&digest].timestamp <= timestamp
        {
            self.stop_waiting(digest);
            self.drop_unnamed(digest);
            if let Some(before) = self.superseded.remove(&session) {
                self.drop_unnamed(before);
            }
        }
    }

    /// A slot is about to be executed. Bodies that came after the decision are held by nothing else: without this they would
    /// go as soon as they are settled, and whoever is behind, or starts again, would go without.
    pub(super) fn on_executing(&mut self, seq: SeqNum, batch: &Batch) {
        protocol::Pool::hold(self, batch, seq.plus(self.window_slots));
    }

    /// A slot was executed.
    pub(super) fn on_executed(&mut self, seq: SeqNum, batch: &Batch) {
        self.executed = seq;
        for digest in &batch.submissions {
            self.wanted.remove(digest);
            self.named.remove(digest);
            // It has run: nothing later asks for it by right.
            if let Some(Body { submission, .. }) = self.bodies.get(digest) {
                let session = submission.body.session;
                self.superseded.extract_if(session..=session, |_, before| before == digest).for_each(drop);
            }
        }
    }

    /// What no slot above a stable checkpoint can name goes.
    pub(super) fn collect(&mut self, stable: SeqNum) {
        self.executed = self.executed.max(stable);
        let (waiting, superseded) = (&self.waiting, self.superseded.values().collect::<BTreeSet<_>>());
        let may_be_named = |digest: &Digest| waiting.contains_key(digest) || superseded.contains(digest);
        self.bodies.retain(|digest, body| body.kept_until > stable || may_be_named(digest));
        self.wanted.retain(|_, wanted| wanted.until > stable);
    }

    /// Bodies that have waited since before `since` and that the view's primary was not given yet, or not since `lost`: what it was
    /// given then may never have come. Marks them as given now.
    pub(super) fn take_unforwarded(
        &mut self,
        now: Time,
        (since, lost): (Time, Time),
        view: View,
        limit: usize,
    ) -> Vec<Signed<Submission>> {
        let overdue: Vec<Digest> = self
            .by_arrival
            .range(..=(since, u64::MAX))
            .map(|(_, digest)| *digest)
            .filter(|digest| self.waiting[digest].forwarded.is_none_or(|(in_view, at)| in_view < view || at <= lost))
            .take(limit)
            .collect();
        for digest in &overdue {
            self.waiting.get_mut(digest).expect("indexed by arrival").forwarded = Some((view, now));
        }
        overdue.iter().filter_map(|digest| self.body(digest).cloned()).collect()
    }

    /// How full it is. A session has one waiting submission and one that it waited for before; a slot up to three windows
    /// above the stable checkpoint may name a full batch.
    pub(super) fn queues(&self, visit: &mut dyn FnMut(QueueLevel)) {
        let named = 3 * self.window_slots as usize * Batch::MAX_SUBMISSIONS;
        let mut level = |name, len, bound| visit(QueueLevel { name, len, bound });
        let waiting = self.capacity * self.by_source.len().max(1);
        level("waiting submissions", self.waiting.len(), waiting);
        level("bodies", self.bodies.len(), waiting + self.superseded.len() + named);
        level("wanted bodies", self.wanted.len(), named);
    }

    /// What each client has waiting that was here itself.
    pub(super) fn shares(&self) -> Vec<Share> {
        let of = |(client, waiting): (ClientId, &BTreeMap<Arrival, Digest>)| {
            let unproposed = waiting.values().filter(|digest| !self.waiting[*digest].is_proposed).count();
            Share { client, waiting: waiting.len(), unproposed }
        };
        self.by_source.get(&None).into_iter().flat_map(|shares| shares.iter().map(of)).collect()
    }

    /// How many submissions wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The others may have answered the session before the proposal of its submission came here: that body stays until
    /// the session moves on once more.
    fn supersede(&mut self, session: Session, digest: Digest) {
        self.stop_waiting(digest);
        // It may be the same one, displaced earlier and admitted again.
        if let Some(before) = self.superseded.insert(session, digest).filter(|before| *before != digest) {
            self.drop_unnamed(before);
        }
    }

    /// Drops a body that no proposal is known to name.
    fn drop_unnamed(&mut self, digest: Digest) {
        if self.bodies.get(&digest).is_some_and(|body| body.kept_until == SeqNum(0)) {
            self.bodies.remove(&digest);
        }
    }

    fn stop_waiting(&mut self, digest: Digest) {
        let Some(waiting) = self.waiting.remove(&digest) else { return };
        if let Some(shares) = self.by_source.get_mut(&waiting.source) {
            shares.remove(waiting.session.client, waiting.arrival);
        }
        self.by_session.remove(&waiting.session);
        self.by_arrival.remove(&waiting.arrival);
        // The queue's entry goes when its turn comes, or with the queue.
        let client = waiting.session.client;
        if let Some(queue) = self.queues.get_mut(&client)
            && queue.len() > 2 * usize::from(Session::PER_CLIENT)
        {
            queue.retain(|queued| self.waiting.contains_key(queued));
        }
    }

    fn next_queued(&mut self, client: ClientId) -> Option<Digest> {
        let queue = self.queues.get_mut(&client)?;
        while let Some(digest) = queue.pop_front() {
            if self.waiting.get(&digest).is_some_and(|waiting| !waiting.is_proposed) {
                return Some(digest);
            }
        }
        self.queues.remove(&client);
        None
    }

    /// The clients with something queued, those after the one served last first.
    fn turns(&self) -> Vec<ClientId> {
        let after = |client: &ClientId| Some(*client) > self.served_last;
        let (later, earlier): (Vec<ClientId>, Vec<ClientId>) = self.queues.keys().copied().partition(after);
        later.into_iter().chain(earlier).collect()
    }
}

impl protocol::Pool for RequestPool {
    fn take_batch(&mut self, limit: usize) -> Batch {
        let mut batch = Batch::default();
        loop {
            let before = batch.submissions.len();
            for client in self.turns() {
                if batch.submissions.len() == limit {
                    return batch;
                }
                if let Some(digest) = self.next_queued(client) {
                    self.waiting.get_mut(&digest).expect("just found").is_proposed = true;
                    self.served_last = Some(client);
                    batch.submissions.push(digest);
                }
            }
            if batch.submissions.len() == before {
                return batch;
            }
        }
    }

    fn has_unproposed(&self) -> bool {
        let is_open = |digest: &Digest| self.waiting.get(digest).is_some_and(|waiting| !waiting.is_proposed);
        self.queues.values().any(|queue| queue.iter().any(is_open))
    }

    fn begin_view(&mut self, forced: &[&Batch]) {
        let forced: BTreeSet<Digest> = forced.iter().flat_map(|batch| batch.submissions.iter().copied()).collect();
        self.queues.clear();
        for digest in self.by_arrival.values() {
            let waiting = self.waiting.get_mut(digest).expect("indexed by arrival");
            waiting.is_proposed = forced.contains(digest);
            if !waiting.is_proposed {
                self.queues.entry(waiting.session.client).or_default().push_back(*digest);
            }
        }
        self.named.clear();
    }

    fn already_proposed(&mut self, batches: &[&Batch]) {
        self.named = batches.iter().flat_map(|batch| batch.submissions.iter().copied()).collect();
    }

    fn missing(&self, batch: &Batch) -> Vec<Digest> {
        batch.submissions.iter().filter(|digest| !self.bodies.contains_key(digest)).copied().collect()
    }

    fn hold(&mut self, batch: &Batch, seq: SeqNum) {
        for digest in &batch.submissions {
            if let Some(body) = self.bodies.get_mut(digest) {
                body.kept_until = body.kept_until.max(seq);
            }
        }
    }

    fn oldest_pending_since(&self) -> Option<Time> {
        self.by_arrival.first_key_value().map(|((since, _), _)| *since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Signature;
    use crate::protocol::Pool as _;

    fn submission(client: u16, index: u16, timestamp: u64) -> (Digest, Signed<Submission>) {
        let session = Session { client: ClientId(client), index };
        let body = Submission { session, timestamp: Timestamp(timestamp), operations: vec![] };
        (body.digest(), Signed { body, signature: Signature::BLANK })
    }

    fn admit(pool: &mut RequestPool, at: u64, (digest, signed): (Digest, Signed<Submission>)) -> Admission {
        pool.admit(Time(at), digest, signed, None)
    }

    #[test]
    fn rule_17_a_full_pool_refuses_and_starts_no_timer() {
        let mut pool = RequestPool::new(&Settings { pool_submissions: 2, ..Settings::default() });
        assert_eq!(admit(&mut pool, 5, submission(0, 0, 1)), Admission::Admitted);
        assert_eq!(admit(&mut pool, 6, submission(0, 1, 1)), Admission::Admitted);
        assert_eq!(admit(&mut pool, 7, submission(0, 2, 1)), Admission::Full);
        pool.settle(Session { client: ClientId(0), index: 0 }, Timestamp(1));
        assert_eq!(pool.oldest_pending_since(), Some(Time(6)), "only what was admitted is timed");
    }

    #[test]
    fn rule_17_what_a_replica_passes_on_has_a_place_of_its_own_and_no_more_than_its_own() {
        let mut pool = RequestPool::new(&Settings { pool_submissions: 1, ..Settings::default() });
        let mut admit = |source, (digest, signed)| pool.admit(Time(1), digest, signed, source);
        let peer = Some(ReplicaId(3));
        assert_eq!(admit(None, submission(0, 0, 1)), Admission::Admitted);
        assert_eq!(admit(None, submission(0, 1, 1)), Admission::Full);
        assert_eq!(admit(peer, submission(0, 1, 1)), Admission::Admitted);
        assert_eq!(admit(peer, submission(0, 2, 1)), Admission::Full);
        assert_eq!(admit(peer, submission(0, 0, 2)), Admission::Admitted, "a session moves on in the place it has");
        pool.queues(&mut |level| assert!(level.len <= level.bound, "{level:?}"));
        assert_eq!(pool.len(), 2);
    }

    #[test]
    fn rule_17_eight_clients_that_fill_the_pool_again_and_again_leave_a_ninth_its_share() {
        let settings = Settings::default();
        let mut pool = RequestPool::new(&settings);
        let flood = |pool: &mut RequestPool, timestamp| {
            let sessions = (0..8).flat_map(|client| (0..Session::PER_CLIENT).map(move |index| (client, index)));
            let admit = |(client, index)| admit(pool, timestamp, submission(client, index, timestamp));
            sessions.map(admit).filter(|admission| *admission != Admission::Full).count()
        };
        assert_eq!(flood(&mut pool, 1), settings.pool_submissions);
        let mut ninth = Vec::new();
        for (index, round) in (2..12).enumerate() {
            let mine = submission(8, index as u16, 1);
            ninth.push(mine.0);
            let Admission::InPlaceOf(displaced) = admit(&mut pool, 100, mine) else { panic!("it gets in") };
            assert!(displaced.session.client < ClientId(8), "one of those that have most goes");
            assert_eq!(pool.missing(&Batch { submissions: vec![displaced.submission] }), [], "a proposal may name it");
            flood(&mut pool, round);
            assert!(ninth.iter().all(|digest| pool.waiting.contains_key(digest)), "and it keeps its place");
            assert_eq!(pool.len(), settings.pool_submissions);
        }
        let batch = pool.take_batch(9);
        assert!(batch.submissions.contains(&ninth[0]), "it is served in its turn");
        pool.queues(&mut |level| assert!(level.len <= level.bound, "{level:?}"));
    }

    #[test]
    fn rule_17_clients_with_equal_shares_displace_nothing_nor_is_anything_proposed_displaced() {
        let mut pool = RequestPool::new(&Settings { pool_submissions: 4, ..Settings::default() });
        for (at, (client, index)) in [(0, 0), (0, 1), (1, 0), (1, 1)].into_iter().enumerate() {
            assert_eq!(admit(&mut pool, at as u64, submission(client, index, 1)), Admission::Admitted);
        }
        assert_eq!(admit(&mut pool, 5, submission(0, 2, 1)), Admission::Full);
        pool.take_batch(4);
        assert_eq!(admit(&mut pool, 5, submission(2, 0, 1)), Admission::Full, "all are proposed");
    }

    #[test]
    fn rule_17_what_was_displaced_is_timed_no_more_and_keeps_its_body_however_often_it_comes_again() {
        let mut pool = RequestPool::new(&Settings { pool_submissions: 2, ..Settings::default() });
        admit(&mut pool, 5, submission(0, 0, 1));
        for client in 1..4 {
            assert_eq!(admit(&mut pool, 6, submission(0, 1, 1)), Admission::Admitted);
            assert!(matches!(admit(&mut pool, 7, submission(client, 0, 1)), Admission::InPlaceOf(_)));
            assert_eq!(pool.missing(&Batch { submissions: vec![submission(0, 1, 1).0] }), [], "a proposal may name it");
            pool.settle(Session { client: ClientId(client), index: 0 }, Timestamp(1));
        }
        pool.settle(Session { client: ClientId(0), index: 0 }, Timestamp(1));
        assert_eq!(pool.oldest_pending_since(), None);
    }

    #[test]
    fn a_batch_takes_turns_among_clients() {
        let mut pool = RequestPool::new(&Settings::default());
        for index in 0..3 {
            admit(&mut pool, 1, submission(0, index, 1));
        }
        admit(&mut pool, 2, submission(1, 0, 1));
        let batch = pool.take_batch(2);
        assert_eq!(batch.submissions, [submission(0, 0, 1).0, submission(1, 0, 1).0]);
        assert!(pool.has_unproposed());
        assert_eq!(pool.take_batch(9).submissions.len(), 2);
        assert!(!pool.has_unproposed());
        pool.begin_view(&[&batch]);
        assert_eq!(pool.take_batch(9).submissions, [submission(0, 1, 1).0, submission(0, 2, 1).0]);
    }

    #[test]
    fn a_session_holds_one_place_and_an_executed_timestamp_settles_it_whatever_the_body() {
        let mut pool = RequestPool::new(&Settings::default());
        admit(&mut pool, 1, submission(0, 0, 1));
        assert_eq!(admit(&mut pool, 2, submission(0, 0, 1)), Admission::Known);
        assert_eq!(admit(&mut pool, 3, submission(0, 0, 2)), Admission::Admitted);
        assert_eq!(pool.len(), 1);
        pool.settle(Session { client: ClientId(0), index: 0 }, Timestamp(1));
        assert_eq!(pool.len(), 1);
        pool.settle(Session { client: ClientId(0), index: 0 }, Timestamp(2));
        assert_eq!((pool.len(), pool.has_unproposed()), (0, false));
    }

    #[test]
    fn queues_do_not_grow_with_sessions_that_move_on() {
        let mut pool = RequestPool::new(&Settings::default());
        for timestamp in 1..20_000 {
            admit(&mut pool, timestamp, submission(0, 0, timestamp));
        }
        assert!(pool.queues[&ClientId(0)].len() <= 2 * usize::from(Session::PER_CLIENT) + 1);
        assert_eq!(pool.bodies.len(), 2, "of what was superseded, only the last has a body");
    }

    #[test]
    fn a_body_that_a_slot_names_stays_and_is_there_for_a_window_after_it_ran() {
        let settings = Settings::default();
        let mut pool = RequestPool::new(&settings);
        let (digest, signed) = submission(0, 0, 1);
        let batch = Batch { submissions: vec![digest] };
        pool.admit(Time(1), digest, signed, None);
        pool.hold(&batch, SeqNum(7));
        admit(&mut pool, 2, submission(0, 0, 2));
        assert_eq!(pool.missing(&batch), [], "superseded, and needed to execute slot 7");
        pool.on_executing(SeqNum(7), &batch);
        pool.on_executed(SeqNum(7), &batch);
        pool.collect(SeqNum(7));
        assert_eq!(pool.missing(&batch), [], "slot 8 may bring it back on a replica that only fetched the state");
        pool.collect(SeqNum(7 + settings.window_slots));
        assert_eq!(pool.missing(&batch), [digest]);
    }

    #[test]
    fn a_session_that_the_others_have_answered_leaves_the_body_for_a_proposal_that_is_late() {
        let mut pool = RequestPool::new(&Settings::default());
        let (digest, signed) = submission(0, 0, 1);
        pool.admit(Time(1), digest, signed, None);
        admit(&mut pool, 2, submission(0, 0, 2));
        let late = Batch { submissions: vec![digest] };
        assert_eq!(pool.missing(&late), []);
        pool.collect(SeqNum(128));
        assert_eq!(pool.missing(&late), [], "a checkpoint changes nothing about that");
        admit(&mut pool, 3, submission(0, 0, 3));
        assert_eq!(pool.missing(&late), [digest], "one body per session, however fast it moves on");
    }

    #[test]
    fn what_a_slot_above_a_checkpoint_wants_is_wanted_after_it_and_made_up_names_crowd_out_nothing() {
        let mut pool = RequestPool::new(&Settings::default());
        let made_up: Vec<Digest> = (0..5000u64).map(|i| Digest::of("made up", &[&i.to_le_bytes()])).collect();
        pool.want(&made_up, ReplicaId(1));
        pool.collect(SeqNum(128));
        let (digest, _) = submission(0, 0, 1);
        pool.want(&[digest], ReplicaId(1));
        let asked = (0..7).flat_map(|_| pool.ask_for_wanted(&[ReplicaId(1), ReplicaId(2)]).into_values().flatten());
        let asked: BTreeSet<Digest> = asked.collect();
        assert!(asked.contains(&digest) && made_up.iter().all(|digest| asked.contains(digest)));
    }

    #[test]
    fn wanted_bodies_are_asked_of_the_holder_first_and_then_of_everyone() {
        let mut pool = RequestPool::new(&Settings::default());
        let (digest, signed) = submission(0, 0, 1);
        assert!(pool.want(&[digest], ReplicaId(2)));
        assert!(!pool.want(&[digest], ReplicaId(2)));
        let others = [ReplicaId(1), ReplicaId(2), ReplicaId(3)];
        assert_eq!(pool.ask_for_wanted(&others).keys().next(), Some(&ReplicaId(2)));
        let next: BTreeSet<ReplicaId> = (0..3).flat_map(|_| pool.ask_for_wanted(&others).into_keys()).collect();
        assert_eq!(next.len(), 3);
        assert!(pool.supply(digest, signed.clone()));
        assert!(!pool.supply(digest, signed), "only what is wanted");
    }
}
