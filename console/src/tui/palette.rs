//! The command line: what can be typed, what it means, how it completes.

use byztop_core::attack::junk::Junk;
use byztop_core::attack::{self, Attack, Directive, Usage, message_names};
use byztop_core::committee::Committee;
use byztop_core::types::{ReplicaId, SeqNum};

use super::action::Action;
use super::keys::BINDINGS;
use super::presets::{PRESETS, Preset};

/// The longest command, in characters.
const MAX_CHARS: usize = 400;

/// The largest rate that can be asked for, in operations per second.
const MAX_RATE: f64 = 10_000_000.0;

/// A command with parameters; those without are words of [`BINDINGS`].
pub(super) struct Word {
    pub name: &'static str,
    pub usage: &'static str,
    pub help: &'static str,
}

/// The commands with parameters.
pub(super) const WORDS: &[Word] = &[
    Word {
        name: "attack",
        usage: "attack n1 dark(n2)",
        help: "set attacks; joined by ; and each may name its replica",
    },
    Word { name: "preset", usage: "preset silent-primary", help: "set attacks that go together" },
    Word { name: "heal", usage: "heal [n1]", help: "end every attack and restart what was killed, one replica or all" },
    Word { name: "kill", usage: "kill [n3|all]", help: "kill the process of a replica, or of every one" },
    Word { name: "restart", usage: "restart [n3|all]", help: "start a dead replica again, or every one" },
    Word { name: "goto", usage: "goto 18431", help: "show the votes of a slot" },
    Word {
        name: "seek",
        usage: "seek -10s",
        help: "so far back in time, or on with +: seconds s, minutes m, milliseconds ms",
    },
    Word { name: "follow", usage: "follow", help: "show the votes of the newest slot again" },
    Word { name: "rate", usage: "rate 5000|max", help: "operations per second that the load offers" },
];

/// What a command means.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Order {
    /// What a key does.
    Do(Action),
    /// Set attacks, each on its replica.
    Attack(Vec<(ReplicaId, Vec<Directive>)>),
    /// Set attacks that go together.
    Preset(&'static Preset),
    /// End all attacks on one replica, and restart it if it was killed from here.
    Heal(ReplicaId),
    /// Kill one replica's process, or everyone's.
    Kill(Whom),
    /// Start one dead replica again, or all of them.
    Restart(Whom),
    /// Show the votes of a slot.
    Goto(SeqNum),
    /// Go so many microseconds on in time, or back.
    Seek(i64),
    /// Change the load; `None` for as much as possible.
    Rate(Option<f64>),
}

/// Who is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Whom {
    /// This replica.
    One(ReplicaId),
    /// Everyone of whom it makes sense.
    All,
}

/// What is wrong with a command, and at which column, from 1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Mistake {
    pub column: usize,
    pub message: String,
}

/// What a word may become.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Completion {
    pub text: String,
    /// What that is; empty where the word says it all.
    pub help: &'static str,
}

impl Completion {
    fn told(text: &str, help: &'static str) -> Completion {
        Completion { text: text.to_string(), help }
    }

    fn bare(text: String) -> Completion {
        Completion { text, help: "" }
    }
}

/// The line as it is typed.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Line {
    pub text: String,
    pub mistake: Option<Mistake>,
    /// How many commands back in the history, 0 being the line itself.
    pub back: usize,
}

impl Line {
    /// A line that is begun already.
    pub(super) fn of(text: &str) -> Line {
        Line { text: text.to_string(), ..Line::default() }
    }

    pub(super) fn type_char(&mut self, c: char) {
        if self.text.chars().count() < MAX_CHARS && !c.is_control() {
            self.text.push(c);
        }
        self.mistake = None;
    }

    pub(super) fn recall(&mut self, history: &[String], back: usize) {
        self.back = back.min(history.len());
        self.text = match self.back {
            0 => String::new(),
            back => history[history.len() - back].clone(),
        };
        self.mistake = None;
    }

    /// What the word at the end of the line may become.
    pub(super) fn completions(&self, committee: Committee) -> Vec<Completion> {
        let start = self.text.rfind([' ', '(', ',', ';']).map_or(0, |at| at + 1);
        let (before, word) = self.text.split_at(start);
        let before = before.trim();
        let replicas = || committee.members().map(|id| Completion::bare(id.to_string()));
        let names = |text: &str| ReplicaId::parse(text.rsplit(' ').next().unwrap_or_default()).is_some();
        let attacks = || Attack::names().iter().map(|usage| Completion::told(usage.name, usage.description));
        let presets = || PRESETS.iter().map(|preset| Completion::told(preset.name, preset.help));
        let messages = || message_names().into_iter().map(|name| Completion::bare(name.to_string()));
        let kinds = || Junk::ALL.into_iter().map(|kind| Completion::bare(kind.name().to_string()));
        let options: Vec<Completion> = match before.split_whitespace().next() {
            None => words().collect(),
            Some("attack") if before == "attack" || before.ends_with(';') => replicas().chain(attacks()).collect(),
            Some("attack") if names(before) && !has_open_victims(before) => attacks().collect(),
            Some("attack") if opens(before, "withhold") => messages().collect(),
            Some("attack") if opens(before, "junk") => kinds().collect(),
            Some("attack") => replicas().collect(),
            Some("preset") if before == "preset" => presets().collect(),
            Some("heal") if before == "heal" => replicas().collect(),
            Some("kill" | "restart") if !before.contains(' ') => {
                replicas().chain([Completion::told("all", "every one of them")]).collect()
            }
            Some("rate") if before == "rate" => vec![Completion::told("max", "as much as the cluster takes")],
            Some(_) => Vec::new(),
        };
        options.into_iter().filter(|option| option.text.starts_with(word) && option.text != word).collect()
    }

    /// Completes the last word as far as all possibilities agree.
    pub(super) fn complete(&mut self, committee: Committee) {
        let options: Vec<String> = self.completions(committee).into_iter().map(|option| option.text).collect();
        let Some(first) = options.first() else { return };
        let agrees = |len: &usize| options.iter().all(|option| option.get(..*len) == first.get(..*len));
        let common = (0..=first.len()).rev().find(agrees).unwrap_or(0);
        let start = self.text.rfind([' ', '(', ',', ';']).map_or(0, |at| at + 1);
        self.text.replace_range(start.., &first[..common]);
        let takes_more = WORDS.iter().any(|word| word.name == self.text && word.usage != word.name);
        let is_attacker = self.text.starts_with("attack ") && !has_open_victims(&self.text) && first.starts_with('n');
        let takes_more_inside = attack_usage(first).is_some_and(|usage| attack::parse(usage.name).is_err());
        match options.len() {
            1 if takes_more_inside && self.text.starts_with("attack ") => self.text.push('('),
            1 if takes_more || is_attacker => self.text.push(' '),
            _ => {}
        }
        self.mistake = None;
    }
}

/// How an attack is written and what it does.
pub(super) fn attack_usage(name: &str) -> Option<&'static Usage> {
    Attack::names().iter().find(|usage| usage.name == name)
}

fn has_open_victims(text: &str) -> bool {
    text.rfind('(') > text.rfind(')')
}

/// Whether what stands in the parentheses of this attack comes next.
fn opens(before: &str, attack: &str) -> bool {
    before.strip_suffix('(').is_some_and(|before| before.ends_with(attack))
}

fn words() -> impl Iterator<Item = Completion> {
    // A key without a text of its own is told of with the one before it.
    let told = BINDINGS.iter().scan("", |text, binding| {
        *text = if binding.help.is_empty() { *text } else { binding.help };
        Some((binding.word, *text))
    });
    let of_keys = told.filter(|(word, _)| !word.is_empty()).map(|(word, help)| Completion::told(word, help));
    WORDS.iter().map(|word| Completion::told(word.name, word.help)).chain(of_keys)
}

/// `-10s` in microseconds; a sign is needed, so that nobody takes it for a time of day.
fn seek(text: &str) -> Option<i64> {
    let (sign, span) =
        text.strip_prefix('-').map(|rest| (-1, rest)).or(text.strip_prefix('+').map(|rest| (1, rest)))?;
    let digits = span.find(|c: char| !c.is_ascii_digit()).unwrap_or(span.len());
    let (number, unit) = span.split_at(digits);
    let micros = match unit.trim() {
        "ms" => 1000,
        "s" | "" => 1_000_000,
        "m" => 60_000_000,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(micros)?.checked_mul(sign)
}

/// Reads a command. `selected` is who is meant where nobody is named.
///
/// # Errors
///
/// What is wrong with it, and where.
pub(super) fn parse(text: &str, committee: Committee, selected: ReplicaId) -> Result<Order, Mistake> {
    let start = text.len() - text.trim_start().len();
    let (word, rest) = text[start..].split_once(' ').unwrap_or((&text[start..], ""));
    let word = word.trim_end();
    let rest_column = column(text, text.len() - rest.trim_start().len());
    let rest = rest.trim();
    let mistake = |message: String| Err(Mistake { column: rest_column, message });
    let replica = |name: &str| ReplicaId::parse(name).filter(|id| committee.contains(*id));
    let known = || format!("n1 to n{}", committee.size());
    let whom = || match rest {
        "" => Ok(Whom::One(selected)),
        "all" => Ok(Whom::All),
        name => match replica(name) {
            Some(id) => Ok(Whom::One(id)),
            None => {
                Err(Mistake { column: rest_column, message: format!("no replica {name:?}; there are {}", known()) })
            }
        },
    };
    match word {
        "attack" if rest.is_empty() => mistake("attack whom with what? for example: attack n1 dark(n2)".into()),
        "attack" => {
            parse_attack(rest, committee, selected).map_err(|m| Mistake { column: m.column + rest_column - 1, ..m })
        }
        "preset" => match Preset::named(rest) {
            Some(preset) => Ok(Order::Preset(preset)),
            None => {
                let known = PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", ");
                mistake(format!("which preset? known: {known}"))
            }
        },
        "heal" if rest.is_empty() || rest == "all" => Ok(Order::Do(Action::HealAll)),
        "heal" => match replica(rest) {
            Some(id) => Ok(Order::Heal(id)),
            None => mistake(format!("no replica {rest:?}; there are {}", known())),
        },
        "kill" => whom().map(Order::Kill),
        "restart" => whom().map(Order::Restart),
        "goto" => match rest.replace([' ', '_'], "").parse() {
            Ok(slot) if slot > 0 => Ok(Order::Goto(SeqNum(slot))),
            _ => mistake("which slot? a number from 1 on".into()),
        },
        "seek" => match seek(rest) {
            Some(micros) => Ok(Order::Seek(micros)),
            None => mistake("how far? for example -10s, +500ms or -2m".into()),
        },
        "rate" if rest == "max" => Ok(Order::Rate(None)),
        "rate" => match rest.replace([' ', '_'], "").parse::<f64>() {
            Ok(rate) if rate > 0.0 && rate <= MAX_RATE => Ok(Order::Rate(Some(rate))),
            _ => mistake("how many operations per second? a number above 0, or max".into()),
        },
        "follow" => Ok(Order::Do(Action::Follow)),
        "" => Err(Mistake { column: 1, message: "type a command; Tab completes, ? on the screen has the list".into() }),
        _ => match BINDINGS.iter().find(|binding| binding.word == word) {
            Some(binding) if rest.is_empty() => Ok(Order::Do(binding.action.clone())),
            Some(_) => mistake(format!("{word} takes nothing after it")),
            None => {
                let known = words().map(|word| word.text).collect::<Vec<_>>().join(", ");
                let message = format!("unknown command {word:?}; known: {known}");
                Err(Mistake { column: column(text, start), message })
            }
        },
    }
}

fn parse_attack(text: &str, committee: Committee, selected: ReplicaId) -> Result<Order, Mistake> {
    let directives =
        attack::parse(text).map_err(|error| Mistake { column: error.column.max(1), message: error.message })?;
    let mut orders: Vec<(ReplicaId, Vec<Directive>)> = Vec::new();
    // A name holds until the next one.
    let mut named = selected;
    for directive in directives {
        let attacker = directive.attacker.unwrap_or(named);
        named = attacker;
        let stranger =
            [attacker].into_iter().chain(directive.attack.victims().iter()).find(|id| !committee.contains(*id));
        if let Some(stranger) = stranger {
            let place = text.find(&stranger.to_string()).unwrap_or_default();
            let message = format!("no replica {stranger}; there are n1 to n{}", committee.size());
            return Err(Mistake { column: column(text, place), message });
        }
        let directive = Directive { attacker: None, ..directive };
        match orders.iter_mut().find(|(id, _)| *id == attacker) {
            Some((_, directives)) => directives.push(directive),
            None => orders.push((attacker, vec![directive])),
        }
    }
    Ok(Order::Attack(orders))
}

/// The column of a byte offset, in characters from 1.
fn column(text: &str, offset: usize) -> usize {
    text.get(..offset).unwrap_or(text).chars().count() + 1
}
