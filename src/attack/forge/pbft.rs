//! What of classic PBFT's forgeries is its own: everyone counts for itself, so that there is no count to forge.

use super::views::ForgeForm;
use crate::attack::chance::Dice;
use crate::committee::Committee;
use crate::crypto::Signed;
use crate::pbft::{Classic, Nothing};
use crate::views::message::{Commit, Prepare};

impl ForgeForm for Classic {
    fn inflate_prepare(_: &Signed<Prepare>, _: Committee, _: &mut Dice) -> Option<Nothing> {
        None
    }

    fn inflate_commit(_: &Signed<Commit>, _: Committee, _: &mut Dice) -> Option<Nothing> {
        None
    }
}
