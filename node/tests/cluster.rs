//! A cluster over real QUIC answers its clients, whatever one of its replicas does.

mod support;

use std::time::Duration;

use byztop_certs::Role;
use byztop_core::app::smallbank::{Account, Operation, OperationResult, decode_results, encode_operations};
use byztop_core::rejection::Rejection;
use byztop_core::telemetry::{ConsoleMessage, ConsoleRequest, Course, Fate, Passage, Trace};
use byztop_core::types::{ClientId, ReplicaId, SeqNum, Time, View};
use byztop_node::client::{Client, ClientSession};
use byztop_node::control::LinkEvent;
use byztop_node::load::{Load, LoadSettings};
use support::{Cluster, PATIENCE};

const N1: ReplicaId = ReplicaId(0);

async fn submit(session: &mut ClientSession, operation: Operation) -> OperationResult {
    let answer = session.submit(encode_operations(&[operation]));
    let bytes = tokio::time::timeout(PATIENCE, answer).await.expect("it is answered").expect("nobody gives it up");
    decode_results(&bytes).expect("results")[0]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_replicas_answer_a_submission() {
    let cluster = Cluster::start(4, false);
    let client = Client::start(&cluster.directory, ClientId(0)).expect("a client");
    let mut session = client.session(0).expect("a session");
    let (alice, bob) = (Account(1), Account(2));
    let paid = submit(&mut session, Operation::SendPayment { from: alice, to: bob, amount: 40 }).await;
    assert_eq!(paid, OperationResult::Ok(0));
    assert_eq!(submit(&mut session, Operation::Balance { account: bob }).await, OperationResult::Ok(20_040));
    // Another session of the same key sees the same bank.
    let balance = submit(&mut client.passing_session(), Operation::Balance { account: alice }).await;
    assert_eq!(balance, OperationResult::Ok(19_960));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_of_four_replicas_go_on_when_the_primary_stops() {
    let mut cluster = Cluster::start(4, false);
    let client = Client::start(&cluster.directory, ClientId(0)).expect("a client");
    let mut session = client.session(0).expect("a session");
    let deposit = Operation::DepositChecking { account: Account(3), amount: 5 };
    assert_eq!(submit(&mut session, deposit).await, OperationResult::Ok(0));
    cluster.stop(N1).await.expect("it stops in order");
    let balance = Operation::Balance { account: Account(3) };
    assert_eq!(submit(&mut session, balance).await, OperationResult::Ok(20_005));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_silences_the_primary_and_a_console_sees_the_view_change() {
    let cluster = Cluster::start(4, true);
    let client = Client::start(&cluster.directory, ClientId(0)).expect("a client");
    let mut session = client.session(0).expect("a session");
    let deposit = Operation::DepositChecking { account: Account(3), amount: 5 };
    assert_eq!(submit(&mut session, deposit).await, OperationResult::Ok(0));

    let mut operator = cluster.watch(Role::Operator, N1);
    operator.ask(ConsoleRequest::Attack("crash".into())).await;
    let done = |message| match message {
        ConsoleMessage::Done(active) => Some(active),
        ConsoleMessage::Refused(why) if why.contains("no link") => Some(String::new()),
        other => panic!("{other:?}"),
    };
    while operator.expect_message("the attack's answer", done).await.is_empty() {
        operator.ask(ConsoleRequest::Attack("crash".into())).await;
    }
    let mut observer = cluster.watch(Role::Observer, ReplicaId(2));
    observer.ask(ConsoleRequest::Subscribe { interval_ms: 20 }).await;
    assert_eq!(submit(&mut session, deposit).await, OperationResult::Ok(0));
    let frame = observer.expect_message("a frame of view 1", |message| match message {
        ConsoleMessage::Frame(frame) if frame.status.view >= View(1) => Some(frame),
        _ => None,
    });
    let frame = frame.await;
    assert_eq!(frame.latencies.len(), 4);
    assert!(frame.counters.links >= 2 && frame.counters.messages_sent > 0, "{:?}", frame.counters);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_reports_what_was_done() {
    let cluster = Cluster::start(4, false);
    for rate in [Some(400.0), None] {
        let settings = LoadSettings { rate, bundle: 4, sessions: 8, ..LoadSettings::default() };
        let load = Load::start(cluster.directory.clone(), settings).expect("a load");
        let enough = async {
            while load.report().committed_ops < 200 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, enough).await.expect("200 operations are done");
        let report = load.stop_and_drain(PATIENCE).await;
        assert_eq!((report.in_flight, report.backlog), (0, 0));
        assert_eq!(report.success + report.failed, report.committed_ops);
        assert_eq!(report.by_type.values().sum::<u64>(), report.committed_ops);
        assert_eq!(report.latency.len() * 4, report.committed_ops);
        assert!(report.offered_ops >= report.committed_ops + report.dropped_ops);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ends_of_a_link_tell_what_passed_and_what_an_attack_did_to_it() {
    let cluster = Cluster::start(4, true);
    let mut consoles: Vec<_> = (0..4).map(|id| cluster.watch(Role::Operator, ReplicaId(id))).collect();
    for console in &mut consoles {
        console.expect("a welcome", |event| matches!(event, LinkEvent::Up(_)).then_some(())).await;
        console.ask(ConsoleRequest::Subscribe { interval_ms: 20 }).await;
    }
    // n3 is dark to n2, and nobody can verify what n4 sends.
    for (id, attack) in [(2, "dark(n2)"), (3, "sign")] {
        consoles[id].ask(ConsoleRequest::Attack(attack.into())).await;
        let done = |message| matches!(message, ConsoleMessage::Done(_)).then_some(());
        consoles[id].expect_message("the attack's answer", done).await;
    }
    for console in &mut consoles {
        let is_linked =
            |message| matches!(message, ConsoleMessage::Frame(frame) if frame.counters.links == 3).then_some(());
        console.expect_message("links to all others", is_linked).await;
    }
    let client = Client::start(&cluster.directory, ClientId(0)).expect("a client");
    let deposit = encode_operations(&[Operation::DepositChecking { account: Account(3), amount: 5 }]);
    // Two of four are faulty: that it is decided is not promised, and what was said is what counts here.
    let submitting = tokio::spawn(async move { client.session(0).expect("a session").submit(deposit).await });
    let [n2, n3, n4] = [1, 2, 3].map(ReplicaId);
    let came = |from| move |fate: &Fate| *fate == Fate::Came { from };
    let is_refused = |fate: &Fate| matches!(fate, Fate::Refused { from, why: Rejection::BadSignature } if *from == n4);
    let is_kept = |fate: &Fate| matches!(fate, Fate::Withheld { to, by } if to.contains(n2) && by == "dark");
    let has_left = |fate: &Fate| matches!(fate, Fate::Left { to } if to.len() == 3);
    /// Which replica tells of a message of which name, and what.
    type Expected<'a> = (usize, &'a str, &'a dyn Fn(&Fate) -> bool);
    let expected: [Expected<'_>; 6] = [
        (0, "pre-prepare", &has_left),
        (0, "prepare", &came(n3)),
        (0, "prepare", &is_refused),
        (1, "pre-prepare", &came(N1)),
        (1, "prepare", &is_refused),
        (2, "prepare", &is_kept),
    ];
    for (id, name, is_it) in expected {
        let told = async {
            loop {
                consoles[id].ask(ConsoleRequest::Trace(Course::Slot(SeqNum(1)))).await;
                let trace = |message| match message {
                    ConsoleMessage::Trace(trace) => Some(trace),
                    _ => None,
                };
                let Trace { passages, .. } = *consoles[id].expect_message("the messages of slot 1", trace).await;
                let is_from_n3 = |passage: &Passage| passage.name == "prepare" && came(n3)(&passage.fate);
                assert!(id != 1 || !passages.iter().any(is_from_n3), "n3 is dark to n2: {passages:#?}");
                if passages.iter().any(|passage| passage.name == name && is_it(&passage.fate)) {
                    return;
                }
            }
        };
        let told = tokio::time::timeout(PATIENCE, told).await;
        assert!(told.is_ok(), "a {name} at replica {}", id + 1);
    }
    submitting.abort();
    // All clocks are this machine's.
    for console in &mut consoles {
        let clock = |event| match event {
            LinkEvent::Clock(offset) => Some(offset),
            _ => None,
        };
        let offset = console.expect("how the clocks differ", clock).await;
        let at = Time(1_000_000_000);
        assert!(offset.correct(at).0.abs_diff(at.0) < 60_000_000, "{offset:?}");
    }
}
