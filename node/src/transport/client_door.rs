//! A client's connection: submissions come on one stream, replies leave on another.

use std::time::Instant;

use bytes::Bytes;
use byztop_certs::Role;
use byztop_core::crypto::{Author, Signed, Verified, Verifier};
use byztop_core::rejection::Rejection;
use byztop_core::replica::Submission;
use byztop_core::types::ClientId;
use byztop_core::wire::{self, MAX_SUBMISSION_BYTES};
use quinn::Connection;

use super::frame::FrameReader;
use super::link::{LinkEnd, Shared};
use super::outbox::{self, Limits};
use super::trust::Consequence;
use super::{LinkId, close};
use crate::core_loop::input::ClientInput;

/// The longest frame of a client: the operations, and what stands around them.
pub(crate) const MAX_SUBMISSION_FRAME_BYTES: usize = MAX_SUBMISSION_BYTES + 256;

/// What waits for one client's connection. Twice its sessions: each has one reply outstanding, some are repeated.
const REPLIES: Limits = Limits { frames: 2048, bytes: 32 << 20 };

/// What a client is told that is hung up on, or not let in, for what it sent.
const DOUBTED: &[u8] = b"what it sent was refused too often; it may come again in ten seconds";

/// Serves a client until its connection ends, and says how it did.
pub(crate) async fn run<M>(connection: Connection, client: ClientId, shared: Shared<M>) -> LinkEnd {
    if shared.clients[usize::from(client.0)].is_out(Instant::now()) {
        connection.close(close::DOUBTED, DOUBTED);
        return LinkEnd::Doubted;
    }
    let id = LinkId::fresh();
    let end = match serve(&connection, id, client, &shared).await {
        Ok(()) => LinkEnd::Finished,
        Err(end) => end,
    };
    if let Some(why) = end.rejection() {
        if shared.core.clients.send(ClientInput::Refused(why)).await.is_err() {
            return LinkEnd::Stopping;
        }
        connection.close(close::FRAMING, end.to_string().as_bytes());
    }
    if matches!(end, LinkEnd::Doubted) {
        shared.clients[usize::from(client.0)].keep_out(Instant::now());
        connection.close(close::DOUBTED, DOUBTED);
    }
    connection.close(close::STOPPING, b"");
    if shared.core.clients.send(ClientInput::Down(client, id)).await.is_err() {
        return LinkEnd::Stopping;
    }
    end
}

async fn serve<M>(connection: &Connection, id: LinkId, client: ClientId, shared: &Shared<M>) -> Result<(), LinkEnd> {
    let replies = connection.open_uni().await?;
    let (outbox, outlet) = outbox::outbox(REPLIES);
    shared.core.clients.send(ClientInput::Up(client, id, outbox)).await.map_err(|_| LinkEnd::Stopping)?;
    tokio::select! {
        ended = outlet.pump(replies) => Ok(ended?),
        ended = read(connection, client, shared) => ended,
    }
}

async fn read<M>(connection: &Connection, client: ClientId, shared: &Shared<M>) -> Result<(), LinkEnd> {
    let mut frames = FrameReader::new(connection.accept_uni().await?, MAX_SUBMISSION_FRAME_BYTES);
    let trust = &shared.clients[usize::from(client.0)];
    loop {
        let frames = frames.next_some().await?;
        if frames.is_empty() {
            return Ok(());
        }
        let decode = |frame: &Bytes| wire::decode::<Signed<Submission>>(frame, MAX_SUBMISSION_FRAME_BYTES);
        let decoded = frames.iter().map(|frame| (Author::Client(client), decode(frame))).collect();
        let verdicts = match trust.is_doubted() {
            // What is refused is not looked at twice, and what else runs here gets its turn.
            true => check_one_by_one(decoded, &shared.verifier).await,
            false => Verified::check_all(decoded, &shared.verifier),
        };
        let (mut good, mut bad) = (0, 0);
        for checked in verdicts {
            let input = match checked {
                Ok(submission) => {
                    good += 1;
                    ClientInput::Submission(Box::new(submission))
                }
                Err(why) => {
                    bad += 1;
                    ClientInput::Refused(why)
                }
            };
            shared.core.clients.send(input).await.map_err(|_| LinkEnd::Stopping)?;
        }
        let Consequence { is_news, is_spent } = trust.judge(Instant::now(), good, bad);
        if is_news {
            shared.standing.misbehaves(
                Instant::now(),
                Role::Client(client),
                "sends what is refused: it waits behind the others",
            );
            tracing::warn!("{client} sends what is refused: it is checked by itself, and waits");
        }
        if is_spent {
            return Err(LinkEnd::Doubted);
        }
        if trust.is_doubted() {
            tokio::time::sleep(trust.pause()).await;
        }
    }
}

type Decoded = (Author, Result<Signed<Submission>, Rejection>);

/// The verdicts on what a doubted client sent. Between two of them others run.
async fn check_one_by_one(
    decoded: Vec<Decoded>,
    verifier: &Verifier,
) -> Vec<Result<Verified<Signed<Submission>>, Rejection>> {
    let mut verdicts = Vec::with_capacity(decoded.len());
    for (from, submission) in decoded {
        verdicts.push(submission.and_then(|submission| Verified::check(submission, from, verifier)));
        tokio::task::yield_now().await;
    }
    verdicts
}
