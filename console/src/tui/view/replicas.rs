//! The table of replicas. A lost link turns its row to `?`.

use std::ops::Range;

use byztop_core::telemetry::Frame;
use byztop_core::types::{Micros, SeqNum};
use ratatui::style::Style;

use super::super::model::{Link, Model, Process, Replica};
use super::super::text::{age, bar, cut, millis};
use super::super::theme::Theme;
use super::super::ui::Ui;
use super::canvas::Canvas;

/// A column of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Column {
    Name,
    Role,
    Link,
    View,
    Slot,
    Lag,
    Checkpoint,
    State,
    Rtt,
    Cpu,
    Memory,
    Disk,
    Attack,
    Minute,
}

/// All columns: title, width, and weight, of which the lightest go first when room is short. Text that follows numbers
/// keeps off them by a cell.
const COLUMNS: [(Column, &str, usize, u8); 14] = [
    (Column::Name, "name", 4, 9),
    (Column::Role, "role", 11, 9),
    (Column::Link, "link", 5, 9),
    (Column::View, "view", 5, 8),
    (Column::Slot, "slot", 9, 7),
    (Column::Lag, "lag", 6, 6),
    (Column::Checkpoint, "chk", 9, 1),
    (Column::State, " state", 10, 3),
    (Column::Rtt, "rtt", 6, 2),
    (Column::Cpu, "cpu", 4, 2),
    (Column::Memory, "mem", 4, 0),
    (Column::Disk, "disk", 4, 0),
    (Column::Attack, " attack/recovery", 16, 9),
    (Column::Minute, "last minute", MINUTE, 4),
];

/// What is left over goes to the attacks, up to so much, then to the last minute, up to a column for each second.
const MINUTE: usize = 12;
const WIDEST_MINUTE: usize = 60;
const ATTACK_SHARE: usize = 18;

fn is_number(column: Column) -> bool {
    use Column::{Checkpoint, Cpu, Disk, Lag, Memory, Rtt, Slot, View};
    matches!(column, View | Slot | Lag | Checkpoint | Rtt | Cpu | Memory | Disk)
}

fn is_text_after_number(column: Column) -> bool {
    matches!(column, Column::State | Column::Attack)
}

/// The columns that fit, with their widths. Each is followed by a gap of one or two cells. Simulated replicas have no
/// links and processes of their own.
fn columns(width: usize, is_simulated: bool) -> (Vec<(Column, &'static str, usize)>, usize) {
    let gap = if width >= 130 { 2 } else { 1 };
    let mut chosen = COLUMNS.to_vec();
    let is_of_process = |column| matches!(column, Column::Rtt | Column::Cpu | Column::Memory | Column::Disk);
    chosen.retain(|(column, ..)| !(is_simulated && is_of_process(*column)));
    let sum = |chosen: &[(Column, &str, usize, u8)]| chosen.iter().map(|(_, _, width, _)| width + gap).sum::<usize>();
    while let Some(lightest) = (0..chosen.len()).min_by_key(|i| chosen[*i].3).filter(|i| chosen[*i].3 < 9) {
        // What is merely nice to know leaves the attacks their room.
        let wanted = sum(&chosen) + if chosen[lightest].3 == 0 { ATTACK_SHARE } else { 0 };
        if wanted <= width + gap {
            break;
        }
        chosen.remove(lightest);
    }
    let left = (width + gap).saturating_sub(sum(&chosen));
    let has_minute = chosen.iter().any(|(column, ..)| *column == Column::Minute);
    let attack = left.min(ATTACK_SHARE);
    let minute = if has_minute { (left - attack).min(WIDEST_MINUTE - MINUTE) } else { 0 };
    for (column, _, width, _) in &mut chosen {
        *width += match column {
            Column::Attack => left - minute,
            Column::Minute => minute,
            _ => 0,
        };
    }
    (chosen.into_iter().map(|(column, title, width, _)| (column, title, width)).collect(), gap)
}

pub(super) fn draw(model: &Model, ui: &Ui, rows: Range<usize>, mut canvas: Canvas) {
    let theme = &ui.theme;
    // Two cells for the marks of selection and leader, and one at the end.
    let (columns, gap) = columns(canvas.width().saturating_sub(4), model.simulation.is_some());
    let scale = scale(rows.clone().map(|row| &model.replicas[row]));
    let leader = model.reign().map(|reign| reign.leader);
    let mut x = 3;
    for (column, title, width) in &columns {
        if is_number(*column) || *column == Column::Minute {
            canvas.put_right(x + width, 0, title, theme.dim);
        } else {
            canvas.put(x, 0, title, theme.dim);
        }
        x += width + gap;
    }
    for (y, row) in rows.enumerate().map(|(y, row)| (y + 1, row)) {
        let replica = &model.replicas[row];
        if row == ui.selected {
            canvas.put(0, y, "▸", theme.key);
        }
        if leader == Some(replica.id) {
            canvas.put(1, y, "★", theme.leader);
        }
        let mut x = 3;
        for (column, _, width) in &columns {
            match column {
                Column::Minute => minute(replica, scale, theme, &mut canvas.part(x, y, *width, 1)),
                _ => {
                    let indent = usize::from(is_text_after_number(*column));
                    let (text, style) = cell(model, replica, *column, width - indent, theme);
                    let text = cut(&text, width - indent);
                    if is_number(*column) {
                        canvas.put_right(x + width, y, &text, style);
                    } else {
                        canvas.put(x + indent, y, &text, style);
                    }
                }
            }
            x += width + gap;
        }
        if row == ui.selected {
            canvas.tint_row(y, theme.selected);
        }
    }
}

fn cell(model: &Model, replica: &Replica, column: Column, width: usize, theme: &Theme) -> (String, Style) {
    let frame = replica.known(model.now);
    match (column, frame) {
        (Column::Name, _) => name(model, replica, theme),
        (Column::Link, _) => link(model, replica, theme),
        (Column::Role, _) => role(model, replica, theme),
        (Column::Attack, _) => attack(model, replica, width, theme),
        (_, None) => ("?".into(), theme.unknown),
        (_, Some(frame)) => number(model, replica, frame, column, theme),
    }
}

fn number(model: &Model, replica: &Replica, frame: &Frame, column: Column, theme: &Theme) -> (String, Style) {
    let unknown = ("?".to_string(), theme.unknown);
    let status = &frame.status;
    match column {
        Column::View => (status.view.to_string(), theme.text),
        Column::Slot => (status.executed.to_string(), theme.text),
        Column::Lag => {
            model.lag(replica).map_or(unknown, |lag| (lag.to_string(), if lag > 0 { theme.warn } else { theme.dim }))
        }
        Column::Checkpoint => (status.stable.to_string(), theme.dim),
        Column::State => {
            let [a, b, c, d, ..] = frame.stable_digest.0;
            (format!("{a:02x}{b:02x} {c:02x}{d:02x}"), theme.dim)
        }
        Column::Rtt => replica.rtt.map_or(unknown, |rtt| (millis(rtt), theme.dim)),
        Column::Cpu => replica.cpu_percent().map_or(unknown, |cpu| (format!("{cpu}%"), theme.dim)),
        Column::Memory => (size(frame.counters.memory_bytes), theme.dim),
        Column::Disk => (size(frame.counters.disk_bytes), theme.dim),
        Column::Name | Column::Role | Column::Link | Column::Attack | Column::Minute => unknown,
    }
}

fn name(model: &Model, replica: &Replica, theme: &Theme) -> (String, Style) {
    let style = match replica.known(model.now) {
        _ if replica.is_dead() => theme.bad,
        _ if replica.is_out() => theme.warn,
        _ if replica.is_faulty() => theme.attack,
        Some(_) => theme.text,
        None => theme.dim,
    };
    (replica.id.to_string(), style)
}

fn link(model: &Model, replica: &Replica, theme: &Theme) -> (String, Style) {
    match &replica.link {
        Link::Up(_) if replica.known(model.now).is_some() => ("●".into(), theme.good),
        Link::Up(_) => ("◐".into(), theme.warn),
        Link::Connecting(since) => (format!("◌ {}", age(model.now.since(*since))), theme.warn),
        Link::Down(since, _) => (format!("✕ {}", age(model.now.since(*since))), theme.bad),
    }
}

fn role(model: &Model, replica: &Replica, theme: &Theme) -> (String, Style) {
    let Some(frame) = replica.known(model.now) else {
        return match replica.process {
            _ if replica.is_dead() => ("dead".into(), theme.bad),
            Process::Starting(_) => ("restarting".into(), theme.warn),
            _ => ("?".into(), theme.unknown),
        };
    };
    let leads = model.reign().is_some_and(|reign| reign.leader == replica.id);
    let silence = model.silence().filter(|_| leads);
    match (silence, frame.status.observing_until, frame.status.asking_for) {
        (Some(silence), ..) => (format!("silent {}", tenths(silence)), theme.bad),
        _ if frame.status.transfer.is_some() => ("transfer".into(), theme.warn),
        (_, Some(_), _) => ("watches".into(), theme.warn),
        (_, _, Some(view)) => (format!("asks {view}"), theme.warn),
        _ if leads => (model.leader.clone(), theme.leader),
        _ => ("backup".into(), theme.dim),
    }
}

/// Bytes in at most four characters, rounded up; a dash for nothing at all, such as the disk of a replica that remembers
/// nothing.
fn size(bytes: u64) -> String {
    match bytes {
        0 => "-".to_string(),
        1..1_000_000_000 => format!("{}M", bytes.div_ceil(1_000_000)),
        _ => format!("{}G", bytes.div_ceil(1_000_000_000)),
    }
}

fn tenths(span: Micros) -> String {
    match span.0 {
        short @ 0..10_000_000 => format!("{:.1}s", (short / 100_000) as f64 / 10.0),
        _ => age(span),
    }
}

fn attack(model: &Model, replica: &Replica, width: usize, theme: &Theme) -> (String, Style) {
    match (&replica.link, &replica.process, replica.attack()) {
        (_, Process::Killed(since), _) => (format!("killed {}", age(model.now.since(*since))), theme.bad),
        (_, Process::Exited(since, status), _) => {
            let since = age(model.now.since(*since));
            (format!("{} {since}", cut(status, width.saturating_sub(since.len() + 1))), theme.bad)
        }
        (Link::Down(..) | Link::Connecting(_), Process::Starting(since), _) => {
            (format!("no word yet {}", age(model.now.since(*since))), theme.warn)
        }
        (Link::Down(_, why), ..) => (why.clone(), theme.dim),
        (Link::Connecting(_), ..) => ("connecting".into(), theme.dim),
        (Link::Up(_), _, Some("")) => (recovery(model, replica, width), theme.warn),
        (Link::Up(_), _, Some(attack)) => {
            let since = replica.attacked_since.map_or(String::new(), |since| age(model.now.since(since)));
            let style = if replica.pending.is_some() { theme.pending } else { theme.attack };
            let attack = cut(attack, width.saturating_sub(since.len() + 1));
            (format!("{attack} {since}"), style)
        }
        (Link::Up(_), _, None) => ("?".into(), theme.unknown),
    }
}

/// How a replica comes back into step, as fully as there is room; nothing if it is in step.
fn recovery(model: &Model, replica: &Replica, width: usize) -> String {
    let Some(status) = replica.known(model.now).map(|frame| &frame.status) else { return String::new() };
    let forms = match (status.transfer, status.observing_until) {
        (Some(transfer), _) => {
            let percent = transfer.percent();
            let full = format!("transfer {transfer}");
            // Who sends is the first to go.
            let amount = transfer.to_string().split(" from ").next().unwrap_or_default().to_string();
            vec![full, amount, format!("transfer {percent}%")]
        }
        (None, Some(SeqNum(0))) => vec!["watches".to_string()],
        (None, Some(until)) => {
            vec![
                format!("watches until s{until}, stable s{}", status.stable),
                format!("watches until s{until}"),
                format!("until s{until}"),
            ]
        }
        (None, None) => return String::new(),
    };
    let shortest = forms.last().cloned().unwrap_or_default();
    forms.into_iter().find(|form| form.chars().count() <= width).unwrap_or(shortest)
}

/// What the bars of the last minute are drawn against: a third above the ninth tenth of all seconds, so that the burst
/// after a view change does not flatten everything else.
fn scale<'a>(replicas: impl Iterator<Item = &'a Replica>) -> f64 {
    let mut seconds: Vec<f64> = replicas.flat_map(|replica| replica.last_minute().1.flatten()).collect();
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() * 9 / 10).map_or(0.0, |high| high * 4.0 / 3.0)
}

/// Operations per second of the last minute, newest at the right. All replicas share one scale.
fn minute(replica: &Replica, scale: f64, theme: &Theme, canvas: &mut Canvas) {
    let width = canvas.width();
    let per_column = WIDEST_MINUTE.div_ceil(width.max(1)) as u64;
    let (after, seconds) = replica.last_minute();
    // Columns begin at multiples of their length, so that a bar, once complete, does not change any more.
    let newest = after.saturating_sub(1) / per_column;
    let mut columns: Vec<(f64, u32)> = vec![(0.0, 0); width];
    for (back, count) in seconds.enumerate() {
        let column = newest - (after.saturating_sub(1 + back as u64)) / per_column;
        if let (Some(count), Some((sum, known))) = (count, columns.get_mut(column as usize)) {
            *sum += count;
            *known += 1;
        }
    }
    for (back, (sum, known)) in columns.into_iter().enumerate() {
        let x = width - 1 - back;
        match known {
            0 => canvas.put_char(x, 0, ' ', theme.faint),
            known if sum > 0.0 => canvas.put_char(x, 0, bar(sum / f64::from(known), scale), theme.bars),
            _ => canvas.put_char(x, 0, '▁', theme.faint),
        }
    }
}
