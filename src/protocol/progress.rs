//! How far a transfer of the state has come.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::types::SeqNum;

/// A transfer of the state that is under way. Only what differs from the replica's own state is fetched.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TransferProgress {
    /// The stable checkpoint whose state is fetched.
    pub target: SeqNum,
    /// How many leaves differ; `None` until their digests are here and certified.
    pub wanted_leaves: Option<u32>,
    /// How many of them are here.
    pub fetched_leaves: u32,
    /// Their size, in bytes.
    pub fetched_bytes: u64,
    /// How many replicas were asked and have not answered yet.
    pub sources: u8,
}

impl TransferProgress {
    /// How much of what differs is here, in whole percent; none until it is known what differs.
    pub fn percent(&self) -> u8 {
        let wanted = u64::from(self.wanted_leaves.unwrap_or_default()).max(1);
        (u64::from(self.fetched_leaves) * 100 / wanted).min(100) as u8
    }

    /// How large everything that differs is, in bytes, judged by what is here; `None` as long as nothing is.
    pub fn expected_bytes(&self) -> Option<u64> {
        let wanted = u64::from(self.wanted_leaves?);
        wanted.saturating_mul(self.fetched_bytes).checked_div(u64::from(self.fetched_leaves))
    }
}

/// As in `43% 12.3 of 20.0 MB from 6`.
impl fmt::Display for TransferProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(wanted) = self.wanted_leaves else {
            return write!(f, "0% compares digests with {}", self.sources);
        };
        write!(f, "{}% ", self.percent())?;
        match self.expected_bytes() {
            None => write!(f, "of {wanted} leaves")?,
            Some(small @ 0..1_000_000) => write!(f, "{} of {} kB", self.fetched_bytes / 1000, small / 1000)?,
            Some(large) => write!(f, "{:.1} of {:.1} MB", self.fetched_bytes as f64 / 1e6, large as f64 / 1e6)?,
        }
        write!(f, " from {}", self.sources)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_reads_as_share_size_and_sources() {
        let begun = TransferProgress {
            target: SeqNum(128),
            wanted_leaves: None,
            fetched_leaves: 0,
            fetched_bytes: 0,
            sources: 1,
        };
        let leaves = |wanted, fetched_leaves, fetched_bytes| TransferProgress {
            wanted_leaves: Some(wanted),
            fetched_leaves,
            fetched_bytes,
            sources: 6,
            ..begun
        };
        assert_eq!(begun.to_string(), "0% compares digests with 1");
        assert_eq!(leaves(640, 0, 0).to_string(), "0% of 640 leaves from 6");
        assert_eq!(leaves(515, 257, 104_000).to_string(), "49% 104 of 208 kB from 6");
        assert_eq!(leaves(50_000, 21_500, 8_600_000).to_string(), "43% 8.6 of 20.0 MB from 6");
        assert_eq!(leaves(0, 0, 0).to_string(), "0% of 0 leaves from 6", "nothing differs");
        // Whoever lies about itself spoils its own line and nothing else.
        assert_eq!(leaves(1, u32::MAX, u64::MAX).percent(), 100);
        assert!(leaves(u32::MAX, 1, u64::MAX).to_string().starts_with("0% "));
    }
}
