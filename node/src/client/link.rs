//! A client's link to one replica: dialled again whenever it is gone.

use byztop_certs::HostPort;
use byztop_core::replica::Reply;
use byztop_core::types::ReplicaId;
use byztop_core::wire;
use quinn::{ClientConfig, Connection};
use tokio::sync::mpsc;

use crate::transport::close;
use crate::transport::dial::{self, Backoff, DialError, Dialler};
use crate::transport::frame::{self, FrameReader};
use crate::transport::link::LinkEnd;
use crate::transport::outbox::{self, Limits, Outbox};

/// The longest reply: results of a submission's operations.
const MAX_REPLY_BYTES: usize = 1 << 20;

/// What waits for one replica: a submission and a repetition of each session.
const SUBMISSIONS: Limits = Limits { frames: 4096, bytes: 64 << 20 };

/// What a link tells the hub.
#[derive(Debug)]
pub(super) enum FromLink {
    /// It is up, and sends what is offered here.
    Up(ReplicaId, Outbox),
    /// It is gone.
    Down(ReplicaId),
    /// The replica says something, in so many bytes.
    Reply(ReplicaId, Reply, usize),
}

/// A link that is kept up until the hub is gone.
pub(super) struct Link {
    /// To whom.
    pub(super) replica: ReplicaId,
    /// From where.
    pub(super) dialler: Dialler,
    /// As whom.
    pub(super) config: ClientConfig,
    /// Where it is.
    pub(super) address: HostPort,
    /// To the hub.
    pub(super) hub: mpsc::Sender<FromLink>,
}

impl Link {
    /// Dials, serves, and dials again.
    pub(super) async fn run(self) {
        let mut backoff = Backoff::new();
        loop {
            match dial::dial(&self.dialler, self.config.clone(), &self.address).await {
                Ok(connection) => {
                    backoff.reset();
                    let end = match self.serve(&connection).await {
                        Ok(()) => LinkEnd::Finished,
                        Err(end) => end,
                    };
                    connection.close(close::STOPPING, b"");
                    tracing::debug!("lost {}: {end}", self.replica);
                    if self.hub.send(FromLink::Down(self.replica)).await.is_err() {
                        return;
                    }
                }
                Err(DialError::Stopping) => return,
                Err(DialError::Failed(reason)) => tracing::debug!("can not reach {}: {reason}", self.replica),
            }
            tokio::time::sleep(backoff.next()).await;
        }
    }

    async fn serve(&self, connection: &Connection) -> Result<(), LinkEnd> {
        let submissions = connection.open_uni().await?;
        let (outbox, outlet) = outbox::outbox(SUBMISSIONS);
        self.hub.send(FromLink::Up(self.replica, outbox)).await.map_err(|_| LinkEnd::Stopping)?;
        tokio::select! {
            ended = outlet.pump(submissions) => Ok(ended?),
            ended = self.read(connection) => ended,
        }
    }

    async fn read(&self, connection: &Connection) -> Result<(), LinkEnd> {
        let mut frames = FrameReader::new(connection.accept_uni().await?, MAX_REPLY_BYTES);
        while let Some(frame) = frames.next().await? {
            match wire::decode::<Reply>(&frame, MAX_REPLY_BYTES) {
                Ok(reply) => {
                    let message = FromLink::Reply(self.replica, reply, frame::LENGTH_BYTES + frame.len());
                    self.hub.send(message).await.map_err(|_| LinkEnd::Stopping)?;
                }
                Err(why) => tracing::debug!("{} answers something that is no reply: {why}", self.replica),
            }
        }
        Ok(())
    }
}
