//! The control port of a replica: lets consoles in and moves their frames.

use std::sync::Arc;

use byztop_certs::{ClusterConfig, Role};
use byztop_core::telemetry::{ConsoleMessage, ConsoleRequest, MAX_CONTROL_BYTES};
use byztop_core::types::ReplicaId;
use byztop_core::wire;
use quinn::{Connection, Endpoint, Incoming, SendStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::{VERSION, subscription};
use crate::clock::Clock;
use crate::core_loop::input::ConsoleInput;
use crate::transport::frame::{self, FrameReader, Violation};
use crate::transport::{LinkId, close, dial, endpoint};

/// How many connections may be open or in handshake at the control port.
const MAX_CONNECTIONS: usize = 32;

/// The longest request of a console.
const MAX_REQUEST_BYTES: usize = 64 << 10;

/// The control port of one replica.
#[derive(Clone)]
pub(crate) struct ControlDoor {
    /// Which replica.
    pub(crate) me: ReplicaId,
    /// The roster.
    pub(crate) config: Arc<ClusterConfig>,
    /// The control door.
    pub(crate) endpoint: Endpoint,
    /// The core task.
    pub(crate) core: mpsc::Sender<ConsoleInput>,
    /// What frames go by.
    pub(crate) clock: Clock,
}

impl ControlDoor {
    /// Lets consoles in until the endpoint is closed.
    pub(crate) async fn run(self) {
        // Dropping the set ends every console's task.
        let mut tasks = JoinSet::new();
        let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        while let Some(incoming) = self.endpoint.accept().await {
            while tasks.try_join_next().is_some() {}
            let Ok(place) = room.clone().try_acquire_owned() else {
                incoming.refuse();
                continue;
            };
            let door = self.clone();
            tasks.spawn(async move {
                door.welcome(incoming).await;
                drop(place);
            });
        }
    }

    async fn welcome(self, incoming: Incoming) {
        let from = incoming.remote_address();
        let connection = match incoming.await {
            Ok(connection) => connection,
            Err(error) => return tracing::debug!("{} turned {from} away: {}", self.me, dial::explain(&error)),
        };
        match endpoint::role_of(&connection, &self.config) {
            Ok(role @ (Role::Operator | Role::Observer)) => {
                tracing::info!("{}: an {role} watches from {from}", self.me);
                let reason = self.serve(&connection, role).await;
                tracing::info!("{}: the {role} at {from} is gone: {reason}", self.me);
            }
            Ok(role) => {
                connection.close(close::WRONG_SIDE, format!("{role} has no business here").as_bytes());
                tracing::warn!("{}: {role} at {from} has no business at the control port", self.me);
            }
            Err(error) => {
                connection.close(close::WRONG_SIDE, error.to_string().as_bytes());
                tracing::warn!("{} does not let in {from}: {error:#}", self.me);
            }
        }
    }

    /// Serves one console and says why it ended.
    async fn serve(&self, connection: &Connection, role: Role) -> String {
        let id = LinkId::fresh();
        let (queue, messages) = mpsc::channel(subscription::QUEUE);
        let (code, reason) = tokio::select! {
            end = self.converse(connection, id, role, queue, messages) => end,
            error = connection.closed() => (close::STOPPING, dial::explain(&error)),
        };
        connection.close(code, reason.as_bytes());
        if self.core.send(ConsoleInput::Down(id)).await.is_err() {
            return "this replica is stopping".to_string();
        }
        reason
    }

    async fn converse(
        &self,
        connection: &Connection,
        id: LinkId,
        role: Role,
        queue: mpsc::Sender<ConsoleMessage>,
        messages: mpsc::Receiver<ConsoleMessage>,
    ) -> (quinn::VarInt, String) {
        let (sender, mut receiver) = match connection.accept_bi().await {
            Ok(stream) => stream,
            Err(error) => return (close::STOPPING, dial::explain(&error)),
        };
        let mut version = [0];
        match receiver.read(&mut version).await {
            Ok(Some(1)) if version == [VERSION] => {}
            Ok(_) => return (close::FRAMING, format!("this replica speaks version {VERSION} of the control stream")),
            Err(error) => return (close::STOPPING, error.to_string()),
        }
        // The core holds the queue and closes it; who listens only puts the time into it.
        let answers = queue.downgrade();
        if self.core.send(ConsoleInput::Up(id, role, queue)).await.is_err() {
            return (close::STOPPING, "this replica is stopping".to_string());
        }
        let frames = FrameReader::new(receiver, MAX_REQUEST_BYTES);
        tokio::select! {
            reason = self.listen(frames, id, answers) => (close::FRAMING, reason),
            end = self.talk(sender, messages) => end,
        }
    }

    /// Passes requests on until the console ends or says something that is none.
    async fn listen(&self, mut frames: FrameReader, id: LinkId, answers: mpsc::WeakSender<ConsoleMessage>) -> String {
        loop {
            let request = match frames.next().await {
                Ok(Some(frame)) => wire::decode::<ConsoleRequest>(&frame, MAX_REQUEST_BYTES),
                Ok(None) => return "it has said all".to_string(),
                Err(Violation::Broken(error)) => return error.to_string(),
                Err(violation) => return violation.to_string(),
            };
            match request {
                // At once, and past whatever keeps the core busy: the way there and back is the error of the measurement.
                Ok(ConsoleRequest::Clock { asked }) => {
                    let told = ConsoleMessage::Clock { asked, at: self.clock.unix(self.clock.now()) };
                    if answers.upgrade().is_some_and(|queue| queue.try_send(told).is_err()) {
                        tracing::debug!("a console that does not keep up is not told the time");
                    }
                }
                Ok(request) => {
                    if self.core.send(ConsoleInput::Request(id, request)).await.is_err() {
                        return "this replica is stopping".to_string();
                    }
                }
                Err(why) => return format!("a request that can not be read: {why}"),
            }
        }
    }

    /// Writes what the core has for this console until the core drops it.
    async fn talk(
        &self,
        mut sender: SendStream,
        mut messages: mpsc::Receiver<ConsoleMessage>,
    ) -> (quinn::VarInt, String) {
        while let Some(message) = messages.recv().await {
            let frame = frame::encode(&message);
            if frame.len() > MAX_CONTROL_BYTES {
                tracing::warn!("a control message of {} bytes is too long to send", frame.len());
                continue;
            }
            if let Err(error) = sender.write_chunk(frame).await {
                return (close::STOPPING, error.to_string());
            }
        }
        // The core closes its own channel before it drops what it holds.
        if self.core.is_closed() {
            return (close::STOPPING, "the replica stops".to_string());
        }
        (close::TOO_MANY, "too many consoles watch this replica".to_string())
    }
}
