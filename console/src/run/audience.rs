//! Who is told what happens to a set: the story for its report, and a screen if somebody watches.

use std::collections::BTreeMap;
use std::future::pending;

use byztop_core::telemetry::ConsoleRequest;
use byztop_core::types::{ReplicaId, View};
use tokio::sync::mpsc;

use crate::books::NewView;
use crate::clock::unix_now;
use crate::session::{Outbox, link_event, process_event};
use crate::stop::Stop;
use crate::tui::{CaseEvent, CaseList, CaseWish, Chronicle, Command, FeedEvent, Happening, Roster};
use crate::watch::{News, Watch};

/// The readers of a report, and whoever watches.
pub(super) struct Audience {
    roster: Roster,
    list: CaseList,
    chronicle: Chronicle,
    screen: Option<Screen>,
}

/// A screen and what somebody wants there.
pub(super) struct Screen {
    pub(super) outbox: Outbox,
    pub(super) commands: mpsc::Receiver<Command>,
    /// Ends everything when somebody leaves the screen.
    pub(super) stop: Stop,
    /// The sets that are to run, the next one last.
    pub(super) wished: Vec<usize>,
    /// How many sets there are.
    pub(super) sets: usize,
}

impl Audience {
    /// Of these sets on clusters such as this one.
    pub(super) fn new(roster: Roster, list: CaseList, screen: Option<Screen>) -> Audience {
        let chronicle = Chronicle::new(&roster, unix_now());
        let mut audience = Audience { roster, list: list.clone(), chronicle, screen };
        audience.tell(FeedEvent::Case(CaseEvent::Listed(Box::new(list))));
        audience
    }

    /// The set at this place begins: nothing that happened before is of its story.
    pub(super) fn begin(&mut self, place: usize) {
        self.chronicle = Chronicle::new(&self.roster, unix_now());
        let listed = CaseEvent::Listed(Box::new(self.list.clone()));
        self.chronicle.apply(unix_now(), FeedEvent::Case(listed));
        self.tell(FeedEvent::Case(CaseEvent::Began { place }));
    }

    /// Something happened.
    pub(super) fn tell(&mut self, event: FeedEvent) {
        if let Some(screen) = &mut self.screen {
            screen.outbox.must_arrive(event.clone());
        }
        self.chronicle.apply(unix_now(), event);
    }

    /// Passes on what a watch has just heard.
    pub(super) fn hear(&mut self, watch: &mut Watch, news: &News) {
        if let News::Life(replica, life) = news {
            self.tell(FeedEvent::Process(*replica, process_event(life.clone())));
        }
        for (replica, event) in watch.take_news() {
            self.tell(FeedEvent::Link(replica, link_event(event)));
        }
    }

    /// What a replica is to be asked for somebody at the screen, or nothing if a set is wished for instead. Never returns
    /// without a screen; whatever else is wanted there is taken care of.
    pub(super) async fn request(&mut self) -> Option<(ReplicaId, ConsoleRequest)> {
        let Some(screen) = &mut self.screen else { return pending().await };
        loop {
            match screen.commands.recv().await {
                Some(Command::Send(replica, request)) => return Some((replica, request)),
                Some(Command::Case(wish)) => {
                    screen.wish(wish);
                    return None;
                }
                // Time, load and processes of a test case are its own.
                Some(
                    Command::Kill(_)
                    | Command::Restart(_)
                    | Command::SetRate(_)
                    | Command::Listen(_)
                    | Command::Simulate(_),
                ) => {}
                Some(Command::Quit) | None => {
                    screen.stop.ask();
                    return pending().await;
                }
            }
        }
    }

    /// Returns when a set is to run. No replica is asked for anything: none is up.
    pub(super) async fn wished(&mut self) {
        while !self.has_wish() {
            // A request to a cluster that is gone is answered by nobody.
            let _unanswerable = self.request().await;
        }
    }

    /// Whether a set is to run.
    pub(super) fn has_wish(&self) -> bool {
        self.screen.as_ref().is_some_and(|screen| !screen.wished.is_empty())
    }

    /// The next set that is to run.
    pub(super) fn take_wish(&mut self) -> Option<usize> {
        self.screen.as_mut()?.wished.pop()
    }

    /// What happened since the set began.
    pub(super) fn story(&self) -> Vec<Happening> {
        self.chronicle.happenings()
    }

    /// The views that somebody asked for since then.
    pub(super) fn views(&self) -> BTreeMap<View, NewView> {
        self.chronicle.views().clone()
    }
}

impl Screen {
    fn wish(&mut self, wish: CaseWish) {
        self.wished = match wish {
            CaseWish::One(place) => vec![place],
            CaseWish::From(place) => (place..self.sets).rev().collect(),
            CaseWish::Stop => Vec::new(),
        };
    }
}
