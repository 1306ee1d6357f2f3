//! The one task that knows what is outstanding: sends it to all, counts the answers, repeats what is not answered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use byztop_certs::{ClusterConfig, Identity};
use byztop_core::client::{Tally, Verdict};
use byztop_core::replica::Reply;
use byztop_core::types::{ClientId, Digest, ReplicaId, Session, Timestamp, View};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Counts;
use super::link::{FromLink, Link};
use crate::clock;
use crate::transport::dial::Dialler;
use crate::transport::endpoint::{self, Streams};
use crate::transport::outbox::Outbox;

/// When an unanswered submission is sent again, for the first time and at most.
const FIRST_TIMEOUT: Duration = Duration::from_millis(500);
const LAST_TIMEOUT: Duration = Duration::from_secs(8);
/// When a submission that found the replicas busy is sent again, for the first time and at most.
const FIRST_BUSY_PAUSE: Duration = Duration::from_millis(20);
const LAST_BUSY_PAUSE: Duration = Duration::from_secs(1);

/// A signed submission, and who waits for its result.
pub(super) struct Order {
    pub(super) session: Session,
    pub(super) timestamp: Timestamp,
    pub(super) digest: Digest,
    pub(super) frame: Bytes,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// What came of an order.
pub(super) enum Answer {
    /// It was executed, with this result.
    Result(Vec<u8>),
    /// It never will be: its session had something executed with this newer clock.
    Old(Timestamp),
}

/// Who gets a submission before it is sent again.
pub(super) enum First {
    /// Every replica.
    All,
    /// The primary of the view that stands here.
    PrimaryOf(Arc<AtomicU64>),
}

/// An order that was sent.
struct Pending {
    tally: Tally,
    /// The one replica that has it, as long as it is not to go to all.
    only: Option<ReplicaId>,
    frame: Bytes,
    answer: oneshot::Sender<Answer>,
    timeout: Duration,
    busy_pause: Duration,
    due: Instant,
}

impl Pending {
    fn answer(self, answer: Answer) {
        if self.answer.send(answer).is_err() {
            tracing::debug!("nobody waits for the submission of {:?} any more", self.tally.timestamp());
        }
    }
}

/// The outstanding submissions of one client key: one per session, so [`Session::PER_CLIENT`] at most.
pub(super) struct Hub {
    client: ClientId,
    config: Arc<ClusterConfig>,
    dialler: Dialler,
    /// Each replica's link, where it is up.
    links: Vec<Option<Outbox>>,
    from_links: mpsc::Receiver<FromLink>,
    /// Dropping the set ends the links.
    tasks: JoinSet<()>,
    pending: BTreeMap<Session, Pending>,
    /// When each of them is sent again.
    due: BTreeSet<(Instant, Session)>,
    counts: Arc<Counts>,
    first: First,
}

impl Hub {
    const FROM_LINKS: usize = 1024;
    const BATCH: usize = 256;

    /// Starts a link to every replica.
    pub(super) fn start(
        config: Arc<ClusterConfig>,
        identity: &Identity,
        client: ClientId,
        counts: Arc<Counts>,
        first: First,
    ) -> anyhow::Result<Hub> {
        let dialler = Dialler::new()?;
        let (to_hub, from_links) = mpsc::channel(Self::FROM_LINKS);
        let mut tasks = JoinSet::new();
        for replica in config.committee().members() {
            let address = config.replica(replica).expect("a member of the roster").address.clone();
            let config = endpoint::client_config(identity, replica, Streams::OneWay(1))?;
            let link = Link { replica, dialler: dialler.clone(), config, address, hub: to_hub.clone() };
            tasks.spawn(link.run());
        }
        let links = config.replicas.iter().map(|_| None).collect();
        let (pending, due) = (BTreeMap::new(), BTreeSet::new());
        Ok(Hub { client, config, dialler, links, from_links, tasks, pending, due, counts, first })
    }

    /// Serves orders until nobody can make any more.
    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut news = Vec::with_capacity(Self::BATCH);
        let sleep = tokio::time::sleep(LAST_TIMEOUT);
        tokio::pin!(sleep);
        loop {
            let wake = self.due.first().map_or_else(|| Instant::now() + LAST_TIMEOUT, |(at, _)| *at);
            if sleep.deadline() != wake {
                sleep.as_mut().reset(wake);
            }
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.on_order(order),
                    None => break,
                },
                count = self.from_links.recv_many(&mut news, Self::BATCH) => match count {
                    0 => break,
                    _ => news.drain(..).for_each(|news| self.on_news(news)),
                },
                () = &mut sleep => self.on_time(Instant::now()),
            }
        }
        self.dialler.close(b"the client is done").await;
        self.tasks.shutdown().await;
    }

    fn on_order(&mut self, order: Order) {
        let only = self.only_addressee();
        self.send(&order.frame, only);
        let due = Instant::now() + FIRST_TIMEOUT;
        let pending = Pending {
            tally: Tally::new(self.config.committee(), order.timestamp, order.digest),
            only,
            frame: order.frame,
            answer: order.answer,
            timeout: FIRST_TIMEOUT,
            busy_pause: FIRST_BUSY_PAUSE,
            due,
        };
        // A session has one submission outstanding: whoever waits for the one before gives up.
        if let Some(before) = self.pending.insert(order.session, pending) {
            self.due.remove(&(before.due, order.session));
        }
        self.due.insert((due, order.session));
    }

    fn on_news(&mut self, news: FromLink) {
        match news {
            FromLink::Up(replica, outbox) => {
                // What it has missed; where it knows a submission already, it says so by its answer or not at all.
                let missed = |pending: &&Pending| pending.only.is_none_or(|only| only == replica);
                if !self.pending.values().filter(missed).all(|pending| self.offer(&outbox, &pending.frame)) {
                    tracing::debug!("{replica} gets the rest of the outstanding submissions later");
                }
                self.links[replica.index()] = Some(outbox);
                self.count_links();
            }
            FromLink::Down(replica) => {
                self.links[replica.index()] = None;
                self.count_links();
            }
            FromLink::Reply(replica, reply, bytes) => {
                self.counts.received(bytes);
                self.on_reply(replica, reply);
            }
        }
    }

    fn on_reply(&mut self, from: ReplicaId, reply: Reply) {
        let session = reply.session;
        let Some(pending) = self.pending.get_mut(&session).filter(|_| session.client == self.client) else { return };
        match pending.tally.count(from, reply) {
            Verdict::Open => {}
            Verdict::Executed(result) => {
                let Some(pending) = self.pending.remove(&session) else { return };
                self.due.remove(&(pending.due, session));
                pending.answer(Answer::Result(result));
            }
            Verdict::Old(last) => {
                let Some(pending) = self.pending.remove(&session) else { return };
                self.due.remove(&(pending.due, session));
                pending.answer(Answer::Old(last));
            }
            Verdict::Busy => {
                self.counts.busy.fetch_add(1, Ordering::Relaxed);
                pending.tally.forget_busy();
                // From half of the pause to all of it, so that sessions do not come back together.
                let pause = pending.busy_pause.mul_f64(0.5 + (clock::chance() % 512) as f64 / 1024.0);
                pending.busy_pause = (pending.busy_pause * 2).min(LAST_BUSY_PAUSE);
                self.reschedule(session, Instant::now() + pause);
            }
        }
    }

    fn on_time(&mut self, now: Instant) {
        while let Some((at, session)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, session));
            let Some(pending) = self.pending.get_mut(&session) else { continue };
            if pending.answer.is_closed() {
                self.pending.remove(&session);
                continue;
            }
            pending.timeout = (pending.timeout * 2).min(LAST_TIMEOUT);
            // Whoever was believed to lead has had its time.
            pending.only = None;
            let (frame, timeout) = (pending.frame.clone(), pending.timeout);
            tracing::debug!("{session:?} at {:?} is sent again", pending.tally.timestamp());
            self.counts.retransmissions.fetch_add(1, Ordering::Relaxed);
            self.send(&frame, None);
            self.reschedule(session, now + timeout);
        }
    }

    fn reschedule(&mut self, session: Session, due: Instant) {
        if let Some(pending) = self.pending.get_mut(&session) {
            self.due.remove(&(pending.due, session));
            pending.due = due;
            self.due.insert((due, session));
        }
    }

    /// The one replica that gets the next submission first; `None` if all do.
    fn only_addressee(&self) -> Option<ReplicaId> {
        match &self.first {
            First::All => None,
            First::PrimaryOf(view) => Some(self.config.committee().primary(View(view.load(Ordering::Relaxed)))),
        }
    }

    /// To every replica that is linked, or to one of them only. One without room gets it when it is sent again.
    fn send(&self, frame: &Bytes, only: Option<ReplicaId>) {
        let is_meant = |place: usize| only.is_none_or(|only| only.index() == place);
        let links = self.links.iter().enumerate().filter(|(place, _)| is_meant(*place));
        let full = links.filter_map(|(_, link)| link.as_ref()).filter(|outbox| !self.offer(outbox, frame)).count();
        if full > 0 {
            tracing::debug!("{full} replicas have no room for a submission");
        }
    }

    fn offer(&self, outbox: &Outbox, frame: &Bytes) -> bool {
        let has_room = outbox.offer(frame.clone());
        if has_room {
            self.counts.sent(frame.len());
        }
        has_room
    }

    fn count_links(&self) {
        self.counts.links.store(self.links.iter().flatten().count() as u64, Ordering::Relaxed);
    }
}
