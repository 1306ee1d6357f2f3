//! A client's connection: submissions come on one stream, replies leave on another.

use bytes::Bytes;
use byztop_core::crypto::{Author, Signed, Verified};
use byztop_core::replica::Submission;
use byztop_core::types::ClientId;
use byztop_core::wire::{self, MAX_SUBMISSION_BYTES};
use quinn::Connection;

use super::frame::FrameReader;
use super::link::{LinkEnd, Shared};
use super::outbox::{self, Limits};
use super::{LinkId, close};
use crate::core_loop::input::ClientInput;

/// The longest frame of a client: the operations, and what stands around them.
pub(crate) const MAX_SUBMISSION_FRAME_BYTES: usize = MAX_SUBMISSION_BYTES + 256;

/// What waits for one client's connection. Twice its sessions: each has one reply outstanding, some are repeated.
const REPLIES: Limits = Limits { frames: 2048, bytes: 32 << 20 };

/// Serves a client until its connection ends, and says how it did.
pub(crate) async fn run<M>(connection: Connection, client: ClientId, shared: Shared<M>) -> LinkEnd {
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
    loop {
        let frames = frames.next_some().await?;
        if frames.is_empty() {
            return Ok(());
        }
        let decode = |frame: &Bytes| wire::decode::<Signed<Submission>>(frame, MAX_SUBMISSION_FRAME_BYTES);
        let decoded = frames.iter().map(|frame| (Author::Client(client), decode(frame))).collect();
        for checked in Verified::check_all(decoded, &shared.verifier) {
            let input = match checked {
                Ok(submission) => ClientInput::Submission(Box::new(submission)),
                Err(why) => ClientInput::Refused(why),
            };
            shared.core.clients.send(input).await.map_err(|_| LinkEnd::Stopping)?;
        }
    }
}
