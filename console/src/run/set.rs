//! One set, from a fresh cluster to what was found.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use byztop_certs::{Durability, Role};
use byztop_core::attack::Directive;
use byztop_core::committee::Committee;
use byztop_core::protocol::Settings;
use byztop_core::scenario::{
    ACCOUNTS, Answer, Expectation, Found, INITIAL_CHECKING, INITIAL_SAVINGS, Outcome, Set, Verdict, judge,
};
use byztop_core::telemetry::ConsoleRequest;
use byztop_core::types::{Digest, Micros, ProtocolName, ReplicaId, ReplicaSet, SeqNum, Time, View};
use byztop_node::client::Addressees;
use byztop_node::load::LoadSettings;
use tokio::time::{Instant, timeout_at};

use super::audience::Audience;
use super::observations::Observations;
use super::transactions::{Clients, Fate, Submitter};
use super::{bank, patience};
use crate::books::{Ledgers, NewView};
use crate::cli::{Addressing, RunArgs};
use crate::clock::unix_now;
use crate::launch::{LaunchOptions, Life, LocalCluster};
use crate::progress::Progress;
use crate::session::{Background, Session};
use crate::stop::Stop;
use crate::tui::{CaseEvent, FeedEvent, Happening, ProcessEvent};
use crate::watch::{News, Watch};

/// How often replicas say where they stand.
const FRAME_MS: u32 = 50;

/// How long replicas and the client may take to find each other, and replicas to say that their attacks are set.
const READY: Duration = Duration::from_secs(10);

/// How long replicas may take to come to the same place once nothing is asked of them. Those that stall or are cut off
/// never do.
const REST: Duration = Duration::from_secs(2);

/// How far apart replicas are asked where they stand: two answers in a row that are the same are a state of rest.
const ROUND: Duration = Duration::from_millis(150);

/// A set that was run.
pub(super) struct SetRun<'f> {
    /// Which.
    pub(super) set: &'f Set,
    /// The cluster that it ran in.
    pub(super) committee: Committee,
    /// What its replicas ran.
    pub(super) protocol: ProtocolName,
    /// How it was tuned.
    pub(super) settings: Settings,
    /// How long each transaction could take.
    pub(super) patience: Duration,
    /// What was expected.
    pub(super) expectation: Expectation,
    /// What was found.
    pub(super) found: Found,
    /// What is to be thought of it.
    pub(super) verdict: Verdict,
    /// Where replicas stood in the end, and their logs.
    pub(super) ledgers: Ledgers,
    /// The views that somebody asked for.
    pub(super) views: BTreeMap<View, NewView>,
    /// What they noted until then.
    pub(super) observations: Observations,
    /// When the first transaction was submitted, in Unix time.
    pub(super) began: Time,
    /// What happened, in the order of time.
    pub(super) story: Vec<Happening>,
    /// By which digest batches name which transactions, where a client had got so far.
    pub(super) digests: BTreeMap<Digest, usize>,
    /// What they have sent each other, by name.
    pub(super) messages: BTreeMap<String, u64>,
    /// How long it all took, the start of the cluster included.
    pub(super) took: Duration,
}

/// The cluster of a set that was run, still up. Dropping it ends the replicas.
pub(super) struct Stand {
    watch: Watch,
    // Dropped in this order: links end before the replicas do.
    runtime: Background,
    _cluster: LocalCluster,
}

impl Stand {
    /// Goes on telling what replicas say until somebody wishes for something else or has had enough.
    pub(super) fn hold(&mut self, audience: &mut Audience, stop: &Stop) {
        let Stand { watch, runtime, _cluster } = self;
        let mut stop = stop.clone();
        runtime.get().block_on(async {
            while !audience.has_wish() {
                tokio::select! {
                    () = stop.asked() => return,
                    news = watch.step() => audience.hear(watch, &news),
                    request = audience.request() => {
                        request.into_iter().for_each(|(replica, request)| watch.ask(replica, request));
                    }
                }
            }
        });
    }
}

/// What running a set takes beside the set.
pub(super) struct Runner<'a> {
    pub(super) args: &'a RunArgs,
    pub(super) committee: Committee,
    pub(super) stop: &'a Stop,
    pub(super) progress: Progress,
}

impl Runner<'_> {
    /// Runs the set at a place of the list and judges it; `None` if somebody has had enough. The cluster stays up.
    ///
    /// # Errors
    ///
    /// If the cluster can not be started or does not come up, or an attack is refused.
    pub(super) fn run<'f>(
        &self,
        place: usize,
        set: &'f Set,
        audience: &mut Audience,
        prefix: String,
    ) -> anyhow::Result<Option<(SetRun<'f>, Stand)>> {
        let Runner { args, committee, progress, .. } = *self;
        let launched = Instant::now();
        audience.begin(place);
        let settings = settings(args.checkpoint);
        let options = LaunchOptions {
            replicas: Some(u8::try_from(committee.size())?),
            protocol: Some(args.protocol),
            durability: Some(Durability::Os),
            clients: Some(u16::try_from(ACCOUNTS)?),
            settings: Some(settings.clone()),
            live: Some(set.live),
            ..LaunchOptions::default()
        };
        let session = Session::open(&options, LoadSettings::default(), Role::Operator, FRAME_MS)?;
        for note in session.cluster.notes() {
            tracing::info!("{note}");
        }
        // Named in this order, the cluster is dropped last, whatever happens on the way.
        let Session { cluster, runtime, links, lives, load_settings: _ } = session;
        for absent in committee.members().filter(|replica| !set.live.contains(*replica)) {
            let why = "it is not live in this set".to_string();
            audience.tell(FeedEvent::Process(absent, ProcessEvent::NotStarted { why }));
        }
        let expectation = set.expectation(committee);
        let patience = patience(args, &expectation.demand);
        let mut watch = Watch::new(links, lives, cluster.live(), progress, prefix);
        watch.keep_news();
        let stage = Stage::new(set, committee, watch, audience);
        let mut stop = self.stop.clone();
        let ended = runtime.get().block_on(async {
            let addressees = match args.clients {
                Addressing::All => Addressees::All,
                Addressing::PrimaryFirst => Addressees::Primary,
            };
            let clients = Clients::start(cluster.directory(), set, addressees)?;
            tokio::select! {
                ended = stage.play(args, clients, patience) => ended.map(Some),
                () = stop.asked() => Ok(None),
            }
        });
        let Some(stage) = ended.with_context(|| format!("set {} can not be run", set.number))? else {
            return Ok(None);
        };
        let found = stage.found(args);
        let verdict = judge(set, committee, &expectation, &found);
        let Stage { watch, observations, ledgers, began, digests, audience, .. } = stage;
        audience.tell(FeedEvent::Case(CaseEvent::Judged {
            place,
            found: Box::new(found.clone()),
            verdict: verdict.clone(),
        }));
        let run = SetRun {
            set,
            committee,
            protocol: args.protocol,
            settings,
            patience,
            expectation,
            found,
            verdict,
            ledgers,
            views: audience.views(),
            observations,
            began,
            story: audience.story(),
            digests,
            messages: watch.messages(),
            took: launched.elapsed(),
        };
        Ok(Some((run, Stand { watch, runtime, _cluster: cluster })))
    }
}

/// A bank of ten, and timers so short that a view change takes well under a second: all replicas are on one machine and
/// have next to nothing to do.
fn settings(checkpoint_interval_slots: u64) -> Settings {
    Settings {
        checkpoint_interval_slots,
        window_slots: 2 * checkpoint_interval_slots,
        request_timeout_ms: 300,
        view_change_timeout_ms: 400,
        status_interval_ms: 50,
        accounts: ACCOUNTS,
        initial_checking: INITIAL_CHECKING,
        initial_savings: INITIAL_SAVINGS,
        ..Settings::default()
    }
}

/// A cluster while a set is played on it.
struct Stage<'f, 'a> {
    set: &'f Set,
    committee: Committee,
    watch: Watch,
    audience: &'a mut Audience,
    observations: Observations,
    ledgers: Ledgers,
    /// Who has told its state since it was asked last.
    told: ReplicaSet,
    /// Who has said that its attacks are set.
    armed: BTreeSet<ReplicaId>,
    /// Who has refused to, and why.
    refused: Option<String>,
    /// When the first transaction was submitted, or the set began.
    began: Time,
    answers: BTreeMap<usize, Answer>,
    digests: BTreeMap<Digest, usize>,
    /// Replicas that have ended by themselves, a sentence each.
    ended: Vec<String>,
}

impl<'f, 'a> Stage<'f, 'a> {
    fn new(set: &'f Set, committee: Committee, watch: Watch, audience: &'a mut Audience) -> Stage<'f, 'a> {
        Stage {
            set,
            committee,
            watch,
            audience,
            observations: Observations::new(set, committee),
            ledgers: Ledgers::new(committee),
            told: ReplicaSet::default(),
            armed: BTreeSet::new(),
            refused: None,
            began: unix_now(),
            answers: BTreeMap::new(),
            digests: BTreeMap::new(),
            ended: Vec::new(),
        }
    }

    /// One stage after the other.
    async fn play(mut self, args: &RunArgs, clients: Clients, patience: Duration) -> anyhow::Result<Stage<'f, 'a>> {
        self.link_up(&clients).await?;
        self.arm().await?;
        self.submit(args, &clients, patience).await?;
        self.come_to_rest().await;
        Ok(self)
    }

    /// Waits until the replicas that run and the clients are linked, so that nobody is suspected for a link that is not
    /// up yet.
    async fn link_up(&mut self, clients: &Clients) -> anyhow::Result<()> {
        let live = self.set.live.len() as u64;
        let deadline = Instant::now() + READY;
        self.watch.show("waiting until replicas are linked");
        let is_linked = |stage: &Self| {
            let links = |replica| stage.watch.frame(replica).map_or(0, |frame| frame.counters.links + 1);
            clients.are_linked(live) && stage.set.live.iter().all(|replica| links(replica) >= live)
        };
        while !is_linked(self) {
            let stepped = timeout_at(deadline, self.step()).await;
            ensure!(stepped.is_ok(), "replicas are not linked after {} s", READY.as_secs());
            ensure!(self.ended.is_empty(), "{}", self.ended.join("; "));
        }
        Ok(())
    }

    /// Sets the attacks, each on the replica that makes it, and waits until all of them are confirmed.
    async fn arm(&mut self) -> anyhow::Result<()> {
        let attackers = self.set.byzantine.iter().map(|node| (node, self.set.attacks_of(node)));
        let attackers: Vec<_> = attackers.filter(|(_, attacks)| !attacks.is_empty()).collect();
        for (node, attacks) in &attackers {
            self.watch.ask(*node, ConsoleRequest::Attack(Directive::join(attacks)));
        }
        let deadline = Instant::now() + READY;
        while !attackers.iter().all(|(node, _)| self.armed.contains(node)) {
            let stepped = timeout_at(deadline, self.step()).await;
            ensure!(stepped.is_ok(), "attacks are not confirmed after {} s", READY.as_secs());
            if let Some(why) = &self.refused {
                anyhow::bail!("{why}");
            }
        }
        Ok(())
    }

    /// Submits every transaction and waits for what comes of it.
    async fn submit(&mut self, args: &RunArgs, clients: &Clients, patience: Duration) -> anyhow::Result<()> {
        let mut submitter = Submitter::start(clients, self.set, args.order, patience)?;
        self.began = unix_now();
        let mut shown = None;
        loop {
            let news = Some((self.answers.len(), self.watch.view()));
            if shown != news {
                self.show_answers();
                shown = news;
            }
            clients.believe(self.common_view());
            tokio::select! {
                fate = submitter.next() => match fate {
                    Some((place, fate)) => self.on_fate(place, fate),
                    None => return Ok(()),
                },
                () = self.step() => {}
            }
        }
    }

    fn on_fate(&mut self, place: usize, fate: Fate) {
        let transaction = self.set.transactions[place];
        match fate {
            Fate::Submitted => self.audience.tell(FeedEvent::Case(CaseEvent::Submitted(transaction))),
            Fate::Answered(answer, digest) => {
                self.audience.tell(FeedEvent::Case(CaseEvent::Answered(transaction, answer.clone())));
                self.answers.insert(place, answer);
                self.digests.extend(digest.map(|digest| (digest, place)));
                // A slot's log is gone once a checkpoint is stable: whoever is asked often sees it all.
                self.ask_all();
            }
        }
    }

    fn show_answers(&self) {
        let (answered, of) = (self.answers.len(), self.set.transactions.len());
        self.watch.show(&format!("{answered} of {of} transactions  view {}", self.watch.view()));
    }

    /// The highest view that f+1 replicas are in or beyond: one of them is honest.
    fn common_view(&self) -> View {
        let frames = self.set.live.iter().filter_map(|replica| self.watch.frame(replica));
        let mut views: Vec<View> = frames.map(|frame| frame.status.view).collect();
        views.sort_unstable_by(|a, b| b.cmp(a));
        views.get(self.committee.weak_quorum() - 1).copied().unwrap_or_default()
    }

    /// Asks replicas where they stand until honest ones are at one place and stay there, or patience ends.
    async fn come_to_rest(&mut self) {
        self.watch.show("waiting until replicas have come to rest");
        let deadline = Instant::now() + REST;
        let mut before: Option<(SeqNum, View)> = None;
        loop {
            let next_round = Instant::now() + ROUND;
            self.ask_all();
            while !self.has_told_all() && timeout_at(deadline.max(next_round), self.step()).await.is_ok() {}
            let place = if self.has_told_all() { self.ledgers.common_place(self.judged()) } else { None };
            if (place.is_some() && place == before) || Instant::now() >= deadline {
                return;
            }
            before = place;
            while timeout_at(next_round, self.step()).await.is_ok() {}
        }
    }

    /// The replicas whose state matters: the honest ones, or all if there are none.
    fn judged(&self) -> ReplicaSet {
        let honest = self.set.honest_live();
        if honest.is_empty() { self.set.live } else { honest }
    }

    /// Asks every replica for its state.
    fn ask_all(&mut self) {
        self.told = ReplicaSet::default();
        for replica in self.set.live.iter() {
            self.watch.ask(replica, ConsoleRequest::Ledger);
        }
    }

    fn has_told_all(&self) -> bool {
        self.set.live.iter().all(|replica| self.told.contains(replica))
    }

    /// Takes in one piece of news, or passes on what somebody at a screen wants to know.
    async fn step(&mut self) {
        let news = tokio::select! {
            news = self.watch.step() => news,
            request = self.audience.request() => {
                return request.into_iter().for_each(|(replica, request)| self.watch.ask(replica, request));
            }
        };
        self.audience.hear(&mut self.watch, &news);
        match news {
            News::Frame(replica) => {
                if let Some(frame) = self.watch.frame(replica) {
                    self.observations.fold(frame);
                }
            }
            News::Done(replica, _) => {
                self.armed.insert(replica);
            }
            News::Refused(replica, why) => self.refused = Some(format!("{replica} refuses its attack: {why}")),
            News::Ledger(ledger) => {
                self.told.insert(ledger.replica);
                self.ledgers.insert(*ledger);
            }
            News::Life(replica, Life::Ended { how, .. }) => self.ended.push(format!("the process of {replica} {how}")),
            News::Life(..) | News::Link => {}
        }
    }

    /// What came of the set.
    fn found(&self, args: &RunArgs) -> Found {
        let unanswered = Answer { outcome: Outcome::Timeout, latency: Micros(0) };
        let answer = |place| self.answers.get(&place).cloned().unwrap_or_else(|| unanswered.clone());
        let standings = self.ledgers.all().filter_map(|(replica, ledger)| Some((replica, bank::standing(ledger)?)));
        let mut found = Found {
            transactions: (0..self.set.transactions.len()).map(answer).collect(),
            replicas: standings.collect(),
            evidence: self.observations.evidence(),
            violations: [self.ended.clone(), self.observations.violations()].concat(),
        };
        found.violations.extend(bank::contradictions(self.set, args.order, &found));
        found
    }
}
