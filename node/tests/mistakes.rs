//! What operators get wrong: the cluster says so, or copes, and never falls silent.

mod support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use byztop_certs::{ClusterDirectory, Role};
use byztop_core::app::smallbank::{Account, Operation, OperationResult, decode_results, encode_operations};
use byztop_core::protocol::Settings;
use byztop_core::telemetry::{ConsoleMessage, ConsoleRequest, Trouble};
use byztop_core::types::{ClientId, ReplicaId, Timestamp};
use byztop_node::client::{Client, ClientSession};
use byztop_node::recover;
use byztop_node::store::OldEpoch;
use byztop_node::{STORE, run_replica};
use support::{Cluster, PATIENCE};

const N1: ReplicaId = ReplicaId(0);
const N4: ReplicaId = ReplicaId(3);
const ALL: [ReplicaId; 4] = [N1, ReplicaId(1), ReplicaId(2), N4];

async fn submit(session: &mut ClientSession, operation: Operation) -> OperationResult {
    let answer = session.submit(encode_operations(&[operation]));
    let bytes = tokio::time::timeout(PATIENCE, answer).await.expect("it is answered").expect("nobody gives it up");
    decode_results(&bytes).expect("results")[0]
}

/// Changes a line of a cluster.toml.
fn edit(directory: &Path, from: &str, to: &str) {
    let file = directory.join("cluster.toml");
    let text = std::fs::read_to_string(&file).expect("it is there");
    assert!(text.contains(from), "{from} in {text}");
    std::fs::write(&file, text.replacen(from, to, 1)).expect("it can be written");
}

/// A copy of a cluster's folder, as on another machine.
fn copy(directory: &ClusterDirectory, scratch: &Path) -> PathBuf {
    let copied = std::process::Command::new("cp").arg("-a").arg(directory.path()).arg(scratch.join("copy")).status();
    assert!(copied.expect("there is cp").success());
    scratch.join("copy")
}

/// Waits until a replica says something of what is wrong.
async fn trouble(cluster: &Cluster, replica: ReplicaId, wanted: impl Fn(&Trouble) -> bool) -> Trouble {
    let mut console = cluster.watch(Role::Observer, replica);
    console.ask(ConsoleRequest::Subscribe { interval_ms: 100 }).await;
    let found = |message| match message {
        ConsoleMessage::Troubles(troubles) => troubles.into_iter().find(&wanted),
        _ => None,
    };
    console.expect_message("the trouble", found).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whose_configuration_differs_is_named_at_both_ends_and_the_others_go_on() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let mut cluster = Cluster::make(4, false);
    let elsewhere = copy(&cluster.directory, scratch.path());
    edit(&elsewhere, "epoch = 1", "epoch = 2");
    for replica in &ALL[..3] {
        cluster.run(*replica);
    }
    cluster.run_at(N4, elsewhere.join("n4"));
    let of = |of: ReplicaId| move |trouble: &Trouble| matches!(trouble, Trouble::Differs { peer, what, .. } if *peer == of && what == "epoch");
    let Trouble::Differs { mine, theirs, is_vital, .. } = trouble(&cluster, N1, of(N4)).await else { unreachable!() };
    assert_eq!((&*mine, &*theirs, is_vital), ("1", "2", true));
    let Trouble::Differs { mine, theirs, .. } = trouble(&cluster, N4, of(N1)).await else { unreachable!() };
    assert_eq!((&*mine, &*theirs), ("2", "1"));
    let alone = trouble(&cluster, N4, |trouble| matches!(trouble, Trouble::Alone { .. })).await;
    assert_eq!(alone, Trouble::Alone { alike: 1, needed: 3 });

    let client = Client::start(&cluster.directory, ClientId(0)).expect("a client");
    let mut session = client.session(0).expect("a session");
    let deposit = Operation::DepositChecking { account: Account(1), amount: 5 };
    assert_eq!(submit(&mut session, deposit).await, OperationResult::Ok(0), "three of four are a quorum");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_can_not_be_reached_is_named_and_so_is_that_nothing_can_be_decided() {
    let mut cluster = Cluster::make(4, false);
    cluster.run(N1);
    cluster.run(ReplicaId(1));
    let unlinked = trouble(&cluster, N1, |trouble| matches!(trouble, Trouble::Unlinked { peer: N4, .. })).await;
    assert!(unlinked.to_string().starts_with("n4 is not linked: "), "{unlinked}");
    let quorum = trouble(&cluster, N1, |trouble| matches!(trouble, Trouble::NoQuorum { .. })).await;
    assert_eq!(quorum, Trouble::NoQuorum { linked: 2, needed: 3 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_of_both_families_of_addresses_are_linked() {
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        return eprintln!("skipped: this machine has no IPv6");
    }
    let mut cluster = Cluster::make(4, false);
    let port = cluster.directory.config().replicas[0].address.port();
    edit(cluster.directory.path(), &format!("127.0.0.1:{port}"), &format!("[::1]:{port}"));
    cluster.reopen();
    ALL.into_iter().for_each(|replica| cluster.run(replica));
    for replica in ALL {
        let mut console = cluster.watch(Role::Observer, replica);
        console.ask(ConsoleRequest::Subscribe { interval_ms: 100 }).await;
        let linked = |message| match message {
            ConsoleMessage::Frame(frame) if frame.counters.links == 3 => Some(()),
            _ => None,
        };
        console.expect_message("links to all others", linked).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_whose_clock_went_back_goes_on_from_where_it_was() {
    let cluster = Cluster::start(4, false);
    let client = Client::start(&cluster.directory, ClientId(0)).expect("a client");
    let deposit = Operation::DepositChecking { account: Account(1), amount: 5 };
    // A day ahead of this machine's clock.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_micros();
    let ahead = Timestamp(u64::try_from(now).expect("for half a million years") + 86_400_000_000);
    let mut before = client.session(0).expect("a session");
    before.resume_after(ahead);
    assert_eq!(submit(&mut before, deposit).await, OperationResult::Ok(0));
    let mut after = client.session(0).expect("the same session, of a process that knows nothing of the first");
    assert_eq!(submit(&mut after, deposit).await, OperationResult::Ok(0));
    let counts = client.counts();
    assert!(counts.signed_anew > 0 && counts.clock_behind.0 > 80_000_000_000, "{counts:?}");
    let balance = submit(&mut after, Operation::Balance { account: Account(1) }).await;
    assert_eq!(balance, OperationResult::Ok(20_010), "each ran once");
}

/// Pays until a checkpoint is on all disks, and gives how much of account 1 is left.
async fn pay(cluster: &Cluster, payments: i64) -> i64 {
    let client = Client::start(&cluster.directory, ClientId(0)).expect("a client");
    let mut session = client.session(0).expect("a session");
    for _ in 0..payments {
        let payment = Operation::SendPayment { from: Account(1), to: Account(2), amount: 1 };
        assert_eq!(submit(&mut session, payment).await, OperationResult::Ok(0));
    }
    match submit(&mut session, Operation::Balance { account: Account(1) }).await {
        OperationResult::Ok(balance) => balance,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_epoch_that_somebody_typed_empties_no_store() {
    let mut cluster = Cluster::start(4, false);
    pay(&cluster, 3).await;
    for replica in ALL {
        cluster.stop(replica).await.expect("it stops in order");
    }
    edit(cluster.directory.path(), "epoch = 1", "epoch = 2");
    cluster.reopen();
    let home = cluster.directory.home(Role::Replica(N1));
    let refused = run_replica(&home, OldEpoch::Refuse, std::future::pending()).await.expect_err("it is of epoch 1");
    assert!(refused.to_string().contains("--new-epoch"), "{refused}");
    let soon = tokio::time::sleep(Duration::from_millis(500));
    run_replica(&home, OldEpoch::PutAside, soon).await.expect("it begins anew");
    assert!(home.join("store-of-epoch-1").is_dir() && home.join(STORE).is_dir());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_all_have_lost_their_logs_a_new_epoch_begins_from_the_last_checkpoint() {
    let settings = Settings {
        accounts: 1000,
        checkpoint_interval_slots: 2,
        window_slots: 8,
        depth_slots: 8,
        ..Settings::default()
    };
    let mut cluster = Cluster::tuned(4, false, settings);
    ALL.into_iter().for_each(|replica| cluster.run(replica));
    let left = pay(&cluster, 10).await;
    for replica in ALL {
        cluster.stop(replica).await.expect("it stops in order");
    }
    let mut directory = ClusterDirectory::open(cluster.directory.path()).expect("a cluster");
    let refused = recover::recover(&mut directory, false).expect_err("nothing was lost").to_string();
    assert!(refused.contains("start them all, and nothing is lost"), "{refused}");

    // Nothing tells any more whether their logs are whole.
    for replica in ALL {
        let store = cluster.directory.home(Role::Replica(replica)).join(STORE);
        std::fs::remove_file(store.join("commits")).expect("it is there");
    }
    let done = recover::recover(&mut directory, false).expect("four folders prove a checkpoint");
    assert_eq!(done.epoch, 2);
    assert!(done.from.0.0 >= 8, "{done:?}");
    cluster.reopen();
    ALL.into_iter().for_each(|replica| cluster.run(replica));
    // What was decided after the checkpoint is lost: at most an interval and what follows it.
    let now = pay(&cluster, 0).await;
    assert!((left..=left + 4).contains(&now), "{now} now, {left} before");
    assert_eq!(pay(&cluster, 5).await, now - 5, "the new epoch goes on");
    for replica in ALL {
        let home = cluster.directory.home(Role::Replica(replica));
        assert!(home.join("store-of-epoch-1").is_dir());
    }
}
