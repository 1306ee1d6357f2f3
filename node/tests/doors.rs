//! Who comes in at which door, and what an observer may not do.

mod support;

use byztop_certs::Role;
use byztop_core::app::Application as _;
use byztop_core::app::smallbank::{Account, Operation, SmallBank, encode_operations};
use byztop_core::telemetry::{ConsoleMessage, ConsoleRequest, MAX_LEDGER_LEAVES};
use byztop_core::types::{ClientId, ReplicaId, SeqNum};
use byztop_node::client::Client;
use byztop_node::control::LinkEvent;
use byztop_node::run_replica;
use byztop_node::store::OldEpoch;
use support::Cluster;

const N1: ReplicaId = ReplicaId(0);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn observers_watch_but_do_not_attack() {
    let cluster = Cluster::start(1, true);
    let mut console = cluster.watch(Role::Observer, N1);
    let welcome = console.expect("a welcome", |event| match event {
        LinkEvent::Up(welcome) => Some(welcome),
        _ => None,
    });
    let welcome = welcome.await;
    assert_eq!((welcome.replica, welcome.replicas, welcome.may_attack), (N1, 1, false));
    assert_eq!(welcome.phases, ["pre-prepare", "prepare", "commit"]);

    for request in [ConsoleRequest::Attack("crash".into()), ConsoleRequest::End("crash".into()), ConsoleRequest::Heal] {
        console.ask(request).await;
        let why = console.expect_message("a refusal", |message| match message {
            ConsoleMessage::Refused(why) => Some(why),
            ConsoleMessage::Done(active) => panic!("an observer attacked: {active}"),
            _ => None,
        });
        assert!(why.await.contains("only an operator"), "the refusal says why");
    }
    console.ask(ConsoleRequest::Subscribe { interval_ms: 20 }).await;
    let attack = console.expect_message("a frame", |message| match message {
        ConsoleMessage::Frame(frame) => Some(frame.attack),
        _ => None,
    });
    assert_eq!(attack.await, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn observers_may_ask_for_the_state() {
    let cluster = Cluster::start(1, false);
    let client = Client::start(&cluster.directory, ClientId(0)).expect("a client");
    let deposit = encode_operations(&[Operation::DepositChecking { account: Account(1), amount: 5 }]);
    client.session(0).expect("a session").submit(deposit).await.expect("it is answered");
    let mut console = cluster.watch(Role::Observer, N1);
    console.expect("a welcome", |event| matches!(event, LinkEvent::Up(_)).then_some(())).await;
    console.ask(ConsoleRequest::Ledger).await;
    let ledger = console.expect_message("the state", |message| match message {
        ConsoleMessage::Ledger(ledger) => Some(ledger),
        _ => None,
    });
    let ledger = ledger.await;
    assert_eq!((ledger.replica, ledger.status.executed), (N1, SeqNum(1)));
    let settings = &cluster.directory.config().settings;
    let mut bank = SmallBank::new(settings.accounts, settings.initial_checking, settings.initial_savings);
    let most = bank.leaf_count().min(MAX_LEDGER_LEAVES);
    assert_eq!((ledger.leaf_count as usize, ledger.leaves.len()), (bank.leaf_count(), most));
    assert!(ledger.leaves.iter().all(|leaf| bank.install_leaf(leaf.index as usize, &leaf.bytes)));
    assert_eq!(bank.balances(Account(1)), Some((settings.initial_checking + 5, settings.initial_savings)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_attack_only_where_the_cluster_allows_it() {
    for attacks_allowed in [false, true] {
        let cluster = Cluster::start(1, attacks_allowed);
        let mut console = cluster.watch(Role::Operator, N1);
        let may_attack = console.expect("a welcome", |event| match event {
            LinkEvent::Up(welcome) => Some(welcome.may_attack),
            _ => None,
        });
        assert_eq!(may_attack.await, attacks_allowed);
        console.ask(ConsoleRequest::Attack("crash".into())).await;
        let answer = console.expect_message("an answer", |message| match message {
            ConsoleMessage::Refused(why) => Some(Err(why)),
            ConsoleMessage::Done(active) => Some(Ok(active)),
            _ => None,
        });
        match answer.await {
            Ok(active) => assert!(attacks_allowed && active.contains("crash"), "{active}"),
            Err(why) => assert!(!attacks_allowed && why.contains("attacks_allowed = false"), "{why}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_and_replicas_are_turned_away_at_the_control_port() {
    let cluster = Cluster::start(2, true);
    for role in [Role::Client(ClientId(0)), Role::Replica(ReplicaId(1))] {
        let mut console = cluster.watch(role, N1);
        let reason = console.expect("a refusal", |event| match event {
            LinkEvent::Up(welcome) => panic!("{role} was let in: {welcome:?}"),
            LinkEvent::Down(reason) => Some(reason),
            _ => None,
        });
        let reason = reason.await;
        assert!(reason.contains("an operator or observer was expected"), "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_without_a_link_is_refused_on_this_side() {
    let cluster = Cluster::make(1, true);
    let mut console = cluster.watch(Role::Operator, N1);
    console.ask(ConsoleRequest::Attack("crash".into())).await;
    let why = console.expect_message("a refusal", |message| match message {
        ConsoleMessage::Refused(why) => Some(why),
        _ => None,
    });
    assert_eq!(why.await, "there is no link to n1; nothing was done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_console_finds_a_replica_again_and_its_subscription_goes_on() {
    let mut cluster = Cluster::start(1, true);
    let mut console = cluster.watch(Role::Observer, N1);
    console.ask(ConsoleRequest::Subscribe { interval_ms: 20 }).await;
    let frame = |message| matches!(message, ConsoleMessage::Frame(_)).then_some(());
    console.expect_message("a frame", frame).await;
    cluster.stop(N1).await.expect("it stops in order");
    let down = console.expect("the end of the link", |event| match event {
        LinkEvent::Down(reason) => Some(reason),
        _ => None,
    });
    assert_eq!(down.await, "it was stopped");
    cluster.run(N1);
    console.expect_message("a frame of its successor", frame).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_port_is_an_error_that_says_so() {
    let cluster = Cluster::make(1, true);
    let address = cluster.directory.config().replicas[0].address.to_string();
    let taken = std::net::UdpSocket::bind(&address).expect("the port is free");
    let home = cluster.directory.home(Role::Replica(N1));
    let error =
        run_replica(&home, OldEpoch::Refuse, std::future::pending()).await.expect_err("the port is taken").to_string();
    assert!(error.contains("n1") && error.contains(&address) && error.contains("in use"), "{error}");
    drop(taken);
    let error = run_replica(cluster.directory.path(), OldEpoch::Refuse, std::future::pending())
        .await
        .expect_err("no replica's folder");
    assert!(!error.to_string().is_empty());
}
