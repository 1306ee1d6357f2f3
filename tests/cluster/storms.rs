//! Seeded storms: random committees, losses, partitions and up to f random attackers, then calm. Whatever happened,
//! honest replicas end equal, every request is answered, and no honest replica is accused.

use byztop_core::app::smallbank::{Account, Operation};
use byztop_core::protocol::Settings;
use byztop_core::types::{ReplicaId, Session, Timestamp};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::support::Cluster;

const SEEDS: u64 = 150;

struct Storm {
    cluster: Cluster,
    dice: ChaCha8Rng,
    attackers: Vec<ReplicaId>,
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
        let attackers = (0..faulty).map(|_| ReplicaId(dice.random_range(0..n) as u8)).collect();
        Storm { cluster, dice, attackers, asked: Vec::new() }
    }

    fn any_replica(&mut self) -> ReplicaId {
        let n = self.cluster.committee.size();
        ReplicaId(self.dice.random_range(0..n) as u8)
    }

    fn attack(&mut self) {
        let attacker = self.attackers[self.dice.random_range(0..self.attackers.len())];
        let (a, b) = (self.any_replica(), self.any_replica());
        let attack = match self.dice.random_range(0..9) {
            0 => "crash".to_string(),
            1 => "sign".to_string(),
            2 => "time(400ms)".to_string(),
            3 => format!("dark({a}, {b})"),
            4 => format!("equivocation({a}, {b})"),
            5 => format!("equivocation({a}, offset=1)"),
            6 => format!("equivocation({a}, {b}, mode=digest)"),
            7 => "crash @p=0.5".to_string(),
            _ => return self.cluster.heal(attacker),
        };
        self.cluster.attack(attacker, &attack);
    }

    fn step(&mut self) {
        match self.dice.random_range(0..10) {
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
            _ => {}
        }
        for _ in 0..self.dice.random_range(0..6) {
            let (from, to) = (self.dice.random_range(0..20), self.dice.random_range(0..20));
            let pay = Operation::SendPayment { from: Account(from), to: Account(to), amount: 3 };
            let session = self.asked.len() as u16 % 1024;
            self.asked.push(self.cluster.submit(session % 4, session, &[pay]));
            let pause = self.dice.random_range(0..60);
            self.cluster.run_ms(pause);
        }
        let pause = self.dice.random_range(0..1500);
        self.cluster.run_ms(pause);
    }

    fn calm(&mut self) {
        self.cluster.cut.clear();
        self.cluster.loss_per_mille = 0;
        for attacker in self.attackers.clone() {
            self.cluster.heal(attacker);
        }
        self.cluster.run_ms(40_000);
    }
}

fn check(seed: u64) {
    let mut storm = Storm::new(seed);
    for _ in 0..30 {
        storm.step();
    }
    storm.calm();
    let Storm { mut cluster, attackers, asked, .. } = storm;
    let open: Vec<_> = asked.iter().filter(|submission| !cluster.is_answered(**submission)).collect();
    assert!(open.is_empty(), "seed {seed}: {} of {} have no answer after the storm", open.len(), asked.len());
    let members: Vec<ReplicaId> = cluster.committee.members().collect();
    cluster.assert_equal(&members);
    let total = cluster.node(members[0]).replica().application().total();
    assert_eq!(total, 20 * 20_000, "seed {seed}: payments make no money");
    for replica in members {
        assert!(attackers.contains(&replica) || !cluster.is_proved(replica), "seed {seed}: {replica} is honest");
    }
}

#[test]
fn after_every_storm_honest_replicas_are_equal_and_everyone_was_served() {
    for seed in 0..SEEDS {
        check(seed);
    }
}
