//! What of classic PBFT's forgeries is its own: everyone counts for itself, so that there is no count to forge, and what a
//! view change shows is a quorum's.

use super::views::ForgeForm;
use crate::attack::chance::Dice;
use crate::committee::Committee;
use crate::crypto::{Signed, Signer};
use crate::pbft::{Classic, Nothing};
use crate::protocol::Certificate;
use crate::views::message::{Commit, Prepare, PreparedCertificate, ViewChange};

impl ForgeForm for Classic {
    fn inflate_prepare(_: &Signed<Prepare>, _: Committee, _: &mut Dice, _: &Signer) -> Option<Nothing> {
        None
    }

    fn inflate_commit(_: &Signed<Commit>, _: Committee, _: &mut Dice, _: &Signer) -> Option<Nothing> {
        None
    }

    fn shown(certificate: PreparedCertificate) -> PreparedCertificate {
        certificate
    }

    fn decision(commits: Certificate) -> Certificate {
        commits
    }

    fn recount(count: &Nothing, _: impl FnOnce(&mut Certificate)) -> Option<Nothing> {
        match *count {}
    }

    fn invent_history(_: &mut ViewChange<Self>, _: Committee, _: &mut Dice, _: &Signer) -> bool {
        false
    }
}
