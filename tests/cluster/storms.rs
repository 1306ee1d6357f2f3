//! Seeded storms: random committees, losses, partitions, up to f replicas that attack or lose their log, then calm; in
//! half of the storms the attackers go on through the calm. Whatever happened, honest replicas end equal, every request
//! is answered, and no honest replica is accused.

use byztop_core::app::smallbank::{Account, Operation};
use byztop_core::protocol::Settings;
use byztop_core::types::{ReplicaId, Session, Timestamp};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::support::Cluster;

const SEEDS: u64 = 200;

struct Storm {
    cluster: Cluster,
    dice: ChaCha8Rng,
    /// The f that may misbehave.
    attackers: Vec<ReplicaId>,
    /// One of them that is killed now and then instead; it does not attack.
    mortal: Option<ReplicaId>,
    is_alive: bool,
    /// Whether the attackers attack to the end.
    is_lasting: bool,
    asked: Vec<(Session, Timestamp)>,
}

impl Storm {
    fn new(seed: u64) -> Storm {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        let interval = dice.random_range(1..8);
        let settings = Settings {
            accounts: 20,
            checkpoint_interval_slots: interval,
            window_slots: interval * dice.random_range(2..5),
            depth_slots: dice.random_range(1..3),
            batch_submissions: dice.random_range(1..5),
            ..Settings::default()
        };
        let cluster = Cluster::new(dice.random_range(4..=10), settings, seed);
        let n = cluster.committee.size();
        let faulty = cluster.committee.faulty();
        let mut attackers: Vec<ReplicaId> = (0..faulty).map(|_| ReplicaId(dice.random_range(0..n) as u8)).collect();
        let mortal = if dice.random_bool(0.5) { attackers.pop() } else { None };
        attackers.retain(|attacker| Some(*attacker) != mortal);
        let is_lasting = seed % 2 == 1;
        Storm { cluster, dice, attackers, mortal, is_alive: true, is_lasting, asked: Vec::new() }
    }

    fn any_replica(&mut self) -> ReplicaId {
        let n = self.cluster.committee.size();
        ReplicaId(self.dice.random_range(0..n) as u8)
    }

    fn any_but(&mut self, attacker: ReplicaId) -> ReplicaId {
        let n = self.cluster.committee.size();
        let step = self.dice.random_range(1..n);
        ReplicaId(((attacker.index() + step) % n) as u8)
    }

    fn attack(&mut self) {
        if self.attackers.is_empty() {
            return;
        }
        let attacker = self.attackers[self.dice.random_range(0..self.attackers.len())];
        let (a, b) = (self.any_but(attacker), self.any_but(attacker));
        let attack = match self.dice.random_range(0..24) {
            0 => "crash".to_string(),
            1 => "sign".to_string(),
            2 => "time(400ms)".to_string(),
            3 => format!("dark({a}, {b})"),
            4 => format!("equivocation({a}, {b})"),
            5 => format!("equivocation({a}, offset=1)"),
            6 => format!("equivocation({a}, {b}, mode=digest)"),
            7 => "crash @p=0.5".to_string(),
            8 => "censor(c1, c3)".to_string(),
            9 => "withhold(commit); forge-view-change".to_string(),
            10 => "withhold(checkpoint)".to_string(),
            11 => "replay".to_string(),
            12 => "flood(10/s)".to_string(),
            13 => "mutate(0.3)".to_string(),
            14 | 15 => "forge-view-change".to_string(),
            16 | 17 => "forge-new-view".to_string(),
            18 => "lie-checkpoint".to_string(),
            19 => "lie-state".to_string(),
            20 => "lie-reply; mutate @leader".to_string(),
            _ => return self.cluster.heal(attacker),
        };
        self.cluster.attack(attacker, &attack);
    }

    /// Ends the mortal one, or starts it again without its log.
    fn kill_or_restart(&mut self) {
        let Some(mortal) = self.mortal else { return };
        if self.is_alive {
            self.cluster.kill(mortal);
        } else {
            self.cluster.restart(mortal);
        }
        self.is_alive = !self.is_alive;
    }

    fn step(&mut self) {
        match self.dice.random_range(0..12) {
            0 | 1 => self.attack(),
            2 => self.cluster.loss_per_mille = self.dice.random_range(0..200),
            3 => {
                let (from, to) = (self.any_replica(), self.any_replica());
                self.cluster.cut.insert((from, to));
            }
            4 => self.cluster.cut.clear(),
            5 => {
                let cut_off = self.any_replica();
                self.cluster.isolate(cut_off);
            }
            6 | 7 => self.kill_or_restart(),
            _ => {}
        }
        for _ in 0..self.dice.random_range(0..6) {
            self.pay();
            let pause = self.dice.random_range(0..60);
            self.cluster.run_ms(pause);
        }
        let pause = self.dice.random_range(0..1500);
        self.cluster.run_ms(pause);
    }

    fn pay(&mut self) {
        let (from, to) = (self.dice.random_range(0..20), self.dice.random_range(0..20));
        let pay = Operation::SendPayment { from: Account(from), to: Account(to), amount: 3 };
        let session = self.asked.len() as u16 % 1024;
        self.asked.push(self.cluster.submit(session % 4, session, &[pay]));
    }

    fn calm(&mut self) {
        self.cluster.cut.clear();
        self.cluster.loss_per_mille = 0;
        if !self.is_alive {
            self.kill_or_restart();
        }
        if !self.is_lasting {
            self.attackers.iter().for_each(|attacker| self.cluster.heal(*attacker));
        }
        self.cluster.run_ms(30_000);
        // Whatever the storm left behind, the next requests are served.
        (0..3).for_each(|_| self.pay());
        self.cluster.run_ms(10_000);
    }
}

fn check(seed: u64) {
    let mut storm = Storm::new(seed);
    for _ in 0..30 {
        storm.step();
    }
    storm.calm();
    let Storm { mut cluster, attackers, is_lasting, asked, .. } = storm;
    let honest: Vec<ReplicaId> = cluster.committee.members().filter(|member| !attackers.contains(member)).collect();
    let equal = if is_lasting { honest.clone() } else { cluster.committee.members().collect() };
    for (believed, replies) in cluster.believed() {
        let is_true = honest.iter().filter_map(|replica| replies.get(replica)).all(|reply| reply == believed);
        assert!(is_true, "seed {seed}: {believed:?} is no honest replica's answer");
    }
    let open: Vec<_> = asked.iter().filter(|submission| !cluster.is_answered(**submission)).collect();
    if !open.is_empty() {
        cluster.explain();
    }
    assert!(open.is_empty(), "seed {seed}: {} of {} have no answer after the storm", open.len(), asked.len());
    cluster.assert_equal(&equal);
    let is_watching = |member: &&ReplicaId| cluster.node(**member).replica().status().observing_until.is_some();
    assert_eq!(honest.iter().find(is_watching), None, "seed {seed}: whoever lost its log is back");
    let total = cluster.node(honest[0]).replica().application().total();
    assert_eq!(total, 20 * 20_000, "seed {seed}: payments make no money");
    for replica in honest {
        assert!(!cluster.is_proved(replica), "seed {seed}: {replica} is honest");
    }
}

#[test]
fn after_every_storm_honest_replicas_are_equal_and_everyone_was_served() {
    for seed in 0..SEEDS {
        check(seed);
    }
}
