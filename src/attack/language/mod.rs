//! The attack language: one way to say what a Byzantine replica does, for test cases, command line, console and
//! configuration.
//!
//! ```text
//! list      = [ "[" ] directive { ";" directive } [ "]" ]
//! directive = [ attacker ] name [ "(" argument { "," argument } ")" ] [ "@" trigger ]
//! argument  = victim | duration | key "=" value
//! trigger   = from ".." until | "slot" first ".." last | "view" view | "leader" | "p" "=" probability
//! ```
//!
//! The attacker stands before the name, victims in parentheses, parameters after them: `n1 dark(n2, n6) @10s..20s`.
//! Written out by [`Display`](fmt::Display), a directive reads back as itself.

mod parser;
mod units;

pub use parser::{ParseError, parse};

use std::fmt;

use self::units::{Duration, PerMille};
use crate::types::{Micros, ReplicaId, ReplicaSet, SeqNum, View};

/// What a Byzantine replica does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Attack {
    /// Everything it sends bears an invalid signature: honest replicas reject it and it counts toward nothing.
    Sign,
    /// It is silent, but listens: neither proposals, new views, votes nor replies leave it.
    Crash,
    /// It delays all it sends by so much; slower, still correct. Above 0 and at most [`Attack::MAX_SPAN`].
    Time(Micros),
    /// It sends nothing to these replicas, of whom there is at least one.
    Dark(ReplicaSet),
    /// As primary, it tells these replicas something else than the others.
    Equivocation {
        /// Who is told the other thing; at least one.
        victims: ReplicaSet,
        /// How it differs.
        form: EquivocationForm,
    },
}

impl Attack {
    /// The delay of `time` without a parameter.
    pub const DEFAULT_DELAY: Micros = Micros::from_millis(500);
    /// The offset of `equivocation` without a parameter, in slots: far from what the others are told.
    pub const DEFAULT_OFFSET_SLOTS: u64 = 10_000;
    /// The longest span that can be written: a day.
    pub const MAX_SPAN: Micros = Micros::from_millis(24 * 3600 * 1000);

    /// Its name, as it is written.
    pub fn name(&self) -> &'static str {
        match self {
            Attack::Sign => "sign",
            Attack::Crash => "crash",
            Attack::Time(_) => "time",
            Attack::Dark(_) => "dark",
            Attack::Equivocation { .. } => "equivocation",
        }
    }

    /// The replicas that it is aimed at; empty if it is aimed at all.
    pub fn victims(&self) -> ReplicaSet {
        match self {
            Attack::Dark(victims) | Attack::Equivocation { victims, .. } => *victims,
            Attack::Sign | Attack::Crash | Attack::Time(_) => ReplicaSet::default(),
        }
    }

    /// Every attack there is, with how it is written and what it does: for completion and help.
    pub fn names() -> &'static [Usage] {
        &ATTACKS
    }
}

/// How the two stories of an equivocating primary differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EquivocationForm {
    /// The victims get the same batch under a number so many slots higher; at least 1.
    Offset(u64),
    /// The victims get another batch under the same number.
    Digest,
}

/// When an attack holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trigger {
    /// From when it is set.
    Always,
    /// For a while, counted from when it is set; `from` is before `until`.
    During {
        /// When it begins.
        from: Micros,
        /// When it has ended.
        until: Micros,
    },
    /// For messages about these slots; `first` is at most `last`.
    Slots {
        /// The first of them.
        first: SeqNum,
        /// The last of them.
        last: SeqNum,
    },
    /// In one view.
    InView(View),
    /// While it is the primary of its view.
    WhileLeading,
    /// By chance, from the replica's seed.
    WithProbability {
        /// The probability in thousandths, 1 to 1000.
        per_mille: u16,
    },
}

impl Trigger {
    /// Every trigger there is, with how it is written and when it holds: for completion and help.
    pub fn names() -> &'static [Usage] {
        &TRIGGERS
    }
}

/// One attack, who makes it, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Directive {
    /// Who misbehaves; `None` leaves it to the context, such as a test case's Byzantine column or a selection.
    pub attacker: Option<ReplicaId>,
    /// What it does.
    pub attack: Attack,
    /// When it does so.
    pub trigger: Trigger,
}

impl Directive {
    /// The most directives in one text.
    pub const MAX_IN_TEXT: usize = 64;

    /// Several directives in one text, which [`parse`] reads.
    pub fn join(directives: &[Directive]) -> String {
        let texts: Vec<String> = directives.iter().map(Directive::to_string).collect();
        texts.join("; ")
    }
}

/// A word of the language for those who do not know it yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    /// What it is called.
    pub name: &'static str,
    /// An example of it, which [`parse`] reads; a trigger's begins with `@` and needs an attack before it.
    pub form: &'static str,
    /// What it does, in one line without a full stop.
    pub description: &'static str,
}

const ATTACKS: [Usage; 5] = [
    Usage { name: "sign", form: "sign", description: "everything it sends bears an invalid signature" },
    Usage { name: "crash", form: "crash", description: "sends nothing to anyone, but listens" },
    Usage { name: "time", form: "time(500ms)", description: "delays everything it sends" },
    Usage { name: "dark", form: "dark(n2, n6)", description: "sends nothing to these replicas" },
    Usage {
        name: "equivocation",
        form: "equivocation(n6, n7, offset=1)",
        description: "as primary, gives these the batch under another number, or with mode=digest another batch",
    },
];

const TRIGGERS: [Usage; 5] = [
    Usage { name: "during", form: "@10s..20s", description: "for a while, counted from when it is set" },
    Usage { name: "slot", form: "@slot 100..200", description: "for messages about these slots" },
    Usage { name: "view", form: "@view 2", description: "in this view" },
    Usage { name: "leader", form: "@leader", description: "while it is the primary" },
    Usage { name: "p", form: "@p=0.1", description: "with this probability, message by message" },
];

impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Attack::Sign | Attack::Crash => Ok(()),
            Attack::Time(delay) => write!(f, "({})", Duration(*delay)),
            Attack::Dark(victims) => write!(f, "({})", Victims(*victims)),
            Attack::Equivocation { victims, form } => match form {
                EquivocationForm::Offset(Attack::DEFAULT_OFFSET_SLOTS) => write!(f, "({})", Victims(*victims)),
                EquivocationForm::Offset(slots) => write!(f, "({}, offset={slots})", Victims(*victims)),
                EquivocationForm::Digest => write!(f, "({}, mode=digest)", Victims(*victims)),
            },
        }
    }
}

impl fmt::Display for Trigger {
    /// With its `@`; nothing for [`Trigger::Always`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trigger::Always => Ok(()),
            Trigger::During { from, until } => write!(f, "@{}..{}", Duration(*from), Duration(*until)),
            Trigger::Slots { first, last } => write!(f, "@slot {first}..{last}"),
            Trigger::InView(view) => write!(f, "@view {view}"),
            Trigger::WhileLeading => f.write_str("@leader"),
            Trigger::WithProbability { per_mille } => write!(f, "@p={}", PerMille(*per_mille)),
        }
    }
}

impl fmt::Display for Directive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(attacker) = self.attacker {
            write!(f, "{attacker} ")?;
        }
        write!(f, "{}", self.attack)?;
        match self.trigger {
            Trigger::Always => Ok(()),
            trigger => write!(f, " {trigger}"),
        }
    }
}

/// Replicas as the language lists them.
struct Victims(ReplicaSet);

impl fmt::Display for Victims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.0.iter().map(|replica| replica.to_string()).collect();
        f.write_str(&names.join(", "))
    }
}

#[cfg(test)]
mod tests;
