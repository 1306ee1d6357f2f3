//! Evidence: what signed bytes prove about a replica, to anyone who has the roster.
//!
//! A [`Proof`] needs no trust in whoever shows it. An invalid signature is never a proof: anyone can make one. A proof may
//! have an innocent cause: see [`INNOCENT_EXPLANATIONS`].

mod auditor;
mod proof;

pub use auditor::{Auditor, Finding};
pub use proof::{INNOCENT_EXPLANATIONS, Proof, Rule, Verdict};
