//! Attacks that go together: what the literature warns of, on the replicas of this cluster as it stands.

use std::fmt;

use byztop_core::attack::{Attack, Directive, EquivocationForm, Trigger};
use byztop_core::types::{Micros, ReplicaId, View};

use super::model::Model;

/// Some attacks under one name.
pub(super) struct Preset {
    pub name: &'static str,
    /// Who does what, and what should come of it; in one line without a full stop.
    pub help: &'static str,
    make: fn(&Cast) -> Vec<(ReplicaId, Attack)>,
}

/// Who can be what. Nobody plays two parts: f replicas attack, others are their victims.
struct Cast {
    primary: ReplicaId,
    /// Those who lead after it, in order.
    heirs: Vec<ReplicaId>,
    /// How many may be faulty; at least one, so that there is something to see.
    faulty: usize,
}

/// A delay of the primary that no backup complains of: time-outs begin at one second and a half.
const SLOW: Micros = Micros::from_millis(300);

/// How many made-up messages a flooding replica sends, per second.
const FLOOD_PER_S: u32 = 1000;

/// All of them.
pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "silent-primary",
        help: "the primary falls silent: one view change",
        make: |cast| vec![(cast.primary, Attack::Crash)],
    },
    Preset {
        name: "silent-primaries",
        help: "f primaries in a row fall silent: f view changes",
        make: |cast| cast.next(cast.faulty).map(|id| (id, Attack::Crash)).collect(),
    },
    Preset {
        name: "slow-primary",
        help: "the primary is always late, never enough to be deposed",
        make: |cast| vec![(cast.primary, Attack::Time(SLOW))],
    },
    Preset {
        name: "two-faced-primary",
        help: "the primary gives f backups another batch: a proof",
        make: |cast| {
            let form = EquivocationForm::Digest;
            vec![(cast.primary, Attack::Equivocation { victims: cast.last(cast.faulty).collect(), form })]
        },
    },
    Preset {
        name: "dark-corner",
        help: "the primary skips f backups: they catch up without it",
        make: |cast| vec![(cast.primary, Attack::Dark(cast.last(cast.faulty).collect()))],
    },
    Preset {
        name: "silent-backups",
        help: "f backups fall silent: every quorum needs all who are left",
        make: |cast| cast.last(cast.faulty).map(|id| (id, Attack::Crash)).collect(),
    },
    Preset {
        name: "bad-signers",
        help: "f backups sign badly: everything that they send is refused",
        make: |cast| cast.last(cast.faulty).map(|id| (id, Attack::Sign)).collect(),
    },
    Preset {
        name: "liars",
        help: "f backups lie about replies, checkpoints and the state",
        make: |cast| {
            let lies = [Attack::LieReply, Attack::LieCheckpoint, Attack::LieState];
            cast.last(cast.faulty).flat_map(|id| lies.clone().map(|lie| (id, lie))).collect()
        },
    },
    Preset {
        name: "mutineers",
        help: "f backups ask for views without reason: nobody follows",
        make: |cast| cast.last(cast.faulty).map(|id| (id, Attack::ForgeViewChange)).collect(),
    },
    Preset {
        name: "storm",
        help: "f backups flood everyone with made-up messages",
        make: |cast| {
            let flood = Attack::Flood { messages_per_s: FLOOD_PER_S };
            cast.last(cast.faulty).map(|id| (id, flood.clone())).collect()
        },
    },
];

/// Names tell them apart.
impl PartialEq for Preset {
    fn eq(&self, other: &Preset) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Cast {
    fn of(model: &Model) -> Cast {
        let committee = model.committee;
        let primary = model.reign().map_or(committee.primary(View(0)), |reign| reign.leader);
        let size = committee.size();
        let after = |place: usize| committee.members().nth((primary.index() + place) % size);
        Cast { primary, heirs: (1..size).filter_map(after).collect(), faulty: committee.faulty().max(1) }
    }

    /// The primary and those after it.
    fn next(&self, count: usize) -> impl Iterator<Item = ReplicaId> {
        std::iter::once(self.primary).chain(self.heirs.iter().copied()).take(count)
    }

    /// Those who lead last.
    fn last(&self, count: usize) -> impl Iterator<Item = ReplicaId> {
        self.heirs.iter().rev().take(count).copied()
    }
}

impl Preset {
    /// The preset of a name.
    pub(super) fn named(name: &str) -> Option<&'static Preset> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// What it sets on whom, as things stand.
    pub(super) fn attacks(&self, model: &Model) -> Vec<(ReplicaId, Vec<Directive>)> {
        let mut attacks: Vec<(ReplicaId, Vec<Directive>)> = Vec::new();
        for (id, attack) in (self.make)(&Cast::of(model)) {
            let directive = Directive { attacker: None, attack, trigger: Trigger::Always };
            match attacks.iter_mut().find(|(attacker, _)| *attacker == id) {
                Some((_, directives)) => directives.push(directive),
                None => attacks.push((id, vec![directive])),
            }
        }
        attacks
    }

    /// The same in the attack language.
    pub(super) fn text(&self, model: &Model) -> String {
        let named = |(id, directives): (ReplicaId, Vec<Directive>)| {
            directives.into_iter().map(move |directive| Directive { attacker: Some(id), ..directive })
        };
        Directive::join(&self.attacks(model).into_iter().flat_map(named).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use byztop_core::attack::parse;
    use byztop_core::types::Time;

    use super::*;
    use crate::tui::fixture::Cluster;

    fn model(replicas: usize) -> Model {
        Model::new(&Cluster::new(replicas, Time(0)).roster(), Time(0))
    }

    #[test]
    fn no_preset_goes_beyond_the_budget_or_attacks_its_own() {
        for replicas in [4, 5, 7, 10, 31] {
            let model = model(replicas);
            for preset in PRESETS {
                let attacks = preset.attacks(&model);
                assert!((1..=model.committee.faulty()).contains(&attacks.len()), "{preset:?} of {replicas}");
                for victim in attacks.iter().flat_map(|(_, set)| set).flat_map(|set| set.attack.victims().iter()) {
                    assert!(model.committee.contains(victim));
                    assert!(attacks.iter().all(|(attacker, _)| *attacker != victim), "{preset:?} of {replicas}");
                }
            }
        }
    }

    #[test]
    fn the_text_of_a_preset_is_what_it_sets() {
        let model = model(7);
        let texts: Vec<String> = PRESETS.iter().map(|preset| preset.text(&model)).collect();
        for text in &texts {
            assert_eq!(Directive::join(&parse(text).unwrap()), *text);
        }
        assert_eq!(texts[1], "n1 crash; n2 crash");
        assert_eq!(texts[3], "n1 equivocation(n6, n7, mode=digest)");
        assert_eq!(texts[7].matches("lie-").count(), 6);
    }
}
