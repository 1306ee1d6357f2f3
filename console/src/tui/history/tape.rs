//! What was heard, packed: entries in the order in which they came, a few thousand to a chunk.

use byztop_core::types::Time;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::tui::FeedEvent;

/// Something that the console has heard.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    /// When, microseconds of Unix time by the console's clock.
    pub at: Time,
    /// What.
    pub event: FeedEvent,
}

/// The same as it is written. Reports on the load repeat all latencies since the beginning, which grow for as long as the
/// load runs: what is written is by how much they have grown.
#[derive(Deserialize)]
struct Written {
    at: Time,
    event: FeedEvent,
    /// Whether its latencies are what came on top of those of the report before it.
    is_growth: bool,
}

/// Whether an event is of the kind that is remembered: what replicas, processes and the load say. Simulations have a time
/// travel of their own, and test cases begin a new history.
pub(super) fn is_remembered(event: &FeedEvent) -> bool {
    matches!(event, FeedEvent::Link(..) | FeedEvent::Process(..) | FeedEvent::Load(_))
}

/// Entries on their way into a chunk.
#[derive(Clone, Default, Debug)]
pub(super) struct Packer {
    bytes: Vec<u8>,
    count: u32,
    from: Option<Time>,
    until: Time,
    /// The latencies of the last report on the load.
    latency: Option<Histogram<u64>>,
}

/// Entries that are packed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Chunk {
    /// How many.
    pub count: u32,
    /// When the first was heard.
    pub from: Time,
    /// When the last was.
    pub until: Time,
    /// Compressed, behind their length.
    pub packed: Vec<u8>,
}

/// Bytes that are no chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("a part of it is damaged")]
pub(super) struct Damaged;

impl Packer {
    /// So many entries make a chunk: what a step back may have to fold again.
    pub(super) const MAX_ENTRIES: u32 = 4096;
    /// So many bytes do, too, before they are compressed.
    const MAX_BYTES: usize = 16 << 20;

    /// Takes in an event that is remembered.
    pub(super) fn push(&mut self, at: Time, event: &FeedEvent) {
        #[derive(Serialize)]
        struct Entry<'a> {
            at: Time,
            event: &'a FeedEvent,
            is_growth: bool,
        }
        // The clock of the machine may be set back; that of a tape is not.
        let at = at.max(self.until);
        let length = self.bytes.len();
        let growth = self.growth(event);
        let entry = Entry { at, event: growth.as_ref().unwrap_or(event), is_growth: growth.is_some() };
        match postcard::to_extend(&entry, std::mem::take(&mut self.bytes)) {
            Ok(bytes) => self.bytes = bytes,
            // Nothing that is remembered fails to be written; should it, what was written before is lost with it.
            Err(error) => {
                tracing::error!("{length} bytes of history are lost: {error}");
                *self = Packer::default();
                return;
            }
        }
        self.count += 1;
        self.from.get_or_insert(at);
        self.until = at;
    }

    /// A report on the load with what is new in it; nothing if the event is no report, or nothing that grew from the one
    /// before.
    fn growth(&mut self, event: &FeedEvent) -> Option<FeedEvent> {
        let FeedEvent::Load(report) = event else { return None };
        let before = self.latency.replace(report.latency.clone())?;
        let mut growth = report.clone();
        growth.latency.subtract(before).ok()?;
        Some(FeedEvent::Load(growth))
    }

    /// How many entries there are.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// When the first was heard, and when the last.
    pub(super) fn span(&self) -> Option<(Time, Time)> {
        Some((self.from?, self.until))
    }

    /// Whether it should be packed.
    pub(super) fn is_full(&self) -> bool {
        self.count >= Self::MAX_ENTRIES || self.bytes.len() >= Self::MAX_BYTES
    }

    /// The entries.
    pub(super) fn entries(&self) -> Vec<Heard> {
        read(&self.bytes, self.count).unwrap_or_default()
    }

    /// Packs what there is and begins anew; nothing if there is nothing.
    pub(super) fn pack(&mut self) -> Option<Chunk> {
        let Packer { bytes, count, from, until, .. } = std::mem::take(self);
        self.until = until;
        Some(Chunk { count, from: from?, until, packed: lz4_flex::compress_prepend_size(&bytes) })
    }
}

impl Chunk {
    /// The most bytes of a chunk that is unpacked: more than a [`Packer`] ever makes.
    const MAX_UNPACKED: usize = 2 * Packer::MAX_BYTES;

    /// The entries.
    ///
    /// # Errors
    ///
    /// If these bytes are no such chunk.
    pub(super) fn entries(&self) -> Result<Vec<Heard>, Damaged> {
        let length = self.packed.first_chunk::<4>().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
        if length > Self::MAX_UNPACKED || self.count > Packer::MAX_ENTRIES {
            return Err(Damaged);
        }
        let bytes = lz4_flex::decompress_size_prepended(&self.packed).map_err(|_| Damaged)?;
        read(&bytes, self.count)
    }
}

fn read(mut bytes: &[u8], count: u32) -> Result<Vec<Heard>, Damaged> {
    let mut entries = Vec::new();
    let mut latency: Option<Histogram<u64>> = None;
    for _ in 0..count {
        let (written, rest) = postcard::take_from_bytes(bytes).map_err(|_| Damaged)?;
        let Written { at, mut event, is_growth } = written;
        if let FeedEvent::Load(report) = &mut event {
            if is_growth {
                report.latency.add(latency.as_ref().ok_or(Damaged)?).map_err(|_| Damaged)?;
            }
            latency = Some(report.latency.clone());
        }
        entries.push(Heard { at, event });
        bytes = rest;
    }
    if bytes.is_empty() { Ok(entries) } else { Err(Damaged) }
}

#[cfg(test)]
mod tests {
    use byztop_core::types::{Micros, ReplicaId};

    use super::*;
    use crate::tui::{LinkEvent, LoadReport, ProcessEvent};

    fn rtt(us: u64) -> FeedEvent {
        FeedEvent::Link(ReplicaId(3), LinkEvent::Rtt(Micros(us)))
    }

    #[test]
    fn what_was_packed_comes_out_again_in_order() {
        let mut packer = Packer::default();
        assert!(packer.pack().is_none());
        packer.push(Time(10), &FeedEvent::Process(ReplicaId(1), ProcessEvent::Started { pid: 7 }));
        packer.push(Time(30), &rtt(5));
        packer.push(Time(20), &rtt(6));
        let printed = |entries: &[Heard]| format!("{entries:?}");
        let before = packer.entries();
        assert_eq!(before.iter().map(|heard| heard.at.0).collect::<Vec<_>>(), [10, 30, 30], "a tape's time only grows");
        let chunk = packer.pack().expect("there are three");
        assert_eq!((chunk.count, chunk.from, chunk.until), (3, Time(10), Time(30)));
        assert_eq!(printed(&chunk.entries().expect("they are whole")), printed(&before));
        assert_eq!(packer.count(), 0);
    }

    fn report(latencies: &[u64]) -> FeedEvent {
        let mut latency = Histogram::new(3).expect("three digits");
        latencies.iter().for_each(|us| latency.record(*us).expect("the histogram grows"));
        let committed_ops = latencies.len() as u64;
        FeedEvent::Load(Box::new(LoadReport {
            committed_ops,
            success: committed_ops,
            failed: 0,
            offered_ops: committed_ops,
            in_flight: 0,
            busy: 0,
            busiest: Vec::new(),
            latency,
            rate: None,
            bundle: 1,
        }))
    }

    #[test]
    fn reports_on_the_load_cost_what_is_new_in_them() {
        let many: Vec<u64> = (1..5000).map(|i| i * 37).collect();
        let reports = [&many[..10], &many, &many, &many[..4990], &many[..4995]];
        let mut packer = Packer::default();
        reports.iter().for_each(|latencies| packer.push(Time(1), &report(latencies)));
        let latencies = |event: &FeedEvent| -> Vec<(u64, u64)> {
            let FeedEvent::Load(report) = event else { unreachable!("it is a report") };
            report.latency.iter_recorded().map(|value| (value.value_iterated_to(), value.count_at_value())).collect()
        };
        for (read, expected) in packer.entries().iter().zip(reports) {
            assert!(latencies(&read.event) == latencies(&report(expected)), "{} latencies", expected.len());
        }
        let length = packer.bytes.len();
        (0..100).for_each(|_| packer.push(Time(1), &report(&many[..4995])));
        assert!(packer.bytes.len() < length + 100 * 40, "{} bytes for nothing new", packer.bytes.len() - length);
    }

    #[test]
    fn damage_is_noticed() {
        let mut packer = Packer::default();
        (0..50).for_each(|us| packer.push(Time(us), &rtt(us)));
        let chunk = packer.pack().expect("there are entries");
        let shorter = Chunk { packed: chunk.packed[..chunk.packed.len() - 1].to_vec(), ..chunk.clone() };
        let fewer = Chunk { count: 49, ..chunk.clone() };
        let more = Chunk { count: 51, ..chunk.clone() };
        let mut packer = Packer::default();
        (0..=u64::from(Packer::MAX_ENTRIES)).for_each(|us| packer.push(Time(us), &rtt(us)));
        let crowded = packer.pack().expect("there are entries");
        assert_eq!(crowded.entries().err(), Some(Damaged), "no packer makes a chunk of so many");
        let bomb = Chunk { packed: [&u32::MAX.to_le_bytes()[..], &chunk.packed[4..]].concat(), ..chunk };
        for (name, damaged) in [("shorter", shorter), ("fewer", fewer), ("more", more), ("bomb", bomb)] {
            assert_eq!(damaged.entries().err(), Some(Damaged), "{name}");
        }
    }
}
