//! A message on its way between replicas. What depends on the message alone is worked out once per broadcast.

use std::fmt;

use crate::crypto::{Author, Statement, Verified, Verifier};
use crate::protocol::Message;
use crate::rejection::Rejection;
use crate::replica::PeerMessage;
use crate::types::ReplicaId;
use crate::wire;

/// A message with what its recipients find out about it at their doors, which is the same for all of them.
pub(super) struct Parcel<M> {
    pub(super) from: ReplicaId,
    /// The message as sent, and whether it passes a recipient's checks.
    content: Content<M>,
    /// The statements in it whose signatures were verified at the door, in order; none if it does not pass. What a replica
    /// verifies it can hold against the author: this is asked of the verifier, and not of what the auditor looks at.
    pub(super) statements: Vec<Statement>,
}

enum Content<M> {
    Good(Verified<PeerMessage<M>>),
    Bad(PeerMessage<M>, Rejection),
}

impl<M: Message> Parcel<M> {
    /// Packs a message; `as_bytes` has it encoded and decoded on its way, and verified as by a node.
    ///
    /// # Panics
    ///
    /// If what we encode does not decode to itself, or signatures are good alone and not together, or the other way round.
    pub(super) fn new(from: ReplicaId, message: PeerMessage<M>, verifier: &Verifier, as_bytes: bool) -> Parcel<M> {
        let message = if as_bytes {
            let bytes = wire::encode(&message);
            let decoded = wire::decode(&bytes, wire::MAX_MESSAGE_BYTES).expect("what is encoded decodes");
            assert!(decoded == message, "{} from {from} changed on the wire", message.name());
            decoded
        } else {
            message
        };
        let check = |verifier: &Verifier| Verified::check(message.clone(), Author::Replica(from), verifier);
        let (verdict, witnessed) = match as_bytes {
            true => verifier.without_memory().witnessed(check),
            false => verifier.witnessed(check),
        };
        if as_bytes {
            // As a node verifies: together with others, and then from memory.
            for _ in 0..2 {
                let received = vec![(Author::Replica(from), Ok(message.clone())); 2];
                let together = Verified::check_all(received, verifier);
                let is_alike = |other: &Result<_, _>| other.is_ok() == verdict.is_ok();
                assert!(together.iter().all(is_alike), "{} from {from} is good alone or together", message.name());
            }
        }
        let (content, statements) = match verdict {
            Ok(verified) => (Content::Good(verified), witnessed),
            Err(why) => (Content::Bad(message, why), Vec::new()),
        };
        Parcel { from, content, statements }
    }

    pub(super) fn message(&self) -> &PeerMessage<M> {
        match &self.content {
            Content::Good(verified) => verified.get(),
            Content::Bad(message, _) => message,
        }
    }

    /// How many bytes it has on the wire. It is encoded for that.
    pub(super) fn bytes(&self) -> u64 {
        wire::encode(self.message()).len() as u64
    }

    /// What a recipient's door makes of it.
    pub(super) fn open(&self) -> Result<Verified<PeerMessage<M>>, Rejection> {
        match &self.content {
            Content::Good(verified) => Ok(verified.clone()),
            Content::Bad(_, why) => Err(why.clone()),
        }
    }
}

impl<M: Message> fmt::Display for Parcel<M> {
    /// The message's name, and view, slot and digest where it has them: `prepare v0 s12 ab12`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.message();
        f.write_str(message.name())?;
        if let PeerMessage::Protocol(message) = message
            && let Some((view, seq)) = message.slot()
        {
            write!(f, " v{view} s{seq}")?;
        } else if let PeerMessage::Checkpoint(signed) = message {
            write!(f, " s{}", signed.body.seq)?;
        }
        match self.statements.first() {
            Some(statement) => write!(f, " {}", statement.digest.short()),
            None => Ok(()),
        }
    }
}
