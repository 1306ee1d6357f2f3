//! Who has a place at a door: handshakes under way, and connections of each identity.
//!
//! Strangers cost handshakes and nothing else. An address that was not shown to be the sender's own is asked for a token as
//! soon as several handshakes are under way (RFC 9000, §8.1.2), and when too many are, the oldest gives way: an honest one
//! takes milliseconds, one that is held open on purpose is the oldest soon.
//!
//! Members have places of their own: whatever one identity does takes nothing from another.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use byztop_certs::Role;
use quinn::{Connection, Incoming};
use tokio::sync::oneshot;

use super::{LinkId, Rarely, close, dial};

/// From so many handshakes on, whoever comes must first prove that it receives at the address that it writes from.
const RETRY_FROM: usize = 4;
/// How many handshakes may be under way at one door.
const MAX_HANDSHAKES: usize = 128;
/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3);

/// A replica's connection younger than this does not give way to another one of the same identity.
const YOUNG: Duration = Duration::from_secs(2);

/// The handshakes under way at one door.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handshakes(Arc<Mutex<UnderWay>>);

/// In the order in which they began; a handshake whose sender is dropped gives way.
type UnderWay = VecDeque<(LinkId, oneshot::Sender<()>)>;

/// One handshake's turn.
struct Turn {
    handshakes: Handshakes,
    id: LinkId,
    gives_way: oneshot::Receiver<()>,
}

impl Handshakes {
    /// Takes up a handshake, unless its address is asked for a token first.
    pub(crate) fn admit(&self, incoming: Incoming) -> Option<Handshake> {
        if !incoming.remote_address_validated() && incoming.may_retry() && self.lock().len() >= RETRY_FROM {
            if let Err(error) = incoming.retry() {
                tracing::debug!("{error}");
            }
            return None;
        }
        Some(Handshake { incoming, turn: self.begin() })
    }

    fn begin(&self) -> Turn {
        let (sender, gives_way) = oneshot::channel();
        let id = LinkId::fresh();
        let mut under_way = self.lock();
        if under_way.len() == MAX_HANDSHAKES {
            under_way.pop_front();
        }
        under_way.push_back((id, sender));
        drop(under_way);
        Turn { handshakes: self.clone(), id, gives_way }
    }

    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.handshakes.lock().retain(|(id, _)| *id != self.id);
    }
}

/// A handshake that was taken up.
pub(crate) struct Handshake {
    incoming: Incoming,
    turn: Turn,
}

impl Handshake {
    /// The connection, once whoever comes has shown a certificate.
    ///
    /// # Errors
    ///
    /// Why there is none, in words for people.
    pub(crate) async fn finish(self) -> Result<Connection, String> {
        let Handshake { incoming, mut turn } = self;
        tokio::select! {
            done = incoming => done.map_err(|error| dial::explain(&error)),
            _ = &mut turn.gives_way => Err("too many handshakes were under way, and this was the oldest".to_string()),
            () = tokio::time::sleep(HANDSHAKE_TIMEOUT) => Err("its handshake took too long".to_string()),
        }
    }
}

/// The connections of each identity at one door.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(Arc<Mutex<BTreeMap<Role, Held>>>);

/// What one identity holds.
#[derive(Debug, Default)]
struct Held {
    connections: Vec<(LinkId, Instant, Connection)>,
    line: Rarely,
}

/// How many connections an identity has at a door.
fn places_of(role: Role) -> usize {
    match role {
        Role::Replica(_) => 1,
        Role::Client(_) | Role::Operator | Role::Observer => 8,
    }
}

/// A connection's place, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    role: Role,
    id: LinkId,
}

/// Why a connection has no place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NoPlace {
    /// In words for people at both ends.
    pub(crate) why: &'static str,
    /// Whether this is worth a line in the log.
    pub(crate) is_news: bool,
}

impl Places {
    /// A place for a connection that has just been made. A replica's takes the place of an older one: it was started anew.
    /// Two processes of one identity would take it from each other without end, so that one which is young keeps it.
    ///
    /// # Errors
    ///
    /// If the identity has no place left.
    pub(crate) fn take(&self, role: Role, connection: &Connection) -> Result<Place, NoPlace> {
        let now = Instant::now();
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = places.entry(role).or_default();
        held.connections.retain(|(_, _, connection)| connection.close_reason().is_none());
        if held.connections.len() >= places_of(role) {
            let is_young = held.connections.iter().any(|(_, since, _)| now.duration_since(*since) < YOUNG);
            let why = match role {
                Role::Replica(_) if is_young => "two processes use this replica's identity",
                Role::Replica(_) => "",
                _ => "this identity has as many connections as it may have",
            };
            if !why.is_empty() {
                return Err(NoPlace { why, is_news: held.line.is_due(now) });
            }
            for (_, _, older) in held.connections.drain(..) {
                older.close(close::REPLACED, b"a newer link is up");
            }
        }
        let id = LinkId::fresh();
        held.connections.push((id, now, connection.clone()));
        Ok(Place { places: self.clone(), role, id })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = places.get_mut(&self.role) {
            held.connections.retain(|(id, ..)| *id != self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_handshake_gives_way_to_one_too_many() {
        let handshakes = Handshakes::default();
        let mut turns: Vec<Turn> = (0..MAX_HANDSHAKES).map(|_| handshakes.begin()).collect();
        assert!(turns[0].gives_way.try_recv() == Err(oneshot::error::TryRecvError::Empty));
        // One that is over makes room.
        drop(turns.remove(7));
        let _eighth = handshakes.begin();
        assert!(turns[0].gives_way.try_recv() == Err(oneshot::error::TryRecvError::Empty));
        let _one_too_many = handshakes.begin();
        assert!(turns[0].gives_way.try_recv() == Err(oneshot::error::TryRecvError::Closed), "it gives way");
        assert!(turns[1].gives_way.try_recv() == Err(oneshot::error::TryRecvError::Empty));
        assert_eq!(handshakes.lock().len(), MAX_HANDSHAKES);
    }
}
