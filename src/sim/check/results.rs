//! Results: what replicas answer and what clients believe is what a sequential replay of the history gives.

use super::super::clients::Accepted;
use super::{Checker, History, Scene};
use crate::attack::Forge;
use crate::protocol::Protocol;
use crate::replica::{Output, ReplyOutcome};

#[derive(Default)]
pub(super) struct Results {
    /// How often it had something to look at.
    looks: u64,
}

impl<P: Protocol> Checker<P> for Results
where
    P::Message: Forge,
{
    fn name(&self) -> &'static str {
        "results"
    }

    fn exercised(&self) -> u64 {
        self.looks
    }

    fn after(&mut self, scene: &Scene<'_, P>) -> Result<(), String> {
        for output in scene.outputs {
            let Output::Reply(session, reply) = output else { continue };
            let ReplyOutcome::Executed(result) = &reply.outcome else { continue };
            if !scene.is_honest {
                continue;
            }
            self.looks += 1;
            let due = scene.history.outcome(*session, reply.timestamp);
            if due.is_none_or(|due| due.submission != reply.submission || due.result != *result) {
                let (replica, timestamp) = (scene.replica, reply.timestamp.0);
                return Err(format!("{replica} answers {session:?} at {timestamp} with what it can not have executed"));
            }
        }
        Ok(())
    }

    fn on_accepted(&mut self, accepted: &Accepted, history: &History) -> Result<(), String> {
        let Accepted { session, timestamp, submission, result } = accepted;
        match history.outcome(*session, *timestamp) {
            Some(due) if due.submission == *submission && due.result == *result => Ok(()),
            Some(_) => Err(format!("the client of {session:?} at {} believes a wrong result", timestamp.0)),
            None => Err(format!("the client of {session:?} at {} believes what never ran", timestamp.0)),
        }
    }
}
