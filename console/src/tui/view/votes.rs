//! The votes of one slot, as the selected replica holds them; if that one is attacked, as an honest one does.

use byztop_core::protocol::PhaseVotes;
use byztop_core::types::{Digest, ReplicaId, ReplicaSet};
use ratatui::style::Style;

use super::super::model::{Model, Replica};
use super::super::panes::Zoom;
use super::super::text::cut;
use super::super::theme::Theme;
use super::super::ui::Ui;
use super::canvas::Canvas;

/// The quorum bar's width.
const BAR: usize = 10;

/// One replica's vote, seen from another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Vote {
    Counted,
    /// Somebody else has it.
    OnItsWay,
    Silent,
    /// For another digest.
    Other,
    /// Its voter's signatures are refused.
    Refused,
}

/// How many slots after a refused signature a missing vote is put down to it: refusals are told a few times a second.
const REFUSED_SLOTS: u64 = 512;

/// The selected replica, unless it is attacked: what an attacker counts says nothing about what its votes are worth.
fn observer<'a>(model: &'a Model, ui: &Ui) -> Option<&'a Replica> {
    let selected = model.replicas.get(ui.selected)?;
    let leader = model.reign().and_then(|reign| model.replicas.get(reign.leader.index()));
    let is_honest = |replica: &&Replica| !replica.is_faulty() && replica.known(model.now).is_some();
    let mut candidates = [Some(selected), leader].into_iter().flatten().chain(&model.replicas);
    candidates.find(is_honest).or(Some(selected))
}

pub(super) fn draw(model: &Model, ui: &Ui, is_boxed: bool, mut canvas: Canvas) {
    let theme = &ui.theme;
    let Some(replica) = observer(model, ui) else { return };
    let votes = replica.newest_votes().filter(|_| replica.known(model.now).is_some());
    let slot = ui.watched.or(votes.map(|votes| votes.seq)).map_or("?".to_string(), |slot| slot.to_string());
    let top = usize::from(is_boxed);
    let names = votes.iter().flat_map(|votes| &votes.phases).map(|phase| phase.phase.chars().count());
    let longest = names.max().unwrap_or(7).clamp(7, 14);
    // "votes" stands in the border of a box.
    let left = if is_boxed { 2 } else { 7 };
    let (phase_x, glyphs_x) = (left + slot.len() + 2, left + slot.len() + longest + 9);
    let shown = model.replicas.len().min(canvas.width().saturating_sub(glyphs_x + BAR + 8));
    if is_boxed {
        heading(model, ui, shown, glyphs_x, &mut canvas);
    } else {
        canvas.put(1, 0, "votes", ui.name_style(Zoom::Votes));
    }
    canvas.put(left, top, &slot, theme.text);
    let Some(votes) = votes.filter(|votes| ui.watched.is_none_or(|watched| watched == votes.seq)) else {
        let why = if ui.watched.is_some() { "not in its log" } else { "no data" };
        canvas.put(phase_x, top, &format!("? {why} at {}", replica.id), theme.unknown);
        return;
    };
    let last = votes.phases.len().saturating_sub(1);
    for (y, phase) in votes.phases.iter().enumerate().map(|(y, phase)| (y + top, phase)) {
        if votes.is_fast && y == last + top {
            canvas.put(phase_x, y, &cut(&phase.phase, longest), theme.dim);
            canvas.put(phase_x + longest + 1, y, "not needed: all have voted before", theme.fast);
            continue;
        }
        let digest = main_digest(phase);
        canvas.put(phase_x, y, &cut(&phase.phase, longest), theme.dim);
        let digest_text = match digest {
            Digest::ZERO if phase.by_digest.is_empty() => String::new(),
            Digest::ZERO => "null".to_string(),
            digest => digest.short(),
        };
        canvas.put(phase_x + longest + 1, y, &digest_text, theme.text);
        let sent = sent_elsewhere(model, replica, votes.seq, votes.view, &phase.phase);
        for (x, id) in model.committee.members().take(shown).enumerate() {
            let refused = model.replicas[id.index()].bad_signatures.back();
            let is_refused = refused.is_some_and(|slot| slot.plus(REFUSED_SLOTS) >= votes.seq);
            let vote = match vote(phase, digest, sent, id) {
                Vote::Silent | Vote::OnItsWay if is_refused => Vote::Refused,
                vote => vote,
            };
            let (glyph, style) = look(vote, theme);
            canvas.put_char(glyphs_x + x, y, glyph, style);
        }
        let counted = phase.by_digest.iter().find(|(d, _)| *d == digest).map_or(0, |(_, set)| set.len());
        let x = glyphs_x + shown + 1;
        let after = quorum_bar(counted, usize::from(phase.needed), theme, &mut canvas.part(x, y, BAR + 8, 1)) + x;
        if !is_boxed {
            aside(ui, replica.id, y, after + 3, &mut canvas);
        }
    }
    if is_boxed {
        let y = votes.phases.len() + top;
        let x = legend(theme, left, y, &mut canvas);
        canvas.put(x + 1, y, &format!("as {} sees it", replica.id), theme.dim);
        messages(model, theme, left, y + 1, &mut canvas);
    }
}

/// How many messages a slot takes, and which.
fn messages(model: &Model, theme: &Theme, x: usize, y: usize, canvas: &mut Canvas) {
    let Some(per_slot) = model.messages_per_slot() else { return };
    let total: f64 = per_slot.iter().map(|(_, count)| count).sum();
    let mut x = canvas.put(x, y, &format!("{total:.0}"), theme.text) + 1;
    x = canvas.put(x, y, "messages a slot:", theme.dim) + 1;
    for (name, count) in per_slot.iter().filter(|(_, count)| *count >= 0.05) {
        let number = if *count < 9.95 { format!("{count:.1}") } else { format!("{count:.0}") };
        if x + number.len() + 1 + name.chars().count() > canvas.width() {
            break;
        }
        x = canvas.put(x, y, &number, theme.text) + 1;
        x = canvas.put(x, y, name, theme.dim) + 2;
    }
}

/// What explains the glyphs, where there is no box with a line for it.
fn aside(ui: &Ui, observer: ReplicaId, y: usize, x: usize, canvas: &mut Canvas) {
    let room = canvas.width().saturating_sub(x);
    match y {
        0 if room >= 53 => drop(legend(&ui.theme, x, y, canvas)),
        0 if room >= 14 => drop(canvas.put(x, y, &format!("as {observer} sees it"), ui.theme.dim)),
        1 if room >= 53 => drop(canvas.put(x, y, &format!("as {observer} sees it"), ui.theme.dim)),
        _ => {}
    }
}

fn legend(theme: &Theme, x: usize, y: usize, canvas: &mut Canvas) -> usize {
    let mut x = x;
    let entries = [
        (Vote::Counted, "counted"),
        (Vote::OnItsWay, "on its way"),
        (Vote::Silent, "silent"),
        (Vote::Other, "other"),
        (Vote::Refused, "refused"),
    ];
    for (vote, text) in entries {
        let (glyph, style) = look(vote, theme);
        canvas.put_char(x, y, glyph, style);
        x = canvas.put(x + 2, y, text, theme.dim) + 2;
    }
    x
}

/// The replicas' numbers over their votes, the tens only where they change.
fn heading(model: &Model, ui: &Ui, shown: usize, x: usize, canvas: &mut Canvas) {
    for (i, id) in model.committee.members().take(shown).enumerate() {
        let number = id.index() + 1;
        let digit = char::from_digit((number % 10) as u32, 10).unwrap_or('?');
        let style = if i == ui.selected { ui.theme.key } else { ui.theme.dim };
        canvas.put_char(x + i, 0, digit, style);
    }
}

/// The digest that most votes are for; the first one if there is a tie.
fn main_digest(phase: &PhaseVotes) -> Digest {
    let most = phase.by_digest.iter().rev().max_by_key(|(_, set)| set.len());
    most.map_or(Digest::ZERO, |(digest, _)| *digest)
}

/// Whose votes of a phase others hold, for the slot and view as they last showed them.
fn sent_elsewhere(
    model: &Model,
    observer: &Replica,
    slot: byztop_core::types::SeqNum,
    view: byztop_core::types::View,
    phase: &str,
) -> ReplicaSet {
    let others = model.replicas.iter().filter(|other| other.id != observer.id);
    let votes = others.filter_map(|other| Some((other.id, model.votes(other, slot, view)?)));
    let held = votes.flat_map(|(holder, votes)| {
        let sets = votes.phases.iter().filter(|theirs| theirs.phase == phase).flat_map(|theirs| &theirs.by_digest);
        // That somebody holds its own vote does not say that it left.
        sets.flat_map(|(_, set)| set.iter()).filter(move |voter| *voter != holder)
    });
    held.collect()
}

fn vote(phase: &PhaseVotes, digest: Digest, sent: ReplicaSet, id: ReplicaId) -> Vote {
    match phase.by_digest.iter().find(|(_, set)| set.contains(id)) {
        Some((of, _)) if *of == digest => Vote::Counted,
        Some(_) => Vote::Other,
        None if sent.contains(id) => Vote::OnItsWay,
        None => Vote::Silent,
    }
}

fn look(vote: Vote, theme: &Theme) -> (char, Style) {
    match vote {
        Vote::Counted => ('●', theme.good),
        Vote::OnItsWay => ('◐', theme.warn),
        Vote::Silent => ('·', theme.dim),
        Vote::Other => ('≠', theme.bad),
        Vote::Refused => ('x', theme.bad),
    }
}

/// How near the quorum is; gives the column after it. The bar is full only when the quorum is reached.
fn quorum_bar(counted: usize, needed: usize, theme: &Theme, canvas: &mut Canvas) -> usize {
    let style = if counted >= needed { theme.good } else { theme.client };
    let filled = (counted.min(needed) * BAR).checked_div(needed).unwrap_or(0);
    for x in 0..filled {
        canvas.put_char(x, 0, '▇', style);
    }
    canvas.put_char(BAR, 0, '┃', theme.dim);
    canvas.put(BAR + 2, 0, &format!("{counted}/{needed}"), style)
}
