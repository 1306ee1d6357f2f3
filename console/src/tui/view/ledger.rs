//! The books: state and balances at each replica, the status of slots, the log, the views. What the lab calls PrintDB,
//! PrintStatus, PrintLog and PrintView.

use std::collections::BTreeMap;

use byztop_core::app::smallbank::Account;
use byztop_core::telemetry::Ledger;
use byztop_core::types::{Digest, ReplicaId, ReplicaSet, SeqNum, Time};
use ratatui::style::Style;

use super::super::model::Model;
use super::super::panes::Pane;
use super::super::text::{clean, grouped, millis};
use super::super::theme::Theme;
use super::super::ui::Ui;
use super::canvas::Canvas;
use super::page::{Line, Page};
use crate::books::{SlotStatus, Span, first_balances, ranges};

/// How many customers are shown of a bank.
const CUSTOMERS: u32 = 10;

/// How many slots of the log are shown, and how many views.
const LOG_LINES: usize = 40;
const VIEWS: usize = 12;

/// Columns of a slot in the table of statuses, and of a replica's name.
const SLOT: usize = 6;
const NAME: usize = 8;

/// How many slots the table of statuses has at most.
const SLOTS: usize = 40;

pub(super) fn draw(model: &Model, ui: &Ui, canvas: Canvas) -> usize {
    page(model, ui, canvas.width()).draw(ui.scroll(Pane::Ledger), &ui.theme, canvas)
}

fn page(model: &Model, ui: &Ui, width: usize) -> Page {
    let mut page = Page::default();
    let ledgers: Vec<(ReplicaId, Option<&Ledger>)> = model
        .replicas
        .iter()
        .map(|replica| (replica.id, model.ledgers.of(replica.id).filter(|_| replica.known(model.now).is_some())))
        .collect();
    if ledgers.iter().all(|(_, ledger)| ledger.is_none()) {
        page.line("the replicas are being asked for their books", ui.theme.dim);
        return page;
    }
    divergence(&ledgers, &mut page, &ui.theme);
    states(model, &ledgers, width, &mut page, &ui.theme);
    money(&ledgers, width, &mut page, &ui.theme);
    busiest(model, width, &mut page, &ui.theme);
    statuses(model, width, &mut page, &ui.theme);
    log(model, &mut page, &ui.theme);
    views(model, &mut page, &ui.theme);
    page.filter(&ui.filter);
    page
}

/// A banner for replicas that have executed the same slot and hold another state.
fn divergence(ledgers: &[(ReplicaId, Option<&Ledger>)], page: &mut Page, theme: &Theme) {
    let mut states: BTreeMap<SeqNum, BTreeMap<Digest, ReplicaSet>> = BTreeMap::new();
    for (replica, ledger) in ledgers {
        if let Some(ledger) = ledger {
            states.entry(ledger.status.executed).or_default().entry(ledger.state_digest).or_default().insert(*replica);
        }
    }
    for (seq, digests) in states.iter().filter(|(_, digests)| digests.len() > 1) {
        let held = digests.iter().map(|(digest, by)| format!("{} at {}", digest.short(), ranges(*by)));
        let held = held.collect::<Vec<_>>().join(", ");
        page.line(format!("DIVERGED after slot {seq}: {held}"), theme.bad);
    }
}

fn states(model: &Model, ledgers: &[(ReplicaId, Option<&Ledger>)], width: usize, page: &mut Page, theme: &Theme) {
    page.heading("state", "after each replica's last slot; checking+savings", theme);
    let mut sheets: Vec<Vec<(Account, i64, i64)>> = ledgers
        .iter()
        .map(|(_, ledger)| ledger.map_or(Vec::new(), |ledger| first_balances(ledger, CUSTOMERS)))
        .collect();
    let customers = customers(ledgers);
    let amount = |(_, checking, savings): &(Account, i64, i64)| match savings {
        0 => checking.to_string(),
        savings => format!("{checking}+{savings}"),
    };
    let cell = sheets.iter().flatten().map(|owned| amount(owned).len()).max().unwrap_or(0).max(3) + 1;
    // As many customers as there is room for: half an amount would be another amount.
    let room = width.saturating_sub(NAME + 29) / cell;
    sheets.iter_mut().for_each(|sheet| sheet.truncate(room));
    let mut head = format!("{:<NAME$}{:>10}{:>6}  {:<10}", "replica", "slot", "view", "state");
    let names = sheets.iter().max_by_key(|sheet| sheet.len()).map_or(&[][..], Vec::as_slice);
    for (account, ..) in names {
        head += &format!("{:>cell$}", account.name(customers).to_string());
    }
    page.columns(head, theme.dim);
    let leader = model.reign().map(|reign| reign.leader);
    for ((replica, ledger), sheet) in ledgers.iter().zip(&sheets) {
        let is_leader = leader == Some(*replica);
        let name = format!("{:<NAME$}", format!("{replica}{}", if is_leader { " ★" } else { "" }));
        let Some(ledger) = ledger else {
            page.pieces(vec![(name, theme.text), ("         ?     ?  ?".into(), theme.unknown)]);
            continue;
        };
        let mut line: Line = vec![
            (name, if is_leader { theme.leader } else { theme.text }),
            (format!("{:>10}{:>6}  ", ledger.status.executed.0, ledger.status.view.0), theme.text),
            (format!("{:<10}", ledger.state_digest.short().to_string()), theme.dim),
        ];
        line.extend(sheet.iter().map(|owned| (format!("{:>cell$}", amount(owned)), theme.text)));
        page.pieces(line);
    }
}

fn customers(ledgers: &[(ReplicaId, Option<&Ledger>)]) -> u32 {
    let count = |(_, ledger): &(ReplicaId, Option<&Ledger>)| figure((*ledger)?, "customers");
    ledgers.iter().find_map(count).and_then(|count| u32::try_from(count).ok()).unwrap_or(0)
}

fn figure(ledger: &Ledger, name: &str) -> Option<i128> {
    ledger.figures.iter().find(|(known, _)| known == name).map(|(_, number)| *number)
}

/// The sums of whoever is furthest, and whether money is conserved: what is there, less what was paid in, is what there
/// was at first, so it is the same everywhere and always.
fn money(ledgers: &[(ReplicaId, Option<&Ledger>)], width: usize, page: &mut Page, theme: &Theme) {
    let known: Vec<(ReplicaId, &Ledger)> = ledgers.iter().filter_map(|(id, ledger)| Some((*id, (*ledger)?))).collect();
    let Some((_, furthest)) = known.iter().max_by_key(|(_, ledger)| ledger.status.executed) else { return };
    page.heading("money", &format!("after slot {}", furthest.status.executed), theme);
    let figures = furthest.figures.iter().map(|(name, number)| (clean(name), signed(*number)));
    in_a_row(figures, width, page, theme);
    let mut endowments: BTreeMap<i128, ReplicaSet> = BTreeMap::new();
    for (id, ledger) in &known {
        if let Some(sum) = figure(ledger, "at first") {
            endowments.entry(sum).or_default().insert(*id);
        }
    }
    let told = endowments.iter().map(|(sum, by)| format!("{} at {}", signed(*sum), ranges(*by)));
    let told = told.collect::<Vec<_>>().join(", ");
    match endowments.len() {
        0 => {}
        1 => page.line(format!("conserved: less what was paid in, {told}"), theme.good),
        _ => page.line(format!("NOT CONSERVED: less what was paid in, {told}"), theme.bad),
    }
}

fn signed(number: i128) -> String {
    let digits = grouped(u64::try_from(number.unsigned_abs()).unwrap_or(u64::MAX));
    if number < 0 { format!("−{digits}") } else { digits }
}

/// The accounts that the load asks for most.
fn busiest(model: &Model, width: usize, page: &mut Page, theme: &Theme) {
    let Some(report) = model.load.as_ref().and_then(|load| load.report.as_ref()) else { return };
    if report.busiest.is_empty() {
        return;
    }
    page.heading("busiest accounts", "by operations of this console's load", theme);
    let busiest = report.busiest.iter().map(|(account, count)| (account.clone(), grouped(*count)));
    in_a_row(busiest, width, page, theme);
}

/// Names and values, as many in a line as there is room for.
fn in_a_row(pairs: impl Iterator<Item = (String, String)>, width: usize, page: &mut Page, theme: &Theme) {
    let (mut line, mut used) = (Line::new(), 0);
    for (name, value) in pairs {
        let needed = name.chars().count() + value.chars().count() + 1;
        if used + needed + 2 > width && !line.is_empty() {
            page.pieces(std::mem::take(&mut line));
            used = 0;
        }
        line.push((format!("{name} "), theme.dim));
        line.push((format!("{value}   "), theme.text));
        used += needed + 3;
    }
    page.pieces(line);
}

/// A row for each replica, a column for each slot: as many of the newest as there is room for.
fn statuses(model: &Model, width: usize, page: &mut Page, theme: &Theme) {
    page.heading("status", "PP pre-prepared, P prepared, C committed, E executed, X none", theme);
    let slots = model.ledgers.slots();
    let room = (width.saturating_sub(NAME + 2) / SLOT).clamp(1, SLOTS);
    let shown: Vec<_> = slots.iter().skip(slots.len().saturating_sub(room)).collect();
    if shown.is_empty() {
        return page.line("no slot has begun", theme.dim);
    }
    let mut head = " ".repeat(NAME);
    shown.iter().for_each(|(seq, _)| head += &format!("{:>SLOT$}", seq.0 % 100_000));
    page.columns(head, theme.dim);
    for replica in &model.replicas {
        let mut line: Line = vec![(format!("{:<NAME$}", replica.id.to_string()), theme.text)];
        for (_, row) in &shown {
            let (text, style) = match row.get(&replica.id) {
                Some(status) => (status.label(), style_of(*status, theme)),
                None => ("?", theme.unknown),
            };
            line.push((format!("{text:>SLOT$}"), style));
        }
        page.pieces(line);
    }
}

fn style_of(status: SlotStatus, theme: &Theme) -> Style {
    match status {
        SlotStatus::Nothing => theme.unknown,
        SlotStatus::PrePrepared => theme.phases[1],
        SlotStatus::Prepared => theme.phases[2],
        SlotStatus::Committed => theme.phases[3],
        SlotStatus::Executed => theme.good,
    }
}

/// The newest slots, newest first: what was proposed, by whom it was accepted, and when that went how far.
fn log(model: &Model, page: &mut Page, theme: &Theme) {
    page.heading("log", "newest first; ms from the first to accept the proposal to the last to get so far", theme);
    let lines = model.ledgers.log();
    if lines.is_empty() {
        return page.line("no slot was seen on its way", theme.dim);
    }
    let head = format!(
        "{:>10}{:>6}  {:<10}{:>5}  {:<12}{:>13}{:>10}{:>11}{:>10}",
        "slot", "view", "batch", "size", "at", "pre-prepared", "prepared", "committed", "executed"
    );
    page.columns(head, theme.dim);
    for line in lines.iter().rev().take(LOG_LINES) {
        let (view, batch) = match line.proposal {
            Some((view, digest)) if digest == Digest::ZERO => (view.to_string(), "null".to_string()),
            Some((view, digest)) => (view.to_string(), digest.short().to_string()),
            None => ("?".to_string(), "?".to_string()),
        };
        let began = line.times.iter().flatten().map(|(first, _)| *first).min();
        let since = |span: Span| span.map_or("-".to_string(), |(_, last)| took(began, last));
        let [pre_prepared, prepared, committed, executed] = line.times.map(since);
        page.line(
            format!(
                "{:>10}{view:>6}  {batch:<10}{:>5}  {:<12}{pre_prepared:>13}{prepared:>10}{committed:>11}{executed:>10}",
                line.seq.0,
                line.submissions,
                ranges(line.replicas)
            ),
            theme.text,
        );
    }
}

fn took(began: Option<Time>, until: Time) -> String {
    millis(until.since(began.unwrap_or(until)))
}

/// The newest views, newest first: who asked for them, and what their primaries have shown.
fn views(model: &Model, page: &mut Page, theme: &Theme) {
    page.heading("views", "newest first: who asked, why, and what the new-view shows", theme);
    let views = model.views.get();
    if views.is_empty() {
        return page.line("nobody has asked for another view while this console looked", theme.dim);
    }
    for (view, seen) in views.iter().rev().take(VIEWS) {
        let begun = match (seen.entered.is_empty(), seen.repeated) {
            (true, _) => "has begun nowhere".to_string(),
            (false, 0) => format!("begun at {}, no slot repeated", ranges(seen.entered)),
            (false, slots) => {
                format!("begun at {}, {slots} slots repeated, {} of them null", ranges(seen.entered), seen.nulls)
            }
        };
        let primary = model.committee.primary(*view);
        page.pieces(vec![(format!("view {view} of {primary}  "), theme.leader), (begun, theme.text)]);
        let asked: Vec<String> = seen.reasons().iter().map(|(why, by)| format!("{} ({why})", ranges(*by))).collect();
        if !asked.is_empty() {
            page.continued(vec![(format!("  asked for by {}", asked.join(", ")), theme.dim)]);
        }
        let shown = seen.shown_in_words();
        if !shown.is_empty() {
            page.continued(vec![(format!("  its new-view shows the view-changes of {}", shown.join(", ")), theme.dim)]);
        }
    }
}
