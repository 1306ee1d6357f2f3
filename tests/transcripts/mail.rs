//! What is on its way between live replicas.

use byztop_core::replica::PeerMessage;
use byztop_core::types::ReplicaId;
use byztop_core::views::form::Form;
use byztop_core::views::message::Message;

use crate::words::{Words, Wrong, replica};

/// Which messages, by way and name.
#[derive(Clone, Default)]
pub(crate) struct Filter {
    from: Option<ReplicaId>,
    to: Option<ReplicaId>,
    name: Option<String>,
}

/// A message between two live replicas, on its way until the script delivers it.
pub(crate) struct Letter<F: Form> {
    pub(crate) from: ReplicaId,
    pub(crate) to: ReplicaId,
    pub(crate) message: PeerMessage<Message<F>>,
}

impl Filter {
    /// Whether the message is meant.
    pub(crate) fn fits<F: Form>(&self, letter: &Letter<F>) -> bool {
        self.from.is_none_or(|from| from == letter.from)
            && self.to.is_none_or(|to| to == letter.to)
            && self.name.as_ref().is_none_or(|name| *name == letter.message.name())
    }
}

/// `n1>n2 commit`, `*>n2`, `commit`: a way, a message's name, or both.
pub(crate) fn filter(words: &mut Words) -> Result<Filter, Wrong> {
    let mut filter = Filter::default();
    let end = |name: &str| if name == "*" { Ok(None) } else { replica(name).map(Some) };
    while !words.is_empty() {
        let word = words.plain()?;
        match word.split_once('>') {
            Some((from, to)) => (filter.from, filter.to) = (end(from)?, end(to)?),
            None => filter.name = Some(word),
        }
    }
    Ok(filter)
}
