//! The figures behind a pane, as rows for other programs: CSV with a header line, and JSON with an object for each row.

use byztop_core::protocol::Topic;
use byztop_core::scenario::Ruling;
use byztop_core::types::{Micros, Time};
use serde_json::{Map, Value, json};

use super::model::{CaseProgress, Model, Recent};
use super::panes::Pane;
use super::ui::Ui;
use crate::books::{End, Journey, LogLine};

/// Rows with names for their columns.
pub(super) struct Sheet {
    header: &'static [&'static str],
    rows: Vec<Vec<Value>>,
}

/// What the pane that is open shows, without what it leaves out for want of room. Times are microseconds of Unix time.
pub(super) fn of_pane(model: &Model, ui: &Ui) -> Sheet {
    match ui.pane {
        Pane::Overview => replicas(model),
        Pane::Phases | Pane::Ledger => log(model),
        Pane::Latency => latencies(model),
        Pane::Messages => messages(model, ui),
        Pane::Attacks => attacks(model),
        Pane::Evidence => evidence(model),
        Pane::Cases => cases(model),
    }
}

impl Sheet {
    /// Comma-separated values; what is not known is empty.
    ///
    /// # Errors
    ///
    /// If a row can not be written, which does not happen in memory.
    pub(super) fn csv(&self) -> anyhow::Result<String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(self.header)?;
        for row in &self.rows {
            writer.write_record(row.iter().map(|value| match value {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            }))?;
        }
        Ok(String::from_utf8(writer.into_inner()?)?)
    }

    /// An array of objects.
    pub(super) fn json(&self) -> String {
        let object = |row: &Vec<Value>| {
            let fields = self.header.iter().zip(row).map(|(name, value)| (name.to_string(), value.clone()));
            Value::Object(fields.collect::<Map<String, Value>>())
        };
        let rows: Vec<Value> = self.rows.iter().map(object).collect();
        format!("{:#}\n", Value::Array(rows))
    }
}

/// Every message of the course that is drawn, by the console's clock.
fn messages(model: &Model, ui: &Ui) -> Sheet {
    let journeys = super::view::course_sheet(model, &model.courses, ui).map(|sheet| {
        let correct = |id, time| model.correct(id, time);
        sheet.journeys(correct)
    });
    let row = |journey: &Journey| {
        let (view, slot, digest) = match journey.topic {
            Topic::Slot { view, seq, digest } => (view, json!(seq.0), json!(digest.to_string())),
            Topic::View(view) => (view, Value::Null, Value::Null),
        };
        let end = match &journey.end {
            End::Arrived => "arrived".to_string(),
            End::Refused(why) => format!("refused: {why}"),
            End::NotThere => "not there".to_string(),
            End::Unknown => "unknown".to_string(),
            End::Unsent => "unsent".to_string(),
            End::Withheld(by) => format!("withheld by {by}"),
        };
        let held = journey.held.as_ref().map(|(at, _)| *at);
        let who = [json!(journey.name), json!(journey.from.to_string()), json!(journey.to.to_string())];
        let times = [time(held), time(journey.left), time(journey.came)];
        who.into_iter().chain([json!(view.0), slot, digest]).chain(times).chain([json!(end)]).collect()
    };
    Sheet {
        header: &["message", "from", "to", "view", "slot", "digest", "held_us", "left_us", "came_us", "end"],
        rows: journeys.iter().flatten().map(row).collect(),
    }
}

fn time(at: Option<Time>) -> Value {
    at.map_or(Value::Null, |at| json!(at.0))
}

fn replicas(model: &Model) -> Sheet {
    let row = |replica: &super::model::Replica| {
        let known = replica.known(model.now);
        let of = |what: fn(&byztop_core::telemetry::Frame) -> Value| known.map_or(Value::Null, what);
        vec![
            json!(replica.id.to_string()),
            json!(replica.is_up()),
            of(|frame| json!(frame.status.view.0)),
            of(|frame| json!(frame.status.executed.0)),
            of(|frame| json!(frame.status.stable.0)),
            of(|frame| json!(frame.stable_digest.to_string())),
            of(|frame| json!(frame.counters.operations)),
            of(|frame| json!(frame.counters.messages_sent)),
            of(|frame| json!(frame.counters.bytes_sent)),
            of(|frame| json!(frame.counters.rejected)),
            of(|frame| json!(frame.counters.memory_bytes)),
            of(|frame| json!(frame.attack)),
        ]
    };
    Sheet {
        header: &[
            "replica",
            "connected",
            "view",
            "executed",
            "stable",
            "stable_digest",
            "operations",
            "messages_sent",
            "bytes_sent",
            "rejected",
            "memory_bytes",
            "attack",
        ],
        rows: model.replicas.iter().map(row).collect(),
    }
}

fn log(model: &Model) -> Sheet {
    let row = |line: LogLine| {
        let first = |place: usize| time(line.times[place].map(|(first, _)| first));
        let last = |place: usize| time(line.times[place].map(|(_, last)| last));
        let mut row = vec![
            json!(line.seq.0),
            line.proposal.map_or(Value::Null, |(view, _)| json!(view.0)),
            line.proposal.map_or(Value::Null, |(_, digest)| json!(digest.to_string())),
            json!(line.submissions),
            json!(line.replicas.to_string()),
        ];
        row.extend((0..4).flat_map(|place| [first(place), last(place)]));
        row
    };
    Sheet {
        header: &[
            "slot",
            "view",
            "digest",
            "submissions",
            "replicas",
            "first_pre_prepared_us",
            "last_pre_prepared_us",
            "first_prepared_us",
            "last_prepared_us",
            "first_committed_us",
            "last_committed_us",
            "first_executed_us",
            "last_executed_us",
        ],
        rows: model.ledgers.log().into_iter().map(row).collect(),
    }
}

fn latencies(model: &Model) -> Sheet {
    let row = |(name, recent): (&str, &Recent)| {
        let summary = recent.summary();
        let of = |value: Option<Micros>| value.map_or(Value::Null, |value| json!(value.0));
        vec![
            json!(name),
            of(summary.map(|s| s.p50)),
            of(summary.map(|s| s.p95)),
            of(summary.map(|s| s.p99)),
            of(summary.map(|s| s.p999)),
            of(recent.longest()),
            json!(summary.map_or(0, |s| s.count)),
        ]
    };
    let names = model.phases.iter().map(String::as_str).chain(["execution"]);
    let client = model.load.as_ref().map(|load| ("client", &load.latency));
    Sheet {
        header: &["what", "p50_us", "p95_us", "p99_us", "p999_us", "max_us", "count"],
        rows: names.zip(&model.latencies).chain(client).map(row).collect(),
    }
}

fn attacks(model: &Model) -> Sheet {
    let row = |deed: &crate::books::Deed| {
        vec![
            json!(deed.attacker.to_string()),
            json!(deed.attack),
            json!(deed.at.0),
            time(deed.ended),
            time(deed.message.as_ref().map(|(at, _)| *at)),
            deed.message.as_ref().map_or(Value::Null, |(_, what)| json!(what)),
            time(deed.affected.as_ref().map(|(at, _)| *at)),
            time(deed.detected.as_ref().map(|(at, _)| *at)),
            deed.detected.as_ref().map_or(Value::Null, |(_, how)| json!(how)),
            time(deed.deposed.map(|(at, ..)| at)),
            deed.deposed.map_or(Value::Null, |(_, view, _)| json!(view.0)),
            time(deed.recovered.map(|(at, _)| at)),
        ]
    };
    Sheet {
        header: &[
            "replica",
            "attack",
            "set_us",
            "ended_us",
            "first_message_us",
            "first_message",
            "first_sign_us",
            "detected_us",
            "how",
            "view_change_us",
            "view",
            "recovered_us",
        ],
        rows: model.deeds.newest().map(row).collect(),
    }
}

fn evidence(model: &Model) -> Sheet {
    let row = |one: crate::books::Accused| {
        vec![
            json!(one.accused.to_string()),
            json!(one.certainty.label()),
            json!(one.rule),
            json!(one.by.to_string()),
            json!(one.first.0),
            json!(one.last.0),
            json!(one.count),
        ]
    };
    let held = model.evidence.told();
    Sheet {
        header: &["accused", "label", "rule", "held_by", "first_us", "last_us", "count"],
        rows: held.into_iter().map(row).collect(),
    }
}

fn cases(model: &Model) -> Sheet {
    let row = |case: &super::model::Case| {
        let (verdict, reasons) = match &case.progress {
            CaseProgress::Waiting | CaseProgress::Running => (Value::Null, String::new()),
            CaseProgress::Broken(why) => (json!("broken"), why.clone()),
            CaseProgress::Judged(_, verdict) => {
                let word = match verdict.ruling {
                    Ruling::Pass => "pass",
                    Ruling::Fail => "fail",
                    Ruling::BeyondBudget => "beyond",
                };
                (
                    json!(word),
                    [verdict.violations.clone(), verdict.missed.clone(), verdict.broke.clone()].concat().join("; "),
                )
            }
        };
        vec![json!(case.set.number), verdict, json!(reasons), json!(case.expectation.to_string()), json!(case.set.note)]
    };
    let sets = model.cases.as_ref().map_or(&[][..], |cases| &cases.sets);
    Sheet { header: &["set", "verdict", "reasons", "expected", "note"], rows: sets.iter().map(row).collect() }
}
