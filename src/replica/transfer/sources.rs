//! Whom a transfer asks for what: each peer has one piece at a time, and gets the next one when it answers.

use std::collections::{BTreeMap, BTreeSet};

use super::Place;
use crate::types::{Micros, ReplicaId, Time};

/// The peers that a state is fetched from.
pub(super) struct Sources {
    by_peer: BTreeMap<ReplicaId, Source>,
}

/// Where a peer stands.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Source {
    /// It may be asked.
    Idle,
    /// It was asked for these, and answered nothing of it.
    Asked { piece: BTreeSet<Place>, since: Time },
    /// It did not answer in time. It is asked again once it does, or once nobody else is left.
    Silent,
    /// It has a newer state only. It is asked again once nobody else is left.
    Ahead,
    /// It brought what does not prove itself, and is asked for nothing any more.
    Liar,
}

impl Sources {
    pub(super) fn new(peers: impl IntoIterator<Item = ReplicaId>) -> Sources {
        Sources { by_peer: peers.into_iter().map(|peer| (peer, Source::Idle)).collect() }
    }

    /// Somebody who may be asked.
    pub(super) fn idle(&self) -> Option<ReplicaId> {
        self.by_peer.iter().find(|(_, source)| **source == Source::Idle).map(|(peer, _)| *peer)
    }

    pub(super) fn is_liar(&self, peer: ReplicaId) -> bool {
        self.by_peer.get(&peer) == Some(&Source::Liar)
    }

    /// What a peer was asked for and has not answered.
    pub(super) fn piece(&self, peer: ReplicaId) -> Option<&BTreeSet<Place>> {
        match self.by_peer.get(&peer) {
            Some(Source::Asked { piece, .. }) => Some(piece),
            _ => None,
        }
    }

    pub(super) fn ask(&mut self, peer: ReplicaId, piece: BTreeSet<Place>, now: Time) {
        self.by_peer.insert(peer, Source::Asked { piece, since: now });
    }

    /// It has answered; gives what it was asked for.
    pub(super) fn on_answer(&mut self, peer: ReplicaId) -> BTreeSet<Place> {
        self.put(peer, Source::Idle)
    }

    /// It says that it has a newer state only; gives what it was asked for. `None` if it was asked for nothing.
    pub(super) fn on_newer(&mut self, peer: ReplicaId) -> Option<BTreeSet<Place>> {
        let was_asked = matches!(self.by_peer.get(&peer), Some(Source::Asked { .. } | Source::Silent));
        was_asked.then(|| self.put(peer, Source::Ahead))
    }

    /// How many were asked and have not answered yet.
    pub(super) fn asked(&self) -> usize {
        self.by_peer.values().filter(|source| matches!(source, Source::Asked { .. })).count()
    }

    /// How many have said that they have a newer state only.
    pub(super) fn ahead(&self) -> usize {
        self.by_peer.values().filter(|source| **source == Source::Ahead).count()
    }

    /// It has lied; gives what it was asked for.
    pub(super) fn set_aside(&mut self, peer: ReplicaId) -> BTreeSet<Place> {
        self.put(peer, Source::Liar)
    }

    /// Those who were asked for longer than `patience` are silent; gives what they were asked for.
    pub(super) fn expire(&mut self, now: Time, patience: Micros) -> BTreeSet<Place> {
        let is_late = |source: &Source| matches!(source, Source::Asked { since, .. } if since.after(patience) <= now);
        let late: Vec<ReplicaId> =
            self.by_peer.iter().filter(|(_, source)| is_late(source)).map(|(peer, _)| *peer).collect();
        late.into_iter().flat_map(|peer| self.put(peer, Source::Silent)).collect()
    }

    /// Since when the longest unanswered piece is waited for.
    pub(super) fn waits_since(&self) -> Option<Time> {
        let since = |source: &Source| match source {
            Source::Asked { since, .. } => Some(*since),
            _ => None,
        };
        self.by_peer.values().filter_map(since).min()
    }

    /// Whether nobody is asked, nor may be.
    pub(super) fn is_exhausted(&self) -> bool {
        self.by_peer.values().all(|source| matches!(source, Source::Silent | Source::Ahead | Source::Liar))
    }

    /// Nobody is waited for any more, and who was silent may be asked again. If all have lied, more than f are faulty:
    /// each of them may have been healed.
    pub(super) fn start_over(&mut self) {
        let have_all_lied = self.by_peer.values().all(|source| *source == Source::Liar);
        for source in self.by_peer.values_mut().filter(|source| have_all_lied || **source != Source::Liar) {
            *source = Source::Idle;
        }
    }

    fn put(&mut self, peer: ReplicaId, source: Source) -> BTreeSet<Place> {
        match self.by_peer.insert(peer, source) {
            Some(Source::Asked { piece, .. }) => piece,
            _ => BTreeSet::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Micros = Micros::from_millis(200);

    fn piece(leaf: u32) -> BTreeSet<Place> {
        BTreeSet::from([Place::new(0, leaf)])
    }

    #[test]
    fn a_silent_peer_is_asked_again_once_it_answers_or_nobody_is_left() {
        let (first, second) = (ReplicaId(1), ReplicaId(2));
        let mut sources = Sources::new([first, second]);
        sources.ask(first, piece(1), Time(0));
        sources.ask(second, piece(2), Time(1));
        assert_eq!((sources.idle(), sources.waits_since()), (None, Some(Time(0))));
        assert_eq!(sources.expire(Time(PATIENCE.0 - 1), PATIENCE), BTreeSet::new());
        assert_eq!(sources.expire(Time(PATIENCE.0), PATIENCE), piece(1));
        assert!(!sources.is_exhausted() && sources.idle().is_none());
        assert_eq!(sources.on_answer(first), BTreeSet::new());
        assert_eq!(sources.idle(), Some(first));
        sources.ask(first, piece(1), Time(PATIENCE.0));
        sources.expire(Time(2 * PATIENCE.0), PATIENCE);
        assert!(sources.is_exhausted());
        sources.start_over();
        assert_eq!(sources.idle(), Some(first));
    }

    #[test]
    fn a_liar_is_asked_nothing_more_unless_all_are_liars() {
        let (first, second) = (ReplicaId(1), ReplicaId(2));
        let mut sources = Sources::new([first, second]);
        sources.ask(first, piece(1), Time(0));
        assert_eq!(sources.set_aside(first), piece(1));
        sources.start_over();
        assert_eq!(sources.idle(), Some(second));
        sources.set_aside(second);
        assert!(sources.is_exhausted());
        sources.start_over();
        assert_eq!(sources.idle(), Some(first));
    }
}
