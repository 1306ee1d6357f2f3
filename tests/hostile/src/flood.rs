//! What is sent, by whom, and how it is counted.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use byztop_certs::{ClusterDirectory, Role};
use byztop_core::app::smallbank::MAX_OPERATIONS;
use byztop_core::attack::junk::{self, Junk, Source};
use byztop_core::crypto::{Author, Signed};
use byztop_core::pbft;
use byztop_core::protocol::Class;
use byztop_core::replica::{PeerMessage, Submission};
use byztop_core::types::{ClientId, Digest, ReplicaId, Session, Timestamp};
use tokio::task::JoinSet;

use crate::liar;
use crate::member::{self, Door, Manners};

type Peer = PeerMessage<pbft::Message>;

/// What is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// What the attack `junk` sends as well, as fast as the other side takes it.
    Junk(Junk),
    /// Links of one replica, none of which lets the other side send, each of them full of what nobody reads.
    ReplicaMemory,
    /// The same as a client.
    ClientMemory,
    /// Submissions with junk signatures, from a client.
    Submissions,
    /// Consoles of one observer, as many as are let in.
    Consoles,
    /// What a replica tells the consoles that watch it: lies, as many as they take.
    Lies,
}

impl Kind {
    /// All of them, in the order of the names in the help.
    pub fn all() -> impl Iterator<Item = Kind> {
        let others = [Kind::ReplicaMemory, Kind::ClientMemory, Kind::Submissions, Kind::Consoles, Kind::Lies];
        Junk::ALL.into_iter().map(Kind::Junk).chain(others)
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Junk(junk) => junk.name(),
            Kind::ReplicaMemory => "replica-memory",
            Kind::ClientMemory => "client-memory",
            Kind::Submissions => "submissions",
            Kind::Consoles => "consoles",
            Kind::Lies => "lies",
        }
    }

    /// Whose keys it is made with: those of n1, of the last client or of the observer.
    pub fn role(self, directory: &ClusterDirectory) -> Role {
        let last_client = directory.config().clients.len().saturating_sub(1);
        match self {
            Kind::ClientMemory | Kind::Submissions => Role::Client(ClientId(u16::try_from(last_client).unwrap_or(0))),
            Kind::Consoles => Role::Observer,
            _ => Role::Replica(ReplicaId(0)),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Kind, String> {
        let names = || Kind::all().map(Kind::name).collect::<Vec<_>>().join(", ");
        Kind::all().find(|kind| kind.name() == text).ok_or_else(|| format!("{text} is none of {}", names()))
    }
}

/// What an attack has done so far.
#[derive(Debug, Default)]
pub struct Tally {
    /// Frames, or connections that were let in.
    pub sent: AtomicU64,
    /// Bytes that the other side took.
    pub bytes: AtomicU64,
    /// Connections that ended.
    pub ended: AtomicU64,
}

impl Tally {
    pub(crate) fn sent(&self, bytes: usize) {
        self.sent.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// Attacks all replicas but the attacker until it is dropped, or for ever.
///
/// # Errors
///
/// If the attacker's keys can not be read.
pub async fn run(directory: Arc<ClusterDirectory>, kind: Kind, tally: Arc<Tally>) -> anyhow::Result<()> {
    let (members, role) = (directory.config().committee().members(), kind.role(&directory));
    let targets: Vec<ReplicaId> = members.filter(|target| Role::Replica(*target) != role).collect();
    directory.identity(role).context("the attacker's identity")?;
    if kind == Kind::Lies {
        return liar::serve(directory, tally).await;
    }
    let known = match kind {
        Kind::Junk(Junk::Fetch) => Some(plant(&directory, &targets).await?),
        _ => None,
    };
    let mut tasks = JoinSet::new();
    for target in targets {
        let (directory, tally) = (directory.clone(), tally.clone());
        match kind {
            Kind::ReplicaMemory | Kind::ClientMemory => {
                tasks.spawn(fill(directory, role, target, tally));
            }
            Kind::Consoles => {
                tasks.spawn(watch(directory, target, tally));
            }
            _ => {
                let (lane, frames) = frames(kind, &directory, known)?;
                tasks.spawn(pour(directory, role, target, lane, frames, tally));
            }
        }
    }
    while tasks.join_next().await.is_some() {}
    Ok(())
}

/// Of how many slots the beginning of a view speaks: 4.7 MB of signatures if there are four replicas.
const NEW_VIEW_SLOTS: u64 = 4096;

/// How many turns of junk differ; the same ones are sent again after them.
const TURNS: u64 = 16;

/// What a member repeats, and on which of a replica's streams.
fn frames(kind: Kind, directory: &ClusterDirectory, known: Option<Digest>) -> anyhow::Result<(Option<usize>, Vec<u8>)> {
    match kind {
        Kind::Junk(junk) => {
            let (me, config) = (ReplicaId(0), directory.config());
            let (committee, window_slots) = (config.committee(), config.settings.window_slots);
            let signer = &directory.signer(Author::Replica(me))?;
            let source = Source { me, committee, window_slots, new_view_slots: NEW_VIEW_SLOTS, signer, known };
            // The others are the same each time, or so long that one is enough.
            let turns = if junk == Junk::Bodies { TURNS } else { 1 };
            let messages: Vec<Peer> = (0..turns).flat_map(|turn| junk.messages(&source, turn)).collect();
            // What is long comes with bodies and state, whatever it is; on the stream of votes it would end the link.
            let lane = messages.last().map(|message| match message {
                PeerMessage::Proof(_) => Class::Bulk,
                message => message.class(),
            });
            let lane = lane.map(|class| class as usize);
            Ok((lane, messages.iter().flat_map(member::frame).collect()))
        }
        Kind::Submissions => {
            let Role::Client(client) = kind.role(directory) else { unreachable!("a client submits") };
            Ok((None, (0..64).flat_map(|number| member::frame(&junk::submission(client, number))).collect()))
        }
        Kind::ReplicaMemory | Kind::ClientMemory | Kind::Consoles | Kind::Lies => Ok((None, Vec::new())),
    }
}

/// Has all replicas hold a submission that is as long as one can be, in the name of the last client: there is a body to draw.
async fn plant(directory: &ClusterDirectory, targets: &[ReplicaId]) -> anyhow::Result<Digest> {
    let Role::Client(client) = Kind::Submissions.role(directory) else { unreachable!("a client submits") };
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
    let submission = Signed::by(
        &directory.signer(Author::Client(client))?,
        Submission {
            session: Session { client, index: 0 },
            timestamp: Timestamp(u64::try_from(now)?),
            // The balance of account 1, as often as fits.
            operations: [1, 1].repeat(MAX_OPERATIONS),
        },
    );
    for target in targets {
        let role = Role::Client(client);
        let connection = member::connect(directory, role, *target, Door::Protocol, Manners::Good).await?;
        let mut stream = connection.open_uni().await?;
        stream.write_all(&member::frame(&submission)).await?;
        stream.finish()?;
        // It is there once the replica has read it to its end.
        stream.stopped().await?;
    }
    Ok(submission.body.digest())
}

/// How long an attacker that was hung up on waits.
const PAUSE: Duration = Duration::from_millis(300);

/// The same frames again and again on one stream of a connection.
async fn pour(
    directory: Arc<ClusterDirectory>,
    role: Role,
    target: ReplicaId,
    lane: Option<usize>,
    frames: Vec<u8>,
    tally: Arc<Tally>,
) {
    loop {
        let link = async {
            let connection = member::connect(&directory, role, target, Door::Protocol, Manners::Good).await?;
            // A client has one stream and no lanes.
            let mut streams = match lane {
                Some(_) => Vec::from(member::link(&connection).await?),
                None => vec![connection.open_uni().await?],
            };
            loop {
                streams[lane.unwrap_or(0)].write_all(&frames).await?;
                tally.sent(frames.len());
            }
        };
        let _ended: anyhow::Result<()> = link.await;
        tally.ended.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(PAUSE).await;
    }
}

/// How many connections one attacker opens to each replica.
pub const CONNECTIONS: u64 = 250;
/// How far apart.
const PACE: Duration = Duration::from_millis(50);
/// What is pressed into each stream.
const STREAM_BYTES: usize = 8 << 20;

/// Connections whose streams nobody reads.
async fn fill(directory: Arc<ClusterDirectory>, role: Role, target: ReplicaId, tally: Arc<Tally>) {
    let mut tasks = JoinSet::new();
    for number in 0..CONNECTIONS {
        let (directory, tally) = (directory.clone(), tally.clone());
        tasks.spawn(async move {
            tokio::time::sleep(PACE * u32::try_from(number).unwrap_or(0)).await;
            let Ok(connection) = member::connect(&directory, role, target, Door::Protocol, Manners::NoStreams).await
            else {
                tally.ended.fetch_add(1, Ordering::Relaxed);
                return;
            };
            tally.sent(0);
            let mut streams = JoinSet::new();
            for first in member::LANES {
                let (connection, tally) = (connection.clone(), tally.clone());
                streams.spawn(async move {
                    let mut stream = connection.open_uni().await?;
                    stream.write_all(&[first]).await?;
                    let junk = vec![0xAA; 64 << 10];
                    let mut left = STREAM_BYTES;
                    while left > 0 {
                        let written = stream.write(&junk[..left.min(junk.len())]).await?;
                        left -= written;
                        tally.bytes.fetch_add(written as u64, Ordering::Relaxed);
                    }
                    // The frame that has begun never ends.
                    std::future::pending::<anyhow::Result<()>>().await
                });
            }
            connection.closed().await;
            tally.ended.fetch_add(1, Ordering::Relaxed);
        });
    }
    while tasks.join_next().await.is_some() {}
}

/// Consoles that say nothing, as many as are let in.
async fn watch(directory: Arc<ClusterDirectory>, target: ReplicaId, tally: Arc<Tally>) {
    let mut held = Vec::new();
    loop {
        match member::connect(&directory, Role::Observer, target, Door::Control, Manners::Good).await {
            Ok(connection) => {
                tally.sent(0);
                held.push(connection);
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
        let before = held.len();
        held.retain(|connection| connection.close_reason().is_none());
        tally.ended.fetch_add((before - held.len()) as u64, Ordering::Relaxed);
        tokio::time::sleep(PACE).await;
    }
}
