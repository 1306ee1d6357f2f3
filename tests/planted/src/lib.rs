//! byztop-core once more, with known bugs in it, none of which acts until it is chosen.
//!
//! A simulator that finds nothing proves nothing until it has found what was hidden on purpose. bugs.toml lists what is
//! hidden, `build.rs` copies the sources and plants it, [`planted`] chooses, and `tests/caught.rs` holds the simulator to
//! finding each within a stated number of seeds. The honest sources know nothing of it, and nothing depends on this crate.

// The copy is byztop-core's text, which is checked where it stands; what is planted need not be beautiful.
#![allow(warnings, clippy::all)]

pub mod planted;

include!(concat!(env!("OUT_DIR"), "/core/lib.rs"));
