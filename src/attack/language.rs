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
    WithProbability(f64),
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
