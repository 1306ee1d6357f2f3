//! Every attack by up to f replicas, leading or not: requests go on being answered, honest replicas end equal, and
//! nobody honest is accused. What an attack gives away convicts its attacker.

use byztop_core::attack::junk::Junk;
use byztop_core::attack::{Forge, parse};
use byztop_core::linear::LinearPbft;
use byztop_core::pbft::Pbft;
use byztop_core::protocol::{Event, Protocol, QueueLevel, Settings};
use byztop_core::rejection::Rejection;
use byztop_core::telemetry::Counters;
use byztop_core::types::{ReplicaId, View};

use crate::support::{AnyCluster, Cluster, id};
use crate::{Asked, all, assert_answered, load, pay, settings, short_window};

pub(crate) fn honest<P: Protocol>(cluster: &AnyCluster<P>, attackers: &[u8]) -> Vec<ReplicaId>
where
    P::Message: Forge,
{
    all(cluster).into_iter().filter(|replica| attackers.iter().all(|attacker| id(*attacker) != *replica)).collect()
}

/// What must hold whatever the attackers do.
pub(crate) fn assert_unharmed<P: Protocol>(cluster: &mut AnyCluster<P>, attackers: &[u8], asked: &Asked, what: &str)
where
    P::Message: Forge,
{
    if asked.iter().any(|submission| !cluster.is_answered(*submission)) {
        eprintln!("{what}");
        cluster.explain();
    }
    assert_answered(cluster, asked);
    let honest = honest(cluster, attackers);
    cluster.assert_equal(&honest);
    for replica in &honest {
        assert!(!cluster.is_proved(*replica), "{what}: {replica} is honest");
        // Whoever was cut off for long is told of slots that it can not place yet.
        let is_early = |why: &Rejection| matches!(why, Rejection::OutsideWatermarks(_));
        let is_refused =
            |event: &Event| matches!(event, Event::Rejected { from, why, .. } if from == replica && !is_early(why));
        let refused = cluster.notes.iter().find(|(_, by, event)| honest.contains(by) && is_refused(event));
        assert_eq!(refused, None, "{what}: {replica} says nothing that honest replicas refuse");
        cluster.node(*replica).replica().queues(&mut |QueueLevel { name, len, bound }| {
            assert!(len <= bound, "{what}: {replica} has {len} of at most {bound} {name}");
        });
    }
    for (believed, replies) in cluster.believed() {
        let is_true = honest.iter().filter_map(|replica| replies.get(replica)).all(|reply| reply == believed);
        assert!(is_true, "{what}: {believed:?} is no honest replica's answer");
    }
}

/// Seven replicas under load, of whom these attack from the eleventh request on.
pub(crate) fn under<P: Protocol>(attackers: &[u8], attack: &str, seed: u64) -> (AnyCluster<P>, Asked)
where
    P::Message: Forge,
{
    let mut cluster = AnyCluster::new(7, short_window(), seed);
    let mut asked = load(&mut cluster, 10, 5);
    attackers.iter().for_each(|attacker| cluster.attack(id(*attacker), attack));
    asked.extend(load(&mut cluster, 120, 20));
    cluster.run_ms(8000);
    asked.extend(load(&mut cluster, 10, 20));
    cluster.run_ms(4000);
    (cluster, asked)
}

fn check<P: Protocol>(attack: &str)
where
    P::Message: Forge,
{
    for (seed, attackers) in [(50, &[1][..]), (51, &[1, 2]), (52, &[5, 7]), (53, &[2, 3]), (54, &[1, 4])] {
        let (mut cluster, asked) = under::<P>(attackers, attack, seed);
        assert_unharmed(&mut cluster, attackers, &asked, &format!("{attack} by {attackers:?} under {}", P::NAME));
    }
}

#[test]
fn each_attack_is_survived() {
    for attack in [
        "sign",
        "crash",
        "time(300ms)",
        "dark(n6)",
        "equivocation(n6)",
        "equivocation(n6, mode=digest)",
        "censor(c1)",
        "withhold(pre-prepare)",
        "withhold(prepare)",
        "withhold(commit)",
        "withhold(checkpoint)",
        "withhold(status)",
        "withhold(certificate)",
        "withhold(certificate, n6)",
        "forge-certificate",
        "replay",
        "flood(100/s)",
        "junk(view-change)",
        "mutate(0.05)",
        "mutate(0.9)",
        "forge-view-change",
        "forge-new-view",
        "forge-nested",
        "lie-checkpoint",
        "lie-state",
        "lie-reply",
    ] {
        check::<Pbft>(attack);
        check::<LinearPbft>(attack);
    }
}

/// A proof that frames an honest replica, certificates, headers and view changes that nobody signed.
#[test]
fn rule_3_forged_parts_are_refused_by_everyone_and_depose_nobody() {
    fn check<P: Protocol>()
    where
        P::Message: Forge,
    {
        let (mut cluster, asked) = under::<P>(&[5], "forge-nested", 73);
        assert_unharmed(&mut cluster, &[5], &asked, "forge-nested");
        for replica in honest(&cluster, &[5]) {
            let is_refused = |is_why: fn(&Rejection) -> bool| {
                let refused =
                    |event: &Event| matches!(event, Event::Rejected { from, why, .. } if *from == id(5) && is_why(why));
                cluster.notes.iter().any(|(_, by, event)| *by == replica && refused(event))
            };
            assert!(is_refused(|why| matches!(why, Rejection::BadSignature)), "{replica}");
            assert!(is_refused(|why| matches!(why, Rejection::BadCertificate(_))), "{replica}");
        }
        assert_eq!(cluster.view(id(2)), View(0), "it stops nobody");
    }
    check::<Pbft>();
    check::<LinearPbft>();
}

#[test]
fn junk_of_each_kind_is_refused_by_everyone_or_answered_with_little() {
    for kind in Junk::ALL {
        let (mut cluster, asked) = under::<Pbft>(&[5], &format!("junk({})", kind.name()), 74);
        assert_unharmed(&mut cluster, &[5], &asked, kind.name());
        let sent = cluster.bytes_sent[&id(5)];
        for replica in honest(&cluster, &[5]) {
            let is_refusal = |event: &Event| matches!(event, Event::Rejected { from, .. } if *from == id(5));
            let refusals = cluster.notes.iter().filter(|(_, by, event)| *by == replica && is_refusal(event)).count();
            match kind {
                Junk::Fetch | Junk::State => assert!(cluster.bytes_sent[&replica] < 4 * sent, "{kind:?}: {replica}"),
                _ => assert!(refusals > 0, "{kind:?}: {replica} takes it for good"),
            }
        }
        assert_eq!(cluster.view(id(2)), View(0), "{kind:?}: it stops nobody");
    }
}

/// Whether an honest replica complains of anything.
pub(crate) fn is_complained<P: Protocol>(cluster: &AnyCluster<P>, attackers: &[u8]) -> bool
where
    P::Message: Forge,
{
    let honest = honest(cluster, attackers);
    let is_complaint = |event: &Event| matches!(event, Event::ViewChangeAsked { .. });
    cluster.notes.iter().any(|(_, by, event)| honest.contains(by) && is_complaint(event))
}

#[test]
fn rule_21_no_backup_deposes_an_honest_primary_whatever_it_sends() {
    for attack in [
        "replay",
        "flood(1000/s)",
        "mutate(0.5)",
        "forge-view-change",
        "forge-new-view",
        "forge-nested",
        "lie-checkpoint",
        "lie-reply",
        "withhold(commit)",
        "censor(c1, c2, c3, c4)",
    ] {
        let attackers = [4, 6];
        let (mut cluster, asked) = under::<Pbft>(&attackers, attack, 60);
        assert_unharmed(&mut cluster, &attackers, &asked, attack);
        assert!(!is_complained(&cluster, &attackers), "{attack}");
        assert_eq!(cluster.view(id(1)), View(0), "{attack}");
    }
}

#[test]
fn rule_17_a_censor_is_deposed_by_those_who_were_asked_too() {
    let mut cluster = Cluster::new(7, short_window(), 61);
    cluster.attack(id(1), "censor(c1)");
    let censored = cluster.submit(0, 7, &[pay(1, 2)]);
    let mut served = Asked::new();
    for i in 0..60 {
        served.push(cluster.submit(1 + i % 3, i, &[pay(3, 4)]));
        cluster.run_ms(20);
    }
    assert!(!cluster.is_answered(censored));
    assert_answered(&cluster, &served);
    assert_eq!(cluster.view(id(2)), View(0), "a request's time is not over");
    cluster.run_ms(2000);
    assert!(cluster.is_answered(censored), "the next primary proposes it");
    assert_eq!(cluster.view(id(2)), View(1));
    let replicas = all(&cluster);
    cluster.assert_equal(&replicas);
}

#[test]
fn a_censor_proposes_nothing_of_its_victim_even_if_it_knew_of_it_before_it_led() {
    let mut cluster = Cluster::new(4, settings(), 62);
    cluster.attack(id(2), "censor(c1)");
    cluster.attack(id(1), "crash");
    let censored = cluster.submit(0, 7, &[pay(1, 2)]);
    cluster.run_ms(2500);
    assert_eq!(cluster.view(id(3)), View(1));
    assert!(!cluster.is_answered(censored), "n2 leads");
    cluster.heal(id(1));
    cluster.run_ms(3000);
    assert!(cluster.is_answered(censored));
    assert!(cluster.view(id(3)) >= View(2));
}

#[test]
fn a_censor_executes_what_others_order_and_proposes_what_it_hid_once_it_is_healed() {
    let mut cluster = Cluster::new(4, settings(), 63);
    cluster.attack(id(4), "censor(c1)");
    load(&mut cluster, 20, 5);
    let executed = cluster.executed(id(1));
    assert_eq!(cluster.executed(id(4)), executed, "it has the bodies itself");
    assert!(!cluster.sent.contains_key("fetch"), "it asks nobody for them");
    cluster.heal(id(4));
    cluster.attack(id(1), "censor(c4)");
    let hidden = cluster.submit(3, 900, &[pay(1, 2)]);
    cluster.run_ms(500);
    assert!(!cluster.is_answered(hidden));
    cluster.heal(id(1));
    cluster.run_ms(100);
    assert!(cluster.is_answered(hidden));
    assert_eq!(cluster.view(id(2)), View(0));
}

#[test]
fn a_primary_that_withholds_what_it_owes_is_deposed() {
    let mut cluster = Cluster::new(4, settings(), 64);
    cluster.attack(id(1), "withhold(pre-prepare)");
    let asked = load(&mut cluster, 40, 50);
    cluster.run_ms(500);
    assert_answered(&cluster, &asked);
    assert_eq!(cluster.view(id(2)), View(1));
    let mut cluster = Cluster::new(7, settings(), 65);
    cluster.attack(id(1), "crash");
    cluster.attack(id(2), "withhold(new-view)");
    let asked = load(&mut cluster, 100, 50);
    cluster.run_ms(500);
    assert_answered(&cluster, &asked);
    assert_eq!(cluster.view(id(3)), View(2));
    assert_eq!(cluster.executed(id(2)), cluster.executed(id(3)), "it entered a view that nobody else knows of");
}

#[test]
fn every_message_that_is_sent_can_be_withheld_by_name() {
    let mut cluster = Cluster::new(7, short_window(), 66);
    cluster.attack(id(1), "equivocation(n6, n7)");
    load(&mut cluster, 30, 20);
    cluster.isolate(id(4));
    load(&mut cluster, 60, 20);
    cluster.cut.clear();
    load(&mut cluster, 60, 50);
    let names: Vec<&str> = cluster.sent.keys().copied().collect();
    for needed in ["pre-prepare", "view-change", "new-view", "committed", "state-part", "proof", "checkpoint"] {
        assert!(names.contains(&needed), "this run is to have a {needed}: {names:?}");
    }
    for name in names {
        assert!(parse(&format!("withhold({name})")).is_ok(), "{name}");
        let before = cluster.sent[name];
        all(&cluster).into_iter().for_each(|replica| cluster.attack(replica, &format!("withhold({name})")));
        load(&mut cluster, 3, 50);
        assert_eq!(cluster.sent[name], before, "{name}");
    }
}

/// What an attacker hears of its own lies, or of an accomplice's, it keeps to itself: it neither shows proofs nor acts on
/// them. The victims of this collector vote for what it told them, and to it alone.
#[test]
fn an_attacker_does_not_convict_itself_or_an_accomplice() {
    let mut cluster = AnyCluster::<LinearPbft>::new(7, short_window(), 71);
    cluster.attack(id(1), "equivocation(n6, mode=digest); withhold(certificate)");
    cluster.attack(id(2), "lie-reply");
    let _asked = load(&mut cluster, 3, 5);
    let is_proof = |event: &Event| matches!(event, Event::Proved { .. });
    let heard = cluster.notes.iter().filter(|(_, by, _)| *by == id(6)).count();
    assert!(heard > 0, "the victim runs");
    let showed = cluster.notes.iter().find(|(_, by, event)| [id(1), id(2)].contains(by) && is_proof(event));
    assert_eq!(showed, None);
    assert_eq!(cluster.node(id(1)).replica().status().asking_for, None, "nor does it depose itself");
    cluster.run_ms(8000);
    assert!(cluster.view(id(3)) > View(0), "the others do, since nothing is decided");
    let showed = cluster.notes.iter().find(|(_, by, event)| [id(1), id(2)].contains(by) && is_proof(event));
    assert_eq!(showed, None, "what the others prove is no concern of theirs");
}

#[test]
fn a_healed_attacker_holds_contradictions_against_others_again() {
    let mut cluster = Cluster::new(4, short_window(), 72);
    cluster.attack(id(4), "lie-reply");
    cluster.heal(id(4));
    cluster.attack(id(1), "equivocation(n2, mode=digest)");
    let _asked = load(&mut cluster, 3, 20);
    let is_proof = |event: &Event| matches!(event, Event::Proved { accused, .. } if *accused == id(1));
    assert!(cluster.notes.iter().any(|(_, by, event)| *by == id(4) && is_proof(event)));
}

#[test]
fn two_kinds_of_messages_are_withheld_side_by_side_and_an_ended_one_leaves_the_other() {
    let mut cluster = Cluster::new(4, settings(), 73);
    cluster.attack(id(2), "withhold(prepare); withhold(commit)");
    assert_eq!(cluster.node(id(2)).active(), "withhold(prepare); withhold(commit)");
    cluster.attack(id(2), "withhold(commit, n3); withhold(status) @0s..1s");
    assert_eq!(cluster.node(id(2)).active(), "withhold(prepare); withhold(commit, n3); withhold(status) @0s..1s");
    cluster.run_ms(1500);
    assert_eq!(cluster.node(id(2)).active(), "withhold(prepare); withhold(commit, n3)");
    assert!(cluster.noted(|event| *event == Event::AttackEnded { name: "withhold(status)".into() }));
}

#[test]
fn of_a_text_that_is_refused_nothing_is_set() {
    let mut cluster = Cluster::new(4, settings(), 74);
    for refused in ["crash; dark(n9)", "crash; dark(n2)", "crash; nonsense", "time(1s); crash; dark(n2, n9)"] {
        assert!(cluster.try_attack(id(2), refused).is_err(), "{refused}");
        assert_eq!(cluster.node(id(2)).active(), "", "{refused}");
    }
    cluster.attack(id(2), "sign");
    assert!(cluster.try_attack(id(2), "time(1s); sign; dark(n9)").is_err());
    assert_eq!(cluster.node(id(2)).active(), "sign", "what was set stays");
}

#[test]
fn rule_12_a_forged_new_view_is_proved_or_refused_and_its_maker_replaced() {
    let (mut proved, mut refused) = (0, 0);
    for seed in 100..130 {
        let mut cluster = Cluster::new(7, Settings { depth_slots: 4, ..short_window() }, seed);
        cluster.attack(id(2), "forge-new-view");
        let mut asked = load(&mut cluster, 20, 5);
        // What is prepared and not committed, the new view has to force.
        cluster.deaf_to.extend((1..=7).map(|deaf| (id(deaf), "commit")));
        asked.extend(load(&mut cluster, 3, 5));
        cluster.attack(id(1), "crash");
        cluster.deaf_to.clear();
        asked.extend(load(&mut cluster, 60, 100));
        cluster.run_ms(3000);
        let what = format!("seed {seed}");
        assert_unharmed(&mut cluster, &[1, 2], &asked, &what);
        assert!(cluster.view(id(3)) >= View(1), "{what}");
        let is_unjustified = |event: &Event| matches!(event, Event::Rejected { from, why: Rejection::UnjustifiedNewView(View(1)), .. } if *from == id(2));
        let is_garbage = |event: &Event| matches!(event, Event::Rejected { from, why: Rejection::BadCertificate(_), .. } if *from == id(2));
        if cluster.noted(is_unjustified) {
            proved += 1;
            assert!(cluster.is_proved(id(2)), "{what}");
            assert!(cluster.view(id(3)) >= View(2), "{what}");
        } else if cluster.noted(is_garbage) {
            refused += 1;
        }
    }
    assert!(proved >= 15 && refused >= 1, "{proved} proved, {refused} refused");
}

#[test]
fn a_primary_that_mutates_its_proposals_is_proved_guilty_and_replaced() {
    for seed in 70..75 {
        let (mut cluster, asked) = under::<Pbft>(&[1], "mutate(0.3)", seed);
        assert_unharmed(&mut cluster, &[1], &asked, "mutate");
        assert!(cluster.is_proved(id(1)), "seed {seed}");
        assert!(cluster.view(id(3)) >= View(1), "seed {seed}");
    }
}

#[test]
fn rule_27_a_checkpoint_that_contradicts_itself_convicts() {
    let (mut cluster, asked) = under::<Pbft>(&[5], "lie-checkpoint", 76);
    assert_unharmed(&mut cluster, &[5], &asked, "lie-checkpoint");
    let convicts = |event: &Event| matches!(event, Event::Proved { accused, summary } if *accused == id(5) && summary.contains("checkpoint"));
    assert!(cluster.noted(convicts));
    let executed = cluster.executed(id(1));
    assert!(cluster.stable(id(1)).plus(3) >= executed, "a quorum of equal ones is left");
}

#[test]
fn rule_28_liars_slow_a_state_transfer_and_do_not_stop_it() {
    let (mut noticed, mut slowest_ms) = (0, 0);
    for seed in 80..90 {
        let attackers = [5, 6];
        let mut cluster = Cluster::new(7, short_window(), seed);
        attackers.iter().for_each(|liar| cluster.attack(id(*liar), "lie-state"));
        cluster.isolate(id(4));
        let mut asked = load(&mut cluster, 60, 5);
        cluster.cut.clear();
        asked.extend(load(&mut cluster, 20, 50));
        cluster.run_ms(8000);
        assert_unharmed(&mut cluster, &attackers, &asked, &format!("seed {seed}"));
        let when = |what: fn(&Event) -> bool| {
            let note = cluster.notes.iter().find(|(_, by, event)| *by == id(4) && what(event));
            note.map(|(at, ..)| *at).expect("n4 fetches the state")
        };
        let began = when(|event| matches!(event, Event::TransferBegan { .. }));
        let done = when(|event| matches!(event, Event::TransferDone { .. }));
        noticed +=
            u64::from(cluster.noted(|event| matches!(event, Event::Rejected { why: Rejection::WrongStatePart, .. })));
        slowest_ms = slowest_ms.max(done.since(began).as_millis());
    }
    assert!(noticed >= 1 && (200..1000).contains(&slowest_ms), "{noticed} noticed, {slowest_ms} ms");
}

#[test]
fn rule_25_no_client_believes_what_f_replicas_make_up_together() {
    let attackers = [3, 5];
    let (mut cluster, asked) = under::<Pbft>(&attackers, "lie-reply", 77);
    assert_unharmed(&mut cluster, &attackers, &asked, "lie-reply");
    let last = &cluster.replies[asked.last().expect("something was asked")];
    assert_ne!(last[&id(3)], last[&id(1)], "they lie");
    assert_eq!(last[&id(3)], last[&id(5)], "and they say the same");
}

#[test]
fn rule_23_replayed_submissions_and_views_change_nothing() {
    for seed in 78..80 {
        let attackers = [1, 6];
        let mut cluster = Cluster::new(7, short_window(), seed);
        attackers.iter().for_each(|attacker| cluster.attack(id(*attacker), "replay"));
        let mut asked = load(&mut cluster, 40, 10);
        cluster.attack(id(1), "crash; replay");
        asked.extend(load(&mut cluster, 60, 50));
        cluster.heal(id(1));
        cluster.attack(id(1), "replay");
        let view = cluster.view(id(3));
        cluster.run_ms(5000);
        assert_unharmed(&mut cluster, &attackers, &asked, "replay");
        assert_eq!(cluster.view(id(3)), view);
        let mut counters = Counters::default();
        cluster.node(id(3)).replica().count(&mut counters);
        assert_eq!(counters.submissions, asked.len() as u64, "each ran once");
    }
}

#[test]
fn a_flood_costs_the_others_a_bounded_share_of_what_it_costs_the_flooder() {
    let bytes = |cluster: &Cluster, replica: ReplicaId| cluster.bytes_sent[&replica];
    let (calm, _) = under::<Pbft>(&[4, 6], "withhold(proof)", 67);
    let (flooded, _) = under::<Pbft>(&[4, 6], "flood(1000/s)", 67);
    let junk: u64 = [4, 6].iter().map(|flooder| bytes(&flooded, id(*flooder)) - bytes(&calm, id(*flooder))).sum();
    for replica in honest(&flooded, &[4, 6]) {
        let more = bytes(&flooded, replica).saturating_sub(bytes(&calm, replica));
        assert!(more < junk / 2, "{replica} sends {more} bytes more, for {junk} bytes of junk");
    }
}

#[test]
fn what_is_left_to_chance_is_decided_by_the_seed() {
    let run = |attack: &str, seed| {
        let (cluster, _) = under::<Pbft>(&[1, 5], attack, seed);
        (cluster.notes.clone(), cluster.bytes_sent.clone())
    };
    for attack in
        ["replay", "flood(50/s)", "mutate", "forge-view-change", "forge-new-view", "lie-checkpoint", "lie-state"]
    {
        assert!(run(attack, 68) == run(attack, 68), "{attack}");
    }
    assert!(run("mutate", 68) != run("mutate", 69));
}
