//! What leaves: messages to the links that are up, replies to the clients that wait for them. Nothing here waits.

use std::collections::BTreeMap;

use bytes::Bytes;
use byztop_core::protocol::{Class, Message, Recipients};
use byztop_core::replica::{PeerMessage, Reply};
use byztop_core::telemetry::{Counters, Traffic};
use byztop_core::types::{ClientId, ReplicaId, ReplicaSet};
use quinn::Connection;

use crate::transport::link::MAX_VOTE_BYTES;
use crate::transport::outbox::Outbox;
use crate::transport::{LinkId, close, frame};

/// A link to another replica, ready for sending.
#[derive(Debug)]
pub(crate) struct PeerLink {
    /// Which connection.
    pub(crate) id: LinkId,
    /// To hang up.
    pub(crate) connection: Connection,
    /// One queue per class, in the order of [`Class`].
    pub(crate) outboxes: [Outbox; 3],
}

/// The links to all other replicas, and what was sent over them.
#[derive(Debug)]
pub(crate) struct Peers {
    links: Vec<Option<PeerLink>>,
    messages: Traffic,
    bytes: u64,
    dropped: u64,
}

impl Peers {
    /// No links yet, to at most `replicas` others.
    pub(crate) fn new(replicas: usize) -> Peers {
        Peers { links: (0..replicas).map(|_| None).collect(), messages: Traffic::default(), bytes: 0, dropped: 0 }
    }

    /// A link is up. It takes the place of an older one, whose peer has started anew.
    pub(crate) fn up(&mut self, peer: ReplicaId, link: PeerLink) {
        let Some(slot) = self.links.get_mut(peer.index()) else { return };
        match slot {
            Some(current) if current.id > link.id => link.connection.close(close::REPLACED, b"a newer link is up"),
            _ => {
                if let Some(old) = slot.replace(link) {
                    old.connection.close(close::REPLACED, b"a newer link is up");
                }
            }
        }
    }

    /// A link is gone, unless it was replaced before.
    pub(crate) fn down(&mut self, peer: ReplicaId, id: LinkId) {
        if let Some(slot) = self.links.get_mut(peer.index())
            && slot.as_ref().is_some_and(|link| link.id == id)
        {
            *slot = None;
        }
    }

    /// Sends a signed message to one other replica, or to all: it is encoded once. Where no link is up it is lost, which
    /// the protocol makes good. Says whose links have it.
    pub(crate) fn send<M: Message>(&mut self, to: Recipients, message: &PeerMessage<M>) -> ReplicaSet {
        let mut encoded: Option<Bytes> = None;
        let mut reached = ReplicaSet::default();
        let mut offer = |peer: usize, link: &PeerLink| {
            let frame = encoded.get_or_insert_with(|| frame::encode(message)).clone();
            let bytes = frame.len() as u64;
            if link.outboxes[stream_of(message.class(), frame.len())].offer(frame) {
                reached.insert(ReplicaId(peer as u8));
                self.bytes += bytes;
            } else {
                self.dropped += 1;
            }
        };
        let links = self.links.iter().enumerate();
        let is_meant = |peer: usize| to == Recipients::All || to == Recipients::One(ReplicaId(peer as u8));
        let meant = links.filter_map(|(peer, link)| Some((peer, link.as_ref().filter(|_| is_meant(peer))?)));
        meant.for_each(|(peer, link)| offer(peer, link));
        self.messages.add(message.name(), reached.len() as u64);
        reached
    }

    /// What was sent, by name.
    pub(crate) fn messages(&self) -> &Traffic {
        &self.messages
    }

    /// Fills in what this side counts.
    pub(crate) fn count(&self, counters: &mut Counters) {
        counters.messages_sent += self.messages.total();
        counters.bytes_sent += self.bytes;
        counters.messages_dropped += self.dropped;
        counters.links = self.links.iter().flatten().count() as u64;
    }
}

/// The stream of a frame: its class's, but a vote that is too long for votes travels with the bodies. Only proofs ever
/// are: they repeat the proposals that they convict.
fn stream_of(class: Class, frame_bytes: usize) -> usize {
    match class {
        Class::Vote if frame_bytes <= MAX_VOTE_BYTES => 0,
        Class::Proposal => 1,
        Class::Vote | Class::Bulk => 2,
    }
}

/// The connections on which clients wait for replies.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    links: BTreeMap<ClientId, Vec<(LinkId, Outbox)>>,
}

impl Clients {
    /// How many connections of a client key are answered: twice what the door lets in, since the end of some may not have been
    /// told yet. An older one makes room.
    const LINKS_PER_CLIENT: usize = 16;

    /// A connection is up.
    pub(crate) fn up(&mut self, client: ClientId, id: LinkId, outbox: Outbox) {
        let links = self.links.entry(client).or_default();
        if links.len() == Self::LINKS_PER_CLIENT {
            links.remove(0);
        }
        links.push((id, outbox));
    }

    /// A connection is gone.
    pub(crate) fn down(&mut self, client: ClientId, id: LinkId) {
        if let Some(links) = self.links.get_mut(&client) {
            links.retain(|(link, _)| *link != id);
            if links.is_empty() {
                self.links.remove(&client);
            }
        }
    }

    /// Answers on every connection of the client. A reply that finds no room is dropped: the client asks again.
    pub(crate) fn reply(&self, reply: &Reply) {
        let Some(links) = self.links.get(&reply.session.client) else { return };
        let encoded = frame::encode(reply);
        for (id, outbox) in links {
            if !outbox.offer(encoded.clone()) {
                tracing::debug!("a reply to {} on {id:?} found no room", reply.session.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::outbox::{Limits, outbox};
    use byztop_core::replica::ReplyOutcome;
    use byztop_core::types::{Digest, Session, Timestamp};

    #[test]
    fn a_vote_too_long_for_its_stream_travels_with_the_bodies() {
        assert_eq!(stream_of(Class::Vote, 200), 0);
        assert_eq!(stream_of(Class::Vote, MAX_VOTE_BYTES + 1), 2);
        assert_eq!(stream_of(Class::Proposal, 1 << 20), 1);
        assert_eq!(stream_of(Class::Bulk, 200), 2);
    }

    #[test]
    fn a_client_key_has_a_bounded_number_of_connections_and_the_newest_count() {
        let client = ClientId(0);
        let mut clients = Clients::default();
        let mut outlets = Vec::new();
        for _ in 0..=Clients::LINKS_PER_CLIENT {
            let (outbox, outlet) = outbox(Limits { frames: 1, bytes: 1000 });
            clients.up(client, LinkId::fresh(), outbox);
            outlets.push(outlet);
        }
        assert_eq!(clients.links[&client].len(), Clients::LINKS_PER_CLIENT);
        clients.reply(&Reply {
            session: Session { client, index: 0 },
            timestamp: Timestamp(1),
            submission: Digest::ZERO,
            outcome: ReplyOutcome::Busy,
        });
        let answered: Vec<bool> = outlets.iter_mut().map(|outlet| outlet.try_take().is_some()).collect();
        assert!(!answered[0] && answered[1..].iter().all(|is_answered| *is_answered), "{answered:?}");
        for (id, _) in clients.links[&client].iter().map(|(id, _)| (*id, ())).collect::<Vec<_>>() {
            clients.down(client, id);
        }
        assert!(clients.links.is_empty());
    }
}
