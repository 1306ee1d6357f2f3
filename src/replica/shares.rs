//! What waits from one source, counted by client: who has most makes room where there is none (rule 17).

use std::collections::{BTreeMap, BTreeSet};

use crate::types::{ClientId, Digest, Time};

/// What one client has waiting at a replica.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share {
    /// Whose.
    pub client: ClientId,
    /// How many of its submissions wait.
    pub waiting: usize,
    /// How many of them no slot of the view names yet, as far as this replica has proposed or begun one.
    pub unproposed: usize,
}

/// When it came, and a number that keeps those of one moment apart.
pub(super) type Arrival = (Time, u64);

/// What waits from one source, by client.
#[derive(Default)]
pub(super) struct Shares {
    len: usize,
    by_client: BTreeMap<ClientId, BTreeMap<Arrival, Digest>>,
    /// The clients, ascending by how many they have waiting.
    by_size: BTreeSet<(usize, ClientId)>,
}

impl Shares {
    /// How many wait in all.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Each client and what it has waiting, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ClientId, &BTreeMap<Arrival, Digest>)> {
        self.by_client.iter().map(|(client, waiting)| (*client, waiting))
    }

    fn len_of(&self, client: ClientId) -> usize {
        self.by_client.get(&client).map_or(0, BTreeMap::len)
    }

    /// One more waits.
    pub(super) fn insert(&mut self, client: ClientId, arrival: Arrival, digest: Digest) {
        self.change(client, |waiting| assert!(waiting.insert(arrival, digest).is_none(), "arrivals are numbered"));
    }

    /// One waits no more.
    pub(super) fn remove(&mut self, client: ClientId, arrival: Arrival) {
        self.change(client, |waiting| assert!(waiting.remove(&arrival).is_some(), "what waits has its share"));
    }

    fn change(&mut self, client: ClientId, change: impl FnOnce(&mut BTreeMap<Arrival, Digest>)) {
        let waiting = self.by_client.entry(client).or_default();
        self.by_size.remove(&(waiting.len(), client));
        self.len -= waiting.len();
        change(waiting);
        self.len += waiting.len();
        if waiting.is_empty() {
            self.by_client.remove(&client);
        } else {
            self.by_size.insert((waiting.len(), client));
        }
    }

    /// What clients have waiting that have more than `client` would have with one more: those with most first, and of each
    /// the newest first.
    pub(super) fn above(&self, client: ClientId) -> impl Iterator<Item = Digest> {
        let own = self.len_of(client);
        let larger = self.by_size.iter().rev().take_while(move |(len, _)| *len > own + 1);
        larger.filter_map(|(_, client)| self.by_client.get(client)).flat_map(|theirs| theirs.values().rev().copied())
    }
}
