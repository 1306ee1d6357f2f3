//! Swarm configuration: each seed draws a cluster and a mix of faults of its own.
//!
//! A run that has a little of everything finds less than many runs that each lack most things and have much of the rest
//! (Groce et al., *Swarm Testing*, ISSTA '12). So every kind of fault is first switched on or off for the whole run.

use super::network::Dice;
use super::schedule::{Action, ClientFaults, Durability, EvilDeed, Keys, Schedule, Weather};
use crate::attack;
use crate::committee::Committee;
use crate::protocol::Protocol;
use crate::protocol::Settings;
use crate::types::{ClientId, Micros, ProtocolName, ReplicaId, ReplicaSet, Time, View};

/// How many honest client keys there are; one more belongs to the evil client.
pub(super) const HONEST_CLIENTS: u16 = 3;

/// How large clusters are. Coincidences are likelier among few, so there are more of those.
const SIZES: [usize; 10] = [4, 4, 4, 5, 6, 7, 7, 8, 9, 10];

/// Every run has at least so many events.
const MIN_EVENTS: u64 = 5000;

/// One seed in so many signs with real keys.
const REAL_KEYS_EVERY: u64 = 100;

impl Schedule {
    /// The schedule of a seed. At most f replicas are Byzantine or amnesiac in it.
    pub fn of_seed(protocol: ProtocolName, seed: u64) -> Schedule {
        Schedule::of_seed_with(protocol, seed, Dice::new([seed, 1, 0, 0]).pick(&SIZES))
    }

    /// The schedule of a seed for a cluster of `replicas`.
    ///
    /// # Panics
    ///
    /// If no committee has so many members.
    pub fn of_seed_with(protocol: ProtocolName, seed: u64, replicas: usize) -> Schedule {
        let committee = Committee::new(replicas).expect("a size that a committee can have");
        let has_collector = with_protocol!(protocol, P => <P as Protocol>::HAS_COLLECTOR);
        let mut swarm = Swarm {
            dice: Dice::new([seed, 2, 0, 0]),
            protocol,
            has_collector,
            committee,
            settings: Settings::default(),
            end: Time(0),
            actions: Vec::new(),
        };
        swarm.settings = swarm.draw_settings();
        // Of its own, so that other protocols meet the same fate under the same seed.
        let mut own = Dice::new([seed, 3, 0, 0]);
        swarm.settings.fast_path_wait_ms = if own.per_mille(800) { own.between(1, 30) } else { 0 };
        swarm.end = Time(swarm.dice.between(1_500_000, 5_000_000));
        swarm.weather();
        swarm.partitions();
        swarm.freezes();
        swarm.short_reigns(swarm.settings.request_timeout());
        swarm.adversary();
        swarm.load();
        swarm.forger(&mut Dice::new([seed, 7, 0, 0]));
        let end = swarm.end;
        swarm.actions.push((end, Action::Calm));
        let Swarm { settings, mut actions, .. } = swarm;
        actions.sort_by_key(|(at, _)| *at);
        let keys = if seed.is_multiple_of(REAL_KEYS_EVERY) { Keys::Ed25519 } else { Keys::Tags };
        let (durability, clients) = (Durability::Sync, client_faults(&mut Dice::new([seed, 8, 0, 0])));
        let (min_events, drift_per_mille) = (MIN_EVENTS, 0);
        let schedule = Schedule {
            seed,
            protocol,
            committee,
            settings,
            keys,
            durability,
            clients,
            drift_per_mille,
            min_events,
            actions,
        };
        schedule.with_extras()
    }
}

/// In half of all runs clients have good links and forget nothing.
fn client_faults(dice: &mut Dice) -> ClientFaults {
    let mut often = |most| if dice.per_mille(300) { dice.between(1, most) as u16 } else { 0 };
    let faults =
        ClientFaults { loss_per_mille: often(300), late_per_mille: often(300), forgetful_per_mille: often(100) };
    if dice.per_mille(250) { ClientFaults::default() } else { faults }
}

/// A schedule in the making.
struct Swarm {
    dice: Dice,
    protocol: ProtocolName,
    has_collector: bool,
    committee: Committee,
    settings: Settings,
    /// When the safety phase ends.
    end: Time,
    actions: Vec<(Time, Action)>,
}

impl Swarm {
    fn draw_settings(&mut self) -> Settings {
        let dice = &mut self.dice;
        let interval = dice.between(1, 8);
        let request_timeout_ms = dice.between(100, 500);
        Settings {
            checkpoint_interval_slots: interval,
            window_slots: interval * dice.between(2, 4),
            depth_slots: dice.between(1, 4).min(2 * interval),
            batch_submissions: dice.between(1, 6) as usize,
            request_timeout_ms,
            ask_timeout_ms: dice.between(20, 100),
            view_change_timeout_ms: dice.between(100, 500),
            max_timeout_ms: dice.between(1000, 4000),
            status_interval_ms: dice.between(80, 300),
            body_wait_ms: dice.between(0, 20),
            fast_path_wait_ms: 0,
            pool_submissions: if dice.per_mille(100) { dice.between(1, 8) as usize } else { 8192 },
            accounts: dice.between(2, 12) as u32,
            initial_checking: dice.between(0, 200) as i64,
            initial_savings: dice.between(0, 200) as i64,
        }
    }

    fn any(&mut self) -> ReplicaId {
        ReplicaId(self.dice.below(self.committee.size() as u64) as u8)
    }

    fn some(&mut self) -> ReplicaSet {
        let dice = &mut self.dice;
        let chance = dice.between(200, 800) as u16;
        self.committee.members().filter(|_| dice.per_mille(chance)).collect()
    }

    fn others(&self, set: ReplicaSet) -> ReplicaSet {
        self.committee.members().filter(|member| !set.contains(*member)).collect()
    }

    /// A moment of the safety phase.
    fn moment(&mut self) -> Time {
        Time(self.dice.below(self.end.0))
    }

    fn at(&mut self, at: Time, action: Action) {
        // Nothing but the trickle of requests comes after the safety phase.
        self.actions.push((at.min(Time(self.end.0 - 1)), action));
    }

    fn weather(&mut self) {
        let changes = self.dice.below(4);
        for change in 0..=changes {
            let at = if change == 0 { Time(0) } else { self.moment() };
            let dice = &mut self.dice;
            let mut often = |chance, most| if dice.per_mille(chance) { dice.between(1, most) as u16 } else { 0 };
            let (loss, duplicate, replay, slow) = (often(500, 250), often(300, 200), often(300, 100), often(400, 300));
            let least = dice.between(50, 2000);
            let most = least + dice.between(0, 8000);
            let weather = Weather {
                loss_per_mille: loss,
                duplicate_per_mille: duplicate,
                replay_per_mille: replay,
                slow_per_mille: slow,
                least: Micros(least),
                most: Micros(most),
            };
            self.at(at, Action::Weather(weather));
        }
    }

    /// Cuts of every shape: one way, around one replica, in halves, and flapping.
    fn partitions(&mut self) {
        if self.dice.per_mille(400) {
            return;
        }
        for _ in 0..self.dice.between(1, 4) {
            let start = self.moment();
            let from = if self.dice.per_mille(400) { [self.any()].into_iter().collect() } else { self.some() };
            let to = if self.dice.per_mille(500) { self.others(from) } else { self.some() };
            let is_both_ways = self.dice.per_mille(600);
            let flaps = if self.dice.per_mille(300) { self.dice.between(2, 6) } else { 1 };
            let (up, down) = (self.dice.between(5_000, 300_000), self.dice.between(10_000, 800_000));
            for flap in 0..flaps {
                let at = Time(start.0 + flap * (up + down));
                self.at(at, Action::Cut { from, to });
                if is_both_ways {
                    self.at(at, Action::Cut { from: to, to: from });
                }
                self.at(Time(at.0 + down), Action::Join);
            }
        }
    }

    /// Any number of replicas stop for a while and lose nothing.
    fn freezes(&mut self) {
        if self.dice.per_mille(600) {
            return;
        }
        for _ in 0..self.dice.between(1, 6) {
            let (replica, at) = (self.any(), self.moment());
            let span = self.dice.between(10_000, 1_500_000);
            self.at(at, Action::Freeze(replica));
            self.at(Time(at.0 + span), Action::Thaw(replica));
        }
    }

    /// One reign after another ends soon: whoever leads stands still, or some hear it and others do not, for as long as the
    /// others are patient.
    fn short_reigns(&mut self, patience: Micros) {
        if self.dice.per_mille(700) {
            return;
        }
        let mut at = self.dice.below(self.end.0 / 2);
        for view in 0..self.dice.between(2, 8) {
            let leader = self.committee.primary(View(view));
            let (from, to) = ([leader].into_iter().collect(), self.some());
            let is_cut = self.dice.per_mille(600);
            let span = self.dice.between(patience.0 / 2, 2 * patience.0);
            let (begins, ends) = match is_cut {
                true => (Action::Cut { from, to }, Action::Join),
                false => (Action::Freeze(leader), Action::Thaw(leader)),
            };
            self.at(Time(at), begins);
            self.at(Time(at + span), ends);
            at += self.dice.between(span / 2, 2 * span);
        }
    }

    /// At most f replicas lie, lead two lives or lose their memory.
    fn adversary(&mut self) {
        let faulty = self.committee.faulty();
        let count = if self.dice.per_mille(150) { 0 } else { self.dice.between(1, faulty.max(1) as u64) as usize };
        let mut candidates: Vec<ReplicaId> = self.committee.members().collect();
        let plotted = self.plot(&mut candidates, count.min(faulty));
        for _ in plotted..count.min(faulty) {
            // Whoever leads early has more to lie about.
            let most = if self.dice.per_mille(400) { candidates.len().min(faulty + 1) } else { candidates.len() };
            let replica = candidates.remove(self.dice.below(most as u64) as usize);
            match self.dice.below(10) {
                0..=1 => self.amnesiac(replica),
                2..=3 => self.twins(replica),
                _ => self.attacker(replica),
            }
        }
    }

    /// Faults that are nothing by themselves and much together. Returns how many replicas are spent on it, at most `budget`.
    fn plot(&mut self, candidates: &mut Vec<ReplicaId>, budget: usize) -> usize {
        if self.has_collector && budget > 0 && self.dice.per_mille(500) {
            let liar = candidates.remove(0);
            let is_exact = self.committee.size() == 3 * self.committee.faulty() + 1;
            match is_exact && self.dice.per_mille(100) {
                true => self.old_vote(liar),
                false => self.false_collector(liar),
            }
            return 1;
        }
        match self.dice.below(10) {
            0 if budget > 0 => self.takeover(candidates.remove(1)),
            1 if budget > 0 => self.wrong_help(candidates),
            2 if budget > 0 => self.turncoat(candidates.remove(0)),
            3 if budget > 0 => self.starvation(candidates.remove(0)),
            4 | 5 if budget > 1 => {
                self.succession(candidates.remove(0), candidates.remove(0));
                return 2;
            }
            _ => return 0,
        }
        1
    }

    /// A primary convicts itself while one replica is behind, and its successor lies about what the others have executed.
    fn succession(&mut self, first: ReplicaId, second: ReplicaId) {
        let others = self.others([first, second].into_iter().collect());
        let others: Vec<ReplicaId> = others.iter().collect();
        let (behind, victim) = (self.dice.pick(&others), self.dice.pick(&others));
        let (behind, all) = ([behind].into_iter().collect(), self.committee.members().collect());
        let at = self.moment().0 / 2 + 100_000;
        self.at(Time(0), Action::Attack { replica: second, attack: "forge-new-view".to_string() });
        self.at(Time(at - 80_000), Action::Cut { from: all, to: behind });
        self.at(Time(at - 80_000), Action::Cut { from: behind, to: all });
        for request in 0..8 {
            self.request(Time(at - 70_000 + request * 10_000));
        }
        self.at(Time(at), Action::Join);
        let attack = format!("equivocation({victim}, mode=digest)");
        self.at(Time(at), Action::Attack { replica: first, attack });
        self.request(Time(at));
        self.request(Time(at));
    }

    /// A primary that tells almost nobody what it counted, or what it never counted, and then denies it.
    fn false_collector(&mut self, liar: ReplicaId) {
        let mut others: Vec<ReplicaId> = self.committee.others(liar).collect();
        let mut draw = |dice: &mut Dice| others.remove(dice.below(others.len() as u64) as usize);
        let knowing = if self.dice.per_mille(600) { 1 } else { self.committee.weak_quorum() };
        let knowing: Vec<ReplicaId> = (0..knowing).map(|_| draw(&mut self.dice)).collect();
        let deceived = draw(&mut self.dice);
        let start = self.moment().0 / 2;
        let attack = |attack: String| Action::Attack { replica: liar, attack };
        let equivocation = format!("equivocation({deceived}, mode=digest)");
        if self.dice.per_mille(600) {
            self.at(Time(start), Action::Weather(Weather::FAIR));
        }
        for _ in 0..self.dice.between(1, 3) {
            self.request(Time(start));
        }
        if self.dice.per_mille(400) {
            self.at(Time(start), attack(equivocation));
            self.at(Time(start), attack("forge-certificate".to_string()));
            return;
        }
        // The others learn nothing, and the few who know are not heard when the next view begins.
        let ignorant = self.others(knowing.iter().copied().chain([liar]).collect());
        let ignorant: Vec<String> = ignorant.iter().map(|replica| replica.to_string()).collect();
        if !ignorant.is_empty() {
            self.at(Time(start), attack(format!("withhold(certificate, {})", ignorant.join(", "))));
        }
        if self.dice.per_mille(500) {
            self.at(Time(start), attack(equivocation));
        }
        let is_gone = self.dice.per_mille(300);
        let silenced = start + self.dice.between(5_000, 80_000);
        match is_gone {
            true => self.at(Time(silenced), Action::Freeze(liar)),
            false => {
                // It proposes no more, so that the view ends, and lies about it.
                self.at(Time(start), attack("forge-view-change".to_string()));
                self.at(Time(silenced), attack("withhold(pre-prepare)".to_string()));
                self.request(Time(silenced + 1_000));
            }
        }
        let (from, to) = (knowing.iter().copied().take(self.committee.faulty()).collect(), self.committee.members());
        let to: ReplicaSet = to.collect();
        self.at(Time(silenced), Action::Cut { from, to });
        self.at(Time(silenced), Action::Cut { from: to, to: from });
        let span = self.dice.between(300_000, 2_000_000);
        // The next reigns may be short.
        if self.dice.per_mille(400) {
            let successor = self.committee.primary(View(u64::from(liar.0) + 1));
            self.at(Time(silenced), Action::Freeze(successor));
            self.at(Time(silenced + span / 2), Action::Thaw(successor));
        }
        self.at(Time(silenced + span), Action::Join);
        self.at(Time(silenced + span), Action::Thaw(liar));
    }

    /// A primary proposes to some what the others never see, and tells nobody what it counted: the others decide their own
    /// batch in the next view, while the deceived hear nobody. In the view after that the liar stands by its first proposal,
    /// and who was deceived has prepared nothing since. One vote less, of more than 3f + 1 replicas, and nothing is forced.
    ///
    /// Nothing else befalls the network, and no checkpoint comes between.
    fn old_vote(&mut self, liar: ReplicaId) {
        let second = self.committee.primary(View(1));
        let mut others: Vec<ReplicaId> = self.committee.others(liar).filter(|other| *other != second).collect();
        let mut draw = |_| others.remove(self.dice.below(others.len() as u64) as usize);
        let deceived: Vec<ReplicaId> = (1..self.committee.honest_in_quorum()).map(&mut draw).collect();
        let names = |replicas: &[ReplicaId]| replicas.iter().map(ReplicaId::to_string).collect::<Vec<_>>().join(", ");
        let everybody: Vec<ReplicaId> = self.committee.others(liar).collect();
        let patience = Micros::from_millis(self.settings.request_timeout_ms + self.settings.ask_timeout_ms);
        let start = self.moment().0 / 4;
        self.actions = vec![(Time(0), Action::Weather(Weather::FAIR))];
        self.settings.checkpoint_interval_slots = 64;
        self.settings.window_slots = 128;
        for attack in [
            format!("withhold(certificate, {})", names(&everybody)),
            format!("equivocation({}, mode=digest)", names(&deceived)),
            "forge-view-change".to_string(),
        ] {
            self.at(Time(start), Action::Attack { replica: liar, attack });
        }
        self.request(Time(start));
        let (all, deceived) = (self.committee.members().collect(), deceived.into_iter().collect());
        self.at(Time(start + 15_000), Action::Cut { from: all, to: deceived });
        self.at(Time(start + 15_000), Action::Cut { from: deceived, to: all });
        // The next view has decided, and ends before anybody can tell the deceived.
        let stopped = start + patience.0 + self.dice.between(20_000, 300_000);
        self.at(Time(stopped), Action::Freeze(second));
        self.request(Time(stopped));
        let heard = stopped + patience.0 - self.dice.between(0, patience.0 / 2);
        let over = heard + self.dice.between(300_000, 1_000_000);
        self.at(Time(heard), Action::Join);
        self.at(Time(over), Action::Thaw(second));
    }

    /// A request of an honest client to everyone.
    fn request(&mut self, at: Time) {
        let client = ClientId(self.dice.below(u64::from(HONEST_CLIENTS)) as u16);
        let (operations, draw) = (self.dice.between(1, 3) as u8, self.dice.next() % 1_000_000);
        self.at(at, Action::Submit { client, operations, draw, to: self.committee.members().collect() });
    }

    /// The first primary stops while slots are half done, and the second one lies about them.
    fn takeover(&mut self, liar: ReplicaId) {
        let (at, span) = (self.moment(), self.dice.between(300_000, 2_000_000));
        let (all, some) = (self.committee.members().collect(), self.some());
        self.at(Time(0), Action::Attack { replica: liar, attack: "forge-new-view".to_string() });
        // Some hear nobody for a moment: they prepare, and never learn what was committed.
        self.at(Time(at.0.saturating_sub(20_000)), Action::Cut { from: all, to: some });
        self.at(at, Action::Freeze(ReplicaId(0)));
        self.at(Time(at.0 + 5_000), Action::Join);
        self.at(Time(at.0 + span), Action::Thaw(ReplicaId(0)));
    }

    /// A replica is cut off until the others have collected what it misses, and is then helped by a liar.
    fn wrong_help(&mut self, candidates: &mut Vec<ReplicaId>) {
        let last = candidates.len() as u64 - 1;
        let liar = candidates.remove(self.dice.between(1, last) as usize);
        let lost = self.dice.pick(candidates);
        let (from, to) = ([lost].into_iter().collect(), self.others([lost].into_iter().collect()));
        let start = Time(self.moment().0 / 4);
        let span = self.end.0 / 2;
        self.at(Time(0), Action::Attack { replica: liar, attack: "lie-state".to_string() });
        self.at(start, Action::Cut { from, to });
        self.at(start, Action::Cut { from: to, to: from });
        self.at(Time(start.0 + span), Action::Join);
    }

    /// A primary leads two lives and keeps changing who sees which.
    fn turncoat(&mut self, replica: ReplicaId) {
        let mut at = Time(0);
        for _ in 0..self.dice.between(5, 30) {
            let first = self.some();
            self.at(at, Action::Twin { replica, first });
            at = Time(at.0 + self.dice.between(1_000, 100_000));
        }
    }

    /// A primary serves everyone but one client, to the end.
    fn starvation(&mut self, replica: ReplicaId) {
        let client = self.dice.between(1, u64::from(HONEST_CLIENTS));
        self.at(Time(0), Action::Attack { replica, attack: format!("censor(c{client})") });
    }

    fn amnesiac(&mut self, replica: ReplicaId) {
        let mut at = self.moment();
        for _ in 0..self.dice.between(1, 2) {
            self.at(at, Action::Crash(replica));
            at = Time(at.0 + self.dice.between(1_000, 1_000_000));
            self.at(at, Action::Restart(replica));
            at = Time(at.0 + self.dice.between(1_000, 1_000_000));
        }
    }

    fn twins(&mut self, replica: ReplicaId) {
        let mut at = Time(0);
        for _ in 0..self.dice.between(1, 4) {
            let first = self.some();
            self.at(at, Action::Twin { replica, first });
            // Whoever hears one of them does not hear those who hear the other.
            if self.dice.per_mille(400) {
                let second = self.others(first);
                self.at(at, Action::Cut { from: first, to: second });
                self.at(at, Action::Cut { from: second, to: first });
                let span = self.dice.between(5_000, 800_000);
                self.at(Time(at.0 + span), Action::Join);
            }
            at = self.moment();
        }
    }

    fn attacker(&mut self, replica: ReplicaId) {
        for _ in 0..self.dice.between(1, 4) {
            let at = if self.dice.per_mille(400) { Time(0) } else { self.moment() };
            let attack = self.attack(replica);
            self.at(at, Action::Attack { replica, attack });
            if self.dice.per_mille(300) {
                let until = Time(at.0 + self.dice.between(10_000, 2_000_000));
                self.at(until, Action::Heal(replica));
            }
        }
        if self.dice.per_mille(400) {
            let end = Time(self.end.0 - 1);
            self.at(end, Action::Heal(replica));
        }
    }

    /// In one run of four somebody forges what is nested in its messages, whatever else it does: one who is Byzantine anyway,
    /// or else the primary of an early view if nobody is faulty. Its dice are of its own, so that the rest of the seed's fate
    /// is as it would be.
    fn forger(&mut self, dice: &mut Dice) {
        if self.committee.faulty() == 0 || !dice.per_mille(250) {
            return;
        }
        let is_faulty = |action: &Action| match action {
            Action::Attack { replica, .. } | Action::Twin { replica, .. } => Some((*replica, true)),
            Action::Crash(replica) => Some((*replica, false)),
            _ => None,
        };
        let faulty: Vec<(ReplicaId, bool)> = self.actions.iter().filter_map(|(_, action)| is_faulty(action)).collect();
        let liars: Vec<ReplicaId> = faulty.iter().filter(|(_, lies)| *lies).map(|(replica, _)| *replica).collect();
        let replica = match liars.is_empty() {
            false => dice.pick(&liars),
            true if faulty.is_empty() => ReplicaId(dice.below(self.committee.faulty() as u64 + 1) as u8),
            true => return,
        };
        let at = if dice.per_mille(600) { Time(0) } else { Time(dice.below(self.end.0)) };
        self.at(at, Action::Attack { replica, attack: "forge-nested".to_string() });
    }

    /// One attack in the attack language.
    fn attack(&mut self, me: ReplicaId) -> String {
        let others: Vec<ReplicaId> = self.committee.others(me).collect();
        let (a, b) = (self.dice.pick(&others), self.dice.pick(&others));
        let victims = if a == b || self.dice.per_mille(500) { a.to_string() } else { format!("{a}, {b}") };
        let delay = self.dice.between(1, 600);
        let (client, rate) = (ClientId(self.dice.below(u64::from(HONEST_CLIENTS)) as u16), self.dice.between(1, 200));
        let message = self.dice.pick(&attack::message_names_of(self.protocol));
        if self.has_collector && self.dice.per_mille(200) {
            return match self.dice.per_mille(500) {
                true => "forge-certificate".to_string(),
                false => format!("withhold(certificate, {victims})"),
            };
        }
        let forms = [
            "sign".to_string(),
            "crash".to_string(),
            format!("time({delay}ms)"),
            format!("dark({victims})"),
            format!("equivocation({victims})"),
            format!("equivocation({victims}, offset=1)"),
            format!("equivocation({victims}, mode=digest)"),
            format!("censor({client})"),
            format!("withhold({message})"),
            "replay".to_string(),
            format!("flood({rate}/s)"),
            format!("mutate(0.{})", self.dice.between(1, 9)),
            "forge-view-change".to_string(),
            "forge-new-view".to_string(),
            "lie-checkpoint".to_string(),
            "lie-state".to_string(),
            "lie-reply".to_string(),
        ];
        let attack = match self.dice.below(24) as usize {
            form if form < forms.len() => forms[form].clone(),
            // What is worth more than one chance: lies about what others were promised, and the oldest lie of all.
            17..=18 => "forge-new-view".to_string(),
            19 => format!("censor({client})"),
            _ => format!("equivocation({victims}, mode=digest)"),
        };
        match self.dice.below(8) {
            0 => format!("{attack} @p=0.{}", self.dice.between(1, 9)),
            1 => format!("{attack} @leader"),
            _ => attack,
        }
    }

    /// Requests, by honest clients and an evil one, in bursts and trickles.
    fn load(&mut self) {
        let n = self.committee.size() as u64;
        // A slot takes some 2n² events.
        let slots = 3000 / (2 * n * n);
        let count = slots * self.dice.between(1, 3);
        let is_bursty = self.dice.per_mille(300);
        let mut at = Time(0);
        for _ in 0..count {
            at = if is_bursty && self.dice.per_mille(800) { Time(at.0 + self.dice.below(2000)) } else { self.moment() };
            let client = ClientId(self.dice.below(u64::from(HONEST_CLIENTS)) as u16);
            let operations = self.dice.between(1, 3) as u8;
            let draw = self.dice.next() % 1_000_000;
            let to = if self.dice.per_mille(100) { self.some() } else { self.committee.members().collect() };
            let to = if to.is_empty() { [self.any()].into_iter().collect() } else { to };
            self.at(at, Action::Submit { client, operations, draw, to });
        }
        if self.dice.per_mille(300) {
            for _ in 0..self.dice.between(1, 12) {
                let (at, draw) = (self.moment(), self.dice.next() % 1_000_000);
                let deed = EvilDeed::ALL[self.dice.below(EvilDeed::ALL.len() as u64) as usize].0;
                self.at(at, Action::Evil { deed, draw });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_seed_goes_beyond_the_budget_and_all_kinds_of_clusters_occur() {
        let mut sizes = std::collections::BTreeSet::new();
        for seed in 0..1000 {
            let schedule = Schedule::of_seed(ProtocolName::Pbft, seed);
            assert_eq!(schedule.settings.check(schedule.committee), Ok(()), "seed {seed}");
            assert!(!schedule.is_beyond_budget(), "seed {seed}");
            sizes.insert(schedule.committee.size());
        }
        assert_eq!(sizes.into_iter().collect::<Vec<_>>(), (4..=10).collect::<Vec<_>>());
    }
}
