//! The set O: what a quorum of view changes forces on the next view (Castro & Liskov, OSDI '99, §4.4).
//!
//! Which slots it has is the same in every form; what it has for each is [`Form::choose`]'s to say.

use std::collections::BTreeMap;

use super::form::{Form, Shown};
use super::message::{NewView, ViewChange};
use crate::committee::Committee;
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

/// Computes min-s, max-s and O. The caller has checked every part of the view changes, and that they lie within windows.
///
/// Rule 12: a slot on which nothing is forced gets the null request if there is one above it on which something is.
///
/// # Panics
///
/// If there is no view change at all.
pub fn forced<'a, F: Form>(
    view_changes: impl Iterator<Item = &'a ViewChange<F>> + Clone,
    committee: Committee,
) -> Forced {
    let (stable, slots) = derive(view_changes, committee);
    Forced { stable: stable.clone(), slots: slots.collect() }
}

/// Min-s with its proof, and O slot by slot.
fn derive<'a, F: Form>(
    view_changes: impl Iterator<Item = &'a ViewChange<F>> + Clone,
    committee: Committee,
) -> (&'a CheckpointCertificate, impl Iterator<Item = (SeqNum, Digest)>) {
    let stable = view_changes.clone().map(|vc| &vc.stable).max_by_key(|c| c.seq()).expect("a quorum is not empty");
    let min_s = stable.seq();
    let mut by_slot: BTreeMap<SeqNum, Vec<&F::Shown>> = BTreeMap::new();
    for shown in view_changes.flat_map(|vc| &vc.shown).filter(|shown| shown.seq() > min_s) {
        by_slot.entry(shown.seq()).or_default().push(shown);
    }
    let chosen: BTreeMap<SeqNum, Digest> =
        by_slot.iter().filter_map(|(seq, shown)| Some((*seq, F::choose(shown, committee)?))).collect();
    let max_s = chosen.last_key_value().map_or(min_s, |(seq, _)| *seq);
    let digest = move |seq| chosen.get(&seq).copied().unwrap_or(Digest::ZERO);
    (stable, min_s.until(max_s).map(move |seq| (seq, digest(seq))))
}

/// Whether a new view's O is exactly what its view changes force.
///
/// It compares slot by slot, so it costs no more than O is long, whatever is claimed: evidence is judged before its
/// signatures are checked.
pub fn is_justified<F: Form>(new_view: &NewView<F>, committee: Committee) -> bool {
    if new_view.view_changes.is_empty() {
        return false;
    }
    let (_, expected) = derive(new_view.view_changes.iter().map(|signed| &signed.body), committee);
    new_view.forced.iter().map(|entry| (entry.seq, entry.digest)).eq(expected)
}
