//! PBFT: Castro & Liskov, *Practical Byzantine Fault Tolerance*, OSDI '99.
//!
//! Everyone tells everyone: each replica counts the votes itself.
//!
//! | read | for |
//! |---|---|
//! | [`crate::views`] | what does not depend on who counts |
//! | `normal` | §4.2, how PREPAREs and COMMITs are counted |
//! | `set_o` | §4.4, what a prepared certificate forces on the next view |

mod normal;
mod set_o;

pub use self::normal::Nothing;
use crate::protocol::Certificate;
use crate::views;
use crate::views::message::PreparedCertificate;

/// Classic PBFT: there is nothing that a replica remembers beyond its log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Classic;

/// One replica's PBFT.
pub type Pbft = views::Views<Classic>;

/// What its replicas say to each other.
pub type Message = views::message::Message<Classic>;

/// How one of them asks for a view.
pub type ViewChange = views::message::ViewChange<Classic>;

/// How a view begins.
pub type NewView = views::message::NewView<Classic>;
