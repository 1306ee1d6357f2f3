//! Reads the attack language. What it refuses it explains, with a column.

use thiserror::Error;

use super::units::{parse_duration, parse_per_mille};
use super::{Directive, Trigger};
use crate::types::{Micros, ReplicaId, SeqNum, View};

/// The longest text that is read, in bytes.
const MAX_TEXT_BYTES: usize = 4096;

/// What is wrong with a text, and where.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("column {column}: {message}")]
pub struct ParseError {
    /// The character at which it went wrong, counted from 1.
    pub column: usize,
    /// What is wrong, and what to write instead.
    pub message: String,
}

/// Reads attacks joined by `;`, with or without square brackets around them. An empty text has none.
///
/// Names are read in either case, and `S3` or `3` for `n3`, as test cases have them.
///
/// # Errors
///
/// The first thing that is wrong: a word that the language does not have, a missing or superfluous argument, more than
/// 64 directives or 4096 bytes.
pub fn parse(text: &str) -> Result<Vec<Directive>, ParseError> {
    let mut parser = Parser { text, at: 0 };
    if text.len() > MAX_TEXT_BYTES {
        return Err(parser.error_at(0, format!("more than {MAX_TEXT_BYTES} bytes")));
    }
    let is_bracketed = parser.eat('[');
    let mut directives = Vec::new();
    while !parser.is_at_end_of_list() {
        if directives.len() == Directive::MAX_IN_TEXT {
            return Err(parser.error(format!("more than {} attacks", Directive::MAX_IN_TEXT)));
        }
        directives.push(parser.directive()?);
        if !parser.eat(';') && !parser.is_at_end_of_list() {
            return Err(parser.unexpected("`;` before the next attack, or the end"));
        }
    }
    if is_bracketed && !parser.eat(']') {
        return Err(parser.unexpected("`]`"));
    }
    if parser.peek().is_some() {
        return Err(parser.unexpected("the end"));
    }
    Ok(directives)
}

/// A word and the byte at which it starts.
#[derive(Clone, Copy)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

/// What stands between two commas: `n6`, `500ms` or `offset=1`.
pub(super) struct Argument<'a> {
    pub(super) key: Option<Word<'a>>,
    pub(super) value: Word<'a>,
}

pub(super) struct Parser<'a> {
    text: &'a str,
    /// The byte to read next; always between two characters.
    at: usize,
}

impl<'a> Parser<'a> {
    fn directive(&mut self) -> Result<Directive, ParseError> {
        let mut name = self.word("an attack")?;
        let attacker = parse_replica(name.text);
        if attacker.is_some() {
            name = self.word(&format!("an attack after `{}`", name.text))?;
        }
        let arguments = self.arguments()?;
        let attack = self.attack(name, &arguments)?;
        let trigger = if self.eat('@') { self.trigger()? } else { Trigger::Always };
        Ok(Directive { attacker, attack, trigger })
    }

    fn trigger(&mut self) -> Result<Trigger, ParseError> {
        const FORMS: &str = "a trigger: @10s..20s, @slot 100..200, @view 2, @leader or @p=0.1";
        let first = self.word(FORMS)?;
        match first.text.to_ascii_lowercase().as_str() {
            "leader" => Ok(Trigger::WhileLeading),
            "view" => {
                let view = self.word("a view, as in @view 2")?;
                self.number(view).map(|view| Trigger::InView(View(view)))
            }
            "slot" => {
                let slots = self.word("slots, as in @slot 100..200")?;
                self.slots(slots)
            }
            "p" => {
                if !self.eat('=') {
                    return Err(self.unexpected("`=` and a probability, as in @p=0.1"));
                }
                let value = self.word("a probability, as in @p=0.1")?;
                let per_mille = parse_per_mille(value.text).map_err(|message| self.error_at(value.at, message))?;
                Ok(Trigger::WithProbability { per_mille })
            }
            _ if first.text.contains("..") => self.during(first),
            _ => Err(self.error_at(first.at, format!("`{}` is no trigger; expected {FORMS}", first.text))),
        }
    }

    fn during(&self, word: Word<'a>) -> Result<Trigger, ParseError> {
        let (from, until) = self.ends(word);
        let (from, until) = (self.duration(from)?, self.duration(until)?);
        if from >= until {
            return Err(self.error_at(word.at, "a time must begin before it ends: write @10s..20s"));
        }
        Ok(Trigger::During { from, until })
    }

    fn slots(&self, word: Word<'a>) -> Result<Trigger, ParseError> {
        let (first, last) = self.ends(word);
        let (first, last) = (self.number(first)?, self.number(last)?);
        if first == 0 || first > last {
            return Err(self.error_at(word.at, "slots count from 1 and upward: write @slot 100..200"));
        }
        Ok(Trigger::Slots { first: SeqNum(first), last: SeqNum(last) })
    }

    /// The two ends of a range; a word without `..` is both.
    fn ends(&self, word: Word<'a>) -> (Word<'a>, Word<'a>) {
        match word.text.split_once("..") {
            Some((from, until)) => {
                (Word { text: from, at: word.at }, Word { text: until, at: word.at + from.len() + "..".len() })
            }
            None => (word, word),
        }
    }

    pub(super) fn number(&self, word: Word<'a>) -> Result<u64, ParseError> {
        // A sign would be read by the standard library, and is not the language's.
        let digits = word.text.bytes().all(|byte| byte.is_ascii_digit()).then_some(word.text);
        let number = digits.and_then(|digits| digits.parse().ok());
        number.ok_or_else(|| self.error_at(word.at, format!("`{}` is no whole number below 2^64", word.text)))
    }

    pub(super) fn duration(&self, word: Word<'a>) -> Result<Micros, ParseError> {
        parse_duration(word.text).map_err(|message| self.error_at(word.at, message))
    }

    /// What stands in parentheses, if they are there.
    fn arguments(&mut self) -> Result<Vec<Argument<'a>>, ParseError> {
        let mut arguments = Vec::new();
        if !self.eat('(') || self.eat(')') {
            return Ok(arguments);
        }
        loop {
            let word = self.word("a victim or a parameter")?;
            arguments.push(match self.eat('=') {
                true => Argument { key: Some(word), value: self.word(&format!("a value for `{}`", word.text))? },
                false => Argument { key: None, value: word },
            });
            if self.eat(')') {
                return Ok(arguments);
            }
            if !self.eat(',') {
                return Err(self.unexpected("`,` or `)`"));
            }
        }
    }

    fn word(&mut self, expected: &str) -> Result<Word<'a>, ParseError> {
        self.skip_space();
        let rest = &self.text[self.at..];
        let length = rest.find(|c: char| c.is_whitespace() || "[](),;@=".contains(c)).unwrap_or(rest.len());
        if length == 0 {
            return Err(self.unexpected(expected));
        }
        let word = Word { text: &rest[..length], at: self.at };
        self.at += length;
        Ok(word)
    }

    fn eat(&mut self, wanted: char) -> bool {
        let is_next = self.peek() == Some(wanted);
        if is_next {
            self.at += wanted.len_utf8();
        }
        is_next
    }

    fn peek(&mut self) -> Option<char> {
        self.skip_space();
        self.text[self.at..].chars().next()
    }

    fn is_at_end_of_list(&mut self) -> bool {
        matches!(self.peek(), None | Some(']'))
    }

    fn skip_space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn unexpected(&mut self, expected: &str) -> ParseError {
        match self.peek() {
            Some(found) => self.error(format!("expected {expected}, found `{found}`")),
            None => self.error(format!("expected {expected}")),
        }
    }

    fn error(&self, message: impl Into<String>) -> ParseError {
        self.error_at(self.at, message)
    }

    pub(super) fn error_at(&self, at: usize, message: impl Into<String>) -> ParseError {
        ParseError { column: self.text[..at].chars().count() + 1, message: message.into() }
    }
}

/// Reads `n3`, and as test cases have it `N3`, `S3`, `s3` or `3`; `None` if it is none of these, or not from 1 to 128.
pub fn parse_replica(text: &str) -> Option<ReplicaId> {
    let number = text.strip_prefix(['n', 'N', 's', 'S']).unwrap_or(text);
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
    if is_plain { ReplicaId::parse(&format!("n{number}")) } else { None }
}
