//! Linear PBFT: the primary collects the votes and tells everyone what it counted.
//!
//! Castro & Liskov's protocol with the message pattern of a collector, as in Gueta et al., *SBFT* (DSN '19): a slot costs
//! messages in proportion to n instead of n². The fast path is SBFT's (§V-C): if all n replicas prepare, the slot is
//! decided without a third phase.
//!
//! ```text
//!              slow                                         fast
//!   primary ──proposal──▶ all                    primary ──proposal──▶ all
//!   backups ──PREPARE──▶ primary                 backups ──PREPARE──▶ primary
//!   primary ──q have prepared──▶ all             primary ──all n have prepared──▶ all: decided
//!   all ──COMMIT──▶ primary
//!   primary ──q have committed──▶ all: decided
//! ```
//!
//! | read | for |
//! |---|---|
//! | [`crate::views`] | what does not depend on who counts |
//! | `normal` | how the primary counts |
//! | `hope` | when it waits for all |
//! | `counts` | what it tells the others, and what decides a slot |
//! | `set_o` | what certificates and votes force on the next view |

mod counts;
mod hope;
mod normal;
mod set_o;

use std::collections::BTreeMap;

use self::hope::Hope;
use crate::types::{SeqNum, Time};
use crate::views;

pub use self::counts::{Count, Decision};
pub use self::set_o::{Shown, Vote};

/// Linear PBFT: what a replica remembers beyond its log, as primary.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Linear {
    /// Whether it waits for all replicas once a quorum has prepared. One that is down would delay every slot.
    hope: Hope,
    /// The unexecuted slots that have a quorum.
    with_quorum: BTreeMap<SeqNum, Quorum>,
}

/// When a slot had the PREPAREs of a quorum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Quorum {
    since: Time,
    /// Whether all have prepared it in time, and that was counted: a PREPARE that is repeated counts nothing.
    is_counted: bool,
}

/// One replica's linear PBFT.
pub type LinearPbft = views::Views<Linear>;

/// What its replicas say to each other.
pub type Message = views::message::Message<Linear>;

/// How one of them asks for a view.
pub type ViewChange = views::message::ViewChange<Linear>;

/// How a view begins.
pub type NewView = views::message::NewView<Linear>;
