//! What will happen, in order of time, and in order of arrival where times are equal.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::clients::Request;
use super::parcel::Parcel;
use super::seat::Token;
use crate::protocol::Timer;
use crate::replica::Reply;
use crate::types::{ReplicaId, Session, Time, Timestamp};

/// Something that will happen.
pub(super) enum Happening<M> {
    /// A message reaches a seat.
    Arrival { seat: usize, parcel: Arc<Parcel<M>> },
    /// A timer runs out.
    Wake { seat: usize, timer: Timer, token: Token },
    /// A client's request reaches a seat.
    Request { seat: usize, request: Request },
    /// A replica's answer reaches its client.
    Reply { from: ReplicaId, reply: Reply },
    /// A client has waited long enough.
    Resend { session: Session, timestamp: Timestamp },
    /// The schedule's action of this index.
    Action(usize),
    /// It is looked whether all is settled.
    Settling,
}

/// What will happen and when.
pub(super) struct Queue<M> {
    entries: BinaryHeap<Reverse<Entry<M>>>,
    /// How many were ever put in: those of one moment keep their order.
    count: u64,
}

struct Entry<M> {
    at: Time,
    order: u64,
    what: Happening<M>,
}

impl<M> Queue<M> {
    pub(super) fn new() -> Queue<M> {
        Queue { entries: BinaryHeap::new(), count: 0 }
    }

    pub(super) fn push(&mut self, at: Time, what: Happening<M>) {
        self.count += 1;
        self.entries.push(Reverse(Entry { at, order: self.count, what }));
    }

    pub(super) fn pop(&mut self) -> Option<(Time, Happening<M>)> {
        self.entries.pop().map(|Reverse(entry)| (entry.at, entry.what))
    }
}

impl<M> PartialEq for Entry<M> {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl<M> Eq for Entry<M> {}

impl<M> PartialOrd for Entry<M> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<M> Ord for Entry<M> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}
