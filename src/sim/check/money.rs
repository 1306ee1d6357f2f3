//! Money changes by accepted deposits and withdrawals only.

use super::{Checker, Scene};
use crate::attack::Forge;
use crate::protocol::{Protocol, Settings};
use crate::replica::Output;
use crate::types::SeqNum;

/// All the money there was at first.
pub(super) struct Money {
    /// How often it had something to look at.
    looks: u64,
    initial: i128,
}

impl Money {
    pub(super) fn new(settings: &Settings) -> Money {
        let each = i128::from(settings.initial_checking) + i128::from(settings.initial_savings);
        Money { looks: 0, initial: each * i128::from(settings.accounts) }
    }
}

impl<P: Protocol> Checker<P> for Money
where
    P::Message: Forge,
{
    fn name(&self) -> &'static str {
        "money"
    }

    fn exercised(&self) -> u64 {
        self.looks
    }

    fn after(&mut self, scene: &Scene<'_, P>) -> Result<(), String> {
        let has_executed = scene.outputs.iter().any(|output| matches!(output, Output::Executed(_)));
        if !scene.is_honest || !has_executed {
            return Ok(());
        }
        let executed = scene.node.replica().status().executed;
        let due =
            if executed == SeqNum(0) { Some(self.initial) } else { scene.history.slot(executed).map(|s| s.total) };
        let found = scene.node.replica().application().total();
        self.looks += u64::from(due.is_some());
        if due.is_some_and(|due| due != found) {
            let (replica, due) = (scene.replica, due.unwrap_or_default());
            return Err(format!("{replica} holds {found} after slot {executed}, and there should be {due}"));
        }
        Ok(())
    }
}
