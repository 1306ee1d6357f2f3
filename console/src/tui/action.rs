//! What a user may want, whatever it was that said so: a key, the palette, a test.

use super::Simulate;
use super::panes::Pane;

/// Something to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Action {
    /// Leave.
    Quit,
    /// Leave the terminal to the shell for a while.
    Suspend,
    /// Select another replica, or move within what lies over the screen.
    Move(Motion),
    /// Set or end an attack on the selected replica.
    Attack(Injection),
    /// Kill the selected replica's process.
    Kill,
    /// Start the selected replica's process again.
    Restart,
    /// End all attacks on the selected replica; starts it again if it was killed from here.
    Heal,
    /// The same for all replicas.
    HealAll,
    /// Hold the screen as it is, or let it live again; of a simulation, time itself.
    Freeze,
    /// Let a simulation go a step further, or back, or faster, or slower.
    Simulate(Simulate),
    /// Bring back what held before the last change to attacks and processes.
    Undo,
    /// Save the screen as text and SVG.
    Save,
    /// Export the figures behind the pane as CSV and JSON.
    Export,
    /// Begin a recording, or end it.
    Record,
    /// Show the votes of the slot before the one that is shown, or of the next.
    Slot(Step),
    /// Let more slots share a column, or fewer.
    Zoom(Step),
    /// Give the marked part of the overview the whole screen, or everything its place again.
    Whole,
    /// Mark the part of the overview before, or the next.
    Part(Step),
    /// Compare latencies with those of now, or with none.
    Baseline,
    /// Show the heat map of other latencies.
    Heat,
    /// Draw every message, or those of the selected replica.
    AllMessages,
    /// Draw the last view change instead of a slot, or a slot again.
    ViewChange,
    /// Open a pane.
    Open(Pane),
    /// Open the next pane.
    NextPane,
    /// Open the pane before.
    PreviousPane,
    /// Run the selected test case.
    RunCase,
    /// Run the selected test case and all after it.
    RunCases,
    /// Run no more test cases once the one that runs is judged.
    StopCases,
    /// Open or close the help.
    Help,
    /// Open the command line.
    Palette,
    /// Open the command line to choose among attacks that go together.
    Presets,
    /// Type what lines must contain to be shown.
    Filter,
    /// Make the event log larger or smaller.
    Log,
    /// Follow the newest slot's votes again.
    Follow,
    /// Choose or drop the victim under the cursor.
    Toggle,
    /// Switch between the forms of an attack.
    SwitchForm,
    /// Do what is offered.
    Accept,
    /// Close what lies over the screen.
    Cancel,
    /// Complete the word at the cursor.
    Complete,
    /// Append a character.
    Type(char),
    /// Drop the last character.
    Erase,
    /// Drop everything typed.
    EraseAll,
}

/// One way or the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Less,
    More,
}

/// Where to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Motion {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
}

impl Motion {
    /// The row after this motion from row `from` of `rows`; a page is `page` rows.
    pub(super) fn apply(self, from: usize, rows: usize, page: usize) -> usize {
        let last = rows.saturating_sub(1);
        match self {
            Motion::Up => from.saturating_sub(1),
            Motion::Down => from.saturating_add(1).min(last),
            Motion::PageUp => from.saturating_sub(page.max(1)),
            Motion::PageDown => from.saturating_add(page.max(1)).min(last),
            Motion::First => 0,
            Motion::Last => last,
        }
    }
}

/// The attacks that have a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Injection {
    Crash,
    Delay,
    Dark,
    Equivocate,
    Sign,
}

impl Injection {
    /// Its name in the attack language.
    pub(super) fn name(self) -> &'static str {
        match self {
            Injection::Crash => "crash",
            Injection::Delay => "time",
            Injection::Dark => "dark",
            Injection::Equivocate => "equivocation",
            Injection::Sign => "sign",
        }
    }
}

#[cfg(test)]
mod tests {
    use byztop_core::attack::Attack;

    use super::*;

    #[test]
    fn every_key_of_an_attack_sets_one_that_the_language_has() {
        let names: Vec<&str> = Attack::names().iter().map(|usage| usage.name).collect();
        for keyed in [Injection::Crash, Injection::Delay, Injection::Dark, Injection::Equivocate, Injection::Sign] {
            assert!(names.contains(&keyed.name()), "{}", keyed.name());
        }
    }
}
