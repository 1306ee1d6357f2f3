//! The network between replicas: what becomes of each message, decided by seed, link and count alone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::schedule::Weather;
use crate::types::{Micros, ReplicaId, ReplicaSet};

/// Random numbers for one occasion: splitmix64 over what the occasion is.
pub(super) struct Dice(u64);

impl Dice {
    /// The dice of an occasion; the same for the same arguments.
    pub(super) fn new(occasion: [u64; 4]) -> Dice {
        occasion.into_iter().fold(Dice(0), |mut dice, word| {
            dice.0 ^= word;
            Dice(dice.next())
        })
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0; the bias is below one in 2⁴⁰ for the bounds used here.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A number from `least` to `most`.
    pub(super) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    /// True so many times in a thousand.
    pub(super) fn per_mille(&mut self, chance: u16) -> bool {
        chance > 0 && self.below(1000) < u64::from(chance)
    }

    /// One of several.
    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// What the network has done so far.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Deeds {
    pub(super) lost: u64,
    pub(super) duplicated: u64,
    pub(super) replayed: u64,
    pub(super) slowed: u64,
    pub(super) cut: u64,
}

/// The links between the seats of a cluster, and what they do to the messages of type `M`.
pub(super) struct Network<M> {
    seed: u64,
    weather: Weather,
    /// Who is not heard by whom.
    cuts: BTreeMap<ReplicaId, ReplicaSet>,
    links: BTreeMap<(usize, usize), Link<M>>,
    pub(super) deeds: Deeds,
}

struct Link<M> {
    /// How many messages were sent on it.
    sent: u64,
    /// Old messages, for replays; at most [`REMEMBERED`].
    old: VecDeque<Arc<M>>,
}

/// How many old messages a link can bring again.
const REMEMBERED: usize = 8;

/// One copy of a message that will arrive after a while.
pub(super) struct Arrival<M> {
    pub(super) after: Micros,
    pub(super) message: Arc<M>,
}

impl<M> Network<M> {
    pub(super) fn new(seed: u64) -> Network<M> {
        Network { seed, weather: Weather::FAIR, cuts: BTreeMap::new(), links: BTreeMap::new(), deeds: Deeds::default() }
    }

    pub(super) fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    pub(super) fn cut(&mut self, from: ReplicaSet, to: ReplicaSet) {
        for replica in from.iter() {
            let deaf = self.cuts.entry(replica).or_default();
            to.iter().filter(|other| *other != replica).for_each(|other| {
                deaf.insert(other);
            });
        }
    }

    /// Mends every cut, and says whether there was one.
    pub(super) fn join(&mut self) -> bool {
        !std::mem::take(&mut self.cuts).is_empty()
    }

    /// What arrives of a message that one seat sends to another; nothing if it is lost. Every link has two ends: the seat's
    /// number, and whose seat it is.
    pub(super) fn carry(
        &mut self,
        (from_seat, from): (usize, ReplicaId),
        (to_seat, to): (usize, ReplicaId),
        message: &Arc<M>,
    ) -> impl Iterator<Item = Arrival<M>> + use<M> {
        let link = self.links.entry((from_seat, to_seat)).or_insert_with(|| Link { sent: 0, old: VecDeque::new() });
        link.sent += 1;
        let mut dice = Dice::new([self.seed, from_seat as u64, to_seat as u64, link.sent]);
        let mut arrivals: [Option<Arrival<M>>; 3] = [None, None, None];
        let is_cut = self.cuts.get(&from).is_some_and(|deaf| deaf.contains(to));
        let weather = self.weather;
        if is_cut {
            self.deeds.cut += 1;
        } else if dice.per_mille(weather.loss_per_mille) {
            self.deeds.lost += 1;
        } else {
            let (after, is_slow) = weather.delay(&mut dice);
            self.deeds.slowed += u64::from(is_slow);
            arrivals[0] = Some(Arrival { after, message: message.clone() });
            if dice.per_mille(weather.duplicate_per_mille) {
                self.deeds.duplicated += 1;
                arrivals[1] = Some(Arrival { after: weather.delay(&mut dice).0, message: message.clone() });
            }
            if dice.per_mille(weather.replay_per_mille) && !link.old.is_empty() {
                self.deeds.replayed += 1;
                let old = link.old[dice.below(link.old.len() as u64) as usize].clone();
                arrivals[2] = Some(Arrival { after: weather.delay(&mut dice).0, message: old });
            }
        }
        if weather.replay_per_mille > 0 && dice.per_mille(250) {
            link.old.push_back(message.clone());
            if link.old.len() > REMEMBERED {
                link.old.pop_front();
            }
        }
        arrivals.into_iter().flatten()
    }
}

impl Weather {
    /// How long a message is on its way, and whether it is a slow one.
    pub(super) fn delay(&self, dice: &mut Dice) -> (Micros, bool) {
        let span = Micros(dice.between(self.least.0, self.most.0));
        if dice.per_mille(self.slow_per_mille) { (Micros(span.0 * Weather::SLOWNESS), true) } else { (span, false) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(members: &[u8]) -> ReplicaSet {
        members.iter().map(|member| ReplicaId(*member)).collect()
    }

    fn carry(network: &mut Network<u32>, from: u8, to: u8, message: u32) -> Vec<(Micros, u32)> {
        let end = |id: u8| (usize::from(id), ReplicaId(id));
        let arrivals = network.carry(end(from), end(to), &Arc::new(message));
        arrivals.map(|arrival| (arrival.after, *arrival.message)).collect()
    }

    #[test]
    fn a_cut_is_one_way_until_it_is_mended() {
        let mut network = Network::new(1);
        network.cut(set(&[0]), set(&[1, 2]));
        assert_eq!(carry(&mut network, 0, 1, 7), []);
        assert_eq!(carry(&mut network, 1, 0, 7).len(), 1);
        assert!(network.join() && !network.join());
        assert_eq!(carry(&mut network, 0, 1, 7).len(), 1);
    }

    #[test]
    fn what_a_link_does_depends_on_nothing_but_seed_link_and_count() {
        let stormy = Weather { loss_per_mille: 300, duplicate_per_mille: 300, slow_per_mille: 300, ..Weather::FAIR };
        let fates = |with_others: bool| {
            let mut network = Network::new(5);
            network.set_weather(stormy);
            let mut fates = Vec::new();
            for i in 0..100 {
                fates.push(carry(&mut network, 0, 1, i));
                if with_others {
                    carry(&mut network, 1, 0, i);
                }
            }
            fates
        };
        assert_eq!(fates(true), fates(false));
        let arrived: usize = fates(true).iter().map(Vec::len).sum();
        assert!((50..150).contains(&arrived), "losses and duplicates: {arrived} of 100");
    }

    #[test]
    fn a_replay_brings_what_was_sent_before() {
        let mut network = Network::new(9);
        network.set_weather(Weather { replay_per_mille: 1000, ..Weather::FAIR });
        let arrived: Vec<Vec<(Micros, u32)>> = (0..50).map(|i| carry(&mut network, 0, 1, i)).collect();
        let is_old = |(i, copies): (usize, &Vec<(Micros, u32)>)| copies.iter().all(|(_, message)| *message <= i as u32);
        assert!(arrived.iter().enumerate().all(is_old));
        assert!(arrived.iter().any(|copies| copies.len() == 2) && network.deeds.replayed > 10);
    }
}
