//! The screen's end of the feed: bounded, never waited for, and what is lost is counted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};

use crate::tui::FeedEvent;

/// The screen's end of the feed.
pub(crate) struct Outbox {
    events: SyncSender<FeedEvent>,
    kept: VecDeque<FeedEvent>,
    dropped: Arc<AtomicU64>,
}

impl Outbox {
    /// Past so many events that must arrive, the oldest are lost all the same: the screen is not reading.
    const MOST_KEPT: usize = 4096;

    /// Into a feed that counts what is lost.
    pub(crate) fn new(events: SyncSender<FeedEvent>, dropped: Arc<AtomicU64>) -> Outbox {
        Outbox { events, kept: VecDeque::new(), dropped }
    }

    pub(super) fn may_be_lost(&mut self, event: FeedEvent) {
        self.flush();
        // What is kept is older, so nothing may overtake it.
        if !self.kept.is_empty() || self.events.try_send(event).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// An event that is kept until there is room for it.
    pub(crate) fn must_arrive(&mut self, event: FeedEvent) {
        self.kept.push_back(event);
        if self.kept.len() > Self::MOST_KEPT {
            self.kept.pop_front();
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        self.flush();
    }

    pub(super) fn flush(&mut self) {
        while let Some(event) = self.kept.pop_front() {
            // A screen that is gone needs nothing any more; its commands end the driver.
            if let Err(TrySendError::Full(event)) = self.events.try_send(event) {
                self.kept.push_front(event);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use byztop_core::types::ReplicaId;

    use super::*;
    use crate::tui::{LinkEvent, ProcessEvent};

    #[test]
    fn frames_are_lost_when_the_screen_lags_but_changes_arrive_in_order() {
        let (events, screen) = std::sync::mpsc::sync_channel(1);
        let mut outbox = Outbox::new(events, Arc::default());
        let started = |pid| FeedEvent::Process(ReplicaId(0), ProcessEvent::Started { pid });
        let rtt = || FeedEvent::Link(ReplicaId(0), LinkEvent::Connecting);
        outbox.may_be_lost(rtt());
        outbox.may_be_lost(rtt());
        outbox.must_arrive(started(1));
        outbox.may_be_lost(rtt());
        outbox.must_arrive(started(2));
        assert_eq!(outbox.dropped.load(Ordering::Relaxed), 2);
        let mut seen = Vec::new();
        while let Ok(event) = screen.try_recv() {
            if let FeedEvent::Process(_, ProcessEvent::Started { pid }) = event {
                seen.push(pid);
            }
            outbox.flush();
        }
        assert_eq!(seen, [1, 2]);
    }

    #[test]
    fn changes_are_bounded_too() {
        let (events, _screen) = std::sync::mpsc::sync_channel(1);
        let mut outbox = Outbox::new(events, Arc::default());
        for pid in 0..=Outbox::MOST_KEPT as u32 + 5 {
            outbox.must_arrive(FeedEvent::Process(ReplicaId(0), ProcessEvent::Started { pid }));
        }
        assert_eq!(outbox.kept.len(), Outbox::MOST_KEPT);
        assert_eq!(outbox.dropped.load(Ordering::Relaxed), 5);
    }
}
