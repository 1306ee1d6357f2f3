//! A disk that is restored from an old copy reads as whole (rule 29): peers show the replica what it signed since.

use byztop_core::attack::Forge;
use byztop_core::crypto::{Kind, Statement};
use byztop_core::durable::Image;
use byztop_core::evidence::Proof;
use byztop_core::linear::LinearPbft;
use byztop_core::pbft::Pbft;
use byztop_core::protocol::{Claim, Event, OwnStatement, Protocol};
use byztop_core::replica::{Output, PeerMessage};
use byztop_core::types::{Digest, ReplicaId, SeqNum, Time, View};

use super::support::{AnyCluster, Cluster, id};
use super::{all, assert_answered, load, pay, settings, short_window};

/// When a replica noted for the first time that its log is an old copy, and of which statement it saw that.
fn noticed<P: Protocol>(cluster: &AnyCluster<P>, who: ReplicaId) -> Option<(Time, OwnStatement)>
where
    P::Message: Forge,
{
    cluster.notes.iter().find_map(|(at, replica, event)| match event {
        Event::OldLog { shown } if *replica == who => Some((*at, *shown)),
        _ => None,
    })
}

fn rejoined<P: Protocol>(cluster: &AnyCluster<P>, who: ReplicaId) -> Option<Time>
where
    P::Message: Forge,
{
    let is_it = |(_, replica, event): &&(Time, ReplicaId, Event)| *replica == who && *event == Event::Rejoined;
    cluster.notes.iter().find(is_it).map(|(at, ..)| *at)
}

#[test]
fn rule_29_a_primary_on_an_old_copy_proposes_nothing_else_in_a_slot_that_it_assigned() {
    let mut cluster = Cluster::new(4, short_window(), 31);
    cluster.give_disk(id(1));
    let mut asked = load(&mut cluster, 2, 50);
    let copy: Image = cluster.disks[&id(1)].clone();
    // It assigns the next slot. All prepare that, and no COMMIT arrives: nobody can tell it of a decision.
    for member in all(&cluster) {
        cluster.deaf_to.insert((member, "commit"));
    }
    asked.push(cluster.submit(0, 10, &[pay(1, 2)]));
    cluster.run_ms(50);
    cluster.kill(id(1));
    cluster.restart_from(id(1), copy);
    cluster.run_ms(500);
    // An old copy knows nothing of that slot, and would assign it to this.
    asked.push(cluster.submit(1, 11, &[pay(3, 4)]));
    cluster.run_ms(100);
    assert!(!cluster.is_proved(id(1)), "it contradicts itself");
    let shown = noticed(&cluster, id(1)).map(|(_, shown)| shown);
    assert!(
        matches!(shown, Some(OwnStatement::Signed(statement)) if statement.kind == Kind::PrePrepare),
        "the PREPAREs of the others carry its header: {shown:?}"
    );
    cluster.deaf_to.clear();
    asked.extend(load(&mut cluster, 40, 50));
    cluster.run_ms(3000);
    assert_answered(&cluster, &asked);
    assert!(rejoined(&cluster, id(1)).is_some(), "it takes part again after a safe checkpoint");
    assert!(!cluster.is_proved(id(1)));
    let replicas = all(&cluster);
    cluster.assert_equal(&replicas);
}

/// A backup on an old copy votes for nothing from the moment on that a peer shows it one of its votes until it rejoins.
fn a_backup_on_an_old_copy_observes<P: Protocol>()
where
    P::Message: Forge,
{
    let mut cluster: AnyCluster<P> = AnyCluster::new(4, short_window(), 32);
    cluster.give_disk(id(2));
    let mut asked = load(&mut cluster, 4, 50);
    let copy: Image = cluster.disks[&id(2)].clone();
    asked.extend(load(&mut cluster, 2, 50));
    cluster.kill(id(2));
    cluster.restart_from(id(2), copy);
    cluster.recording = Some(Vec::new());
    cluster.run_ms(1000);
    asked.extend(load(&mut cluster, 60, 20));
    cluster.run_ms(3000);
    let (since, shown) = noticed(&cluster, id(2)).expect("a decision that a peer shows has its vote");
    assert!(matches!(shown, OwnStatement::Signed(_)), "{shown:?}");
    let until = rejoined(&cluster, id(2)).expect("it takes part again after a safe checkpoint");
    let votes_at = |kinds: &[&str]| -> Vec<Time> {
        let recorded = cluster.recording.iter().flatten().filter(|recorded| recorded.replica == id(2));
        let is_vote = |output: &Output<P::Message>| match output {
            Output::Send(_, PeerMessage::Protocol(message)) => {
                kinds.contains(&byztop_core::protocol::Message::name(message))
            }
            _ => false,
        };
        recorded.filter(|recorded| recorded.outputs.iter().any(is_vote)).map(|recorded| recorded.now).collect()
    };
    let votes = votes_at(&["pre-prepare", "prepare", "commit", "view-change"]);
    assert!(votes.iter().all(|at| *at < since || *at >= until), "it votes while it observes: {votes:?}");
    assert!(votes.iter().any(|at| *at >= until), "it votes again");
    assert!(!cluster.is_proved(id(2)));
    assert_answered(&cluster, &asked);
    let replicas = all(&cluster);
    cluster.assert_equal(&replicas);
}

#[test]
fn rule_29_a_backup_on_an_old_copy_observes_once_a_peer_shows_it_a_vote_of_its_own() {
    a_backup_on_an_old_copy_observes::<Pbft>();
    a_backup_on_an_old_copy_observes::<LinearPbft>();
}

#[test]
fn rule_29_a_replica_on_an_old_copy_that_is_killed_while_it_observes_observes_on() {
    let mut cluster = Cluster::new(4, settings(), 33);
    cluster.give_disk(id(2));
    load(&mut cluster, 2, 50);
    let copy: Image = cluster.disks[&id(2)].clone();
    load(&mut cluster, 2, 50);
    cluster.kill(id(2));
    cluster.restart_from(id(2), copy);
    while noticed(&cluster, id(2)).is_none() {
        assert!(cluster.now < Time(20_000_000), "it notices");
        cluster.run_ms(1);
    }
    cluster.kill(id(2));
    let disk = cluster.disks[&id(2)].clone();
    cluster.restart_from(id(2), disk);
    assert!(cluster.node(id(2)).replica().status().observing_until.is_some());
}

/// Kills each replica in turn, leaders too, and starts it on its own disk.
fn intact_disks_are_never_taken_for_old_copies<P: Protocol>(seed: u64)
where
    P::Message: Forge,
{
    let mut cluster: AnyCluster<P> = AnyCluster::new(4, short_window(), seed);
    let replicas = all(&cluster);
    replicas.iter().for_each(|replica| cluster.give_disk(*replica));
    let mut asked = Vec::new();
    cluster.loss_per_mille = 100;
    for round in 0..12 {
        let who = replicas[round % 4];
        asked.extend(load(&mut cluster, 5, 3 + round as u64));
        cluster.kill(who);
        // Long enough for a view change in every third round.
        asked.extend(load(&mut cluster, 5, if round % 3 == 0 { 800 } else { 5 }));
        let disk = cluster.disks[&who].clone();
        cluster.restart_from(who, disk);
        asked.extend(load(&mut cluster, 5, 20));
    }
    cluster.loss_per_mille = 0;
    cluster.run_ms(20_000);
    asked.extend(load(&mut cluster, 5, 100));
    cluster.run_ms(20_000);
    assert_answered(&cluster, &asked[asked.len() - 5..].to_vec());
    assert!(cluster.noted(|event| matches!(event, Event::ViewEntered { .. })), "views change too");
    for event in cluster.notes.iter().map(|(.., event)| event) {
        assert!(!matches!(event, Event::OldLog { .. } | Event::Observing { .. }), "{event}");
    }
    cluster.assert_equal(&replicas);
}

#[test]
fn rule_29_a_replica_that_restarts_on_its_own_disk_is_never_taken_for_one_on_an_old_copy() {
    for seed in 0..4 {
        intact_disks_are_never_taken_for_old_copies::<Pbft>(seed);
        intact_disks_are_never_taken_for_old_copies::<LinearPbft>(seed);
    }
}

/// n1 is dead, so n2 begins view 1 with the view changes of n2, n3 and n4. One of those is started on a copy of its disk from
/// before that: what does it notice first?
fn noticed_of_a_view(who: ReplicaId) -> Option<OwnStatement> {
    let mut cluster = Cluster::new(4, settings(), 34);
    cluster.give_disk(who);
    load(&mut cluster, 2, 50);
    let copy: Image = cluster.disks[&who].clone();
    cluster.kill(id(1));
    cluster.submit(0, 10, &[pay(1, 2)]);
    cluster.run_ms(3000);
    assert_eq!(cluster.view(who), View(1));
    cluster.kill(who);
    // The status reports of the others bring the new view, and nobody asks what was decided.
    for member in all(&cluster) {
        cluster.deaf_to.extend([(member, "ask"), (member, "prepare"), (member, "commit")]);
    }
    cluster.restart_from(who, copy);
    cluster.run_ms(1000);
    noticed(&cluster, who).map(|(_, shown)| shown)
}

#[test]
fn rule_29_a_replica_on_an_old_copy_is_shown_the_view_that_it_began_and_the_one_that_it_asked_for() {
    let of_primary = noticed_of_a_view(id(2));
    let is_new_view = |shown| matches!(shown, OwnStatement::Signed(statement) if statement.kind == Kind::NewView);
    assert!(of_primary.is_some_and(is_new_view), "{of_primary:?}");
    assert_eq!(noticed_of_a_view(id(3)), Some(OwnStatement::ViewChange(View(1))));
}

/// A proof that n2 voted twice in a slot.
fn two_votes(cluster: &Cluster, seq: u64) -> PeerMessage<<Pbft as Protocol>::Message> {
    let vote = |text: &str| {
        let digest = Digest::of(text, &[]);
        let statement = Statement::by_replica(Kind::Commit, View(0), SeqNum(seq), digest, id(2));
        Claim { statement, signature: cluster.signer(id(2)).sign(&statement), batch: None }
    };
    PeerMessage::Proof(Box::new(Proof::Contradiction(vote("one"), vote("another"))))
}

#[test]
fn rule_29_a_proof_against_a_replica_tells_it_that_its_log_is_an_old_copy() {
    let mut cluster = Cluster::new(4, short_window(), 35);
    load(&mut cluster, 4, 50);
    let settled = two_votes(&cluster, cluster.stable(id(2)).0);
    cluster.inject(id(3), id(2), settled);
    assert_eq!(noticed(&cluster, id(2)), None, "nothing depends on a slot that a stable checkpoint settles");
    let open = two_votes(&cluster, cluster.stable(id(2)).0 + 3);
    cluster.inject(id(3), id(2), open);
    assert!(noticed(&cluster, id(2)).is_some());
}

#[test]
fn rule_29_a_healed_attacker_does_not_take_what_it_forged_for_votes_that_its_log_lost() {
    let mut cluster = Cluster::new(4, short_window(), 36);
    load(&mut cluster, 4, 50);
    cluster.attack(id(2), "sign");
    cluster.heal(id(2));
    let proof = two_votes(&cluster, cluster.stable(id(2)).0 + 3);
    cluster.inject(id(3), id(2), proof);
    assert!(cluster.is_proved(id(2)));
    assert_eq!(noticed(&cluster, id(2)), None);
}
