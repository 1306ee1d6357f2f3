//! The help: every key, command and glyph, narrowed down by what is typed.

use std::ops::Range;

use byztop_core::attack::{Attack, Trigger};

use super::super::keys::BINDINGS;
use super::super::palette::WORDS;
use super::super::panes::Context;
use super::super::presets::PRESETS;
use super::super::ui::Ui;
use super::canvas::{Canvas, wrap};

/// The words and glyphs of the screen.
const GLOSSARY: &[(&str, &str)] = &[
    ("★", "the primary of the view that f+1 replicas are in"),
    ("faults k/f", "replicas that are attacked, dead or not back in step yet, and how many the protocol bears"),
    ("LIVE k/n", "replicas that are connected and talk"),
    ("‖ ▶ SIM k/n", "a simulation that is paused or runs, and how many of its replicas take part"),
    ("op/s", "operations that the client saw committed in the last second"),
    ("slot", "the last executed slot"),
    ("lag", "slots behind whoever was furthest when the replica spoke"),
    ("chk", "the last stable checkpoint"),
    ("state", "the state's digest there; equal at equal checkpoints"),
    ("mem, disk", "what the replica's process keeps in memory, and its store on the disk"),
    ("silent 0.8s", "the primary, while requests wait and nothing is executed"),
    ("watches until s512", "lost its log: votes again once slot 512, beyond all that it can have signed, is stable"),
    ("transfer 43% … from 6", "fetches what differs of the state, of so many bytes, from so many replicas"),
    ("no word yet 2s", "was restarted and is not connected yet"),
    ("▂ ▅ ▇ █", "pre-prepared, prepared, committed, executed"),
    ("▓", "executed on the fast path: all had prepared at once, so that nobody had to commit"),
    ("messages a slot", "what all replicas send each other for one slot, over the last seconds"),
    ("● ◐ · ≠", "a vote that counts, is on its way, is missing, is for another digest (x: its signature is refused)"),
    ("?", "not known: the link is down, or nothing was said about it"),
];

/// The column of the explanations.
const TEXT: usize = 24;

/// What it is about, and what is said of it; a heading has no second part.
type Entry = (String, String);

/// How many entries the help has for a search.
pub(in crate::tui) fn entry_count(search: &str) -> usize {
    entries(search).len()
}

pub(super) fn draw(ui: &Ui, search: &str, scroll: usize, mut canvas: Canvas) {
    let theme = &ui.theme;
    let (width, height) = (canvas.width().saturating_sub(4).min(100), canvas.height().saturating_sub(2));
    let entries = entries(search);
    // Without the border, and without the cell before it.
    let room = width.saturating_sub(3);
    let texts: Vec<Vec<String>> = entries.iter().map(|(name, text)| wrapped(name, text, room)).collect();
    let height = height.min(texts.iter().map(Vec::len).sum::<usize>() + 4);
    let x = (canvas.width() - width) / 2;
    let y = (canvas.height() - height) / 2;
    let mut part = canvas.part(x, y, width, height);
    part.clear();
    let mut inner = part.boxed("help", theme.title, theme.overlay);
    let after = inner.put(1, 0, "search: ", theme.dim);
    let after = inner.put(after, 0, search, theme.text);
    inner.put(after, 0, " ", theme.cursor);
    let page = inner.height().saturating_sub(2);
    let shown = shown(&texts, scroll, page);
    if entries.is_empty() {
        inner.put(1, 2, "nothing matches", theme.dim);
    }
    if shown.len() < entries.len() {
        let place = format!("{}–{} of {}", shown.start + 1, shown.end, entries.len());
        let end = inner.width().saturating_sub(1);
        inner.put_right(end, 0, &place, theme.dim);
    }
    let mut list = inner.part(0, 2, room + 1, page);
    let mut y = 0;
    for ((name, text), lines) in entries.iter().zip(&texts).skip(shown.start).take(shown.len()) {
        let (x, style) = if text.is_empty() { (1, theme.title) } else { (2, theme.key) };
        list.put(x, y, name, style);
        for (at, line) in lines.iter().enumerate() {
            let x = if at == 0 { text_column(name) } else { TEXT };
            list.put(x, y + at, line, theme.text);
        }
        y += lines.len();
    }
}

/// Where the text begins in the line of its name.
fn text_column(name: &str) -> usize {
    (4 + name.chars().count()).max(TEXT)
}

/// The text in lines. Those after the first hang below the column of texts; the first is empty if a long name leaves the
/// text too little room beside it.
fn wrapped(name: &str, text: &str, room: usize) -> Vec<String> {
    let x = text_column(name);
    if x == TEXT || x + text.chars().count() <= room {
        return wrap(text, room.saturating_sub(x));
    }
    [vec![String::new()], wrap(text, room.saturating_sub(TEXT))].concat()
}

/// The entries that are on the page, from the one that is scrolled to on; the last page is a full one.
fn shown(texts: &[Vec<String>], scroll: usize, page: usize) -> Range<usize> {
    let first = scroll.min(texts.len() - fitting(texts.iter().rev(), page));
    // One that is longer than the page is shown as far as there is room.
    let count = fitting(texts.iter().skip(first), page).max(1);
    first..(first + count).min(texts.len())
}

/// How many of these have room on a page, one after the other.
fn fitting<'a>(texts: impl Iterator<Item = &'a Vec<String>>, page: usize) -> usize {
    let until = texts.scan(0, |until, lines| {
        *until += lines.len();
        Some(*until)
    });
    until.take_while(|until| *until <= page).count()
}

fn entries(search: &str) -> Vec<Entry> {
    let search = search.to_lowercase();
    let keys = |context: Context| {
        let bindings = BINDINGS.iter().filter(move |b| b.context == context && !b.help.is_empty());
        bindings.map(|b| (b.label.to_string(), b.help.to_string())).collect::<Vec<_>>()
    };
    let commands = WORDS.iter().map(|word| (format!(":{}", word.usage), word.help.to_string())).collect();
    let glossary = GLOSSARY.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
    let usages = Attack::names().iter().chain(Trigger::names());
    let attacks = usages.map(|usage| (usage.form.to_string(), usage.description.to_string())).collect();
    let presets = PRESETS.iter().map(|preset| (preset.name.to_string(), preset.help.to_string())).collect();
    let sections: [(&str, Vec<Entry>); 15] = [
        ("keys", keys(Context::Screen)),
        ("on the overview", keys(Context::Overview)),
        ("in the pane of phases", keys(Context::Phases)),
        ("in the pane of latencies", keys(Context::Latency)),
        ("in the pane of messages", keys(Context::Messages)),
        ("in the pane of attacks", keys(Context::Attacks)),
        ("in the pane of test cases", keys(Context::Cases)),
        ("commands; every key's word works too, as in :crash", commands),
        ("attacks, and when they hold, for :attack", attacks),
        ("attacks that go together, for :preset", presets),
        ("when victims are chosen", keys(Context::Chooser)),
        ("when a command is typed", keys(Context::Palette)),
        ("when a filter is typed", keys(Context::Filter)),
        ("when something is asked", keys(Context::Confirm)),
        ("on the screen", glossary),
    ];
    let matches = |(name, text): &Entry| name.to_lowercase().contains(&search) || text.to_lowercase().contains(&search);
    let mut all = Vec::new();
    for (title, entries) in sections {
        let found: Vec<Entry> = entries.into_iter().filter(&matches).collect();
        if !found.is_empty() {
            all.push((title.to_string(), String::new()));
            all.extend(found);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_that_has_a_text_is_found() {
        let all = entries("");
        for binding in BINDINGS.iter().filter(|b| b.context != Context::Help && !b.help.is_empty()) {
            let entry = (binding.label.to_string(), binding.help.to_string());
            assert!(all.contains(&entry), "{entry:?}");
        }
    }
}
