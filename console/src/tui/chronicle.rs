//! What happened to a cluster, in the words of the screen's log, for whoever prints it.

use std::collections::BTreeMap;

use byztop_core::types::{Time, View};

use super::model::Model;
use super::{FeedEvent, Roster};
use crate::books::NewView;

/// A cluster's story.
pub(crate) struct Chronicle {
    model: Model,
}

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Happening {
    /// When the first replica noted it, in Unix time.
    pub(crate) at: Time,
    /// What it is about, in a word.
    pub(crate) kind: &'static str,
    /// What happened.
    pub(crate) text: String,
}

impl Chronicle {
    /// Nothing has happened yet.
    pub(crate) fn new(roster: &Roster, now: Time) -> Chronicle {
        Chronicle { model: Model::new(roster, now) }
    }

    /// Takes in what has come in now.
    pub(crate) fn apply(&mut self, now: Time, event: FeedEvent) {
        self.model.apply(now, event);
    }

    /// The views that somebody asked for.
    pub(crate) fn views(&self) -> &BTreeMap<View, NewView> {
        self.model.views.get()
    }

    /// What happened, the earliest first. A long story has lost its beginning.
    pub(crate) fn happenings(&self) -> Vec<Happening> {
        let size = self.model.replicas.len();
        let mut all: Vec<Happening> = self
            .model
            .log
            .newest()
            .map(|entry| Happening { at: entry.at, kind: entry.kind(size).word(), text: entry.text(size) })
            .collect();
        all.reverse();
        all.sort_by_key(|one| one.at);
        all
    }
}
