//! How inputs and outputs are written: short, in the order of the paper's brackets, and the same for what a script says
//! and for what a replica answers.

use byztop_core::app::smallbank::{OperationResult, decode_results};
use byztop_core::protocol::{Certificate, CheckpointCertificate, Event, Recipients, Timer};
use byztop_core::replica::{ExecutedSlot, Output, PeerMessage, Reply, ReplyOutcome, StatePart, StateRequest};
use byztop_core::types::{Digest, ReplicaId, SeqNum, Time};
use byztop_core::views::message::{
    CommittedHistory, Message, NewView, Origin, PreparedCertificate, StatusReport, ViewChange,
};
use byztop_core::wire;

use crate::dialect::Dialect;
use crate::names::Names;

/// What a replica wants done, on one line.
pub(crate) fn output<F: Dialect>(names: &Names, me: ReplicaId, start: Time, output: &Output<Message<F>>) -> String {
    match output {
        Output::Persist(writes) => format!("{me} writes {} rows", writes.len()),
        Output::Send(Recipients::All, what) => format!("{me} -> all: {}", message(names, what)),
        Output::Send(Recipients::One(to), what) => format!("{me} -> {to}: {}", message(names, what)),
        Output::Reply(session, what) => format!("{me} -> {}: {}", session.client, reply(names, what)),
        Output::SetTimer(which, at) => format!("{me} timer: {} at {}", timer(*which), millis(*at, start)),
        Output::CancelTimer(which) => format!("{me} timer: no {}", timer(*which)),
        Output::Executed(slot) => format!("{me} {}", executed(names, slot)),
        Output::Note(Event::Rejected { why, .. }) => format!("{me} refuses: {why}"),
        Output::Note(what) => format!("{me} note: {}", event(names, what)),
    }
}

/// `executes s1 a+b`; if not all of it ran, what did.
fn executed(names: &Names, ExecutedSlot { seq, batch, ran }: &ExecutedSlot) -> String {
    let text = format!("executes s{seq} {}", names.contents(batch));
    if *ran == batch.submissions {
        return text;
    }
    let ran: Vec<String> = ran.iter().map(|digest| names.name(*digest)).collect();
    if ran.is_empty() {
        format!("{text}, and nothing of it runs")
    } else {
        format!("{text}, only {} runs", ran.join("+"))
    }
}

/// A moment, counted from the transcript's beginning.
pub(crate) fn millis(at: Time, start: Time) -> String {
    let micros = at.since(start).0;
    if micros.is_multiple_of(1000) { format!("{}ms", micros / 1000) } else { format!("{micros}us") }
}

/// A timer's name.
pub(crate) fn timer(timer: Timer) -> &'static str {
    match timer {
        Timer::Request => "request",
        Timer::Ask => "ask",
        Timer::ViewChange => "view-change",
        Timer::Status => "status",
        Timer::Forward => "forward",
        Timer::Bodies => "bodies",
        Timer::FastPath => "fast path",
        Timer::StateTransfer => "state-transfer",
        Timer::Delayed => "delayed",
    }
}

/// A message, as a script would write it.
pub(crate) fn message<F: Dialect>(names: &Names, message: &PeerMessage<Message<F>>) -> String {
    let list = |digests: &[Digest]| digests.iter().map(|digest| names.name(*digest)).collect::<Vec<_>>().join(" ");
    match message {
        PeerMessage::Protocol(message) => protocol(names, message),
        PeerMessage::Forward(submission) => format!("request {}", names.name(submission.body.digest())),
        PeerMessage::FetchBodies(digests) => format!("fetch {}", list(digests)),
        PeerMessage::Bodies(bodies) => {
            format!("bodies {}", list(&bodies.iter().map(|body| body.body.digest()).collect::<Vec<_>>()))
        }
        PeerMessage::Checkpoint(signed) => {
            format!("checkpoint s{} {}", signed.body.seq, names.name(signed.body.digest))
        }
        PeerMessage::StateRequest(StateRequest::Nodes { seq, level, nodes }) => {
            format!("state-request s{seq} level {level} nodes {}", numbers(nodes.iter()))
        }
        PeerMessage::StateRequest(StateRequest::Leaves { seq, leaves }) => {
            format!("state-request s{seq} leaves {}", numbers(leaves.iter()))
        }
        PeerMessage::StatePart(StatePart::Nodes { seq, level, nodes }) => {
            format!("state-part s{seq} level {level} nodes {}", numbers(nodes.iter().map(|(index, _)| index)))
        }
        PeerMessage::StatePart(StatePart::Leaves { seq, leaves }) => {
            format!("state-part s{seq} leaves {}", numbers(leaves.iter().map(|(index, _)| index)))
        }
        PeerMessage::StatePart(StatePart::Newer(certificate)) => {
            format!("state-part newer {}", stable(names, certificate))
        }
        PeerMessage::Proof(proof) => match proof.verdict(names.committee) {
            Some(verdict) => format!("proof: {}: {} in v{}", verdict.accused, verdict.rule, verdict.view),
            None => "proof of nothing".to_string(),
        },
    }
}

fn numbers<'a>(numbers: impl Iterator<Item = &'a u32>) -> String {
    numbers.map(u32::to_string).collect::<Vec<_>>().join(" ")
}

fn protocol<F: Dialect>(names: &Names, message: &Message<F>) -> String {
    let slot = |view, seq, digest| format!("v{view} s{seq} {}", names.name(digest));
    match message {
        Message::PrePrepare(m) => {
            format!("pre-prepare v{} s{} {}", m.body.view, m.body.seq, names.contents(&m.body.batch))
        }
        Message::Prepare(m) => {
            let slot = slot(m.body.view, m.body.seq, m.body.digest);
            format!("prepare {slot}{}", forced(m.body.origin))
        }
        Message::Commit(m) => format!("commit {}", slot(m.body.view, m.body.seq, m.body.digest)),
        Message::ViewChange(m) => view_change(names, &m.body),
        Message::NewView(m) => new_view(names, &m.body),
        Message::Status(report) => status(report),
        Message::Ask { from } => format!("ask s{from}"),
        Message::Committed(history) => committed(names, history),
        Message::FetchBatches(digests) => {
            let digests: Vec<String> = digests.iter().map(|digest| names.name(*digest)).collect();
            format!("fetch-batches {}", digests.join(" "))
        }
        Message::Batches(batches) => {
            let batches: Vec<String> = batches.iter().map(|batch| names.contents(batch)).collect();
            format!("batches {}", batches.join(" "))
        }
        Message::Count(count) => format!("certificate {}", F::count(names, count)),
    }
}

/// ⟨VIEW-CHANGE, v, n, C, P, i⟩: n stands in C.
fn view_change<F: Dialect>(names: &Names, body: &ViewChange<F>) -> String {
    let mut text = format!("view-change v{} {}", body.view, stable(names, &body.stable));
    for shown in &body.shown {
        text.push(' ');
        text.push_str(&F::shown(names, shown));
    }
    text
}

/// ⟨NEW-VIEW, v, V, O⟩.
fn new_view<F: Dialect>(names: &Names, body: &NewView<F>) -> String {
    let changes: Vec<String> = body.view_changes.iter().map(|signed| signed.body.replica.to_string()).collect();
    let forced: Vec<String> =
        body.forced.iter().map(|entry| format!("s{} {}", entry.seq, names.name(entry.digest))).collect();
    format!("new-view v{} V({}) O({})", body.view, changes.join(" "), forced.join(", "))
}

/// C: who signed which checkpoint.
fn stable(names: &Names, certificate: &CheckpointCertificate) -> String {
    if certificate.seq() == SeqNum(0) {
        return "C(s0)".to_string();
    }
    // Its signers are private; its bytes are those of the certificate within.
    let bytes = wire::encode(certificate);
    let within: Certificate = wire::decode(&bytes, wire::MAX_MESSAGE_BYTES).expect("it is one");
    format!("C(s{} {} by {})", within.seq, names.name(within.digest), signers(&within))
}

/// What was prepared, and by which backups.
pub(crate) fn prepared(names: &Names, certificate: &PreparedCertificate) -> String {
    let Certificate { view, seq, digest, .. } = certificate.prepares;
    let by = signers(&certificate.prepares);
    format!("s{seq} v{view} {}{} by {by}", names.name(digest), forced(certificate.origin))
}

/// ` forced` for what O forces, nothing for a primary's own proposal.
pub(crate) fn forced(origin: Origin) -> &'static str {
    if origin == Origin::NewView { " forced" } else { "" }
}

pub(crate) fn signers(certificate: &Certificate) -> String {
    let signers: Vec<String> = certificate.signatures.iter().map(|(signer, _)| signer.to_string()).collect();
    if signers.is_empty() { "nobody".to_string() } else { signers.join(" ") }
}

fn status(report: &StatusReport) -> String {
    let mut text = format!("status v{} executed s{} stable s{}", report.view, report.executed, report.stable);
    if let Some(view) = report.asking_for {
        text.push_str(&format!(" asking v{view} holds({})", report.view_changes.to_string().replace(',', " ")));
    }
    if let Some(until) = report.observing_until {
        text.push_str(&format!(" observing s{until}"));
    }
    text
}

fn committed<F: Dialect>(names: &Names, history: &CommittedHistory<F>) -> String {
    let one = |letter, decision: &F::Decision| format!(" {letter}({})", F::decision(names, decision));
    let mut text = format!("committed {}", stable(names, &history.stable));
    text.extend(history.newest.iter().map(|decision| one("newest", decision)));
    text.extend(history.slots.iter().map(|slot| one("Q", &slot.decision)));
    text
}

/// What q matching commits decided, and whose those are.
pub(crate) fn commits(names: &Names, certificate: &Certificate) -> String {
    let Certificate { view, seq, digest, .. } = certificate;
    format!("s{seq} v{view} {} by {}", names.name(*digest), signers(certificate))
}

fn reply(names: &Names, reply: &Reply) -> String {
    let outcome = match &reply.outcome {
        ReplyOutcome::Busy => "busy".to_string(),
        ReplyOutcome::Old(last) => format!("old, after {}", last.0),
        ReplyOutcome::Executed(bytes) => match decode_results(bytes) {
            Some(results) => results.into_iter().map(result).collect::<Vec<_>>().join(" "),
            None => "garbage".to_string(),
        },
    };
    format!("reply {} {outcome}", names.name(reply.submission))
}

fn result(result: OperationResult) -> String {
    match result {
        OperationResult::Ok(number) => format!("ok={number}"),
        OperationResult::Rejected(why) => format!("rejected={why}"),
    }
}

fn event(names: &Names, event: &Event) -> String {
    match event {
        Event::PrePrepared { view, seq, digest } => format!("pre-prepared v{view} s{seq} {}", names.name(*digest)),
        Event::Prepared { view, seq } => format!("prepared v{view} s{seq}"),
        Event::Committed { view, seq, is_fast } => {
            format!("committed v{view} s{seq}{}", if *is_fast { " fast" } else { "" })
        }
        Event::Executed { seq, submissions, operations } => {
            format!("executed s{seq}: {submissions} submissions, {operations} operations")
        }
        Event::Asked { from } => format!("asked for s{from} on"),
        Event::ViewChangeAsked { view, why } => format!("asks for v{view}: {why}"),
        Event::ViewEntered { view, primary, forced, nulls, .. } => {
            format!("entered v{view} of {primary}, {forced} forced, {nulls} of them null")
        }
        Event::CheckpointStable { seq, digest } => format!("stable s{seq} {}", names.name(*digest)),
        Event::Diverged { seq, mine, certified } => {
            format!("diverged at s{seq}: has {}, the quorum has {}", names.name(*mine), names.name(*certified))
        }
        Event::TransferBegan { target } => format!("fetches the state at s{target}"),
        Event::TransferDone { seq, leaves, .. } => format!("installed the state at s{seq}, {leaves} leaves"),
        Event::Observing { until } => format!("observes until s{until} is stable"),
        Event::Rejoined => "takes part again".to_string(),
        Event::OldLog { shown } => format!("its log is an old copy: it lacks its own {shown}"),
        Event::Rejected { why, .. } => format!("refuses: {why}"),
        Event::Proved { summary, .. } => format!("proved: {}", names.replace_short(summary)),
        Event::AttackSet { attack } => format!("attack {attack}"),
        Event::AttackEnded { name } => format!("attack {name} ends"),
        Event::Healed => "heals".to_string(),
        Event::Tampered { .. } => event.to_string(),
    }
}
