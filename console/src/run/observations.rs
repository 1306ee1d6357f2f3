//! What replicas noted while a set ran: evidence, divergence and figures. Evidence is what honest replicas hold, since
//! others may say anything.

use byztop_core::committee::Committee;
use byztop_core::protocol::Event;
use byztop_core::scenario::{Accusation, Set};
use byztop_core::telemetry::Frame;
use byztop_core::types::{Micros, ReplicaSet};

use crate::books::{Accused, Evidence};

/// What was noted.
#[derive(Clone, Debug)]
pub(super) struct Observations {
    honest: ReplicaSet,
    evidence: Evidence,
    /// Honest replicas whose state was not what a quorum certified, a sentence each.
    diverged: Vec<String>,
    /// For each phase how many slots honest replicas took through it, and how long that took together.
    phases: Vec<(u64, Micros)>,
}

impl Observations {
    /// Nothing was noted yet.
    pub(super) fn new(set: &Set, committee: Committee) -> Observations {
        let (honest, evidence) = (set.honest_live(), Evidence::new(committee));
        Observations { honest, evidence, diverged: Vec::new(), phases: Vec::new() }
    }

    /// Takes in what a frame tells.
    pub(super) fn fold(&mut self, frame: &Frame) {
        if !self.honest.contains(frame.replica) {
            return;
        }
        for (at, event) in &frame.events {
            self.evidence.note(*at, frame.replica, event);
            if let Event::Diverged { seq, .. } = event {
                self.diverged
                    .push(format!("the state of {} at slot {seq} is not what a quorum certified", frame.replica));
            }
        }
        self.phases.resize(self.phases.len().max(frame.latencies.len()), (0, Micros(0)));
        for ((slots, total), latencies) in self.phases.iter_mut().zip(&frame.latencies) {
            for (latency, count) in &latencies.buckets {
                *slots += u64::from(*count);
                total.0 = total.0.saturating_add(latency.0.saturating_mul(u64::from(*count)));
            }
        }
    }

    /// Whom honest replicas accuse: proofs first, then what most of them saw.
    pub(super) fn evidence(&self) -> Vec<Accusation> {
        let accusation = |Accused { accused, rule, certainty, .. }| Accusation { accused, rule, certainty };
        self.evidence.held_by(self.honest).into_iter().map(accusation).collect()
    }

    /// What must never happen and was noted.
    pub(super) fn violations(&self) -> Vec<String> {
        self.diverged.clone()
    }

    /// How long a slot took through each phase and execution on average, in milliseconds; `None` where none was.
    pub(super) fn phase_ms(&self) -> Vec<Option<f64>> {
        let mean = |(slots, total): &(u64, Micros)| (*slots > 0).then(|| total.0 as f64 / *slots as f64 / 1000.0);
        self.phases.iter().map(mean).collect()
    }
}
