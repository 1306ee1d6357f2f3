//! Any message at all: every variant of whatever crosses the wire, valid in shape and in nothing else.

use byztop_core::app::merkle::FAN_OUT;
use byztop_core::crypto::{Author, Kind, Signature, Signed, Statement};
use byztop_core::evidence::Proof;
use byztop_core::linear::{Count, Decision, Linear, Shown, Vote};
use byztop_core::pbft::{Classic, Nothing};
use byztop_core::protocol::{
    Batch, Certificate, Checkpoint, CheckpointCertificate, Claim, Complaint, Event, OwnStatement, PhaseVotes,
    SlotPhase, SlotVotes, Status, Tampering, Topic, TransferProgress, ViewChangeShown,
};
use byztop_core::rejection::{CertificateFault, Rejection};
use byztop_core::replica::{Leaf, PeerMessage, Reply, ReplyOutcome, StatePart, StateRequest, Submission};
use byztop_core::telemetry::{
    ConsoleMessage, ConsoleRequest, Counters, Course, Fate, Frame, Ledger, LedgerLeaf, LogEntry, Passage,
    PhaseLatencies, Trace, Trouble, Welcome,
};
use byztop_core::types::{
    ClientId, Digest, Micros, ProtocolName, ReplicaId, ReplicaSet, SeqNum, Session, Time, Timestamp, View,
};
use byztop_core::views::form::Form;
use byztop_core::views::message::{
    Commit, CommittedHistory, CommittedSlot, ForcedProposal, Message, NewView, Origin, PrePrepare, Prepare,
    PreparedCertificate, StatusReport, ViewChange,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Small numbers, and those at which encodings grow and counters end.
fn number() -> impl Strategy<Value = u64> + Clone {
    prop_oneof![4 => 0u64..300, 1 => any::<u64>(), 1 => Just(u64::MAX)]
}

fn view() -> impl Strategy<Value = View> + Clone {
    number().prop_map(View)
}

fn seq() -> impl Strategy<Value = SeqNum> + Clone {
    number().prop_map(SeqNum)
}

fn time() -> impl Strategy<Value = Time> {
    number().prop_map(Time)
}

fn micros() -> impl Strategy<Value = Micros> {
    number().prop_map(Micros)
}

fn replica() -> impl Strategy<Value = ReplicaId> + Clone {
    any::<u8>().prop_map(ReplicaId)
}

fn replicas() -> impl Strategy<Value = ReplicaSet> {
    vec(replica(), 0..5).prop_map(ReplicaSet::from_iter)
}

fn session() -> impl Strategy<Value = Session> {
    (any::<u16>(), any::<u16>()).prop_map(|(client, index)| Session { client: ClientId(client), index })
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    number().prop_map(Timestamp)
}

fn digest() -> impl Strategy<Value = Digest> + Clone {
    prop_oneof![1 => Just(Digest::ZERO), 3 => any::<[u8; 32]>().prop_map(Digest)]
}

fn signature() -> impl Strategy<Value = Signature> + Clone {
    let halves = (any::<[u8; 32]>(), any::<[u8; 32]>());
    let signature = |(r, s): ([u8; 32], [u8; 32])| {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&r);
        bytes[32..].copy_from_slice(&s);
        Signature::from(bytes)
    };
    prop_oneof![1 => Just(Signature::BLANK), 3 => halves.prop_map(signature)]
}

fn signed<T: std::fmt::Debug>(body: impl Strategy<Value = T>) -> impl Strategy<Value = Signed<T>> {
    (body, signature()).prop_map(|(body, signature)| Signed { body, signature })
}

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..most)
}

fn text() -> impl Strategy<Value = String> {
    ".{0,12}"
}

fn kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![
        Kind::Submission,
        Kind::PrePrepare,
        Kind::Forced,
        Kind::Prepare,
        Kind::Commit,
        Kind::Checkpoint,
        Kind::ViewChange,
        Kind::NewView,
    ])
}

fn origin() -> impl Strategy<Value = Origin> + Clone {
    prop::sample::select(vec![Origin::OwnAccord, Origin::NewView])
}

fn batch() -> impl Strategy<Value = Batch> {
    vec(digest(), 0..4).prop_map(|submissions| Batch { submissions })
}

fn certificate() -> impl Strategy<Value = Certificate> {
    (kind(), view(), seq(), digest(), vec((replica(), signature()), 0..5))
        .prop_map(|(kind, view, seq, digest, signatures)| Certificate { kind, view, seq, digest, signatures })
}

fn checkpoint_certificate() -> impl Strategy<Value = CheckpointCertificate> {
    let some = (seq(), digest(), vec((replica(), signature()), 0..5));
    prop_oneof![
        Just(CheckpointCertificate::genesis()),
        some.prop_map(|(seq, digest, signatures)| CheckpointCertificate::new(seq, digest, signatures)),
    ]
}

fn pre_prepare() -> impl Strategy<Value = PrePrepare> {
    (view(), seq(), digest(), replica(), batch()).prop_map(|(view, seq, digest, primary, batch)| PrePrepare {
        view,
        seq,
        digest,
        primary,
        batch,
    })
}

fn prepare() -> impl Strategy<Value = Prepare> {
    (view(), seq(), digest(), replica(), origin(), signature())
        .prop_map(|(view, seq, digest, replica, origin, header)| Prepare { view, seq, digest, replica, origin, header })
}

fn commit() -> impl Strategy<Value = Commit> {
    (view(), seq(), digest(), replica()).prop_map(|(view, seq, digest, replica)| Commit { view, seq, digest, replica })
}

fn prepared() -> impl Strategy<Value = PreparedCertificate> {
    (origin(), signature(), certificate()).prop_map(|(origin, header, prepares)| PreparedCertificate {
        origin,
        header,
        prepares,
    })
}

/// What messages are made of that depends on the form.
pub(super) trait AnyForm: Form {
    fn shown() -> BoxedStrategy<Self::Shown>;
    fn decision() -> BoxedStrategy<Self::Decision>;
    /// None where there is nothing to count.
    fn count() -> Option<BoxedStrategy<Self::Count>>;
}

impl AnyForm for Classic {
    fn shown() -> BoxedStrategy<PreparedCertificate> {
        prepared().boxed()
    }

    fn decision() -> BoxedStrategy<Certificate> {
        certificate().boxed()
    }

    fn count() -> Option<BoxedStrategy<Nothing>> {
        None
    }
}

impl AnyForm for Linear {
    fn shown() -> BoxedStrategy<Shown> {
        let voted = (view(), seq(), digest(), origin(), signature(), option::of(signature()));
        let voted = voted.prop_map(|(view, seq, digest, origin, header, prepare)| Vote {
            view,
            seq,
            digest,
            origin,
            header,
            prepare,
        });
        let some = (option::of(prepared()), option::of(voted));
        let is_something = |(prepared, voted): &(Option<_>, Option<_>)| prepared.is_some() || voted.is_some();
        some.prop_filter("nothing is shown", is_something)
            .prop_map(|(prepared, voted)| Shown { prepared, voted })
            .boxed()
    }

    fn decision() -> BoxedStrategy<Decision> {
        prop_oneof![prepared().prop_map(Decision::Fast), certificate().prop_map(Decision::Committed)].boxed()
    }

    fn count() -> Option<BoxedStrategy<Count>> {
        Some(prop_oneof![prepared().prop_map(Count::Prepared), Self::decision().prop_map(Count::Decided)].boxed())
    }
}

fn view_change<F: AnyForm>() -> impl Strategy<Value = ViewChange<F>> {
    (view(), replica(), checkpoint_certificate(), vec(F::shown(), 0..4))
        .prop_map(|(view, replica, stable, shown)| ViewChange { view, replica, stable, shown })
}

fn new_view<F: AnyForm>() -> impl Strategy<Value = NewView<F>> {
    let entry = (seq(), digest(), signature());
    let entry = entry.prop_map(|(seq, digest, signature)| ForcedProposal { seq, digest, signature });
    (view(), replica(), vec(signed(view_change()), 0..4), vec(entry, 0..5))
        .prop_map(|(view, primary, view_changes, forced)| NewView { view, primary, view_changes, forced })
}

fn status_report() -> impl Strategy<Value = StatusReport> {
    (view(), option::of(view()), replicas(), seq(), seq(), option::of(seq())).prop_map(
        |(view, asking_for, view_changes, stable, executed, observing_until)| StatusReport {
            view,
            asking_for,
            view_changes,
            stable,
            executed,
            observing_until,
        },
    )
}

fn history<F: AnyForm>() -> impl Strategy<Value = CommittedHistory<F>> {
    let slot = (F::decision(), batch()).prop_map(|(decision, batch)| CommittedSlot { decision, batch });
    (checkpoint_certificate(), option::of(F::decision()), vec(slot, 0..4))
        .prop_map(|(stable, newest, slots)| CommittedHistory { stable, newest, slots })
}

/// Any message of a form of PBFT.
pub(super) fn message<F: AnyForm>() -> impl Strategy<Value = Message<F>> {
    let common = prop_oneof![
        signed(pre_prepare()).prop_map(Message::PrePrepare),
        signed(prepare()).prop_map(Message::Prepare),
        signed(commit()).prop_map(Message::Commit),
        signed(view_change()).prop_map(Message::ViewChange),
        signed(new_view()).prop_map(Message::NewView),
        status_report().prop_map(Message::Status),
        seq().prop_map(|from| Message::Ask { from }),
        history().prop_map(Message::Committed),
        vec(digest(), 0..5).prop_map(Message::FetchBatches),
        vec(batch(), 0..5).prop_map(Message::Batches),
    ];
    match F::count() {
        None => common.boxed(),
        Some(count) => prop_oneof![5 => common, 1 => count.prop_map(Message::Count)].boxed(),
    }
}

/// Any submission.
pub(super) fn submission() -> impl Strategy<Value = Signed<Submission>> {
    signed((session(), timestamp(), bytes(200)).prop_map(|(session, timestamp, operations)| Submission {
        session,
        timestamp,
        operations,
    }))
}

/// Any answer to a client.
pub(super) fn reply() -> impl Strategy<Value = Reply> {
    let outcome = prop_oneof![
        Just(ReplyOutcome::Busy),
        bytes(100).prop_map(ReplyOutcome::Executed),
        timestamp().prop_map(ReplyOutcome::Old)
    ];
    (session(), timestamp(), digest(), outcome).prop_map(|(session, timestamp, submission, outcome)| Reply {
        session,
        timestamp,
        submission,
        outcome,
    })
}

fn checkpoint() -> impl Strategy<Value = Checkpoint> {
    (seq(), digest(), replica()).prop_map(|(seq, digest, replica)| Checkpoint { seq, digest, replica })
}

fn state_request() -> impl Strategy<Value = StateRequest> {
    prop_oneof![
        (seq(), any::<u8>(), vec(any::<u32>(), 0..9)).prop_map(|(seq, level, nodes)| StateRequest::Nodes {
            seq,
            level,
            nodes
        }),
        (seq(), vec(any::<u32>(), 0..9)).prop_map(|(seq, leaves)| StateRequest::Leaves { seq, leaves }),
    ]
}

fn state_part() -> impl Strategy<Value = StatePart> {
    let leaf = (any::<u32>(), bytes(50).prop_map(Leaf));
    let node = (any::<u32>(), digest().prop_map(|child| [child; FAN_OUT]));
    prop_oneof![
        (seq(), any::<u8>(), vec(node, 0..5)).prop_map(|(seq, level, nodes)| StatePart::Nodes { seq, level, nodes }),
        (seq(), vec(leaf, 0..5)).prop_map(|(seq, leaves)| StatePart::Leaves { seq, leaves }),
        checkpoint_certificate().prop_map(StatePart::Newer),
    ]
}

fn statement() -> impl Strategy<Value = Statement> {
    let author =
        prop_oneof![replica().prop_map(Author::Replica), any::<u16>().prop_map(|id| Author::Client(ClientId(id)))];
    (kind(), view(), seq(), digest(), author).prop_map(|(kind, view, seq, digest, author)| Statement {
        kind,
        view,
        seq,
        digest,
        author,
    })
}

fn claim() -> impl Strategy<Value = Claim> {
    (statement(), signature(), option::of(batch())).prop_map(|(statement, signature, batch)| Claim {
        statement,
        signature,
        batch,
    })
}

fn proof<F: AnyForm>() -> impl Strategy<Value = Proof<Message<F>>> {
    prop_oneof![
        (claim(), claim()).prop_map(|(a, b)| Proof::Contradiction(a, b)),
        (claim(), claim()).prop_map(|(a, b)| Proof::DoubleAssignment(a, b)),
        message().prop_map(|message| Proof::SelfIncriminating(Box::new(message))),
    ]
}

/// Any message between replicas.
pub(super) fn peer_message<F: AnyForm>() -> impl Strategy<Value = PeerMessage<Message<F>>> {
    prop_oneof![
        8 => message().prop_map(PeerMessage::Protocol),
        1 => submission().prop_map(PeerMessage::Forward),
        1 => vec(digest(), 0..5).prop_map(PeerMessage::FetchBodies),
        1 => vec(submission(), 0..4).prop_map(PeerMessage::Bodies),
        1 => signed(checkpoint()).prop_map(PeerMessage::Checkpoint),
        1 => state_request().prop_map(PeerMessage::StateRequest),
        1 => state_part().prop_map(PeerMessage::StatePart),
        1 => proof().prop_map(|proof| PeerMessage::Proof(Box::new(proof))),
    ]
}

/// Any request of a console.
pub(super) fn console_request() -> impl Strategy<Value = ConsoleRequest> {
    prop_oneof![
        any::<u32>().prop_map(|interval_ms| ConsoleRequest::Subscribe { interval_ms }),
        option::of(seq()).prop_map(ConsoleRequest::WatchSlot),
        Just(ConsoleRequest::Ledger),
        text().prop_map(ConsoleRequest::Attack),
        text().prop_map(ConsoleRequest::End),
        Just(ConsoleRequest::Heal),
        course().prop_map(ConsoleRequest::Trace),
        time().prop_map(|asked| ConsoleRequest::Clock { asked }),
    ]
}

fn rejection() -> impl Strategy<Value = Rejection> {
    let fault = prop::sample::select(vec![
        CertificateFault::TooFew,
        CertificateFault::Unordered,
        CertificateFault::NoVote,
        CertificateFault::WrongSlot,
    ]);
    let plain = prop::sample::select(vec![
        Rejection::NotCanonical,
        Rejection::BadSignature,
        Rejection::NotAMember,
        Rejection::PrepareFromPrimary,
        Rejection::MalformedBatch,
        Rejection::WrongStatePart,
        Rejection::BadProof,
        Rejection::Unsolicited,
    ]);
    prop_oneof![
        plain,
        (number(), number()).prop_map(|(bytes, limit)| Rejection::TooLarge { bytes, limit }),
        replica().prop_map(|claimed| Rejection::NotTheSender { claimed }),
        fault.prop_map(Rejection::BadCertificate),
        view().prop_map(Rejection::NotThePrimary),
        seq().prop_map(Rejection::AheadOfWindow),
        seq().prop_map(Rejection::OutsideWatermarks),
        view().prop_map(Rejection::WrongView),
        view().prop_map(Rejection::Complaining),
        replica().prop_map(Rejection::Conflicting),
        view().prop_map(Rejection::UnjustifiedNewView),
    ]
}

fn view_change_shown() -> impl Strategy<Value = ViewChangeShown> {
    (replica(), seq(), any::<u32>()).prop_map(|(replica, stable, slots)| ViewChangeShown { replica, stable, slots })
}

fn complaint() -> impl Strategy<Value = Complaint> {
    let plain = prop::sample::select(vec![
        Complaint::RequestTimeout,
        Complaint::ViewChangeTimeout,
        Complaint::Joined,
        Complaint::LostLog,
    ]);
    prop_oneof![plain, replica().prop_map(|accused| Complaint::Proof { accused })]
}

fn own_statement() -> impl Strategy<Value = OwnStatement> {
    prop_oneof![statement().prop_map(OwnStatement::Signed), view().prop_map(OwnStatement::ViewChange)]
}

/// Any event.
pub(super) fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (view(), seq(), digest()).prop_map(|(view, seq, digest)| Event::PrePrepared { view, seq, digest }),
        (view(), seq()).prop_map(|(view, seq)| Event::Prepared { view, seq }),
        (view(), seq(), any::<bool>()).prop_map(|(view, seq, is_fast)| Event::Committed { view, seq, is_fast }),
        (seq(), any::<u32>(), any::<u32>()).prop_map(|(seq, submissions, operations)| Event::Executed {
            seq,
            submissions,
            operations
        }),
        seq().prop_map(|from| Event::Asked { from }),
        (view(), complaint()).prop_map(|(view, why)| Event::ViewChangeAsked { view, why }),
        (view(), replica(), any::<u32>(), any::<u32>(), vec(view_change_shown(), 0..4)).prop_map(
            |(view, primary, forced, nulls, view_changes)| Event::ViewEntered {
                view,
                primary,
                forced,
                nulls,
                view_changes
            }
        ),
        (seq(), digest()).prop_map(|(seq, digest)| Event::CheckpointStable { seq, digest }),
        (seq(), digest(), digest()).prop_map(|(seq, mine, certified)| Event::Diverged { seq, mine, certified }),
        seq().prop_map(|target| Event::TransferBegan { target }),
        (seq(), any::<u32>(), number()).prop_map(|(seq, leaves, bytes)| Event::TransferDone { seq, leaves, bytes }),
        seq().prop_map(|until| Event::Observing { until }),
        Just(Event::Rejoined),
        own_statement().prop_map(|shown| Event::OldLog { shown }),
        (replica(), rejection(), any::<u32>()).prop_map(|(from, why, count)| Event::Rejected { from, why, count }),
        (replica(), text()).prop_map(|(accused, summary)| Event::Proved { accused, summary }),
        text().prop_map(|attack| Event::AttackSet { attack }),
        text().prop_map(|name| Event::AttackEnded { name }),
        Just(Event::Healed),
        (text(), topic(), replicas(), tampering(), text())
            .prop_map(|(message, topic, hearers, how, by)| { Event::Tampered { message, topic, hearers, how, by } }),
    ]
}

fn welcome() -> impl Strategy<Value = Welcome> {
    let sizes = (text(), vec(text(), 0..4), any::<u8>(), number());
    (replica(), sizes, text(), any::<bool>(), any::<u32>()).prop_map(
        |(replica, (leader, phases, replicas, checkpoint_interval_slots), durability, may_attack, pid)| Welcome {
            replica,
            protocol: ProtocolName::Pbft,
            leader,
            phases,
            replicas,
            checkpoint_interval_slots,
            durability,
            may_attack,
            pid,
        },
    )
}

fn transfer_progress() -> impl Strategy<Value = TransferProgress> {
    (seq(), option::of(any::<u32>()), any::<u32>(), number(), any::<u8>()).prop_map(
        |(target, wanted_leaves, fetched_leaves, fetched_bytes, sources)| TransferProgress {
            target,
            wanted_leaves,
            fetched_leaves,
            fetched_bytes,
            sources,
        },
    )
}

fn status() -> impl Strategy<Value = Status> {
    let transfer = option::of(transfer_progress());
    (view(), option::of(view()), replica(), seq(), seq(), option::of(seq()), transfer).prop_map(
        |(view, asking_for, leader, stable, executed, observing_until, transfer)| Status {
            view,
            asking_for,
            leader,
            stable,
            executed,
            observing_until,
            transfer,
        },
    )
}

fn slot_votes() -> impl Strategy<Value = SlotVotes> {
    let phase = (text(), vec((digest(), replicas()), 0..4), any::<u8>());
    let phase = phase.prop_map(|(phase, by_digest, needed)| PhaseVotes { phase, by_digest, needed });
    (seq(), view(), vec(phase, 0..4), any::<bool>()).prop_map(|(seq, view, phases, is_fast)| SlotVotes {
        seq,
        view,
        phases,
        is_fast,
    })
}

fn counters() -> impl Strategy<Value = Counters> {
    vec(number(), 18).prop_map(|numbers| Counters {
        operations: numbers[0],
        operations_failed: numbers[1],
        submissions: numbers[2],
        submissions_refused: numbers[3],
        pending: numbers[4],
        view_changes: numbers[5],
        untimely: numbers[6],
        rejected: numbers[7],
        bad_signatures: numbers[8],
        proofs: numbers[9],
        messages_sent: numbers[10],
        bytes_sent: numbers[11],
        messages_dropped: numbers[12],
        links: numbers[13],
        cpu: Micros(numbers[14]),
        memory_bytes: numbers[15],
        disk_bytes: numbers[16],
        commits: numbers[17],
    })
}

fn slots() -> impl Strategy<Value = Vec<(SeqNum, SlotPhase)>> {
    let phase = prop::sample::select(vec![
        SlotPhase::Empty,
        SlotPhase::PrePrepared,
        SlotPhase::Prepared,
        SlotPhase::Committed,
        SlotPhase::Executed,
    ]);
    vec((seq(), phase), 0..4)
}

fn log_entry() -> impl Strategy<Value = LogEntry> {
    let at = || option::of(time());
    (seq(), option::of((view(), digest())), at(), at(), at(), at(), any::<u32>()).prop_map(
        |(seq, proposal, pre_prepared, prepared, committed, executed, submissions)| LogEntry {
            seq,
            proposal,
            pre_prepared,
            prepared,
            committed,
            executed,
            submissions,
        },
    )
}

fn ledger() -> impl Strategy<Value = Ledger> {
    let leaf = (any::<u32>(), bytes(50)).prop_map(|(index, bytes)| LedgerLeaf { index, bytes });
    let figures = vec((text(), any::<i128>()), 0..4);
    (replica(), status(), digest(), slots(), vec(log_entry(), 0..4), figures, any::<u32>(), vec(leaf, 0..4)).prop_map(
        |(replica, status, state_digest, slots, log, figures, leaf_count, leaves)| Ledger {
            replica,
            status,
            state_digest,
            slots,
            log,
            figures,
            leaf_count,
            leaves,
        },
    )
}

fn frame() -> impl Strategy<Value = Frame> {
    let latencies = vec((micros(), any::<u32>()), 0..4).prop_map(|buckets| PhaseLatencies { buckets });
    let who = (replica(), time(), status(), digest(), option::of((seq(), digest())), counters(), text());
    let sent = vec((text(), number()), 0..4);
    let what = (
        (sent, slots(), vec(seq(), 0..4)),
        option::of(slot_votes()),
        vec(latencies, 0..4),
        vec((time(), event()), 0..6),
        number(),
    );
    (who, what).prop_map(|(who, what)| {
        let (replica, at, status, stable_digest, executed_digest, counters, attack) = who;
        let ((messages, slots, fast), votes, latencies, events, dropped) = what;
        Frame {
            replica,
            at,
            status,
            stable_digest,
            executed_digest,
            counters,
            messages,
            attack,
            slots,
            fast,
            votes,
            latencies,
            events,
            dropped,
        }
    })
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        (any::<u8>(), any::<u8>()).prop_map(|(linked, needed)| Trouble::NoQuorum { linked, needed }),
        (any::<u8>(), any::<u8>()).prop_map(|(alike, needed)| Trouble::Alone { alike, needed }),
        (replica(), text(), text(), text(), any::<bool>()).prop_map(|(peer, what, mine, theirs, is_vital)| {
            Trouble::Differs { peer, what, mine, theirs, is_vital }
        }),
        (text(), text()).prop_map(|(who, what)| Trouble::Misbehaves { who, what }),
        (replica(), text()).prop_map(|(peer, why)| Trouble::Unlinked { peer, why }),
    ]
}

/// Any message to a console.
pub(super) fn console_message() -> impl Strategy<Value = ConsoleMessage> {
    prop_oneof![
        1 => welcome().prop_map(ConsoleMessage::Welcome),
        3 => frame().prop_map(|frame| ConsoleMessage::Frame(Box::new(frame))),
        1 => ledger().prop_map(|ledger| ConsoleMessage::Ledger(Box::new(ledger))),
        1 => text().prop_map(ConsoleMessage::Done),
        1 => text().prop_map(ConsoleMessage::Refused),
        1 => trace().prop_map(|trace| ConsoleMessage::Trace(Box::new(trace))),
        1 => (time(), time()).prop_map(|(asked, at)| ConsoleMessage::Clock { asked, at }),
        1 => vec(trouble(), 0..4).prop_map(ConsoleMessage::Troubles),
    ]
}

fn tampering() -> impl Strategy<Value = Tampering> {
    prop_oneof![Just(Tampering::Withheld), time().prop_map(Tampering::HeldBack), Just(Tampering::Altered)]
}

fn topic() -> impl Strategy<Value = Topic> {
    let slot = (view(), seq(), digest()).prop_map(|(view, seq, digest)| Topic::Slot { view, seq, digest });
    prop_oneof![slot, view().prop_map(Topic::View)]
}

fn course() -> impl Strategy<Value = Course> {
    prop_oneof![seq().prop_map(Course::Slot), view().prop_map(Course::View)]
}

/// Whatever can become of a message.
pub(super) fn passage() -> impl Strategy<Value = Passage> {
    let fate = prop_oneof![
        replicas().prop_map(|to| Fate::Left { to }),
        replicas().prop_map(|to| Fate::Unsent { to }),
        replica().prop_map(|from| Fate::Came { from }),
        (replica(), rejection()).prop_map(|(from, why)| Fate::Refused { from, why }),
        (replicas(), text()).prop_map(|(to, by)| Fate::Withheld { to, by }),
        (replicas(), time(), text()).prop_map(|(to, until, by)| Fate::HeldBack { to, until, by }),
    ];
    (time(), text(), topic(), fate).prop_map(|(at, name, topic, fate)| Passage { at, name: name.into(), topic, fate })
}

fn trace() -> impl Strategy<Value = Trace> {
    (replica(), course(), time(), option::of(log_entry()), vec(passage(), 0..6))
        .prop_map(|(replica, course, since, entry, passages)| Trace { replica, course, since, entry, passages })
}
