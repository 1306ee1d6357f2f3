//! The codec, over every message that crosses a wire: what is encoded decodes to itself, two byte strings never mean the
//! same, and no bytes panic or take more memory than a multiple of their length.

mod memory;
mod strategies;
mod variants;

use std::fmt::Debug;

use byztop_core::committee::Committee;
use byztop_core::crypto::{Author, Check, Realm, Signed, Verifier};
use byztop_core::evidence::Proof;
use byztop_core::linear::{self, Linear};
use byztop_core::pbft::{self, Classic};
use byztop_core::replica::{PeerMessage, Reply, Submission};
use byztop_core::telemetry::{ConsoleMessage, ConsoleRequest};
use byztop_core::types::{ClientId, Digest, ProtocolName, ReplicaId};
use byztop_core::views::form::Form;
use byztop_core::views::message::Message;
use byztop_core::wire::{self, MAX_MESSAGE_BYTES};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What the codec carries.
trait Wire: Serialize + DeserializeOwned + PartialEq + Debug {
    /// What a receiver does with what it has decoded, before any state is looked at; must not panic on anything.
    fn look_at(&self);
}

fn check(message: &impl Check) {
    let realm = Realm { cluster: Digest::of("codecs", &[]), epoch: 0, protocol: ProtocolName::Pbft };
    let verifier = Verifier::tags(realm, Committee::new(4).unwrap(), 2, Digest([3; 32]));
    for sender in [Author::Replica(ReplicaId(1)), Author::Replica(ReplicaId(255)), Author::Client(ClientId(1))] {
        // Whether it is refused says nothing here: that it is looked at without a panic does.
        let _verdict = message.check(sender, &verifier);
    }
}

impl<F: Form> Wire for PeerMessage<Message<F>> {
    fn look_at(&self) {
        check(self);
        // Whatever a replica can say, somebody can show as a proof against it.
        if let PeerMessage::Protocol(message) = self {
            check(&PeerMessage::Proof(Box::new(Proof::SelfIncriminating(Box::new(message.clone())))));
        }
    }
}

impl Wire for Signed<Submission> {
    fn look_at(&self) {
        check(self);
    }
}

impl Wire for Reply {
    fn look_at(&self) {}
}

impl Wire for ConsoleRequest {
    fn look_at(&self) {}
}

impl Wire for ConsoleMessage {
    fn look_at(&self) {}
}

fn decode<T: Wire>(bytes: &[u8]) -> Option<T> {
    wire::decode(bytes, MAX_MESSAGE_BYTES).ok()
}

/// What is done to the bytes of a valid message.
#[derive(Clone, Debug)]
enum Harm {
    /// The rest is missing.
    Truncate(prop::sample::Index),
    /// Something follows.
    Append(Vec<u8>),
    /// A bit turns over.
    Flip(prop::sample::Index, u8),
    /// A byte becomes another.
    Put(prop::sample::Index, u8),
    /// A byte becomes a large number of this many bytes: where it was a length, that now claims much.
    BlowUp(prop::sample::Index, u8),
    /// A part comes twice.
    Repeat(prop::sample::Index, prop::sample::Index),
}

impl Harm {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Harm::Truncate(at) => bytes.truncate(at.index(bytes.len())),
            Harm::Append(rest) => bytes.extend(rest),
            Harm::Flip(at, bit) => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            Harm::Put(at, value) => {
                let at = at.index(bytes.len());
                bytes[at] = *value;
            }
            Harm::BlowUp(at, length) => {
                let at = at.index(bytes.len());
                let mut number = vec![0xff; usize::from(*length)];
                number.push(0x01);
                bytes.splice(at..=at, number);
            }
            Harm::Repeat(from, to) => {
                let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
                let part = bytes[from.min(to)..from.max(to)].to_vec();
                bytes.splice(from.max(to)..from.max(to), part);
            }
        }
    }
}

fn harms() -> impl Strategy<Value = Vec<Harm>> {
    let index = any::<prop::sample::Index>;
    let harm = prop_oneof![
        index().prop_map(Harm::Truncate),
        prop::collection::vec(any::<u8>(), 1..9).prop_map(Harm::Append),
        (index(), 0u8..8).prop_map(|(at, bit)| Harm::Flip(at, bit)),
        (index(), any::<u8>()).prop_map(|(at, value)| Harm::Put(at, value)),
        (index(), 1u8..9).prop_map(|(at, length)| Harm::BlowUp(at, length)),
        (index(), index()).prop_map(|(from, to)| Harm::Repeat(from, to)),
    ];
    prop::collection::vec(harm, 1..4)
}

/// Encoding and decoding a message gives the message.
fn comes_back<T: Wire>(message: &T) -> Result<(), TestCaseError> {
    let bytes = wire::encode(message);
    let decoded = decode::<T>(&bytes);
    prop_assert_eq!(decoded.as_ref(), Some(message));
    message.look_at();
    Ok(())
}

/// Whatever decodes encodes to the bytes that it came from, and takes no more memory than it may.
fn holds<T: Wire>(bytes: &[u8]) -> Result<(), TestCaseError> {
    let taken = memory::peak(|| drop(decode::<T>(bytes)));
    prop_assert!(taken <= memory::allowed(bytes.len()), "{} bytes took {taken}", bytes.len());
    if let Some(decoded) = decode::<T>(bytes) {
        prop_assert_eq!(wire::encode(&decoded), bytes);
        decoded.look_at();
    }
    Ok(())
}

/// The properties of one kind of message.
macro_rules! codec {
    ($name:ident, $type:ty, $any:expr) => {
        mod $name {
            use super::*;

            proptest! {
                #[test]
                fn decodes_to_itself(message in $any) {
                    comes_back::<$type>(&message)?;
                }

                #[test]
                fn survives_harm(message in $any, harms in harms()) {
                    let mut bytes = wire::encode(&message);
                    harms.iter().for_each(|harm| harm.apply(&mut bytes));
                    holds::<$type>(&bytes)?;
                }

                #[test]
                fn survives_garbage(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
                    holds::<$type>(&bytes)?;
                }

                /// Mostly small numbers: garbage that goes on being plausible for longer.
                #[test]
                fn survives_plausible_garbage(bytes in prop::collection::vec(0u8..5, 0..600)) {
                    holds::<$type>(&bytes)?;
                }
            }

            #[test]
            fn no_beginning_of_a_message_is_a_message() {
                let mut runner = proptest::test_runner::TestRunner::deterministic();
                for _ in 0..16 {
                    let message = proptest::strategy::ValueTree::current(&$any.new_tree(&mut runner).unwrap());
                    let bytes = wire::encode(&message);
                    for length in 0..bytes.len() {
                        assert_eq!(decode::<$type>(&bytes[..length]), None, "{length} bytes of {message:?}");
                    }
                }
            }
        }
    };
}

codec!(peer_messages, PeerMessage<pbft::Message>, strategies::peer_message::<Classic>());
codec!(linear_peer_messages, PeerMessage<linear::Message>, strategies::peer_message::<Linear>());
codec!(submissions, Signed<Submission>, strategies::submission());
codec!(replies, Reply, strategies::reply());
codec!(console_requests, ConsoleRequest, strategies::console_request());
codec!(console_messages, ConsoleMessage, strategies::console_message());
