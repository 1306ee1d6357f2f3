//! Real time: what was submitted after another submission was answered runs after it. With results that equal a
//! sequential replay this is linearizability.

use std::collections::BTreeMap;

use super::super::clients::Accepted;
use super::history::Position;
use super::{Checker, History, Scene};
use crate::attack::Forge;
use crate::protocol::Protocol;
use crate::types::{SeqNum, Session, Timestamp};

/// How far history had come, as clients know, when each open submission was made.
#[derive(Default)]
pub(super) struct RealTime {
    /// How often it had something to look at.
    looks: u64,
    answered: Option<Position>,
    submitted_after: BTreeMap<(Session, Timestamp), Option<Position>>,
}

impl<P: Protocol> Checker<P> for RealTime
where
    P::Message: Forge,
{
    fn name(&self) -> &'static str {
        "real time"
    }

    fn exercised(&self) -> u64 {
        self.looks
    }

    fn after(&mut self, _scene: &Scene<'_, P>) -> Result<(), String> {
        Ok(())
    }

    fn on_submitted(&mut self, session: Session, timestamp: Timestamp, _history: &History) {
        self.submitted_after.insert((session, timestamp), self.answered);
    }

    fn on_accepted(&mut self, accepted: &Accepted, history: &History) -> Result<(), String> {
        let key = (accepted.session, accepted.timestamp);
        let after = self.submitted_after.remove(&key).flatten();
        let position = history.outcome(key.0, key.1).map_or((SeqNum(0), 0), |outcome| outcome.position);
        self.looks += u64::from(after.is_some());
        if after.is_some_and(|after| position <= after) {
            let (seq, place) = position;
            return Err(format!("{key:?} ran at slot {seq}, place {place}, before what was answered when it was made"));
        }
        self.answered = self.answered.max(Some(position));
        Ok(())
    }
}
