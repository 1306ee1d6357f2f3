//! What befalls processes and their disks: how they end in the middle of something, and how they come back.

use std::fmt::Write as _;

use super::Simulation;
use crate::app::smallbank::SmallBank;
use crate::attack::{Byzantine, Forge};
use crate::crypto::Author;
use crate::durable::{Damaged, Image};
use crate::protocol::Protocol;
use crate::replica::{Input, Output, Replica};
use crate::sim::check::{Cause, RESTORED_IF_WHOLE, Restart};
use crate::sim::coverage::Coverage;
use crate::sim::key_ring::KeyRing;
use crate::sim::network::Dice;
use crate::sim::schedule::{Durability, Ending};
use crate::sim::seat::{Dying, Life, Loss};
use crate::types::ReplicaId;

impl<P: Protocol> Simulation<P>
where
    P::Message: Forge,
{
    /// A replica as an image remembers it, or a new one.
    pub(super) fn node_of(&self, me: ReplicaId, image: Option<&Image>) -> Result<Byzantine<P, SmallBank>, Damaged> {
        let (committee, settings) = (self.schedule.committee, &self.schedule.settings);
        let app = SmallBank::new(settings.accounts, settings.initial_checking, settings.initial_savings);
        let replica = match image {
            Some(image) => Replica::restore(me, committee, settings, app, image)?,
            None => Replica::new(me, committee, settings, app),
        };
        let signer = KeyRing::new(&self.schedule).signer(Author::Replica(me));
        let seed = Dice::new([self.schedule.seed, 3, u64::from(me.0), 0]).next();
        Ok(Byzantine::new(me, committee, replica, signer, seed))
    }

    /// A process is about to end, with its machine's power if there is a loss.
    pub(super) fn doom(&mut self, replica: ReplicaId, ending: Ending, loss: Option<Loss>) {
        let seat = replica.index();
        if self.seats[seat].node.is_some() {
            let dying = Dying { ending, events_left: ending.group, held: Vec::new(), loss };
            self.seats[seat].dying.get_or_insert(dying);
        } else if let Some(loss) = loss {
            self.cut_power(seat, loss);
        }
    }

    /// What an event of a process that is about to end does waits for one joint write; its timers do not.
    pub(super) fn hold(&mut self, seat: usize, outputs: Vec<Output<P::Message>>) {
        let Some(dying) = &mut self.seats[seat].dying else { return };
        let is_timer = |output: &Output<P::Message>| matches!(output, Output::SetTimer(..) | Output::CancelTimer(_));
        let (timers, rest) = outputs.into_iter().partition(is_timer);
        dying.held.extend(rest);
        dying.events_left -= 1;
        if dying.events_left == 0 {
            return self.end(seat);
        }
        self.carry_out(seat, Cause::Other, timers);
    }

    /// The process ends if it was about to: so much of what it held still happens, and nothing after that.
    pub(super) fn end(&mut self, seat: usize) {
        let Some(Dying { ending: Ending { after, group }, held, loss, .. }) = self.seats[seat].dying.take() else {
            return;
        };
        let mut outputs = if group > 1 { jointly(held) } else { held };
        count_first(&mut outputs);
        let mut seen = 0;
        let is_seen = |output: &_| matches!(output, Output::Persist(_) | Output::Send(..) | Output::Reply(..));
        let cut = outputs.iter().position(|output| {
            seen += u16::from(is_seen(output));
            seen > after
        });
        if let Some(cut) = cut {
            outputs.truncate(cut);
            self.coverage.add(Coverage::GROUP_LOST, u64::from(group > 1));
        }
        self.carry_out(seat, Cause::Held, outputs);
        self.log(|line| line.write_str(" and dies"));
        self.seats[seat].crash();
        match loss {
            Some(loss) => self.cut_power(seat, loss),
            None => self.coverage.add(Coverage::KILLED, 1),
        }
    }

    fn cut_power(&mut self, seat: usize, Loss { lost, is_torn }: Loss) {
        self.coverage.add(Coverage::POWER_CUT, 1);
        let Some(disk) = &mut self.seats[seat].disk else { return };
        let wanted = usize::from(lost) + usize::from(is_torn);
        let lost = disk.cut_power(wanted);
        self.coverage.add(Coverage::LOG_END_LOST, u64::from(lost > 0));
        self.coverage.add(Coverage::TORN_WRITE, u64::from(is_torn && lost == wanted));
        // Whether anything was lost can not be seen afterwards.
        self.seats[seat].has_lost_log |= self.schedule.durability == Durability::Os;
    }

    /// A bit turns over on the disk of a replica that is down, or is about to be.
    pub(super) fn rot(&mut self, replica: ReplicaId, draw: u64) {
        let seat = replica.index();
        self.end(seat);
        let seat = &mut self.seats[seat];
        if let (None, Some(disk)) = (&seat.node, &mut seat.disk) {
            disk.rot(draw);
        }
    }

    /// What a process whose disk is full still does: what comes before the next write. Says whether it stops there.
    pub(super) fn stop_at_write(&mut self, seat: usize, outputs: &mut Vec<Output<P::Message>>) -> bool {
        let write = outputs.iter().position(|output| matches!(output, Output::Persist(_)));
        let Some(write) = write.filter(|_| self.seats[seat].is_full) else { return false };
        outputs.truncate(write);
        self.coverage.add(Coverage::DISK_FULL, 1);
        true
    }

    /// A process starts that is not there, with what its disk holds.
    pub(super) fn restart(&mut self, replica: ReplicaId) {
        let seat = replica.index();
        self.seats[seat].is_full = false;
        self.end(seat);
        if self.seats[seat].node.is_some() {
            return;
        }
        let Some(node) = self.read_disk(seat) else { return };
        let has_lost_log = self.seats[seat].has_lost_log;
        self.checks.on_restart(seat, Restart { executed: node.replica().status().executed, has_lost_log });
        self.seats[seat].node = Some(node);
        if self.seats[seat].life != Life::Only {
            self.seats[seat].share_key();
        }
        self.input(seat, None, Input::Start { has_lost_log });
    }

    /// The replica of a seat as its disk remembers it. If a bit has turned over there it must refuse, and only then: its
    /// operator empties the disk.
    fn read_disk(&mut self, seat: usize) -> Option<Byzantine<P, SmallBank>> {
        let id = self.seats[seat].id;
        let Some(disk) = &self.seats[seat].disk else {
            return Some(self.node_of(id, None).expect("nothing is read"));
        };
        let (image, is_rotten) = (disk.image(), disk.is_rotten());
        match (self.node_of(id, Some(&image)), is_rotten) {
            (Ok(node), false) => {
                self.coverage.add(Coverage::RESTORED, u64::from(!image.is_empty()));
                Some(node)
            }
            (Err(_), true) => {
                self.log(|line| line.write_str(" (refuses its disk, which is emptied)"));
                self.coverage.add(Coverage::BIT_ROT, 1);
                self.seats[seat].lose_log();
                Some(self.node_of(id, Some(&Image::default())).expect("there is nothing to be damaged"))
            }
            (Ok(_), true) => {
                self.break_off(RESTORED_IF_WHOLE, format!("{id} starts on a disk on which a bit has turned over"));
                None
            }
            (Err(damaged), false) => {
                self.break_off(RESTORED_IF_WHOLE, format!("{id} refuses its disk, which is whole: {damaged}"));
                None
            }
        }
    }
}

/// Whoever answers has executed: that stands before the replies of its slot, so that it is counted if one of them leaves.
fn count_first<M>(outputs: &mut [Output<M>]) {
    for end in 0..outputs.len() {
        if matches!(outputs[end], Output::Executed(_)) {
            let replies = outputs[..end].iter().rev().take_while(|output| matches!(output, Output::Reply(..))).count();
            outputs[end - replies..=end].rotate_right(1);
        }
    }
}

/// The outputs of several events, all that they write in one transaction before anything else.
fn jointly<M>(outputs: Vec<Output<M>>) -> Vec<Output<M>> {
    let mut writes = Vec::new();
    let mut others = Vec::new();
    for output in outputs {
        match output {
            Output::Persist(more) => writes.extend(more),
            other => others.push(other),
        }
    }
    let joint = (!writes.is_empty()).then_some(Output::Persist(writes));
    joint.into_iter().chain(others).collect()
}
