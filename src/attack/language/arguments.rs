//! Reads what stands in an attack's parentheses.

use std::collections::BTreeSet;

use super::parser::{Argument, ParseError, Parser, Word, parse_replica};
use super::suggestion::unknown;
use super::units::parse_per_mille;
use super::{Attack, EquivocationForm};
use crate::attack::forge::message_names;
use crate::attack::junk::Junk;
use crate::types::{ClientId, Micros, ReplicaSet};

impl<'a> Parser<'a> {
    pub(super) fn attack(&self, name: Word<'a>, arguments: &[Argument<'a>]) -> Result<Attack, ParseError> {
        let known = name.text.to_ascii_lowercase();
        if let Some(bare) = bare(&known) {
            return match arguments.first() {
                Some(argument) => {
                    Err(self.error_at(argument.value.at, format!("`{known}` takes nothing in parentheses")))
                }
                None => Ok(bare),
            };
        }
        match known.as_str() {
            "time" => self.delay(arguments).map(Attack::Time),
            "dark" => {
                if let Some(Argument { key: Some(key), .. }) = arguments.iter().find(|argument| argument.key.is_some())
                {
                    return Err(self.error_at(key.at, format!("`dark` has no `{}`: write dark(n2, n6)", key.text)));
                }
                self.victims(name, arguments).map(Attack::Dark)
            }
            "equivocation" => {
                let victims = self.victims(name, arguments)?;
                Ok(Attack::Equivocation { victims, form: self.equivocation_form(arguments)? })
            }
            "censor" => self.clients(name, arguments).map(Attack::Censor),
            "withhold" => {
                let message = self.message(name, arguments)?;
                let victims =
                    if arguments.len() > 1 { self.victims(name, &arguments[1..])? } else { ReplicaSet::default() };
                Ok(Attack::Withhold { message, victims })
            }
            "flood" => {
                let messages_per_s = match self.only(arguments, "a rate", "flood(1000/s)")? {
                    Some(rate) => self.rate(rate)?,
                    None => Attack::DEFAULT_FLOOD_PER_S,
                };
                Ok(Attack::Flood { messages_per_s })
            }
            "junk" => self.junk(name, arguments).map(Attack::Junk),
            "mutate" => {
                let per_mille = match self.only(arguments, "a probability", "mutate(0.1)")? {
                    Some(word) => parse_per_mille(word.text).map_err(|message| self.error_at(word.at, message))?,
                    None => Attack::DEFAULT_MUTATED_PER_MILLE,
                };
                Ok(Attack::Mutate { per_mille })
            }
            other => {
                let names: Vec<&str> = Attack::names().iter().map(|usage| usage.name).collect();
                Err(self.error_at(name.at, unknown("attack", other, &names)))
            }
        }
    }

    /// The one argument of an attack that has one, or none.
    fn only(&self, arguments: &[Argument<'a>], what: &str, form: &str) -> Result<Option<Word<'a>>, ParseError> {
        match arguments {
            [] => Ok(None),
            [Argument { key: None, value }] => Ok(Some(*value)),
            [Argument { key: Some(key), .. }] => {
                Err(self.error_at(key.at, format!("only {what} is expected: write {form}")))
            }
            [_, second, ..] => Err(self.error_at(second.value.at, format!("{what} is enough: write {form}"))),
        }
    }

    fn delay(&self, arguments: &[Argument<'a>]) -> Result<Micros, ParseError> {
        let Some(value) = self.only(arguments, "one delay", "time(500ms)")? else { return Ok(Attack::DEFAULT_DELAY) };
        match self.duration(value)? {
            Micros(0) => Err(self.error_at(value.at, "a delay of nothing is none: write time(500ms)")),
            delay => Ok(delay),
        }
    }

    fn rate(&self, word: Word<'a>) -> Result<u32, ParseError> {
        let number = word.text.strip_suffix("/s").filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
        let rate = number.and_then(|number| number.parse().ok());
        rate.filter(|rate| (1..=Attack::MAX_FLOOD_PER_S).contains(rate)).ok_or_else(|| {
            let most = Attack::MAX_FLOOD_PER_S;
            self.error_at(word.at, format!("`{}` is no rate; write 1/s to {most}/s", word.text))
        })
    }

    fn victims(&self, name: Word<'a>, arguments: &[Argument<'a>]) -> Result<ReplicaSet, ParseError> {
        let mut victims = ReplicaSet::default();
        for Argument { value, .. } in arguments.iter().filter(|argument| argument.key.is_none()) {
            let Some(victim) = parse_replica(value.text) else {
                return Err(self.error_at(value.at, format!("`{}` is no replica; write n1, n2, …", value.text)));
            };
            victims.insert(victim);
        }
        if victims.is_empty() {
            let known = name.text.to_ascii_lowercase();
            return Err(self.missing(name, format!("`{known}` needs victims: write {known}(n6) or {known}(n2, n6)")));
        }
        Ok(victims)
    }

    fn clients(&self, name: Word<'a>, arguments: &[Argument<'a>]) -> Result<BTreeSet<ClientId>, ParseError> {
        let mut clients = BTreeSet::new();
        for Argument { key, value } in arguments {
            if let Some(key) = key {
                return Err(self.error_at(key.at, format!("`censor` has no `{}`: write censor(c1)", key.text)));
            }
            // The customers of test cases are clients: A is c1.
            let customer = match value.text.as_bytes() {
                [letter] if letter.is_ascii_alphabetic() => {
                    Some(ClientId(u16::from(letter.to_ascii_uppercase() - b'A')))
                }
                _ => None,
            };
            let Some(client) = customer.or_else(|| ClientId::parse(&value.text.to_ascii_lowercase())) else {
                return Err(self.error_at(value.at, format!("`{}` is no client; write c1, c2, …", value.text)));
            };
            clients.insert(client);
        }
        if clients.is_empty() {
            return Err(self.missing(name, "`censor` needs clients: write censor(c1) or censor(c1, c2)"));
        }
        Ok(clients)
    }

    fn message(&self, name: Word<'a>, arguments: &[Argument<'a>]) -> Result<&'static str, ParseError> {
        if let Some(Argument { key: Some(key), .. }) = arguments.iter().find(|argument| argument.key.is_some()) {
            return Err(self.error_at(key.at, format!("`withhold` has no `{}`: write withhold(commit, n6)", key.text)));
        }
        let Some(Argument { value: word, .. }) = arguments.first() else {
            let names = message_names().join(", ");
            return Err(self.missing(name, format!("`withhold` needs a kind of message (there are {names})")));
        };
        let wanted = word.text.to_ascii_lowercase();
        let names = message_names();
        let found = names.iter().find(|name| **name == wanted).copied();
        found.ok_or_else(|| self.error_at(word.at, unknown("message", &wanted, &names)))
    }

    fn junk(&self, name: Word<'a>, arguments: &[Argument<'a>]) -> Result<Junk, ParseError> {
        let kinds = Junk::ALL.map(Junk::name);
        let Some(word) = self.only(arguments, "one kind", "junk(new-view)")? else {
            return Err(self.missing(name, format!("`junk` needs a kind (there are {})", kinds.join(", "))));
        };
        let wanted = word.text.to_ascii_lowercase();
        let found = Junk::ALL.into_iter().find(|kind| kind.name() == wanted);
        found.ok_or_else(|| self.error_at(word.at, unknown("kind", &wanted, &kinds)))
    }

    fn equivocation_form(&self, arguments: &[Argument<'a>]) -> Result<EquivocationForm, ParseError> {
        const FORMS: &str = "write offset=1 (or another number of slots) or mode=digest";
        let mut form = None;
        for Argument { key, value } in arguments {
            let Some(key) = key else { continue };
            let read = match key.text.to_ascii_lowercase().as_str() {
                "offset" => self.number(*value).ok().filter(|slots| *slots > 0).map(EquivocationForm::Offset),
                "mode" if value.text.eq_ignore_ascii_case("digest") => Some(EquivocationForm::Digest),
                "mode" => None,
                other => return Err(self.error_at(key.at, format!("`equivocation` has no `{other}`; {FORMS}"))),
            };
            let read =
                read.ok_or_else(|| self.error_at(value.at, format!("`{}` is not possible; {FORMS}", value.text)))?;
            if form.replace(read).is_some() {
                return Err(self.error_at(key.at, "one of offset and mode, and once"));
            }
        }
        Ok(form.unwrap_or(EquivocationForm::Offset(Attack::DEFAULT_OFFSET_SLOTS)))
    }

    /// What an attack needs is asked for where it would stand.
    fn missing(&self, name: Word<'a>, message: impl Into<String>) -> ParseError {
        self.error_at(name.at + name.text.len(), message)
    }
}

/// An attack that takes nothing in parentheses.
fn bare(name: &str) -> Option<Attack> {
    Some(match name {
        "sign" => Attack::Sign,
        "crash" => Attack::Crash,
        "replay" => Attack::Replay,
        "forge-view-change" => Attack::ForgeViewChange,
        "forge-new-view" => Attack::ForgeNewView,
        "forge-certificate" => Attack::ForgeCertificate,
        "forge-nested" => Attack::ForgeNested,
        "lie-checkpoint" => Attack::LieCheckpoint,
        "lie-state" => Attack::LieState,
        "lie-reply" => Attack::LieReply,
        _ => return None,
    })
}
