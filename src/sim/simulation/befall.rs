//! What befalls a cluster: the actions of a schedule, carried out.

use std::fmt::Write as _;

use super::Simulation;
use super::settling::SETTLING;
use crate::attack::Forge;
use crate::protocol::Protocol;
use crate::replica::Input;
use crate::sim::check::Deadline;
use crate::sim::queue::Happening;
use crate::sim::schedule::{Action, Weather};
use crate::sim::seat::{Life, Loss, Seat};
use crate::types::{ReplicaId, ReplicaSet};

impl<P: Protocol> Simulation<P>
where
    P::Message: Forge,
{
    pub(super) fn act(&mut self, action: &Action) {
        self.mix(&[6, self.now.0], &[]);
        match action {
            Action::Weather(weather) => self.network.set_weather(*weather),
            Action::Cut { from, to } => self.network.cut(*from, *to),
            Action::Join => self.join(),
            Action::Attack { replica, attack } => self.attack(*replica, attack),
            Action::Heal(replica) => self.heal(*replica),
            Action::Twin { replica, first } => self.twin(*replica, *first),
            Action::Freeze(replica) => {
                self.coverage.add("freeze", 1);
                self.on_seats(*replica, |seat| seat.is_frozen = true);
            }
            Action::Thaw(replica) => self.thaw(*replica),
            Action::Crash(replica) => {
                self.coverage.add("amnesia", 1);
                self.on_seats(*replica, |seat| {
                    seat.crash();
                    seat.lose_log();
                });
            }
            Action::Kill { replica, ending } => self.doom(*replica, *ending, None),
            Action::PowerCut { replica, ending, lost, is_torn } => {
                self.doom(*replica, *ending, Some(Loss { lost: *lost, is_torn: *is_torn }));
            }
            Action::DiskFull(replica) => self.on_seats(*replica, |seat| seat.is_full = true),
            Action::BitRot { replica, draw } => self.rot(*replica, *draw),
            Action::Restart(replica) => self.restart(*replica),
            Action::Submit { client, operations, draw, to } => self.submit(*client, *operations, *draw, *to),
            Action::Evil { deed, draw } => {
                self.coverage.add("evil_client", 1);
                for (request, to) in self.clients.misbehave(*deed, *draw) {
                    let is_authentic = request.verify(&self.verifier).is_ok();
                    if is_authentic {
                        self.checks.on_signed(request.body.digest(), &request.body);
                    }
                    self.send_request(&request, to);
                }
            }
            Action::Calm => self.calm(),
        }
    }

    pub(super) fn on_seats(&mut self, replica: ReplicaId, act: impl Fn(&mut Seat<P>)) {
        self.seats.iter_mut().filter(|seat| seat.id == replica).for_each(act);
    }

    pub(super) fn join(&mut self) {
        if self.network.join() {
            self.coverage.add("partition_healed", 1);
        }
    }

    pub(super) fn attack(&mut self, replica: ReplicaId, attack: &str) {
        self.coverage.add("attack", 1);
        let seat = replica.index();
        let now = self.local_time(seat);
        let mut outputs = Vec::new();
        if let Some(node) = self.seats[seat].node.as_mut() {
            // What does not fit this cluster, a victim that is not there, is no attack.
            if node.attack(now, attack, &mut outputs).is_err() {
                self.log(|line| line.write_str(" (refused)"));
            }
        }
        self.perform(seat, None, outputs);
    }

    pub(super) fn heal(&mut self, replica: ReplicaId) {
        let seat = replica.index();
        let now = self.local_time(seat);
        let mut outputs = Vec::new();
        if let Some(node) = self.seats[seat].node.as_mut() {
            node.heal(now, &mut outputs);
        }
        self.perform(seat, None, outputs);
    }

    pub(super) fn twin(&mut self, replica: ReplicaId, first: ReplicaSet) {
        let members = self.schedule.committee.members();
        let second: ReplicaSet = members.filter(|member| !first.contains(*member)).collect();
        self.seats[replica.index()].life = Life::First { sees: first };
        let twin = self.seats.iter_mut().find(|seat| seat.id == replica && matches!(seat.life, Life::Second { .. }));
        if let Some(twin) = twin {
            twin.life = Life::Second { sees: second };
            return;
        }
        self.coverage.add("twins", 1);
        let mut seat = Seat::new(replica, self.node_of(replica, None).expect("nothing is read"));
        seat.life = Life::Second { sees: second };
        self.seats.push(seat);
        self.on_seats(replica, Seat::share_key);
        self.input(self.seats.len() - 1, None, Input::Start { has_lost_log: false });
    }

    pub(super) fn thaw(&mut self, replica: ReplicaId) {
        for seat in 0..self.seats.len() {
            if self.seats[seat].id != replica {
                continue;
            }
            self.seats[seat].is_frozen = false;
            for timer in std::mem::take(&mut self.seats[seat].missed) {
                let token = self.seats[seat].set(timer);
                self.enqueue(self.now, Happening::Wake { seat, timer, token });
            }
        }
    }

    /// From here on liveness is due.
    pub(super) fn calm(&mut self) {
        self.join();
        self.network.set_weather(Weather::FAIR);
        for replica in self.schedule.committee.members() {
            self.thaw(replica);
            self.restart(replica);
        }
        self.checks.on_calm();
        self.deadline = Some(Deadline::new(self.now, &self.schedule));
        self.enqueue(self.now.after(SETTLING), Happening::Settling);
    }
}
