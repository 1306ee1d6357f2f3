//! Which pane goes where, and which go without, at a given size.

use std::ops::Range;

use super::super::model::Model;
use super::super::panes::Zoom;
use super::super::ui::Ui;

/// From this size on, panes stand side by side in boxes.
const WIDE: (usize, usize) = (140, 42);

/// From this height on there is room for a border.
const ROOMY: usize = 30;

/// A part of the overview.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    Header,
    Simulation,
    /// Of the parts, where one is zoomed.
    Names,
    Replicas,
    Phases,
    Votes,
    Latency,
    Log,
    Steps,
    Hints,
}

impl Part {
    pub(super) fn title(self) -> Option<&'static str> {
        match self {
            Part::Replicas => Some("replicas"),
            Part::Phases => Some("phases"),
            Part::Votes => Some("votes"),
            Part::Latency => Some("latency"),
            Part::Log => Some("events"),
            Part::Steps => Some("steps"),
            Part::Header | Part::Simulation | Part::Names | Part::Hints => None,
        }
    }
}

impl From<Zoom> for Part {
    fn from(zoom: Zoom) -> Part {
        match zoom {
            Zoom::Replicas => Part::Replicas,
            Zoom::Phases => Part::Phases,
            Zoom::Votes => Part::Votes,
            Zoom::Latency => Part::Latency,
            Zoom::Events => Part::Log,
        }
    }
}

/// A pane and its place: column, row, width, height.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Placed {
    pub part: Part,
    pub place: (usize, usize, usize, usize),
    pub is_boxed: bool,
}

/// The places of all panes that are shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Plan {
    pub panes: Vec<Placed>,
    /// How many replicas are shown at once.
    rows: usize,
}

/// What a simulation takes of the screen.
struct Simulated {
    /// Below the header.
    lines: usize,
    /// At most, for the last events and a rule above them: those are known while time stands still.
    steps: usize,
}

impl Simulated {
    fn of(model: &Model) -> Simulated {
        let recent = model.simulation.as_ref().map_or(0, |simulation| simulation.recent.len());
        let steps = if recent > 0 { recent + 1 } else { 0 };
        Simulated { lines: usize::from(model.simulation.is_some()), steps }
    }
}

/// Collects panes from top to bottom.
struct Stack {
    panes: Vec<Placed>,
    x: usize,
    y: usize,
    width: usize,
}

impl Stack {
    fn add(&mut self, part: Part, height: usize, is_boxed: bool) {
        if height > 0 {
            self.panes.push(Placed { part, place: (self.x, self.y, self.width, height), is_boxed });
            self.y += height;
        }
    }
}

impl Plan {
    pub(super) fn new(width: usize, height: usize, model: &Model, ui: &Ui) -> Plan {
        let replicas = model.replicas.len();
        // Before a replica has named them, room is kept for three phases, the first of which has no votes of its own.
        let phases = if model.phases.is_empty() { 3 } else { model.phases.len() };
        // A row per phase, one for execution, and one for the load, which a simulation has not.
        let rows = phases + 1 + usize::from(model.simulation.is_none());
        let (votes, latencies) = (phases.saturating_sub(1).clamp(1, 4), rows);
        let (size, simulated) = ((width, height), Simulated::of(model));
        if width >= WIDE.0 && height >= WIDE.1 {
            Plan::side_by_side(size, &simulated, replicas, votes, ui)
        } else {
            Plan::stacked(size, &simulated, replicas, votes, latencies, ui)
        }
    }

    /// One below the other. What is left after header, hints and replicas goes to votes, a few lines of log, phases,
    /// latencies, in this order; then to boxes and rules; then to the log.
    fn stacked(
        (width, height): (usize, usize),
        simulated: &Simulated,
        replicas: usize,
        votes: usize,
        latencies: usize,
        ui: &Ui,
    ) -> Plan {
        let mut left = height.saturating_sub(2 + simulated.lines);
        // Few replicas are all shown even on a small screen; many leave room for the rest.
        let rows = replicas.min((left / 3).max(left.saturating_sub(votes + 5).min(8)));
        let mut take = |wish: usize| {
            let got = if wish <= left { wish } else { 0 };
            left -= got;
            got
        };
        let table = take(rows + 1);
        let (mut votes_height, mut phases, mut latency) = (0, 0, 0);
        if !ui.is_log_large {
            votes_height = take(votes);
        }
        let few = take(3);
        if !ui.is_log_large {
            phases = take(rows + 1);
            latency = take(latencies + 1);
            latency = if latency > 0 { latency } else { take(1) };
        }
        let border = if height >= ROOMY { take(2) } else { 0 };
        let log = few + take(1) + left;
        let mut stack = Stack { panes: Vec::new(), x: 0, y: 0, width };
        stack.add(Part::Header, 1, false);
        stack.add(Part::Simulation, simulated.lines, false);
        stack.add(Part::Replicas, table + border, border > 0);
        stack.add(Part::Phases, phases, false);
        stack.add(Part::Votes, votes_height, false);
        stack.add(Part::Latency, latency, false);
        let steps = simulated.steps.min(log.div_ceil(2));
        stack.add(Part::Log, log - steps, false);
        stack.add(Part::Steps, steps, false);
        stack.add(Part::Hints, 1, false);
        Plan { panes: stack.panes, rows }
    }

    /// Replicas and phases over the whole width; below them votes and latencies on the left, the log on the right.
    fn side_by_side(
        (width, height): (usize, usize),
        simulated: &Simulated,
        replicas: usize,
        votes: usize,
        ui: &Ui,
    ) -> Plan {
        let rows = replicas.min((height / 4).max(4));
        let mut stack = Stack { panes: Vec::new(), x: 0, y: 0, width };
        stack.add(Part::Header, 1, false);
        stack.add(Part::Simulation, simulated.lines, false);
        stack.add(Part::Replicas, rows + 3, true);
        if !ui.is_log_large {
            stack.add(Part::Phases, rows + 3, true);
        }
        let bottom = height.saturating_sub(stack.y + 1);
        let (y, half) = (stack.y, (width * 11 / 20).min(104).max(width / 2));
        let steps = if simulated.steps > 0 { (simulated.steps + 1).min(bottom / 2) } else { 0 };
        if ui.is_log_large {
            stack.add(Part::Log, bottom - steps, true);
            stack.add(Part::Steps, steps, true);
        } else {
            stack.width = half;
            let votes = (votes + 5).min(bottom);
            stack.add(Part::Votes, votes, true);
            stack.add(Part::Latency, bottom - votes, true);
            (stack.x, stack.y, stack.width) = (half, y, width - half);
            stack.add(Part::Log, bottom - steps, true);
            stack.add(Part::Steps, steps, true);
        }
        (stack.x, stack.y, stack.width) = (0, y + bottom, width);
        stack.add(Part::Hints, 1, false);
        Plan { panes: stack.panes, rows }
    }

    /// One part below the header and its name among the others.
    pub(super) fn zoomed(width: usize, height: usize, model: &Model, part: Part) -> Plan {
        let simulated = Simulated::of(model);
        let mut stack = Stack { panes: Vec::new(), x: 0, y: 0, width };
        stack.add(Part::Header, 1, false);
        stack.add(Part::Simulation, simulated.lines, false);
        stack.add(Part::Names, 1, false);
        let room = height.saturating_sub(stack.y + 1);
        stack.add(part, room, false);
        stack.add(Part::Hints, 1, false);
        Plan { panes: stack.panes, rows: model.replicas.len().min(room.saturating_sub(1).max(1)) }
    }

    /// The replicas that are shown: always with the selected one.
    pub(super) fn visible_rows(&self, selected: usize, replicas: usize) -> Range<usize> {
        let first = (selected + 1).saturating_sub(self.rows).min(replicas.saturating_sub(self.rows));
        first..(first + self.rows).min(replicas)
    }
}
