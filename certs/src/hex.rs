//! 32 bytes as 64 hexadecimal digits, the one way in which keys, ids and pins are written.

use byztop_core::crypto::PublicKey;
use byztop_core::types::Digest;
use serde::{Deserialize as _, Deserializer, Serializer};
use thiserror::Error;

use crate::config::Pin;

/// Why a text is not 32 bytes in hexadecimal.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub(crate) enum HexError {
    #[error("expected 64 hexadecimal digits, found {0} characters")]
    Length(usize),
    #[error("expected 64 hexadecimal digits, but character {0} is not one")]
    Digit(usize),
}

/// The digits, in lower case.
pub(crate) fn encode(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads the digits, in either case.
pub(crate) fn decode(text: &str) -> Result<[u8; 32], HexError> {
    if text.chars().count() != 64 {
        return Err(HexError::Length(text.chars().count()));
    }
    let mut bytes = [0; 32];
    for (at, digit) in text.chars().enumerate() {
        let value = digit.to_digit(16).ok_or(HexError::Digit(at + 1))?;
        bytes[at / 2] = bytes[at / 2] << 4 | value as u8;
    }
    Ok(bytes)
}

/// What is 32 bytes and written in hexadecimal.
pub(crate) trait Bytes32: Copy {
    fn of(bytes: [u8; 32]) -> Self;
    fn bytes(self) -> [u8; 32];
}

macro_rules! bytes32 {
    ($($name:ident),*) => {$(
        impl Bytes32 for $name {
            fn of(bytes: [u8; 32]) -> Self {
                $name(bytes)
            }
            fn bytes(self) -> [u8; 32] {
                self.0
            }
        }
    )*};
}

bytes32!(Digest, PublicKey, Pin);

/// For `#[serde(with = "hex")]`.
pub(crate) fn serialize<T: Bytes32, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&encode(&value.bytes()))
}

/// For `#[serde(with = "hex")]`.
pub(crate) fn deserialize<'de, T: Bytes32, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    decode(&text).map(T::of).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_errors_say_where() {
        let bytes = std::array::from_fn(|i| i as u8 * 7);
        assert_eq!(decode(&encode(&bytes)), Ok(bytes));
        assert_eq!(decode(&encode(&bytes).to_uppercase()), Ok(bytes));
        assert_eq!(decode("ab"), Err(HexError::Length(2)));
        assert_eq!(decode(&format!("0x{}", "a".repeat(62))), Err(HexError::Digit(2)));
        assert_eq!(decode(&"é".repeat(64)), Err(HexError::Digit(1)));
    }
}
