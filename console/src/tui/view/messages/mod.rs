//! The pane of messages: who told whom what about one slot, or on the way into one view, and when it came.

mod told;

use std::collections::BTreeMap;

use byztop_core::protocol::Topic;
use byztop_core::telemetry::{Course, LogEntry};
use byztop_core::types::{Digest, Micros, ReplicaId, SeqNum, Time, View};
use ratatui::style::Style;

use super::axis::Axis;
use super::canvas::Canvas;
use super::page::Page;
use super::spacetime::{Lines, Plane, Slant};
use crate::books::{Courses, End, Journey, Sheet, main_digests};
use crate::tui::model::Model;
use crate::tui::panes::Pane;
use crate::tui::text::{grouped, millis};
use crate::tui::theme::Theme;
use crate::tui::ui::Ui;

/// Columns of a replica's name, and of when it was done.
const NAME: usize = 7;
const DONE: usize = 11;

/// A replica's own line by how far the slot is there: none, pre-prepared, prepared, committed, executed.
const OWN: [char; 5] = ['·', '╌', '─', '━', '═'];

/// Where a message left, by the phase that it serves, so that no colour is needed.
const LEFT: [char; 3] = ['●', '◆', '■'];

/// What became of a message that did not come as it should.
const MISSING: char = '◌';
const KEPT: char = '╳';
const HELD_BACK: char = '…';
const REFUSED: char = 'x';
const OTHER_BATCH: char = '≠';

/// How many rows replicas are apart at most.
const MOST_APART: usize = 7;

/// The lines below the diagram that stay whatever its height.
const BELOW: usize = 5;

/// A course as it is drawn.
struct Scene<'a> {
    model: &'a Model,
    ui: &'a Ui,
    sheet: &'a Sheet,
    journeys: Vec<Journey>,
    main: BTreeMap<(View, SeqNum), Digest>,
    began: Time,
}

/// Which course is looked at; what is known is one that the screen shows or, of the past, one that was asked for since.
pub(in crate::tui) fn sheet<'a>(model: &'a Model, live: &'a Courses, ui: &Ui) -> Option<&'a Sheet> {
    let of = |course| model.courses.of(course).or_else(|| live.of(course));
    if !ui.follows_newest() {
        return ui.course(model).and_then(of);
    }
    // Of a moment of the past its own newest slot, if that is known; else the one that was looked at then.
    let exact = ui.course(model).filter(|_| ui.frozen.is_some()).and_then(of);
    exact.or_else(|| model.courses.newest_slot(model.known().count()))
}

pub(super) fn draw(model: &Model, live: &Courses, ui: &Ui, mut canvas: Canvas) -> usize {
    let theme = &ui.theme;
    let Some(sheet) = sheet(model, live, ui) else {
        canvas.rule(0, &title(ui.course(model), None), theme.title, theme.faint);
        let why = match ui.course(model) {
            _ if ui.is_replay() => "nobody looked at the messages of this slot when it was recorded",
            None if ui.shows_view_change => "no view change yet: all are in the first view",
            None => "nothing is ordered yet",
            Some(_) => "the replicas are being asked for what they sent and heard",
        };
        canvas.put(1, 1, why, theme.dim);
        return 0;
    };
    of_sheet(model, ui, sheet, "", canvas)
}

/// The least height at which every replica has a line between it and the next, and something is told below.
pub(super) fn fits(replicas: usize) -> usize {
    2 * replicas + 3 + BELOW
}

/// The diagram of a course, and what is told below it. It has the course's name unless it is given another.
pub(super) fn of_sheet(model: &Model, ui: &Ui, sheet: &Sheet, name: &str, mut canvas: Canvas) -> usize {
    let theme = &ui.theme;
    let scene = Scene::new(model, ui, sheet);
    let named = |proposal| if name.is_empty() { title(Some(sheet.course), proposal) } else { name.to_string() };
    let Some(axis) = scene.axis(canvas.width().saturating_sub(NAME + DONE)) else {
        canvas.rule(0, &named(None), theme.title, theme.faint);
        let why = "no replica remembers messages of it any more: they keep those of the last seconds";
        canvas.put(1, 1, why, theme.dim);
        return 0;
    };
    let replicas = model.replicas.len();
    // Title, scale and legend are always there; as few replicas as there are have the room for more than their lines.
    let room = canvas.height().saturating_sub(BELOW + 3).max(1);
    let rows = room.min(replicas);
    let apart = ((room - 1) / (rows - 1).max(1)).clamp(1, MOST_APART);
    let first = (ui.selected + 1).saturating_sub(rows).min(replicas - rows);
    let height = (rows - 1) * apart + 1;
    scene.heading(&named(scene.proposal()), &axis, &mut canvas);
    scene.scale(&axis, &mut canvas.part(0, 1, usize::MAX, 1));
    scene.diagram(&axis, first..first + rows, apart, canvas.part(0, 2, usize::MAX, height));
    scene.legend(&mut canvas.part(0, height + 2, usize::MAX, 1));
    let (width, below) = (canvas.width(), canvas.height().saturating_sub(height + 3));
    let mut page = Page::default();
    scene.remarks(width.saturating_sub(2), &mut page);
    scene.arrivals(width.saturating_sub(2), &mut page);
    page.draw(ui.scroll(Pane::Messages), theme, canvas.part(0, height + 3, width, below))
}

/// When the messages of a course came to the selected replica, for other panes.
pub(super) fn arrivals(model: &Model, ui: &Ui, sheet: &Sheet, width: usize, page: &mut Page) {
    Scene::new(model, ui, sheet).arrivals(width, page);
}

/// What a course is called.
pub(super) fn title(course: Option<Course>, proposal: Option<(View, Digest)>) -> String {
    match (course, proposal) {
        (Some(Course::Slot(seq)), Some((view, Digest::ZERO))) => {
            format!("slot {seq} in view {view}, the null request")
        }
        (Some(Course::Slot(seq)), Some((view, digest))) => {
            format!("slot {seq} in view {view}, batch {}", digest.short())
        }
        (Some(Course::Slot(seq)), None) => format!("slot {seq}"),
        (Some(Course::View(view)), _) => format!("the way into view {view}"),
        (None, _) => "messages".to_string(),
    }
}

impl<'a> Scene<'a> {
    fn new(model: &'a Model, ui: &'a Ui, sheet: &'a Sheet) -> Scene<'a> {
        let journeys = sheet.journeys(|id, time| model.correct(id, time));
        let began = journeys.iter().filter_map(Journey::begin).min();
        let entered = sheet.tellers().iter().filter_map(|id| Some((id, sheet.entry(id)?.pre_prepared?)));
        let entered = entered.map(|(id, at)| model.correct(id, at)).min();
        let began = began.into_iter().chain(entered).min().unwrap_or_default();
        Scene { model, ui, sheet, main: main_digests(&journeys), journeys, began }
    }

    fn theme(&self) -> &Theme {
        &self.ui.theme
    }

    /// Milliseconds after the beginning, to ten microseconds as long as that says something.
    fn since(&self, at: Time) -> String {
        match at.since(self.began).0 {
            0 => "0".to_string(),
            micros @ 1..100_000 => format!("{:.2}", micros as f64 / 1000.0),
            micros => millis(Micros(micros)),
        }
    }

    /// When the slot had ended each phase at a replica, by the console's clock.
    fn steps(&self, id: ReplicaId) -> [Option<Time>; 4] {
        let entry = self.sheet.entry(id);
        let of = |step: fn(&LogEntry) -> Option<Time>| Some(self.model.correct(id, step(entry?)?));
        [of(|e| e.pre_prepared), of(|e| e.prepared), of(|e| e.committed), of(|e| e.executed)]
    }

    fn axis(&self, width: usize) -> Option<Axis> {
        let mut moments: Vec<Time> = Vec::new();
        for journey in &self.journeys {
            moments.extend(journey.held.as_ref().map(|(at, _)| *at));
            moments.extend([journey.left, journey.came].into_iter().flatten());
        }
        moments.extend(self.sheet.tellers().iter().flat_map(|id| self.steps(id)).flatten());
        Axis::of(moments, width)
    }

    /// What was proposed for the slot, in the newest view that somebody knows of.
    fn proposal(&self) -> Option<(View, Digest)> {
        self.sheet.tellers().iter().filter_map(|id| self.sheet.entry(id)?.proposal).max_by_key(|(view, _)| *view)
    }

    fn heading(&self, name: &str, axis: &Axis, canvas: &mut Canvas) {
        let theme = self.theme();
        let (from, until) = axis.ends();
        let sent = self.journeys.iter().filter(|journey| journey.left.is_some()).count();
        let told = format!(" {} messages, {} ms ", grouped(sent as u64), millis(until.since(from)));
        canvas.rule(0, name, theme.title, theme.faint);
        canvas.put_right(canvas.width().saturating_sub(1), 0, &told, theme.dim);
    }

    /// The moments above the diagram, and what was left out.
    fn scale(&self, axis: &Axis, canvas: &mut Canvas) {
        let theme = self.theme();
        let width = canvas.width().saturating_sub(NAME + DONE);
        canvas.put(NAME, 0, "0", theme.dim);
        for column in (0..width).step_by(20).skip(1).filter(|column| column + 12 < width) {
            let at = axis.moment(column);
            canvas.put(NAME + column, 0, &format!("╷{}", self.since(at)), theme.faint);
        }
        let (_, until) = axis.ends();
        let end = format!("{} ms", self.since(until));
        canvas.put_right(NAME + width, 0, &end, theme.dim);
        if matches!(self.sheet.course, Course::Slot(_)) {
            canvas.put_right(canvas.width().saturating_sub(1), 0, "done", theme.dim);
        }
        for (column, left_out) in axis.breaks() {
            let text = format!(" ≈{} ", millis(left_out));
            let last = (NAME + width).saturating_sub(end.len() + text.chars().count());
            canvas.put((NAME + column).saturating_sub(text.chars().count() / 2).min(last), 0, &text, theme.warn);
        }
    }

    fn diagram(&self, axis: &Axis, shown: std::ops::Range<usize>, apart: usize, mut canvas: Canvas) {
        let (theme, ui) = (self.theme(), self.ui);
        let (width, height) = (canvas.width().saturating_sub(NAME + DONE), canvas.height());
        let plane = Plane { axis, rows_apart: apart };
        let row = |id: ReplicaId| shown.contains(&id.index()).then(|| id.index() - shown.start);
        for id in self.model.committee.members().filter(|id| shown.contains(&id.index())) {
            let y = (id.index() - shown.start) * apart;
            self.own_line(axis, id, y, width, &mut canvas);
        }
        for (column, _) in axis.breaks() {
            for y in 0..height {
                canvas.put_char(NAME + column, y, '≈', theme.warn);
            }
        }
        let mut field = canvas.part(NAME, 0, width, height);
        let mut lines = Lines::new(width, height);
        let mut marks: Vec<(usize, usize, char, Style)> = Vec::new();
        for journey in &self.journeys {
            let (Some(from), Some(to)) = (row(journey.from), row(journey.to)) else { continue };
            let is_selected = journey.from == ui.selection() || journey.to == ui.selection();
            let is_shown = is_selected || ui.shows_all_messages;
            let (look, weight) = match self.oddity(journey) {
                Some((_, style)) => (style, 3),
                None if is_selected => (self.look(&journey.name), 2),
                None if ui.shows_all_messages => (theme.faint, 1),
                None => (theme.faint, 0),
            };
            if let (Some((wanted, _)), Some(left)) = (&journey.held, journey.left.or(Some(axis.ends().1))) {
                for x in axis.column(*wanted)..axis.column(left) {
                    field.put_char(x, from * apart, HELD_BACK, theme.attack);
                }
            }
            match (journey.left, journey.came) {
                (Some(left), Some(came)) if is_shown || weight == 3 => {
                    lines.draw(&plane, Slant { from: (left, from), to: (came, to) }, look, weight);
                    let head = if from < to { '▾' } else { '▴' };
                    let mark = self.oddity(journey).map_or(head, |(glyph, _)| glyph);
                    marks.push((axis.column(came), to * apart, mark, look));
                    marks.push((axis.column(left), from * apart, self.mark(&journey.name), self.look(&journey.name)));
                }
                (Some(left), None) if weight == 3 => {
                    let slant = Slant { from: (left, from), to: (self.expected(journey, left), to) };
                    let (x, y) = lines.draw_broken(&plane, slant, look, weight);
                    marks.push((axis.column(left), from * apart, self.mark(&journey.name), self.look(&journey.name)));
                    marks.push((x, y, self.oddity(journey).map_or(KEPT, |(glyph, _)| glyph), look));
                }
                (None, Some(came)) => marks.push((axis.column(came), to * apart, '▾', look)),
                _ => {}
            }
        }
        lines.put(&plane, &mut field);
        marks.sort_by_key(|(_, _, glyph, _)| [KEPT, MISSING, REFUSED, OTHER_BATCH].contains(glyph));
        for (x, y, glyph, style) in marks {
            field.put_char(x, y, glyph, style);
        }
    }

    /// A replica's own line: how far it is with the slot, and when it was done.
    fn own_line(&self, axis: &Axis, id: ReplicaId, y: usize, width: usize, canvas: &mut Canvas) {
        let (theme, replica) = (self.theme(), &self.model.replicas[id.index()]);
        let is_selected = id == self.ui.selection();
        if is_selected {
            canvas.put_char(0, y, '▸', theme.key);
        }
        let leads = self.model.reign().is_some_and(|reign| reign.leader == id);
        if leads {
            canvas.put_char(1, y, '★', theme.leader);
        }
        let style = match replica.attack().is_some_and(|attack| !attack.is_empty()) {
            true => theme.attack,
            false if is_selected => theme.key,
            false => theme.text,
        };
        canvas.put(2, y, &id.to_string(), style);
        if !self.sheet.tellers().contains(id) {
            for x in (0..width).step_by(2) {
                canvas.put_char(NAME + x, y, '?', theme.unknown);
            }
            return;
        }
        let steps = self.steps(id);
        for x in 0..width {
            let at = axis.moment(x);
            let phase = steps.iter().rposition(|step| step.is_some_and(|step| step <= at)).map_or(0, |step| step + 1);
            let (glyph, style) = match self.sheet.course {
                Course::Slot(_) => (OWN[phase], theme.phases[phase]),
                Course::View(_) => ('─', theme.faint),
            };
            canvas.put_char(NAME + x, y, glyph, style);
        }
        if let (Course::Slot(_), executed) = (self.sheet.course, steps[3]) {
            let text = executed.map_or("-".to_string(), |at| self.since(at));
            canvas.put_right(canvas.width().saturating_sub(1), y, &text, theme.text);
        }
    }

    /// When a message would have come that did not, had it been as quick as the others.
    fn expected(&self, journey: &Journey, left: Time) -> Time {
        let of_name = self.journeys.iter().filter(|other| other.name == journey.name);
        let mut took: Vec<Micros> = of_name.filter_map(|other| Some(other.came?.since(other.left?))).collect();
        took.sort_unstable();
        left.after(took.get(took.len() / 2).copied().unwrap_or(Micros(300)))
    }

    /// Which phase messages of a name serve, if any; those of view changes serve none.
    fn place(&self, name: &str) -> Option<usize> {
        self.model.phases.iter().position(|phase| phase == name).map(|phase| phase.min(LEFT.len() - 1))
    }

    fn is_first(&self, name: &str) -> bool {
        self.journeys.first().is_some_and(|first| first.name == name)
    }

    /// The sign of messages of a name, where they left.
    fn mark(&self, name: &str) -> char {
        LEFT[self.place(name).unwrap_or(if self.is_first(name) { 0 } else { LEFT.len() - 1 })]
    }

    /// The style of messages of a name: that of the phase that they serve.
    fn look(&self, name: &str) -> Style {
        let theme = self.theme();
        match self.place(name) {
            Some(phase) => theme.phases[phase + 1],
            None if self.is_first(name) => theme.client,
            None => theme.good,
        }
    }

    /// What is odd about a message, as a glyph; nothing if it went as it should.
    fn oddity(&self, journey: &Journey) -> Option<(char, Style)> {
        let theme = self.theme();
        match &journey.end {
            End::Refused(_) => Some((REFUSED, theme.bad)),
            End::Withheld(_) => Some((KEPT, theme.attack)),
            End::Unsent | End::NotThere => Some((MISSING, theme.warn)),
            End::Arrived | End::Unknown if self.is_of_another_batch(journey) => Some((OTHER_BATCH, theme.bad)),
            End::Arrived | End::Unknown => None,
        }
    }

    fn is_of_another_batch(&self, journey: &Journey) -> bool {
        match journey.topic {
            Topic::Slot { view, seq, digest } => self.main.get(&(view, seq)).is_some_and(|main| *main != digest),
            Topic::View(_) => false,
        }
    }

    /// What its messages are called, in the order in which they were seen.
    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for journey in &self.journeys {
            if !names.contains(&journey.name.as_str()) {
                names.push(&journey.name);
            }
        }
        names
    }

    fn legend(&self, canvas: &mut Canvas) {
        let theme = self.theme();
        let mut x = 1;
        for name in self.names() {
            canvas.put_char(x, 0, self.mark(name), self.look(name));
            x = canvas.put(x + 2, 0, name, theme.dim) + 2;
        }
        let glyphs = [
            (MISSING, theme.warn, "not there"),
            (KEPT, theme.attack, "kept"),
            (HELD_BACK, theme.attack, "held back"),
            (REFUSED, theme.bad, "refused"),
            (OTHER_BATCH, theme.bad, "another batch"),
        ];
        x += 1;
        for (glyph, style, text) in glyphs {
            if x + 2 + text.len() > canvas.width() {
                break;
            }
            canvas.put_char(x, 0, glyph, style);
            x = canvas.put(x + 2, 0, text, theme.dim) + 2;
        }
    }
}
