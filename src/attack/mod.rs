//! Byzantine behaviour, outside honest code.

mod language;

pub use language::{Attack, Directive, ParseError, Trigger, parse};

use crate::app::Application;
use crate::crypto::Signer;
use crate::protocol::Protocol;
use crate::replica::{Input, Output, Replica};
use crate::types::Time;

/// The outermost layer of a replica: signs what leaves, feeds its own messages back, and misbehaves if told to.
pub struct Byzantine<P: Protocol, A: Application> {
    replica: Replica<P, A>,
    signer: Signer,
}

impl<P: Protocol, A: Application> Byzantine<P, A> {
    /// An honest replica, until an attack is set. `seed` feeds the attacks that leave something to chance.
    pub fn new(replica: Replica<P, A>, signer: Signer, _seed: u64) -> Self {
        Byzantine { replica, signer }
    }

    /// Handles an input; appends what is to be performed. Messages in it are signed, and `Recipients::All` means all
    /// others: the replica has already heard itself.
    pub fn handle(&mut self, _now: Time, _input: Input<P::Message>, _outputs: &mut Vec<Output<P::Message>>) {
        let _ = &self.signer;
        unimplemented!()
    }

    /// Sets attacks, in the attack language, in addition to those that hold; an attack of the same name is replaced.
    ///
    /// # Errors
    ///
    /// What is wrong with the text, and where.
    pub fn attack(
        &mut self,
        _now: Time,
        _text: &str,
        _outputs: &mut Vec<Output<P::Message>>,
    ) -> Result<(), ParseError> {
        unimplemented!()
    }

    /// Ends every attack; what was held back leaves now.
    pub fn heal(&mut self, _now: Time, _outputs: &mut Vec<Output<P::Message>>) {
        unimplemented!()
    }

    /// The attacks that are set, in the attack language; empty if none is.
    pub fn active(&self) -> String {
        unimplemented!()
    }

    /// The replica within.
    pub fn replica(&self) -> &Replica<P, A> {
        &self.replica
    }

    /// The replica within, to bring its state digest up to date.
    pub fn replica_mut(&mut self) -> &mut Replica<P, A> {
        &mut self.replica
    }
}
