//! Whole numbers in as few bytes as they need: unsigned LEB128, zigzag for signed ones.

/// Appends a number, in 1 to 10 bytes.
pub(super) fn put_unsigned(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Appends a signed number; those near zero are short, whatever their sign.
pub(super) fn put_signed(bytes: &mut Vec<u8>, number: i64) {
    put_unsigned(bytes, ((number << 1) ^ (number >> 63)) as u64);
}

/// Takes a number from the front; `None` if it is cut off, too large, or longer than it need be.
pub(super) fn take_unsigned(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if (bits << shift) >> shift != bits || (*byte == 0 && shift > 0) {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Takes a signed number from the front; `None` as for [`take_unsigned`].
pub(super) fn take_signed(bytes: &mut &[u8]) -> Option<i64> {
    let number = take_unsigned(bytes)?;
    Some((number >> 1) as i64 ^ -((number & 1) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_survive(number in prop_oneof![any::<i64>(), -300i64..300, Just(i64::MIN), Just(i64::MAX)]) {
            let mut bytes = Vec::new();
            put_signed(&mut bytes, number);
            prop_assert!(bytes.len() <= 10);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(take_signed(&mut rest), Some(number));
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn what_is_taken_would_be_put_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut rest = bytes.as_slice();
            if let Some(number) = take_unsigned(&mut rest) {
                let mut again = Vec::new();
                put_unsigned(&mut again, number);
                prop_assert_eq!(again.as_slice(), &bytes[..bytes.len() - rest.len()]);
            }
        }
    }

    #[test]
    fn what_is_too_large_or_padded_is_refused() {
        let largest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(take_unsigned(&mut &largest[..]), Some(u64::MAX));
        let mut larger = largest;
        larger[9] = 0x02;
        assert_eq!(take_unsigned(&mut &larger[..]), None);
        assert_eq!(take_unsigned(&mut &[0x80, 0x00][..]), None);
        assert_eq!(take_unsigned(&mut &[0x80][..]), None);
        assert_eq!(take_unsigned(&mut &[0x00][..]), Some(0));
    }
}
