//! The collector form: what each attack comes to when one replica counts for all.

use std::collections::BTreeMap;

use byztop_core::linear::LinearPbft;
use byztop_core::protocol::Event;
use byztop_core::rejection::Rejection;
use byztop_core::types::{ReplicaId, SeqNum, Time, View};

use crate::attacks::{assert_unharmed, honest, is_complained, under};
use crate::support::{AnyCluster, id};
use crate::{all, assert_answered, load, settings, short_window};

type Cluster = AnyCluster<LinearPbft>;

/// Slots that a replica decided on the fast path, and on the slow one.
fn paths(cluster: &Cluster, replica: ReplicaId) -> (usize, usize) {
    let decided = |fast: bool| {
        let is_it = |event: &Event| matches!(event, Event::Committed { is_fast, .. } if *is_fast == fast);
        cluster.notes.iter().filter(|(_, by, event)| *by == replica && is_it(event)).count()
    };
    (decided(true), decided(false))
}

#[test]
fn where_all_vote_every_slot_takes_the_fast_path() {
    for replicas in [1, 2, 4, 5, 6, 7, 10] {
        let mut cluster = Cluster::new(replicas, settings(), 1);
        let asked = load(&mut cluster, 100, 5);
        cluster.run_ms(100);
        assert_answered(&cluster, &asked);
        let members = all(&cluster);
        for replica in &members {
            let (fast, slow) = paths(&cluster, *replica);
            assert!(fast > 0 && slow == 0, "{replica} of {replicas}: {fast} fast, {slow} slow");
        }
        assert_eq!(cluster.sent.get("commit"), None, "nobody has to commit");
        assert!(!cluster.noted(|event| matches!(event, Event::Rejected { .. })));
        cluster.assert_equal(&members);
    }
}

#[test]
fn one_silent_backup_costs_one_wait_and_no_more() {
    let mut cluster = Cluster::new(7, settings(), 2);
    cluster.attack(id(5), "crash");
    let asked = load(&mut cluster, 50, 5);
    cluster.run_ms(100);
    assert_answered(&cluster, &asked);
    let (fast, slow) = paths(&cluster, id(2));
    assert!(fast == 0 && slow >= 40, "{fast} fast, {slow} slow");
    // Submitted 5 ms apart, each is answered before the next is: nobody waits 20 ms for n5 again.
    assert!(!is_complained(&cluster, &[5]));
    cluster.heal(id(5));
    load(&mut cluster, 50, 5);
    let (fast, _) = paths(&cluster, id(2));
    assert!(fast >= 40, "all vote again, and the fast path is taken: {fast}");
}

#[test]
fn rule_l5_a_backup_that_votes_every_second_time_delays_a_bounded_share_of_the_slots() {
    let mut cluster = Cluster::new(4, settings(), 3);
    cluster.attack(id(4), "withhold(prepare) @p=0.5");
    let asked = load(&mut cluster, 400, 30);
    assert_answered(&cluster, &asked);
    let of_n1 = |wanted: fn(&Event) -> Option<SeqNum>| -> BTreeMap<SeqNum, Time> {
        let notes = cluster.notes.iter().filter(|(_, by, _)| *by == id(1));
        notes.filter_map(|(at, _, event)| Some((wanted(event)?, *at))).collect()
    };
    let proposed = of_n1(|event| if let Event::PrePrepared { seq, .. } = event { Some(*seq) } else { None });
    let decided = of_n1(|event| if let Event::Committed { seq, .. } = event { Some(*seq) } else { None });
    let wait = cluster.settings.fast_path_wait();
    let delayed = decided.iter().filter(|(seq, at)| at.since(proposed[seq]) >= wait).count();
    assert!(decided.len() >= 390, "{} slots were decided", decided.len());
    // Each wait in vain doubles the slots in which n4 has to vote before it is waited for again: 1 + 2 + ... + 128, every
    // second of which it leaves out, are more than 400 slots.
    assert!((1..=9).contains(&delayed), "{delayed} of {} slots waited for n4", decided.len());
}

#[test]
fn certificates_for_exactly_a_weak_quorum_or_for_nobody_are_harmless() {
    for attack in ["withhold(certificate)", "withhold(certificate, n2, n3, n4, n5)"] {
        let (mut cluster, asked) = under::<LinearPbft>(&[1], attack, 70);
        assert_unharmed(&mut cluster, &[1], &asked, attack);
        assert!(cluster.view(id(3)) > View(0), "{attack}: who keeps the counts to itself is deposed in the end");
        assert!(!cluster.is_proved(id(1)), "{attack}: nothing is signed that could prove it");
        // Before that, what the collector alone decided on the fast path, or with n6 and n7 (f+1 in all), the others learn
        // by asking.
        let of_n3 = || cluster.notes.iter().filter(|(_, by, _)| *by == id(3)).map(|(_, _, event)| event);
        let in_view_0 = || of_n3().take_while(|event| !matches!(event, Event::ViewChangeAsked { .. }));
        let asked_at = in_view_0().position(|event| matches!(event, Event::Asked { .. }));
        let is_fast = |event: &Event| matches!(event, Event::Committed { is_fast: true, .. });
        let has_learnt = asked_at.is_some_and(|asked_at| in_view_0().skip(asked_at).any(is_fast));
        assert!(has_learnt, "{attack}");
    }
}

#[test]
fn a_certificate_that_lacks_votes_is_refused_by_everyone() {
    let (mut cluster, asked) = under::<LinearPbft>(&[1], "forge-certificate", 71);
    assert_unharmed(&mut cluster, &[1], &asked, "forge-certificate");
    let is_refused = |by: ReplicaId| {
        let refused = |event: &Event| matches!(event, Event::Rejected { from, why: Rejection::BadCertificate(_) | Rejection::BadSignature, .. } if *from == id(1));
        cluster.notes.iter().any(|(_, who, event)| *who == by && refused(event))
    };
    for replica in honest(&cluster, &[1]) {
        assert!(is_refused(replica), "{replica} was shown a quorum that there never was");
    }
    assert_eq!(cluster.view(id(2)), View(0), "it stops nobody");
}

#[test]
fn an_equivocating_collector_is_proved_by_its_own_header_in_the_certificate() {
    for attack in ["equivocation(n6, n7)", "equivocation(n6, n7, offset=1)", "equivocation(n6, n7, mode=digest)"] {
        let (mut cluster, asked) = under::<LinearPbft>(&[1], attack, 72);
        assert_unharmed(&mut cluster, &[1], &asked, attack);
        assert!(cluster.is_proved(id(1)), "{attack}");
        assert!(cluster.view(id(2)) > View(0), "{attack}: a proof against the collector deposes it");
    }
}

#[test]
fn an_attacking_backup_costs_the_fast_path_and_nothing_else() {
    for attack in ["sign", "crash", "dark(n1)", "withhold(prepare)"] {
        let mut cluster = Cluster::new(7, short_window(), 73);
        load(&mut cluster, 20, 10);
        cluster.attack(id(6), attack);
        let before = cluster.notes.len();
        let asked = load(&mut cluster, 60, 10);
        cluster.run_ms(500);
        assert_unharmed(&mut cluster, &[6], &asked, attack);
        let is_fast = |event: &Event| matches!(event, Event::Committed { is_fast: true, .. });
        let fast = cluster.notes[before..].iter().filter(|(_, by, event)| *by == id(1) && is_fast(event)).count();
        assert!(fast <= 1, "{attack}: {fast} slots had every vote");
        assert_eq!(cluster.view(id(2)), View(0), "{attack}");
    }
}
