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
//! 3. [`views`] and [`pbft`]: with the paper beside them; each file is one section.
//! 4. [`replica`]: what is the same under every protocol.
//! 5. [`attack`] and [`evidence`]: how a replica lies, and how signed bytes convict it.
//!
//! # Who may import whom
//!
//! [`types`] ← [`committee`], [`rejection`], [`wire`], [`crypto`] ← [`protocol`] ← each protocol. A protocol knows neither
//! another protocol nor [`app`], [`replica`], [`attack`], [`evidence`] or [`telemetry`]. `tests/architecture.rs` enforces it.
//!
//! *Architecture invariants.* Handlers take [`crypto::Verified`] values and hold no keys. Attacks live in [`attack`] and
//! nowhere else. [`committee`] does all quorum arithmetic. Time is an argument; collections are ordered.

pub mod app;
pub mod attack;
pub mod client;
pub mod committee;
pub mod crypto;
pub mod evidence;
pub mod pbft;
pub mod protocol;
pub mod rejection;
pub mod replica;
pub mod sim;
pub mod telemetry;
pub mod types;
pub mod views;
pub mod wire;
pub mod workload;
