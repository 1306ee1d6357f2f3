//! What is sent, by whom, and how it is counted.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use byztop_certs::{ClusterDirectory, Role};
use byztop_core::app::smallbank::MAX_OPERATIONS;
use byztop_core::crypto::{Author, Signed};
use byztop_core::replica::{StateRequest, Submission};
use byztop_core::types::{ClientId, Digest, ReplicaId, SeqNum, Session, Timestamp, View};
use byztop_core::views::message::{Commit, Message};
use tokio::task::JoinSet;

use crate::liar;
use crate::made_up::{self, Peer};
use crate::member::{self, Door, Manners};

/// What is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// NEW-VIEWs with junk signatures by the thousand, from a replica.
    NewView,
    /// Its own VIEW-CHANGE, truly signed, around votes that nobody has cast; between two of them what makes up for a refused message.
    ViewChange,
    /// Proofs around such a NEW-VIEW.
    Proof,
    /// Bodies with junk signatures.
    Bodies,
    /// Votes with junk signatures.
    Votes,
    /// Requests for one body, named as often as fits.
    Fetch,
    /// Requests for parts of the state.
    State,
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
    pub const ALL: [(Kind, &'static str); 12] = [
        (Kind::NewView, "new-view"),
        (Kind::ViewChange, "view-change"),
        (Kind::Proof, "proof"),
        (Kind::Bodies, "bodies"),
        (Kind::Votes, "votes"),
        (Kind::Fetch, "fetch"),
        (Kind::State, "state"),
        (Kind::ReplicaMemory, "replica-memory"),
        (Kind::ClientMemory, "client-memory"),
        (Kind::Submissions, "submissions"),
        (Kind::Consoles, "consoles"),
        (Kind::Lies, "lies"),
    ];

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
        f.write_str(Kind::ALL.iter().find(|(kind, _)| kind == self).map_or("", |(_, name)| name))
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Kind, String> {
        let names = || Kind::ALL.map(|(_, name)| name).join(", ");
        let found = Kind::ALL.iter().find(|(_, name)| *name == text);
        found.map(|(kind, _)| *kind).ok_or_else(|| format!("{text} is none of {}", names()))
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
    let submission = match kind {
        Kind::Fetch => Some(plant(&directory, &targets).await?),
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
                let (lane, frames) = frames(kind, &directory, submission.as_ref())?;
                tasks.spawn(pour(directory, role, target, lane, frames, tally));
            }
        }
    }
    while tasks.join_next().await.is_some() {}
    Ok(())
}

/// How many good messages make up for a refused one that is short.
const GOOD_FOR_ONE_BAD: usize = 16;

/// What a member repeats, and on which of a replica's streams.
fn frames(
    kind: Kind,
    directory: &ClusterDirectory,
    known: Option<&Signed<Submission>>,
) -> anyhow::Result<(Option<usize>, Vec<u8>)> {
    let replicas = u8::try_from(directory.config().replicas.len()).expect("at most 100 replicas");
    let slots = directory.config().settings.window_slots;
    let protocol = |message| member::frame(&Peer::Protocol(message));
    Ok(match kind {
        Kind::NewView => (Some(1), protocol(made_up::new_view(replicas, 4096))),
        Kind::ViewChange => {
            let n1 = directory.signer(Author::Replica(ReplicaId(0)))?;
            let good = protocol(made_up::vote(&n1)).repeat(GOOD_FOR_ONE_BAD);
            (Some(1), [good, protocol(made_up::view_change(&n1, replicas, slots))].concat())
        }
        Kind::Proof => (Some(2), member::frame(&made_up::proof(replicas, slots))),
        Kind::Bodies => (Some(2), (0..16).flat_map(|salt| member::frame(&made_up::bodies(1024, salt))).collect()),
        Kind::Votes => {
            let vote = |i| {
                let body = Commit { view: View(0), seq: SeqNum(i), digest: Digest([1; 32]), replica: ReplicaId(0) };
                protocol(Message::Commit(Signed { body, signature: made_up::signature(i) }))
            };
            (Some(0), (0..64).flat_map(vote).collect())
        }
        Kind::Fetch => {
            let digest = known.map_or(Digest([1; 32]), |submission| submission.body.digest());
            (Some(2), member::frame(&Peer::FetchBodies(vec![digest; 512])).repeat(16))
        }
        Kind::State => {
            let request = StateRequest::Leaves { seq: SeqNum(0), leaves: (0..128).collect() };
            (Some(2), member::frame(&Peer::StateRequest(request)).repeat(16))
        }
        Kind::Submissions => {
            let Role::Client(client) = kind.role(directory) else { unreachable!("a client submits") };
            (None, (0..64).flat_map(|i| member::frame(&made_up::submission(client, i))).collect())
        }
        Kind::ReplicaMemory | Kind::ClientMemory | Kind::Consoles | Kind::Lies => (None, Vec::new()),
    })
}

/// Has all replicas hold a submission that is as long as one can be, in the name of the last client: there is a body to draw.
async fn plant(directory: &ClusterDirectory, targets: &[ReplicaId]) -> anyhow::Result<Signed<Submission>> {
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
    Ok(submission)
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
