//! Where what all links bring is verified: as much at once as has come.
//!
//! The votes of a slot come from everyone at about the same time, and six signatures of six replicas cost two thirds of
//! what they cost one by one. Nothing waits for company: what is there is checked.
//!
//! What is long, and whatever comes from who sent something bad, is checked by itself on a thread of its own, so that the
//! links of others are read on meanwhile. Of each kind one piece is checked at a time: who is doubted waits for others that
//! are, and for nobody else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use byztop_core::crypto::{Author, Verified, Verifier};
use byztop_core::protocol::Message;
use byztop_core::rejection::Rejection;
use byztop_core::replica::PeerMessage;
use byztop_core::telemetry::Heading;
use byztop_core::types::{ReplicaId, Time};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

use super::appetite::Appetite;
use super::trust::Trust;
use crate::core_loop::input::PeerInput;

/// How many pieces wait for a checker. Each stream has one under way at most, so none is kept out by the others.
const QUEUE: usize = 64;
/// How many messages are checked together; more would cost as much each.
const TOGETHER: usize = 64;
/// A message of more bytes can have so many parts and signatures that decoding and checking it holds up others.
pub(crate) const LONG_BYTES: usize = 128 << 10;

/// What one stream brought in one go.
struct Piece<M> {
    from: ReplicaId,
    arrived: Time,
    decoded: Vec<Result<PeerMessage<M>, Rejection>>,
    is_long: bool,
    /// Told when the core has it.
    handed_over: oneshot::Sender<()>,
}

/// What a peer is to be reproached for, and waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reproach {
    /// Something of what it sent is refused.
    Refused,
    /// It asks for more than anybody honest.
    Greedy,
}

impl Reproach {
    /// It in words.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Reproach::Refused => "sends what is refused: it is checked apart, and waits",
            Reproach::Greedy => "asks for more than it can need: it waits",
        }
    }
}

/// Whoever waits as long as this for what it asks is greedy.
const GREEDY: Duration = Duration::from_millis(100);

/// Nothing is checked any more: the replica stops.
#[derive(Debug)]
pub(crate) struct Stopping;

/// The way to the checks: a queue for each checker. What one peer brings goes to the same one always.
pub(crate) struct Checks<M> {
    queues: Arc<[mpsc::Sender<Piece<M>>]>,
    trust: Arc<[Trust]>,
    appetites: Arc<[Appetite]>,
}

impl<M> Clone for Checks<M> {
    fn clone(&self) -> Self {
        let Checks { queues, trust, appetites } = self;
        Checks { queues: queues.clone(), trust: trust.clone(), appetites: appetites.clone() }
    }
}

impl<M: Message> Checks<M> {
    /// Has checked what one stream brought, the longest message of which has so many bytes, and returns when the core has
    /// the verdicts: the stream's order is kept, and what a peer sends too fast stays where it is. Who sends what is refused,
    /// or asks for too much, waits, and is reproached for it.
    pub(crate) async fn bring(
        &self,
        from: ReplicaId,
        arrived: Time,
        decoded: Vec<Result<PeerMessage<M>, Rejection>>,
        longest: usize,
    ) -> Result<Option<Reproach>, Stopping> {
        let requests = decoded.iter().flatten().filter(|message| message.asks_for_much()).count();
        let (handed_over, is_handed_over) = oneshot::channel();
        let queue = &self.queues[from.index() % self.queues.len()];
        let piece = Piece { from, arrived, decoded, is_long: longest > LONG_BYTES, handed_over };
        queue.send(piece).await.map_err(|_| Stopping)?;
        is_handed_over.await.map_err(|_| Stopping)?;
        let for_refused = self.trust[from.index()].pause();
        let for_requests = self.appetites[from.index()].ask(Instant::now(), requests);
        let pause = for_refused.max(for_requests);
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        let reproach = match pause {
            Duration::ZERO => None,
            _ if !for_refused.is_zero() => Some(Reproach::Refused),
            _ => (pause >= GREEDY).then_some(Reproach::Greedy),
        };
        Ok(reproach)
    }
}

/// Whoever checks.
pub(crate) struct Checker<M> {
    queue: mpsc::Receiver<Piece<M>>,
    desk: Desk<M>,
}

/// What a check needs, wherever it is made.
struct Desk<M> {
    verifier: Arc<Verifier>,
    trust: Arc<[Trust]>,
    core: mpsc::Sender<PeerInput<M>>,
    /// For what is long.
    long: Arc<Semaphore>,
    /// For what comes from who is doubted.
    doubted: Arc<Semaphore>,
}

impl<M> Clone for Desk<M> {
    fn clone(&self) -> Self {
        Desk {
            verifier: self.verifier.clone(),
            trust: self.trust.clone(),
            core: self.core.clone(),
            long: self.long.clone(),
            doubted: self.doubted.clone(),
        }
    }
}

/// So many checkers, at least one, and the way to them, for the core behind `core`.
pub(crate) fn checks<M>(
    count: usize,
    verifier: &Arc<Verifier>,
    core: &mpsc::Sender<PeerInput<M>>,
) -> (Checks<M>, Vec<Checker<M>>) {
    let trust: Arc<[Trust]> = verifier.committee().members().map(|_| Trust::default()).collect();
    let desk = Desk {
        verifier: verifier.clone(),
        trust: trust.clone(),
        core: core.clone(),
        long: Arc::new(Semaphore::new(1)),
        doubted: Arc::new(Semaphore::new(1)),
    };
    let queues = (0..count.max(1)).map(|_| mpsc::channel(QUEUE));
    let (senders, checkers): (Vec<_>, Vec<_>) =
        queues.map(|(sender, queue)| (sender, Checker { queue, desk: desk.clone() })).unzip();
    let appetites = verifier.committee().members().map(|_| Appetite::default()).collect();
    (Checks { queues: senders.into(), trust, appetites }, checkers)
}

impl<M: Message> Checker<M> {
    /// Checks until nobody brings anything or the core has ended.
    pub(crate) async fn run(mut self) {
        let mut pieces = Vec::new();
        // Dropping the set ends what is checked apart.
        let mut apart = JoinSet::new();
        loop {
            self.take(&mut pieces).await;
            if pieces.is_empty() {
                return;
            }
            let is_apart = |piece: &Piece<M>| piece.is_long || self.desk.trust[piece.from.index()].is_doubted();
            let (alone, together): (Vec<_>, Vec<_>) = pieces.drain(..).partition(is_apart);
            for piece in alone {
                apart.spawn(self.desk.clone().check_apart(piece));
            }
            while apart.try_join_next().is_some() {}
            let (values, sources) = unpack(together);
            let verdicts = Verified::check_all(values, &self.desk.verifier);
            if self.desk.hand_over(verdicts, sources).await.is_err() {
                return;
            }
        }
    }

    /// Takes what is there, at least one piece; none if nobody brings anything any more.
    async fn take(&mut self, pieces: &mut Vec<Piece<M>>) {
        pieces.extend(self.queue.recv().await);
        // Whoever else has something to bring and can run now does so first.
        tokio::task::yield_now().await;
        let mut count: usize = pieces.iter().map(|piece| piece.decoded.len()).sum();
        while count < TOGETHER
            && let Ok(piece) = self.queue.try_recv()
        {
            count += piece.decoded.len();
            pieces.push(piece);
        }
    }
}

type Values<M> = Vec<(Author, Result<PeerMessage<M>, Rejection>)>;
type Verdicts<M> = Vec<Result<Verified<PeerMessage<M>>, Rejection>>;

/// A piece without its messages.
struct Source {
    from: ReplicaId,
    arrived: Time,
    headings: Vec<Option<Heading>>,
    is_long: bool,
    handed_over: oneshot::Sender<()>,
}

fn unpack<M: Message>(pieces: Vec<Piece<M>>) -> (Values<M>, Vec<Source>) {
    let mut values = Vec::new();
    let mut sources = Vec::with_capacity(pieces.len());
    for Piece { from, arrived, decoded, is_long, handed_over } in pieces {
        let heading = |value: &Result<PeerMessage<M>, Rejection>| value.as_ref().ok()?.heading();
        let headings = decoded.iter().map(heading).collect();
        sources.push(Source { from, arrived, headings, is_long, handed_over });
        values.extend(decoded.into_iter().map(|value| (Author::Replica(from), value)));
    }
    (values, sources)
}

impl<M: Message> Desk<M> {
    /// Checks one piece by itself, on a thread where that holds nobody up.
    async fn check_apart(self, piece: Piece<M>) {
        let is_doubted = self.trust[piece.from.index()].is_doubted();
        let turn = if is_doubted { self.doubted.clone() } else { self.long.clone() };
        let Ok(_turn) = turn.acquire_owned().await else { return };
        let (values, sources) = unpack(vec![piece]);
        let verifier = self.verifier.clone();
        let check = move || match is_doubted {
            // What is refused is not looked at twice.
            true => values.into_iter().map(|(from, value)| Verified::check(value?, from, &verifier)).collect(),
            false => Verified::check_all(values, &verifier),
        };
        let verdicts = tokio::task::spawn_blocking(check).await;
        let verdicts = verdicts.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        // Nobody waits for what is checked when the replica stops.
        self.hand_over(verdicts, sources).await.unwrap_or(());
    }

    /// Tells the core what was found.
    async fn hand_over(&self, verdicts: Verdicts<M>, sources: Vec<Source>) -> Result<(), Stopping> {
        let mut verdicts = verdicts.into_iter();
        for Source { from, arrived, headings, is_long, handed_over } in sources {
            let (mut good, mut bad) = (0, None);
            let count = headings.len();
            for (heading, checked) in headings.into_iter().zip(verdicts.by_ref()) {
                let input = match checked {
                    Ok(message) => {
                        good += 1;
                        PeerInput::Message { from, arrived, message: Box::new(message) }
                    }
                    Err(why) => {
                        bad = Some(why.clone());
                        PeerInput::Refused { from, arrived, heading, why }
                    }
                };
                self.core.send(input).await.map_err(|_| Stopping)?;
            }
            let (trust, now) = (&self.trust[from.index()], Instant::now());
            let consequence = match bad {
                Some(_) if is_long => trust.judge_long(now, good),
                _ => trust.judge(now, good, count - good),
            };
            if let Some(why) = bad.filter(|_| consequence.is_news) {
                tracing::warn!("{from} sends what is refused ({why}): it is checked apart, and waits");
            }
            // The link may be gone, and with it whoever waits for this.
            handed_over.send(()).unwrap_or(());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byztop_core::committee::Committee;
    use byztop_core::crypto::{PublicKey, Realm, Signed, Signer};
    use byztop_core::pbft::Pbft;
    use byztop_core::protocol::{Checkpoint, Protocol};
    use byztop_core::types::{Digest, ProtocolName, SeqNum};

    type Votes = <Pbft as Protocol>::Message;

    fn realm() -> Realm {
        Realm { cluster: Digest::ZERO, epoch: 0, protocol: ProtocolName::Pbft }
    }

    fn secret(replica: ReplicaId) -> [u8; 32] {
        [replica.0; 32]
    }

    fn checkpoint(replica: ReplicaId, seq: u64, is_good: bool) -> Result<PeerMessage<Votes>, Rejection> {
        let signer = Signer::ed25519(Author::Replica(replica), realm(), secret(replica));
        let mut signed = Signed::by(&signer, Checkpoint { seq: SeqNum(seq), digest: Digest::ZERO, replica });
        if !is_good {
            signed.signature = signed.signature.spoiled();
        }
        Ok(PeerMessage::Checkpoint(signed))
    }

    #[tokio::test]
    async fn what_comes_from_all_links_gets_the_verdicts_and_the_order_that_each_would_get_alone() {
        for count in [1, 2] {
            check(count).await;
        }
    }

    /// Three links and so many checkers.
    async fn check(count: usize) {
        let [one, two, three] = [1, 2, 3].map(ReplicaId);
        let keys: Vec<PublicKey> = (0..4).map(|id| Signer::public_key(secret(ReplicaId(id)))).collect();
        let verifier = Arc::new(Verifier::ed25519(realm(), &keys, &[]).unwrap());
        let (core, mut inputs) = mpsc::channel(64);
        let (checks, checkers) = checks::<Votes>(count, &verifier, &core);
        checkers.into_iter().for_each(|checker| drop(tokio::spawn(checker.run())));
        // The second link is doubted from the second round on, and trusted again after the third.
        let piece = |from, are_good: [bool; 2], round: u64| {
            let said = [(round * 2, are_good[0]), (round * 2 + 1, are_good[1])];
            said.into_iter().map(|(seq, is_good)| checkpoint(from, seq, is_good)).collect::<Vec<_>>()
        };
        for round in 0..3 {
            let (a, b, c) = tokio::join!(
                checks.bring(one, Time(1), piece(one, [true, true], round), 100),
                checks.bring(two, Time(2), piece(two, [round == 2, true], round), 100),
                checks.bring(
                    three,
                    Time(3),
                    vec![Err(Rejection::NotCanonical), checkpoint(three, round * 2 + 1, true)],
                    100
                ),
            );
            assert!(a.is_ok() && b.is_ok() && c.is_ok());
            let mut found = Vec::new();
            while let Ok(input) = inputs.try_recv() {
                found.push(match input {
                    PeerInput::Message { from, arrived, message } => match message.get() {
                        PeerMessage::Checkpoint(said) => (from, u64::from(from.0) == arrived.0, Ok(said.body.seq.0)),
                        _ => unreachable!("only checkpoints were said"),
                    },
                    PeerInput::Refused { from, arrived, heading, why } => {
                        assert_eq!(heading, None, "neither a checkpoint nor nonsense belongs to a course");
                        (from, u64::from(from.0) == arrived.0, Err(why))
                    }
                    PeerInput::Up(..) | PeerInput::Down(..) => unreachable!("no link was made"),
                });
            }
            // Between links there is no order.
            found.sort_by_key(|(from, ..)| *from);
            let (first, second) = (round * 2, round * 2 + 1);
            let doubted = if round == 2 { Ok(first) } else { Err(Rejection::BadSignature) };
            assert_eq!(
                found,
                [
                    (one, true, Ok(first)),
                    (one, true, Ok(second)),
                    (two, true, doubted),
                    (two, true, Ok(second)),
                    (three, true, Err(Rejection::NotCanonical)),
                    (three, true, Ok(second)),
                ],
                "round {round}"
            );
        }
    }

    #[tokio::test]
    async fn what_is_long_and_who_is_doubted_keep_nobody_waiting() {
        let [one, two, three] = [1, 2, 3].map(ReplicaId);
        let keys: Vec<PublicKey> = (0..4).map(|id| Signer::public_key(secret(ReplicaId(id)))).collect();
        let verifier = Arc::new(Verifier::ed25519(realm(), &keys, &[]).unwrap());
        let (core, mut inputs) = mpsc::channel(64);
        let (checks, mut checkers) = checks::<Votes>(1, &verifier, &core);
        // The only turns for what is long and for who is doubted are taken, as by checks without end.
        let desk = checkers[0].desk.clone();
        let _taken = (desk.long.acquire().await.unwrap(), desk.doubted.acquire().await.unwrap());
        checks.trust[two.index()].judge(Instant::now(), 0, 1);
        tokio::spawn(checkers.remove(0).run());
        let long = checks.bring(one, Time(1), vec![checkpoint(one, 1, true)], LONG_BYTES + 1);
        let doubted = checks.bring(two, Time(2), vec![checkpoint(two, 1, true)], 100);
        let other = checks.bring(three, Time(3), vec![checkpoint(three, 1, true)], 100);
        tokio::select! {
            biased;
            _ = long => panic!("it has no turn"),
            _ = doubted => panic!("it has no turn"),
            brought = other => assert!(brought.is_ok()),
        }
        assert!(matches!(inputs.try_recv(), Ok(PeerInput::Message { from, .. }) if from == three));
        assert!(inputs.try_recv().is_err());
    }

    #[tokio::test]
    async fn who_asks_for_more_than_anybody_honest_is_reproached_for_it() {
        let (core, mut inputs) = mpsc::channel(1024);
        let verifier = Verifier::tags(realm(), Committee::new(4).unwrap(), 0, Digest::ZERO);
        let (checks, mut checkers) = checks::<Votes>(1, &Arc::new(verifier), &core);
        tokio::spawn(checkers.remove(0).run());
        let requests = |count| vec![Ok(PeerMessage::FetchBodies(vec![Digest::ZERO])); count];
        let (greedy, modest) = (ReplicaId(1), ReplicaId(2));
        assert_eq!(checks.bring(greedy, Time(1), requests(16), 100).await.unwrap(), None);
        assert_eq!(checks.bring(greedy, Time(1), requests(128), 100).await.unwrap(), Some(Reproach::Greedy));
        assert_eq!(checks.bring(modest, Time(1), requests(16), 100).await.unwrap(), None);
        let heard = std::iter::from_fn(|| inputs.try_recv().ok()).count();
        assert_eq!(heard, 16 + 128 + 16, "who waits is heard all the same");
    }

    #[tokio::test]
    async fn who_brings_something_when_nothing_is_checked_any_more_is_told() {
        let (core, _inputs) = mpsc::channel(1);
        let verifier = Verifier::tags(realm(), Committee::new(4).unwrap(), 0, Digest::ZERO);
        let (checks, checkers) = checks::<Votes>(1, &Arc::new(verifier), &core);
        drop(checkers);
        assert!(checks.bring(ReplicaId(1), Time(0), Vec::new(), 0).await.is_err());
    }
}
