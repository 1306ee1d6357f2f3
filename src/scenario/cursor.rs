//! Reads a cell's text word by word. What it refuses it explains, with a column.

use super::ACCOUNTS;
use crate::app::smallbank::Account;
use crate::attack::{ParseError, parse_replica};
use crate::types::ReplicaId;

/// A word and the byte at which it starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

/// A text, and how far it has been read. Spaces count for nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    /// The byte to read next; always between two characters.
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The beginning of a text.
    pub(super) fn new(text: &'a str) -> Cursor<'a> {
        Cursor { text, at: 0 }
    }

    /// Passes a sign, if it comes next.
    pub(super) fn eat(&mut self, sign: &str) -> bool {
        self.skip_space();
        let is_next = self.text[self.at..].starts_with(sign);
        if is_next {
            self.at += sign.len();
        }
        is_next
    }

    /// Passes a word, in either case, if it comes next.
    pub(super) fn eat_word(&mut self, wanted: &str) -> bool {
        let mut ahead = *self;
        let is_next = ahead.word().text.eq_ignore_ascii_case(wanted);
        if is_next {
            *self = ahead;
        }
        is_next
    }

    /// The letters, digits, `_` and `-` that come next; empty if none do.
    pub(super) fn word(&mut self) -> Word<'a> {
        self.skip_space();
        let rest = &self.text[self.at..];
        let length = rest.find(|c: char| !c.is_alphanumeric() && !"_-".contains(c)).unwrap_or(rest.len());
        let word = Word { text: &rest[..length], at: self.at };
        self.at += length;
        word
    }

    /// The word that must come next.
    pub(super) fn expect_word(&mut self, expected: &str) -> Result<Word<'a>, ParseError> {
        let word = self.word();
        if word.text.is_empty() { Err(self.unexpected(expected)) } else { Ok(word) }
    }

    /// Passes the sign that must come next.
    pub(super) fn expect(&mut self, sign: &str, expected: &str) -> Result<(), ParseError> {
        if self.eat(sign) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    /// Makes sure that nothing more comes.
    pub(super) fn expect_end(&mut self, expected: &str) -> Result<(), ParseError> {
        if self.is_at_end() { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    /// Whether nothing more comes.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.skip_space();
        self.at == self.text.len()
    }

    fn skip_space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    /// The customer of this name.
    pub(super) fn customer(&self, word: Word<'_>) -> Result<Account, ParseError> {
        let (first, last) = (Account(0).name(ACCOUNTS), Account(ACCOUNTS - 1).name(ACCOUNTS));
        let account = Account::parse(word.text, ACCOUNTS);
        account.ok_or_else(|| match is_number(word.text) {
            true => {
                let message = format!(
                    "expected a customer, {first} to {last}, found `{}`: accounts by number are of a lab with shards, which has \
                     other banks",
                    word.text
                );
                self.error_at(word.at, message)
            }
            false => self.wrong(word, &format!("a customer, {first} to {last}")),
        })
    }

    /// The node of this name.
    pub(super) fn node(&self, word: Word<'_>) -> Result<ReplicaId, ParseError> {
        parse_replica(word.text).ok_or_else(|| self.wrong(word, "a node, such as `n3`"))
    }

    /// The whole number that must come next, with a `-` before it if it is negative.
    pub(super) fn amount(&mut self, expected: &str) -> Result<i64, ParseError> {
        let word = self.expect_word(expected)?;
        let amount = word.text.parse().ok().filter(|_| is_number(word.text.strip_prefix('-').unwrap_or(word.text)));
        amount.ok_or_else(|| self.wrong(word, "an amount, a whole number of 64 bits"))
    }

    /// The whole number from 0 upward that must come next.
    pub(super) fn count(&mut self, expected: &str) -> Result<u64, ParseError> {
        let word = self.expect_word(expected)?;
        let count = word.text.parse().ok().filter(|_| is_number(word.text));
        count.ok_or_else(|| self.wrong(word, "a whole number below 2^64"))
    }

    /// What comes next is not what was expected.
    pub(super) fn unexpected(&mut self, expected: &str) -> ParseError {
        self.skip_space();
        let mut ahead = *self;
        let word = ahead.word();
        let found = match (word.text, self.text[self.at..].chars().next()) {
            ("", None) => "the end".to_string(),
            ("", Some(sign)) => format!("`{sign}`"),
            (text, _) => format!("`{text}`"),
        };
        self.error_at(self.at, format!("expected {expected}, found {found}"))
    }

    /// This word is not what was expected.
    pub(super) fn wrong(&self, word: Word<'_>, expected: &str) -> ParseError {
        self.error_at(word.at, format!("expected {expected}, found `{}`", word.text))
    }

    /// Something is wrong at this byte.
    pub(super) fn error_at(&self, at: usize, message: impl Into<String>) -> ParseError {
        ParseError { column: self.column(at), message: message.into() }
    }

    /// The number of the character at this byte, counted from 1.
    pub(super) fn column(&self, at: usize) -> usize {
        self.text[..at].chars().count() + 1
    }
}

/// Whether a text is digits and nothing else: the standard library reads a `+` too, and nobody else does.
fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_signs_come_one_after_the_other() {
        let mut cursor = Cursor::new(" WRITE_CHECK ( A,-5 ) é");
        assert_eq!((cursor.word().text, cursor.eat("("), cursor.eat("(")), ("WRITE_CHECK", true, false));
        let word = cursor.word();
        assert_eq!((cursor.customer(word), cursor.eat(",")), (Ok(Account(0)), true));
        assert_eq!((cursor.amount("an amount"), cursor.word().text, cursor.eat(")")), (Ok(-5), "", true));
        assert!(!cursor.is_at_end());
        assert_eq!(cursor.unexpected("the end").to_string(), "column 23: expected the end, found `é`");
        assert!(!cursor.eat_word("or") && cursor.eat_word("é") && cursor.is_at_end());
        assert_eq!(cursor.unexpected("more").to_string(), "column 24: expected more, found the end");
    }

    #[test]
    fn numbers_are_plain_and_fit() {
        let amount = |text| Cursor::new(text).amount("an amount").map_err(|error| error.message);
        assert_eq!(amount("-9223372036854775808"), Ok(i64::MIN));
        for bad in ["9223372036854775808", "5a", "--5", "-", "1-2", "٣"] {
            assert!(amount(bad).is_err_and(|message| message.ends_with(&format!("found `{bad}`"))), "{bad}");
        }
        assert!(amount("+5").is_err_and(|message| message.ends_with("found `+`")));
        assert_eq!(Cursor::new("18446744073709551615").count("a number"), Ok(u64::MAX));
        assert!(Cursor::new("-1").count("a number").is_err());
    }

    #[test]
    fn names_are_read_as_people_write_them() {
        let node = |text| Cursor::new(text).node(Word { text, at: 0 });
        assert_eq!(["n3", "N3", "S3", "s3", "3"].map(|text| node(text).ok()), [Some(ReplicaId(2)); 5]);
        assert!(["n0", "x3", "n03", "n129", ""].iter().all(|text| node(text).is_err()));
        let customer = |text| Cursor::new(text).customer(Word { text, at: 0 });
        assert_eq!(customer("j"), Ok(Account(9)));
        assert_eq!(customer("K").map_err(|error| error.message), Err("expected a customer, A to J, found `K`".into()));
    }
}
