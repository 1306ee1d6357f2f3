//! The control port of a replica: lets consoles in and moves their frames.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use byztop_certs::{ClusterConfig, Role};
use byztop_core::telemetry::{ConsoleMessage, ConsoleRequest, MAX_CONTROL_BYTES};
use byztop_core::types::ReplicaId;
use byztop_core::wire;
use quinn::{Connection, Endpoint, RecvStream, SendStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{VERSION, subscription};
use crate::clock::Clock;
use crate::core_loop::input::ConsoleInput;
use crate::transport::admission::{Handshake, Handshakes, NoPlace, Places};
use crate::transport::frame::{self, FrameReader, Violation};
use crate::transport::{Chatter, LinkId, close, dial, endpoint};

/// How long a console has to open its stream and to say which version of it it speaks.
const STREAM_TIMEOUT: Duration = Duration::from_secs(5);

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
    /// Who may still be written about.
    pub(crate) chatter: Chatter,
}

impl ControlDoor {
    /// Lets consoles in until the endpoint is closed.
    pub(crate) async fn run(self) {
        // Dropping the set ends every console's task.
        let mut tasks = JoinSet::new();
        let (handshakes, places) = (Handshakes::default(), Places::default());
        while let Some(incoming) = self.endpoint.accept().await {
            while tasks.try_join_next().is_some() {}
            let from = incoming.remote_address();
            if let Some(handshake) = handshakes.admit(incoming) {
                tasks.spawn(self.clone().welcome(handshake, from, places.clone()));
            }
        }
    }

    async fn welcome(self, handshake: Handshake, from: SocketAddr, places: Places) {
        let connection = match handshake.finish().await {
            Ok(connection) => connection,
            Err(why) => return tracing::debug!("{} turned {from} away: {why}", self.me),
        };
        let role = match endpoint::role_of(&connection, &self.config) {
            Ok(role @ (Role::Operator | Role::Observer)) => role,
            Ok(role) => {
                connection.close(close::WRONG_SIDE, format!("{role} has no business here").as_bytes());
                return self.tell(role, || format!("{role} at {from} has no business at the control port"));
            }
            Err(error) => {
                connection.close(close::WRONG_SIDE, error.to_string().as_bytes());
                return tracing::warn!("{} does not let in {from}: {error:#}", self.me);
            }
        };
        match places.take(role, &connection) {
            Ok(_place) => {
                self.tell(role, || format!("an {role} watches from {from}"));
                let _hang_up = endpoint::hang_up_on_expiry(&connection, role);
                let reason = self.serve(&connection, role).await;
                self.tell(role, || format!("the {role} at {from} is gone: {reason}"));
            }
            Err(NoPlace { why, is_news }) => {
                connection.close(close::TOO_MANY, why.as_bytes());
                if is_news {
                    tracing::warn!("{}: no place for another {role}, from {from}: {why}", self.me);
                }
            }
        }
    }

    /// A line about an identity that comes or goes.
    fn tell(&self, role: Role, what: impl FnOnce() -> String) {
        self.chatter.tell(Instant::now(), role, || format!("{}: {}", self.me, what()));
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
        let greeting = tokio::time::timeout(STREAM_TIMEOUT, greet(connection)).await;
        let (sender, receiver) = match greeting {
            Ok(Ok(stream)) => stream,
            Ok(Err(end)) => return end,
            Err(_) => return (close::FRAMING, "it said nothing".to_string()),
        };
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

/// The console's stream, once it has said that it speaks our version of it.
async fn greet(connection: &Connection) -> Result<(SendStream, RecvStream), (quinn::VarInt, String)> {
    let stopping = |error: String| (close::STOPPING, error);
    let (sender, mut receiver) = connection.accept_bi().await.map_err(|error| stopping(dial::explain(&error)))?;
    let mut version = [0];
    match receiver.read(&mut version).await {
        Ok(Some(1)) if version == [VERSION] => Ok((sender, receiver)),
        Ok(_) => Err((close::FRAMING, format!("this replica speaks version {VERSION} of the control stream"))),
        Err(error) => Err(stopping(error.to_string())),
    }
}
