//! What a replica must not forget: written before it is spoken of, and read back after a restart.
//!
//! A row per slot holds what this replica said and knows of it; one row holds the view. The votes of others are not kept:
//! they come again (rule 20). What was said is made anew from what is kept, and signed again: signatures depend on nothing
//! but the statement and the key, so the bytes are the same (rule 29).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::form::{Decision as _, Form};
use super::log::{Proposal, Slot};
use super::message::{Commit, Message, NewView, Origin, PrePrepare, Prepare, PreparedCertificate, ViewChange};
use super::{Cx, Observing, Phase, Views};
use crate::crypto::Signed;
use crate::durable::{Damaged, Image, Table, Write, damaged};
use crate::protocol::{Batch, CheckpointCertificate, LoggedSlot, Recipients};
use crate::types::{Digest, ReplicaId, SeqNum, View};

/// Which rows are not on the disk as they are here.
#[derive(Default)]
pub(super) struct Unwritten {
    view: bool,
    slots: BTreeSet<SeqNum>,
    batches: BTreeSet<Digest>,
}

/// The row of the view.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
struct ViewRow<F: Form> {
    view: View,
    /// What it asked for in place of that, as it said so.
    asked: Option<ViewChange<F>>,
    last_begun: Option<View>,
    new_view: Option<Signed<NewView<F>>>,
    /// Whether it has lost its log, or the end of it, and has not taken part since.
    is_observing: bool,
}

/// The row of a slot.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
struct SlotRow<F: Form> {
    voted: Option<Proposal>,
    prepared: Option<PreparedCertificate>,
    committed_in: Option<View>,
    decision: Option<F::Decision>,
}

impl<F: Form> Views<F> {
    /// The row of the view is another one now.
    pub(super) fn touch_view(&mut self) {
        self.unwritten.view = true;
    }

    /// The row of a slot is another one now.
    pub(super) fn touch(&mut self, seq: SeqNum) {
        self.unwritten.slots.insert(seq);
    }

    /// A batch has come, or is not needed any more.
    pub(super) fn touch_batch(&mut self, digest: Digest) {
        self.unwritten.batches.insert(digest);
    }

    /// Appends what is to be written, and names the batches whose bodies are to be written with it.
    pub(super) fn write_rows(&mut self, writes: &mut Vec<Write>) -> Vec<Batch> {
        let Unwritten { view, slots, batches } = std::mem::take(&mut self.unwritten);
        if view {
            let row = ViewRow::<F> {
                view: self.view,
                asked: self.asked.clone(),
                last_begun: self.last_begun,
                new_view: self.new_view.clone(),
                is_observing: self.observing.is_some(),
            };
            writes.push(Write::put(Table::View, &[], &row));
        }
        let mut named = Vec::new();
        for seq in slots {
            let key = seq.0.to_be_bytes();
            let Some(slot) = self.log.slot(seq) else {
                writes.push(Write::delete(Table::Slots, &key));
                continue;
            };
            let row = SlotRow::<F> {
                voted: slot.voted,
                prepared: slot.prepared.clone(),
                committed_in: slot.commit_sent_in,
                decision: slot.decision.clone(),
            };
            named.extend(slot.digests().filter_map(|digest| self.log.batch(digest)));
            writes.push(Write::put(Table::Slots, &key, &row));
        }
        for digest in batches {
            writes.push(match self.log.batch(digest) {
                Some(batch) => Write::put(Table::Batches, &digest.0, &batch),
                None => Write::delete(Table::Batches, &digest.0),
            });
        }
        named
    }

    /// Reads everything back. The low watermark is that of the stable checkpoint.
    ///
    /// # Errors
    ///
    /// [`Damaged`] if a row does not say what rows say.
    pub(super) fn read_rows(&mut self, image: &Image, stable: &CheckpointCertificate) -> Result<(), Damaged> {
        self.stable = stable.clone();
        self.watermarks.advance(stable.seq());
        self.executed = stable.seq();
        if let Some(row) = image.row::<ViewRow<F>>(Table::View)? {
            let ViewRow { view, asked, last_begun, new_view, is_observing } = row;
            self.phase = match &asked {
                Some(asked) if asked.view > view => Phase::Changing { target: asked.view, is_timed: false },
                _ => Phase::Active,
            };
            (self.view, self.asked, self.last_begun, self.new_view) = (view, asked, last_begun, new_view);
            self.observing = is_observing.then(Observing::default);
        }
        for (key, batch) in image.rows::<Batch>(Table::Batches)? {
            if batch.digest().0 != key {
                return Err(damaged(Table::Batches, key, "it is another batch's"));
            }
            self.log.keep_batch(batch);
        }
        for (key, row) in image.rows::<SlotRow<F>>(Table::Slots)? {
            let seq = seq_of(key)?;
            // The checkpoint is written before the slots go that it leaves behind, and it may have come no further.
            if seq.plus(self.settings.window_slots) <= stable.seq() {
                self.touch(seq);
            } else {
                self.read_slot(seq, row);
            }
        }
        let newest =
            self.log.after(stable.seq()).filter(|(_, slot)| slot.voted.is_some_and(|v| v.view == self.view)).last();
        let newest = newest.map(|(seq, _)| seq).unwrap_or_default();
        // What O forces may lie beyond the window, and is taken over when that has moved.
        self.next_seq = newest.max(self.executed).max(self.max_s()).next();
        Ok(())
    }

    /// Goes on where the disk says that this replica was: takes up what the view forces, asks again for the view that it
    /// asked for, and runs what was decided.
    pub(super) fn resume_after_restart(&mut self, cx: &mut Cx<'_, F>) {
        let known: Vec<SeqNum> = self.log.after(self.watermarks.low()).map(|(seq, _)| seq).collect();
        if known.is_empty() && self.new_view.is_none() && self.asked.is_none() {
            return;
        }
        // What stands in a slot of this view is not proposed again (rule 8).
        let voted = self.log.after(self.watermarks.low()).filter_map(|(_, slot)| slot.voted);
        let proposed = voted.filter(|voted| voted.view == self.view);
        let batches: Vec<Batch> = proposed.filter_map(|proposal| self.log.batch(proposal.digest)).collect();
        cx.pool.already_proposed(&batches.iter().collect::<Vec<_>>());
        self.adopt_forced(cx);
        if self.observing.is_none() {
            // What it said last may never have left; a primary hears its own proposals again, with everyone else.
            for (to, message) in known.iter().filter_map(|seq| self.log.slot(*seq)).flat_map(|slot| &slot.said) {
                cx.send(*to, message.clone());
            }
            self.repeat_complaint(cx);
        }
        for seq in known {
            self.resume(cx, seq);
        }
    }

    /// Says again that it asks for another view, if it does.
    pub(super) fn repeat_complaint(&self, cx: &mut Cx<'_, F>) {
        if let (Phase::Changing { .. }, Some(asked)) = (self.phase, &self.asked) {
            cx.send(Recipients::All, Message::ViewChange(Signed::unsigned(asked.clone())));
        }
    }

    fn read_slot(&mut self, seq: SeqNum, row: SlotRow<F>) {
        let (me, view) = (self.me, self.view);
        let primary = self.committee.primary(view);
        let SlotRow { voted, prepared, committed_in, decision } = row;
        let current = voted.filter(|voted| voted.view == view);
        let batch = current.and_then(|proposal| self.log.batch(proposal.digest));
        // A primary's own comes back to it when it says it again.
        let proposal = current.filter(|proposal| primary != me || proposal.origin == Origin::NewView);
        let slot = self.log.slot_mut(seq);
        *slot = Slot { proposal, voted, prepared, commit_sent_in: committed_in, decision, ..Slot::default() };
        // Whoever has asked for another view says nothing more in this one: what never left stays here (rule 15).
        if self.phase != Phase::Active {
            return;
        }
        if let Some(vote) = current.and_then(|proposal| said_of(proposal, seq, me, primary, batch)) {
            let to = if primary == me { Recipients::All } else { F::counted_by(primary) };
            slot.said.push((to, vote));
        }
        if committed_in == Some(view)
            && let Some(prepared) = slot.prepared.as_ref().filter(|prepared| prepared.prepares.view == view)
        {
            let body = Commit { view, seq, digest: prepared.prepares.digest, replica: me };
            slot.said.push((F::counted_by(primary), Message::Commit(Signed::unsigned(body))));
        }
    }
}

fn seq_of(key: &[u8]) -> Result<SeqNum, Damaged> {
    let seq = <[u8; 8]>::try_from(key).map_err(|_| damaged(Table::Slots, key, "no slot has this number"))?;
    Ok(SeqNum(u64::from_be_bytes(seq)))
}

/// What the rows of slots say, for people.
pub(super) fn logged<F: Form>(image: &Image) -> Result<Vec<LoggedSlot>, Damaged> {
    let batches: Vec<Batch> = image.rows::<Batch>(Table::Batches)?.into_iter().map(|(_, batch)| batch).collect();
    let sizes: BTreeMap<Digest, usize> =
        batches.iter().map(|batch| (batch.digest(), batch.submissions.len())).collect();
    let of = |(key, row): (&[u8], SlotRow<F>)| {
        let voted = row.voted.map(|voted| (voted.view, voted.digest));
        let prepared = row.prepared.as_ref().map(|known| (known.prepares.view, known.prepares.digest));
        let decided = row.decision.as_ref().map(|known| (known.view(), known.digest(), known.is_fast()));
        let digest = decided.map(|(_, digest, _)| digest).or(voted.map(|(_, digest)| digest));
        let submissions = digest.and_then(|digest| sizes.get(&digest).copied());
        Ok(LoggedSlot { seq: seq_of(key)?, voted, prepared, committed_in: row.committed_in, decided, submissions })
    };
    image.rows::<SlotRow<F>>(Table::Slots)?.into_iter().map(of).collect()
}

/// The PRE-PREPARE or PREPARE that stands behind a vote; what O forced is said again with the NEW-VIEW.
fn said_of<F: Form>(
    proposal: Proposal,
    seq: SeqNum,
    me: ReplicaId,
    primary: ReplicaId,
    batch: Option<Batch>,
) -> Option<Message<F>> {
    let Proposal { view, origin, digest, header } = proposal;
    if primary != me {
        let body = Prepare { view, seq, digest, replica: me, origin, header };
        return Some(Message::Prepare(Signed::unsigned(body)));
    }
    let batch = batch.filter(|_| origin == Origin::OwnAccord)?;
    Some(Message::PrePrepare(Signed::unsigned(PrePrepare { view, seq, digest, primary, batch })))
}
