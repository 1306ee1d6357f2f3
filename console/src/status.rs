//! `byztop status`: one look at a cluster that runs. Who is reached, how far each is, which votes are missing, what is wrong; the
//! exit status says how it is.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use byztop_certs::{ClusterDirectory, Role};
use byztop_core::committee::Committee;
use byztop_core::protocol::SlotVotes;
use byztop_core::telemetry::{ConsoleMessage, ConsoleRequest, Frame, Trouble};
use byztop_core::types::{ReplicaId, ReplicaSet, SeqNum, View};
use byztop_node::control::LinkEvent;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use crate::books::ranges;
use crate::cli::StatusArgs;
use crate::session::{Background, Links};
use crate::summary::grouped;
use crate::{print_out, usage};

/// How often replicas say where they stand.
const FRAME_MS: u32 = 100;

/// For how long nothing must be executed while requests wait until that is called standing still.
const STANDS_STILL: Duration = Duration::from_secs(2);

/// Looks, prints what it saw, and gives the exit status.
///
/// # Errors
///
/// If there is no cluster in the folder, or not the keys of observer or operator.
pub(crate) fn run(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let directory = Arc::new(ClusterDirectory::open(&args.dir).map_err(|error| usage(error.to_string()))?);
    let role = match directory.identity(Role::Observer) {
        Ok(_) => Role::Observer,
        Err(_) => Role::Operator,
    };
    directory.identity(role).map_err(|error| usage(error.to_string()))?;
    let runtime = Background::start()?;
    let members = directory.config().committee().members().collect();
    let links = Links::open(&runtime, &directory, members, role, FRAME_MS);
    let seen = runtime.get().block_on(look(links, directory.config().committee(), args.timeout));
    let report = Report::of(&directory, &seen);
    print_out(&if args.json { serde_json::to_string_pretty(&report.to_json())? + "\n" } else { report.to_text() })?;
    Ok(ExitCode::from(match report.health {
        Health::Good => 0,
        Health::Impaired => 1,
        Health::Stands => 3,
    }))
}

/// What was seen of one replica.
#[derive(Default)]
struct Seen {
    /// What it had executed when it was first seen, and when.
    first: Option<(SeqNum, Instant)>,
    /// Its last frame, and the one before progress.
    frame: Option<Box<Frame>>,
    executed_at: Option<Instant>,
    why_down: Option<String>,
    troubles: Vec<Trouble>,
    /// How often a link was tried and did not come about.
    failures: u32,
}

impl Seen {
    /// Whether it has executed something since it was first seen.
    fn has_moved(&self) -> bool {
        let executed = self.frame.as_ref().map(|frame| frame.status.executed);
        self.first.zip(executed).is_some_and(|((first, _), now)| now > first)
    }
}

/// Watches until all replicas are seen or given up, and long enough to see whether anything is executed.
async fn look(mut links: Links, committee: Committee, patience: Duration) -> BTreeMap<ReplicaId, Seen> {
    let mut seen: BTreeMap<ReplicaId, Seen> = committee.members().map(|id| (id, Seen::default())).collect();
    let began = Instant::now();
    let deadline = began + patience;
    loop {
        let all_told = seen.values().all(|one| one.frame.is_some() || one.failures >= 2);
        let waits = |one: &Seen| one.frame.as_ref().is_some_and(|frame| frame.counters.pending > 0);
        let is_idle = !seen.values().any(waits);
        let is_known = is_idle || seen.values().any(Seen::has_moved) || began.elapsed() > STANDS_STILL;
        // Troubles come with the second frame or so.
        if all_told && is_known && began.elapsed() >= Duration::from_millis(3 * u64::from(FRAME_MS)) {
            return seen;
        }
        let Ok(Some((id, event))) = timeout_at(deadline, links.next()).await else { return seen };
        let Some(one) = seen.get_mut(&id) else { continue };
        match event {
            LinkEvent::Down(why) => {
                *one = Seen { why_down: Some(why), failures: one.failures + 1, ..Seen::default() };
            }
            LinkEvent::Message(ConsoleMessage::Frame(frame)) => {
                let (now, executed) = (Instant::now(), frame.status.executed);
                if one.first.is_none() {
                    one.first = Some((executed, now));
                    links.ask(id, ConsoleRequest::WatchSlot(Some(executed.next())));
                }
                if one.frame.as_ref().is_none_or(|before| before.status.executed < executed) {
                    one.executed_at = Some(now);
                }
                one.frame = Some(frame);
            }
            LinkEvent::Message(ConsoleMessage::Troubles(troubles)) => one.troubles = troubles,
            _ => {}
        }
    }
}

/// How a cluster is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Health {
    /// Nothing is wrong.
    Good,
    /// Something is wrong, and it works.
    Impaired,
    /// Nothing is decided.
    Stands,
}

impl Health {
    fn name(self) -> &'static str {
        match self {
            Health::Good => "healthy",
            Health::Impaired => "impaired",
            Health::Stands => "standing still",
        }
    }
}

/// One replica, for people and scripts.
struct Row {
    replica: ReplicaId,
    address: String,
    frame: Option<Box<Frame>>,
    why_down: String,
}

struct Report {
    health: Health,
    cluster: String,
    committee: Committee,
    protocol: String,
    epoch: u64,
    view: Option<View>,
    leader: Option<ReplicaId>,
    slot: Option<SeqNum>,
    rows: Vec<Row>,
    wrong: Vec<String>,
}

impl Report {
    fn of(directory: &ClusterDirectory, seen: &BTreeMap<ReplicaId, Seen>) -> Report {
        let config = directory.config();
        let committee = config.committee();
        let frames = || seen.values().filter_map(|one| one.frame.as_deref());
        let view = committee.credible(frames().map(|frame| frame.status.view));
        let leader = frames().find(|frame| Some(frame.status.view) == view).map(|frame| frame.status.leader);
        let slot = committee.credible(frames().map(|frame| frame.status.executed));
        let row = |(id, one): (&ReplicaId, &Seen)| Row {
            replica: *id,
            address: config.replica(*id).map(|entry| entry.control.to_string()).unwrap_or_default(),
            frame: one.frame.clone(),
            why_down: one.why_down.clone().unwrap_or_else(|| "no answer yet".to_string()),
        };
        let rows: Vec<Row> = seen.iter().map(row).collect();
        let (health, wrong) = judge(directory, committee, seen);
        let (cluster, protocol) = (config.cluster.short().to_string(), config.protocol.to_string());
        Report { health, cluster, committee, protocol, epoch: config.epoch, view, leader, slot, rows, wrong }
    }

    fn to_text(&self) -> String {
        let (n, f) = (self.committee.size(), self.committee.faulty());
        let or_unknown = |value: Option<String>| value.unwrap_or_else(|| "?".to_string());
        let mut text = format!(
            "cluster {}… {} n={n} f={f} epoch {}: {}, view {} of {}, slot {}\n\n",
            self.cluster,
            self.protocol,
            self.epoch,
            self.health.name(),
            or_unknown(self.view.map(|view| view.to_string())),
            or_unknown(self.leader.map(|leader| leader.to_string())),
            or_unknown(self.slot.map(|slot| slot.to_string())),
        );
        let mut table = comfy_table::Table::new();
        table.load_preset(comfy_table::presets::NOTHING);
        table.set_header(["", "state", "view", "slot", "stable", "waiting", "links", "attack"]);
        for row in &self.rows {
            let name = row.replica.to_string();
            match &row.frame {
                None => table.add_row([name, "not reached".to_string()]),
                Some(frame) => table.add_row([
                    name,
                    state(frame),
                    frame.status.view.to_string(),
                    frame.status.executed.to_string(),
                    frame.status.stable.to_string(),
                    grouped(frame.counters.pending),
                    frame.counters.links.to_string(),
                    frame.attack.clone(),
                ]),
            };
        }
        for column in 2..7 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(comfy_table::CellAlignment::Right);
            }
        }
        for line in table.lines() {
            let _infallible = writeln!(text, "{}", line.trim_end());
        }
        match self.wrong.is_empty() {
            true => text += "\nnothing is wrong\n",
            false => {
                text += "\nwrong:\n";
                self.wrong.iter().for_each(|wrong| text += &format!("  {wrong}\n"));
            }
        }
        text
    }

    fn to_json(&self) -> Value {
        let replica = |row: &Row| {
            let frame = row.frame.as_deref();
            json!({
                "name": row.replica.to_string(),
                "control": row.address,
                "reached": frame.is_some(),
                "why_not_reached": frame.is_none().then_some(&row.why_down),
                "state": frame.map(state),
                "view": frame.map(|frame| frame.status.view.0),
                "asking_for_view": frame.and_then(|frame| frame.status.asking_for).map(|view| view.0),
                "executed": frame.map(|frame| frame.status.executed.0),
                "stable": frame.map(|frame| frame.status.stable.0),
                "waiting": frame.map(|frame| frame.counters.pending),
                "links": frame.map(|frame| frame.counters.links),
                "attack": frame.map(|frame| &frame.attack),
            })
        };
        json!({
            "health": self.health.name(),
            "cluster": self.cluster,
            "epoch": self.epoch,
            "protocol": self.protocol,
            "replicas": self.rows.iter().map(replica).collect::<Vec<_>>(),
            "view": self.view.map(|view| view.0),
            "leader": self.leader.map(|leader| leader.to_string()),
            "executed": self.slot.map(|slot| slot.0),
            "wrong": self.wrong,
        })
    }
}

/// What a replica does, in a word or two.
fn state(frame: &Frame) -> String {
    let status = &frame.status;
    match (status.transfer, status.observing_until, status.asking_for) {
        (Some(transfer), _, _) => format!("fetches state {transfer}"),
        (None, Some(SeqNum(0)), _) => "watches".to_string(),
        (None, Some(until), _) => format!("watches until {until}"),
        (None, None, Some(view)) => format!("asks for view {view}"),
        (None, None, None) => "takes part".to_string(),
    }
}

/// How the cluster is, and what is wrong with it, the worst first.
fn judge(
    directory: &ClusterDirectory,
    committee: Committee,
    seen: &BTreeMap<ReplicaId, Seen>,
) -> (Health, Vec<String>) {
    let (quorum, weak) = (committee.quorum(), committee.weak_quorum());
    let mut wrong: Vec<(Health, String)> = Vec::new();
    let who = |is_it: &dyn Fn(&Seen) -> bool| -> ReplicaSet {
        seen.iter().filter(|(_, one)| is_it(one)).map(|(id, _)| *id).collect()
    };
    let is = |one: &Seen, is_it: &dyn Fn(&Frame) -> bool| one.frame.as_deref().is_some_and(is_it);
    let missing = who(&|one| one.frame.is_none());
    let watching = who(&|one| is(one, &|frame| frame.status.observing_until.is_some()));
    let waiting = who(&|one| is(one, &|frame| frame.counters.pending > 0));
    let taking_part = committee.size() - missing.len() - watching.len();
    if taking_part < quorum {
        let text = format!("nothing can be decided: {taking_part} replicas take part, and {quorum} are needed");
        wrong.push((Health::Stands, text));
    }
    if watching.len() > committee.faulty() {
        let dir = directory.path().display();
        let text = format!(
            "{} have lost their logs, more than the f = {} that the others can make up for, and wait for each other; with all \
             replicas stopped, `byztop recover {dir}` begins a new epoch from the highest checkpoint that their folders prove",
            ranges(watching),
            committee.faulty()
        );
        wrong.push((Health::Stands, text));
    }
    let stood = |one: &Seen| one.executed_at.is_some_and(|at| at.elapsed() >= STANDS_STILL);
    let moved = who(&Seen::has_moved);
    if waiting.len() >= weak && moved.len() < weak && who(&stood).len() >= weak {
        let text =
            format!("requests wait at {}, and nothing was executed for {} s", ranges(waiting), STANDS_STILL.as_secs());
        wrong.push((Health::Stands, text));
        wrong.extend(missing_votes(seen).map(|text| (Health::Stands, text)));
    }
    let mut told: BTreeMap<&Trouble, ReplicaSet> = BTreeMap::new();
    for (id, one) in seen {
        for trouble in &one.troubles {
            told.entry(trouble).or_default().insert(*id);
        }
    }
    for (id, one) in seen.iter().filter(|(_, one)| one.frame.is_none()) {
        let why = one.why_down.as_deref().unwrap_or("no answer yet");
        wrong.push((Health::Impaired, format!("{id} is not reached from here: {why}")));
    }
    for (trouble, by) in told {
        let is_general = matches!(trouble, Trouble::NoQuorum { .. } | Trouble::Alone { .. });
        let health = if is_general && by.len() >= weak { Health::Stands } else { Health::Impaired };
        wrong.push((health, format!("{} {}: {trouble}", ranges(by), if by.len() == 1 { "says" } else { "say" })));
    }
    if !watching.is_empty() {
        let does =
            if watching.len() == 1 { "has lost its log, and watches" } else { "have lost their logs, and watch" };
        wrong.push((Health::Impaired, format!("{} {does}", ranges(watching))));
    }
    let asking = who(&|one| is(one, &|frame| frame.status.asking_for.is_some()));
    if !asking.is_empty() {
        let asks = if asking.len() == 1 { "asks" } else { "ask" };
        wrong.push((Health::Impaired, format!("{} {asks} for another view", ranges(asking))));
    }
    for (id, one) in seen {
        if let Some(frame) = one.frame.as_deref().filter(|frame| !frame.attack.is_empty()) {
            wrong.push((Health::Impaired, format!("{id} is made to misbehave: {}", frame.attack)));
        }
    }
    wrong.sort_by_key(|(health, _)| std::cmp::Reverse(*health));
    let health = wrong.iter().map(|(health, _)| *health).max().unwrap_or(Health::Good);
    (health, wrong.into_iter().map(|(_, text)| text).collect())
}

/// What the slots that are waited for lack, as each replica holds it.
fn missing_votes(seen: &BTreeMap<ReplicaId, Seen>) -> impl Iterator<Item = String> {
    let of = |(id, one): (&ReplicaId, &Seen)| {
        let votes = one.frame.as_ref()?.votes.clone()?;
        Some(format!("{id} holds of slot {}: {}", votes.seq, votes_in_words(&votes)))
    };
    seen.iter().filter_map(of)
}

fn votes_in_words(votes: &SlotVotes) -> String {
    let phase = |phase: &byztop_core::protocol::PhaseVotes| {
        let most = phase.by_digest.iter().map(|(_, voters)| voters.len()).max().unwrap_or(0);
        format!("{} {most} of {}", phase.phase, phase.needed)
    };
    votes.phases.iter().map(phase).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use byztop_certs::InitOptions;
    use byztop_core::protocol::Status;
    use byztop_core::telemetry::Counters;
    use byztop_core::types::{Digest, Time};

    fn frame(id: u8, executed: u64) -> Frame {
        let status = Status {
            view: View(0),
            asking_for: None,
            leader: ReplicaId(0),
            stable: SeqNum(0),
            executed: SeqNum(executed),
            observing_until: None,
            transfer: None,
        };
        Frame {
            replica: ReplicaId(id),
            at: Time(1),
            status,
            stable_digest: Digest::ZERO,
            executed_digest: None,
            counters: Counters { links: 3, ..Counters::default() },
            messages: Vec::new(),
            attack: String::new(),
            slots: Vec::new(),
            fast: Vec::new(),
            votes: None,
            latencies: Vec::new(),
            events: Vec::new(),
            dropped: 0,
        }
    }

    /// Four replicas, each changed as is wanted.
    fn report(change: impl Fn(u8, &mut Seen)) -> Report {
        let scratch = tempfile::tempdir().unwrap();
        let options = InitOptions { replicas: 4, ..InitOptions::default() };
        let directory = ClusterDirectory::create(&scratch.path().join("c"), &options).unwrap();
        let one = |id: u8| {
            let now = Instant::now();
            let mut one = Seen {
                first: Some((SeqNum(7), now)),
                frame: Some(Box::new(frame(id, 9))),
                executed_at: Some(now),
                ..Seen::default()
            };
            change(id, &mut one);
            (ReplicaId(id), one)
        };
        Report::of(&directory, &(0..4).map(one).collect())
    }

    fn of(seen: &mut Seen) -> &mut Frame {
        seen.frame.as_mut().unwrap()
    }

    #[test]
    fn a_cluster_in_which_nothing_is_wrong_is_healthy() {
        let report = report(|_, _| {});
        assert_eq!((report.health, report.wrong.len()), (Health::Good, 0));
        assert!(report.to_text().contains("healthy, view 0 of n1, slot 9"), "{}", report.to_text());
        assert!(report.to_text().ends_with("nothing is wrong\n"));
    }

    #[test]
    fn one_of_four_that_is_not_reached_is_named_and_two_are_too_many() {
        let gone = |seen: &mut Seen| *seen = Seen { why_down: Some("no answer from ::1".into()), ..Seen::default() };
        let one = report(|id, seen| {
            if id == 2 {
                gone(seen)
            }
        });
        assert_eq!((one.health, &*one.wrong[0]), (Health::Impaired, "n3 is not reached from here: no answer from ::1"));
        let two = report(|id, seen| {
            if id >= 2 {
                gone(seen)
            }
        });
        assert_eq!(two.health, Health::Stands);
        assert_eq!(two.wrong[0], "nothing can be decided: 2 replicas take part, and 3 are needed");
    }

    #[test]
    fn more_than_f_that_lost_their_logs_are_told_the_way_on() {
        let report = report(|id, seen| {
            if id >= 2 {
                of(seen).status.observing_until = Some(SeqNum(300))
            }
        });
        assert_eq!(report.health, Health::Stands);
        let text = report.wrong.join("\n");
        assert!(
            text.contains("n3,n4 have lost their logs, more than the f = 1") && text.contains("byztop recover"),
            "{text}"
        );
    }

    #[test]
    fn a_difference_is_told_once_with_all_who_see_it() {
        let differs = || Trouble::Differs {
            peer: ReplicaId(3),
            what: "epoch".into(),
            mine: "1".into(),
            theirs: "2".into(),
            is_vital: true,
        };
        let report = report(|id, seen| {
            if id < 3 {
                seen.troubles = vec![differs()]
            }
        });
        assert_eq!(report.health, Health::Impaired);
        assert!(
            report.wrong[0].starts_with("n1-n3 say: n4 has another configuration: epoch is 1"),
            "{:?}",
            report.wrong
        );
    }

    #[test]
    fn standing_still_says_which_votes_are_there() {
        let phase = |name: &str, voters: u8| byztop_core::protocol::PhaseVotes {
            phase: name.into(),
            by_digest: vec![(Digest::ZERO, (0..voters).map(ReplicaId).collect())],
            needed: 3,
        };
        let report = report(|_, seen| {
            of(seen).counters.pending = 4;
            of(seen).status.executed = SeqNum(7);
            let phases = vec![phase("prepare", 3), phase("commit", 2)];
            of(seen).votes = Some(SlotVotes { seq: SeqNum(8), view: View(0), phases, is_fast: false });
            seen.executed_at = Instant::now().checked_sub(2 * STANDS_STILL);
        });
        assert_eq!(report.health, Health::Stands);
        assert_eq!(report.wrong[1], "n1 holds of slot 8: prepare 3 of 3, commit 2 of 3");
        assert_eq!(report.to_json()["health"], "standing still");
    }
}
