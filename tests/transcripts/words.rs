//! The words of a script's line: plain ones, and groups such as `P(s1 v0 a by n3 n4)`. Commas are for the eye only.

use std::collections::VecDeque;

use byztop_core::types::{Micros, ReplicaId, SeqNum, View};

/// A word or a named group of words.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Word {
    Plain(String),
    Group(String, VecDeque<Word>),
}

/// Words that are read from left to right.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Words(VecDeque<Word>);

/// What is wrong with a script's line, for whoever writes it.
pub(crate) type Wrong = String;

impl Words {
    /// Cuts a line into words.
    pub(crate) fn of(line: &str) -> Result<Words, Wrong> {
        let mut open: Vec<(String, VecDeque<Word>)> = vec![(String::new(), VecDeque::new())];
        let mut word = String::new();
        for letter in line.chars() {
            match letter {
                '(' => open.push((std::mem::take(&mut word), VecDeque::new())),
                ' ' | ',' => end_word(&mut open, &mut word),
                ')' => {
                    end_word(&mut open, &mut word);
                    let (name, words) = open.pop().filter(|_| !open.is_empty()).ok_or("a ) too many")?;
                    open.last_mut().expect("one is left").1.push_back(Word::Group(name, words));
                }
                other => word.push(other),
            }
        }
        end_word(&mut open, &mut word);
        match open.pop() {
            Some((_, words)) if open.is_empty() => Ok(Words(words)),
            _ => Err("a ) is missing".to_string()),
        }
    }

    /// Takes the next word, which is plain.
    pub(crate) fn plain(&mut self) -> Result<String, Wrong> {
        match self.0.pop_front() {
            Some(Word::Plain(word)) => Ok(word),
            Some(Word::Group(name, _)) => Err(format!("{name}(…) is not expected here")),
            None => Err("a word is missing".to_string()),
        }
    }

    /// Takes the next word if it is this one.
    pub(crate) fn is(&mut self, word: &str) -> bool {
        let is_it = matches!(self.0.front(), Some(Word::Plain(next)) if next == word);
        if is_it {
            self.0.pop_front();
        }
        is_it
    }

    /// Takes the next word if it is a group of this name.
    pub(crate) fn group(&mut self, name: &str) -> Option<Words> {
        let is_it = matches!(self.0.front(), Some(Word::Group(next, _)) if next == name);
        match self.0.pop_front_if(|_| is_it) {
            Some(Word::Group(_, words)) => Some(Words(words)),
            _ => None,
        }
    }

    /// Takes groups of this name as long as they come.
    pub(crate) fn groups(&mut self, name: &str) -> Vec<Words> {
        std::iter::from_fn(|| self.group(name)).collect()
    }

    /// Whether all words were taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nothing may be left over.
    pub(crate) fn end(&self) -> Result<(), Wrong> {
        if self.is_empty() { Ok(()) } else { Err(format!("not understood: {:?}", self.0)) }
    }

    /// Takes `v0`.
    pub(crate) fn view(&mut self) -> Result<View, Wrong> {
        self.number("v").map(View)
    }

    /// Takes `s1`.
    pub(crate) fn seq(&mut self) -> Result<SeqNum, Wrong> {
        self.number("s").map(SeqNum)
    }

    /// Takes `n1`.
    pub(crate) fn replica(&mut self) -> Result<ReplicaId, Wrong> {
        replica(&self.plain()?)
    }

    /// Takes all words that are left, as replicas.
    pub(crate) fn replicas(&mut self) -> Result<Vec<ReplicaId>, Wrong> {
        let mut found = Vec::new();
        while !self.is_empty() {
            found.push(self.replica()?);
        }
        Ok(found)
    }

    /// Takes replicas as long as they come.
    pub(crate) fn leading_replicas(&mut self) -> Vec<ReplicaId> {
        let next = |words: &mut Words| {
            let is_replica = |word: &mut Word| matches!(word, Word::Plain(name) if replica(name).is_ok());
            match words.0.pop_front_if(is_replica) {
                Some(Word::Plain(name)) => replica(&name).ok(),
                _ => None,
            }
        };
        std::iter::from_fn(|| next(self)).collect()
    }

    /// Takes a number after a prefix; `max` is the largest there is.
    pub(crate) fn number(&mut self, prefix: &str) -> Result<u64, Wrong> {
        let word = self.plain()?;
        number(&word, prefix).ok_or_else(|| format!("{word} is not {prefix} and a number"))
    }
}

fn end_word(open: &mut [(String, VecDeque<Word>)], word: &mut String) {
    if !word.is_empty() {
        open.last_mut().expect("one is open").1.push_back(Word::Plain(std::mem::take(word)));
    }
}

fn number(word: &str, prefix: &str) -> Option<u64> {
    let digits = word.strip_prefix(prefix)?;
    if digits == "max" { Some(u64::MAX) } else { digits.parse().ok() }
}

/// Reads `n1`.
pub(crate) fn replica(word: &str) -> Result<ReplicaId, Wrong> {
    ReplicaId::parse(word).ok_or_else(|| format!("{word} is not a replica"))
}

/// Reads `1500ms`.
pub(crate) fn span(word: &str) -> Result<Micros, Wrong> {
    let millis = word.strip_suffix("ms").and_then(|digits| digits.parse().ok());
    millis.map(Micros::from_millis).ok_or_else(|| format!("{word} is not a span such as 100ms"))
}
