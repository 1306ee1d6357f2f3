//! What an equivocating primary tells its victims instead.

use super::language::EquivocationForm;
use crate::crypto::Signed;
use crate::pbft;
use crate::protocol::{Batch, Message};

/// A protocol's messages, as a primary would forge them with its own key.
pub trait Equivocate: Message {
    /// The same proposal as the victims get it, unsigned; `None` for what is not the sender's own proposal.
    fn lie(&self, form: EquivocationForm) -> Option<Self>;
}

impl Equivocate for pbft::Message {
    fn lie(&self, form: EquivocationForm) -> Option<Self> {
        let pbft::Message::PrePrepare(Signed { body, .. }) = self else { return None };
        let mut body = body.clone();
        match form {
            EquivocationForm::Offset(offset) => body.seq = body.seq.plus(offset),
            EquivocationForm::Digest => {
                body.batch = other_batch(&body.batch);
                body.digest = body.batch.digest();
            }
        }
        Some(pbft::Message::PrePrepare(Signed::unsigned(body)))
    }
}

/// Another batch that the victims can accept: the same submissions in another order, or none at all.
fn other_batch(batch: &Batch) -> Batch {
    let mut submissions = batch.submissions.clone();
    submissions.reverse();
    if submissions == batch.submissions {
        submissions.clear();
    }
    Batch { submissions }
}
