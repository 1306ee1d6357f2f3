//! The views after the first: who asked for them, what their primaries have shown, in whom they have begun.

use std::collections::BTreeMap;

use byztop_core::committee::Committee;
use byztop_core::protocol::{Complaint, Event, ViewChangeShown};
use byztop_core::types::{ReplicaId, ReplicaSet, SeqNum, View};

use super::ranges;

/// The views that somebody asked for or entered: the newest ones.
#[derive(Clone, Debug)]
pub(crate) struct Views {
    committee: Committee,
    views: BTreeMap<View, NewView>,
}

/// A view after the first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct NewView {
    /// Who asked for it, by its own account, and why first.
    pub(crate) asked: BTreeMap<ReplicaId, Complaint>,
    /// In whom it has begun.
    pub(crate) entered: ReplicaSet,
    /// The view changes that its primary has shown for it; none before it has begun.
    pub(crate) shown: Vec<ViewChangeShown>,
    /// How many slots it had to repeat.
    pub(crate) repeated: u32,
    /// How many of those are null requests.
    pub(crate) nulls: u32,
}

impl Views {
    /// The most views that are remembered.
    pub(crate) const MAX: usize = 100;

    /// Nobody has asked for a view.
    pub(crate) fn new(committee: Committee) -> Views {
        Views { committee, views: BTreeMap::new() }
    }

    /// A replica has noted something.
    pub(crate) fn note(&mut self, by: ReplicaId, event: &Event) {
        match event {
            Event::ViewChangeAsked { view, why } => {
                self.of(*view, |known| {
                    known.asked.entry(by).or_insert(*why);
                });
            }
            Event::ViewEntered { view, forced, nulls, view_changes, .. } => self.of(*view, |known| {
                known.entered.insert(by);
                (known.repeated, known.nulls) = (*forced, *nulls);
                known.shown.clone_from(view_changes);
            }),
            _ => {}
        }
    }

    fn of(&mut self, view: View, change: impl FnOnce(&mut NewView)) {
        change(self.views.entry(view).or_default());
        while self.views.len() > Self::MAX {
            // What f+1 speak of goes last: f of them can name views for ever.
            let enough = self.committee.weak_quorum();
            let idle = self.views.iter().find(|(_, known)| known.speakers() < enough).map(|(view, _)| *view);
            match idle {
                Some(view) => drop(self.views.remove(&view)),
                None => drop(self.views.pop_first()),
            }
        }
    }

    /// All that are remembered.
    pub(crate) fn get(&self) -> &BTreeMap<View, NewView> {
        &self.views
    }
}

impl NewView {
    /// How many have asked for it or entered it.
    fn speakers(&self) -> usize {
        self.asked.keys().copied().chain(self.entered.iter()).collect::<ReplicaSet>().len()
    }

    /// Each reason that was given, and by whom; that others asked already comes last.
    pub(crate) fn reasons(&self) -> Vec<(Complaint, ReplicaSet)> {
        let mut reasons: Vec<(Complaint, ReplicaSet)> = Vec::new();
        for (replica, why) in &self.asked {
            match reasons.iter_mut().find(|(known, _)| known == why) {
                Some((_, set)) => drop(set.insert(*replica)),
                None => reasons.push((*why, ReplicaSet::from_iter([*replica]))),
            }
        }
        reasons.sort_by_key(|(why, _)| *why == Complaint::Joined);
        reasons
    }

    /// Who has shown what: `n1-n3 (stable 3, nothing above)`.
    pub(crate) fn shown_in_words(&self) -> Vec<String> {
        let mut alike: Vec<(SeqNum, u32, ReplicaSet)> = Vec::new();
        for ViewChangeShown { replica, stable, slots } in &self.shown {
            match alike.iter_mut().find(|(known, shown, _)| known == stable && shown == slots) {
                Some((_, _, by)) => {
                    by.insert(*replica);
                }
                None => alike.push((*stable, *slots, ReplicaSet::from_iter([*replica]))),
            }
        }
        let words = |(stable, slots, by): &(SeqNum, u32, ReplicaSet)| match slots {
            0 => format!("{} (stable {stable}, nothing above)", ranges(*by)),
            1 => format!("{} (stable {stable}, 1 slot above)", ranges(*by)),
            slots => format!("{} (stable {stable}, {slots} slots above)", ranges(*by)),
        };
        alike.iter().map(words).collect()
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn views_have_who_asked_for_them_and_who_entered() {
        let mut views = Views::new(Committee::new(4).expect("four are a committee"));
        let asked = |why| Event::ViewChangeAsked { view: View(1), why };
        views.note(ReplicaId(2), &asked(Complaint::Joined));
        views.note(ReplicaId(1), &asked(Complaint::RequestTimeout));
        views.note(ReplicaId(1), &asked(Complaint::Joined));
        let shown = vec![ViewChangeShown { replica: ReplicaId(1), stable: SeqNum(3), slots: 2 }];
        let (primary, view_changes) = (ReplicaId(1), shown.clone());
        views.note(ReplicaId(2), &Event::ViewEntered { view: View(1), primary, forced: 2, nulls: 1, view_changes });
        let view = &views.get()[&View(1)];
        let reasons: Vec<String> = view.reasons().iter().map(|(why, by)| format!("{why}: {by}")).collect();
        assert_eq!(reasons, ["request timed out: n2", "joined f+1 others: n3"], "the first reason counts");
        assert_eq!((view.entered.to_string(), view.repeated, view.nulls), ("n3".to_string(), 2, 1));
        assert_eq!(view.shown, shown);
        assert_eq!(view.shown_in_words(), ["n2 (stable 3, 2 slots above)"]);
    }

    #[test]
    fn the_newest_views_are_kept() {
        let mut views = Views::new(Committee::new(4).expect("four are a committee"));
        for view in 1..=Views::MAX as u64 + 1 {
            views.note(ReplicaId(0), &Event::ViewChangeAsked { view: View(view), why: Complaint::Joined });
        }
        assert_eq!((views.get().len(), views.get().contains_key(&View(1))), (Views::MAX, false));
    }

    #[test]
    fn who_names_views_for_ever_displaces_none_that_the_others_speak_of() {
        let mut views = Views::new(Committee::new(4).expect("four are a committee"));
        for by in [1, 2, 3].map(ReplicaId) {
            views.note(by, &Event::ViewChangeAsked { view: View(1), why: Complaint::RequestTimeout });
        }
        for view in 0..3 * Views::MAX as u64 {
            views.note(ReplicaId(0), &Event::ViewChangeAsked { view: View(1000 + view), why: Complaint::Joined });
        }
        assert_eq!((views.get().len(), views.get().contains_key(&View(1))), (Views::MAX, true));
    }
}
