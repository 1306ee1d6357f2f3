//! The stage: a few real replicas, everyone's keys, and a clock that the script moves. There is no network: the script
//! says which message is delivered when.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use byztop_core::app::smallbank::SmallBank;
use byztop_core::attack::{self, Byzantine};
use byztop_core::committee::Committee;
use byztop_core::crypto::{Author, Signed, Statement, Verified, Verifier};
use byztop_core::protocol::{Event, Message as _, Recipients, Settings, Timer, contradict};
use byztop_core::replica::{Input, Output, PeerMessage, Replica, Submission};
use byztop_core::types::{ClientId, ProtocolName, ReplicaId, Time};
use byztop_core::views::Views;
use byztop_core::views::message::Message;
use byztop_core::wire;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::dialect::Dialect;
use crate::forge::{Forge, statement};
use crate::inspect::counters;
use crate::mail::{Filter, Letter, filter};
use crate::names::{self, Names, realm, secret, signer};
use crate::show;
use crate::words::{Words, Wrong, replica, span};

pub(crate) type Node<F> = Byzantine<Views<F>, SmallBank>;

/// When a transcript begins, unless its clock is wild.
const START: Time = Time(1_000_000);

/// How the stage tells the time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// It moves when the script says so.
    Steady,
    /// It shows another arbitrary time at each input, forwards and backwards.
    Wild {
        /// Of the arbitrary times.
        seed: u64,
    },
}

/// Everything that a transcript plays with.
pub(crate) struct Stage<F: Dialect> {
    pub(crate) forge: Forge<F>,
    verifier: Verifier,
    now: Time,
    wild: Option<ChaCha8Rng>,
    /// The real replicas; `None` while one is down. Everyone else is played by the script.
    pub(crate) live: BTreeMap<ReplicaId, Option<Node<F>>>,
    timers: BTreeMap<(ReplicaId, Timer), Time>,
    mail: VecDeque<Letter<F>>,
    cut: Vec<Filter>,
    pub(crate) lines: Vec<String>,
}

/// A stage of whatever protocol.
pub(crate) trait Scene {
    /// What the live replicas have signed, apart from what each did as the primary of a view: in which order it proposes
    /// what came to it may depend on when that came.
    fn signed_as_backups(&self) -> Vec<(ReplicaId, Statement)>;

    /// Performs one line of the script; gives what came of it, or `None` if the line only prepares something.
    fn perform(&mut self, line: &str) -> Result<Option<Vec<String>>, Wrong>;
}

/// The stage of a `cluster` line: `protocol=linear` says of which protocol, PBFT otherwise.
pub(crate) fn begin(header: &str, clock: Clock) -> Result<Box<dyn Scene>, Wrong> {
    let name = header.split_whitespace().find_map(|word| word.strip_prefix("protocol=")).unwrap_or("pbft");
    let protocol = ProtocolName::parse(name).ok_or_else(|| format!("{name} is not a protocol"))?;
    byztop_core::with_protocol!(protocol, P => P::begin(header, clock))
}

/// A protocol whose transcripts can be played.
trait Played {
    fn begin(header: &str, clock: Clock) -> Result<Box<dyn Scene>, Wrong>;
}

impl<F: Dialect> Played for Views<F>
where
    Message<F>: attack::Forge,
{
    fn begin(header: &str, clock: Clock) -> Result<Box<dyn Scene>, Wrong> {
        Ok(Box::new(Stage::<F>::new(header, clock)?))
    }
}

impl<F: Dialect> Scene for Stage<F>
where
    Message<F>: attack::Forge,
{
    fn signed_as_backups(&self) -> Vec<(ReplicaId, Statement)> {
        let Forge { committee, ref signed, .. } = self.forge;
        let each = signed.iter().flat_map(|(me, statements)| statements.iter().map(|statement| (*me, *statement)));
        each.filter(|(me, statement)| committee.primary(statement.view) != *me).collect()
    }

    fn perform(&mut self, line: &str) -> Result<Option<Vec<String>>, Wrong> {
        self.lines.clear();
        let is_step = self.dispatch(line)?;
        Ok(is_step.then(|| std::mem::take(&mut self.lines)))
    }
}

impl<F: Dialect> Stage<F>
where
    Message<F>: attack::Forge,
{
    /// `cluster n=4 live=n2 K=4 L=8`, and settings by their first words; `wait=20` is how long a collector waits for all.
    fn new(header: &str, clock: Clock) -> Result<Stage<F>, Wrong> {
        let mut settings = Settings {
            checkpoint_interval_slots: 4,
            window_slots: 8,
            accounts: 32,
            status_interval_ms: 60_000,
            depth_slots: 4,
            ..Settings::default()
        };
        let (mut size, mut live) = (4, Vec::new());
        let rest = header.strip_prefix("cluster ").ok_or("cluster n=4 live=n2")?;
        for (key, value) in rest.split_whitespace().map(|word| word.split_once('=').unwrap_or((word, ""))) {
            if key == "protocol" {
                continue;
            }
            if key == "live" {
                live = value.split('+').map(replica).collect::<Result<_, _>>()?;
                continue;
            }
            let number: u64 = value.parse().map_err(|_| format!("{key}={value}"))?;
            match key {
                "n" => size = number as usize,
                "K" => settings.checkpoint_interval_slots = number,
                "L" => settings.window_slots = number,
                "depth" => settings.depth_slots = number,
                "batch" => settings.batch_submissions = number as usize,
                "pool" => settings.pool_submissions = number as usize,
                "wait" => settings.fast_path_wait_ms = number,
                "status" => settings.status_interval_ms = number,
                "max" => settings.max_timeout_ms = number,
                other => return Err(format!("{other} is not a setting")),
            }
        }
        settings.depth_slots = settings.depth_slots.min(settings.window_slots);
        let committee = Committee::new(size).ok_or("n is from 1 to 100")?;
        settings.check(committee).map_err(|error| error.to_string())?;
        let wild = match clock {
            Clock::Steady => None,
            Clock::Wild { seed } => Some(ChaCha8Rng::seed_from_u64(seed)),
        };
        let mut stage = Stage {
            forge: Forge {
                committee,
                settings,
                names: Names::new(committee, realm(F::NAME)),
                view_changes: BTreeMap::new(),
                signed: BTreeMap::new(),
                honest: BTreeSet::new(),
            },
            verifier: Verifier::tags(realm(F::NAME), committee, 8, secret()),
            now: START,
            wild,
            live: BTreeMap::new(),
            timers: BTreeMap::new(),
            mail: VecDeque::new(),
            cut: Vec::new(),
            lines: Vec::new(),
        };
        for me in live {
            stage.forge.honest.insert(me);
            stage.start(me, false)?;
        }
        stage.mail.clear();
        Ok(stage)
    }

    fn dispatch(&mut self, line: &str) -> Result<bool, Wrong> {
        if let Some(line) = line.strip_prefix("quietly ") {
            self.dispatch(line)?;
            self.lines.clear();
            self.show_all();
            return Ok(true);
        }
        if let Some((who, what)) = line.split_once(": ") {
            return self.say(who, what);
        }
        if let Some(length) = line.strip_prefix('+') {
            self.let_pass(length)?;
            return Ok(true);
        }
        let words = &mut Words::of(line)?;
        let is_step = match words.plain()?.as_str() {
            "let" => self.forge.names.define_by(words).map(|()| false),
            "clock" => self.set_clock(words).map(|()| false),
            "cut" => filter(words).map(|filter| self.cut.push(filter)).map(|()| false),
            "mend" => {
                self.cut.clear();
                Ok(false)
            }
            "drop" => self.drop_mail(words).map(|()| false),
            "deliver" => self.deliver(words).map(|()| true),
            "show" => self.show(words).map(|()| true),
            "votes" => self.show_votes(words).map(|()| true),
            "balance" => self.show_balance(words).map(|()| true),
            who => self.direct(replica(who)?, words).map(|()| true),
        }?;
        words.end()?;
        Ok(is_step)
    }

    /// `n3 > n2: prepare v0 s1 a`, `client > n2: a`, `n3 > nobody: view-change v1`. Without `>` it goes to the only live
    /// replica. Several may say the same: `n1 n3: commit v0 s1 a`.
    fn say(&mut self, who: &str, what: &str) -> Result<bool, Wrong> {
        let (from, to) = who.split_once(" > ").unwrap_or((who, ""));
        let to = self.addressees(to)?;
        if let Some(client) = from.strip_prefix("client") {
            for name in what.split(' ') {
                let signed = self.forge.names.submission(name)?;
                let author = if client.is_empty() { signed.body.session.client } else { names::client(client.trim())? };
                to.iter().try_for_each(|to| self.submit(author, *to, signed.clone()))?;
            }
            return Ok(true);
        }
        if let Some(text) = what.strip_prefix("attack ") {
            self.attack(replica(from)?, text)?;
            return Ok(true);
        }
        for from in from.split(' ') {
            let from = replica(from)?;
            let message = self.forge.message(from, what)?;
            to.iter().try_for_each(|to| self.hand_over(from, *to, message.clone()))?;
        }
        Ok(!to.is_empty())
    }

    fn addressees(&self, text: &str) -> Result<Vec<ReplicaId>, Wrong> {
        match text {
            "" | "all" => {
                let up = self.live.iter().filter(|(_, node)| node.is_some()).map(|(me, _)| *me).collect::<Vec<_>>();
                if text.is_empty() && up.len() != 1 { Err("say to whom".to_string()) } else { Ok(up) }
            }
            "nobody" => Ok(Vec::new()),
            names => names.split(' ').map(replica).collect(),
        }
    }

    fn submit(&mut self, client: ClientId, to: ReplicaId, signed: Signed<Submission>) -> Result<(), Wrong> {
        match Verified::check(signed, Author::Client(client), &self.verifier) {
            Ok(verified) => self.input(to, Input::Client(verified)),
            Err(why) => {
                self.lines.push(format!("{to} refuses at the door: {why}"));
                Ok(())
            }
        }
    }

    /// A message goes through all that a real one goes through: encoding, decoding, and the checks at the door.
    fn hand_over(&mut self, from: ReplicaId, to: ReplicaId, message: PeerMessage<Message<F>>) -> Result<(), Wrong> {
        let decoded = wire::decode(&wire::encode(&message), wire::MAX_MESSAGE_BYTES);
        match decoded.and_then(|message| Verified::check(message, Author::Replica(from), &self.verifier)) {
            Ok(verified) => self.input(to, Input::Peer(from, verified)),
            Err(why) => {
                self.lines.push(format!("{to} refuses at the door: {why}"));
                Ok(())
            }
        }
    }

    fn input(&mut self, me: ReplicaId, input: Input<Message<F>>) -> Result<(), Wrong> {
        if let Some(wild) = &mut self.wild {
            self.now = Time(wild.random_range(0..u64::from(u32::MAX) * 1000));
        }
        let node = self.live.get_mut(&me).and_then(Option::as_mut).ok_or_else(|| format!("{me} is not live"))?;
        let mut outputs = Vec::new();
        let before = untimely(node);
        node.handle(self.now, input, &mut outputs);
        if untimely(node) > before {
            self.lines.push(format!("{me} sets aside what is too early or too late"));
        }
        self.carry_out(me, outputs)
    }

    fn carry_out(&mut self, me: ReplicaId, outputs: Vec<Output<Message<F>>>) -> Result<(), Wrong> {
        for output in outputs {
            self.learn(me, &output);
            // What was executed is an output of its own, which says more.
            if !matches!(output, Output::Note(Event::Executed { .. })) {
                self.lines.push(show::output(&self.forge.names, me, START, &output));
            }
            match output {
                Output::Send(to, message) => {
                    self.note_signed(me, &message)?;
                    self.post(me, to, message);
                }
                Output::SetTimer(timer, at) => drop(self.timers.insert((me, timer), at)),
                Output::CancelTimer(timer) => drop(self.timers.remove(&(me, timer))),
                Output::Persist(_) | Output::Reply(..) | Output::Executed(_) | Output::Note(_) => {}
            }
        }
        Ok(())
    }

    /// Names for what a live replica mentions first.
    fn learn(&mut self, me: ReplicaId, output: &Output<Message<F>>) {
        let Output::Send(_, message) = output else { return };
        let names = &mut self.forge.names;
        match message {
            PeerMessage::Checkpoint(signed) => names.learn_state(signed.body.seq, signed.body.digest),
            PeerMessage::Protocol(Message::PrePrepare(signed)) => names.learn_batch(&signed.body.batch),
            PeerMessage::Protocol(Message::ViewChange(signed)) => {
                self.forge.view_changes.insert((me, signed.body.view), signed.clone());
            }
            _ => {}
        }
    }

    /// No honest replica contradicts itself, whatever the script does to it.
    fn note_signed(&mut self, me: ReplicaId, message: &PeerMessage<Message<F>>) -> Result<(), Wrong> {
        let claims = match message {
            PeerMessage::Protocol(message) => message.claims(self.forge.committee),
            _ => Vec::new(),
        };
        let said = claims.into_iter().map(|claim| claim.statement).chain(statement(message));
        let own: BTreeSet<Statement> = said.filter(|said| said.author == Author::Replica(me)).collect();
        let before = self.forge.signed.entry(me).or_default();
        if self.forge.honest.contains(&me)
            && let Some(other) = own.iter().find_map(|said| before.iter().find(|other| contradict(said, other)))
        {
            return Err(format!("{me} contradicts what it signed before: {other:?}"));
        }
        before.extend(own);
        Ok(())
    }

    fn post(&mut self, from: ReplicaId, to: Recipients, message: PeerMessage<Message<F>>) {
        let to: Vec<ReplicaId> = match to {
            Recipients::All => self.forge.committee.others(from).collect(),
            Recipients::One(to) => vec![to],
        };
        for to in to.into_iter().filter(|to| self.live.contains_key(to)) {
            let letter = Letter { from, to, message: message.clone() };
            if !self.cut.iter().any(|filter| filter.fits(&letter)) {
                self.mail.push_back(letter);
            }
        }
    }

    /// `deliver` until nothing is on its way; `deliver n1>n2 commit` only what fits of what is on its way now.
    fn deliver(&mut self, words: &mut Words) -> Result<(), Wrong> {
        let until_quiet = words.is_empty();
        let filter = filter(words)?;
        loop {
            let (now, later) = std::mem::take(&mut self.mail).into_iter().partition(|letter| filter.fits(letter));
            self.mail = later;
            let now: VecDeque<Letter<F>> = now;
            if now.is_empty() {
                return Ok(());
            }
            now.into_iter().try_for_each(|letter| self.deliver_one(letter))?;
            if !until_quiet {
                return Ok(());
            }
        }
    }

    /// A delivery of which nothing comes is not shown.
    fn deliver_one(&mut self, Letter { from, to, message }: Letter<F>) -> Result<(), Wrong> {
        if self.live.get(&to).is_none_or(Option::is_none) {
            return Ok(());
        }
        let title = format!("[{from} > {to}] {}", show::message(&self.forge.names, &message));
        let before = self.lines.len();
        self.hand_over(from, to, message)?;
        if self.lines.len() > before {
            self.lines.insert(before, title);
        }
        Ok(())
    }

    fn drop_mail(&mut self, words: &mut Words) -> Result<(), Wrong> {
        let filter = filter(words)?;
        self.mail.retain(|letter| !filter.fits(letter));
        Ok(())
    }

    /// Time passes; timers run out on the way.
    fn let_pass(&mut self, length: &str) -> Result<(), Wrong> {
        let end = self.now.after(span(length)?);
        loop {
            let next = self.timers.iter().filter(|(_, at)| **at <= end).min_by_key(|(key, at)| (**at, **key));
            let Some((key, at)) = next.map(|(key, at)| (*key, *at)) else { break };
            self.timers.remove(&key);
            self.now = self.now.max(at);
            let (me, timer) = key;
            self.lines.push(format!("({}) {me}'s {} timer", show::millis(self.now, START), show::timer(timer)));
            self.input(me, Input::Timeout(timer))?;
        }
        self.now = end;
        Ok(())
    }

    /// `clock 100ms`: sets the clock, counted from the beginning, without a timer running out.
    fn set_clock(&mut self, words: &mut Words) -> Result<(), Wrong> {
        self.now = START.after(span(&words.plain()?)?);
        Ok(())
    }

    /// `n2 crashes`, `n2 restarts`, `n2 heals`.
    fn direct(&mut self, me: ReplicaId, words: &mut Words) -> Result<(), Wrong> {
        match words.plain()?.as_str() {
            "crashes" => {
                self.live.insert(me, None);
                self.timers.retain(|(owner, _), _| *owner != me);
                self.mail.retain(|letter| letter.to != me);
                self.lines.push(format!("{me} is down"));
                Ok(())
            }
            // Nothing that a replica remembers survives yet, so that it has always lost its log.
            "restarts" => self.start(me, true),
            "heals" => {
                let now = self.now;
                let mut outputs = Vec::new();
                self.live.get_mut(&me).and_then(Option::as_mut).ok_or("it is not live")?.heal(now, &mut outputs);
                self.carry_out(me, outputs)
            }
            other => Err(format!("{other}: crashes, restarts or heals")),
        }
    }

    fn start(&mut self, me: ReplicaId, has_lost_log: bool) -> Result<(), Wrong> {
        let Forge { committee, ref settings, .. } = self.forge;
        let app = SmallBank::new(settings.accounts, settings.initial_checking, settings.initial_savings);
        let bare = Replica::new(me, committee, settings, app);
        self.live.insert(me, Some(Byzantine::new(me, committee, bare, signer(me, realm(F::NAME)), 1)));
        self.input(me, Input::Start { has_lost_log })
    }

    fn attack(&mut self, me: ReplicaId, text: &str) -> Result<(), Wrong> {
        self.forge.honest.remove(&me);
        let mut outputs = Vec::new();
        let node = self.live.get_mut(&me).and_then(Option::as_mut).ok_or("it is not live")?;
        node.attack(self.now, text, &mut outputs).map_err(|error| error.message)?;
        self.carry_out(me, outputs)
    }

    pub(crate) fn node(&self, me: ReplicaId) -> Result<&Node<F>, Wrong> {
        self.live.get(&me).and_then(Option::as_ref).ok_or_else(|| format!("{me} is not live"))
    }
}

fn untimely<F: Dialect>(node: &Node<F>) -> u64
where
    Message<F>: attack::Forge,
{
    counters(node).untimely
}
