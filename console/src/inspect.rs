//! `byztop inspect`: what a replica's store holds, as a table, JSON or CSV. The store is copied first and left alone, so
//! that a replica that runs can be looked into as well.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use byztop_certs::ClusterDirectory;
use byztop_core::app::Application as _;
use byztop_core::app::smallbank::{Account, SmallBank};
use byztop_core::durable::{Image, Table};
use byztop_core::protocol::{CheckpointCertificate, LoggedSlot, Protocol, Status};
use byztop_core::replica::Replica;
use byztop_core::types::{Digest, ReplicaId, View};
use byztop_node::STORE;
use byztop_node::store::{Found, Label, Store, StoreError};
use serde_json::{Value, json};

use crate::cli::{InspectArgs, Shelf};
use crate::{print_out, stop, usage};

/// Prints one shelf of a store.
pub(crate) fn run(args: &InspectArgs) -> anyhow::Result<()> {
    let (directory, me) = ClusterDirectory::of_home(&args.home)?;
    let path = args.home.join(STORE);
    let scratch = tempfile::tempdir().context("can not make a temporary folder for a copy of the store")?;
    stop::remove_on_signal(scratch.path()).context("can not listen for signals")?;
    let (label, store) = look_into(&path, scratch.path())?;
    let Some(protocol) = label.protocol() else {
        return Err(usage(format!("{}: this program does not know protocol {}", path.display(), label.protocol)));
    };
    let opened = Opened { directory, me, label, image: store.image()?, commits: store.commits(), found: store.found() };
    let rows = byztop_core::with_protocol!(protocol, P => opened.read::<P>(args.shelf))
        .map_err(|damaged| StoreError::damaged(&path, damaged))?;
    if args.json {
        print_out(&format!("{}\n", serde_json::to_string_pretty(&rows.to_json())?))
    } else if args.csv {
        print_out(&rows.to_csv()?)
    } else {
        print_out(&rows.to_text())
    }
}

/// A replica that runs may tidy its files while they are copied: then once more.
fn look_into(path: &Path, scratch: &Path) -> anyhow::Result<(Label, Store)> {
    let mut tries = 0..3;
    loop {
        let place = tempfile::tempdir_in(scratch)?.keep();
        match Store::look_into(path, &place) {
            Ok(opened) => return Ok(opened),
            Err(why @ StoreError::Missing { .. }) => return Err(usage(why.to_string())),
            Err(why) if tries.next().is_none() => return Err(why.into()),
            Err(why) => tracing::debug!("once more: {why}"),
        }
    }
}

/// A store and whose it is.
struct Opened {
    directory: ClusterDirectory,
    me: ReplicaId,
    label: Label,
    image: Image,
    commits: u64,
    found: Found,
}

/// Rows under names, the same for every way of printing them.
struct Rows {
    /// What stands above them, by name; not in CSV.
    head: Vec<(&'static str, Value)>,
    columns: Vec<&'static str>,
    rows: Vec<Vec<Value>>,
}

impl Opened {
    fn read<P: Protocol>(&self, shelf: Shelf) -> Result<Rows, byztop_core::durable::Damaged> {
        let config = self.directory.config();
        let settings = &config.settings;
        let app = SmallBank::new(settings.accounts, settings.initial_checking, settings.initial_savings);
        let replica = Replica::<P, SmallBank>::restore(self.me, config.committee(), settings, app, &self.image)?;
        let head = self.head(&replica.status(), replica.application());
        let stable: Option<CheckpointCertificate> = self.image.row(Table::Checkpoint)?;
        Ok(match shelf {
            Shelf::Log => log(head, &P::logged(&self.image)?),
            Shelf::Checkpoint => checkpoint(head, stable.as_ref()),
            Shelf::Accounts => accounts(head, replica.application()),
            Shelf::Sessions => {
                let row = |(session, timestamp, bytes): (byztop_core::types::Session, _, usize)| {
                    vec![json!(session.client.to_string()), json!(session.index), json!(timestamp), json!(bytes)]
                };
                let columns = vec!["client", "session", "timestamp", "result_bytes"];
                Rows { head, columns, rows: replica.sessions().map(row).collect() }
            }
        })
    }

    fn head(&self, status: &Status, bank: &SmallBank) -> Vec<(&'static str, Value)> {
        let found = match self.found {
            Found::AllButTheEnd => "its log's end is missing",
            Found::Unwitnessed => "the file `commits` is gone: its log's end may be missing",
            Found::Nothing | Found::Everything => "complete",
        };
        vec![
            ("replica", json!(self.label.replica)),
            ("cluster", json!(self.label.cluster)),
            ("epoch", json!(self.label.epoch)),
            ("protocol", json!(self.label.protocol)),
            ("store", json!(found)),
            ("commits", json!(self.commits)),
            ("rows", json!(self.image.len())),
            ("view", json!(status.view.0)),
            ("asking_for_view", json!(status.asking_for.map(|view| view.0))),
            ("stable_checkpoint", json!(status.stable.0)),
            ("accounts", json!(bank.accounts())),
            ("leaves", json!(bank.leaf_count())),
            ("money", json!(bank.total().to_string())),
        ]
    }
}

fn log(head: Vec<(&'static str, Value)>, slots: &[LoggedSlot]) -> Rows {
    let short = |digest: Digest| if digest == Digest::ZERO { "null".to_string() } else { digest.short() };
    let of = |known: Option<(View, Digest)>| {
        known.map_or([Value::Null, Value::Null], |(view, digest)| [json!(view.0), json!(short(digest))])
    };
    let row = |slot: &LoggedSlot| {
        let [voted_in, voted] = of(slot.voted);
        let [prepared_in, prepared] = of(slot.prepared);
        let [decided_in, decided] = of(slot.decided.map(|(view, digest, _)| (view, digest)));
        let is_fast = slot.decided.map(|(.., is_fast)| is_fast);
        let committed_in = json!(slot.committed_in.map(|view| view.0));
        let submissions = json!(slot.submissions);
        let seq = json!(slot.seq.0);
        vec![
            seq,
            submissions,
            voted_in,
            voted,
            prepared_in,
            prepared,
            committed_in,
            decided_in,
            decided,
            json!(is_fast),
        ]
    };
    let columns = vec![
        "slot",
        "submissions",
        "voted_in",
        "voted",
        "prepared_in",
        "prepared",
        "committed_in",
        "decided_in",
        "decided",
        "fast",
    ];
    Rows { head, columns, rows: slots.iter().map(row).collect() }
}

fn checkpoint(head: Vec<(&'static str, Value)>, stable: Option<&CheckpointCertificate>) -> Rows {
    let row = |certificate: &CheckpointCertificate| {
        let signers: Vec<String> = certificate.signers().iter().map(|replica| replica.to_string()).collect();
        vec![json!(certificate.seq().0), json!(certificate.digest().to_string()), json!(signers.join(" "))]
    };
    Rows { head, columns: vec!["slot", "digest", "signers"], rows: stable.map(row).into_iter().collect() }
}

fn accounts(head: Vec<(&'static str, Value)>, bank: &SmallBank) -> Rows {
    let row = |account: u32| {
        let (checking, savings) = bank.balances(Account(account)).unwrap_or_default();
        vec![json!(Account(account).name(bank.accounts()).to_string()), json!(savings), json!(checking)]
    };
    Rows { head, columns: vec!["customer", "savings", "checking"], rows: (0..bank.accounts()).map(row).collect() }
}

impl Rows {
    fn to_json(&self) -> Value {
        let head = self.head.iter().map(|(name, value)| ((*name).to_string(), value.clone()));
        let mut document: serde_json::Map<String, Value> = head.collect();
        let object = |row: &Vec<Value>| {
            let fields = self.columns.iter().zip(row).map(|(name, value)| ((*name).to_string(), value.clone()));
            Value::Object(fields.collect())
        };
        document.insert("rows_shown".to_string(), Value::Array(self.rows.iter().map(object).collect()));
        Value::Object(document)
    }

    fn to_csv(&self) -> anyhow::Result<String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&self.columns)?;
        for row in &self.rows {
            writer.write_record(row.iter().map(plain))?;
        }
        Ok(String::from_utf8(writer.into_inner()?)?)
    }

    fn to_text(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.head.iter().filter(|(_, value)| !value.is_null()) {
            let _infallible = writeln!(text, "{:<18} {}", name.replace('_', " "), plain(value));
        }
        let mut table = comfy_table::Table::new();
        table
            .load_preset(comfy_table::presets::NOTHING)
            .set_header(self.columns.iter().map(|name| name.replace('_', " ")));
        for row in &self.rows {
            table.add_row(row.iter().map(|value| if value.is_null() { "-".to_string() } else { plain(value) }));
        }
        for (place, column) in table.column_iter_mut().enumerate() {
            if self.rows.iter().filter_map(|row| row.get(place)).all(|value| value.is_number() || value.is_null()) {
                column.set_cell_alignment(comfy_table::CellAlignment::Right);
            }
        }
        let _infallible = write!(text, "\n{}\n", table.trim_fmt());
        if self.rows.is_empty() {
            text.push_str("(no rows)\n");
        }
        text
    }
}

/// A value as people and spreadsheets read it.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
