//! The attack language: one way to say what a Byzantine replica does, for test cases, command line, console and
//! configuration.
//!
//! ```text
//! list      = [ "[" ] directive { ";" directive } [ "]" ]
//! directive = [ attacker ] name [ "(" argument { "," argument } ")" ] [ "@" trigger ]
//! argument  = victim | client | message | kind | duration | rate | probability | key "=" value
//! trigger   = from ".." until | "slot" first ".." last | "view" view | "leader" | "p" "=" probability
//! ```
//!
//! The attacker stands before the name, victims in parentheses, parameters after them: `n1 dark(n2, n6) @10s..20s`.
//! Written out by [`Display`](fmt::Display), a directive reads back as itself.

mod arguments;
mod parser;
mod suggestion;
mod units;

pub use parser::{ParseError, parse, parse_replica};

use std::collections::BTreeSet;
use std::fmt;

use self::units::{Duration, PerMille};
use super::junk::Junk;
use crate::types::{ClientId, Micros, ReplicaId, ReplicaSet, SeqNum, View};

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
    /// As primary, it never proposes what these clients submit; at least one.
    Censor(BTreeSet<ClientId>),
    /// It takes part except in one kind of message: never sends what has this name.
    Withhold {
        /// What it is called.
        message: &'static str,
        /// Who does not get it; empty if nobody does.
        victims: ReplicaSet,
    },
    /// It sends old messages again, among the current ones.
    Replay,
    /// It sends everyone so many made-up messages a second; from 1 to [`Attack::MAX_FLOOD_PER_S`].
    Flood {
        /// How many to each replica.
        messages_per_s: u32,
    },
    /// It sends everyone messages of one kind that cost much to refuse or to answer.
    Junk(Junk),
    /// It changes view, slot or digest of some of its messages to some of the others.
    Mutate {
        /// How likely, in thousandths, for each message and recipient; 1 to 1000.
        per_mille: u16,
    },
    /// It asks for views with histories that are not its own, and without a reason.
    ForgeViewChange,
    /// As primary of a new view, it begins it with what the view changes do not force.
    ForgeNewView,
    /// As collector, it tells of votes that it did not get.
    ForgeCertificate,
    /// It forges what is nested in its messages: certificates, headers, view changes of others, proofs.
    ForgeNested,
    /// It signs states that it does not have.
    LieCheckpoint,
    /// It gives wrong parts of the state to whoever fetches it.
    LieState,
    /// It answers clients with what did not come of their submissions.
    LieReply,
}

impl Attack {
    /// Whether it has something else to say than the replica: to all, or to some.
    pub(super) fn alters(&self) -> bool {
        matches!(
            self,
            Attack::Equivocation { .. }
                | Attack::Mutate { .. }
                | Attack::ForgeViewChange
                | Attack::ForgeNewView
                | Attack::ForgeNested
                | Attack::LieCheckpoint
                | Attack::LieState
        )
    }

    /// The delay of `time` without a parameter.
    pub const DEFAULT_DELAY: Micros = Micros::from_millis(500);
    /// The offset of `equivocation` without a parameter, in slots: far from what the others are told.
    pub const DEFAULT_OFFSET_SLOTS: u64 = 10_000;
    /// The longest span that can be written: a day.
    pub const MAX_SPAN: Micros = Micros::from_millis(24 * 3600 * 1000);
    /// The rate of `flood` without a parameter.
    pub const DEFAULT_FLOOD_PER_S: u32 = 1000;
    /// The highest rate of a flood.
    pub const MAX_FLOOD_PER_S: u32 = 100_000;
    /// How likely `mutate` without a parameter changes a message, in thousandths.
    pub const DEFAULT_MUTATED_PER_MILLE: u16 = 100;

    /// Its name, as it is written.
    pub fn name(&self) -> &'static str {
        match self {
            Attack::Sign => "sign",
            Attack::Crash => "crash",
            Attack::Time(_) => "time",
            Attack::Dark(_) => "dark",
            Attack::Equivocation { .. } => "equivocation",
            Attack::Censor(_) => "censor",
            Attack::Withhold { .. } => "withhold",
            Attack::Replay => "replay",
            Attack::Flood { .. } => "flood",
            Attack::Junk(_) => "junk",
            Attack::Mutate { .. } => "mutate",
            Attack::ForgeViewChange => "forge-view-change",
            Attack::ForgeNewView => "forge-new-view",
            Attack::ForgeCertificate => "forge-certificate",
            Attack::ForgeNested => "forge-nested",
            Attack::LieCheckpoint => "lie-checkpoint",
            Attack::LieState => "lie-state",
            Attack::LieReply => "lie-reply",
        }
    }

    /// Whether another attack takes its place when that is set: one of the same name, of `withhold` one that keeps back
    /// messages of the same name, and of `junk` one of the same kind.
    pub fn is_replaced_by(&self, other: &Attack) -> bool {
        match (self, other) {
            (Attack::Withhold { message, .. }, Attack::Withhold { message: other, .. }) => message == other,
            (Attack::Junk(kind), Attack::Junk(other)) => kind == other,
            _ => self.name() == other.name(),
        }
    }

    /// The replicas that it is aimed at; empty if it is aimed at all.
    pub fn victims(&self) -> ReplicaSet {
        match self {
            Attack::Dark(victims) | Attack::Equivocation { victims, .. } | Attack::Withhold { victims, .. } => *victims,
            _ => ReplicaSet::default(),
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

const ATTACKS: [Usage; 18] = [
    Usage { name: "sign", form: "sign", description: "everything it sends bears an invalid signature" },
    Usage { name: "crash", form: "crash", description: "sends nothing to anyone, but listens" },
    Usage { name: "time", form: "time(500ms)", description: "delays everything it sends" },
    Usage { name: "dark", form: "dark(n2, n6)", description: "sends nothing to these replicas" },
    Usage {
        name: "equivocation",
        form: "equivocation(n6, n7, offset=1)",
        description: "as primary, gives these the batch under another number, or with mode=digest another batch",
    },
    Usage { name: "censor", form: "censor(c1)", description: "as primary, never proposes what these clients submit" },
    Usage {
        name: "withhold",
        form: "withhold(commit)",
        description: "takes part, but never sends this kind of message, or not to those named after it",
    },
    Usage { name: "replay", form: "replay", description: "sends old messages again, among the current ones" },
    Usage { name: "flood", form: "flood(1000/s)", description: "sends everyone so many made-up messages" },
    Usage {
        name: "junk",
        form: "junk(new-view)",
        description: "sends everyone what costs much to refuse or to answer, of one kind",
    },
    Usage { name: "mutate", form: "mutate(0.1)", description: "alters view, slot or digest of some of its messages" },
    Usage {
        name: "forge-view-change",
        form: "forge-view-change",
        description: "asks for views without reason, with false histories",
    },
    Usage { name: "forge-new-view", form: "forge-new-view", description: "begins its views with what nothing forces" },
    Usage {
        name: "forge-certificate",
        form: "forge-certificate",
        description: "as collector, tells of quorums that it did not get",
    },
    Usage {
        name: "forge-nested",
        form: "forge-nested",
        description: "forges the certificates, view changes and headers within its messages, and proofs",
    },
    Usage { name: "lie-checkpoint", form: "lie-checkpoint", description: "signs states that it does not have" },
    Usage { name: "lie-state", form: "lie-state", description: "gives wrong parts of the state to whoever fetches it" },
    Usage { name: "lie-reply", form: "lie-reply", description: "gives clients wrong answers" },
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
            Attack::Sign | Attack::Crash | Attack::Replay => Ok(()),
            Attack::ForgeViewChange | Attack::ForgeNewView | Attack::ForgeCertificate => Ok(()),
            Attack::ForgeNested | Attack::LieCheckpoint | Attack::LieState | Attack::LieReply => Ok(()),
            Attack::Time(delay) => write!(f, "({})", Duration(*delay)),
            Attack::Dark(victims) => write!(f, "({})", Victims(*victims)),
            Attack::Equivocation { victims, form } => match form {
                EquivocationForm::Offset(Attack::DEFAULT_OFFSET_SLOTS) => write!(f, "({})", Victims(*victims)),
                EquivocationForm::Offset(slots) => write!(f, "({}, offset={slots})", Victims(*victims)),
                EquivocationForm::Digest => write!(f, "({}, mode=digest)", Victims(*victims)),
            },
            Attack::Censor(clients) => {
                let names: Vec<String> = clients.iter().map(ClientId::to_string).collect();
                write!(f, "({})", names.join(", "))
            }
            Attack::Withhold { message, victims } if victims.is_empty() => write!(f, "({message})"),
            Attack::Withhold { message, victims } => write!(f, "({message}, {})", Victims(*victims)),
            Attack::Flood { messages_per_s } => write!(f, "({messages_per_s}/s)"),
            Attack::Junk(kind) => write!(f, "({})", kind.name()),
            Attack::Mutate { per_mille } => write!(f, "({})", PerMille(*per_mille)),
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
