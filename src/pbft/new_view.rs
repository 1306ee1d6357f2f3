//! The set O: what a quorum of view changes forces on the next view (Castro & Liskov, OSDI '99, §4.4).

use std::collections::BTreeMap;

use super::message::{NewView, PreparedCertificate, ViewChange};
use crate::protocol::CheckpointCertificate;
use crate::types::{Digest, SeqNum};

/// What follows from the view changes of a quorum.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Forced {
    /// min-s: the newest stable checkpoint among them, with its proof.
    pub stable: CheckpointCertificate,
    /// A digest for each slot from min-s + 1 to max-s, in ascending order; [`Digest::ZERO`] is the null request.
    pub slots: Vec<(SeqNum, Digest)>,
}

/// Computes min-s, max-s and O. The caller has checked every certificate within.
///
/// Rule 12: for each slot the prepared certificate of the highest view wins; a slot without one gets the null request.
///
/// # Panics
///
/// If there is no view change at all.
pub fn forced<'a>(view_changes: impl Iterator<Item = &'a ViewChange> + Clone) -> Forced {
    let stable = view_changes.clone().map(|vc| &vc.stable).max_by_key(|c| c.seq()).expect("a quorum is not empty");
    let min_s = stable.seq();
    let mut winners: BTreeMap<SeqNum, &PreparedCertificate> = BTreeMap::new();
    for certificate in view_changes.flat_map(|vc| &vc.prepared).filter(|c| c.prepares.seq > min_s) {
        let winner = winners.entry(certificate.prepares.seq).or_insert(certificate);
        if certificate.prepares.view > winner.prepares.view {
            *winner = certificate;
        }
    }
    let max_s = winners.last_key_value().map_or(min_s, |(seq, _)| *seq);
    let slots = min_s.until(max_s).map(|seq| (seq, winners.get(&seq).map_or(Digest::ZERO, |c| c.prepares.digest)));
    Forced { stable: stable.clone(), slots: slots.collect() }
}

/// Whether a new view's O is exactly what its view changes force.
pub fn is_justified(new_view: &NewView) -> bool {
    if new_view.view_changes.is_empty() {
        return false;
    }
    let expected = forced(new_view.view_changes.iter().map(|signed| &signed.body)).slots;
    new_view.forced.iter().map(|entry| (entry.seq, entry.digest)).eq(expected)
}
