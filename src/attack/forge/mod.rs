//! What an attacker can make of a protocol's messages with its own key: one file per family of protocols, and
//! the only places where the attack layer knows one.

mod junk;
mod linear;
mod nested;
mod pbft;
mod views;

use std::collections::BTreeSet;

use super::chance::Dice;
use super::junk::{Junk, Source};
use super::language::EquivocationForm;
use crate::committee::Committee;
use crate::crypto::Signer;
use crate::protocol::{Message, Protocol, Status};
use crate::types::{ProtocolName, ReplicaId, View};

/// A protocol's messages, as their sender would forge them. What comes of it is unsigned where the sender signs, and
/// everything else in it is authentic: it is refused for what it says, if at all, and not for how it is signed.
///
/// Dice are seeded with what the forgery is about, so that the same message is forged in the same way again.
pub trait Forge: Message {
    /// What its messages are called, as [`Message::name`] has it.
    const NAMES: &'static [&'static str];

    /// The same proposal as an equivocating primary's victims get it; `None` for what is not the sender's own proposal.
    fn equivocate(&self, form: EquivocationForm) -> Option<Self>;

    /// The same about another view or slot; `None` for what is about none, or where there is nothing before.
    fn shifted(&self, shift: Shift) -> Option<Self>;

    /// The same with the content of an earlier message of its kind; `None` for what has none.
    fn with_content_of(&self, earlier: &Self) -> Option<Self>;

    /// Whether it says the same whoever passes it on.
    fn may_be_relayed(&self) -> bool;

    /// A request for a view, with another history or for another view; `None` for what is not the signer's own request.
    fn forge_view_change(&self, committee: Committee, dice: &mut Dice, signer: &Signer) -> Option<Self>;

    /// A request for a view that nobody has a reason to ask for, from one who claims to know nothing.
    fn ask_for(me: ReplicaId, view: View) -> Self;

    /// The beginning of a view that does not follow from what was asked for, or not from that alone; `None` for what is
    /// not the signer's own beginning of a view.
    fn forge_new_view(&self, committee: Committee, dice: &mut Dice, signer: &Signer) -> Option<Self>;

    /// A quorum's certificate of which all but this vote and the signer's own is missing or made up; `None` where nobody
    /// counts for others, or for what is no vote.
    fn inflate(&self, committee: Committee, dice: &mut Dice, signer: &Signer) -> Option<Self>;

    /// The same with something nested in it forged, as it would serve a liar whose recipients do not check it; `None` for what
    /// has nothing nested, or is not the signer's to alter.
    fn forge_nested(&self, committee: Committee, status: &Status, dice: &mut Dice, signer: &Signer) -> Option<Self>;

    /// A message that nobody asked for, around something forged.
    fn make_up_nested(me: ReplicaId, committee: Committee, status: &Status, dice: &mut Dice, signer: &Signer) -> Self;

    /// What of a turn of junk are the protocol's own messages, complete with their signatures: those of a proof are what it is
    /// about. Nothing of a kind that every protocol has.
    fn junk(kind: Junk, from: &Source<'_>, turn: u64) -> Vec<Self>;

    /// Something that looks like a message and helps nobody.
    fn make_up(me: ReplicaId, committee: Committee, status: &Status, dice: &mut Dice) -> Self;
}

/// A small change to the numbers of a message (Winter et al., *ByzzFuzz*, OOPSLA '23).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shift {
    /// One view later.
    NextView,
    /// One view earlier.
    PreviousView,
    /// One slot later.
    NextSlot,
    /// One slot earlier.
    PreviousSlot,
}

/// What the messages are called that replicas send under every protocol; a client's answer is the last.
const COMMON: [&str; 8] = ["request", "fetch", "bodies", "checkpoint", "state-request", "state-part", "proof", "reply"];

/// What every message is called that a replica can send, under whatever protocol: what can be withheld.
pub fn message_names() -> Vec<&'static str> {
    let mut names: Vec<&str> = Vec::new();
    for protocol in ProtocolName::ALL {
        names.extend(message_names_of(protocol).into_iter().filter(|name| !COMMON.contains(name)));
    }
    let mut known = BTreeSet::new();
    names.retain(|name| known.insert(*name));
    names.into_iter().chain(COMMON).collect()
}

/// What the messages are called that a replica of one protocol can send.
pub fn message_names_of(protocol: ProtocolName) -> Vec<&'static str> {
    let own = with_protocol!(protocol, P => <<P as Protocol>::Message as Forge>::NAMES);
    own.iter().copied().chain(COMMON).collect()
}
