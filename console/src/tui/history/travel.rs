//! A screen that is held still: where in the past it is, and how it gets elsewhere.

use byztop_core::types::{Micros, Time};

use super::History;
use crate::tui::model::Model;
use crate::tui::{Speed, Stride};

/// How often the bar of a held screen follows the time that passes meanwhile.
const BAR_EVERY: Micros = Micros::from_millis(1000);

/// Where somebody who looks at the past wants to go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::tui) enum Travel {
    /// Hold the screen still, or let it live again; a recording plays, or stands still.
    HoldOrGoOn,
    /// On, to where something has changed.
    Forward(Stride),
    /// Back, to where something had.
    Back(Stride),
    /// To what is remembered first.
    Oldest,
    /// To what was heard last.
    Newest,
    /// So many microseconds on, or back.
    By(i64),
    /// Play faster, or slower.
    Faster,
    Slower,
}

/// What is shown while the screen does not follow the cluster.
#[derive(Clone, Debug)]
pub(in crate::tui) struct Frozen {
    /// What was known.
    pub model: Box<Model>,
    /// After so many entries.
    position: u64,
    /// The moment.
    clock: Time,
    /// Whether time passes.
    is_playing: bool,
    pace: Speed,
    /// What the bar shows.
    pub bar: Bar,
}

/// Where the moment lies in what is remembered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::tui) struct Bar {
    /// The oldest moment that is remembered, and the newest.
    pub from: Time,
    pub until: Time,
    /// The one that is shown.
    pub at: Time,
    /// Which entry that is, and how many there are.
    pub entry: u64,
    pub entries: u64,
    /// How fast time passes, if it does.
    pub pace: Option<Speed>,
    /// Whether this is a recording, which has no present to go back to.
    pub is_recording: bool,
}

/// Carries out what somebody wants who looks at a cluster that lives; says if there is nothing to do.
pub(in crate::tui) fn travel(
    frozen: &mut Option<Frozen>,
    history: &History,
    live: &Model,
    travel: Travel,
) -> Result<(), &'static str> {
    match (frozen.as_mut(), travel) {
        (Some(there), Travel::HoldOrGoOn) if !there.bar.is_recording => *frozen = None,
        (Some(there), Travel::Faster | Travel::Slower) if !there.bar.is_recording => {
            return Err("only a recording or a simulation passes faster; the load's rate is set by :rate");
        }
        (Some(there), travel) => there.travel(history, travel),
        (None, Travel::HoldOrGoOn) => *frozen = Some(Frozen::newest(history, live, false)),
        (None, Travel::Back(_) | Travel::Oldest | Travel::By(..0)) => {
            frozen.insert(Frozen::newest(history, live, false)).travel(history, travel);
        }
        (None, Travel::Forward(_) | Travel::Newest | Travel::By(_)) => return Err("this is the present: [ goes back"),
        (None, Travel::Faster | Travel::Slower) => {
            return Err("only a recording or a simulation passes faster; the load's rate is set by :rate");
        }
    }
    Ok(())
}

impl Frozen {
    /// The newest moment; `now` if nothing is remembered.
    pub(in crate::tui) fn newest(history: &History, live: &Model, is_recording: bool) -> Frozen {
        let (_, last) = history.ends();
        let model = Box::new(history.at(last).unwrap_or_else(|| live.without_complaints()));
        let clock = history.span().map_or(live.now, |(_, until)| until);
        let bar = Bar { from: clock, until: clock, at: clock, entry: last, entries: last, pace: None, is_recording };
        let mut frozen = Frozen { model, position: last, clock, is_playing: false, pace: Speed::REAL, bar };
        frozen.look(history);
        frozen
    }

    /// A position of what is remembered.
    #[cfg(test)]
    pub(in crate::tui) fn at(history: &History, live: &Model, position: u64) -> Frozen {
        let mut frozen = Frozen::newest(history, live, false);
        frozen.go(history, position);
        frozen.look(history);
        frozen
    }

    /// The oldest moment of a recording, from which it plays.
    pub(in crate::tui) fn playing_from_the_beginning(history: &History, live: &Model) -> Frozen {
        let mut frozen = Frozen::newest(history, live, true);
        frozen.go(history, history.ends().0);
        frozen.is_playing = true;
        frozen.look(history);
        frozen
    }

    /// Goes somewhere else. Whoever steps wants time to stand still.
    pub(in crate::tui) fn travel(&mut self, history: &History, travel: Travel) {
        let (first, last) = history.ends();
        match travel {
            Travel::HoldOrGoOn => {
                // At its end a recording begins again.
                if !self.is_playing && self.position == last {
                    self.go(history, first);
                }
                self.is_playing = !self.is_playing;
            }
            Travel::Faster => self.pace = self.pace.faster(),
            Travel::Slower => self.pace = self.pace.slower(),
            Travel::Forward(stride) => {
                self.is_playing = false;
                self.go(history, history.forward(self.position, stride));
            }
            Travel::Back(stride) => {
                self.is_playing = false;
                self.go(history, history.back(self.position, stride));
            }
            Travel::Oldest => self.go(history, first),
            Travel::Newest => self.go(history, last),
            Travel::By(micros) => {
                self.is_playing = false;
                let to = Time(self.clock.0.saturating_add_signed(micros));
                let to = history.span().map_or(to, |(from, until)| to.clamp(from, until));
                self.go(history, history.position_at(to));
                self.clock = to;
            }
        }
        self.look(history);
    }

    /// Real time has passed; says whether that shows.
    pub(in crate::tui) fn pass(&mut self, history: &History, real: Micros) -> bool {
        if !self.is_playing {
            return false;
        }
        let Some((_, until)) = history.span() else { return false };
        self.clock = self.clock.after(self.pace.of(real)).min(until);
        self.position = history.play(&mut self.model, self.position, self.clock);
        self.model.tick(self.clock);
        if self.position == history.ends().1 {
            self.is_playing = false;
        }
        self.look(history);
        true
    }

    /// Time has gone on while the screen was held: the bar follows, a second at a time. Says whether that shows.
    pub(in crate::tui) fn keep_up(&mut self, history: &History) -> bool {
        let is_due = history.span().is_some_and(|(_, until)| until.since(self.bar.until) >= BAR_EVERY);
        if is_due {
            self.look(history);
        }
        is_due
    }

    fn go(&mut self, history: &History, position: u64) {
        if let Some(model) = history.at(position) {
            (self.clock, self.position) = (model.now, position);
            *self.model = model;
        }
    }

    fn look(&mut self, history: &History) {
        let (first, last) = history.ends();
        let (from, until) = history.span().unwrap_or((self.clock, self.clock));
        let pace = self.is_playing.then_some(self.pace);
        let (entry, entries) = (self.position - first.min(self.position), last - first);
        self.bar = Bar { from, until, at: self.clock, entry, entries, pace, ..self.bar };
    }
}
