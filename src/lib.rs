//! byztop-core: Byzantine consensus as values. **No I/O here**: no socket, clock, thread, file or random source of its
//! own. What happens goes in as an input with the time, what is to be done comes out as outputs, in order.
//!
//! # What a replica is
//!
//! ```text
//!            inputs, verified                       outputs, signed
//!                  │                                      ▲
//!   ┌──────────────▼──────────────────────────────────────┴─────────────┐
//!   │ attack::Byzantine   holds the key; hides, delays, alters, spoils  │
//!   │  ┌─────────────────────────────────────────────────────────────┐  │
//!   │  │ replica::Replica   pool, client table, executor,            │  │
//!   │  │                    checkpoints, state transfer, auditor     │  │
//!   │  │   ┌──────────────────────────┐   ┌──────────────────────┐   │  │
//!   │  │   │ a protocol: pbft::Pbft   │   │ an app: SmallBank    │   │  │
//!   │  │   └──────────────────────────┘   └──────────────────────┘   │  │
//!   │  └─────────────────────────────────────────────────────────────┘  │
//!   └───────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Two kinds of driver run this value: the `node` crate over QUIC, and tests and simulators under virtual time. They run
//! the same code.
//!
//! # Where to begin
//!
//! 1. [`types`], [`committee`], [`crypto`]: ids, quorums, and what a signature covers.
//! 2. [`protocol`]: the trait, and what goes in and out.
//! 3. [`views`] and [`pbft`]: with the paper beside them; each file is one section. [`linear`] is its other form: compare
//!    the two folders.
//! 4. [`replica`]: what is the same under every protocol.
//! 5. [`attack`] and [`evidence`]: how a replica lies, and how signed bytes convict it.
//! 6. [`scenario`]: test cases as files say them, and whether what came of them is as it should be.
//!
//! # Who may import whom
//!
//! [`types`] ← [`committee`], [`rejection`], [`wire`], [`crypto`] ← [`protocol`] ← each protocol. A protocol knows neither
//! another protocol nor [`app`], [`replica`], [`attack`], [`evidence`] or [`telemetry`]. `tests/architecture.rs` enforces it.
//!
//! *Architecture invariants.* Handlers take [`crypto::Verified`] values and hold no keys. Attacks live in [`attack`] and
//! nowhere else. [`committee`] does all quorum arithmetic. Time is an argument; collections are ordered.

/// Evaluates an expression with the type of the protocol of a name: the one place that maps names to types.
///
/// ```
/// use byztop_core::protocol::Protocol;
/// use byztop_core::types::ProtocolName;
///
/// let phases = byztop_core::with_protocol!(ProtocolName::Pbft, P => P::PHASES);
/// assert_eq!(phases, ["pre-prepare", "prepare", "commit"]);
/// ```
#[macro_export]
macro_rules! with_protocol {
    ($name:expr, $P:ident => $run:expr) => {
        match $name {
            $crate::types::ProtocolName::Pbft => {
                type $P = $crate::pbft::Pbft;
                $run
            }
            $crate::types::ProtocolName::Linear => {
                type $P = $crate::linear::LinearPbft;
                $run
            }
        }
    };
}

pub mod app;
pub mod attack;
pub mod client;
pub mod committee;
pub mod crypto;
pub mod durable;
pub mod evidence;
pub mod linear;
pub mod pbft;
pub mod printable;
pub mod protocol;
pub mod rejection;
pub mod replica;
pub mod scenario;
pub mod sim;
pub mod telemetry;
pub mod types;
pub mod views;
pub mod wire;
pub mod workload;
