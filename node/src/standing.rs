//! How a replica stands with its peers: who is linked, who has another configuration, and whether what is left can decide anything.
//! What is wrong for some seconds is written into the log and told to consoles, once when it begins and now and then while it lasts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use byztop_certs::{Part, Role};
use byztop_core::committee::Committee;
use byztop_core::printable::one_line;
use byztop_core::telemetry::Trouble;
use byztop_core::types::ReplicaId;

/// A peer that is not linked is no trouble before so long: it may just be starting.
const PATIENCE: Duration = Duration::from_secs(3);

/// What lasts is written down so often.
const AGAIN: Duration = Duration::from_secs(60);

/// What somebody did is told for so long.
const REMEMBERED: Duration = Duration::from_secs(30);

/// How often it is looked at what is wrong.
const LOOK: Duration = Duration::from_millis(500);

/// The most parts of a peer's configuration that are looked at, and how long each of its words may be.
const MAX_PARTS: usize = 64;
const MAX_CHARS: usize = 80;

/// The most differences of one peer that are told.
const MAX_DIFFERENCES: usize = 8;

/// How a replica stands. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    me: ReplicaId,
    committee: Committee,
    parts: Arc<[Part]>,
    peers: Arc<Mutex<BTreeMap<ReplicaId, Peer>>>,
    /// Who was last seen to do what nobody honest does; one entry for each identity.
    misdeeds: Arc<Mutex<BTreeMap<Role, (Instant, &'static str)>>>,
}

/// What is known of one peer.
#[derive(Debug)]
struct Peer {
    /// How many links are up: a new one may come before the old one is gone.
    links: u32,
    /// Since when none is, and what was learned about why.
    down_since: Instant,
    why: String,
    /// In what its configuration differs.
    differences: Vec<Trouble>,
}

impl Standing {
    /// Nobody is linked yet.
    pub(crate) fn new(me: ReplicaId, committee: Committee, parts: Vec<Part>, now: Instant) -> Standing {
        let peer = |peer: ReplicaId| {
            // Of two replicas the one with the smaller id dials.
            let why = if peer < me { "it dials, and has not come" } else { "it was not reached yet" };
            (peer, Peer { links: 0, down_since: now, why: why.to_string(), differences: Vec::new() })
        };
        let peers = committee.others(me).map(peer).collect();
        let (peers, misdeeds) = (Arc::new(Mutex::new(peers)), Arc::default());
        Standing { me, committee, parts: parts.into(), peers, misdeeds }
    }

    /// What this replica's configuration is, for its peers.
    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// A link is up, until what this gives is dropped.
    pub(crate) fn linked(&self, peer: ReplicaId) -> Linked {
        if let Some(known) = self.lock().get_mut(&peer) {
            known.links += 1;
        }
        Linked { standing: self.clone(), peer }
    }

    /// What is known about why a peer is not linked.
    pub(crate) fn explain(&self, peer: ReplicaId, why: &str) {
        if let Some(known) = self.lock().get_mut(&peer) {
            known.why = one_line(why, 2 * MAX_CHARS);
        }
    }

    /// Somebody does what nobody honest does, in words that follow its name.
    pub(crate) fn misbehaves(&self, now: Instant, role: Role, what: &'static str) {
        self.misdeeds.lock().unwrap_or_else(PoisonError::into_inner).insert(role, (now, what));
    }

    /// A peer has said what its configuration is.
    pub(crate) fn compare(&self, peer: ReplicaId, theirs: &[Part]) {
        let value = |parts: &[Part], what: &str| {
            let part = parts.iter().take(MAX_PARTS).find(|part| part.what == what);
            part.map_or("not there".to_string(), |part| one_line(&part.value, MAX_CHARS))
        };
        // What the peer calls vital does not matter: it may be of another version, or lie.
        let ours = self.parts.iter().map(|part| (part.what.clone(), part.is_vital));
        let unknown = theirs.iter().take(MAX_PARTS).filter(|part| self.parts.iter().all(|ours| ours.what != part.what));
        let all = ours.chain(unknown.map(|part| (one_line(&part.what, MAX_CHARS), false)));
        let differences = all.filter_map(|(what, is_vital)| {
            let (mine, theirs) = (value(&self.parts, &what), value(theirs, &what));
            (mine != theirs).then_some(Trouble::Differs { peer, what, mine, theirs, is_vital })
        });
        let mut differences: Vec<Trouble> = differences.collect();
        differences.sort_by_key(|difference| !difference.is_vital());
        differences.truncate(MAX_DIFFERENCES);
        if let Some(known) = self.lock().get_mut(&peer) {
            known.differences = differences;
        }
    }

    /// What is wrong now: what nothing can be done under first.
    pub(crate) fn troubles(&self, now: Instant) -> Vec<Trouble> {
        let peers = self.lock();
        let is_missing = |peer: &Peer| peer.links == 0 && now.duration_since(peer.down_since) >= PATIENCE;
        let is_other = |peer: &Peer| peer.differences.iter().any(Trouble::is_vital);
        let count = |is_it: &dyn Fn(&Peer) -> bool| peers.values().filter(|peer| is_it(peer)).count();
        let (size, quorum) = (self.committee.size(), self.committee.quorum());
        let small = |count: usize| u8::try_from(count).unwrap_or(u8::MAX);
        let needed = small(quorum);
        let mut troubles = Vec::new();
        let alike = size - count(&is_other);
        let linked = size - count(&|peer| is_missing(peer) || is_other(peer));
        if linked < quorum && alike >= quorum {
            troubles.push(Trouble::NoQuorum { linked: small(linked), needed });
        }
        if alike < quorum {
            troubles.push(Trouble::Alone { alike: small(alike), needed });
        }
        troubles.extend(peers.values().flat_map(|peer| peer.differences.iter().cloned()));
        let misdeeds = self.misdeeds.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = misdeeds.iter().filter(|(_, (at, _))| now.saturating_duration_since(*at) < REMEMBERED);
        troubles
            .extend(fresh.map(|(who, (_, what))| Trouble::Misbehaves { who: who.to_string(), what: what.to_string() }));
        let missing = peers.iter().filter(|(_, peer)| is_missing(peer));
        troubles.extend(missing.map(|(peer, known)| Trouble::Unlinked { peer: *peer, why: known.why.clone() }));
        troubles
    }

    /// Writes down what is wrong for as long as it is wrong, until it is dropped.
    pub(crate) async fn watch(self) {
        let mut told: BTreeMap<Trouble, Instant> = BTreeMap::new();
        loop {
            tokio::time::sleep(LOOK).await;
            let now = Instant::now();
            let troubles = self.troubles(now);
            for trouble in &troubles {
                let key = without_details(trouble);
                if told.get(&key).is_none_or(|at| now.duration_since(*at) >= AGAIN) {
                    tracing::warn!("{}: {trouble}", self.me);
                    told.insert(key, now);
                }
            }
            let still: Vec<Trouble> = troubles.iter().map(without_details).collect();
            told.retain(|trouble, _| {
                let lasts = still.contains(trouble);
                if !lasts {
                    tracing::info!("{}: no longer: {trouble}", self.me);
                }
                lasts
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ReplicaId, Peer>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What makes it the same trouble although the words about it change.
fn without_details(trouble: &Trouble) -> Trouble {
    match trouble {
        Trouble::Unlinked { peer, .. } => {
            Trouble::Unlinked { peer: *peer, why: "not reached, or not let in".to_string() }
        }
        other => other.clone(),
    }
}

/// A link that is up. Dropped when it is gone.
#[derive(Debug)]
pub(crate) struct Linked {
    standing: Standing,
    peer: ReplicaId,
}

impl Drop for Linked {
    fn drop(&mut self) {
        if let Some(known) = self.standing.lock().get_mut(&self.peer) {
            known.links = known.links.saturating_sub(1);
            known.down_since = Instant::now();
            // It is another one when it comes again.
            if known.links == 0 {
                known.differences.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byztop_certs::{ClusterDirectory, InitOptions};

    const N2: ReplicaId = ReplicaId(1);

    fn standing(now: Instant) -> Standing {
        let scratch = tempfile::tempdir().unwrap();
        let options = InitOptions { replicas: 4, ..InitOptions::default() };
        let directory = ClusterDirectory::create(&scratch.path().join("c"), &options).unwrap();
        Standing::new(ReplicaId(0), directory.config().committee(), directory.config().parts(), now)
    }

    fn words(standing: &Standing, now: Instant) -> Vec<String> {
        standing.troubles(now).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn who_is_not_linked_is_named_after_some_seconds_and_so_is_that_nothing_can_be_decided() {
        let began = Instant::now();
        let standing = standing(began);
        assert_eq!(words(&standing, began + PATIENCE / 2), [""; 0]);
        let _links: Vec<Linked> = [1, 2].map(|peer| standing.linked(ReplicaId(peer))).into();
        standing.explain(ReplicaId(3), "no answer from [::1]:7003\nforged");
        assert_eq!(words(&standing, began + PATIENCE), ["n4 is not linked: no answer from [::1]:7003\\nforged"]);
        drop(_links);
        let later = Instant::now() + PATIENCE;
        assert!(
            words(&standing, later)[0]
                .starts_with("nothing can be decided: 1 replicas are linked and of one configuration")
        );
    }

    #[test]
    fn what_somebody_did_is_told_for_a_while() {
        let now = Instant::now();
        let standing = standing(now);
        standing.misbehaves(now, Role::Client(byztop_core::types::ClientId(0)), "sends what is refused");
        assert_eq!(words(&standing, now), ["client c1 sends what is refused"]);
        let links: Vec<Linked> = [1, 2, 3].map(|peer| standing.linked(ReplicaId(peer))).into();
        assert_eq!(words(&standing, now + REMEMBERED), [""; 0]);
        drop(links);
    }

    #[test]
    fn a_link_that_takes_the_place_of_another_leaves_no_gap() {
        let standing = standing(Instant::now());
        let old = standing.linked(N2);
        let new = standing.linked(N2);
        drop(old);
        let late = Instant::now() + PATIENCE;
        assert!(!words(&standing, late).iter().any(|text| text.contains("n2 is not linked")));
        drop(new);
        assert!(words(&standing, Instant::now() + PATIENCE).iter().any(|text| text.contains("n2 is not linked")));
    }

    #[test]
    fn a_peer_of_another_configuration_is_told_by_what_is_here_and_there() {
        let now = Instant::now();
        let standing = standing(now);
        let links: Vec<Linked> = [1, 2, 3].map(|peer| standing.linked(ReplicaId(peer))).into();
        let mut theirs = standing.parts().to_vec();
        standing.compare(N2, &theirs);
        assert_eq!(words(&standing, now), [""; 0], "all is alike");

        let set = |parts: &mut Vec<Part>, what: &str, value: &str| {
            parts.iter_mut().find(|part| part.what == what).unwrap().value = value.into();
        };
        set(&mut theirs, "request_timeout_ms", "7");
        set(&mut theirs, "epoch", "2");
        theirs.push(Part { what: "colour".into(), value: "red".into(), is_vital: true });
        standing.compare(N2, &theirs);
        let told = words(&standing, now);
        assert_eq!(
            told[0],
            "n2 has another configuration: epoch is 1 in cluster.toml here and 2 there, and the two decide nothing together"
        );
        assert!(
            told[1..].iter().any(|text| text.contains("request_timeout_ms is 1500 in cluster.toml here and 7 there")),
            "{told:?}"
        );
        assert!(
            told[1..].iter().any(|text| text.contains("colour is not there in cluster.toml here and red there")),
            "{told:?}"
        );
        assert_eq!(told.len(), 3);

        standing.compare(ReplicaId(2), &theirs);
        assert!(
            words(&standing, now)[0].starts_with("nothing can be decided: 2 replicas have this one's configuration")
        );
        drop(links);
        assert!(!standing.troubles(now).iter().any(|trouble| matches!(trouble, Trouble::Differs { .. })));
    }
}
