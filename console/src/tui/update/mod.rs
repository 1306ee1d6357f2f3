//! What an action does to model and screen, and what is to be done outside for it.

mod injections;
mod overlays;

use byztop_core::telemetry::{ConsoleRequest, Course};
use byztop_core::types::{ReplicaId, SeqNum};
use injections::{heal_all, inject, on_attack, undo};
use overlays::{on_chooser, on_confirm, on_filter, on_help, on_palette};

use super::action::{Action, Motion, Step};
use super::attacks::Change;
use super::filter::Filter;
use super::history::{History, Travel, travel};
use super::model::{Cases, Model};
use super::palette::Line;
use super::panes::{Pane, Zoom};
use super::ui::{Baseline, Overlay, Ui};
use super::{CaseEvent, CaseWish, Command, FeedEvent, Simulate};

/// A page of the replica table.
const PAGE: usize = 8;

/// Why nobody else may interfere with test cases.
const CASES_ARE_ALONE: &str = "a test case runs here: its attacks and processes are its own";

/// Why nobody may interfere with a recording.
const PAST: &str = "this has happened: a recording can not be changed";

/// Does what the user wants.
pub(super) fn update(model: &mut Model, ui: &mut Ui, action: Action) -> Vec<Command> {
    match std::mem::replace(&mut ui.overlay, Overlay::None) {
        Overlay::None => on_screen(model, ui, action),
        Overlay::Chooser(chooser) => on_chooser(model, ui, chooser, action),
        Overlay::Confirm(confirm) => on_confirm(model, ui, confirm, action),
        Overlay::Palette(line) => on_palette(model, ui, line, action),
        Overlay::Filter => on_filter(model, ui, action),
        Overlay::Help { search, scroll } => on_help(ui, search, scroll, action),
    }
}

/// Something came in that changes what the user looks at.
pub(super) fn on_event(ui: &mut Ui, event: &FeedEvent) {
    match event {
        // Whoever brings test cases wants to see them.
        FeedEvent::Case(CaseEvent::Listed(_)) => ui.open(Pane::Cases),
        FeedEvent::Simulated(time) if time.is_paused => ui.stands_at(time.step),
        FeedEvent::Case(CaseEvent::Began { place }) if ui.follows_case => {
            ui.case = *place;
            ui.scroll_back(Pane::Cases);
        }
        _ => {}
    }
}

/// A link came up: it is told what the screen shows.
pub(super) fn on_connected(ui: &Ui, replica: ReplicaId) -> Vec<Command> {
    ui.watched.map(|slot| Command::Send(replica, ConsoleRequest::WatchSlot(Some(slot)))).into_iter().collect()
}

fn on_screen(model: &mut Model, ui: &mut Ui, action: Action) -> Vec<Command> {
    match action {
        Action::Quit => return leave(ui),
        Action::Suspend => ui.wants_suspend = true,
        Action::Move(Motion::First) if is_in_time(ui) => ui.travel = Some(Travel::Oldest),
        Action::Move(Motion::Last) if is_in_time(ui) => ui.travel = Some(Travel::Newest),
        Action::Move(motion) => move_on(model, ui, motion),
        Action::Open(pane) => open(model, ui, pane),
        Action::NextPane => turn(model, ui, 1),
        Action::PreviousPane => turn(model, ui, Pane::ALL.len() - 1),
        Action::RunCase => return run_cases(model, ui, CaseWish::One),
        Action::RunCases => return run_cases(model, ui, CaseWish::From),
        Action::StopCases => return stop_cases(model, ui),
        Action::Attack(_) if model.cases.is_some() => ui.complain(CASES_ARE_ALONE),
        Action::Attack(_) if ui.is_replay() => ui.complain(PAST),
        Action::Attack(attack) => return on_attack(model, ui, attack),
        Action::Kill => return inject(model, ui, vec![Change::kill(ui.selection())]),
        Action::Restart => return inject(model, ui, vec![Change::restart(ui.selection())]),
        Action::Heal => return inject(model, ui, vec![Change::heal(model, ui.selection())]),
        Action::HealAll => return heal_all(model, ui),
        // Nothing goes on behind a simulation's back: its time is held, not the screen.
        Action::Freeze if model.simulation.is_some() => return vec![Command::Simulate(Simulate::PauseOrGoOn)],
        Action::Freeze => ui.travel = Some(Travel::HoldOrGoOn),
        Action::Simulate(wish) if model.simulation.is_some() => return vec![Command::Simulate(wish)],
        Action::Simulate(wish) => {
            ui.travel = Some(match wish {
                Simulate::PauseOrGoOn => Travel::HoldOrGoOn,
                Simulate::Forward(stride) => Travel::Forward(stride),
                Simulate::Back(stride) => Travel::Back(stride),
                Simulate::Faster => Travel::Faster,
                Simulate::Slower => Travel::Slower,
            });
        }
        Action::Slot(step) => return choose_slot(model, ui, step),
        Action::Zoom(step) => ui.slots_per_column = zoomed(ui.slots_per_column, step),
        Action::AllMessages => ui.shows_all_messages = !ui.shows_all_messages,
        Action::ViewChange => {
            ui.shows_view_change = !ui.shows_view_change;
            ui.tell_anew();
            ui.ask_again();
        }
        Action::Baseline => mark_baseline(model, ui),
        Action::Heat => {
            let rows = ui.shown(model).latencies.len() + usize::from(ui.shown(model).load.is_some());
            ui.heat_row = if ui.heat_row >= rows.saturating_sub(1) { 0 } else { ui.heat_row + 1 };
        }
        Action::Undo => return undo(model, ui),
        Action::Export => ui.wants_export = true,
        Action::Save => ui.wants_picture = true,
        Action::Record if model.simulation.is_some() => {
            ui.complain("a simulation is its own recording: its seed, or its scenario");
        }
        Action::Record if ui.is_replay() => ui.complain("this is a recording already"),
        Action::Record => ui.wants_record = true,
        Action::Help => ui.overlay = Overlay::Help { search: String::new(), scroll: 0 },
        Action::Palette => ui.overlay = Overlay::Palette(Line::default()),
        Action::Presets => ui.overlay = Overlay::Palette(Line::of("preset ")),
        Action::Filter if ui.has_filter() => ui.overlay = Overlay::Filter,
        Action::Filter => ui.complain("/ filters the event log on 1 and 8, the evidence on 6 and the ledger on 7"),
        Action::Cancel if ui.is_zoomed => ui.is_zoomed = false,
        Action::Cancel => change_filter(ui, |filter| *filter = Filter::default()),
        Action::Whole => ui.is_zoomed = !ui.is_zoomed,
        Action::Part(Step::More) => ui.zoom = ui.zoom.turned(1),
        Action::Part(Step::Less) => ui.zoom = ui.zoom.turned(Zoom::ALL.len() - 1),
        Action::Log => ui.is_log_large = !ui.is_log_large,
        Action::Follow => return watch(model, ui, None),
        Action::Toggle
        | Action::SwitchForm
        | Action::Accept
        | Action::Complete
        | Action::Type(_)
        | Action::Erase
        | Action::EraseAll => {}
    }
    Vec::new()
}

/// The slot before the one whose votes are shown, or the one after; the newest if there is none.
fn choose_slot(model: &Model, ui: &mut Ui, step: Step) -> Vec<Command> {
    let Some(newest) = ui.shown(model).newest_executed() else { return Vec::new() };
    let here = ui.watched.unwrap_or(newest);
    let there = match step {
        Step::Less => SeqNum(here.0.saturating_sub(1).max(1)),
        Step::More => here.next().min(newest),
    };
    watch(model, ui, Some(there))
}

/// 1, 2, 5, 10, 20, … slots in a column.
fn zoomed(per_column: u64, step: Step) -> u64 {
    const MOST: u64 = 5000;
    let leads_with_two = per_column.to_string().starts_with('2');
    let leads_with_five = per_column.to_string().starts_with('5');
    match step {
        Step::More if leads_with_two => (per_column * 5 / 2).min(MOST),
        Step::More => (per_column * 2).min(MOST),
        Step::Less if leads_with_five => per_column * 2 / 5,
        Step::Less => (per_column / 2).max(1),
    }
}

/// Remembers the latencies that are shown, or forgets what was remembered.
fn mark_baseline(model: &Model, ui: &mut Ui) {
    if ui.baseline.take().is_some() {
        return ui.say("no baseline any more");
    }
    let shown = ui.shown(model);
    let client = shown.load.as_ref().map(|load| load.latency.clone());
    ui.baseline = Some(Baseline { phases: shown.latencies.clone(), client });
    ui.say("the last ten seconds are the baseline; b again ends that");
}

/// Whether the ends of the keyboard are those of time: on a pane that shows the past and has nothing else to scroll.
fn is_in_time(ui: &Ui) -> bool {
    ui.frozen.is_some() && ui.pane == Pane::Overview
}

/// The arrows move what the pane has: its lines, or what is selected of it while pages scroll the lines.
fn move_on(model: &Model, ui: &mut Ui, motion: Motion) {
    let is_page = matches!(motion, Motion::PageUp | Motion::PageDown);
    match ui.pane {
        Pane::Evidence | Pane::Ledger => ui.scroll_by(motion, PAGE),
        Pane::Phases | Pane::Messages | Pane::Attacks | Pane::Cases if is_page => ui.scroll_by(motion, PAGE),
        Pane::Cases => {
            let sets = model.cases.as_ref().map_or(0, |cases| cases.sets.len());
            (ui.follows_case, ui.case) = (false, motion.apply(ui.case, sets, PAGE));
            ui.scroll_back(Pane::Cases);
        }
        Pane::Overview | Pane::Phases | Pane::Latency | Pane::Attacks | Pane::Messages => {
            ui.selected = motion.apply(ui.selected, model.replicas.len(), PAGE);
            ui.tell_anew();
        }
    }
}

fn open(model: &Model, ui: &mut Ui, pane: Pane) {
    if pane == Pane::Cases && model.cases.is_none() {
        return ui.complain("no test cases here: byztop run FILE.csv --watch brings those of a file");
    }
    ui.open(pane);
}

/// Another filter: pages show the first that passes it.
fn change_filter(ui: &mut Ui, change: impl FnOnce(&mut Filter)) {
    let before = ui.filter.clone();
    change(&mut ui.filter);
    if ui.filter != before {
        [Pane::Evidence, Pane::Ledger].into_iter().for_each(|pane| ui.scroll_back(pane));
    }
}

/// Opens the pane so many further, among those that have something to show.
fn turn(model: &Model, ui: &mut Ui, steps: usize) {
    let panes: Vec<Pane> = Pane::ALL.into_iter().filter(|pane| *pane != Pane::Cases || model.cases.is_some()).collect();
    let here = panes.iter().position(|pane| *pane == ui.pane).unwrap_or(0);
    let steps = if steps == 1 { 1 } else { panes.len() - 1 };
    ui.open(panes[(here + steps) % panes.len()]);
}

fn run_cases(model: &Model, ui: &mut Ui, wish: impl Fn(usize) -> CaseWish) -> Vec<Command> {
    match &model.cases {
        None => ui.complain("no test cases here: byztop run FILE.csv --watch brings those of a file"),
        Some(cases) if cases.is_running() => ui.complain("a set runs; x stops after it"),
        Some(_) => {
            ui.say("a fresh cluster is starting");
            ui.follows_case = true;
            return vec![Command::Case(wish(ui.case))];
        }
    }
    Vec::new()
}

fn stop_cases(model: &Model, ui: &mut Ui) -> Vec<Command> {
    if !model.cases.as_ref().is_some_and(Cases::is_running) {
        ui.complain("no set runs");
        return Vec::new();
    }
    ui.say("no more sets after this one");
    vec![Command::Case(CaseWish::Stop)]
}

/// Goes where in time the user wants to go, if anywhere. What was said before is of another moment.
pub(super) fn go_in_time(model: &Model, ui: &mut Ui, history: &History) -> Vec<Command> {
    let Some(wish) = ui.travel.take() else { return Vec::new() };
    let before = ui.attention();
    match travel(&mut ui.frozen, history, model, wish) {
        Ok(()) => ui.toast = None,
        Err(why) => ui.complain(why),
    }
    let now = ui.attention();
    (now != before).then_some(Command::Listen(now)).into_iter().collect()
}

/// Time has passed: what the pane shows and frames do not have is asked for as long as somebody looks at it.
pub(super) fn on_tick(model: &Model, ui: &mut Ui) -> Vec<Command> {
    if ui.is_replay() || !ui.asks_for_books() {
        return Vec::new();
    }
    let mut wanted = Vec::new();
    let is_live = ui.frozen.is_none();
    if is_live && ui.pane == Pane::Ledger {
        wanted.push(ConsoleRequest::Ledger);
    }
    // What has passed does not change any more: of that, what is not known yet.
    let shown = ui.shown(model);
    let is_unknown = |course: &Course| shown.courses.of(*course).or(model.courses.of(*course)).is_none();
    let course = ui.course(shown).filter(|course| is_live || is_unknown(course));
    if let (Pane::Phases | Pane::Messages, Some(course)) = (ui.pane, course) {
        wanted.push(ConsoleRequest::Trace(course));
    }
    let up = || model.replicas.iter().filter(|replica| replica.is_up());
    wanted.iter().flat_map(|request| up().map(|replica| Command::Send(replica.id, request.clone()))).collect()
}

fn watch(model: &Model, ui: &mut Ui, slot: Option<SeqNum>) -> Vec<Command> {
    (ui.watched, ui.shows_view_change) = (slot, false);
    ui.tell_anew();
    ui.ask_again();
    let up = model.replicas.iter().filter(|replica| replica.is_up());
    up.map(|replica| Command::Send(replica.id, ConsoleRequest::WatchSlot(slot))).collect()
}

fn leave(ui: &mut Ui) -> Vec<Command> {
    ui.is_over = true;
    vec![Command::Quit]
}
