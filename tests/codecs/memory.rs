//! How much memory decoding may take: a stated multiple of the input, whatever the input claims about itself.

use byztop_core::linear::Linear;
use byztop_core::pbft::{Classic, Message};
use byztop_core::protocol::Batch;
use byztop_core::replica::PeerMessage;
use byztop_core::wire;
use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::TestRunner;

use super::{Wire, decode, strategies};

/// What each byte of input may take: the smallest element takes one byte on the wire and some 24 in memory, a growing
/// vector holds up to three times what is in it, and the value is encoded once more to see whether it was canonical.
const PER_BYTE: usize = 96;

/// What any input may take: the first elements that vectors make room for, in each level of nesting.
const AT_FIRST: usize = 64 << 10;

/// The most that decoding so many bytes may take.
pub(super) fn allowed(bytes: usize) -> usize {
    AT_FIRST + PER_BYTE * bytes
}

/// The most memory that was taken at once while `act` ran, in bytes. Counts this thread alone.
pub(super) fn peak(act: impl FnOnce()) -> usize {
    allocation_counter::measure(act).bytes_max as usize
}

fn taken<T: Wire>(bytes: &[u8]) -> usize {
    peak(|| drop(decode::<T>(bytes)))
}

#[test]
fn what_is_taken_is_seen() {
    let taken = peak(|| drop(std::hint::black_box(Vec::<u8>::with_capacity(100_000))));
    assert!((100_000..110_000).contains(&taken), "{taken}");
}

#[test]
fn the_smallest_elements_take_the_most_and_no_more_than_they_may() {
    let empty: Vec<Batch> = vec![Batch::default(); 4096];
    let bytes = wire::encode(&PeerMessage::Protocol(Message::Batches(empty)));
    assert!(decode::<PeerMessage<Message>>(&bytes).is_some());
    let taken = taken::<PeerMessage<Message>>(&bytes);
    assert!(taken <= allowed(bytes.len()), "{} bytes took {taken}", bytes.len());
    assert!(taken > AT_FIRST, "this test is about what each byte takes: {taken}");
}

/// A length without the elements behind it, wherever a message may have one: put in place of each byte of some messages in
/// turn. Once it claims more than there is, and once as many elements as bytes follow, which is the most that is plausible.
fn check_lengths<T: Wire>(any: impl Strategy<Value = T>) {
    let mut runner = TestRunner::deterministic();
    for _ in 0..32 {
        let message = any.new_tree(&mut runner).expect("nothing is filtered out").current();
        let bytes = wire::encode(&message);
        for at in 0..bytes.len() {
            for (claimed, follow) in [(u64::from(u32::MAX), 0), (u64::MAX, 0), (2000, 2000), (4096, 4096)] {
                let length = wire::encode(&claimed);
                let blown_up = [&bytes[..at], &length, &vec![0; follow]].concat();
                let taken = taken::<T>(&blown_up);
                assert!(taken <= allowed(blown_up.len()), "{claimed} at {at} of {message:?} took {taken}");
            }
        }
    }
}

#[test]
fn a_length_alone_reserves_nothing() {
    check_lengths(strategies::peer_message::<Classic>());
    check_lengths(strategies::peer_message::<Linear>());
    check_lengths(strategies::submission());
    check_lengths(strategies::reply());
    check_lengths(strategies::console_request());
    check_lengths(strategies::console_message());
}
