//! The attack language.
use crate::types::{Micros, ReplicaId, ReplicaSet, SeqNum, View};
/// What a Byzantine replica does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Attack {
    /// Everything it sends bears an invalid signature.
    Sign,
    /// It is silent.
    Crash,
    /// It delays all it sends.
    Time(Micros),
    /// It sends nothing to these.
    Dark(ReplicaSet),
    /// As primary, it tells these something else.
    Equivocation { victims: ReplicaSet, form: EquivocationForm },
}
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EquivocationForm {
    Offset(u64),
    Digest,
}
#[derive(Clone, PartialEq, Debug)]
pub enum Trigger {
    Always,
    During { from: Micros, until: Micros },
    Slots { first: SeqNum, last: SeqNum },
    InView(View),
    WhileLeading,
    PerMille(u16),
}
#[derive(Clone, PartialEq, Debug)]
pub struct Directive {
    pub attacker: Option<ReplicaId>,
    pub attack: Attack,
    pub trigger: Trigger,
}
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseError {
    pub column: usize,
    pub message: String,
}
pub fn parse(_text: &str) -> Result<Vec<Directive>, ParseError> {
    Err(ParseError { column: 1, message: String::new() })
}

impl Attack {
    pub fn name(&self) -> &'static str {
        match self {
            Attack::Sign => "sign",
            Attack::Crash => "crash",
            Attack::Time(_) => "time",
            Attack::Dark(_) => "dark",
            Attack::Equivocation { .. } => "equivocation",
        }
    }
}
impl std::fmt::Display for Directive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.attack.name())
    }
}
pub fn names() {}
