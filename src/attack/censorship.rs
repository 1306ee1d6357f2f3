//! `censor`: a primary that does not propose what some clients submit.
//!
//! Their submissions are kept from the replica within, so that it has nothing to propose, whether it leads now or later.
//! When others have ordered one it asks for the body like any replica that was never sent it, and gets it from here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::chance::Subject;
use crate::crypto::{Signed, Verified};
use crate::replica::{Input, PeerMessage, Submission};
use crate::types::{ClientId, Digest};

/// How many submissions are kept; beyond that the oldest go, and their bodies are fetched from others if need be.
const MAX_HIDDEN: usize = 1 << 13;

/// Submissions that the replica within has not seen. At most [`MAX_HIDDEN`].
#[derive(Default)]
pub(super) struct Hidden {
    submissions: BTreeMap<Digest, Signed<Submission>>,
    /// In the order in which they came; those that were handed over meanwhile too.
    arrivals: VecDeque<Digest>,
}

impl Hidden {
    /// Keeps a submission from the replica.
    pub(super) fn keep(&mut self, submission: Signed<Submission>) {
        let digest = submission.body.digest();
        if self.submissions.insert(digest, submission).is_none() {
            self.arrivals.push_back(digest);
        }
        while self.arrivals.len() > MAX_HIDDEN {
            if let Some(oldest) = self.arrivals.pop_front() {
                self.submissions.remove(&oldest);
            }
        }
    }

    /// Bodies that the replica is about to ask others for and that are here; the others stay in `wanted`.
    pub(super) fn hand_over<M>(&mut self, wanted: &mut Vec<Digest>) -> Option<PeerMessage<M>> {
        let found: Vec<_> = wanted.extract_if(.., |digest| self.submissions.contains_key(digest)).collect();
        let bodies: Vec<_> = found.iter().filter_map(|digest| self.submissions.remove(digest)).collect();
        (!bodies.is_empty()).then_some(PeerMessage::Bodies(bodies))
    }

    /// What is left when the censor gives up, in the order in which it came.
    pub(super) fn take_all(&mut self) -> Vec<Signed<Submission>> {
        let mut submissions = std::mem::take(&mut self.submissions);
        self.arrivals.drain(..).filter_map(|digest| submissions.remove(&digest)).collect()
    }
}

/// The submission that an input brings to be proposed, and what it is about.
pub(super) fn submission_in<M>(input: &Input<M>) -> Option<(&Signed<Submission>, Subject)> {
    let submission = match input {
        Input::Client(submission) => submission.get(),
        Input::Peer(_, message) => match message.get() {
            PeerMessage::Forward(submission) => submission,
            _ => return None,
        },
        Input::Start { .. } | Input::Timeout(_) => return None,
    };
    Some((submission, Subject::of_submission(&submission.body)))
}

/// Whether the submission is one of these clients'.
pub(super) fn is_by(clients: &BTreeSet<ClientId>, submission: &Signed<Submission>) -> bool {
    clients.contains(&submission.body.session.client)
}

/// A submission that was kept back and is handed over as if its client had sent it now: it was verified on its way in.
pub(super) fn late<M>(submission: Signed<Submission>) -> Input<M> {
    Input::Client(Verified::part(submission))
}
