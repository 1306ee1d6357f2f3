//! A replica that tells its console what can not be: the screen stays what the others say, and stays alive.

use byztop_core::protocol::{
    Complaint, Event, PhaseVotes, SlotPhase, SlotVotes, Status, Topic, TransferProgress, ViewChangeShown,
};
use byztop_core::rejection::Rejection;
use byztop_core::telemetry::{
    ConsoleMessage, Counters, Course, Fate, Frame, Ledger, LedgerLeaf, LogEntry, Passage, PhaseLatencies, Trace,
    Trouble,
};
use byztop_core::types::{Digest, Micros, ReplicaId, ReplicaSet, SeqNum, Time, View};

use super::*;

const LIAR: ReplicaId = ReplicaId(0);

/// What it says of anything.
const NUMBERS: [u64; 9] = [0, 1, 7, 1 << 20, 1 << 32, 1 << 48, (1 << 53) + 1, 1 << 63, u64::MAX];

/// A frame in which each number is this one, but for those of `slots`, which are spread.
fn frame(number: u64, text: &str) -> Frame {
    let (seq, view, at) = (SeqNum(number), View(number), Time(number));
    let everybody: ReplicaSet = (0..128).map(ReplicaId).collect();
    let status = Status {
        view,
        asking_for: Some(view),
        leader: ReplicaId(3),
        stable: seq,
        executed: seq,
        observing_until: Some(seq),
        transfer: Some(TransferProgress {
            target: seq,
            wanted_leaves: Some(u32::MAX),
            fetched_leaves: u32::MAX,
            fetched_bytes: number,
            sources: u8::MAX,
        }),
    };
    let counters = Counters {
        operations: number,
        operations_failed: number,
        submissions: number,
        pending: number,
        rejected: number,
        bad_signatures: number,
        proofs: number,
        messages_sent: number,
        bytes_sent: number,
        links: number,
        cpu: Micros(number),
        memory_bytes: number,
        disk_bytes: number,
        commits: number,
        ..Counters::default()
    };
    let by_digest = (0..200).map(|i| (Digest([i; 32]), everybody)).collect();
    let phase = PhaseVotes { phase: text.into(), by_digest, needed: u8::MAX };
    let digest = Digest::default();
    let shown = ViewChangeShown { replica: LIAR, stable: seq, slots: u32::MAX };
    let why = Rejection::OutsideWatermarks(seq);
    let events = [
        Event::PrePrepared { view, seq, digest },
        Event::Committed { view, seq, is_fast: true },
        Event::Executed { seq, submissions: u32::MAX, operations: u32::MAX },
        Event::ViewChangeAsked { view, why: Complaint::RequestTimeout },
        Event::ViewEntered { view, primary: LIAR, forced: u32::MAX, nulls: u32::MAX, view_changes: vec![shown; 128] },
        Event::TransferDone { seq, leaves: u32::MAX, bytes: number },
        Event::Observing { until: seq },
        Event::Rejected { from: ReplicaId(1), why, count: u32::MAX },
        Event::Proved { accused: ReplicaId(1), summary: format!("{text} {number}") },
        Event::AttackSet { attack: text.into() },
    ];
    Frame {
        replica: LIAR,
        at,
        status,
        stable_digest: digest,
        executed_digest: Some((seq, digest)),
        counters,
        messages: (0..64).map(|i| (format!("{i}{text}"), number)).collect(),
        attack: text.into(),
        slots: (0..4096).map(|i| (SeqNum(number.wrapping_sub(i)), SlotPhase::Prepared)).collect(),
        fast: (0..512).map(|i| SeqNum(number.wrapping_add(i))).collect(),
        votes: Some(SlotVotes { seq, view, phases: vec![phase; 40], is_fast: true }),
        latencies: vec![PhaseLatencies { buckets: vec![(Micros(number), u32::MAX); 100] }; 17],
        events: events.map(|event| (at, event)).to_vec(),
        dropped: number,
    }
}

/// Everything that it may say with such a number.
fn lies(number: u64, text: &str) -> Vec<ConsoleMessage> {
    let (seq, at) = (SeqNum(number), Time(number));
    let frame = frame(number, text);
    let entry = LogEntry {
        seq,
        proposal: Some((View(number), Digest::default())),
        pre_prepared: Some(at),
        prepared: Some(at),
        committed: Some(Time(0)),
        executed: Some(at),
        submissions: u32::MAX,
    };
    let ledger = Ledger {
        replica: LIAR,
        status: frame.status,
        state_digest: Digest::default(),
        slots: frame.slots.clone(),
        log: (0..512).map(|i| LogEntry { seq: SeqNum(number.wrapping_sub(i)), ..entry }).collect(),
        figures: vec![("customers".into(), i128::MAX), (text.into(), i128::MIN), ("money".into(), i128::from(number))],
        leaf_count: u32::MAX,
        leaves: vec![LedgerLeaf { index: u32::MAX, bytes: vec![0xff; 640] }],
    };
    let to: ReplicaSet = (0..128).map(ReplicaId).collect();
    let fates = [
        Fate::Left { to },
        Fate::Unsent { to },
        Fate::Came { from: ReplicaId(1) },
        Fate::HeldBack { to, until: at, by: text.into() },
    ];
    let topic = Topic::Slot { view: View(number), seq, digest: Digest::default() };
    let passages = fates.map(|fate| Passage { at, name: text.to_string().into(), topic, fate }).to_vec();
    let trace = |course| {
        let passages = passages.iter().cloned().cycle().take(1024).collect();
        ConsoleMessage::Trace(Box::new(Trace { replica: LIAR, course, since: at, entry: Some(entry), passages }))
    };
    let difference = |what: &str| Trouble::Differs {
        peer: ReplicaId(1),
        what: what.into(),
        mine: text.into(),
        theirs: text.into(),
        is_vital: true,
    };
    let troubles = (0..200).map(|i| difference(&format!("{i}{text}"))).collect();
    vec![
        ConsoleMessage::Frame(Box::new(frame)),
        ConsoleMessage::Ledger(Box::new(ledger)),
        trace(Course::Slot(seq)),
        trace(Course::View(View(number))),
        ConsoleMessage::Troubles(troubles),
        ConsoleMessage::Done(text.into()),
        ConsoleMessage::Refused(text.into()),
    ]
}

/// Lies as the link passes them on.
fn heard(rig: &Rig, number: u64, text: &str) -> Vec<FeedEvent> {
    let credible = lies(number, text).into_iter().filter_map(|lie| lie.credible(rig.model.committee).ok());
    credible.map(|message| FeedEvent::Link(LIAR, LinkEvent::Message(message))).collect()
}

/// What the first lines say of slot and view, and not of rates.
fn place(rig: &Rig) -> (Option<SeqNum>, Option<View>, Option<SeqNum>) {
    let model = &rig.model;
    (model.newest_executed(), model.reign().map(|reign| reign.view), model.newest_slot())
}

#[test]
fn whatever_it_says_each_pane_is_drawn_and_shows_where_the_others_are() {
    let long = "\u{1b}[2J漢".repeat(300);
    for number in NUMBERS {
        let mut rig = Rig::running(4, 12);
        for text in ["", "x", &long] {
            rig.frames(1);
            let honest = place(&rig);
            let lies = heard(&rig, number, text);
            assert!(lies.len() >= 4, "it is heard");
            rig.take(lies);
            let (executed, view, newest) = place(&rig);
            assert_eq!(view, honest.1, "{number}");
            let near = |a: Option<SeqNum>, b: Option<SeqNum>| a.unwrap().0.abs_diff(b.unwrap().0) < 1000;
            assert!(near(executed, honest.0) && near(newest, honest.2), "{number}: {executed:?}, {newest:?}");
            for pane in ["1", "2", "3", "4", "5", "6", "7"] {
                rig.press(pane);
                for (width, height) in [(200, 60), (80, 24), (1, 1)] {
                    let screen = rig.screen(width, height);
                    assert!(!screen.contains('\u{1b}'));
                }
            }
            rig.press("1 z Left Left Right Esc 2 v Esc 3 End Home 6 End Home 1");
        }
        rig.frames(2);
    }
}

#[test]
fn a_flood_of_lies_takes_no_memory_and_displaces_nobody() {
    let mut rig = Rig::running(4, 12);
    let log = |rig: &Rig| rig.model.ledgers.log().len();
    for honest in [1, 2, 3].map(ReplicaId) {
        let ConsoleMessage::Ledger(mut ledger) = lies(500, "").swap_remove(1) else { unreachable!("it is the ledger") };
        ledger.replica = honest;
        rig.take(vec![FeedEvent::Link(honest, LinkEvent::Message(ConsoleMessage::Ledger(ledger)))]);
    }
    let before = log(&rig);
    assert!(before > 400, "there is a log to displace");
    for number in 0..400 {
        let lies = heard(&rig, (1 << 40) + number * 5000, &format!("lie {number}"));
        rig.take(lies);
    }
    rig.frames(2);
    assert!(log(&rig) >= before, "{} of {before}", log(&rig));
    let of_others = rig.model.evidence.told().iter().filter(|one| one.by != ReplicaSet::from_iter([LIAR])).count();
    assert!(rig.model.evidence.told().len() - of_others <= 100);
    assert!(rig.model.views.get().len() <= 100);
}
