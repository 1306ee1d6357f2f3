//! What ordering protocols share: the trait, what goes in and out, certificates, votes and watermarks.
//!
//! A protocol is a deterministic state machine. It gets verified messages, the time as an argument and a view of the
//! pending requests; it answers with [`Output`]s in the order in which they are to be performed. It holds no key, no
//! socket and no clock, and it knows neither the application nor who drives it.

mod certificate;
mod checkpoint;
mod event;
mod pacing;
mod progress;
mod settings;
mod votes;
mod watermarks;
mod work;

pub use certificate::Certificate;
pub use checkpoint::{Checkpoint, CheckpointCertificate};
pub use event::{Complaint, Event, Tampering, ViewChangeShown};
pub(crate) use pacing::Pacing;
pub use progress::TransferProgress;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
pub use settings::{Settings, SettingsError};
pub use votes::{Cast, Votes};
pub use watermarks::Watermarks;
pub use work::Work;

use crate::committee::Committee;
use crate::crypto::{Author, Check, Kind, Signature, Signer, Statement, Verified};
use crate::durable::{Damaged, Image, Write};
use crate::rejection::Rejection;
use crate::types::{Digest, ProtocolName, ReplicaId, ReplicaSet, SeqNum, Time, View};
use crate::wire;

/// The submissions of one slot, by digest, in execution order. The empty batch is the null request.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Batch {
    /// Digests of the submissions.
    #[serde(deserialize_with = "wire::at_most::<_, _, { Batch::MAX_SUBMISSIONS }>")]
    pub submissions: Vec<Digest>,
}

impl Batch {
    /// The most submissions that a slot can order.
    pub const MAX_SUBMISSIONS: usize = 1024;

    /// The digest that is voted on. The null request's is [`Digest::ZERO`].
    pub fn digest(&self) -> Digest {
        if self.is_null() {
            return Digest::ZERO;
        }
        let bytes: Vec<u8> = self.submissions.iter().flat_map(|digest| digest.0).collect();
        Digest::of("batch", &[&bytes])
    }

    /// Whether this is the null request, which advances the sequence and executes nothing (rule 13).
    pub fn is_null(&self) -> bool {
        self.submissions.is_empty()
    }

    /// Whether no submission is named twice.
    pub fn is_well_formed(&self) -> bool {
        let distinct: std::collections::BTreeSet<&Digest> = self.submissions.iter().collect();
        distinct.len() == self.submissions.len()
    }
}

/// An ordering protocol: inputs in, outputs out.
pub trait Protocol: Send + 'static {
    /// What its replicas say to each other.
    type Message: Message;

    /// Its name.
    const NAME: ProtocolName;

    /// What it calls whoever leads a view.
    const LEADER: &'static str;

    /// Whether one replica counts the votes for all, and tells them; a slot for which all have voted may then be decided
    /// without the last phase.
    const HAS_COLLECTOR: bool;

    /// What its phases are called, in order; the last one's end commits a slot.
    const PHASES: &'static [&'static str];

    /// A replica at the beginning of time.
    fn new(me: ReplicaId, committee: Committee, settings: &Settings) -> Self;

    /// The replica starts. `has_lost_log`: it may have voted before and does not know what, or not all of it, though an older
    /// part of its log may be there (rule 29).
    fn on_start(&mut self, cx: &mut Context<'_, Self::Message>, has_lost_log: bool);

    /// Appends what has to be on the disk before anything that was said since the last time leaves, and gives the batches
    /// whose bodies have to be there too.
    fn take_writes(&mut self, writes: &mut Vec<Write>) -> Vec<Batch>;

    /// Nothing is written: there is no disk.
    fn forget_writes(&mut self);

    /// Reads back what was written, before it starts. `stable` is the checkpoint that the replica's state is at.
    ///
    /// # Errors
    ///
    /// [`Damaged`] if that is not what was written.
    fn restore(&mut self, image: &Image, stable: &CheckpointCertificate) -> Result<(), Damaged>;

    /// What was written of each slot, ascending, for people to look at.
    ///
    /// # Errors
    ///
    /// [`Damaged`] if that is not what was written.
    fn logged(image: &Image) -> Result<Vec<LoggedSlot>, Damaged>;

    /// The pool has something to propose.
    fn on_request(&mut self, cx: &mut Context<'_, Self::Message>);

    /// These bodies, which were asked for with [`Output::NeedBodies`], are in the pool.
    fn on_bodies(&mut self, cx: &mut Context<'_, Self::Message>, arrived: &[Digest]);

    /// A message, from a peer or from this replica itself once it has been signed.
    ///
    /// # Errors
    ///
    /// Why it was refused, state taken into account.
    fn on_message(
        &mut self,
        cx: &mut Context<'_, Self::Message>,
        from: ReplicaId,
        message: Verified<Self::Message>,
    ) -> Result<(), Rejection>;

    /// A timer that was set has run out.
    fn on_timeout(&mut self, cx: &mut Context<'_, Self::Message>, timer: Timer);

    /// The slot has been executed; slots are executed strictly in order. `served_since`: when the longest waiting of the
    /// requests that ran in it for the first time was admitted here, if one was.
    fn on_executed(&mut self, cx: &mut Context<'_, Self::Message>, seq: SeqNum, served_since: Option<Time>);

    /// A checkpoint is stable, and this replica's state has reached it: what lies at or below it may be collected.
    fn on_stable_checkpoint(&mut self, cx: &mut Context<'_, Self::Message>, certificate: &CheckpointCertificate);

    /// The state was replaced by that of a stable checkpoint: one beyond what this replica had executed, or an earlier one
    /// if its own state differed from that. What is known to be decided above the checkpoint is to be executed, again too.
    fn on_state_installed(&mut self, cx: &mut Context<'_, Self::Message>, certificate: &CheckpointCertificate);

    /// A proof of what the accused did in a view was verified. Against that view's primary it starts a view change.
    fn on_proof(&mut self, cx: &mut Context<'_, Self::Message>, accused: ReplicaId, view: View);

    /// Whether the log accounts for a statement that this replica signed and a peer showed.
    ///
    /// An intact log accounts for each, since a statement is written before it is sent.
    fn accounts_for(&self, own: &OwnStatement) -> bool;

    /// A peer showed a statement of this replica that the log does not account for: the log is an old copy. From here on the
    /// replica does what one does that lost its log (rule 29).
    fn on_old_log(&mut self, cx: &mut Context<'_, Self::Message>, shown: OwnStatement);

    /// Where the replica stands.
    fn status(&self) -> Status;

    /// The unexecuted slots it knows of, ascending, with the phase each has completed; at most one window.
    fn slots(&self) -> Vec<(SeqNum, SlotPhase)>;

    /// What it has done so far for what others sent.
    fn work(&self) -> Work;

    /// How full each queue, map and log is that grows with what others send.
    fn queues(&self, visit: &mut dyn FnMut(QueueLevel));

    /// The votes it holds for a slot that is still in its log, or else for the newest one with a proposal.
    fn votes(&self, seq: Option<SeqNum>) -> Option<SlotVotes>;
}

/// What a protocol's messages must offer to the layers around it.
pub trait Message:
    Check + Clone + PartialEq + std::fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// Which stream it travels on.
    fn class(&self) -> Class;

    /// The paper's name of the message.
    fn name(&self) -> &'static str;

    /// The view and slot it speaks of, where it speaks of one.
    fn slot(&self) -> Option<(View, SeqNum)>;

    /// What it is about, for whoever follows the course of a slot or of a view change; `None` if of neither.
    fn topic(&self) -> Option<Topic>;

    /// Signs every blank signature whose author is the signer.
    fn fill_signatures(&mut self, signer: &Signer);

    /// Every signature in it, for whoever wants to spoil them.
    fn signatures_mut(&mut self) -> Vec<&mut Signature>;

    /// The signed statements in it that could contradict others: what the auditor remembers.
    fn claims(&self, committee: Committee) -> Vec<Claim>;

    /// Whose guilt the message proves by itself, its signatures being good.
    fn incriminates(&self, committee: Committee) -> Option<ReplicaId>;

    /// Who asks for which view with it.
    fn asks_for(&self) -> Option<(ReplicaId, View)>;

    /// Whether its answer may be much longer than it is: those are paced for each peer.
    fn asks_for_much(&self) -> bool;

    /// The requests for a view in it: its own, or those with which it begins one.
    fn view_changes(&self) -> Vec<ViewChangeRecord>;

    /// Where its sender stands, if it is a report of that: in which view, and after which executed slot.
    fn reports(&self) -> Option<(View, SeqNum)>;
}

/// A request for a view, as far as it can be compared whatever the protocol.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ViewChangeRecord {
    /// Who asks.
    pub replica: ReplicaId,
    /// For which view.
    pub view: View,
    /// The stable checkpoint that it shows.
    pub stable: SeqNum,
    /// The slots of which it shows something, and for each the view and batch of its prepared certificate, if it shows one.
    pub slots: Vec<(SeqNum, Option<(View, Digest)>)>,
}

/// What a message is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Topic {
    /// What is ordered in a slot.
    Slot {
        /// In which view.
        view: View,
        /// Which slot.
        seq: SeqNum,
        /// The batch that it speaks for.
        digest: Digest,
    },
    /// Whether and how a view begins.
    View(View),
}

/// How full a queue is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueLevel {
    /// What is in it, for people: `unexecuted slots`.
    pub name: &'static str,
    /// How many there are.
    pub len: usize,
    /// How many there may be at most.
    pub bound: usize,
}

impl Claim {
    /// The replica that made it; `None` for a client's.
    pub fn replica(&self) -> Option<ReplicaId> {
        match self.statement.author {
            Author::Replica(replica) => Some(replica),
            Author::Client(_) => None,
        }
    }
}

/// A signed statement, and what it assigned where it is a proposal whose batch is known.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Claim {
    /// What was signed.
    pub statement: Statement,
    /// By its author.
    pub signature: Signature,
    /// The batch behind the digest of a proposal.
    pub batch: Option<Batch>,
}

/// A statement that a replica signed itself, as a peer shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum OwnStatement {
    /// A statement about a slot, or the new view with which it began a view.
    Signed(Statement),
    /// Its request for a view, which a new view of another carries.
    ViewChange(View),
}

impl std::fmt::Display for OwnStatement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            OwnStatement::Signed(Statement { kind, view, seq, .. }) if seq.0 == 0 => {
                write!(f, "{} v{view}", kind.name())
            }
            OwnStatement::Signed(Statement { kind, view, seq, .. }) => write!(f, "{} v{view} s{seq}", kind.name()),
            OwnStatement::ViewChange(view) => write!(f, "{} v{view}", Kind::ViewChange.name()),
        }
    }
}

/// Streams: votes are never delayed by proposals, nor both by bodies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Class {
    /// Small and urgent.
    Vote,
    /// What is voted on, and view changes.
    Proposal,
    /// Bodies, state, history.
    Bulk,
}

/// Who gets a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recipients {
    /// Every replica; the sender hears itself too, once the message has been signed.
    All,
    /// One other replica.
    One(ReplicaId),
}

/// The timers of a replica, of whatever layer. Setting one again moves it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Timer {
    /// The oldest pending request has waited too long.
    Request,
    /// The answers to a question for commit certificates are due.
    Ask,
    /// A view change should have ended.
    ViewChange,
    /// Tell the peers where this replica stands.
    Status,
    /// Give long pending bodies to the primary.
    Forward,
    /// Bodies that did not come by themselves are to be fetched.
    Bodies,
    /// All votes of a slot were waited for long enough.
    FastPath,
    /// A part of the state should have arrived.
    StateTransfer,
    /// The attack layer releases what it held back, or does something of its own accord.
    Delayed,
}

impl Timer {
    /// Every timer, in the order of its place.
    pub const ALL: [Timer; 9] = [
        Timer::Request,
        Timer::Ask,
        Timer::ViewChange,
        Timer::Status,
        Timer::Forward,
        Timer::Bodies,
        Timer::FastPath,
        Timer::StateTransfer,
        Timer::Delayed,
    ];
}

/// What a protocol wants done, in order.
#[derive(Clone, PartialEq, Debug)]
pub enum Output<M> {
    /// Send a message; blanks are signed on the way out.
    Send(Recipients, M),
    /// Wake the protocol at a time.
    SetTimer(Timer, Time),
    /// Forget a timer.
    CancelTimer(Timer),
    /// The pool lacks these bodies, which `holder` must have; `on_bodies` is called when one has come.
    NeedBodies {
        /// Digests of the submissions.
        digests: Vec<Digest>,
        /// Whoever proposed or committed them.
        holder: ReplicaId,
    },
    /// The slot is decided.
    Commit {
        /// Which slot.
        seq: SeqNum,
        /// In which view it was decided.
        view: View,
        /// What it orders.
        batch: Batch,
    },
    /// A stable checkpoint was learnt on the way; the replica may be behind it.
    LearnedCheckpoint(CheckpointCertificate),
    /// Something that an observer may want to know.
    Note(Event),
}

/// What a protocol sees of the requests that wait to be ordered.
pub trait Pool {
    /// Takes the longest waiting submissions that were not taken since the last [`Pool::begin_view`], fairly among
    /// clients; at most `limit`. The batch may be empty.
    fn take_batch(&mut self, limit: usize) -> Batch;

    /// Whether [`Pool::take_batch`] would find something.
    fn has_unproposed(&self) -> bool;

    /// A new view begins: everything pending may be taken again, apart from what `forced` batches bring along.
    fn begin_view(&mut self, forced: &[&Batch]);

    /// After a restart: what slots of this view name already, which may arrive anew and is not taken again.
    fn already_proposed(&mut self, batches: &[&Batch]);

    /// Which of the bodies are not here.
    fn missing(&self, batch: &Batch) -> Vec<Digest>;

    /// A proposal for the slot names these submissions: bodies that are here stay until the slot is behind a stable
    /// checkpoint.
    fn hold(&mut self, batch: &Batch, seq: SeqNum);

    /// Since when the longest waiting admitted and unexecuted submission has waited.
    fn oldest_pending_since(&self) -> Option<Time>;
}

/// What a handler works with: who it is, what time it is, what is pending, and where its outputs go.
pub struct Context<'a, M> {
    /// The time of this input.
    pub now: Time,
    /// The requests that wait.
    pub pool: &'a mut dyn Pool,
    outputs: &'a mut Vec<Output<M>>,
}

impl<'a, M> Context<'a, M> {
    /// A context whose outputs are appended to `outputs`.
    pub fn new(now: Time, pool: &'a mut dyn Pool, outputs: &'a mut Vec<Output<M>>) -> Self {
        Context { now, pool, outputs }
    }

    /// Appends an output.
    pub fn emit(&mut self, output: Output<M>) {
        self.outputs.push(output);
    }

    /// Sends a message.
    pub fn send(&mut self, to: Recipients, message: M) {
        self.emit(Output::Send(to, message));
    }

    /// Notes an event.
    pub fn note(&mut self, event: Event) {
        self.emit(Output::Note(event));
    }
}

/// Where a replica's protocol stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The view it is in, or was last in.
    pub view: View,
    /// The view that it asks for.
    pub asking_for: Option<View>,
    /// Who leads.
    pub leader: ReplicaId,
    /// The last stable checkpoint, h.
    pub stable: SeqNum,
    /// The last executed slot.
    pub executed: SeqNum,
    /// The slot it must see stable before it takes part again, if it lost its log.
    pub observing_until: Option<SeqNum>,
    /// The transfer of the state that is under way; the protocol itself knows of none.
    pub transfer: Option<TransferProgress>,
}

/// What a replica's disk holds of a slot.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LoggedSlot {
    /// Which slot.
    pub seq: SeqNum,
    /// The proposal that the replica voted for last: in which view, and for which batch.
    pub voted: Option<(View, Digest)>,
    /// The prepared certificate of the highest view.
    pub prepared: Option<(View, Digest)>,
    /// The highest view in which it said COMMIT.
    pub committed_in: Option<View>,
    /// What was decided, in which view, and whether all had voted at once.
    pub decided: Option<(View, Digest, bool)>,
    /// How many submissions the batch orders; `None` if the batch is not there.
    pub submissions: Option<usize>,
}

/// How far a slot has come on a replica.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum SlotPhase {
    /// Votes came, no proposal.
    Empty,
    /// The proposal is accepted.
    PrePrepared,
    /// A quorum has prepared it.
    Prepared,
    /// A quorum has committed it.
    Committed,
    /// It has been executed.
    Executed,
}

/// The votes of one slot as one replica holds them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SlotVotes {
    /// The slot.
    pub seq: SeqNum,
    /// The view of these votes.
    pub view: View,
    /// One entry per voting phase, in the protocol's order.
    pub phases: Vec<PhaseVotes>,
    /// Whether it was decided without the last phase, as all had voted before.
    pub is_fast: bool,
}

/// The votes of one phase.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PhaseVotes {
    /// The phase's name.
    pub phase: String,
    /// What each counted replica voted for; the primary's pre-prepare counts as its prepare.
    pub by_digest: Vec<(Digest, ReplicaSet)>,
    /// How many matching votes end the phase.
    pub needed: u8,
}

/// Whether `sender` is the replica in whose name a message speaks (rule 3).
///
/// # Errors
///
/// [`Rejection::NotTheSender`] if not.
pub fn check_sender(claimed: ReplicaId, sender: Author) -> Result<(), Rejection> {
    if sender == Author::Replica(claimed) { Ok(()) } else { Err(Rejection::NotTheSender { claimed }) }
}

/// Whether two statements of one author can not both come from an honest one.
///
/// An honest replica says one thing per kind, view and slot, and proposes one batch whether it is its own or forced. A client's submissions and a view change's resends are
/// told apart by their digests and contradict nothing.
pub fn contradict(a: &Statement, b: &Statement) -> bool {
    let is_once_per_slot = match a.kind {
        Kind::PrePrepare | Kind::Forced | Kind::Prepare | Kind::Commit | Kind::Checkpoint | Kind::NewView => true,
        Kind::Submission | Kind::ViewChange => false,
    };
    let is_proposal = |kind| matches!(kind, Kind::PrePrepare | Kind::Forced);
    is_once_per_slot
        && (a.kind == b.kind || is_proposal(a.kind) && is_proposal(b.kind))
        && a.author == b.author
        && a.view == b.view
        && a.seq == b.seq
        && a.digest != b.digest
}
