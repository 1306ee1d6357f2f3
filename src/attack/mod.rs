//! Byzantine behaviour, outside honest code.
//!
//! [`Byzantine`] wraps the whole replica at its door, where inputs arrive verified and outputs leave unsigned, and it
//! holds the signer. With no attack set it signs and passes on. Holding only its own key it can not forge another's
//! signature: the adversary model holds by construction.
//!
//! `language` is what people write, `equivocation` alters proposals, and this file hides, delays and spoils.

mod equivocation;
mod language;

use std::collections::{BTreeMap, VecDeque};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

pub use equivocation::Equivocate;
pub use language::{Attack, Directive, EquivocationForm, ParseError, Trigger, Usage, parse};

use crate::app::Application;
use crate::committee::Committee;
use crate::crypto::{Signer, Verified};
use crate::protocol::{Event, Message as _, Protocol, Recipients, Timer};
use crate::replica::{Input, Output, PeerMessage, Replica, Reply};
use crate::types::{Digest, Micros, ReplicaId, ReplicaSet, SeqNum, Time, View};

/// The outermost layer of a replica: signs what leaves, feeds its own messages back, and misbehaves if told to.
pub struct Byzantine<P: Protocol, A: Application> {
    replica: Replica<P, A>,
    me: ReplicaId,
    committee: Committee,
    signer: Signer,
    attacks: Vec<Active>,
    seed: u64,
    chance: ChaCha8Rng,
    /// Outputs of a slow replica, in the order in which they may leave. At most [`MAX_DELAYED`].
    delayed: BTreeMap<(Time, u64), Output<P::Message>>,
    delays: u64,
}

/// How many outputs a delaying replica holds back; beyond that the oldest leave early.
const MAX_DELAYED: usize = 1 << 16;

/// What a message is about. What is decided by chance for a subject is a function of it, so that a retransmission
/// meets the same fate.
#[derive(Clone, Copy)]
struct Subject {
    view: View,
    seq: SeqNum,
    name: &'static str,
}

impl Subject {
    /// A number below 1000.
    fn draw(&self, seed: u64, attack: &str) -> u16 {
        let numbers = [seed, self.view.0, self.seq.0].map(u64::to_le_bytes).concat();
        let drawn = Digest::of("chance", &[&numbers, self.name.as_bytes(), attack.as_bytes()]);
        u16::from_le_bytes([drawn.0[0], drawn.0[1]]) % 1000
    }
}

/// An attack that is set.
struct Active {
    directive: Directive,
    since: Time,
}

impl<P: Protocol, A: Application> Byzantine<P, A>
where
    P::Message: Equivocate,
{
    /// An honest replica, until an attack is set. `seed` feeds the attacks that leave something to chance.
    pub fn new(me: ReplicaId, committee: Committee, replica: Replica<P, A>, signer: Signer, seed: u64) -> Self {
        let chance = ChaCha8Rng::seed_from_u64(seed);
        Byzantine {
            replica,
            me,
            committee,
            signer,
            seed,
            attacks: Vec::new(),
            chance,
            delayed: BTreeMap::new(),
            delays: 0,
        }
    }

    /// Handles an input; appends what is to be performed. Messages in it are signed, and `Recipients::All` means all
    /// others: the replica has already heard itself.
    pub fn handle(&mut self, now: Time, input: Input<P::Message>, outputs: &mut Vec<Output<P::Message>>) {
        self.expire(now, outputs);
        if input == Input::Timeout(Timer::Delayed) {
            return self.release(now, outputs);
        }
        let mut inputs = VecDeque::from([input]);
        let mut wanted = Vec::new();
        while let Some(input) = inputs.pop_front() {
            self.replica.handle(now, input, &mut wanted);
            for mut output in wanted.drain(..) {
                if let Output::Send(to, message) = &mut output {
                    message.fill_signatures(&self.signer);
                    if *to == Recipients::All {
                        inputs.push_back(Input::Peer(self.me, Verified::own(message.clone())));
                    }
                }
                if self.attacks.is_empty() {
                    outputs.push(output);
                } else {
                    self.corrupt(now, output, outputs);
                }
            }
        }
    }

    /// Sets attacks, in the attack language, in addition to those that hold; an attack of the same name is replaced.
    ///
    /// # Errors
    ///
    /// What is wrong with the text, and where.
    pub fn attack(&mut self, now: Time, text: &str, outputs: &mut Vec<Output<P::Message>>) -> Result<(), ParseError> {
        for directive in parse(text)? {
            if directive.attacker.is_some_and(|attacker| attacker != self.me) {
                continue;
            }
            let victims = directive.attack.victims();
            if let Some(stranger) =
                victims.iter().find(|victim| *victim == self.me || !self.committee.contains(*victim))
            {
                let why = if stranger == self.me { "can not be its own victim" } else { "is not in this cluster" };
                return Err(ParseError { column: 1, message: format!("{stranger} {why}") });
            }
            self.attacks.retain(|active| active.directive.attack.name() != directive.attack.name());
            outputs.push(Output::Note(Event::AttackSet { attack: directive.to_string() }));
            self.attacks.push(Active { directive, since: now });
        }
        Ok(())
    }

    /// Attacks whose time is over end by themselves.
    fn expire(&mut self, now: Time, outputs: &mut Vec<Output<P::Message>>) {
        let is_over = |active: &&Active| matches!(active.directive.trigger, Trigger::During { until, .. } if now.since(active.since) >= until);
        while let Some(active) = self.attacks.iter().find(is_over) {
            let name = active.directive.attack.name();
            self.end(now, name, outputs);
        }
    }

    /// Ends the attack of this name, if it is set; what it held back leaves now.
    pub fn end(&mut self, now: Time, name: &str, outputs: &mut Vec<Output<P::Message>>) {
        let is_it = |active: &Active| active.directive.attack.name() == name;
        if self.attacks.iter().all(is_it) {
            return self.heal(now, outputs);
        }
        if self.attacks.iter().any(is_it) {
            self.attacks.retain(|active| !is_it(active));
            outputs.push(Output::Note(Event::AttackEnded { name: name.to_string() }));
        }
        self.let_go(now, outputs);
    }

    /// Ends every attack; what was held back leaves now.
    pub fn heal(&mut self, now: Time, outputs: &mut Vec<Output<P::Message>>) {
        if !self.attacks.is_empty() {
            self.attacks.clear();
            outputs.push(Output::Note(Event::Healed));
        }
        self.let_go(now, outputs);
    }

    /// What a delay holds back leaves at its time, or at once if no delay is set any more.
    fn let_go(&mut self, now: Time, outputs: &mut Vec<Output<P::Message>>) {
        if self.attacks.iter().any(|active| matches!(active.directive.attack, Attack::Time(_))) {
            return self.release(now, outputs);
        }
        outputs.extend(std::mem::take(&mut self.delayed).into_values());
        outputs.push(Output::CancelTimer(Timer::Delayed));
    }

    /// The attacks that are set, in the attack language; empty if none is.
    pub fn active(&self) -> String {
        let each: Vec<Directive> = self.attacks.iter().map(|active| active.directive.clone()).collect();
        Directive::join(&each)
    }

    /// The replica within.
    pub fn replica(&self) -> &Replica<P, A> {
        &self.replica
    }

    /// The replica within, to bring its state digest up to date.
    pub fn replica_mut(&mut self) -> &mut Replica<P, A> {
        &mut self.replica
    }

    /// What an output turns into under the attacks whose triggers hold.
    fn corrupt(&mut self, now: Time, output: Output<P::Message>, outputs: &mut Vec<Output<P::Message>>) {
        let subject = match &output {
            Output::Send(_, PeerMessage::Protocol(message)) => {
                message.slot().map(|(view, seq)| Subject { view, seq, name: message.name() })
            }
            Output::Send(..) | Output::Reply(..) => None,
            // What a replica does with itself is nobody else's business.
            Output::SetTimer(..) | Output::CancelTimer(_) | Output::Executed(_) | Output::Note(_) => {
                return outputs.push(output);
            }
        };
        let mut wanted = vec![output];
        let mut delay = None;
        for attack in self.triggered(now, subject) {
            match attack {
                Attack::Crash => return,
                Attack::Dark(victims) => wanted = self.hide(wanted, victims),
                Attack::Equivocation { victims, form } => wanted = self.equivocate(wanted, victims, form),
                Attack::Sign => wanted = wanted.into_iter().map(spoil).collect(),
                Attack::Time(span) => delay = Some(span),
            }
        }
        match delay {
            Some(span) => wanted.into_iter().for_each(|output| self.hold_back(now, span, output, outputs)),
            None => outputs.append(&mut wanted),
        }
    }

    /// The attacks that apply, those that alter before those that spoil.
    fn triggered(&mut self, now: Time, subject: Option<Subject>) -> Vec<Attack> {
        let status = self.replica.status();
        let mut attacks: Vec<Attack> = Vec::new();
        for active in &self.attacks {
            let holds = match active.directive.trigger {
                Trigger::Always => true,
                Trigger::During { from, until } => (from..until).contains(&now.since(active.since)),
                Trigger::Slots { first, last } => subject.is_some_and(|of| (first..=last).contains(&of.seq)),
                Trigger::InView(view) => subject.map_or(status.view, |of| of.view) == view,
                Trigger::WhileLeading => status.leader == self.me,
                Trigger::WithProbability { per_mille } => {
                    let draw = match subject {
                        Some(subject) => subject.draw(self.seed, active.directive.attack.name()),
                        None => self.chance.random_range(0..1000),
                    };
                    draw < per_mille
                }
            };
            if holds {
                attacks.push(active.directive.attack.clone());
            }
        }
        attacks.sort_by_key(|attack| matches!(attack, Attack::Sign));
        attacks
    }

    /// Nothing reaches the victims.
    fn hide(&self, outputs: Vec<Output<P::Message>>, victims: ReplicaSet) -> Vec<Output<P::Message>> {
        let mut seen = Vec::new();
        for output in outputs {
            match output {
                Output::Send(to, message) => {
                    let (_, others) = self.split(to, victims);
                    seen.extend(others.into_iter().map(|to| Output::Send(Recipients::One(to), message.clone())));
                }
                other => seen.push(other),
            }
        }
        seen
    }

    /// The victims hear one thing, the others another. What was decided for a proposal is a function of it, so that a
    /// retransmission repeats the lie.
    fn equivocate(
        &self,
        outputs: Vec<Output<P::Message>>,
        victims: ReplicaSet,
        form: EquivocationForm,
    ) -> Vec<Output<P::Message>> {
        let mut told = Vec::new();
        for output in outputs {
            let Output::Send(to, PeerMessage::Protocol(message)) = &output else {
                told.push(output);
                continue;
            };
            let Some(mut lie) = message.lie(form) else {
                told.push(output);
                continue;
            };
            lie.fill_signatures(&self.signer);
            let (deceived, others) = self.split(*to, victims);
            let send =
                |to, message: &P::Message| Output::Send(Recipients::One(to), PeerMessage::Protocol(message.clone()));
            told.extend(deceived.into_iter().map(|to| send(to, &lie)));
            told.extend(others.into_iter().map(|to| send(to, message)));
        }
        told
    }

    /// The recipients among the victims, and the others.
    fn split(&self, to: Recipients, victims: ReplicaSet) -> (Vec<ReplicaId>, Vec<ReplicaId>) {
        match to {
            Recipients::All => self.committee.others(self.me).partition(|replica| victims.contains(*replica)),
            Recipients::One(replica) => [replica].into_iter().partition(|replica| victims.contains(*replica)),
        }
    }

    fn hold_back(
        &mut self,
        now: Time,
        span: Micros,
        output: Output<P::Message>,
        outputs: &mut Vec<Output<P::Message>>,
    ) {
        self.delays += 1;
        self.delayed.insert((now.after(span), self.delays), output);
        if self.delayed.len() > MAX_DELAYED
            && let Some((_, oldest)) = self.delayed.pop_first()
        {
            outputs.push(oldest);
        }
        self.set_delay_timer(outputs);
    }

    /// What was held back long enough leaves.
    fn release(&mut self, now: Time, outputs: &mut Vec<Output<P::Message>>) {
        let later = self.delayed.split_off(&(now, u64::MAX));
        outputs.extend(std::mem::replace(&mut self.delayed, later).into_values());
        self.set_delay_timer(outputs);
    }

    fn set_delay_timer(&self, outputs: &mut Vec<Output<P::Message>>) {
        if let Some(((at, _), _)) = self.delayed.first_key_value() {
            outputs.push(Output::SetTimer(Timer::Delayed, *at));
        }
    }
}

/// Every signature is turned into nonsense. A reply has none: its binding to the submission is broken instead, so that
/// it counts toward nothing either.
fn spoil<M: crate::protocol::Message>(output: Output<M>) -> Output<M> {
    match output {
        Output::Send(to, mut message) => {
            for signature in message.signatures_mut() {
                *signature = signature.spoiled();
            }
            Output::Send(to, message)
        }
        Output::Reply(session, reply) => Output::Reply(session, Reply { submission: Digest::ZERO, ..reply }),
        other => other,
    }
}
