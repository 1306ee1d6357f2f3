//! The help: every key, command and glyph, narrowed down by what is typed.

use byztop_core::attack::{Attack, Trigger};

use super::super::keys::BINDINGS;
use super::super::palette::WORDS;
use super::super::text::cut;
use super::super::ui::{Context, Ui};
use super::canvas::Canvas;

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

/// A line: what it is about, and what is said of it; a heading has no second part.
type Entry = (String, String);

/// How many lines the help has for a search.
pub(in crate::tui) fn lines(search: &str) -> usize {
    entries(search).len()
}

pub(super) fn draw(ui: &Ui, search: &str, scroll: usize, mut canvas: Canvas) {
    let theme = &ui.theme;
    let (width, height) = (canvas.width().saturating_sub(4).min(100), canvas.height().saturating_sub(2));
    let entries = entries(search);
    let height = height.min(entries.len() + 4);
    let x = (canvas.width() - width) / 2;
    let y = (canvas.height() - height) / 2;
    let mut part = canvas.part(x, y, width, height);
    part.clear();
    let mut inner = part.boxed("help", theme.title, theme.overlay);
    let after = inner.put(1, 0, "search: ", theme.dim);
    let after = inner.put(after, 0, search, theme.text);
    inner.put(after, 0, " ", theme.cursor);
    let page = inner.height().saturating_sub(2);
    let scroll = scroll.min(entries.len().saturating_sub(page));
    if entries.is_empty() {
        inner.put(1, 2, "nothing matches", theme.dim);
    }
    if entries.len() > page {
        let place = format!("{}–{} of {}", scroll + 1, (scroll + page).min(entries.len()), entries.len());
        let end = inner.width().saturating_sub(1);
        inner.put_right(end, 0, &place, theme.dim);
    }
    for (y, (name, text)) in entries.iter().skip(scroll).take(page).enumerate() {
        if text.is_empty() {
            inner.put(1, y + 2, name, theme.title);
        } else {
            inner.put(2, y + 2, name, theme.key);
            let x = (4 + name.chars().count()).max(TEXT);
            let room = inner.width().saturating_sub(x + 1);
            inner.put(x, y + 2, &cut(text, room), theme.text);
        }
    }
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
    let sections: [(&str, Vec<Entry>); 12] = [
        ("keys", keys(Context::Screen)),
        ("on the overview", keys(Context::Overview)),
        ("in the pane of phases", keys(Context::Phases)),
        ("in the pane of latencies", keys(Context::Latency)),
        ("in the pane of test cases", keys(Context::Cases)),
        ("commands; every key's word works too, as in :crash", commands),
        ("attacks, and when they hold, for :attack", attacks),
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
