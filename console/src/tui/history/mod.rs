//! What happened until now, so that the screen can go back to it.
//!
//! Everything that is heard is kept, packed into chunks, with the model as it was at the beginning of some of them: going to
//! a moment is to take the model before it and to fold what came in between. Old chunks are forgotten, so that hours of
//! running do not grow. A recording is the same chunks in a file; of a long one, fewer models are kept.

pub(super) mod histogram;
mod recording;
mod tape;
mod travel;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;

use byztop_core::types::{ReplicaId, SeqNum, Time};

pub(crate) use self::recording::{Recording, Writer};
use self::recording::{RecordingError, credible};
use self::tape::{Chunk, Heard, Packer, is_remembered};
pub(super) use self::travel::{Bar, Frozen, Travel, travel};
use super::model::Model;
use super::{CaseEvent, FeedEvent, LinkEvent, ProcessEvent, Roster, Stride};

/// The remembered past.
pub(super) struct History {
    /// Oldest first.
    blocks: VecDeque<Block>,
    /// What is not packed yet, and the model before it.
    open: Packer,
    open_start: Option<Box<Model>>,
    /// How many entries were forgotten.
    forgotten: u64,
    /// How many blocks are kept.
    max_blocks: usize,
    /// Who is connected, and whose process runs: what a recording that begins late has to be told first.
    connected: BTreeMap<ReplicaId, FeedEvent>,
    started: BTreeMap<ReplicaId, FeedEvent>,
}

/// Packed entries, and the model before the first of them, if it is kept. The first block has one.
struct Block {
    chunk: Chunk,
    start: Option<Box<Model>>,
}

impl History {
    /// So many blocks are kept while a cluster is watched: half an hour of seven replicas, and a model of
    /// about a megabyte each.
    const MAX_BLOCKS: usize = 32;

    /// So many models are kept of a recording, of about a megabyte each. What lies between two is folded when it is looked at.
    const MAX_MODELS: usize = 64;

    /// Packed they have so many bytes at most, however much replicas say.
    const MAX_PACKED_BYTES: usize = 48 << 20;

    /// Nothing has happened yet.
    pub(super) fn new() -> History {
        History {
            blocks: VecDeque::new(),
            open: Packer::default(),
            open_start: None,
            forgotten: 0,
            max_blocks: Self::MAX_BLOCKS,
            connected: BTreeMap::new(),
            started: BTreeMap::new(),
        }
    }

    /// The same, of which so many blocks are kept.
    #[cfg(test)]
    pub(super) fn keeping(max_blocks: usize) -> History {
        History { max_blocks, ..History::new() }
    }

    /// What a recording holds, from its beginning to its end; nothing of it is forgotten. Tells how much of it is done
    /// now and then.
    pub(super) fn of_recording(
        recording: &Recording,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<History, RecordingError> {
        let mut history = History { max_blocks: usize::MAX, ..History::new() };
        let mut model: Option<Model> = None;
        let chunks = recording.chunks();
        let count = chunks.len();
        for (done, chunk) in chunks.enumerate() {
            progress(done, count);
            let model = model.get_or_insert_with(|| Model::new(recording.roster(), chunk.from));
            let committee = model.committee;
            for Heard { at, event } in chunk.entries().map_err(|_| recording.damaged(done))? {
                let event = credible(event, committee).map_err(|_| recording.damaged(done))?;
                history.note(at, &event, model);
                model.apply(at, event);
            }
            history.thin_out();
        }
        Ok(history)
    }

    /// An event is about to be folded into this model.
    pub(super) fn note(&mut self, at: Time, event: &FeedEvent, before: &Model) {
        match event {
            FeedEvent::Link(id, LinkEvent::Up(_)) => {
                self.connected.insert(*id, event.clone());
            }
            FeedEvent::Link(id, LinkEvent::Down(_)) => {
                self.connected.remove(id);
            }
            FeedEvent::Process(id, ProcessEvent::Started { .. }) => {
                self.started.insert(*id, event.clone());
            }
            FeedEvent::Process(id, _) => {
                self.started.remove(id);
            }
            // Another cluster: what was known of the one before is not its past.
            FeedEvent::Case(CaseEvent::Began { .. }) => *self = History::new(),
            _ => {}
        }
        if !is_remembered(event) {
            return;
        }
        self.open_start.get_or_insert_with(|| Box::new(before.without_complaints()));
        self.open.push(at, event);
        if self.open.is_full() {
            self.close();
        }
    }

    /// Packs what is open.
    fn close(&mut self) {
        if let (Some(chunk), Some(start)) = (self.open.pack(), self.open_start.take()) {
            self.blocks.push_back(Block { chunk, start: Some(start) });
        }
        let is_too_much = |blocks: &VecDeque<Block>| {
            let bytes: usize = blocks.iter().map(|block| block.chunk.packed.len()).sum();
            blocks.len() > self.max_blocks || self.max_blocks != usize::MAX && bytes > Self::MAX_PACKED_BYTES
        };
        while is_too_much(&self.blocks) {
            self.forgotten += self.blocks.pop_front().map_or(0, |block| u64::from(block.chunk.count));
        }
    }

    /// Forgets every second model when there are too many.
    fn thin_out(&mut self) {
        let kept = self.blocks.iter_mut().filter(|block| block.start.is_some());
        if kept.count() > Self::MAX_MODELS {
            let kept = self.blocks.iter_mut().filter(|block| block.start.is_some());
            kept.skip(1).step_by(2).for_each(|block| block.start = None);
        }
    }

    /// Begins a recording with everything that is remembered.
    ///
    /// # Errors
    ///
    /// As [`Writer::begin`].
    pub(super) fn record(&mut self, path: &Path, roster: &Roster) -> io::Result<Writer> {
        Writer::begin(path, roster, self.so_far())
    }

    /// Everything that is remembered, for a recording that begins now: first what makes it understandable, then all
    /// chunks, the open one included.
    fn so_far(&mut self) -> Vec<Chunk> {
        self.close();
        let mut first = Packer::default();
        if self.forgotten > 0
            && let Some(block) = self.blocks.front()
        {
            self.started.values().chain(self.connected.values()).for_each(|event| first.push(block.chunk.from, event));
        }
        first.pack().into_iter().chain(self.blocks.iter().map(|block| block.chunk.clone())).collect()
    }

    /// The positions that are remembered: the number of entries before the first, and that after the last.
    pub(super) fn ends(&self) -> (u64, u64) {
        let packed: u64 = self.blocks.iter().map(|block| u64::from(block.chunk.count)).sum();
        (self.forgotten, self.forgotten + packed + u64::from(self.open.count()))
    }

    /// When the oldest remembered entry was heard, and when the newest.
    pub(super) fn span(&self) -> Option<(Time, Time)> {
        let spans = || self.blocks.iter().map(|block| (block.chunk.from, block.chunk.until)).chain(self.open.span());
        Some((spans().next()?.0, spans().last()?.1))
    }

    /// The block in which a position lies: the position before it, and its entries. A position between two belongs to the
    /// earlier one.
    fn block_of(&self, position: u64) -> Option<(u64, Vec<Heard>)> {
        let mut before = self.forgotten;
        for block in &self.blocks {
            let after = before + u64::from(block.chunk.count);
            if position <= after {
                return Some((before, block.chunk.entries().ok()?));
            }
            before = after;
        }
        Some((before, self.open.entries()))
    }

    /// The last model that is kept from before a position, and its position.
    fn model_before(&self, position: u64) -> Option<(u64, &Model)> {
        let mut before = self.forgotten;
        let mut found = None;
        for block in &self.blocks {
            if before > position {
                return found;
            }
            found = block.start.as_deref().map(|start| (before, start)).or(found);
            before += u64::from(block.chunk.count);
        }
        let open = self.open_start.as_deref().filter(|_| before <= position);
        open.map(|start| (before, start)).or(found)
    }

    /// What was known at a position: after so many entries.
    pub(super) fn at(&self, position: u64) -> Option<Model> {
        let (first, last) = self.ends();
        let position = position.clamp(first, last);
        let (mut reached, start) = self.model_before(position)?;
        let mut model = start.clone();
        while reached < position {
            let (before, entries) = self.block_of(reached + 1)?;
            let skipped = usize::try_from(reached - before).unwrap_or(usize::MAX);
            let wanted = usize::try_from(position - reached).unwrap_or(usize::MAX);
            for Heard { at, event } in entries.into_iter().skip(skipped).take(wanted) {
                model.apply(at, event);
                reached += 1;
            }
        }
        Some(model)
    }

    /// The position of the newest entry that was heard by a time.
    pub(super) fn position_at(&self, time: Time) -> u64 {
        let mut position = self.forgotten;
        for block in &self.blocks {
            if block.chunk.until <= time {
                position += u64::from(block.chunk.count);
            } else {
                let entries = block.chunk.entries().unwrap_or_default();
                return position + entries.iter().take_while(|heard| heard.at <= time).count() as u64;
            }
        }
        position + self.open.entries().iter().take_while(|heard| heard.at <= time).count() as u64
    }

    /// The first position after this one at which something has just changed that a stride goes by; the newest if there
    /// is none.
    pub(super) fn forward(&self, from: u64, stride: Stride) -> u64 {
        let (_, last) = self.ends();
        let Some(mut model) = self.at(from) else { return from };
        let mark = Mark::of(&model, stride);
        let mut position = from;
        while position < last {
            let Some((before, entries)) = self.block_of(position + 1) else { break };
            let skipped = usize::try_from(position - before).unwrap_or(usize::MAX);
            for Heard { at, event } in entries.into_iter().skip(skipped) {
                model.apply(at, event);
                position += 1;
                if Mark::of(&model, stride) != mark {
                    return position;
                }
            }
        }
        position
    }

    /// The last position before this one at which something had just changed that a stride goes by; the oldest if there
    /// is none.
    pub(super) fn back(&self, from: u64, stride: Stride) -> u64 {
        let (first, _) = self.ends();
        let mut until = from;
        while until > first {
            let Some((before, entries)) = self.block_of(until) else { return first };
            let Some(mut model) = self.at(before) else { return first };
            let mut found = None;
            let count = usize::try_from(until - before).unwrap_or(usize::MAX);
            for (place, Heard { at, event }) in entries.into_iter().take(count).enumerate() {
                let mark = Mark::of(&model, stride);
                model.apply(at, event);
                let position = before + place as u64 + 1;
                if Mark::of(&model, stride) != mark && position < from {
                    found = Some(position);
                }
            }
            match found {
                Some(position) => return position,
                None => until = before,
            }
        }
        first
    }

    /// Folds the entries from a position on that were heard by a time; gives the position that was reached.
    pub(super) fn play(&self, model: &mut Model, from: u64, until: Time) -> u64 {
        let (_, last) = self.ends();
        let mut position = from;
        while position < last {
            let Some((before, entries)) = self.block_of(position + 1) else { break };
            let skipped = usize::try_from(position - before).unwrap_or(usize::MAX);
            for Heard { at, event } in entries.into_iter().skip(skipped) {
                if at > until {
                    return position;
                }
                model.apply(at, event);
                position += 1;
            }
        }
        position
    }
}

/// What a stride goes by: it ends where this has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mark {
    Slot(Option<SeqNum>),
    Event(u64),
}

impl Mark {
    fn of(model: &Model, stride: Stride) -> Mark {
        match stride {
            Stride::Slot => Mark::Slot(model.newest_executed()),
            Stride::Event => Mark::Event(model.log.revision()),
        }
    }
}

#[cfg(test)]
mod tests {
    use byztop_core::types::Micros;

    use super::*;

    #[test]
    fn of_a_long_recording_few_models_are_kept_and_every_moment_is_the_same() {
        let roster = Roster { protocol: "pbft".into(), replicas: 4, durability: "os".into(), simulation: None };
        let (mut history, mut model) = (History::keeping(usize::MAX), Model::new(&roster, Time(0)));
        let last = u64::from(Packer::MAX_ENTRIES) * (History::MAX_MODELS as u64 + 2) + 7;
        for us in 1..=last {
            let event = FeedEvent::Link(ReplicaId(2), LinkEvent::Rtt(Micros(us)));
            history.note(Time(us), &event, &model);
            model.apply(Time(us), event);
            if us % 1000 == 0 {
                history.thin_out();
            }
        }
        let kept = history.blocks.iter().filter(|block| block.start.is_some()).count();
        assert!(kept <= History::MAX_MODELS && history.blocks[0].start.is_some(), "{kept} models");
        for position in [1, 4096, 4097, 5 * 4096, 5 * 4096 + 1, last - 4096, last] {
            let then = history.at(position).expect("it is remembered");
            assert_eq!(then.replicas[2].rtt, Some(Micros(position)));
        }
        assert_eq!(history.at(0).expect("the beginning").replicas[2].rtt, None);
    }
}
