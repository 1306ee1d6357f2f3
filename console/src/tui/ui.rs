//! What the user looks at and has half done: everything on the screen that is not knowledge of the cluster.

use byztop_core::telemetry::Course;
use byztop_core::types::{Micros, ReplicaId, SeqNum, Time};
use jiff::tz::TimeZone;
use ratatui::style::Style;

use super::Attention;
use super::action::Motion;
use super::attacks::{Before, Change};
use super::chooser::Chooser;
use super::filter::Filter;
use super::history::{Frozen, Travel};
use super::model::{Model, Recent};
use super::palette::Line;
use super::panes::{Context, Pane, Zoom};
use super::theme::{Glyphs, Theme};

/// How long a message to the user stays.
const TOAST: Micros = Micros::from_millis(5000);

/// How often the books are asked for while they are looked at: the ledger costs replicas a Merkle update each time.
const BOOKS_EVERY: Micros = Micros::from_millis(1000);

/// How many commands the palette remembers.
const MAX_HISTORY: usize = 100;

/// What lies over the screen.
#[derive(Clone, Debug)]
pub(super) enum Overlay {
    /// Nothing.
    None,
    /// Victims are chosen.
    Chooser(Chooser),
    /// More replicas than f would be attacked.
    Confirm(Confirm),
    /// A command is typed.
    Palette(Line),
    /// What the filter lets pass is typed.
    Filter,
    /// The help.
    Help {
        /// What is searched for.
        search: String,
        /// The first entry that is shown.
        scroll: usize,
    },
}

/// Latencies as they once were.
#[derive(Clone, Debug)]
pub(super) struct Baseline {
    /// Of each phase, and execution.
    pub phases: Vec<Recent>,
    /// Of the client, if there was one.
    pub client: Option<Recent>,
}

/// A question before something that breaks what the protocol promises.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Confirm {
    /// What will break.
    pub question: String,
    /// What is done if the answer is yes.
    pub changes: Vec<Change>,
}

/// A message to the user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Toast {
    pub text: String,
    pub is_error: bool,
    until: Time,
}

/// The state of the screen.
#[derive(Debug)]
pub(super) struct Ui {
    pub theme: Theme,
    pub glyphs: Glyphs,
    /// For the log's times.
    pub zone: TimeZone,
    /// The selected replica's row.
    pub selected: usize,
    pub overlay: Overlay,
    pub pane: Pane,
    /// The marked part of the overview, and whether it has the screen to itself.
    pub zoom: Zoom,
    pub is_zoomed: bool,
    /// How many slots share a column of the pane of phases.
    pub slots_per_column: u64,
    /// Latencies that others are compared with: of each phase, execution, and the client.
    pub baseline: Option<Baseline>,
    /// Which row of latencies the heat map is of; beyond the last is the last.
    pub heat_row: usize,
    /// The first line that each pane shows of what is longer than the screen.
    scrolls: [usize; Pane::ALL.len()],
    /// The furthest such line, as the pane was drawn last.
    pub furthest: usize,
    /// Whether that diagram has every message, or those of the selected replica and what is odd.
    pub shows_all_messages: bool,
    /// Whether it is of the last view change, or of a slot.
    pub shows_view_change: bool,
    /// When the books of the pane were last asked for.
    books_asked: Option<Time>,
    /// At which step a simulation stood when this was last known.
    simulated_step: u64,
    /// The selected test case, and whether the selection goes along with what runs.
    pub case: usize,
    pub follows_case: bool,
    /// The past, while the screen shows that.
    pub frozen: Option<Frozen>,
    /// Where in time the user wants to go.
    pub travel: Option<Travel>,
    /// The user wants the screen as a file.
    pub wants_picture: bool,
    /// The user wants the figures behind the pane as files.
    pub wants_export: bool,
    /// The user wants a recording to begin, or to end.
    pub wants_record: bool,
    /// Whether a recording is being written.
    pub is_recording: bool,
    pub is_log_large: bool,
    /// What lines of log, evidence and ledger must contain to be shown.
    pub filter: Filter,
    /// The slot whose votes are shown; the newest if none is named.
    pub watched: Option<SeqNum>,
    pub toast: Option<Toast>,
    /// What held before each of the last changes to attacks and processes, oldest first.
    pub undo: Vec<Vec<Before>>,
    /// Commands that were run, oldest first.
    pub history: Vec<String>,
    /// The wall clock at the last look: messages to the user go by it, whatever clock the cluster goes by.
    now: Time,
    /// The user wants to leave.
    pub is_over: bool,
    /// The user wants the shell.
    pub wants_suspend: bool,
}

impl Ui {
    /// Nothing open, the first replica selected.
    pub(super) fn new(theme: Theme, zone: TimeZone) -> Ui {
        Ui {
            theme,
            glyphs: Glyphs::Unicode,
            zone,
            selected: 0,
            overlay: Overlay::None,
            pane: Pane::Overview,
            zoom: Zoom::default(),
            is_zoomed: false,
            slots_per_column: 1,
            baseline: None,
            heat_row: usize::MAX,
            scrolls: [0; Pane::ALL.len()],
            furthest: 0,
            shows_all_messages: false,
            shows_view_change: false,
            books_asked: None,
            simulated_step: 0,
            case: 0,
            follows_case: false,
            frozen: None,
            travel: None,
            wants_picture: false,
            wants_export: false,
            wants_record: false,
            is_recording: false,
            is_log_large: false,
            filter: Filter::default(),
            watched: None,
            toast: None,
            undo: Vec::new(),
            history: Vec::new(),
            now: Time(0),
            is_over: false,
            wants_suspend: false,
        }
    }

    /// What is shown: the past, or what is known now.
    pub(super) fn shown<'a>(&'a self, live: &'a Model) -> &'a Model {
        self.frozen.as_ref().map_or(live, |frozen| &frozen.model)
    }

    /// Whether it is a recording that is shown.
    pub(super) fn is_replay(&self) -> bool {
        self.frozen.as_ref().is_some_and(|frozen| frozen.bar.is_recording)
    }

    /// How closely the cluster is watched.
    pub(super) fn attention(&self) -> Attention {
        if self.frozen.is_some() { Attention::Held } else { Attention::Live }
    }

    /// What the keys act on.
    pub(super) fn context(&self) -> Context {
        match self.overlay {
            Overlay::None if self.pane == Pane::Overview => Context::Overview,
            Overlay::None if self.pane == Pane::Phases => Context::Phases,
            Overlay::None if self.pane == Pane::Latency => Context::Latency,
            Overlay::None if self.pane == Pane::Messages => Context::Messages,
            Overlay::None if self.pane == Pane::Attacks => Context::Attacks,
            Overlay::None if self.pane == Pane::Cases => Context::Cases,
            Overlay::None => Context::Screen,
            Overlay::Chooser(_) => Context::Chooser,
            Overlay::Confirm(_) => Context::Confirm,
            Overlay::Palette(_) => Context::Palette,
            Overlay::Filter => Context::Filter,
            Overlay::Help { .. } => Context::Help,
        }
    }

    /// The selected replica.
    pub(super) fn selection(&self) -> ReplicaId {
        ReplicaId(u8::try_from(self.selected).unwrap_or(u8::MAX))
    }

    /// Whether it is time to ask for what the pane shows and frames do not have; then it counts as asked for.
    pub(super) fn asks_for_books(&mut self) -> bool {
        let is_due = self.books_asked.is_none_or(|asked| self.now.since(asked) >= BOOKS_EVERY);
        let asks = matches!(self.pane, Pane::Phases | Pane::Messages | Pane::Ledger) && is_due;
        if asks {
            self.books_asked = Some(self.now);
        }
        asks
    }

    /// What the pane shows has changed: it is asked for at once.
    pub(super) fn ask_again(&mut self) {
        self.books_asked = None;
    }

    /// A simulation stands still somewhere: what it shows there is asked for once.
    pub(super) fn stands_at(&mut self, step: u64) {
        if std::mem::replace(&mut self.simulated_step, step) != step {
            self.ask_again();
        }
    }

    /// The course whose messages are looked at, if there is one.
    pub(super) fn course(&self, model: &Model) -> Option<Course> {
        match self.watched {
            _ if self.shows_view_change && self.pane == Pane::Messages => model.newest_view_change(),
            Some(slot) => Some(Course::Slot(slot)),
            None => model.newest_course(),
        }
    }

    /// Whether that is whichever slot is the newest.
    pub(super) fn follows_newest(&self) -> bool {
        self.watched.is_none() && !(self.shows_view_change && self.pane == Pane::Messages)
    }

    /// How the name of a part of the overview looks: the one that would be zoomed is marked.
    pub(super) fn name_style(&self, part: Zoom) -> Style {
        let is_marked = self.pane == Pane::Overview && self.zoom == part;
        if is_marked { self.theme.open } else { self.theme.title }
    }

    /// Whether this pane has lines that can be filtered.
    pub(super) fn has_filter(&self) -> bool {
        matches!(self.pane, Pane::Overview | Pane::Evidence | Pane::Ledger | Pane::Cases)
    }

    /// From which line on a pane shows what is longer than the screen.
    pub(super) fn scroll(&self, pane: Pane) -> usize {
        self.scrolls[pane as usize]
    }

    /// Shows other lines of the pane.
    pub(super) fn scroll_by(&mut self, motion: Motion, page: usize) {
        let line = &mut self.scrolls[self.pane as usize];
        *line = motion.apply((*line).min(self.furthest), self.furthest + 1, page);
    }

    /// Shows a pane from its first line on.
    pub(super) fn scroll_back(&mut self, pane: Pane) {
        self.scrolls[pane as usize] = 0;
    }

    /// Other messages are told of, or those of another replica: from the first line on.
    pub(super) fn tell_anew(&mut self) {
        [Pane::Phases, Pane::Messages].into_iter().for_each(|pane| self.scroll_back(pane));
    }

    /// Opens a pane.
    pub(super) fn open(&mut self, pane: Pane) {
        (self.pane, self.is_zoomed) = (pane, false);
        self.ask_again();
    }

    /// Tells the user something.
    pub(super) fn say(&mut self, text: impl Into<String>) {
        self.toast = Some(Toast { text: text.into(), is_error: false, until: self.now.after(TOAST) });
    }

    /// Tells the user that something did not work.
    pub(super) fn complain(&mut self, text: impl Into<String>) {
        self.toast = Some(Toast { text: text.into(), is_error: true, until: self.now.after(TOAST) });
    }

    /// Time passes; says whether something on the screen changed by that alone.
    pub(super) fn tick(&mut self, now: Time) -> bool {
        self.now = now;
        self.toast.take_if(|toast| toast.until <= now).is_some()
    }

    /// Remembers what held before a change.
    pub(super) fn remember_before(&mut self, before: Vec<Before>) {
        self.undo.push(before);
        if self.undo.len() > MAX_HISTORY {
            self.undo.remove(0);
        }
    }

    /// Remembers a command.
    pub(super) fn remember(&mut self, command: &str) {
        if self.history.last().is_none_or(|last| last != command) {
            self.history.push(command.to_string());
        }
        if self.history.len() > MAX_HISTORY {
            self.history.remove(0);
        }
    }
}
