//! The places of the screen: its panes, the parts of the first of them, and where keys mean something of their own.

/// What the keys act on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Context {
    Screen,
    /// Panes that have keys of their own, besides those of the screen.
    Overview,
    Phases,
    Latency,
    Messages,
    Attacks,
    Cases,
    Chooser,
    Confirm,
    Palette,
    Filter,
    Help,
}

impl Context {
    /// Where a key is looked for: here, then where it holds if it does nothing of its own here.
    pub(super) fn ladder(self) -> Vec<Context> {
        match self {
            Context::Overview
            | Context::Phases
            | Context::Latency
            | Context::Messages
            | Context::Attacks
            | Context::Cases => {
                vec![self, Context::Screen]
            }
            other => vec![other],
        }
    }

    /// Whether letters are typed rather than pressed.
    pub(super) fn takes_text(self) -> bool {
        matches!(self, Context::Palette | Context::Filter | Context::Help)
    }
}

/// A tab of the screen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Pane {
    /// Everything in brief.
    #[default]
    Overview,
    /// Slots and how far each replica is with them.
    Phases,
    /// How long everything takes.
    Latency,
    /// Who told whom what of one slot or view change.
    Messages,
    /// Who does what, and what came of it.
    Attacks,
    /// What replicas hold against each other.
    Evidence,
    /// The books: state, slots, log, views.
    Ledger,
    /// Test cases.
    Cases,
}

impl Pane {
    /// All of them, in the order of their numbers.
    pub(super) const ALL: [Pane; 8] = [
        Pane::Overview,
        Pane::Phases,
        Pane::Latency,
        Pane::Messages,
        Pane::Attacks,
        Pane::Evidence,
        Pane::Ledger,
        Pane::Cases,
    ];

    /// The key that opens it.
    pub(super) fn key(self) -> char {
        match self {
            Pane::Overview => '1',
            Pane::Phases => '2',
            Pane::Latency => '3',
            Pane::Messages => '4',
            Pane::Attacks => '5',
            Pane::Evidence => '6',
            Pane::Ledger => '7',
            Pane::Cases => '8',
        }
    }

    /// Its name.
    pub(super) fn title(self) -> &'static str {
        match self {
            Pane::Overview => "overview",
            Pane::Phases => "phases",
            Pane::Latency => "latency",
            Pane::Messages => "messages",
            Pane::Attacks => "attacks",
            Pane::Evidence => "evidence",
            Pane::Ledger => "ledger",
            Pane::Cases => "cases",
        }
    }
}

/// A part of the overview that can have the screen to itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Zoom {
    Replicas,
    Phases,
    Votes,
    Latency,
    #[default]
    Events,
}

impl Zoom {
    /// All of them, from top to bottom.
    pub(super) const ALL: [Zoom; 5] = [Zoom::Replicas, Zoom::Phases, Zoom::Votes, Zoom::Latency, Zoom::Events];

    /// The part so many further, and round.
    pub(super) fn turned(self, steps: usize) -> Zoom {
        let here = Zoom::ALL.iter().position(|zoom| *zoom == self).unwrap_or(0);
        Zoom::ALL[(here + steps) % Zoom::ALL.len()]
    }
}
