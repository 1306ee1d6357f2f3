//! `equivocation`: a primary that tells its victims something else.

use super::forge::Forge;
use super::language::EquivocationForm;
use super::voice::Voice;
use crate::replica::{Output, PeerMessage};
use crate::types::ReplicaSet;

impl Voice {
    /// The victims hear one thing, the others another. It is a function of the proposal, so that a retransmission repeats
    /// the lie.
    pub(super) fn equivocate<M: Forge>(
        &self,
        outputs: Vec<Output<M>>,
        victims: ReplicaSet,
        form: EquivocationForm,
    ) -> Vec<Output<M>> {
        self.tell(outputs, |message, hearer| {
            let PeerMessage::Protocol(message) = message else { return None };
            let lie = message.equivocate(form).filter(|_| victims.contains(hearer))?;
            Some(vec![PeerMessage::Protocol(lie)])
        })
    }
}
