//! Recovery in the replica's log: when it begins, about each tenth of it, and when it is done.

use byztop_core::protocol::{Event, Status};
use byztop_core::types::ReplicaId;

/// Writes down how a replica comes back into step.
#[derive(Debug, Default)]
pub(crate) struct ProgressLog {
    /// How many tenths of the current transfer were written down.
    tenths: u8,
}

impl ProgressLog {
    /// The replica notes something.
    pub(crate) fn note(&mut self, me: ReplicaId, event: &Event) {
        match event {
            Event::TransferBegan { .. } => {
                self.tenths = 0;
                tracing::info!("{me} {event}");
            }
            Event::TransferDone { .. } | Event::Observing { .. } | Event::Rejoined | Event::OldLog { .. } => {
                tracing::info!("{me} {event}")
            }
            _ => {}
        }
    }

    /// Where the replica stands now. One that follows the others to a newer checkpoint begins again.
    pub(crate) fn look(&mut self, me: ReplicaId, status: &Status) {
        if let Some(progress) = status.transfer
            && self.is_news(progress.percent())
        {
            tracing::info!("{me} fetches the state of s{}: {progress}", progress.target);
        }
    }

    fn is_news(&mut self, percent: u8) -> bool {
        let tenths = percent / 10;
        let is_news = tenths > self.tenths;
        self.tenths = tenths;
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byztop_core::types::SeqNum;

    #[test]
    fn each_tenth_is_written_down_once() {
        let mut log = ProgressLog::default();
        let mut news = |percents: &[u8]| percents.iter().filter(|percent| log.is_news(**percent)).count();
        assert_eq!(news(&[0, 3, 9]), 0);
        assert_eq!(news(&[10, 12, 19, 45, 49]), 2, "what comes at once is told at once");
        assert_eq!(news(&[0, 10]), 1, "of another checkpoint");
        log.note(ReplicaId(0), &Event::TransferBegan { target: SeqNum(7) });
        assert!(log.is_news(10), "of another transfer");
    }
}
