//! What the machine would allow at most.

use serde::Serialize;
use serde_json::{Value, json};

use super::figures::Figures;

/// The ceilings of one configuration, in operations per second.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub(super) struct Ceiling {}

impl Ceiling {
    /// With the share of each that a run has reached.
    pub(super) fn shares_of(&self, _figures: &Figures) -> Value {
        json!({})
    }
}
