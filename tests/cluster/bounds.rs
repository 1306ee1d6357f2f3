//! What one malicious peer or client can cost, and what convicts it.

use byztop_core::crypto::{Author, Kind, Signed, Statement};
use byztop_core::evidence::Proof;
use byztop_core::pbft::Message;
use byztop_core::protocol::{Batch, Claim, Event, QueueLevel, Settings};
use byztop_core::replica::PeerMessage;
use byztop_core::types::{Digest, ReplicaSet, SeqNum, View};
use byztop_core::views::message::{Commit, Origin, Prepare, StatusReport};

use crate::support::{Cluster, START, id};
use crate::{assert_answered, load, pay, settings};

fn batch(number: u64) -> Batch {
    Batch { submissions: (0..100u8).map(|i| Digest::of("made up", &[&number.to_le_bytes(), &[i]])).collect() }
}

#[test]
fn rule_5_two_proposals_for_one_slot_convict_also_when_a_new_view_forced_one_of_them() {
    let mut cluster = Cluster::new(4, settings(), 41);
    let signer = cluster.signer(id(1));
    for (voter, origin, number) in [(2, Origin::OwnAccord, 1), (3, Origin::NewView, 2)] {
        let digest = batch(number).digest();
        let header = signer.sign(&origin.header(View(0), SeqNum(1), digest, id(1)));
        let body = Prepare { view: View(0), seq: SeqNum(1), digest, replica: id(voter), origin, header };
        let vote = Signed::by(&cluster.signer(id(voter)), body);
        cluster.inject(id(voter), id(4), PeerMessage::Protocol(Message::Prepare(vote)));
    }
    assert!(cluster.is_proved(id(1)));
    assert!(!cluster.is_proved(id(2)) && !cluster.is_proved(id(3)));
}

#[test]
fn a_replica_that_convicts_itself_a_thousand_times_is_not_announced_a_thousand_times() {
    let mut cluster = Cluster::new(4, settings(), 42);
    // The key of n2 signs what n2 does not log. Otherwise n2 would take the proofs for a sign of an old log, and observe.
    cluster.attack(id(2), "sign");
    cluster.heal(id(2));
    let guilt = |cluster: &Cluster, view| {
        let claim = |digest| {
            let author = Author::Replica(id(2));
            let statement = Statement { kind: Kind::Commit, view: View(view), seq: SeqNum(1), digest, author };
            Claim { statement, signature: cluster.signer(id(2)).sign(&statement), batch: None }
        };
        PeerMessage::Proof(Box::new(Proof::Contradiction(claim(Digest([1; 32])), claim(Digest([2; 32])))))
    };
    for view in 10..1010 {
        let proof = guilt(&cluster, view);
        cluster.inject(id(2), id(3), proof);
    }
    let announced = cluster.notes.iter().filter(|(_, _, event)| matches!(event, Event::Proved { .. })).count();
    assert!((1..100).contains(&announced), "{announced} announcements, each sent to everyone by everyone");
    // What matters is still heard: the view's primary is deposed.
    cluster.run_ms(100);
    cluster.attack(id(1), "crash");
    load(&mut cluster, 40, 50);
    assert_eq!(cluster.view(id(3)), View(1));
    let proof = guilt(&cluster, 1);
    cluster.inject(id(2), id(3), proof);
    cluster.run_ms(500);
    assert_eq!(cluster.view(id(3)), View(2));
}

#[test]
fn commits_of_views_long_gone_are_not_kept() {
    let mut cluster = Cluster::new(4, settings(), 43);
    cluster.attack(id(1), "crash");
    for leader in [2, 3, 4, 2, 3, 4] {
        cluster.attack(id(leader), "crash");
        cluster.submit(0, u16::from(leader), &[pay(1, 2)]);
        cluster.run_ms(6000);
        cluster.heal(id(leader));
        cluster.run_ms(3000);
    }
    let view = cluster.view(id(4));
    assert!(view >= View(5), "{view}");
    let seq = SeqNum(cluster.executed(id(4)).0 + 20);
    let commit = |cluster: &Cluster, voter: u8, view| {
        let body = Commit { view, seq, digest: Digest::ZERO, replica: id(voter) };
        PeerMessage::Protocol(Message::Commit(Signed::by(&cluster.signer(id(voter)), body)))
    };
    let is_decided =
        |cluster: &Cluster| cluster.noted(|event| matches!(event, Event::Committed { seq: s, .. } if *s == seq));
    for voter in 1..=3 {
        let old = commit(&cluster, voter, View(0));
        cluster.inject(id(voter), id(4), old);
    }
    assert!(!is_decided(&cluster), "not even a quorum of them counts");
    for voter in 1..=3 {
        let recent = commit(&cluster, voter, view.previous());
        cluster.inject(id(voter), id(4), recent);
    }
    assert!(is_decided(&cluster), "to learn is always allowed");
}

#[test]
fn a_question_asked_a_thousand_times_is_answered_once() {
    let mut cluster = Cluster::new(4, settings(), 44);
    load(&mut cluster, 50, 5);
    cluster.run_ms(500);
    let answers = |cluster: &Cluster| cluster.sent.get("committed").copied().unwrap_or_default();
    let before = answers(&cluster);
    for _ in 0..1000 {
        cluster.inject(id(2), id(3), PeerMessage::Protocol(Message::Ask { from: SeqNum(1) }));
    }
    assert_eq!(answers(&cluster) - before, 1);
    cluster.run_ms(200);
    cluster.inject(id(2), id(3), PeerMessage::Protocol(Message::Ask { from: SeqNum(1) }));
    assert_eq!(answers(&cluster) - before, 2, "an answer may have been lost");
}

#[test]
fn questions_that_go_on_and_on_are_not_all_answered() {
    let mut cluster = Cluster::new(4, settings(), 45);
    load(&mut cluster, 50, 5);
    cluster.run_ms(500);
    let answers = |cluster: &Cluster| cluster.sent.get("committed").copied().unwrap_or_default();
    let before = answers(&cluster);
    for from in 1..=1000 {
        cluster.inject(id(2), id(3), PeerMessage::Protocol(Message::Ask { from: SeqNum(from) }));
    }
    assert_eq!(answers(&cluster) - before, 1, "the first answer holds all that there is");
}

#[test]
fn whoever_asks_for_more_than_one_answer_holds_is_answered_step_by_step() {
    let mut cluster = Cluster::new(4, settings(), 46);
    load(&mut cluster, 200, 2);
    cluster.run_ms(500);
    let answers = |cluster: &Cluster| cluster.sent.get("committed").copied().unwrap_or_default();
    let before = answers(&cluster);
    for (from, answered) in [(1, 1), (129, 2), (129, 2), (150, 2), (201, 2), (1, 2)] {
        cluster.inject(id(2), id(3), PeerMessage::Protocol(Message::Ask { from: SeqNum(from) }));
        assert_eq!(answers(&cluster) - before, answered, "from slot {from}");
    }
}

#[test]
fn reports_that_come_faster_than_honest_ones_draw_no_more_votes() {
    let mut cluster = Cluster::new(4, settings(), 47);
    load(&mut cluster, 50, 5);
    cluster.run_ms(500);
    let votes = |cluster: &Cluster| ["prepare", "commit"].map(|name| cluster.sent[name]).iter().sum::<u64>();
    let before = votes(&cluster);
    let (view, executed) = (View(0), SeqNum(0));
    let report = StatusReport {
        view,
        asking_for: None,
        view_changes: ReplicaSet::default(),
        stable: executed,
        executed,
        observing_until: None,
    };
    for _ in 0..1000 {
        cluster.inject(id(2), id(3), PeerMessage::Protocol(Message::Status(report)));
    }
    let drawn = votes(&cluster) - before;
    assert!((1..=2 * 16).contains(&drawn), "{drawn} votes, of 16 slots at most");
    cluster.run_ms(100);
    let before = votes(&cluster);
    for _ in 0..2 {
        cluster.inject(id(2), id(3), PeerMessage::Protocol(Message::Status(report)));
    }
    assert!(votes(&cluster) > before, "they may have been lost");
}

/// What a replica reports that says it lost its log.
fn observes(until: SeqNum) -> StatusReport {
    StatusReport {
        view: View(0),
        asking_for: None,
        view_changes: ReplicaSet::default(),
        stable: SeqNum(0),
        executed: SeqNum(0),
        observing_until: Some(until),
    }
}

#[test]
fn rule_29_a_liar_that_observes_for_ever_costs_an_idle_cluster_two_windows_in_a_long_while() {
    for rejoins_in_between in [false, true] {
        let mut cluster = Cluster::new(4, settings(), 46);
        cluster.kill(id(4));
        for turn in 0..1200u64 {
            let until = cluster.executed(id(1)).plus(2 * cluster.settings.window_slots);
            let mut report = observes(until);
            if rejoins_in_between && turn % 3 == 1 {
                report.observing_until = None;
            }
            for peer in [1, 2, 3] {
                cluster.inject(id(4), id(peer), PeerMessage::Protocol(Message::Status(report)));
            }
            cluster.run_ms(50);
        }
        // In each pause of 30 s, of which two begin here: as far as the first checkpoint beyond two windows.
        let per_pause = 2 * cluster.settings.window_slots + cluster.settings.checkpoint_interval_slots;
        let slots = cluster.executed(id(1)).0;
        assert!((1..=2 * per_pause).contains(&slots), "{slots} slots in {} ms", cluster.now.since(START).as_millis());
        assert!(!cluster.noted(|event| matches!(event, Event::ViewChangeAsked { .. })), "nobody is deposed for it");
    }
}

#[test]
fn rule_29_null_requests_for_an_observer_come_at_a_bounded_rate() {
    let mut cluster = Cluster::new(4, settings(), 47);
    cluster.kill(id(4));
    let (window, interval) = (cluster.settings.window_slots, cluster.settings.checkpoint_interval_slots);
    let mut before = SeqNum(0);
    for status in 0..30 {
        for peer in [1, 2, 3] {
            cluster.inject(id(4), id(peer), PeerMessage::Protocol(Message::Status(observes(SeqNum(window)))));
        }
        cluster.run_ms(cluster.settings.status_interval_ms);
        let executed = cluster.executed(id(1));
        assert!(executed.0 - before.0 <= window / 8, "{before} to {executed} in status interval {status}");
        before = executed;
    }
    assert!((window..window + interval).contains(&before.0), "{before}: and they come");
}

#[test]
fn rule_17_eight_clients_with_every_session_waiting_do_not_keep_a_ninth_out() {
    let settings = Settings { pool_submissions: 64, batch_submissions: 8, ..settings() };
    let mut cluster = Cluster::new(4, settings, 48);
    let mut asked = Vec::new();
    for round in 1..=100 {
        for (client, index) in (0..8).flat_map(|client| (0..32).map(move |index| (client, index))) {
            let flood = cluster.signed(client, index, round, &[pay(3, 4)]);
            (1..=4).for_each(|replica| cluster.hand_over(id(replica), flood.clone()));
        }
        if round % 10 == 0 {
            asked.push(cluster.submit(8, round as u16 / 10, &[pay(1, 2)]));
        }
        cluster.run_ms(2);
    }
    cluster.run_ms(100);
    assert_answered(&cluster, &asked);
    assert!(!cluster.noted(|event| matches!(event, Event::ViewChangeAsked { .. })), "and deposes nobody");
    for replica in 1..=4 {
        let queues = |visit: &mut dyn FnMut(QueueLevel)| cluster.node(id(replica)).replica().queues(visit);
        queues(&mut |level| assert!(level.len <= level.bound, "{level:?}"));
    }
}

#[test]
fn a_batch_that_is_asked_for_a_thousand_times_in_one_message_is_sent_once() {
    let mut cluster = Cluster::new(4, settings(), 48);
    load(&mut cluster, 3, 5);
    let digests: Vec<Digest> = cluster.notes.iter().filter_map(|(_, _, event)| proposed(event)).collect();
    let before = cluster.bytes_sent.clone();
    let question = Message::FetchBatches(vec![digests[0]; 1000]);
    cluster.inject(id(2), id(3), PeerMessage::Protocol(question));
    let bytes = cluster.bytes_sent[&id(3)] - before[&id(3)];
    assert!((32..100).contains(&bytes), "{bytes} bytes for a batch of one submission");
}

fn proposed(event: &Event) -> Option<Digest> {
    match event {
        Event::PrePrepared { digest, .. } => Some(*digest),
        _ => None,
    }
}
