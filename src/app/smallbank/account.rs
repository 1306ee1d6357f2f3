//! Customers, and how people write them.

use std::fmt;

/// A customer, counted from 0. Each has one row in every table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Account(pub u32);

impl Account {
    /// Up to so many customers have letters for names.
    const LETTERS: u32 = 26;

    /// The customer's name in a bank of `accounts` customers: `A` to `Z` if that suffices for all, else the number,
    /// counted from 0.
    pub fn name(self, accounts: u32) -> Name {
        Name { account: self, has_letter: accounts <= Self::LETTERS && self.0 < Self::LETTERS }
    }

    /// Reads what [`Account::name`] writes, letters in either case; `None` if the bank has no such customer.
    pub fn parse(text: &str, accounts: u32) -> Option<Account> {
        let account = match text.as_bytes() {
            [letter] if letter.is_ascii_alphabetic() && accounts <= Self::LETTERS => {
                u32::from(letter.to_ascii_uppercase() - b'A')
            }
            digits if digits.iter().all(u8::is_ascii_digit) && accounts > Self::LETTERS => text.parse().ok()?,
            _ => return None,
        };
        (account < accounts).then_some(Account(account))
    }
}

/// A customer's name, ready to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Name {
    account: Account,
    has_letter: bool,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.has_letter {
            true => f.pad(char::from(b'A' + self.account.0 as u8).encode_utf8(&mut [0; 4])),
            false => fmt::Display::fmt(&self.account.0, f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_banks_know_their_customers_by_letter() {
        assert_eq!(Account(0).name(10).to_string(), "A");
        assert_eq!(Account(25).name(26).to_string(), "Z");
        assert_eq!(format!("{:>3}", Account(9).name(10)), "  J");
        assert_eq!(Account::parse("J", 10), Some(Account(9)));
        assert_eq!(Account::parse("j", 10), Some(Account(9)));
        for bad in ["K", "9", "", "AA", " A", "é"] {
            assert_eq!(Account::parse(bad, 10), None, "{bad}");
        }
    }

    #[test]
    fn large_banks_number_them() {
        assert_eq!(Account(0).name(27).to_string(), "0");
        assert_eq!(Account::parse("9999", 10_000), Some(Account(9999)));
        for bad in ["10000", "A", "", "-1", "+1", "99999999999"] {
            assert_eq!(Account::parse(bad, 10_000), None, "{bad}");
        }
    }

    #[test]
    fn whoever_is_not_a_customer_still_has_a_name() {
        assert_eq!(Account(u32::MAX).name(10).to_string(), "4294967295");
    }
}
