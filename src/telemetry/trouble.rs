//! What is wrong with a cluster as one replica sees it: said to consoles and written into its log, so that nothing fails in
//! silence.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::types::ReplicaId;

/// The most troubles in a [`ConsoleMessage::Troubles`](super::ConsoleMessage::Troubles).
pub const MAX_TROUBLES: usize = 256;

/// Something that is wrong.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Trouble {
    /// So few replicas are linked and have the configuration of this one, this one counted, that nothing can be decided.
    NoQuorum {
        /// How many.
        linked: u8,
        /// How many are needed.
        needed: u8,
    },
    /// So few replicas have the configuration of this one, this one counted, that nothing can be decided.
    Alone {
        /// How many.
        alike: u8,
        /// How many are needed.
        needed: u8,
    },
    /// A peer has another configuration.
    Differs {
        /// Who.
        peer: ReplicaId,
        /// In what: the key in cluster.toml, or `roster` or `clients` for who is in it.
        what: String,
        /// What this replica has.
        mine: String,
        /// What the peer has.
        theirs: String,
        /// Whether the two can not decide anything together.
        is_vital: bool,
    },
    /// Somebody with a certificate of the cluster does what nobody honest does.
    Misbehaves {
        /// Who: `n3`, `c1`.
        who: String,
        /// What, in words that follow the name.
        what: String,
    },
    /// A peer is not linked for some seconds.
    Unlinked {
        /// Who.
        peer: ReplicaId,
        /// Why, as far as it is known.
        why: String,
    },
}

impl Trouble {
    /// Whether nothing can be decided as long as it lasts, with any peer or with this one.
    pub fn is_vital(&self) -> bool {
        match self {
            Trouble::NoQuorum { .. } | Trouble::Alone { .. } => true,
            Trouble::Differs { is_vital, .. } => *is_vital,
            Trouble::Misbehaves { .. } | Trouble::Unlinked { .. } => false,
        }
    }
}

impl fmt::Display for Trouble {
    /// A sentence without its full stop, from the view of the replica that says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::NoQuorum { linked, needed } => {
                write!(
                    f,
                    "nothing can be decided: {linked} replicas are linked and of one configuration, this one included; {needed} are needed"
                )
            }
            Trouble::Alone { alike, needed } => write!(
                f,
                "nothing can be decided: {alike} replicas have this one's configuration, it included; {needed} are needed"
            ),
            Trouble::Differs { peer, what, mine, theirs, is_vital } => {
                let end = if *is_vital { ", and the two decide nothing together" } else { "" };
                write!(
                    f,
                    "{peer} has another configuration: {what} is {mine} in cluster.toml here and {theirs} there{end}"
                )
            }
            Trouble::Misbehaves { who, what } => write!(f, "{who} {what}"),
            Trouble::Unlinked { peer, why } => write!(f, "{peer} is not linked: {why}"),
        }
    }
}
