//! What came of a set, for people: what the lab prints as PrintDB, PrintLog, PrintStatus and PrintView, and the
//! verdict.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use byztop_core::app::smallbank::Account;
use byztop_core::attack::Directive;
use byztop_core::protocol::{Batch, Protocol as _};
use byztop_core::scenario::{ACCOUNTS, Balances, Outcome, Ruling, Standing};
use byztop_core::types::{Digest, ReplicaId, Time, View};
use comfy_table::{CellAlignment, Table, presets};

use super::set::SetRun;
use crate::books::{LogLine, Span, ranges};
use crate::summary::grouped;
use crate::tui::Happening;

/// How many hexadecimal digits of a digest tell it from others.
const DIGEST_DIGITS: usize = 16;

/// The parts of a report that can be asked for again.
pub(super) const PARTS: [&str; 8] = ["story", "transactions", "db", "log", "status", "view", "evidence", "figures"];

/// Everything about a set.
pub(super) fn write(run: &SetRun<'_>) -> String {
    let mut text = head(run);
    PARTS.iter().for_each(|name| text += &part(run, name));
    let verdict = run.verdict.to_string().replace('\n', "\n  ");
    let _infallible = write!(text, "\nexpected  {}\nverdict   {verdict}\n\n", run.expectation);
    text
}

/// One of the [`PARTS`], with its title.
pub(super) fn part(run: &SetRun<'_>, name: &str) -> String {
    let (title, text) = match name {
        "story" => ("What happened, in ms since the first transaction", story(run)),
        "transactions" => ("Transactions", transactions(run)),
        "db" => ("DB, the balances at each replica", balances(run)),
        "log" => ("Log, by slot, in ms since the first transaction", log(run)),
        "status" => ("Status, PP pre-prepared, P prepared, C committed, E executed, X none", status(run)),
        "view" => ("View, the new views and the view changes behind them", views(run)),
        "evidence" => ("Evidence", evidence(run)),
        _ => ("Figures", figures(run)),
    };
    format!("\n{title}\n{text}")
}

/// How many sets passed.
pub(super) fn sum_up(runs: &[SetRun<'_>]) -> String {
    let count = |ruling| runs.iter().filter(|run| run.verdict.ruling == ruling).count();
    let (passed, failed, beyond) = (count(Ruling::Pass), count(Ruling::Fail), count(Ruling::BeyondBudget));
    let sets = if runs.len() == 1 { "set" } else { "sets" };
    let mut text = format!("{} {sets}: {passed} passed, {failed} failed", runs.len());
    if beyond > 0 {
        let _infallible = write!(text, ", {beyond} beyond budget");
    }
    for run in runs.iter().filter(|run| run.verdict.ruling == Ruling::Fail) {
        let _infallible = write!(text, "\nset {}: {}", run.set.number, run.verdict.to_string().replace('\n', "\n  "));
    }
    text + "\n"
}

fn head(run: &SetRun<'_>) -> String {
    let SetRun { set, committee, protocol, settings, patience, .. } = run;
    let mut text = format!(
        "set {}  {protocol}  n={} f={} q={}  checkpoint every {} slots  a transaction may take {} s\n",
        set.number,
        committee.size(),
        committee.faulty(),
        committee.quorum(),
        settings.checkpoint_interval_slots,
        patience.as_secs_f64()
    );
    let _infallible = write!(text, "live {}", ranges(set.live));
    let _infallible = write!(text, "  byzantine {}", ranges(set.byzantine));
    let _infallible = writeln!(text, "  attack {}", text_or_dash(&Directive::join(&set.attack)));
    if set.is_assumed {
        text += "assumed: the file has no word on what Byzantine replicas do, so they withhold their votes, as in the lab of 2024\n";
    }
    if !set.note.is_empty() {
        let _infallible = writeln!(text, "{}", set.note);
    }
    text
}

fn transactions(run: &SetRun<'_>) -> String {
    let mut table = empty(["#", "transaction", "outcome", "result", "ms"]);
    for (place, (transaction, answer)) in run.set.transactions.iter().zip(&run.found.transactions).enumerate() {
        table.add_row([
            (place + 1).to_string(),
            transaction.to_string(),
            answer.outcome.label().to_string(),
            text_or_dash(answer.outcome.text().unwrap_or_default()),
            format!("{:.1}", answer.latency.0 as f64 / 1000.0),
        ]);
    }
    right(&mut table, &[0, 4]);
    done(&table)
}

/// Each customer's checking; savings behind it where somebody has any.
fn balances(run: &SetRun<'_>) -> String {
    let customers = (0..ACCOUNTS).map(|account| Account(account).name(ACCOUNTS).to_string());
    let mut titles = vec!["replica".to_string(), "slot".to_string(), "view".to_string()];
    titles.extend(customers);
    titles.push("state".to_string());
    let mut table = empty(titles);
    let amount = |owned: &Balances| match owned.savings {
        0 => owned.checking.to_string(),
        savings => format!("{}+{savings}", owned.checking),
    };
    for (node, Standing { executed, state_digest, view, balances }) in &run.found.replicas {
        let mut row = vec![who(run, *node), executed.to_string(), view.to_string()];
        row.extend(balances.iter().map(amount));
        row.push(state_digest.to_string().get(..DIGEST_DIGITS).unwrap_or_default().to_string());
        table.add_row(row);
    }
    right(&mut table, &(1..3 + ACCOUNTS as usize).collect::<Vec<_>>());
    done(&table)
}

fn story(run: &SetRun<'_>) -> String {
    let mut text = String::new();
    for Happening { at, kind, text: what } in &run.story {
        let ms = at.0 as f64 / 1000.0 - run.began.0 as f64 / 1000.0;
        let _infallible = writeln!(text, "  {ms:>8.1}  {kind:<10}  {what}");
    }
    or_nothing(text)
}

/// What was ordered, in which slot and when: from the first replica to the last.
fn log(run: &SetRun<'_>) -> String {
    let lines = run.ledgers.log();
    if lines.is_empty() {
        return or_nothing(String::new());
    }
    let mut table =
        empty(["slot", "view", "batch", "transactions", "at", "pre-prepared", "prepared", "committed", "executed"]);
    for LogLine { seq, proposal, replicas, times, submissions } in lines {
        let (view, batch) = match proposal {
            Some((view, digest)) => (view.to_string(), digest.short().to_string()),
            None => ("?".to_string(), "?".to_string()),
        };
        let mut row = vec![seq.to_string(), view, batch, ordered(run, proposal, submissions), ranges(replicas)];
        row.extend(times.map(|span| from_to(run, span)));
        table.add_row(row);
    }
    right(&mut table, &[0, 1]);
    done(&table)
}

/// Which transactions a batch has, if that can be told from its digest.
fn ordered(run: &SetRun<'_>, proposal: Option<(View, Digest)>, submissions: u32) -> String {
    let Some((_, digest)) = proposal else { return "not seen here".to_string() };
    if digest == Digest::ZERO {
        return "the null request".to_string();
    }
    let alone = |submission: &Digest| Batch { submissions: vec![*submission] }.digest();
    match run.digests.iter().find(|(submission, _)| alone(submission) == digest) {
        Some((_, place)) => format!("{} {}", place + 1, run.set.transactions[*place]),
        None if submissions == 1 => "1 transaction".to_string(),
        None => format!("{submissions} transactions"),
    }
}

/// A span of time since the set's first transaction, in milliseconds: `7.1-9.4`.
fn from_to(run: &SetRun<'_>, span: Span) -> String {
    let ms = |at: Time| (at.0 as f64 - run.began.0 as f64) / 1000.0;
    match span {
        None => "-".to_string(),
        Some((first, last)) if first == last => format!("{:.1}", ms(first)),
        Some((first, last)) => format!("{:.1}-{:.1}", ms(first), ms(last)),
    }
}

fn status(run: &SetRun<'_>) -> String {
    let slots = run.ledgers.slots();
    let nodes: BTreeSet<ReplicaId> = slots.values().flat_map(|row| row.keys().copied()).collect();
    if slots.is_empty() {
        return or_nothing(String::new());
    }
    let mut titles = vec!["slot".to_string()];
    titles.extend(nodes.iter().map(|node| who(run, *node)));
    let mut table = empty(titles);
    for (seq, row) in &slots {
        let mut cells = vec![seq.to_string()];
        cells.extend(nodes.iter().map(|node| row.get(node).map_or("?", |status| status.label()).to_string()));
        table.add_row(cells);
    }
    right(&mut table, &[0]);
    done(&table)
}

fn views(run: &SetRun<'_>) -> String {
    let mut text = String::new();
    for (view, seen) in &run.views {
        let primary = who(run, run.committee.primary(*view));
        let begun = match (seen.entered.is_empty(), seen.repeated, seen.nulls) {
            (true, ..) => "has begun nowhere".to_string(),
            (false, 0, _) => format!("begun at {}, no slot repeated", ranges(seen.entered)),
            (false, slots, nulls) => {
                format!("begun at {}, {slots} slots repeated, {nulls} of them null", ranges(seen.entered))
            }
        };
        let _infallible = writeln!(text, "  view {view} of {primary}: {begun}");
        let asked = seen.reasons().iter().map(|(why, by)| format!("{} ({why})", ranges(*by))).collect::<Vec<_>>();
        let _infallible = writeln!(text, "    asked for by {}", text_or_dash(&asked.join(", ")));
        let shown = seen.shown_in_words();
        if !shown.is_empty() {
            let _infallible = writeln!(text, "    its new-view shows the view-changes of {}", shown.join(", "));
        }
    }
    or_nothing(text)
}

fn evidence(run: &SetRun<'_>) -> String {
    let lines = run.found.evidence.iter().map(|one| format!("  {:<9}  {}  {}\n", one.certainty, one.accused, one.rule));
    or_nothing(lines.collect())
}

fn figures(run: &SetRun<'_>) -> String {
    let answers = &run.found.transactions;
    let count = |is_it: fn(&Outcome) -> bool| answers.iter().filter(|answer| is_it(&answer.outcome)).count();
    let mut text = format!(
        "  transactions  {} committed, {} failed, {} without a result\n",
        count(|outcome| matches!(outcome, Outcome::Committed(_))),
        count(|outcome| matches!(outcome, Outcome::Failed(_))),
        count(|outcome| matches!(outcome, Outcome::Timeout)),
    );
    let answered = answers.iter().filter(|answer| answer.outcome != Outcome::Timeout);
    let latencies: Vec<f64> = answered.map(|answer| answer.latency.0 as f64 / 1000.0).collect();
    if let Some(max) = latencies.iter().copied().reduce(f64::max) {
        let mean = latencies.iter().sum::<f64>() / latencies.len() as f64;
        let _infallible = writeln!(text, "  latency ms    mean {mean:.1}  max {max:.1}");
    }
    let phases: &[&str] = byztop_core::with_protocol!(run.protocol, P => P::PHASES);
    let names = phases.iter().copied().chain(["executed"]);
    let means = names.zip(run.observations.phase_ms()).filter_map(|(name, ms)| Some(format!("{name} {:.2}", ms?)));
    let means: Vec<String> = means.collect();
    if !means.is_empty() {
        let _infallible = writeln!(text, "  phases ms     {}", means.join("  "));
    }
    let sent: Vec<String> = run.messages.iter().map(|(name, count)| format!("{name} {}", grouped(*count))).collect();
    let _infallible = writeln!(text, "  messages      {}", text_or_dash(&sent.join("  ")));
    let _infallible = writeln!(text, "  whole set     {:.1} s, with the start of its replicas", run.took.as_secs_f64());
    text
}

/// A replica's name, marked if it may lie.
fn who(run: &SetRun<'_>, node: ReplicaId) -> String {
    if run.set.byzantine.contains(node) { format!("{node}*") } else { node.to_string() }
}

fn empty<T: Into<comfy_table::Row>>(titles: T) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(titles);
    table
}

fn right(table: &mut Table, columns: &[usize]) {
    for place in columns {
        if let Some(column) = table.column_mut(*place) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

fn done(table: &Table) -> String {
    table.trim_fmt().lines().map(|line| format!(" {line}\n")).collect()
}

fn text_or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_string() } else { text.to_string() }
}

fn or_nothing(text: String) -> String {
    if text.is_empty() { "  nothing\n".to_string() } else { text }
}
