//! The one table of keys: what each does, its hint, its help. Key handling, hint line and help all read it.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::action::{Action, Injection, Motion, Step};
use super::panes::{Context, Pane};
use super::simulated::{Simulate, Stride};

/// A key and what it does.
pub(super) struct Binding {
    /// Where it holds.
    pub context: Context,
    /// The key.
    pub key: KeyCode,
    /// With the control key held.
    pub ctrl: bool,
    /// What it does.
    pub action: Action,
    /// The key as people read it.
    pub label: &'static str,
    /// One or two words for the hint line; empty for none.
    pub hint: &'static str,
    /// A line for the help; empty for the second of two keys that do the same.
    pub help: &'static str,
    /// The word that does the same in the palette; empty for none.
    pub word: &'static str,
}

macro_rules! key {
    ($context:ident, $key:expr, $action:expr, $label:literal, $hint:literal, $help:literal) => {
        key!($context, $key, $action, $label, $hint, $help, "")
    };
    ($context:ident, $key:expr, $action:expr, $label:literal, $hint:literal, $help:literal, $word:literal) => {
        Binding {
            context: Context::$context,
            key: $key,
            ctrl: false,
            action: $action,
            label: $label,
            hint: $hint,
            help: $help,
            word: $word,
        }
    };
}

/// All keys. The order is that of hint line and help.
#[rustfmt::skip]
pub(super) const BINDINGS: &[Binding] = {
    use Action::{Accept, Attack, Cancel, Complete, Erase, Filter, Freeze, Heal, HealAll, Help, Log, Move, NextPane, Open, Palette, PreviousPane, Quit, RunCase, RunCases, StopCases, SwitchForm, Toggle};
    use Simulate::{Back, Faster, Forward, Slower};
    use Injection::{Crash, Dark, Delay, Equivocate, Sign};
    use KeyCode::{BackTab, Backspace, Char, Down, End, Enter, Esc, Home, Left, PageDown, PageUp, Right, Tab, Up};
    &[
        key!(Screen, Char(' '), Freeze, "space", "freeze", "hold the screen still, or let it live again; a simulation or a recording pauses", "freeze"),
        key!(Screen, Char('['), Action::Simulate(Back(Stride::Slot)), "[", "", "back to where the last slot was executed; the screen is held there", "back"),
        key!(Screen, Char(']'), Action::Simulate(Forward(Stride::Slot)), "]", "slot", "forward to where the next slot is executed", "step"),
        key!(Screen, Char('{'), Action::Simulate(Back(Stride::Event)), "{", "", "one event back"),
        key!(Screen, Char('}'), Action::Simulate(Forward(Stride::Event)), "}", "event", "one event forward"),
        key!(Screen, Char('+'), Action::Simulate(Faster), "+ -", "speed", "let the time of a simulation or a recording pass faster or slower", "faster"),
        key!(Screen, Char('='), Action::Simulate(Faster), "=", "", ""),
        key!(Screen, Char('-'), Action::Simulate(Slower), "-", "", "", "slower"),
        key!(Screen, Char('c'), Attack(Crash), "c", "crash", "the selected replica falls silent; again: ends it", "crash"),
        key!(Screen, Char('d'), Attack(Delay), "d", "delay", "it sends everything 500 ms late; again: ends it", "delay"),
        key!(Screen, Char('k'), Attack(Dark), "k", "dark", "it sends nothing to the victims that you choose; again: ends it", "dark"),
        key!(Screen, Char('e'), Attack(Equivocate), "e", "equivocate", "as primary it tells the victims something else; again: ends it", "equivocate"),
        key!(Screen, Char('K'), Action::Kill, "K", "kill", "kill the selected replica's process, as kill -9 does"),
        key!(Screen, Char('R'), Action::Restart, "R", "restart", "start the selected replica again, once it is dead"),
        key!(Screen, Char('s'), Attack(Sign), "s", "sign", "everything it sends is badly signed; again: ends it", "sign"),
        key!(Screen, Char('H'), Heal, "H", "heal", "end every attack on the selected replica; restart it if K killed it"),
        key!(Screen, Char('A'), HealAll, "A", "heal all", "end every attack, and restart every replica that K killed"),
        key!(Screen, Tab, NextPane, "Tab", "panes", "the next pane", "next"),
        key!(Screen, BackTab, PreviousPane, "Shift-Tab", "", "the pane before", "previous"),
        key!(Screen, Char('1'), Open(Pane::Overview), "1", "", "everything in brief", "overview"),
        key!(Screen, Char('2'), Open(Pane::Phases), "2", "", "phases: slots by replica, and when each phase of one slot ended where", "phases"),
        key!(Screen, Char('3'), Open(Pane::Latency), "3", "", "latency: of each phase and of the client, and how it was over time", "latency"),
        key!(Screen, Char('4'), Open(Pane::Messages), "4", "", "messages: who told whom what of one slot or view change, and when it came", "messages"),
        key!(Screen, Char('5'), Open(Pane::Attacks), "5", "", "attacks: who does what, and what came of each; the keys of attacks work here, too"),
        key!(Screen, Char('6'), Open(Pane::Evidence), "6", "", "evidence: what replicas hold against each other, and how certain that is", "evidence"),
        key!(Screen, Char('7'), Open(Pane::Ledger), "7", "", "the ledger: state, slots, log and views of each replica", "ledger"),
        key!(Screen, Char('8'), Open(Pane::Cases), "8", "", "test cases; byztop run FILE.csv --watch brings them", "cases"),
        key!(Overview, Char('z'), Action::Whole, "z", "zoom", "give the marked part of the overview the whole screen; again, or Esc: everything", "zoom"),
        key!(Overview, Left, Action::Part(Step::Less), "Left Right", "part", "mark another part of the overview, or go on to it while one is zoomed"),
        key!(Overview, Right, Action::Part(Step::More), "Right", "", ""),
        key!(Phases, Left, Action::Slot(Step::Less), "Left Right", "slot", "choose the slot before or after; its votes and times are shown"),
        key!(Phases, Right, Action::Slot(Step::More), "Right", "", ""),
        key!(Phases, Char('f'), Action::Follow, "f", "follow", "show the newest slot again", ""),
        key!(Phases, Char('<'), Action::Zoom(Step::More), "< >", "zoom", "more or fewer slots in a column", "zoom-out"),
        key!(Phases, Char('>'), Action::Zoom(Step::Less), ">", "", "", "zoom-in"),
        key!(Phases, PageUp, Move(Motion::PageUp), "PgUp PgDn", "", "scroll what is told at the end"),
        key!(Phases, PageDown, Move(Motion::PageDown), "PgDn", "", ""),
        key!(Latency, Char('b'), Action::Baseline, "b", "baseline", "compare with the latencies of the last seconds from now on; again: no more", "baseline"),
        key!(Latency, Char('h'), Action::Heat, "h", "heat of", "the heat map of the next row", "heat"),
        key!(Messages, Left, Action::Slot(Step::Less), "Left Right", "slot", "draw the slot before or after"),
        key!(Messages, Right, Action::Slot(Step::More), "Right", "", ""),
        key!(Messages, Char('f'), Action::Follow, "f", "follow", "draw the newest slot that a quorum has executed, or the one that all wait for"),
        key!(Messages, Char('a'), Action::AllMessages, "a", "all", "draw every message, or those of the selected replica and what is odd", "all-messages"),
        key!(Messages, Char('v'), Action::ViewChange, "v", "view change", "draw the last view change, or a slot again", "view-change"),
        key!(Messages, PageUp, Move(Motion::PageUp), "PgUp PgDn", "", "scroll what is told below the diagram"),
        key!(Messages, PageDown, Move(Motion::PageDown), "PgDn", "", ""),
        key!(Attacks, Char('p'), Action::Presets, "p", "presets", "choose among presets, attacks that go together: Tab completes, Enter sets them"),
        key!(Attacks, PageUp, Move(Motion::PageUp), "PgUp PgDn", "", "scroll what came of attacks"),
        key!(Attacks, PageDown, Move(Motion::PageDown), "PgDn", "", ""),
        key!(Cases, Enter, RunCase, "Enter", "run", "run the selected set on a fresh cluster"),
        key!(Cases, Char('a'), RunCases, "a", "run all", "run the selected set and all after it"),
        key!(Cases, PageUp, Move(Motion::PageUp), "PgUp PgDn", "", "scroll what is told of the selected set"),
        key!(Cases, PageDown, Move(Motion::PageDown), "PgDn", "", ""),
        key!(Cases, Char('x'), StopCases, "x", "stop", "run no more sets once the one that runs is judged"),
        key!(Screen, Char('u'), Action::Undo, "u", "undo", "bring back what held before the last change to attacks and processes", "undo"),
        key!(Screen, Char(':'), Palette, ":", "command", "type a command: attack, heal, kill, restart, goto, rate, …"),
        key!(Screen, Char('/'), Filter, "/", "filter", "show only what contains some words, of the event log, the evidence or the ledger; Esc: all", "filter"),
        key!(Screen, Char('r'), Action::Record, "r", "record", "write what happens to a file, and what is remembered; again: ends it", "record"),
        key!(Screen, Char('S'), Action::Save, "S", "", "save the screen as text and SVG in this folder", "save"),
        key!(Screen, Char('E'), Action::Export, "E", "", "export the figures behind the pane as CSV and JSON in this folder", "export"),
        key!(Screen, Char('l'), Log, "l", "log", "make the event log larger or smaller", "log"),
        key!(Screen, Char('?'), Help, "?", "help", "this help; type to search in it", "help"),
        key!(Screen, Char('q'), Quit, "q", "quit", "leave, as Ctrl-C does; a cluster that was started here ends", "quit"),
        key!(Screen, Up, Move(Motion::Up), "↑ ↓", "", "select a replica"),
        key!(Screen, Down, Move(Motion::Down), "↓", "", ""),
        key!(Screen, Home, Move(Motion::First), "Home End", "", "the first or the last replica; of what is remembered, the oldest or the newest"),
        key!(Screen, End, Move(Motion::Last), "End", "", ""),
        key!(Screen, PageUp, Move(Motion::PageUp), "PgUp PgDn", "", "select a replica further up or down"),
        key!(Screen, PageDown, Move(Motion::PageDown), "PgDn", "", ""),
        key!(Screen, Esc, Cancel, "Esc", "", "leave what is zoomed, or drop the filter"),
        key!(Screen, Backspace, Cancel, "Backspace", "", ""),
        Binding { ctrl: true, ..key!(Screen, Char('z'), Action::Suspend, "Ctrl-Z", "", "back to the shell; fg returns") },

        key!(Chooser, Enter, Accept, "Enter", "attack", "attack these victims"),
        key!(Chooser, Char(' '), Toggle, "space", "choose", "choose or drop the victim at the mark"),
        key!(Chooser, Char('m'), SwitchForm, "m", "form", "equivocate by another number, or by another batch"),
        key!(Chooser, Tab, SwitchForm, "Tab", "", ""),
        key!(Chooser, Up, Move(Motion::Up), "↑ ↓", "", "move the mark"),
        key!(Chooser, Down, Move(Motion::Down), "↓", "", ""),
        key!(Chooser, Home, Move(Motion::First), "Home", "", ""),
        key!(Chooser, End, Move(Motion::Last), "End", "", ""),
        key!(Chooser, PageUp, Move(Motion::PageUp), "PgUp", "", ""),
        key!(Chooser, PageDown, Move(Motion::PageDown), "PgDn", "", ""),
        key!(Chooser, Esc, Cancel, "Esc", "back", "attack nobody"),
        key!(Chooser, Backspace, Cancel, "Backspace", "", ""),
        key!(Chooser, Char('q'), Cancel, "q", "", ""),

        key!(Confirm, Enter, Accept, "Enter", "do it", "do it all the same"),
        key!(Confirm, Char('y'), Accept, "y", "", ""),
        key!(Confirm, Esc, Cancel, "Esc", "back", "do nothing"),
        key!(Confirm, Backspace, Cancel, "Backspace", "", ""),
        key!(Confirm, Char('n'), Cancel, "n", "", ""),
        key!(Confirm, Char('q'), Cancel, "q", "", ""),

        key!(Palette, Enter, Accept, "Enter", "run", "run the command"),
        key!(Palette, Tab, Complete, "Tab", "complete", "complete the word"),
        key!(Palette, Up, Move(Motion::Up), "↑ ↓", "", "earlier and later commands"),
        key!(Palette, Down, Move(Motion::Down), "↓", "", ""),
        key!(Palette, Backspace, Erase, "Backspace", "", "erase; closes an empty line"),
        key!(Palette, Esc, Cancel, "Esc", "back", "close the command line"),

        key!(Filter, Enter, Accept, "Enter", "keep", "keep the filter; / changes it"),
        key!(Filter, Esc, Cancel, "Esc", "drop", "drop the filter: everything is shown"),
        key!(Filter, Backspace, Erase, "Backspace", "", "erase; closes an empty line"),
        key!(Filter, Up, Move(Motion::Up), "↑ ↓", "", "scroll what passes, on the panes that scroll"),
        key!(Filter, Down, Move(Motion::Down), "↓", "", ""),
        key!(Filter, PageUp, Move(Motion::PageUp), "PgUp", "", ""),
        key!(Filter, PageDown, Move(Motion::PageDown), "PgDn", "", ""),

        key!(Help, Esc, Cancel, "Esc", "back", "close the help"),
        key!(Help, Enter, Cancel, "Enter", "", ""),
        key!(Help, Char('?'), Cancel, "?", "", ""),
        key!(Help, Up, Move(Motion::Up), "↑ ↓", "scroll", "scroll"),
        key!(Help, Down, Move(Motion::Down), "↓", "", ""),
        key!(Help, PageUp, Move(Motion::PageUp), "PgUp", "", ""),
        key!(Help, PageDown, Move(Motion::PageDown), "PgDn", "", ""),
        key!(Help, Home, Move(Motion::First), "Home", "", ""),
        key!(Help, End, Move(Motion::Last), "End", "", ""),
        key!(Help, Backspace, Erase, "Backspace", "", "erase; closes an empty search"),
    ]
};

/// What a key event means in a context; nothing for a key's release.
pub(super) fn action(context: Context, event: KeyEvent) -> Option<Action> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
    let is_text = context.takes_text() && !ctrl;
    match event.code {
        KeyCode::Char('c') if ctrl => return Some(Action::Quit),
        KeyCode::Char('z') if ctrl => return Some(Action::Suspend),
        KeyCode::Char('u') if ctrl && context.takes_text() => return Some(Action::EraseAll),
        _ => {}
    }
    let find = |context| BINDINGS.iter().find(|b| b.context == context && b.key == event.code && b.ctrl == ctrl);
    let bound = context.ladder().into_iter().find_map(find);
    match (bound, event.code) {
        (Some(binding), _) => Some(binding.action.clone()),
        (None, KeyCode::Char(c)) if is_text => Some(Action::Type(c)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_does_two_things() {
        for (i, a) in BINDINGS.iter().enumerate() {
            for b in &BINDINGS[..i] {
                assert!((a.context, a.key, a.ctrl) != (b.context, b.key, b.ctrl), "{} twice", a.label);
            }
        }
    }

    #[test]
    fn only_presses_and_repeats_act() {
        let mut event = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::NONE);
        assert_eq!(action(Context::Screen, event), Some(Action::Attack(Injection::Crash)));
        event.kind = KeyEventKind::Repeat;
        assert!(action(Context::Screen, event).is_some());
        event.kind = KeyEventKind::Release;
        assert_eq!(action(Context::Screen, event), None);
    }

    #[test]
    fn control_c_leaves_from_anywhere() {
        let event = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        for context in
            [Context::Screen, Context::Chooser, Context::Confirm, Context::Palette, Context::Filter, Context::Help]
        {
            assert_eq!(action(context, event), Some(Action::Quit));
        }
    }

    #[test]
    fn letters_are_text_where_text_is_typed() {
        let event = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
        assert_eq!(action(Context::Palette, event), Some(Action::Type('q')));
        assert_eq!(action(Context::Screen, event), Some(Action::Quit));
    }
}
