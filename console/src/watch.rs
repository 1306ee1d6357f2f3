//! Keeps up with the replicas of a cluster that nobody looks at: until they answer, while they are loaded, until they
//! have come to rest.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use byztop_core::telemetry::{ConsoleMessage, ConsoleRequest, Frame, Ledger};
use byztop_core::types::{Digest, ReplicaId, ReplicaSet, SeqNum, View};
use byztop_node::control::LinkEvent;
use byztop_node::load::{Load, LoadReport};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::clock::unix_now;
use crate::launch::Life;
use crate::progress::Progress;
use crate::session::{Links, link_event, process_event};
use crate::summary::{InTheEnd, ReplicaState};
use crate::tui::{FeedEvent, Writer};

/// How long replicas may take to start and answer.
const CONNECT: Duration = Duration::from_secs(15);

/// How long the last operations may take to be answered.
const DRAIN: Duration = Duration::from_secs(15);

/// How long replicas may take to come to the same state once nothing is asked of them.
const SETTLE: Duration = Duration::from_secs(15);

/// How often progress is shown.
pub(crate) const PROGRESS: Duration = Duration::from_millis(500);

/// What one replica last said.
#[derive(Clone, Debug, Default)]
struct Seen {
    is_up: bool,
    /// Its process, while the link is up.
    pid: Option<u32>,
    frame: Option<Box<Frame>>,
    /// Why the link is down, if it was tried.
    why_down: Option<String>,
}

impl Seen {
    /// Its state, if it is at rest.
    fn at_rest(&self) -> Option<(SeqNum, Digest)> {
        let frame = self.frame.as_ref().filter(|_| self.is_up)?;
        frame.executed_digest.filter(|(seq, _)| *seq == frame.status.executed)
    }
}

/// What [`Watch::step`] took in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum News {
    /// Something happened to a process.
    Life(ReplicaId, Life),
    /// A replica has sent a frame; [`Watch::frame`] has it.
    Frame(ReplicaId),
    /// A replica has set or ended attacks; says what now holds, in the attack language.
    Done(ReplicaId, String),
    /// A replica refuses what it was asked for, and why.
    Refused(ReplicaId, String),
    /// A replica tells its state.
    Ledger(Box<Ledger>),
    /// A link changed.
    Link,
}

/// The replicas' links and what came over them.
pub(crate) struct Watch {
    links: Links,
    lives: mpsc::Receiver<(ReplicaId, Life)>,
    /// The replicas that were started.
    replicas: BTreeMap<ReplicaId, Seen>,
    view_changes: u64,
    /// What links have told since it was last taken, if somebody wants to have it.
    news: Option<Vec<(ReplicaId, LinkEvent)>>,
    /// Where everything is written that is heard, if somebody wants to see it later.
    recording: Option<Writer>,
    progress: Progress,
    /// What stands before every line of progress.
    prefix: String,
}

impl Watch {
    /// Nothing was heard yet of the replicas that were started.
    pub(crate) fn new(
        links: Links,
        lives: mpsc::Receiver<(ReplicaId, Life)>,
        started: ReplicaSet,
        progress: Progress,
        prefix: String,
    ) -> Watch {
        let replicas = started.iter().map(|replica| (replica, Seen::default())).collect();
        Watch { links, lives, replicas, view_changes: 0, news: None, recording: None, progress, prefix }
    }

    /// Writes what is heard from now on into a recording.
    pub(crate) fn record_to(&mut self, recording: Writer) {
        self.recording = Some(recording);
    }

    /// Writes an event into the recording, if there is one. One that can not be written ends it.
    pub(crate) fn record(&mut self, event: impl FnOnce() -> FeedEvent) {
        let Some(recording) = &mut self.recording else { return };
        if let Err(error) = recording.note(unix_now(), &event()) {
            let complaint = format!("{}: the recording has ended: {error}", recording.path().display());
            self.recording = None;
            self.progress.say(&complaint);
        }
    }

    /// Ends the recording; says how long it became.
    ///
    /// # Errors
    ///
    /// If its end can not be written.
    pub(crate) fn end_recording(&mut self) -> io::Result<()> {
        let Some(mut recording) = self.recording.take() else { return Ok(()) };
        recording.flush()?;
        let (kilobytes, path) = (recording.written_bytes().div_ceil(1000), recording.path().display());
        self.progress.say(&format!("recorded {kilobytes} kB; byztop replay {path} shows it"));
        Ok(())
    }

    /// Keeps what links tell from now on, for [`Watch::take_news`].
    pub(crate) fn keep_news(&mut self) {
        self.news.get_or_insert_default();
    }

    /// What links have told since the last time.
    pub(crate) fn take_news(&mut self) -> Vec<(ReplicaId, LinkEvent)> {
        self.news.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// What a replica last sent, if its link is up.
    pub(crate) fn frame(&self, replica: ReplicaId) -> Option<&Frame> {
        self.replicas.get(&replica)?.frame.as_deref()
    }

    /// A replica's process, if its link is up.
    pub(crate) fn pid(&self, replica: ReplicaId) -> Option<u32> {
        self.replicas.get(&replica)?.pid
    }

    /// Asks a replica for something.
    pub(crate) fn ask(&self, replica: ReplicaId, request: ConsoleRequest) {
        self.links.ask(replica, request);
    }

    /// Replaces the line of progress.
    pub(crate) fn show(&self, text: &str) {
        self.progress.show(&format!("{}{text}", self.prefix));
    }

    /// Something to keep, on a line of its own.
    pub(crate) fn say(&self, text: &str) {
        self.progress.say(text);
    }

    /// Takes the line of progress away.
    pub(crate) fn clear(&self) {
        self.progress.clear();
    }

    /// The highest view that a replica is in.
    pub(crate) fn view(&self) -> View {
        let frames = self.replicas.values().filter_map(|seen| seen.frame.as_ref());
        frames.map(|frame| frame.status.view).max().unwrap_or_default()
    }

    /// What replicas said in the end.
    pub(crate) fn in_the_end(&self) -> InTheEnd {
        InTheEnd { view_changes: self.view_changes, states: self.states(), messages: self.messages() }
    }

    /// Waits until every replica that was started answers.
    pub(crate) async fn connect(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + CONNECT;
        while self.replicas.values().any(|seen| !seen.is_up) {
            let up = self.replicas.values().filter(|seen| seen.is_up).count();
            self.show(&format!("{up} of {} replicas answer", self.replicas.len()));
            match timeout_at(deadline, self.step()).await {
                Ok(News::Life(replica, Life::Ended { how, .. })) => anyhow::bail!("{replica} {how} before it answered"),
                Ok(_) => {}
                Err(_) => anyhow::bail!("no answer after {} s from {}", CONNECT.as_secs(), self.silent()),
            }
        }
        Ok(())
    }

    /// Who does not answer, and why not.
    fn silent(&self) -> String {
        let silent = self.replicas.iter().filter(|(_, seen)| !seen.is_up);
        let of = |(replica, seen): (&ReplicaId, &Seen)| {
            let why = seen.why_down.as_deref().unwrap_or("no word yet");
            format!("{replica} ({why})")
        };
        silent.map(of).collect::<Vec<_>>().join(", ")
    }

    /// Who is not back in step, and how far each has come; nothing if everyone is.
    pub(crate) fn recovering(&self) -> String {
        let frames = self.replicas.values().filter_map(|seen| seen.frame.as_deref());
        let of = |frame: &Frame| match (frame.status.transfer, frame.status.observing_until) {
            (Some(transfer), _) => Some(format!("  {} transfer {transfer}", frame.replica)),
            (None, Some(SeqNum(0))) => Some(format!("  {} watches", frame.replica)),
            (None, Some(until)) => Some(format!("  {} watches until s{until}", frame.replica)),
            (None, None) => None,
        };
        frames.filter_map(of).collect()
    }

    /// Stops the load and waits for the last answers.
    pub(crate) async fn drain(&mut self, load: Load) -> LoadReport {
        self.show("waiting for the last answers");
        let mut drained = std::pin::pin!(load.stop_and_drain(DRAIN));
        loop {
            tokio::select! {
                report = &mut drained => return report,
                _ = self.step() => {}
            }
        }
    }

    /// Waits until what all replicas say from now on is the same.
    pub(crate) async fn settle(&mut self) {
        for seen in self.replicas.values_mut() {
            seen.frame = None;
        }
        let deadline = Instant::now() + SETTLE;
        let mut shown = Instant::now();
        self.show("waiting until replicas have come to rest");
        while !self.agree() {
            if shown.elapsed() >= PROGRESS {
                shown = Instant::now();
                self.show(&format!("waiting until replicas have come to rest{}", self.recovering()));
            }
            if timeout_at(deadline, self.step()).await.is_err() {
                return;
            }
        }
    }

    fn agree(&self) -> bool {
        let first = self.replicas.values().next().and_then(Seen::at_rest);
        first.is_some() && self.replicas.values().all(|seen| seen.at_rest() == first)
    }

    fn states(&self) -> Vec<ReplicaState> {
        let of = |(replica, seen): (&ReplicaId, &Seen)| {
            let replica = *replica;
            match seen.frame.as_ref().filter(|_| seen.is_up) {
                None => ReplicaState::unknown(replica),
                Some(frame) => {
                    let state = seen.at_rest().map(|(_, digest)| digest);
                    ReplicaState::known(replica, frame.status.view, frame.status.executed, state)
                        .costing(&frame.counters)
                }
            }
        };
        self.replicas.iter().map(of).collect()
    }

    /// What all of them have sent each other, by name.
    pub(crate) fn messages(&self) -> BTreeMap<String, u64> {
        let mut messages: BTreeMap<String, u64> = BTreeMap::new();
        for (name, count) in
            self.replicas.values().filter_map(|seen| seen.frame.as_ref()).flat_map(|frame| &frame.messages)
        {
            *messages.entry(name.clone()).or_default() += count;
        }
        messages
    }

    /// Takes in one event.
    pub(crate) async fn step(&mut self) -> News {
        tokio::select! {
            Some((replica, event)) = self.links.next() => {
                self.record(|| FeedEvent::Link(replica, link_event(event.clone())));
                self.on_link(replica, event)
            }
            Some((replica, life)) = self.lives.recv() => {
                self.record(|| FeedEvent::Process(replica, process_event(life.clone())));
                self.on_life(replica, &life);
                News::Life(replica, life)
            }
            // Every link task has failed: whoever waits has a deadline.
            else => std::future::pending().await,
        }
    }

    fn on_link(&mut self, replica: ReplicaId, event: LinkEvent) -> News {
        if let Some(news) = &mut self.news {
            news.push((replica, event.clone()));
        }
        let Some(seen) = self.replicas.get_mut(&replica) else { return News::Link };
        match event {
            LinkEvent::Up(welcome) => (seen.is_up, seen.pid) = (true, Some(welcome.pid)),
            LinkEvent::Down(why) => {
                tracing::info!("the link to {replica} is down: {why}");
                *seen = Seen { why_down: Some(why), ..Seen::default() };
            }
            LinkEvent::Message(ConsoleMessage::Frame(frame)) => {
                self.view_changes = self.view_changes.max(frame.counters.view_changes);
                seen.frame = Some(frame);
                return News::Frame(replica);
            }
            LinkEvent::Message(ConsoleMessage::Refused(why)) => return News::Refused(replica, why),
            LinkEvent::Message(ConsoleMessage::Done(active)) => return News::Done(replica, active),
            LinkEvent::Message(ConsoleMessage::Ledger(ledger)) if ledger.replica == replica => {
                return News::Ledger(ledger);
            }
            LinkEvent::Message(_) | LinkEvent::Connecting | LinkEvent::Rtt(_) | LinkEvent::Clock(_) => {}
        }
        News::Link
    }

    fn on_life(&self, replica: ReplicaId, life: &Life) {
        if let Life::Ended { how, log_tail } = life {
            self.progress.say(&format!("{replica} {how}"));
            log_tail.lines().for_each(|line| self.progress.say(&format!("  {replica}: {line}")));
        }
    }
}
