//! State transfer under load: slow sources, lying ones, sources that move on or die meanwhile; and what it costs.

use std::collections::BTreeSet;

use byztop_core::app::smallbank::ACCOUNTS_PER_LEAF;
use byztop_core::protocol::{Event, QueueLevel, Settings};
use byztop_core::replica::{PeerMessage, StateRequest};
use byztop_core::types::{Micros, ReplicaId, SeqNum};

use crate::support::{Cluster, id};
use crate::{Asked, all, assert_answered, pay, short_window};

/// So many leaves that they are fetched in many pieces.
const LEAVES: u32 = 2000;

/// With a load of a submission every 10 ms there is a checkpoint every 30 ms.
fn many_leaves() -> Settings {
    Settings { accounts: LEAVES * ACCOUNTS_PER_LEAF as u32, ..short_window() }
}

/// Payments within each of some leaves, so many to a submission, two milliseconds apart.
fn touch(cluster: &mut Cluster, leaves: impl IntoIterator<Item = u32>, at_once: usize) -> Asked {
    let leaves: Vec<u32> = leaves.into_iter().collect();
    let mut asked = Asked::new();
    for (i, some) in leaves.chunks(at_once).enumerate() {
        let payments: Vec<_> = some.iter().map(|leaf| pay(32 * leaf, 32 * leaf + 1)).collect();
        asked.push(cluster.submit((i % 4) as u16, (i % 100) as u16, &payments));
        cluster.run_ms(2);
    }
    asked
}

/// A submission every 10 ms.
fn load_for(cluster: &mut Cluster, millis: u64) -> Asked {
    let mut asked = Asked::new();
    for i in 0..millis / 10 {
        let leaf = 32 * (i as u32 % 7);
        asked.push(cluster.submit((i % 4) as u16, 100 + (i % 50) as u16, &[pay(leaf, leaf + 1)]));
        cluster.run_ms(10);
    }
    asked
}

/// Seven replicas, of whom n4 has missed that every leaf was written. It has just come back.
fn behind(seed: u64, settings: Settings) -> (Cluster, Asked) {
    let mut cluster = Cluster::new(7, settings, seed);
    cluster.isolate(id(4));
    let asked = touch(&mut cluster, 0..LEAVES, 16);
    cluster.run_ms(50);
    cluster.cut.clear();
    (cluster, asked)
}

/// Leaves and bytes of each transfer that a replica has completed.
fn transfers(cluster: &Cluster, replica: ReplicaId) -> Vec<(u32, u64)> {
    let done = |event: &Event| match event {
        Event::TransferDone { leaves, bytes, .. } => Some((*leaves, *bytes)),
        _ => None,
    };
    cluster.notes.iter().filter(|(_, by, _)| *by == replica).filter_map(|(_, _, event)| done(event)).collect()
}

/// How long a replica's first transfer took.
fn duration(cluster: &Cluster, replica: ReplicaId) -> Micros {
    let first = |what: fn(&Event) -> bool| {
        cluster.notes.iter().find(|(_, by, event)| *by == replica && what(event)).map(|(at, ..)| *at)
    };
    let began = first(|event| matches!(event, Event::TransferBegan { .. })).expect("it began");
    let done = first(|event| matches!(event, Event::TransferDone { .. })).expect("it is done");
    done.since(began)
}

/// Ends the load and asserts that nobody is left behind.
fn assert_in_step(cluster: &mut Cluster, asked: &Asked) {
    cluster.run_ms(6000);
    assert_answered(cluster, asked);
    let replicas = all(cluster);
    cluster.assert_equal(&replicas);
    assert_eq!(cluster.node(id(4)).replica().status().transfer, None);
}

/// How full a queue of a replica is, and its bound.
fn level(cluster: &Cluster, replica: ReplicaId, wanted: &str) -> (usize, usize) {
    let mut found = None;
    cluster.node(replica).replica().queues(&mut |QueueLevel { name, len, bound }| {
        if name == wanted {
            found = Some((len, bound));
        }
    });
    found.expect("there is such a queue")
}

/// Lets time pass, with load, until n4 fetches leaves.
fn until_leaves_are_fetched(cluster: &mut Cluster, asked: &mut Asked) {
    for _ in 0..500 {
        asked.extend(load_for(cluster, 10));
        let progress = cluster.node(id(4)).replica().status().transfer;
        if progress.is_some_and(|progress| progress.wanted_leaves > Some(LEAVES) && progress.fetched_leaves > 0) {
            return;
        }
    }
    cluster.explain();
    panic!("n4 fetches nothing");
}

#[test]
fn rule_28_a_state_is_fetched_under_load_while_its_sources_move_on() {
    let (mut cluster, mut asked) = behind(200, many_leaves());
    // Parts take longer than many checkpoints do.
    for source in [1, 2, 3, 5, 6, 7] {
        cluster.slow.insert((id(source), id(4)), Micros::from_millis(90));
    }
    until_leaves_are_fetched(&mut cluster, &mut asked);
    let target = cluster.node(id(4)).replica().status().transfer.expect("it is under way").target;
    let stable_then = cluster.stable(id(1));
    let mut stable_when_done = None;
    for _ in 0..300 {
        asked.extend(load_for(&mut cluster, 10));
        if cluster.node(id(4)).replica().status().transfer.is_none_or(|progress| progress.target != target) {
            stable_when_done = Some(cluster.stable(id(1)));
            break;
        }
    }
    let moved = stable_when_done.expect("it ends").0 - stable_then.0;
    assert!(moved > 4 * 3, "the sources went on by {moved} slots, and held s{target} still");
    assert!(transfers(&cluster, id(4))[0].0 >= LEAVES, "all of it was fetched at the first target");
    asked.extend(load_for(&mut cluster, 1000));
    for source in [1, 2, 3, 5, 6, 7] {
        cluster.slow.remove(&(id(source), id(4)));
    }
    asked.extend(load_for(&mut cluster, 1000));
    assert_in_step(&mut cluster, &asked);
}

#[test]
fn rule_28_a_slow_source_holds_up_its_own_pieces_alone() {
    let (mut swift, asked) = behind(201, many_leaves());
    let load = load_for(&mut swift, 2000);
    assert_in_step(&mut swift, &[asked, load].concat());
    let (mut cluster, asked) = behind(201, many_leaves());
    cluster.slow.insert((id(5), id(4)), Micros::from_millis(150));
    let load = load_for(&mut cluster, 2000);
    let (slow, swift) = (duration(&cluster, id(4)).as_millis(), duration(&swift, id(4)).as_millis());
    assert!(slow <= swift + 200, "{slow} ms, and {swift} ms without a slow source");
    cluster.slow.clear();
    assert_in_step(&mut cluster, &[asked, load].concat());
}

#[test]
fn rule_28_all_sources_may_be_slower_than_a_replica_is_patient_at_first() {
    let settings = Settings { checkpoint_interval_slots: 20, window_slots: 40, ..many_leaves() };
    let (mut cluster, mut asked) = behind(202, settings);
    for source in [1, 2, 3, 5, 6, 7] {
        cluster.slow.insert((id(source), id(4)), Micros::from_millis(300));
    }
    asked.extend(load_for(&mut cluster, 12_000));
    if transfers(&cluster, id(4)).is_empty() {
        cluster.explain();
        panic!("it waits longer and longer: {:?}", cluster.node(id(4)).replica().status().transfer);
    }
    cluster.slow.clear();
    asked.extend(load_for(&mut cluster, 1000));
    assert_in_step(&mut cluster, &asked);
}

#[test]
fn rule_28_liars_among_the_sources_are_set_aside() {
    let mut noticed = 0;
    for seed in 210..215 {
        let (mut cluster, mut asked) = behind(seed, many_leaves());
        let liars = [5, 6];
        liars.iter().for_each(|liar| cluster.attack(id(*liar), "lie-state"));
        asked.extend(load_for(&mut cluster, 3000));
        let lies = |liar: u8| {
            let is_lie = |event: &Event| {
                let wrong = byztop_core::rejection::Rejection::WrongStatePart;
                matches!(event, Event::Rejected { from, why, .. } if *from == id(liar) && *why == wrong)
            };
            cluster.notes.iter().filter(|(_, by, event)| *by == id(4) && is_lie(event)).count()
        };
        let done = transfers(&cluster, id(4)).len();
        assert!(done >= 1, "seed {seed}");
        assert!(liars.iter().all(|liar| lies(*liar) <= done + 1), "seed {seed}: one lie in each transfer");
        noticed += lies(5) + lies(6);
        let took_ms = duration(&cluster, id(4)).as_millis();
        assert!(took_ms < 1200, "seed {seed}: {took_ms} ms");
        liars.iter().for_each(|liar| cluster.heal(id(*liar)));
        assert_in_step(&mut cluster, &asked);
    }
    assert!(noticed >= 5, "{noticed} lies");
}

#[test]
fn rule_28_a_source_that_dies_midway_costs_its_piece_alone() {
    let (mut cluster, mut asked) = behind(203, many_leaves());
    for source in [1, 2, 3, 5, 6, 7] {
        cluster.slow.insert((id(source), id(4)), Micros::from_millis(20));
    }
    until_leaves_are_fetched(&mut cluster, &mut asked);
    let fetched = cluster.node(id(4)).replica().status().transfer.expect("it is under way").fetched_leaves;
    cluster.kill(id(6));
    cluster.kill(id(7));
    asked.extend(load_for(&mut cluster, 2000));
    assert!(fetched < LEAVES, "midway");
    assert!(duration(&cluster, id(4)).as_millis() < 1000);
    cluster.slow.clear();
    cluster.run_ms(3000);
    assert_answered(&cluster, &asked);
    cluster.assert_equal(&[1, 2, 3, 4, 5].map(id));
}

#[test]
fn rule_28_only_leaves_that_differ_travel() {
    let mut cluster = Cluster::new(7, many_leaves(), 204);
    let mut asked = touch(&mut cluster, 0..LEAVES, 16);
    cluster.run_ms(50);
    cluster.isolate(id(4));
    asked.extend(touch(&mut cluster, (0..40).map(|i| 7 * i), 1));
    cluster.run_ms(100);
    cluster.cut.clear();
    let before = cluster.bytes_sent.values().sum::<u64>();
    cluster.run_ms(3000);
    let sent = cluster.bytes_sent.values().sum::<u64>() - before;
    // Forty of the bank's, and of the client table those of the forty sessions that paid.
    let leaves: u32 = transfers(&cluster, id(4)).iter().map(|(leaves, _)| leaves).sum();
    assert!((80..=90).contains(&leaves), "{leaves} leaves");
    assert!(sent < 300_000, "{sent} bytes, reports included; the state has {} bytes", LEAVES * 640);
    assert_in_step(&mut cluster, &asked);
}

#[test]
fn rule_28_a_snapshot_is_held_still_for_each_asker_once_and_not_for_ever() {
    let mut cluster = Cluster::new(7, short_window(), 205);
    let ask = |cluster: &mut Cluster, peer: u8, seq: SeqNum| {
        let request = StateRequest::Leaves { seq, leaves: vec![0] };
        let before = cluster.bytes_sent[&id(1)];
        cluster.inject(id(peer), id(1), PeerMessage::StateRequest(request));
        // A leaf, or the certificate of a newer checkpoint.
        let sent = cluster.bytes_sent[&id(1)] - before;
        assert!(sent > 0);
        sent > 640
    };
    let calm = |cluster: &mut Cluster, count| crate::load(cluster, count, 4);
    calm(&mut cluster, 30);
    let first = cluster.stable(id(1));
    assert!(ask(&mut cluster, 2, first) && ask(&mut cluster, 3, first));
    assert_eq!(level(&cluster, id(1), "pinned snapshots"), (2, 7));
    // Whoever comes further needs it no more.
    calm(&mut cluster, 30);
    assert_eq!(level(&cluster, id(1), "pinned snapshots").0, 0);
    assert!(!ask(&mut cluster, 2, first), "it is gone");
    assert_eq!(level(&cluster, id(1), "pinned snapshots").0, 1, "instead of it n1 holds the newest one still");
    // A peer that stays where it is has it as long as it asks, and one at a time.
    for peer in [2, 3] {
        cluster.isolate(id(peer));
    }
    let held = cluster.stable(id(1));
    let snapshots = |cluster: &Cluster| level(cluster, id(1), "snapshots");
    for _ in 0..8 {
        assert!(ask(&mut cluster, 2, held) && ask(&mut cluster, 3, held));
        calm(&mut cluster, 60);
        assert!(snapshots(&cluster).0 <= snapshots(&cluster).1);
    }
    assert!(cluster.stable(id(1)) > held.plus(100));
    let newer = cluster.stable(id(1));
    assert!(ask(&mut cluster, 3, newer));
    calm(&mut cluster, 30);
    assert!(ask(&mut cluster, 2, held) && ask(&mut cluster, 3, newer));
    assert!(ask(&mut cluster, 2, newer), "n3 has it held still");
    assert!(!ask(&mut cluster, 2, held), "n2 has asked for a newer one");
    // Whoever asks for nothing while 32 checkpoints become stable is forgotten.
    calm(&mut cluster, 31 * 3);
    assert_eq!(level(&cluster, id(1), "pinned snapshots").0, 2);
    calm(&mut cluster, 4 * 3);
    assert_eq!(level(&cluster, id(1), "pinned snapshots").0, 0);
    assert!(snapshots(&cluster).0 <= 4);
    let distinct: BTreeSet<SeqNum> = all(&cluster).into_iter().map(|replica| cluster.stable(replica)).collect();
    assert!(distinct.len() > 1, "n2 and n3 are still cut off");
}

#[test]
fn rule_28_a_replica_that_differs_executes_again_what_was_decided_above_the_state_that_it_installs() {
    let mut cluster = Cluster::new(4, Settings { window_slots: 12, ..short_window() }, 67);
    cluster.diverge(id(4));
    cluster.deaf_to.insert((id(4), "checkpoint"));
    let mut asked = crate::load(&mut cluster, 4, 5);
    // The checkpoint at slot 3 is stable for the others, that at slot 6 for nobody. n4 has executed slot 8, and has signed
    // its own checkpoint at 6, when it learns of the one at 3.
    cluster.deaf_to.extend((1..=3).map(|deaf| (id(deaf), "checkpoint")));
    asked.extend(crate::load(&mut cluster, 4, 5));
    assert_eq!((cluster.executed(id(4)), cluster.stable(id(1))), (SeqNum(8), SeqNum(3)));
    cluster.run_ms(3000);
    assert_answered(&cluster, &asked);
    let differed = |event: &Event| matches!(event, Event::Diverged { seq: SeqNum(3), .. });
    assert!(cluster.notes.iter().any(|(_, by, event)| *by == id(4) && differed(event)));
    let replicas = all(&cluster);
    cluster.assert_equal(&replicas);
    cluster.deaf_to.clear();
    cluster.run_ms(1000);
    assert!(!cluster.is_proved(id(4)), "it signs no second checkpoint at slot 6");
    assert!(replicas.iter().all(|replica| cluster.stable(*replica) == SeqNum(6)));
    cluster.assert_equal(&replicas);
}
