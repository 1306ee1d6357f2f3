//! Where what all links bring is verified: as much at once as has come.
//!
//! The votes of a slot come from everyone at about the same time, and six signatures of six replicas cost two thirds of
//! what they cost one by one. Nothing waits for company: what is there is checked.

use std::collections::BTreeSet;
use std::sync::Arc;

use byztop_core::crypto::{Author, Verified, Verifier};
use byztop_core::protocol::Message;
use byztop_core::rejection::Rejection;
use byztop_core::replica::PeerMessage;
use byztop_core::types::{ReplicaId, Time};
use tokio::sync::{mpsc, oneshot};

use crate::core_loop::input::PeerInput;

/// How many pieces wait for a checker. Each stream has one under way at most, so none is kept out by the others.
const QUEUE: usize = 64;
/// How many messages are checked together; more would cost as much each.
const TOGETHER: usize = 64;

/// What one stream brought in one go.
struct Piece<M> {
    from: ReplicaId,
    arrived: Time,
    decoded: Vec<Result<PeerMessage<M>, Rejection>>,
    /// Told when the core has it.
    handed_over: oneshot::Sender<()>,
}

/// Nothing is checked any more: the replica stops.
#[derive(Debug)]
pub(crate) struct Stopping;

/// The way to the checks: a queue for each checker. What one peer brings goes to the same one always.
pub(crate) struct Checks<M>(Arc<[mpsc::Sender<Piece<M>>]>);

impl<M> Clone for Checks<M> {
    fn clone(&self) -> Self {
        Checks(self.0.clone())
    }
}

impl<M> Checks<M> {
    /// Has checked what one stream brought, and returns when the core has the verdicts: the stream's order is kept, and
    /// what a peer sends too fast stays where it is.
    pub(crate) async fn bring(
        &self,
        from: ReplicaId,
        arrived: Time,
        decoded: Vec<Result<PeerMessage<M>, Rejection>>,
    ) -> Result<(), Stopping> {
        let (handed_over, is_handed_over) = oneshot::channel();
        let queue = &self.0[from.index() % self.0.len()];
        queue.send(Piece { from, arrived, decoded, handed_over }).await.map_err(|_| Stopping)?;
        is_handed_over.await.map_err(|_| Stopping)
    }
}

/// Whoever checks.
pub(crate) struct Checker<M> {
    queue: mpsc::Receiver<Piece<M>>,
    verifier: Arc<Verifier>,
    core: mpsc::Sender<PeerInput<M>>,
}

/// So many checkers, at least one, and the way to them, for the core behind `core`.
pub(crate) fn checks<M>(
    count: usize,
    verifier: &Arc<Verifier>,
    core: &mpsc::Sender<PeerInput<M>>,
) -> (Checks<M>, Vec<Checker<M>>) {
    let queues = (0..count.max(1)).map(|_| mpsc::channel(QUEUE));
    let of = |(sender, queue)| (sender, Checker { queue, verifier: verifier.clone(), core: core.clone() });
    let (senders, checkers): (Vec<_>, Vec<_>) = queues.map(of).unzip();
    (Checks(senders.into()), checkers)
}

impl<M: Message> Checker<M> {
    /// Checks until nobody brings anything or the core has ended.
    pub(crate) async fn run(mut self) {
        let mut pieces = Vec::new();
        // Who sent something bad last: what it sends is checked by itself, so that it costs the others nothing.
        let mut doubtful = BTreeSet::new();
        loop {
            self.take(&mut pieces).await;
            if pieces.is_empty() {
                return;
            }
            let (alone, together) = pieces.drain(..).partition(|piece: &Piece<M>| doubtful.contains(&piece.from));
            let groups = std::iter::once(together).chain(Vec::into_iter(alone).map(|piece| vec![piece]));
            for group in groups {
                if self.check(group, &mut doubtful).await.is_err() {
                    return;
                }
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

    /// Checks some pieces together and tells the core what it found.
    async fn check(&self, pieces: Vec<Piece<M>>, doubtful: &mut BTreeSet<ReplicaId>) -> Result<(), Stopping> {
        let mut values = Vec::new();
        let mut sources = Vec::with_capacity(pieces.len());
        for Piece { from, arrived, decoded, handed_over } in pieces {
            let heading = |value: &Result<PeerMessage<M>, Rejection>| value.as_ref().ok()?.heading();
            sources.push((from, arrived, decoded.iter().map(heading).collect::<Vec<_>>(), handed_over));
            values.extend(decoded.into_iter().map(|value| (Author::Replica(from), value)));
        }
        let mut verdicts = Verified::check_all(values, &self.verifier).into_iter();
        for (from, arrived, headings, handed_over) in sources {
            doubtful.remove(&from);
            for (heading, checked) in headings.into_iter().zip(verdicts.by_ref()) {
                let input = match checked {
                    Ok(message) => PeerInput::Message { from, arrived, message: Box::new(message) },
                    Err(why) => {
                        doubtful.insert(from);
                        PeerInput::Refused { from, arrived, heading, why }
                    }
                };
                self.core.send(input).await.map_err(|_| Stopping)?;
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
                checks.bring(one, Time(1), piece(one, [true, true], round)),
                checks.bring(two, Time(2), piece(two, [round == 2, true], round)),
                checks.bring(
                    three,
                    Time(3),
                    vec![Err(Rejection::NotCanonical), checkpoint(three, round * 2 + 1, true)]
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
    async fn who_brings_something_when_nothing_is_checked_any_more_is_told() {
        let (core, _inputs) = mpsc::channel(1);
        let verifier = Verifier::tags(realm(), Committee::new(4).unwrap(), 0, Digest::ZERO);
        let (checks, checkers) = checks::<Votes>(1, &Arc::new(verifier), &core);
        drop(checkers);
        assert!(checks.bring(ReplicaId(1), Time(0), Vec::new()).await.is_err());
    }
}
