//! A cluster in memory: the normal case, every attack, and what comes back after it.

mod attacks;
mod bounds;
mod linear;
mod liveness;
mod old_copy;
mod support;
mod transfer;

use std::collections::VecDeque;

use byztop_core::app::smallbank::{Account, Operation};
use byztop_core::attack::Forge;
use byztop_core::crypto::Verified;
use byztop_core::protocol::{Event, Protocol, Recipients, Settings};
use byztop_core::replica::{Input, Output};
use byztop_core::types::{ReplicaId, SeqNum, Session, Timestamp, View};
use support::{AnyCluster, Cluster, id};

type Asked = Vec<(Session, Timestamp)>;

fn settings() -> Settings {
    Settings { accounts: 100, ..Settings::default() }
}

/// K and L as in test cases, so that checkpoints come often.
fn short_window() -> Settings {
    Settings { checkpoint_interval_slots: 3, window_slots: 6, ..settings() }
}

fn pay(from: u32, to: u32) -> Operation {
    Operation::SendPayment { from: Account(from), to: Account(to), amount: 1 }
}

/// `count` submissions of different sessions, `pause_ms` apart.
fn load<P: Protocol>(cluster: &mut AnyCluster<P>, count: u16, pause_ms: u64) -> Asked
where
    P::Message: Forge,
{
    let mut asked = Vec::new();
    for i in 0..count {
        let from = u32::from(i) % 100;
        asked.push(cluster.submit(i % 4, i % 1000, &[pay(from, (from + 1) % 100), pay(5, 6)]));
        cluster.run_ms(pause_ms);
    }
    asked
}

fn assert_answered<P: Protocol>(cluster: &AnyCluster<P>, asked: &Asked)
where
    P::Message: Forge,
{
    let open: Vec<_> = asked.iter().filter(|submission| !cluster.is_answered(**submission)).collect();
    assert!(open.is_empty(), "{} of {} submissions have no answer: {open:?}", open.len(), asked.len());
}

fn all<P: Protocol>(cluster: &AnyCluster<P>) -> Vec<ReplicaId>
where
    P::Message: Forge,
{
    cluster.committee.members().collect()
}

#[test]
fn the_normal_case_answers_everything_in_view_0_with_equal_states() {
    for replicas in [1, 2, 4, 5, 6, 7, 10] {
        let mut cluster = Cluster::new(replicas, settings(), 1);
        let asked = load(&mut cluster, 300, 2);
        cluster.run_ms(100);
        assert_answered(&cluster, &asked);
        let replicas = all(&cluster);
        assert_eq!(cluster.view(replicas[0]), View(0));
        assert!(!cluster.noted(|event| matches!(event, Event::Rejected { .. })), "{:?}", cluster.notes);
        cluster.assert_equal(&replicas);
    }
}

#[test]
fn checkpoints_collect_the_log_and_the_window_moves_on() {
    let mut cluster = Cluster::new(4, short_window(), 2);
    let asked = load(&mut cluster, 60, 3);
    cluster.run_ms(100);
    assert_answered(&cluster, &asked);
    let status = cluster.node(id(2)).replica().status();
    assert_eq!(status.stable.0, status.executed.0 / 3 * 3);
}

#[test]
fn a_crashed_primary_is_replaced_and_the_load_goes_on() {
    let mut cluster = Cluster::new(7, settings(), 3);
    let mut asked = load(&mut cluster, 20, 5);
    cluster.attack(id(1), "crash");
    asked.extend(load(&mut cluster, 40, 50));
    cluster.run_ms(500);
    assert_answered(&cluster, &asked);
    assert_eq!(cluster.view(id(2)), View(1));
    cluster.heal(id(1));
    asked.extend(load(&mut cluster, 40, 20));
    cluster.run_ms(3000);
    assert_answered(&cluster, &asked);
    let replicas = all(&cluster);
    cluster.assert_equal(&replicas);
}

#[test]
fn two_crashed_primaries_in_a_row_are_survived() {
    let mut cluster = Cluster::new(7, settings(), 4);
    cluster.attack(id(1), "crash");
    cluster.attack(id(2), "crash");
    let asked = load(&mut cluster, 60, 100);
    cluster.run_ms(1000);
    assert_answered(&cluster, &asked);
    assert_eq!(cluster.view(id(3)), View(2));
}

#[test]
fn bad_signatures_are_counted_and_count_toward_nothing() {
    for attacker in [1, 5] {
        let mut cluster = Cluster::new(7, settings(), 5);
        cluster.attack(id(attacker), "sign");
        let asked = load(&mut cluster, 60, 50);
        cluster.run_ms(1000);
        assert_answered(&cluster, &asked);
        let bad = |event: &Event| matches!(event, Event::Rejected { from, why: byztop_core::rejection::Rejection::BadSignature, .. } if *from == id(attacker));
        assert!(cluster.noted(bad));
        assert!(!cluster.is_proved(id(attacker)), "an invalid signature is never a proof");
        let votes = cluster.node(id(3)).replica().votes(None).unwrap();
        let counted = votes.phases.iter().flat_map(|phase| &phase.by_digest);
        assert!(counted.into_iter().all(|(_, voters)| !voters.contains(id(attacker))));
        assert_eq!(cluster.view(id(3)), View(u64::from(attacker == 1)));
    }
}

#[test]
fn a_slow_replica_slows_and_stays_correct() {
    for attacker in [1, 5] {
        let mut cluster = Cluster::new(7, settings(), 6);
        cluster.attack(id(attacker), "time(300ms)");
        let asked = load(&mut cluster, 30, 50);
        cluster.run_ms(3000);
        assert_answered(&cluster, &asked);
        assert_eq!(cluster.view(id(3)), View(0), "slow primaries are legal");
        cluster.heal(id(attacker));
        cluster.run_ms(1000);
        let replicas = all(&cluster);
        cluster.assert_equal(&replicas);
    }
}

#[test]
fn a_darkened_replica_catches_up_without_a_view_change() {
    for (attacker, victim) in [(1, 2), (1, 6), (5, 6)] {
        let mut cluster = Cluster::new(7, settings(), 7);
        cluster.attack(id(attacker), &format!("dark(n{victim})"));
        let asked = load(&mut cluster, 300, 10);
        cluster.run_ms(1000);
        assert_answered(&cluster, &asked);
        assert_eq!(cluster.view(id(3)), View(0), "one complaint moves nobody");
        let replicas = all(&cluster);
        cluster.assert_equal(&replicas);
    }
}

#[test]
fn an_equivocating_primary_is_proved_guilty_and_replaced() {
    for attack in
        ["equivocation(n6)", "equivocation(n6, n7)", "equivocation(n7, offset=1)", "equivocation(n6, n7, mode=digest)"]
    {
        let mut cluster = Cluster::new(7, settings(), 8);
        let mut asked = load(&mut cluster, 10, 5);
        cluster.attack(id(1), attack);
        asked.extend(load(&mut cluster, 60, 20));
        cluster.run_ms(3000);
        assert_answered(&cluster, &asked);
        assert!(cluster.is_proved(id(1)), "{attack}");
        assert_eq!(cluster.view(id(3)), View(1), "{attack}");
        for replica in cluster.committee.others(id(1)) {
            assert!(!cluster.is_proved(replica), "{attack}: {replica} is honest");
        }
        let replicas = all(&cluster);
        cluster.assert_equal(&replicas);
    }
}

#[test]
fn an_equivocating_backup_has_nothing_to_equivocate_with() {
    let mut cluster = Cluster::new(7, settings(), 9);
    cluster.attack(id(4), "equivocation(n6, n7)");
    let asked = load(&mut cluster, 30, 5);
    cluster.run_ms(100);
    assert_answered(&cluster, &asked);
    assert_eq!(cluster.view(id(3)), View(0));
}

#[test]
fn two_attackers_are_survived_a_third_stops_progress_and_healing_resumes_it() {
    let mut cluster = Cluster::new(7, settings(), 10);
    cluster.attack(id(5), "crash");
    cluster.attack(id(6), "sign");
    let mut asked = load(&mut cluster, 30, 20);
    cluster.run_ms(500);
    assert_answered(&cluster, &asked);
    cluster.attack(id(7), "crash");
    let stalled = cluster.submit(0, 900, &[pay(1, 2)]);
    cluster.run_ms(8000);
    assert!(!cluster.is_answered(stalled), "four replicas are no quorum of seven");
    cluster.heal(id(5));
    cluster.heal(id(6));
    cluster.heal(id(7));
    asked.push(stalled);
    asked.extend(load(&mut cluster, 40, 100));
    cluster.run_ms(8000);
    assert_answered(&cluster, &asked);
    let replicas = all(&cluster);
    cluster.assert_equal(&replicas);
}

#[test]
fn an_isolated_replica_fetches_the_state_when_the_others_have_collected_the_log() {
    let mut cluster = Cluster::new(4, short_window(), 11);
    cluster.isolate(id(4));
    let mut asked = load(&mut cluster, 40, 5);
    cluster.cut.clear();
    asked.extend(load(&mut cluster, 20, 50));
    cluster.run_ms(2000);
    assert_answered(&cluster, &asked);
    assert!(cluster.noted(|event| matches!(event, Event::TransferDone { .. })));
    let replicas = all(&cluster);
    cluster.assert_equal(&replicas);
}

#[test]
fn a_replica_that_lost_its_log_watches_until_it_can_not_contradict_itself() {
    let mut cluster = Cluster::new(4, short_window(), 12);
    let mut asked = load(&mut cluster, 20, 5);
    cluster.kill(id(4));
    asked.extend(load(&mut cluster, 20, 5));
    cluster.restart(id(4));
    cluster.run_ms(50);
    let before = cluster.notes.len();
    asked.extend(load(&mut cluster, 60, 20));
    cluster.run_ms(2000);
    assert_answered(&cluster, &asked);
    let rejoined =
        cluster.notes[before..].iter().any(|(_, replica, event)| *replica == id(4) && *event == Event::Rejoined);
    assert!(rejoined, "the load brings a checkpoint beyond what it can have voted for");
    let replicas = all(&cluster);
    cluster.assert_equal(&replicas);
    assert!(!cluster.is_proved(id(4)));
}

#[test]
fn on_an_idle_cluster_null_requests_bring_a_lost_replica_back() {
    // However far the checkpoint is: a null request follows when the one before is executed, not with the next status.
    for settings in [short_window(), settings()] {
        let mut cluster = Cluster::new(4, settings, 13);
        load(&mut cluster, 20, 5);
        cluster.kill(id(4));
        cluster.restart(id(4));
        cluster.run_ms(5000);
        assert!(cluster.notes.iter().any(|(_, replica, event)| *replica == id(4) && *event == Event::Rejoined));
        let replicas = all(&cluster);
        cluster.assert_equal(&replicas);
    }
}

#[test]
fn lost_messages_are_made_up_for() {
    for seed in 0..20 {
        let mut cluster = Cluster::new(4, short_window(), seed);
        cluster.loss_per_mille = 100;
        let mut asked = load(&mut cluster, 40, 20);
        cluster.loss_per_mille = 0;
        cluster.run_ms(10_000);
        asked.extend(load(&mut cluster, 8, 20));
        cluster.run_ms(3000);
        assert_answered(&cluster, &asked);
        let replicas = all(&cluster);
        cluster.assert_equal(&replicas);
        for replica in replicas {
            assert!(!cluster.is_proved(replica), "seed {seed}: {replica} is honest");
            assert_eq!(cluster.view(replica), View(0), "seed {seed}: lost messages depose nobody honest");
        }
    }
}

#[test]
fn partitions_heal_at_any_moment() {
    for seed in 0..30 {
        let mut cluster = Cluster::new(7, short_window(), seed);
        let mut asked = load(&mut cluster, 10, 10);
        for left in 1..=3 + (seed % 2) as u8 {
            for right in left + 1..=7 {
                cluster.cut.insert((id(left), id(right)));
                cluster.cut.insert((id(right), id(left)));
            }
        }
        asked.extend(load(&mut cluster, 10, 100 + 37 * seed));
        cluster.cut.clear();
        cluster.run_ms(10_000);
        asked.extend(load(&mut cluster, 10, 20));
        cluster.run_ms(5000);
        assert_answered(&cluster, &asked);
        let replicas = all(&cluster);
        cluster.assert_equal(&replicas);
    }
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let run = || {
        let mut cluster = Cluster::new(7, short_window(), 77);
        cluster.loss_per_mille = 50;
        cluster.attack(id(2), "equivocation(n6)");
        cluster.attack(id(1), "crash @p=0.5");
        load(&mut cluster, 40, 30);
        cluster.notes.clone()
    };
    assert_eq!(run(), run());
}

#[test]
fn rule_23_an_executed_submission_is_answered_from_the_cache_and_never_runs_again() {
    let mut cluster = Cluster::new(4, settings(), 14);
    let asked = cluster.submit(0, 0, &[pay(1, 2)]);
    cluster.run_ms(100);
    let executed = cluster.executed(id(1));
    let again = cluster.signed(0, 0, 1, &[pay(1, 2)]);
    for replica in 1..=4 {
        cluster.hand_over(id(replica), again.clone());
    }
    cluster.run_ms(3000);
    assert!(cluster.is_answered(asked));
    assert_eq!(cluster.executed(id(1)), executed);
    assert_eq!(cluster.node(id(1)).replica().application().balances(Account(1)), Some((9_999, 10_000)));
}

#[test]
fn rule_24_a_request_that_reached_one_backup_only_is_executed() {
    let mut cluster = Cluster::new(4, settings(), 15);
    let signed = cluster.signed(0, 0, 1, &[pay(1, 2)]);
    let asked = (signed.body.session, signed.body.timestamp);
    cluster.hand_over(id(3), signed);
    cluster.run_ms(1400);
    assert!(cluster.is_answered(asked), "the primary got the body at half the request's time");
    assert_eq!(cluster.view(id(1)), View(0));
}

#[test]
fn rule_24_a_backlog_that_the_primary_lacks_reaches_it_in_time_however_small_the_batches() {
    let settings = Settings { batch_submissions: 2, ..settings() };
    let mut cluster = Cluster::new(4, settings, 17);
    let mut asked = Vec::new();
    for index in 0..24 {
        let signed = cluster.signed(0, index, 1, &[pay(1, 2)]);
        asked.push((signed.body.session, signed.body.timestamp));
        for backup in [3, 4] {
            cluster.hand_over(id(backup), signed.clone());
        }
    }
    cluster.run_ms(3000);
    assert_answered(&cluster, &asked);
    assert_eq!(cluster.view(id(1)), View(0), "nobody had to wait for longer than a request may");
}

#[test]
fn rule_17_a_primary_that_starves_one_client_is_deposed_while_others_are_served() {
    let mut cluster = Cluster::new(4, settings(), 16);
    let signed = cluster.signed(3, 0, 1, &[pay(1, 2)]);
    let asked = (signed.body.session, signed.body.timestamp);
    // n1 never hears of it: as to the others, it might as well be censoring.
    for replica in [2, 3, 4] {
        cluster.hand_over(id(replica), signed.clone());
        cluster.cut.insert((id(replica), id(1)));
    }
    for _ in 0..40 {
        load(&mut cluster, 1, 100);
    }
    cluster.cut.clear();
    cluster.run_ms(2000);
    assert!(cluster.is_answered(asked));
    assert!(cluster.view(id(2)) >= View(1));
}

#[test]
fn with_no_attack_set_the_door_is_a_pass_through() {
    let mut cluster = Cluster::new(4, short_window(), 17);
    cluster.recording = Some(Vec::new());
    load(&mut cluster, 30, 7);
    cluster.cut.insert((id(1), id(2)));
    load(&mut cluster, 30, 7);
    let recording = cluster.recording.take().unwrap();
    for me in all(&cluster) {
        let (mut bare, signer) = (cluster.bare_replica(me), cluster.signer(me));
        bare.handle(support::START, Input::Start { has_lost_log: false }, &mut Vec::new());
        for recorded in recording.iter().filter(|recorded| recorded.replica == me) {
            let mut inputs = VecDeque::from([recorded.input.clone()]);
            let mut outputs = Vec::new();
            while let Some(input) = inputs.pop_front() {
                let mut wanted = Vec::new();
                bare.handle(recorded.now, input, &mut wanted);
                for mut output in wanted {
                    if let Output::Send(to, message) = &mut output {
                        message.fill_signatures(&signer);
                        if *to == Recipients::All {
                            let heard = Verified::check(message.clone(), signer.author(), cluster.verifier());
                            inputs.push_back(Input::Peer(me, heard.expect("its own messages hold at its own door")));
                        }
                    }
                    outputs.push(output);
                }
            }
            assert!(outputs == recorded.outputs, "{me} at {:?}: {:?}", recorded.now, recorded.input);
        }
    }
}

#[test]
fn rule_6_a_slot_beyond_the_window_is_refused() {
    let mut cluster = Cluster::new(4, short_window(), 18);
    cluster.attack(id(1), "equivocation(n2)");
    load(&mut cluster, 5, 10);
    let refused = |event: &Event| matches!(event, Event::Rejected { why: byztop_core::rejection::Rejection::OutsideWatermarks(seq), .. } if *seq > SeqNum(10_000));
    assert!(cluster.noted(refused));
}

#[test]
fn a_silent_primary_is_asked_to_go_after_the_request_and_the_ask_timeout() {
    let mut cluster = Cluster::new(7, settings(), 19);
    load(&mut cluster, 200, 4);
    cluster.attack(id(1), "crash");
    let silent_since = cluster.now;
    load(&mut cluster, 600, 4);
    let asked = cluster.notes.iter().find(|(_, _, event)| matches!(event, Event::ViewChangeAsked { .. }));
    let (at, _, why) = asked.expect("a silent primary is deposed");
    let patience = at.since(silent_since).as_millis();
    assert!((1500..1700).contains(&patience), "{why:?} after {patience} ms");
}

#[test]
fn a_replica_that_sends_late_keeps_up_although_some_bodies_reach_it_late() {
    let mut cluster = Cluster::new(7, settings(), 20);
    cluster.attack(id(5), "time(500ms)");
    let mut asked = Asked::new();
    for i in 1..=2000 {
        let (client, index) = (i % 4, i % 500);
        let signed = cluster.signed(client, index, u64::from(i), &[pay(1, 2)]);
        asked.push((signed.body.session, signed.body.timestamp));
        for replica in [1, 2, 3, 4, 6, 7] {
            cluster.hand_over(id(replica), signed.clone());
        }
        cluster.run_ms(if i % 50 == 0 { 30 } else { 0 });
        cluster.hand_over(id(5), signed);
        cluster.run_ms(5);
    }
    let lag = cluster.executed(id(1)).0 - cluster.executed(id(5)).0;
    cluster.run_ms(1000);
    assert_answered(&cluster, &asked);
    assert!(lag < 10, "hardly anything that it hears is late, and yet it is {lag} slots behind");
    assert_eq!(cluster.node(id(5)).replica().status().asking_for, None);
}

#[test]
fn an_attack_ends_when_its_time_is_over_and_nobody_is_its_own_victim() {
    let mut cluster = Cluster::new(4, settings(), 21);
    cluster.attack(id(4), "crash @50ms..100ms; sign");
    cluster.run_ms(60);
    assert_eq!(cluster.node(id(4)).active(), "crash @50ms..100ms; sign");
    cluster.run_ms(200);
    assert_eq!(cluster.node(id(4)).active(), "sign");
    for (attack, why) in [("dark(n4)", "its own victim"), ("dark(n9)", "not in this cluster")] {
        let refused = cluster.try_attack(id(4), attack).unwrap_err();
        assert!(refused.message.contains(why), "{refused:?}");
    }
}

#[test]
fn two_darkened_replicas_keep_up_although_neither_sees_a_quorum_of_votes() {
    let mut cluster = Cluster::new(7, settings(), 22);
    load(&mut cluster, 100, 5);
    cluster.attack(id(1), "dark(n6, n7)");
    let asked = load(&mut cluster, 1000, 5);
    let lag = |victim| cluster.executed(id(1)).0 - cluster.executed(id(victim)).0;
    let lags = [lag(6), lag(7)];
    assert!(lags.iter().all(|lag| *lag < 100), "{lags:?}");
    cluster.heal(id(1));
    cluster.run_ms(1000);
    assert_answered(&cluster, &asked);
    let replicas = all(&cluster);
    cluster.assert_equal(&replicas);
    assert!(!cluster.noted(|event| matches!(event, Event::ViewChangeAsked { .. })), "nobody complains");
}
