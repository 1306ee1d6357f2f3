//! byztop-core: Byzantine consensus as values.
pub mod app;
pub mod attack;
pub mod committee;
pub mod crypto;
pub mod evidence;
pub mod protocol;
pub mod rejection;
pub mod replica;
pub mod telemetry;
pub mod types;
pub mod wire;
pub mod workload;
