//! One connection between two replicas: three streams out, three streams in.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use byztop_certs::{Part, Role};
use byztop_core::crypto::Verifier;
use byztop_core::protocol::Message;
use byztop_core::rejection::Rejection;
use byztop_core::types::ReplicaId;
use byztop_core::wire::{self, MAX_MESSAGE_BYTES};
use quinn::{Connection, ConnectionError, RecvStream, SendStream};
use thiserror::Error;
use tokio::task::JoinSet;

use super::checks::{Checks, LONG_BYTES, Stopping};
use super::frame::{FrameReader, Violation};
use super::outbox::{self, Limits, Outbox, Outlet};
use super::trust::Trust;
use super::{LinkId, close, dial, frame};
use crate::clock::Clock;
use crate::core_loop::input::{CoreHandle, PeerInput};
use crate::core_loop::outbound::PeerLink;
use crate::standing::Standing;

/// The longest frame on a stream of votes.
pub(crate) const MAX_VOTE_BYTES: usize = 64 << 10;

/// One of the three streams: its first byte, its bound, what waits for it, and who goes first when the link is narrow.
struct Lane {
    first_byte: u8,
    limit: usize,
    queue: Limits,
    priority: i32,
}

/// In the order of [`byztop_core::protocol::Class`].
const LANES: [Lane; 3] = [
    Lane { first_byte: b'v', limit: MAX_VOTE_BYTES, queue: Limits { frames: 8192, bytes: 8 << 20 }, priority: 2 },
    Lane { first_byte: b'p', limit: MAX_MESSAGE_BYTES, queue: Limits { frames: 2048, bytes: 48 << 20 }, priority: 1 },
    Lane { first_byte: b'b', limit: MAX_MESSAGE_BYTES, queue: Limits { frames: 8192, bytes: 48 << 20 }, priority: 0 },
];

/// The first byte of the stream on which a peer says once what its configuration is; none is owed.
const HELLO: u8 = b'h';
/// The longest that this is.
const MAX_HELLO_BYTES: usize = 16 << 10;

/// How many streams a peer may open: its lanes, and the one that says hello.
pub(crate) const STREAMS: u32 = LANES.len() as u32 + 1;

/// How long a peer has to open its streams and to say which is which.
const STREAM_TIMEOUT: Duration = Duration::from_secs(5);

/// What the tasks of all links share.
pub(crate) struct Shared<M> {
    /// Everyone's keys, for what clients send.
    pub(crate) verifier: Arc<Verifier>,
    /// What replicas send is checked here.
    pub(crate) checks: Checks<M>,
    /// The core task.
    pub(crate) core: CoreHandle<M>,
    /// How far each client is trusted, by its place in the roster.
    pub(crate) clients: Arc<[Trust]>,
    /// When something arrived.
    pub(crate) clock: Clock,
    /// Who is linked, and who has another configuration.
    pub(crate) standing: Standing,
}

impl<M> Clone for Shared<M> {
    fn clone(&self) -> Self {
        Shared {
            verifier: self.verifier.clone(),
            checks: self.checks.clone(),
            core: self.core.clone(),
            clients: self.clients.clone(),
            clock: self.clock,
            standing: self.standing.clone(),
        }
    }
}

/// How a link or one of its streams ended.
#[derive(Debug, Error)]
pub(crate) enum LinkEnd {
    /// The connection is gone.
    #[error("{}", dial::explain(.0))]
    Closed(#[from] ConnectionError),
    /// A stream for sending broke.
    #[error("can not write: {0}")]
    Write(#[from] quinn::WriteError),
    /// A stream for receiving broke or is not to be trusted.
    #[error("{0}")]
    Violation(#[from] Violation),
    /// The other side has finished a stream that carries on for as long as the link does.
    #[error("it has ended a stream")]
    Finished,
    /// Too much of what it sent was refused.
    #[error("what it sent was refused too often")]
    Doubted,
    /// The core task has ended.
    #[error("this replica is stopping")]
    Stopping,
}

impl LinkEnd {
    /// What the peer is to be reproached for; nothing if its connection merely broke.
    pub(super) fn rejection(&self) -> Option<Rejection> {
        match self {
            LinkEnd::Violation(Violation::TooLong { bytes, limit }) => {
                Some(Rejection::TooLarge { bytes: u64::from(*bytes), limit: *limit as u64 })
            }
            LinkEnd::Violation(Violation::Truncated | Violation::UnknownStream | Violation::TooSlow) => {
                Some(Rejection::NotCanonical)
            }
            _ => None,
        }
    }
}

/// Runs a link until it ends, and says how it did.
pub(crate) async fn run<M: Message>(connection: Connection, peer: ReplicaId, shared: Shared<M>) -> LinkEnd {
    let id = LinkId::fresh();
    let _linked = shared.standing.linked(peer);
    let end = match serve(&connection, id, peer, &shared).await {
        Ok(never) => match never {},
        Err(end) => end,
    };
    if let Some(why) = end.rejection() {
        let refused = PeerInput::Refused { from: peer, arrived: shared.clock.now(), heading: None, why };
        if shared.core.peers.send(refused).await.is_err() {
            return LinkEnd::Stopping;
        }
        connection.close(close::FRAMING, end.to_string().as_bytes());
    }
    connection.close(close::STOPPING, b"");
    if shared.core.peers.send(PeerInput::Down(peer, id)).await.is_err() {
        return LinkEnd::Stopping;
    }
    end
}

async fn serve<M: Message>(
    connection: &Connection,
    id: LinkId,
    peer: ReplicaId,
    shared: &Shared<M>,
) -> Result<std::convert::Infallible, LinkEnd> {
    // Dropping the set ends every task of the link.
    let mut tasks: JoinSet<Result<Lasting, LinkEnd>> = JoinSet::new();
    let mut outboxes: Vec<Outbox> = Vec::with_capacity(LANES.len());
    for lane in &LANES {
        let (outbox, outlet) = outbox::outbox(lane.queue);
        let stream = in_time(open(connection, lane)).await?;
        tasks.spawn(async move { Outlet::pump(outlet, stream).await.map(|()| Lasting::Lane).map_err(LinkEnd::from) });
        outboxes.push(outbox);
    }
    let outboxes = <[Outbox; 3]>::try_from(outboxes).expect("one per lane");
    tasks.spawn(say_hello(connection.clone(), shared.standing.clone()));
    let link = PeerLink { id, connection: connection.clone(), outboxes };
    shared.core.peers.send(PeerInput::Up(peer, link)).await.map_err(|_| LinkEnd::Stopping)?;

    let mut is_open = [false; LANES.len()];
    let all_open = tokio::time::sleep(STREAM_TIMEOUT);
    tokio::pin!(all_open);
    loop {
        tokio::select! {
            () = &mut all_open, if is_open.contains(&false) => return Err(Violation::TooSlow.into()),
            incoming = connection.accept_uni() => {
                let mut stream = incoming?;
                let Some(lane) = in_time(lane_of(&mut stream)).await? else {
                    tasks.spawn(hear_hello(FrameReader::new(stream, MAX_HELLO_BYTES), peer, shared.standing.clone()));
                    continue;
                };
                if std::mem::replace(&mut is_open[lane], true) {
                    return Err(Violation::UnknownStream.into());
                }
                tasks.spawn(read(FrameReader::new(stream, LANES[lane].limit), peer, shared.clone()));
            }
            Some(ended) = tasks.join_next() => {
                match ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())) {
                    Ok(Lasting::Hello) => {}
                    Ok(Lasting::Lane) => return Err(LinkEnd::Finished),
                    Err(end) => return Err(end),
                }
            }
        }
    }
}

/// What an honest peer does as soon as it is connected.
async fn in_time<T, E: Into<LinkEnd>>(done: impl Future<Output = Result<T, E>>) -> Result<T, LinkEnd> {
    match tokio::time::timeout(STREAM_TIMEOUT, done).await {
        Ok(done) => done.map_err(Into::into),
        Err(_) => Err(Violation::TooSlow.into()),
    }
}

async fn open(connection: &Connection, lane: &Lane) -> Result<SendStream, LinkEnd> {
    let mut stream = connection.open_uni().await?;
    // Only a stream that has ended has no priority to set.
    stream.set_priority(lane.priority).map_err(|_| Violation::UnknownStream)?;
    stream.write_all(&[lane.first_byte]).await?;
    Ok(stream)
}

/// Which lane a stream is; `None` if it says hello.
async fn lane_of(stream: &mut RecvStream) -> Result<Option<usize>, Violation> {
    let mut first = [0];
    match stream.read(&mut first).await? {
        Some(1) if first[0] == HELLO => Ok(None),
        Some(1) => {
            let lane = LANES.iter().position(|lane| lane.first_byte == first[0]);
            lane.map(Some).ok_or(Violation::UnknownStream)
        }
        _ => Err(Violation::Truncated),
    }
}

/// What a link's task was about that has ended well.
enum Lasting {
    /// A lane, which should last as long as the link.
    Lane,
    /// Hello was said or heard.
    Hello,
}

/// Says what this replica's configuration is. A peer that lets no stream be opened for it is not told.
async fn say_hello(connection: Connection, standing: Standing) -> Result<Lasting, LinkEnd> {
    let mut stream = connection.open_uni().await?;
    stream.write_all(&[HELLO]).await?;
    stream.write_chunk(frame::encode(&standing.parts())).await?;
    // Whoever does not read it to its end misses nothing else.
    stream.finish().ok();
    Ok(Lasting::Hello)
}

/// Hears what a peer's configuration is.
async fn hear_hello(mut frames: FrameReader, peer: ReplicaId, standing: Standing) -> Result<Lasting, LinkEnd> {
    if let Some(hello) = frames.next().await? {
        match wire::decode::<Vec<Part>>(&hello, MAX_HELLO_BYTES) {
            Ok(parts) => standing.compare(peer, &parts),
            Err(why) => tracing::warn!("what {peer} says of its configuration can not be read: {why}"),
        }
    }
    Ok(Lasting::Hello)
}

/// Decodes what comes on one stream and has it checked, in order.
async fn read<M: Message>(mut frames: FrameReader, peer: ReplicaId, shared: Shared<M>) -> Result<Lasting, LinkEnd> {
    loop {
        let frames = frames.next_some().await?;
        if frames.is_empty() {
            return Ok(Lasting::Lane);
        }
        let arrived = shared.clock.now();
        let longest = frames.iter().map(Bytes::len).max().unwrap_or(0);
        let decode = move || frames.iter().map(|frame| wire::decode(frame, MAX_MESSAGE_BYTES)).collect();
        let decoded = match longest > LONG_BYTES {
            true => tokio::task::spawn_blocking(decode)
                .await
                .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())),
            false => decode(),
        };
        let brought = shared.checks.bring(peer, arrived, decoded, longest).await;
        if let Some(reproach) = brought.map_err(|Stopping| LinkEnd::Stopping)? {
            shared.standing.misbehaves(Instant::now(), Role::Replica(peer), reproach.text());
        }
    }
}
