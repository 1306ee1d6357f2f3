//! What a message makes an honest replica do is bounded by how long the message is.
//!
//! What answers cost beyond that is bounded for each peer in time: small requests have large answers, which are paced.

use std::collections::BTreeMap;

use super::{Checker, Restart, Scene};
use crate::attack::Forge;
use crate::protocol::{Protocol, Settings, Work as Units};
use crate::types::{Micros, ReplicaId, Time};

/// What every message may cost, however short it is, apart from a look at each slot of two windows.
const PER_MESSAGE: u64 = 256;
/// What each byte of it may cost.
const PER_BYTE: u64 = 1;
/// What answers to one peer may cost beyond that within [`PAUSE`]: a mebibyte of batches, one of bodies and eight of state,
/// each with one part more, at 32 bytes a unit.
const ANSWERS: u64 = (16 << 20) / 32;
/// In which time.
const PAUSE: Micros = Micros::from_millis(50);

/// What each seat had done before this event, and what each of its peers drew beyond what it sent.
pub(super) struct Work {
    /// How often it had something to look at.
    looks: u64,
    per_message: u64,
    seats: BTreeMap<usize, Account>,
}

#[derive(Default)]
struct Account {
    done: Units,
    drawn: BTreeMap<ReplicaId, (Time, u64)>,
}

impl Work {
    pub(super) fn new(settings: &Settings) -> Work {
        Work { looks: 0, per_message: PER_MESSAGE + 2 * settings.window_slots, seats: BTreeMap::new() }
    }
}

impl<P: Protocol> Checker<P> for Work
where
    P::Message: Forge,
{
    fn name(&self) -> &'static str {
        "work is bounded by what is sent"
    }

    fn exercised(&self) -> u64 {
        self.looks
    }

    fn after(&mut self, scene: &Scene<'_, P>) -> Result<(), String> {
        let account = self.seats.entry(scene.seat).or_default();
        let before = std::mem::replace(&mut account.done, scene.node.replica().work());
        let Some(parcel) = scene.heard().filter(|_| scene.is_honest) else { return Ok(()) };
        let units = account.done.units().saturating_sub(before.units());
        // Nearly always: how long the message is need not be known.
        if units <= self.per_message {
            return Ok(());
        }
        self.looks += 1;
        let paid = self.per_message + PER_BYTE * parcel.bytes();
        let (since, drawn) = account.drawn.entry(parcel.from).or_insert((scene.now, 0));
        if scene.now.since(*since) >= PAUSE {
            (*since, *drawn) = (scene.now, 0);
        }
        *drawn += units.saturating_sub(paid);
        let may_draw = if parcel.message().asks_for_much() { ANSWERS } else { 0 };
        if units > paid && *drawn > may_draw {
            let (me, from, name, bytes) = (scene.replica, parcel.from, parcel.message().name(), parcel.bytes());
            return Err(format!("a {name} of {bytes} bytes from {from} costs {me} {units} units"));
        }
        Ok(())
    }

    fn on_restart(&mut self, seat: usize, _: Restart) {
        self.seats.remove(&seat);
    }
}
