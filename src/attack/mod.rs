//! Byzantine behaviour, outside honest code.
//!
//! [`Byzantine`] wraps the whole replica at its door, where inputs arrive verified and outputs leave unsigned, and it
//! holds the signer. With no attack set it signs and passes on. Holding only its own key it can not forge another's
//! signature: the adversary model holds by construction.
//!
//! | read | for |
//! |---|---|
//! | `language` | what people write |
//! | `active` | when an attack holds |
//! | `chance`, `voice` | decisions that repeat themselves; telling each hearer something else |
//! | `forge` | what can be made of a protocol's messages: one file per protocol |
//! | the others | one attack each, or a family of them |
//!
//! This file is the door: what comes in, what goes out, and which attack has its hand on it.

mod active;
mod censorship;
mod chance;
mod delay;
mod equivocation;
mod flood;
mod forge;
mod forgery;
pub mod junk;
mod language;
mod lies;
mod mutation;
mod nested;
mod replay;
mod voice;

use std::collections::VecDeque;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

pub use forge::{Forge, Shift, message_names, message_names_of};
pub use language::{Attack, Directive, EquivocationForm, ParseError, Trigger, Usage, parse, parse_replica};

use self::active::Active;
use self::censorship::Hidden;
use self::chance::Subject;
use self::delay::Delayed;
use self::mutation::Earlier;
use self::replay::Ring;
use self::voice::Voice;
use crate::app::Application;
use crate::committee::Committee;
use crate::crypto::{Signer, Verified};
use crate::protocol::{Event, Protocol, Recipients, Tampering, Timer};
use crate::replica::{Input, Output, PeerMessage, Replica, Reply};
use crate::types::{Digest, ReplicaId, Time};

/// The outermost layer of a replica: signs what leaves, feeds its own messages back, and misbehaves if told to.
pub struct Byzantine<P: Protocol, A: Application> {
    replica: Replica<P, A>,
    voice: Voice,
    attacks: Vec<Active>,
    /// For what is about nothing that could decide it.
    chance: ChaCha8Rng,
    delayed: Delayed<P::Message>,
    hidden: Hidden,
    ring: Ring<P::Message>,
    earlier: Earlier<P::Message>,
}

/// What leaves a replica.
type Outputs<P> = Vec<Output<<P as Protocol>::Message>>;

impl<P: Protocol, A: Application> Byzantine<P, A>
where
    P::Message: Forge,
{
    /// An honest replica, until an attack is set. `seed` feeds the attacks that leave something to chance.
    pub fn new(me: ReplicaId, committee: Committee, replica: Replica<P, A>, signer: Signer, seed: u64) -> Self {
        Byzantine {
            replica,
            voice: Voice { me, committee, signer, seed },
            attacks: Vec::new(),
            chance: ChaCha8Rng::seed_from_u64(seed),
            delayed: Delayed::default(),
            hidden: Hidden::default(),
            ring: Ring::default(),
            earlier: Earlier::default(),
        }
    }

    /// Handles an input; appends what is to be performed. Messages in it are signed, and `Recipients::All` means all
    /// others: the replica has already heard itself.
    pub fn handle(&mut self, now: Time, input: Input<P::Message>, outputs: &mut Outputs<P>) {
        self.expire(now, outputs);
        if input == Input::Timeout(Timer::Delayed) {
            outputs.extend(self.delayed.release(now));
            self.act(now, outputs);
            return self.set_alarm(outputs);
        }
        if self.attacks.is_empty() {
            return self.live(now, input, outputs);
        }
        self.forge_certificate(now, &input, outputs);
        if self.lets_in(now, &input) {
            self.live(now, input, outputs);
        }
    }

    /// The replica within handles an input, and whatever it says to itself.
    fn live(&mut self, now: Time, input: Input<P::Message>, outputs: &mut Outputs<P>) {
        let mut inputs = VecDeque::from([input]);
        let mut wanted = Vec::new();
        while let Some(input) = inputs.pop_front() {
            self.replica.handle(now, input, &mut wanted);
            for mut output in wanted.drain(..) {
                if let Output::Send(to, message) = &mut output {
                    message.fill_signatures(&self.voice.signer);
                    let is_to_itself = *to == Recipients::One(self.voice.me);
                    if is_to_itself || *to == Recipients::All {
                        inputs.push_back(Input::Peer(self.voice.me, Verified::own(message.clone())));
                    }
                    if is_to_itself {
                        continue;
                    }
                }
                if self.attacks.is_empty() {
                    outputs.push(output);
                    continue;
                }
                if let Output::Send(_, PeerMessage::FetchBodies(digests)) = &mut output
                    && let Some(bodies) = self.hidden.hand_over(digests)
                {
                    inputs.push_back(Input::Peer(self.voice.me, Verified::own(bodies)));
                    if digests.is_empty() {
                        continue;
                    }
                }
                self.corrupt(now, output, outputs);
            }
        }
    }

    /// Sets attacks, in the attack language, in addition to those that hold; see [`Attack::is_replaced_by`]. While one is
    /// set the replica looks for no contradictions and acts on no proofs: it would convict itself, or an accomplice.
    ///
    /// # Errors
    ///
    /// What is wrong with the text, and where; then nothing of it is set.
    pub fn attack(&mut self, now: Time, text: &str, outputs: &mut Outputs<P>) -> Result<(), ParseError> {
        let Voice { me, committee, .. } = self.voice;
        let is_mine = |directive: &Directive| directive.attacker.is_none_or(|attacker| attacker == me);
        let directives: Vec<Directive> = parse(text)?.into_iter().filter(is_mine).collect();
        for directive in &directives {
            let victims = directive.attack.victims();
            if let Some(stranger) = victims.iter().find(|victim| *victim == me || !committee.contains(*victim)) {
                let why = if stranger == me { "can not be its own victim" } else { "is not in this cluster" };
                return Err(ParseError { column: 1, message: format!("{stranger} {why}") });
            }
        }
        for directive in directives {
            self.attacks.retain(|active| !active.attack().is_replaced_by(&directive.attack));
            self.replica.suspend_audit();
            outputs.push(Output::Note(Event::AttackSet { attack: directive.to_string() }));
            self.attacks.push(Active::new(directive, now));
        }
        self.set_alarm(outputs);
        Ok(())
    }

    /// Attacks whose time is over end by themselves.
    fn expire(&mut self, now: Time, outputs: &mut Outputs<P>) {
        if self.attacks.iter().any(|active| active.is_over(now)) {
            self.end_those(now, outputs, |active| active.is_over(now));
        }
    }

    /// Ends the attacks of this name, if any are set; what they held back leaves now.
    pub fn end(&mut self, now: Time, name: &str, outputs: &mut Outputs<P>) {
        self.end_those(now, outputs, |active| active.name() == name);
    }

    fn end_those(&mut self, now: Time, outputs: &mut Outputs<P>, is_over: impl Fn(&Active) -> bool) {
        if self.attacks.iter().all(&is_over) {
            return self.heal(now, outputs);
        }
        for ended in self.attacks.extract_if(.., |active| is_over(active)) {
            outputs.push(Output::Note(Event::AttackEnded { name: ended.attack().to_string() }));
        }
        self.let_go(now, outputs);
    }

    /// Ends every attack; what was held back leaves now.
    pub fn heal(&mut self, now: Time, outputs: &mut Outputs<P>) {
        if !self.attacks.is_empty() {
            self.attacks.clear();
            self.replica.resume_audit();
            outputs.push(Output::Note(Event::Healed));
        }
        self.let_go(now, outputs);
    }

    /// What no attack needs any more goes: out, in, or into oblivion.
    fn let_go(&mut self, now: Time, outputs: &mut Outputs<P>) {
        if self.is_set(|attack| matches!(attack, Attack::Time(_))) {
            outputs.extend(self.delayed.release(now));
        } else {
            outputs.extend(self.delayed.release_all());
            outputs.push(Output::CancelTimer(Timer::Delayed));
        }
        if !self.is_set(|attack| *attack == Attack::Replay) {
            self.ring = Ring::default();
        }
        if !self.is_set(|attack| matches!(attack, Attack::Mutate { .. })) {
            self.earlier = Earlier::default();
        }
        if !self.is_set(|attack| matches!(attack, Attack::Censor(_))) {
            for submission in self.hidden.take_all() {
                self.live(now, censorship::late(submission), outputs);
            }
        }
        self.set_alarm(outputs);
    }

    fn is_set(&self, attack: impl Fn(&Attack) -> bool) -> bool {
        self.attacks.iter().any(|active| attack(active.attack()))
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

    /// Whether the replica within gets an input, under the attacks that look at what comes in.
    fn lets_in(&mut self, now: Time, input: &Input<P::Message>) -> bool {
        let status = self.replica.status();
        for active in &self.attacks {
            match active.attack() {
                Attack::Replay => self.ring.overhear(input),
                Attack::Censor(clients) => {
                    let Some((submission, subject)) = censorship::submission_in(input) else { continue };
                    let is_censored = censorship::is_by(clients, submission);
                    if is_censored && active.holds(now, &status, Some(subject), &self.voice, &mut self.chance) {
                        self.hidden.keep(submission.clone());
                        return false;
                    }
                }
                _ => {}
            }
        }
        true
    }

    /// Makes a quorum out of one vote.
    fn forge_certificate(&mut self, now: Time, input: &Input<P::Message>, outputs: &mut Outputs<P>) {
        if !self.is_set(|attack| *attack == Attack::ForgeCertificate) {
            return;
        }
        let Some((vote, subject)) = forgery::vote_in(input) else { return };
        let attacks = self.triggered(now, Some(subject));
        if attacks.contains(&Attack::ForgeCertificate)
            && let Some(forged) = self.voice.forge_certificate(vote, &subject)
        {
            self.let_out(now, &attacks, vec![forged], outputs);
        }
    }

    /// What an output turns into under the attacks whose triggers hold.
    fn corrupt(&mut self, now: Time, output: Output<P::Message>, outputs: &mut Outputs<P>) {
        // What a replica does with itself is nobody else's business.
        if !matches!(output, Output::Send(..) | Output::Reply(..)) {
            return outputs.push(output);
        }
        let subject = Subject::of(&output);
        let attacks = self.triggered(now, subject);
        let mut wanted = vec![output];
        for attack in &attacks {
            let before = attack.alters().then(|| wanted.clone());
            wanted = self.alter(attack, subject.as_ref(), wanted);
            outputs.extend(before.iter().flat_map(|before| self.voice.altered(before, &wanted, attack)));
        }
        self.let_out(now, &attacks, wanted, outputs);
    }

    /// The attacks that apply.
    fn triggered(&mut self, now: Time, subject: Option<Subject>) -> Vec<Attack> {
        let status = self.replica.status();
        let (voice, chance) = (&self.voice, &mut self.chance);
        let holding = self.attacks.iter().filter(|active| active.holds(now, &status, subject, voice, chance));
        holding.map(|active| active.attack().clone()).collect()
    }

    /// What an attack has to say instead.
    fn alter(&mut self, attack: &Attack, subject: Option<&Subject>, wanted: Outputs<P>) -> Outputs<P> {
        let voice = &self.voice;
        match (attack, subject) {
            (Attack::Equivocation { victims, form }, _) => voice.equivocate(wanted, *victims, *form),
            (Attack::Mutate { per_mille }, Some(subject)) => {
                wanted.iter().for_each(|output| self.earlier.remember(subject, output));
                voice.mutate(wanted, *per_mille, subject, &self.earlier)
            }
            (Attack::ForgeViewChange, Some(subject)) => voice.forge_view_change(wanted, subject),
            (Attack::ForgeNewView, Some(subject)) => voice.forge_new_view(wanted, subject),
            (Attack::ForgeNested, subject) => voice.forge_nested(wanted, subject, &self.replica.status()),
            (Attack::LieCheckpoint, Some(subject)) => {
                voice.lie_checkpoint(wanted, subject, self.replica.status().stable)
            }
            (Attack::LieState, Some(subject)) => voice.lie_state(wanted, subject),
            (Attack::LieReply, _) => wanted.into_iter().map(lies::lie_reply).collect(),
            (Attack::Replay, _) => {
                self.ring.keep_all(&wanted);
                wanted
            }
            _ => wanted,
        }
    }

    /// What is left of it when it leaves, and when: hidden, spoiled, late.
    fn let_out(&mut self, now: Time, attacks: &[Attack], mut wanted: Outputs<P>, outputs: &mut Outputs<P>) {
        let mut delay = None;
        for attack in attacks {
            match attack {
                Attack::Crash => {
                    outputs.extend(self.voice.tampered(&wanted, attack, Tampering::Withheld, |_, _| true));
                    wanted.clear();
                }
                Attack::Dark(victims) => {
                    let is_kept = |_: &PeerMessage<P::Message>, hearer| victims.contains(hearer);
                    outputs.extend(self.voice.tampered(&wanted, attack, Tampering::Withheld, is_kept));
                    wanted = self.voice.tell(wanted, |_, hearer| victims.contains(hearer).then(Vec::new));
                }
                Attack::Withhold { message, victims } if victims.is_empty() => {
                    let is_kept = |told: &PeerMessage<P::Message>, _| told.name() == *message;
                    outputs.extend(self.voice.tampered(&wanted, attack, Tampering::Withheld, is_kept));
                    wanted.retain(|output| name_of(output) != Some(*message));
                }
                Attack::Withhold { message, victims } => {
                    let is_kept =
                        |told: &PeerMessage<P::Message>, hearer| told.name() == *message && victims.contains(hearer);
                    outputs.extend(self.voice.tampered(&wanted, attack, Tampering::Withheld, is_kept));
                    wanted = self.voice.tell(wanted, |told, hearer| is_kept(told, hearer).then(Vec::new));
                }
                Attack::Time(span) => delay = Some(*span),
                _ => {}
            }
        }
        if attacks.contains(&Attack::Sign) {
            outputs.extend(self.voice.tampered(&wanted, &Attack::Sign, Tampering::Altered, |_, _| true));
            wanted = wanted.into_iter().map(spoil).collect();
        }
        match delay {
            Some(span) => {
                let until = now.after(span);
                let how = Tampering::HeldBack(until);
                outputs.extend(self.voice.tampered(&wanted, &Attack::Time(span), how, |_, _| true));
                outputs.extend(wanted.into_iter().filter_map(|output| self.delayed.hold_back(until, output)));
                self.set_alarm(outputs);
            }
            None => outputs.append(&mut wanted),
        }
    }

    /// Attacks that do something of their own accord do it when it is time.
    fn act(&mut self, now: Time, outputs: &mut Outputs<P>) {
        let status = self.replica.status();
        let mut wanted = Vec::new();
        for active in &mut self.attacks {
            let Some(number) = active.take_turn(now) else { continue };
            if !active.holds(now, &status, None, &self.voice, &mut self.chance) {
                continue;
            }
            let subject = Subject::of_own_accord(number);
            match active.attack() {
                Attack::Flood { messages_per_s } => {
                    let mut dice = self.voice.dice("flood", &subject);
                    let due = flood::due(*messages_per_s, number);
                    wanted.extend((0..due).map(|_| self.voice.make_up(&status, &mut dice)));
                }
                Attack::Junk(kind) => {
                    let replica = &self.replica;
                    let known = (replica.settings().window_slots, replica.some_body());
                    wanted.extend(self.voice.junk(*kind, known, number));
                }
                Attack::Replay => {
                    let mut dice = self.voice.dice("replay", &subject);
                    wanted.extend(self.ring.pick(&mut dice).map(|old| Output::Send(Recipients::All, old)));
                }
                Attack::ForgeViewChange => wanted.append(&mut self.voice.ask_for_views(&status, &subject)),
                Attack::ForgeNested => wanted.append(&mut self.voice.make_up_nested(&status, &subject)),
                _ => {}
            }
        }
        if !wanted.is_empty() {
            let attacks = self.triggered(now, None);
            self.let_out(now, &attacks, wanted, outputs);
        }
    }

    /// Wakes this layer when something that it holds back may leave, or an attack acts of its own accord.
    fn set_alarm(&self, outputs: &mut Outputs<P>) {
        let acts = self.attacks.iter().filter_map(|active| active.acts_at);
        if let Some(at) = acts.chain(self.delayed.next()).min() {
            outputs.push(Output::SetTimer(Timer::Delayed, at));
        }
    }
}

fn name_of<M: crate::protocol::Message>(output: &Output<M>) -> Option<&'static str> {
    match output {
        Output::Send(_, message) => Some(message.name()),
        Output::Reply(..) => Some("reply"),
        _ => None,
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
