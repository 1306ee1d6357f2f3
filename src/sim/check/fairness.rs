//! Rule 17: a client is answered busy only where no other client has more submissions waiting than it would have with one
//! more, apart from what is proposed already.

use super::{Cause, Checker, Scene};
use crate::attack::Forge;
use crate::protocol::Protocol;
use crate::replica::{Output, ReplyOutcome, Share};

#[derive(Default)]
pub(super) struct Fairness {
    refusals: u64,
}

impl<P: Protocol> Checker<P> for Fairness
where
    P::Message: Forge,
{
    fn name(&self) -> &'static str {
        "fair admission"
    }

    fn exercised(&self) -> u64 {
        self.refusals
    }

    fn after(&mut self, scene: &Scene<'_, P>) -> Result<(), String> {
        // What a peer passes on has room of its own, and what was refused before something else came is not held against it.
        if !scene.is_honest || !matches!(scene.cause, Cause::Other) {
            return Ok(());
        }
        let is_busy = |output: &&Output<P::Message>| matches!(output, Output::Reply(_, reply) if reply.outcome == ReplyOutcome::Busy);
        for output in scene.outputs.iter().filter(is_busy) {
            let Output::Reply(session, _) = output else { continue };
            self.refusals += 1;
            let shares = scene.node.replica().shares();
            let own = shares.iter().find(|share| share.client == session.client).map_or(0, |share| share.waiting);
            let has_more = |share: &&Share| share.waiting > own + 1 && share.unproposed > 0;
            if let Some(other) = shares.iter().find(has_more) {
                return Err(format!(
                    "{} refuses {} with {own} waiting, while {} has {}",
                    scene.replica, session.client, other.client, other.waiting
                ));
            }
        }
        Ok(())
    }
}
