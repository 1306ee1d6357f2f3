//! Looking at live replicas: where they stand, what they have counted, what they have executed.

use std::collections::BTreeMap;

use byztop_core::app::smallbank::Account;
use byztop_core::attack;
use byztop_core::protocol::{SlotPhase, Status};
use byztop_core::telemetry::Counters;
use byztop_core::types::SeqNum;
use byztop_core::views::message::Message;

use crate::dialect::Dialect;
use crate::stage::{Node, Stage};
use crate::words::{Words, Wrong};

impl<F: Dialect> Stage<F>
where
    Message<F>: attack::Forge,
{
    /// Where each live replica stands; those that stand at one place share a line.
    pub(crate) fn show_all(&mut self) {
        let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (me, node) in &self.live {
            let place = node.as_ref().map_or_else(|| "down".to_string(), place);
            places.entry(place).or_default().push(me.to_string());
        }
        self.lines.extend(places.into_iter().map(|(place, who)| format!("{}: {place}", who.join(" "))));
    }

    /// `show n2`: where it stands, how far its slots are, and how much waits in its pool.
    pub(crate) fn show(&mut self, words: &mut Words) -> Result<(), Wrong> {
        if words.is_empty() {
            self.show_all();
            return Ok(());
        }
        let me = words.replica()?;
        let node = self.node(me)?;
        let mut line = format!("{me}: {}", place(node));
        for (seq, phase) in node.replica().slots() {
            line.push_str(&format!("; s{seq} {}", phase_name(phase)));
        }
        let pending = counters(node).pending;
        if pending > 0 {
            line.push_str(&format!("; {pending} waiting"));
        }
        self.lines.push(line);
        Ok(())
    }

    /// `votes n2 s1`: who voted for what, as it counts them.
    pub(crate) fn show_votes(&mut self, words: &mut Words) -> Result<(), Wrong> {
        let (me, seq) = (words.replica()?, words.seq()?);
        let votes = self.node(me)?.replica().votes(Some(seq));
        let Some(votes) = votes else {
            self.lines.push(format!("{me} knows nothing of s{seq}"));
            return Ok(());
        };
        for phase in votes.phases {
            let name = |digest| self.forge.names.name(digest);
            let counted: Vec<String> =
                phase.by_digest.iter().map(|(digest, who)| format!("{} by {who}", name(*digest))).collect();
            let counted = if counted.is_empty() { "none".to_string() } else { counted.join("; ") };
            self.lines.push(format!("{me} v{} s{seq} {}: {counted}", votes.view, phase.phase));
        }
        Ok(())
    }

    /// `balance n2 0`: what an account has.
    pub(crate) fn show_balance(&mut self, words: &mut Words) -> Result<(), Wrong> {
        let (me, account) = (words.replica()?, words.number("")?);
        let balances = self.node(me)?.replica().application().balances(Account(account as u32));
        let (checking, savings) = balances.ok_or("there is no such account")?;
        self.lines.push(format!("{me}: account {account} has {checking} in checking, {savings} in savings"));
        Ok(())
    }
}

fn place<F: Dialect>(node: &Node<F>) -> String
where
    Message<F>: attack::Forge,
{
    let Status { view, asking_for, stable, executed, observing_until, .. } = node.replica().status();
    let mut text = format!("v{view} stable s{stable} executed s{executed}");
    if let Some(target) = asking_for {
        text.push_str(&format!(", asks for v{target}"));
    }
    match observing_until {
        Some(SeqNum(0)) => text.push_str(", observes"),
        Some(until) => text.push_str(&format!(", observes until s{until}")),
        None => {}
    }
    text
}

fn phase_name(phase: SlotPhase) -> &'static str {
    match phase {
        SlotPhase::Empty => "has no proposal",
        SlotPhase::PrePrepared => "is pre-prepared",
        SlotPhase::Prepared => "is prepared",
        SlotPhase::Committed => "is committed",
        SlotPhase::Executed => "is executed",
    }
}

/// What a replica has counted.
pub(crate) fn counters<F: Dialect>(node: &Node<F>) -> Counters
where
    Message<F>: attack::Forge,
{
    let mut counters = Counters::default();
    node.replica().count(&mut counters);
    counters
}
