//! Members of a cluster that attack it over the wire. Each has the keys of one identity and none of byztop's manners: it
//! sends what byztop never would, as fast as the other side takes it.
//!
//! | read | for |
//! |---|---|
//! | `member` | a connection as one identity, and its streams |
//! | `liar` | what a replica may tell its consoles |
//! | `flood` | what is sent, and how it is counted |

pub mod flood;
mod liar;
mod member;
