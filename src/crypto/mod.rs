//! Signatures over domain-separated statements, and the types that say what has been verified.
//!
//! Whatever is signed in a cluster is a [`Statement`]: six fields of fixed length in a fixed order, under the cluster's
//! [`Realm`]. A PREPARE can not be read as a COMMIT, and another cluster's vote is nothing here (rule 4).
//!
//! Verification accepts by one rule everywhere, ZIP 215 as ed25519-zebra implements it: replicas that disagree about a
//! signature would disagree about history.

mod keys;
mod statement;
mod verifier;

use serde::{Deserialize, Serialize};

pub use self::keys::{PublicKey, Signature, Signer};
pub use self::statement::{Author, Kind, Realm, Statement};
pub use self::verifier::Verifier;
use crate::rejection::Rejection;

/// A body that its author signs.
pub trait Signable {
    /// The statement that stands for the body. Different bodies of one author have different statements.
    fn statement(&self) -> Statement;
}

/// A body and its author's signature, which may still be blank or wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Signed<T> {
    /// What is said.
    pub body: T,
    /// The author's signature over the body's statement.
    pub signature: Signature,
}

impl<T: Signable> Signed<T> {
    /// A body that the outermost layer has yet to sign.
    pub fn unsigned(body: T) -> Signed<T> {
        Signed { body, signature: Signature::BLANK }
    }

    /// A body with its author's signature.
    pub fn by(signer: &Signer, body: T) -> Signed<T> {
        let signature = signer.sign(&body.statement());
        Signed { body, signature }
    }

    /// Signs a blank in place if `signer` is the author.
    pub fn fill_signature(&mut self, signer: &Signer) {
        let statement = self.body.statement();
        if self.signature.is_blank() && statement.author == signer.author() {
            self.signature = signer.sign(&statement);
        }
    }

    /// Checks the signature against the roster.
    ///
    /// # Errors
    ///
    /// As [`Verifier::verify`].
    pub fn verify(&self, verifier: &Verifier) -> Result<(), Rejection> {
        verifier.verify(&self.body.statement(), &self.signature)
    }

    /// The same at once, before what the body holds is looked at.
    ///
    /// # Errors
    ///
    /// As [`Verifier::verify_now`].
    pub fn verify_now(&self, verifier: &Verifier) -> Result<(), Rejection> {
        verifier.verify_now(&self.body.statement(), &self.signature)
    }
}

/// What can be checked against the roster alone, before any state is looked at.
pub trait Check {
    /// Checks every signature and certificate within, and that the sender may send this.
    ///
    /// # Errors
    ///
    /// The first reason to refuse it.
    fn check(&self, sender: Author, verifier: &Verifier) -> Result<(), Rejection>;
}

/// A value whose [`Check`] held. Handlers take nothing else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified<T>(T);

impl<T: Check> Verified<T> {
    /// Checks a value that `sender` sent, as the transport knows the sender.
    ///
    /// # Errors
    ///
    /// As [`Check::check`].
    pub fn check(value: T, sender: Author, verifier: &Verifier) -> Result<Verified<T>, Rejection> {
        value.check(sender, verifier)?;
        Ok(Verified(value))
    }

    /// Checks what came from several senders, in its order: with the verdicts of [`Verified::check`], in less time. What
    /// could not even be decoded keeps its verdict.
    pub fn check_all(
        values: Vec<(Author, Result<T, Rejection>)>,
        verifier: &Verifier,
    ) -> Vec<Result<Verified<T>, Rejection>> {
        let check = |(sender, value): &(Author, Result<T, Rejection>), verifier: &Verifier| match value {
            Ok(value) => value.check(*sender, verifier),
            Err(why) => Err(why.clone()),
        };
        let all = |verifier: &Verifier| values.iter().map(|value| check(value, verifier)).collect::<Vec<_>>();
        let (together, are_good) = verifier.together(all);
        let verdicts = if are_good { together } else { all(verifier) };
        values.into_iter().zip(verdicts).map(|((_, value), verdict)| verdict.and(value).map(Verified)).collect()
    }
}

impl<T> Verified<T> {
    /// What this replica signed itself needs no check.
    pub(crate) fn own(value: T) -> Verified<T> {
        Verified(value)
    }

    /// A part of something that was verified as a whole.
    pub(crate) fn part(value: T) -> Verified<T> {
        Verified(value)
    }

    /// The value.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// The value, taken out.
    pub fn into_inner(self) -> T {
        self.0
    }
}
