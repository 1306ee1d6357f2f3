//! A console's link to one replica, kept up until the console has had enough.

use std::sync::Arc;
use std::time::Duration;

use byztop_certs::{ClusterDirectory, Role};
use byztop_core::committee::Committee;
use byztop_core::telemetry::{ClockOffset, ClockOffsets, ConsoleMessage, ConsoleRequest, MAX_CONTROL_BYTES, Welcome};
use byztop_core::types::{Micros, ReplicaId, SeqNum, Time};
use byztop_core::wire;
use quinn::Connection;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::VERSION;
use crate::clock::unix_micros;
use crate::transport::close;
use crate::transport::dial::{self, Backoff, DialError, Dialler};
use crate::transport::endpoint::{self, Streams};
use crate::transport::frame::{self, FrameReader};

/// What a console learns about its link to one replica.
#[derive(Clone, PartialEq, Debug)]
pub enum LinkEvent {
    /// The replica is being dialled.
    Connecting,
    /// It has answered, and this is who it is.
    Up(Box<Welcome>),
    /// It says something; a [`ConsoleMessage::Refused`] may also come from this side, if there is no link to send a
    /// request over.
    Message(ConsoleMessage),
    /// The round trip to it, as QUIC measures it; comes with each frame.
    Rtt(Micros),
    /// How its clock differs from the console's, as far as that is known.
    Clock(ClockOffset),
    /// The link is gone, or nothing comes over it any more, for this reason. It will be dialled again.
    Down(String),
}

/// A subscribed link without any frame for so long is stale; three times the interval if that is longer.
const STALE: Duration = Duration::from_secs(1);

/// What a console takes from one replica: so many messages and bytes in a second, and twice as much at once. More waits on
/// the link, so that a replica which floods its console delays itself.
const MESSAGES_PER_SECOND: u64 = 200;
const BYTES_PER_SECOND: u64 = 8 << 20;

/// How often a replica is asked for the time.
const CLOCK: Duration = Duration::from_secs(1);

/// Follows one replica for a console in `role` until `requests` is closed: connects, reconnects with growing pauses, and
/// repeats the console's subscription on each new connection.
///
/// Requests to meddle that find no link are refused here and never sent later. Ends early when nobody takes `events`.
pub async fn watch(
    directory: Arc<ClusterDirectory>,
    role: Role,
    replica: ReplicaId,
    requests: mpsc::Receiver<ConsoleRequest>,
    events: mpsc::Sender<(ReplicaId, LinkEvent)>,
) {
    let committee = directory.config().committee();
    let mut watcher = Watcher { replica, committee, requests, events, subscription: None, watched: None };
    let end = match Target::of(&directory, role, replica) {
        Ok(target) => watcher.run(target).await,
        Err(error) => watcher.wait(LinkEvent::Down(format!("{error:#}")), None).await,
    };
    tracing::debug!("no longer watching {replica}: {end:?}");
}

/// What is needed for each attempt.
struct Target {
    dialler: Dialler,
    config: quinn::ClientConfig,
    address: byztop_certs::HostPort,
}

impl Target {
    fn of(directory: &ClusterDirectory, role: Role, replica: ReplicaId) -> anyhow::Result<Target> {
        let entry = directory.config().replica(replica);
        let address = entry.ok_or_else(|| anyhow::anyhow!("{replica} is not in the roster"))?.control.clone();
        let config = endpoint::client_config(&directory.identity(role)?, replica, Streams::Dialogue)?;
        Ok(Target { dialler: Dialler::new()?, config, address })
    }
}

/// The console wants no more: it dropped one of its ends.
#[derive(Debug)]
struct Enough;

struct Watcher {
    replica: ReplicaId,
    committee: Committee,
    requests: mpsc::Receiver<ConsoleRequest>,
    events: mpsc::Sender<(ReplicaId, LinkEvent)>,
    /// What to repeat on a new connection.
    subscription: Option<u32>,
    watched: Option<Option<SeqNum>>,
}

impl Watcher {
    async fn run(&mut self, target: Target) -> Enough {
        let mut backoff = Backoff::new();
        loop {
            let attempt = dial::dial(&target.dialler, target.config.clone(), &target.address);
            if self.tell(LinkEvent::Connecting).await.is_err() {
                return Enough;
            }
            let reason = match self.meanwhile(attempt).await {
                Ok(Ok(connection)) => {
                    let end = self.converse(&connection, &mut backoff).await;
                    connection.close(close::STOPPING, b"");
                    match end {
                        Ok(reason) => reason,
                        Err(enough) => {
                            target.dialler.close(b"").await;
                            return enough;
                        }
                    }
                }
                Ok(Err(DialError::Stopping)) | Err(Enough) => return Enough,
                Ok(Err(DialError::Failed(reason))) => reason,
            };
            let pause = Some(backoff.next());
            if let Some(enough) = self.pause(LinkEvent::Down(reason), pause).await {
                return enough;
            }
        }
    }

    async fn tell(&self, event: LinkEvent) -> Result<(), Enough> {
        self.events.send((self.replica, event)).await.map_err(|_| Enough)
    }

    /// Tells an event and waits for so long, or for good.
    async fn pause(&mut self, event: LinkEvent, pause: Option<Duration>) -> Option<Enough> {
        if self.tell(event).await.is_err() {
            return Some(Enough);
        }
        let sleep = async {
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        self.meanwhile(sleep).await.err()
    }

    async fn wait(&mut self, event: LinkEvent, pause: Option<Duration>) -> Enough {
        self.pause(event, pause).await.unwrap_or(Enough)
    }

    /// Waits for something without a link: what is asked meanwhile is remembered or refused.
    async fn meanwhile<T>(&mut self, future: impl Future<Output = T>) -> Result<T, Enough> {
        tokio::pin!(future);
        loop {
            tokio::select! {
                done = &mut future => return Ok(done),
                request = self.requests.recv() => {
                    let request = request.ok_or(Enough)?;
                    self.remember(&request);
                    if request.is_for_operators() {
                        let why = format!("there is no link to {}; nothing was done", self.replica);
                        self.tell(LinkEvent::Message(ConsoleMessage::Refused(why))).await?;
                    }
                }
            }
        }
    }

    fn remember(&mut self, request: &ConsoleRequest) {
        match request {
            ConsoleRequest::Subscribe { interval_ms } => self.subscription = Some(*interval_ms),
            ConsoleRequest::WatchSlot(seq) => self.watched = Some(*seq),
            ConsoleRequest::Ledger
            | ConsoleRequest::Trace(_)
            | ConsoleRequest::Clock { .. }
            | ConsoleRequest::Attack(_)
            | ConsoleRequest::End(_)
            | ConsoleRequest::Heal => {}
        }
    }

    /// Talks to the replica until the link is gone, and says why.
    async fn converse(&mut self, connection: &Connection, backoff: &mut Backoff) -> Result<String, Enough> {
        let (mut sender, receiver) = match connection.open_bi().await {
            Ok(stream) => stream,
            Err(error) => return Ok(dial::explain(&error)),
        };
        let mut opening = vec![bytes::Bytes::from_static(&[VERSION])];
        let subscription = self.subscription.map(|interval_ms| ConsoleRequest::Subscribe { interval_ms });
        let repeated = subscription.into_iter().chain(self.watched.map(ConsoleRequest::WatchSlot));
        opening.extend(repeated.map(|request| frame::encode(&request)));
        if let Err(error) = sender.write_all_chunks(&mut opening).await {
            return Ok(ended(connection, &error));
        }
        let mut frames = FrameReader::new(receiver, MAX_CONTROL_BYTES);
        let mut pace = Pace::new();
        let mut last_frame = Instant::now();
        let mut offsets = ClockOffsets::default();
        let mut clock_asked: Option<Instant> = None;
        loop {
            let stale_at = last_frame + self.patience();
            tokio::select! {
                next = frames.next() => {
                    let message = match next {
                        Ok(Some(frame)) => {
                            pace.take(frame.len()).await;
                            self.read(&frame)
                        }
                        Ok(None) => return Ok("it has ended the stream".to_string()),
                        Err(error) => return Ok(ended(connection, &error)),
                    };
                    match message {
                        Ok(ConsoleMessage::Welcome(welcome)) => {
                            backoff.reset();
                            self.tell(LinkEvent::Up(Box::new(welcome))).await?;
                        }
                        Ok(ConsoleMessage::Clock { asked, at }) => {
                            let offset = offsets.take(asked, at, Time(unix_micros()));
                            self.tell(LinkEvent::Clock(offset)).await?;
                        }
                        Ok(message) => {
                            if matches!(message, ConsoleMessage::Frame(_)) {
                                let rtt = u64::try_from(connection.rtt().as_micros()).unwrap_or(u64::MAX);
                                self.tell(LinkEvent::Rtt(Micros(rtt))).await?;
                                if clock_asked.is_none_or(|asked| asked.elapsed() >= CLOCK) {
                                    clock_asked = Some(Instant::now());
                                    let asked = ConsoleRequest::Clock { asked: Time(unix_micros()) };
                                    if let Err(error) = sender.write_chunk(frame::encode(&asked)).await {
                                        return Ok(ended(connection, &error));
                                    }
                                }
                            }
                            self.tell(LinkEvent::Message(message)).await?;
                        }
                        Err(why) => return Ok(why),
                    }
                    last_frame = Instant::now();
                }
                request = self.requests.recv() => {
                    let request = request.ok_or(Enough)?;
                    if matches!(request, ConsoleRequest::Subscribe { .. }) {
                        last_frame = Instant::now();
                    }
                    self.remember(&request);
                    if let Err(error) = sender.write_chunk(frame::encode(&request)).await {
                        return Ok(ended(connection, &error));
                    }
                }
                () = tokio::time::sleep_until(stale_at) => return Ok("it has sent nothing for too long".to_string()),
            }
        }
    }

    /// What it says, as far as it can be true.
    fn read(&self, frame: &[u8]) -> Result<ConsoleMessage, String> {
        let message = wire::decode::<ConsoleMessage>(frame, MAX_CONTROL_BYTES);
        let message = message.map_err(|why| format!("it says something that can not be read: {why}"))?;
        message.credible(self.committee).map_err(|why| format!("it says something that can not be true: {why}"))
    }

    /// How long the next message may take. Without a subscription only the welcome is due, and later nothing.
    fn patience(&self) -> Duration {
        match self.subscription {
            Some(interval_ms) => STALE.max(Duration::from_millis(3 * u64::from(interval_ms))),
            None => Duration::from_secs(365 * 86_400),
        }
    }
}

/// Why a stream broke: what the connection says where it is closed, as that is the cause.
fn ended(connection: &Connection, error: &dyn std::error::Error) -> String {
    connection.close_reason().map_or_else(|| error.to_string(), |reason| dial::explain(&reason))
}

/// How much a link may still bring at once.
struct Pace {
    messages: f64,
    bytes: f64,
    at: Instant,
}

impl Pace {
    fn new() -> Pace {
        Pace { messages: 2.0 * MESSAGES_PER_SECOND as f64, bytes: 2.0 * BYTES_PER_SECOND as f64, at: Instant::now() }
    }

    /// Takes a message of so many bytes, and waits while what was allowed is used up.
    async fn take(&mut self, bytes: usize) {
        let wait = self.owe(Instant::now(), bytes);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    fn owe(&mut self, now: Instant, bytes: usize) -> Duration {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        let refilled = |left: f64, rate: u64| (left + passed * rate as f64).min(2.0 * rate as f64);
        self.messages = refilled(self.messages, MESSAGES_PER_SECOND) - 1.0;
        self.bytes = refilled(self.bytes, BYTES_PER_SECOND) - bytes as f64;
        let missing = (-self.messages / MESSAGES_PER_SECOND as f64).max(-self.bytes / BYTES_PER_SECOND as f64);
        Duration::from_secs_f64(missing.max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_waits_and_what_is_usual_does_not() {
        let mut pace = Pace::new();
        let began = pace.at;
        let at = |ms: u64| began + Duration::from_millis(ms);
        assert!((0..600).all(|i| pace.owe(at(i * 100), 200 << 10).is_zero()), "ten frames of 200 kB a second");
        let burst = (0..2 * MESSAGES_PER_SECOND).filter(|_| pace.owe(at(60_000), 1000).is_zero()).count();
        assert_eq!(burst as u64, 2 * MESSAGES_PER_SECOND);
        assert!(pace.owe(at(60_000), 1000) >= Duration::from_millis(1));
        let mut pace = Pace::new();
        let waits = (0..32).map(|_| pace.owe(began, MAX_CONTROL_BYTES)).filter(|wait| !wait.is_zero()).count();
        assert!(waits >= 15, "{waits} of 32 frames of a megabyte wait");
    }
}
