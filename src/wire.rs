//! Canonical, bounded encoding of everything that is sent or signed.
//!
//! The format is postcard. Decoding accepts canonical bytes only: what does not encode back to itself is refused, so
//! that two different byte strings never mean the same message. Allocation is bounded by the length of the input:
//! collections are declared with [`at_most`], and a length prefix never reserves memory for what was not received.

use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _, SeqAccess, Visitor};

use crate::rejection::Rejection;

/// The longest message between replicas: a NEW-VIEW of a large committee with a full window.
pub const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// The longest submission, operations and signature included.
pub const MAX_SUBMISSION_BYTES: usize = 64 << 10;

/// Encodes a value. Every type of this crate encodes.
///
/// # Panics
///
/// If `value` has a `Serialize` implementation that fails, which none of this crate's has.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("plain data encodes")
}

/// Decodes exactly one value.
///
/// # Errors
///
/// [`Rejection::TooLarge`] beyond `limit` bytes; [`Rejection::NotCanonical`] if the bytes do not decode, leave a rest,
/// or would be encoded differently.
pub fn decode<T: DeserializeOwned + Serialize>(bytes: &[u8], limit: usize) -> Result<T, Rejection> {
    if bytes.len() > limit {
        return Err(Rejection::TooLarge { bytes: bytes.len() as u64, limit: limit as u64 });
    }
    let (value, rest) = postcard::take_from_bytes::<T>(bytes).map_err(|_| Rejection::NotCanonical)?;
    if !rest.is_empty() || encode(&value) != bytes {
        return Err(Rejection::NotCanonical);
    }
    Ok(value)
}

/// Deserialises a sequence of at most `N` elements: `#[serde(deserialize_with = "wire::at_most::<_, _, 64>")]`.
///
/// # Errors
///
/// The deserialiser's own, and one for an element too many.
pub fn at_most<'de, D: Deserializer<'de>, T: Deserialize<'de>, const N: usize>(from: D) -> Result<Vec<T>, D::Error> {
    struct Elements<T, const N: usize>(std::marker::PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for Elements<T, N> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "at most {N} elements")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<T>, A::Error> {
            let mut elements = Vec::with_capacity(sequence.size_hint().unwrap_or(0).min(N).min(64));
            while let Some(element) = sequence.next_element()? {
                if elements.len() == N {
                    return Err(A::Error::custom("too many elements"));
                }
                elements.push(element);
            }
            Ok(elements)
        }
    }

    from.deserialize_seq(Elements::<T, N>(std::marker::PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_derive_check::Sample;

    mod serde_derive_check {
        use serde::{Deserialize, Serialize};

        #[derive(Serialize, Deserialize, PartialEq, Debug)]
        pub(super) struct Sample {
            #[serde(deserialize_with = "crate::wire::at_most::<_, _, 3>")]
            pub(super) numbers: Vec<u32>,
        }
    }

    #[test]
    fn an_element_too_many_is_refused() {
        let fits = encode(&Sample { numbers: vec![1, 2, 3] });
        assert_eq!(decode::<Sample>(&fits, 100).unwrap().numbers, [1, 2, 3]);
        let too_many = encode(&Sample { numbers: vec![1, 2, 3, 4] });
        assert_eq!(decode::<Sample>(&too_many, 100), Err(Rejection::NotCanonical));
    }

    #[test]
    fn padded_numbers_trailing_bytes_and_long_input_are_refused() {
        assert_eq!(decode::<u32>(&[1], 8), Ok(1));
        assert_eq!(decode::<u32>(&[0x81, 0x00], 8), Err(Rejection::NotCanonical), "a second encoding of 1");
        assert_eq!(decode::<u32>(&[1, 0], 8), Err(Rejection::NotCanonical));
        assert_eq!(decode::<u32>(&[1; 9], 8), Err(Rejection::TooLarge { bytes: 9, limit: 8 }));
    }

    proptest! {
        #[test]
        fn decoding_garbage_never_panics_and_what_decodes_is_canonical(bytes: Vec<u8>) {
            if let Ok(sample) = decode::<Sample>(&bytes, 1000) {
                prop_assert_eq!(encode(&sample), bytes);
            }
        }
    }
}
