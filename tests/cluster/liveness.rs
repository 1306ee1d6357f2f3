//! What must not stop the cluster: a request timer under load, view changes that part ways, views that begin beyond a
//! replica's window, messages that are lost once.

use byztop_core::crypto::Signed;
use byztop_core::protocol::{CheckpointCertificate, Event, Settings};
use byztop_core::replica::PeerMessage;
use byztop_core::types::{ReplicaId, SeqNum, View};
use byztop_core::views::message::{Message, ViewChange};

use crate::support::{Cluster, id};
use crate::{all, assert_answered, load, pay, settings, short_window};

#[test]
fn rule_17_a_dead_primary_is_deposed_however_fast_requests_come() {
    let mut cluster = Cluster::new(4, settings(), 30);
    cluster.attack(id(1), "crash");
    let mut asked = load(&mut cluster, 60, 50);
    assert_eq!(cluster.view(id(2)), View(1), "requests keep coming while the answers to a question are awaited");
    asked.extend(load(&mut cluster, 20, 50));
    cluster.run_ms(500);
    assert_answered(&cluster, &asked);
}

#[test]
fn rule_18_replicas_whose_view_changes_parted_come_together_without_the_faulty_one() {
    let mut cluster = Cluster::new(4, settings(), 31);
    cluster.attack(id(1), "crash");
    for other in [2, 3] {
        cluster.cut.insert((id(4), id(other)));
    }
    let asked = vec![cluster.submit(0, 0, &[pay(1, 2)])];
    // n4 sees a quorum ask for view 1 and gives it up; n2 and n3 never see n4 ask.
    cluster.run_ms(3000);
    let asks = |n: u8| cluster.node(id(n)).replica().status().asking_for;
    assert_eq!((asks(2), asks(3), asks(4)), (Some(View(1)), Some(View(1)), Some(View(2))));
    cluster.cut.clear();
    cluster.run_ms(10_000);
    assert_answered(&cluster, &asked);
}

#[test]
fn rule_19_what_healed_attackers_asked_for_one_after_the_other_takes_no_honest_replica_along() {
    let mut cluster = Cluster::new(4, settings(), 36);
    let last = View(1 << 63);
    let ask = |cluster: &Cluster, me: ReplicaId| {
        let body = ViewChange { view: last, replica: me, stable: CheckpointCertificate::genesis(), shown: Vec::new() };
        PeerMessage::Protocol(Message::ViewChange(Signed::by(&cluster.signer(me), body)))
    };
    let asks = |cluster: &Cluster, n: u8| cluster.node(id(n)).replica().status().asking_for;
    // n2 asked for that in an attack which is over: it says of itself that it asks for nothing.
    let message = ask(&cluster, id(2));
    cluster.inject(id(2), id(4), message);
    cluster.run_ms(60_000);
    let message = ask(&cluster, id(3));
    cluster.inject(id(3), id(4), message);
    assert_eq!(asks(&cluster, 4), None, "one request is not f+1");
    // f+1 at once are believed: one of them is honest, as far as anybody knows.
    let message = ask(&cluster, id(2));
    cluster.inject(id(2), id(4), message);
    assert_eq!(asks(&cluster, 4), Some(last));
}

#[test]
fn rule_12_what_a_new_view_forces_beyond_the_window_is_voted_on_once_the_window_has_moved() {
    let mut cluster = Cluster::new(4, short_window(), 32);
    // n4 executes slots 1 to 6 and hears of no checkpoint: its window ends at 6.
    cluster.deaf_to.insert((id(4), "checkpoint"));
    let mut asked = load(&mut cluster, 6, 10);
    assert_eq!((cluster.executed(id(4)), cluster.stable(id(4))), (SeqNum(6), SeqNum(0)));
    cluster.deaf_to.insert((id(4), "committed"));
    // n2 and n3 prepare slots 7 and 8, and nobody commits them; then n1 is silent for good. n4 learns of the checkpoint
    // from the new view alone.
    cluster.deaf_to.extend((1..=4).map(|deaf| (id(deaf), "commit")));
    asked.extend(load(&mut cluster, 2, 10));
    cluster.attack(id(1), "crash");
    cluster.deaf_to.retain(|(_, name)| *name != "commit");
    cluster.run_ms(4000);
    assert_answered(&cluster, &asked);
    assert_eq!(cluster.view(id(2)), View(1), "view 1 has what it needs: n4's votes too");
}

#[test]
fn a_batch_that_a_new_view_forces_is_fetched_until_it_comes() {
    let mut cluster = Cluster::new(4, settings(), 33);
    cluster.attack(id(1), "dark(n4)");
    cluster.deaf_to.extend((1..=4).map(|deaf| (id(deaf), "commit")));
    let asked = load(&mut cluster, 2, 10);
    cluster.attack(id(1), "crash");
    cluster.deaf_to.retain(|(deaf, _)| *deaf == id(1));
    cluster.lose_first.insert("batches", 6);
    cluster.run_ms(4000);
    assert_answered(&cluster, &asked);
    assert_eq!(cluster.view(id(2)), View(1));
}

#[test]
fn rule_29_a_primary_that_lost_its_log_is_deposed_on_an_idle_cluster() {
    let mut cluster = Cluster::new(4, short_window(), 34);
    load(&mut cluster, 20, 5);
    cluster.kill(id(1));
    cluster.restart(id(1));
    cluster.run_ms(8000);
    assert!(cluster.notes.iter().any(|(_, replica, event)| *replica == id(1) && *event == Event::Rejoined));
    let replicas = all(&cluster);
    cluster.assert_equal(&replicas);
}

#[test]
fn rule_17_overload_deposes_nobody() {
    let settings = Settings { pool_submissions: 1, batch_submissions: 1, request_timeout_ms: 400, ..settings() };
    let mut cluster = Cluster::new(4, settings, 35);
    // One request waits at the backups; the primary hears it too, but there another one was always faster.
    let unlucky = cluster.signed(1, 1, 1, &[pay(1, 2)]);
    for round in 1..=600 {
        let lucky = cluster.signed(0, 0, round, &[pay(3, 4)]);
        cluster.hand_over(id(1), lucky.clone());
        for replica in [1, 2, 3, 4] {
            cluster.hand_over(id(replica), unlucky.clone());
        }
        cluster.run_ms(5);
    }
    assert!(
        cluster.is_answered((unlucky.body.session, unlucky.body.timestamp)),
        "at half of its time it was passed on"
    );
    assert_eq!(cluster.view(id(2)), View(0));
    assert!(!cluster.noted(|event| matches!(event, Event::ViewChangeAsked { .. })), "refused work starts no timer");
    assert!(cluster.executed(id(1)) > SeqNum(100), "and the cluster works");
}

#[test]
fn who_asked_for_far_views_under_an_attack_is_heard_again_when_that_has_ended() {
    let mut cluster = Cluster::new(7, settings(), 36);
    for flooder in [6, 7] {
        cluster.attack(id(flooder), "flood(1000/s)");
    }
    let mut asked = load(&mut cluster, 30, 20);
    for flooder in [6, 7] {
        cluster.heal(id(flooder));
    }
    // Their flood asked for views up to the last there is; now every one of the other five is needed for the next ones.
    for silent in [1, 2] {
        cluster.attack(id(silent), "crash");
    }
    asked.extend(load(&mut cluster, 60, 100));
    cluster.run_ms(1000);
    assert_answered(&cluster, &asked);
    assert_eq!(cluster.view(id(3)), View(2));
}
