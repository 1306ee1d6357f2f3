//! The client library: submits operations to every replica and believes what f+1 of them say.
//!
//! A [`Client`] speaks for one client key. It keeps a link to every replica and repeats what is not answered, byte for
//! byte, so that a submission is executed once however often it is sent. Within: `link` is one task per replica, `hub`
//! the one task that knows what is outstanding, [`byztop_core::client::Tally`] counts the answers to one submission.

mod hub;
mod link;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, ensure};
use byztop_certs::{ClusterDirectory, Role};
use byztop_core::crypto::{Author, Signed, Signer};
use byztop_core::replica::Submission;
use byztop_core::types::{ClientId, Digest, Micros, Session, Timestamp, View};
use byztop_core::wire::MAX_SUBMISSION_BYTES;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use self::hub::{Answer, First, Hub, Order};
use crate::clock;
use crate::transport::frame;

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum SubmitError {
    /// More bytes of operations than a submission holds.
    #[error("{bytes} bytes of operations, at most {MAX_SUBMISSION_BYTES} are allowed")]
    TooLong {
        /// How many there were.
        bytes: usize,
    },
    /// A newer submission of the same session has taken its place, or the client has ended.
    #[error("given up before it was answered")]
    GivenUp,
}

/// What a client has seen since it started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClientCounts {
    /// Replicas that it is linked to now.
    pub links: u64,
    /// How often f+1 replicas called themselves busy.
    pub busy: u64,
    /// How often a submission was sent again for want of answers.
    pub retransmissions: u64,
    /// How many submissions were signed anew, since their session had something executed with a newer clock.
    pub signed_anew: u64,
    /// How far this machine's clock was behind such a clock, at most.
    pub clock_behind: Micros,
    /// Frames and bytes to and from replicas: submissions, once for each replica, and their answers.
    pub traffic: ClientTraffic,
}

/// What went between a client and the replicas, in both directions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClientTraffic {
    /// Submissions, repetitions included.
    pub messages_sent: u64,
    /// What they took, framing included.
    pub bytes_sent: u64,
    /// Answers.
    pub messages_received: u64,
    /// What they took, framing included.
    pub bytes_received: u64,
}

/// To whom a submission goes at first. Repetitions go to every replica.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Addressees {
    /// To every replica (rule 24).
    #[default]
    All,
    /// To the primary of the view that [`Client::believe`] was told of last: as the paper has it, and blind to a primary
    /// that leaves the submission lying until the client's patience ends.
    Primary,
}

#[derive(Debug, Default)]
struct Counts {
    links: AtomicU64,
    busy: AtomicU64,
    retransmissions: AtomicU64,
    signed_anew: AtomicU64,
    behind_us: AtomicU64,
    messages_sent: AtomicU64,
    bytes_sent: AtomicU64,
    messages_received: AtomicU64,
    bytes_received: AtomicU64,
}

impl Counts {
    fn sent(&self, bytes: usize) {
        self.messages_sent.fetch_add(1, Ordering::Relaxed);
        self.bytes_sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A submission is signed anew, with a clock that is ahead of this machine's by so much. The first one is told.
    fn sign_anew(&self, client: ClientId, behind: Micros) {
        self.behind_us.fetch_max(behind.0, Ordering::Relaxed);
        if self.signed_anew.fetch_add(1, Ordering::Relaxed) == 0 {
            let ms = behind.0 / 1000;
            tracing::warn!(
                "{client} has submitted with newer clocks before, {ms} ms ahead of this machine's: it goes on from there"
            );
        }
    }

    fn received(&self, bytes: usize) {
        self.messages_received.fetch_add(1, Ordering::Relaxed);
        self.bytes_received.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// One client key of a cluster, linked to its replicas. Clones share the links, which end with the last of the clones
/// and of their sessions.
#[derive(Clone)]
pub struct Client {
    id: ClientId,
    signer: Arc<Signer>,
    orders: mpsc::Sender<Order>,
    counts: Arc<Counts>,
    /// The view whose primary gets submissions first, where only one replica does.
    believed_view: Arc<AtomicU64>,
}

impl Client {
    /// How many orders wait for the hub; a session waits while it is full.
    const ORDERS: usize = 256;

    /// Starts to link up with every replica; submissions may be made at once. Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// If the client's keys can not be used, or the system gives no socket.
    pub fn start(directory: &ClusterDirectory, id: ClientId) -> anyhow::Result<Client> {
        Client::start_for(directory, id, Addressees::All)
    }

    /// The same for a client that sends its submissions to these at first.
    ///
    /// # Errors
    ///
    /// As [`Client::start`].
    pub fn start_for(directory: &ClusterDirectory, id: ClientId, addressees: Addressees) -> anyhow::Result<Client> {
        let identity = directory.identity(Role::Client(id))?;
        let signer = Arc::new(directory.signer(Author::Client(id))?);
        let (orders, incoming) = mpsc::channel(Self::ORDERS);
        let counts = Arc::new(Counts::default());
        let believed_view = Arc::new(AtomicU64::new(0));
        let first = match addressees {
            Addressees::All => First::All,
            Addressees::Primary => First::PrimaryOf(believed_view.clone()),
        };
        let hub = Hub::start(directory.config().clone(), &identity, id, counts.clone(), first)
            .with_context(|| format!("client {id} can not link up"))?;
        tokio::spawn(hub.run(incoming));
        Ok(Client { id, signer, orders, counts, believed_view })
    }

    /// Tells in which view the cluster is. Answers name no view, so that whoever watches the cluster has to say it; the
    /// first view is believed until then.
    pub fn believe(&self, view: View) {
        self.believed_view.store(view.0, Ordering::Relaxed);
    }

    /// One of the key's sessions. Whoever uses an index must be alone with it: of two that do, the newer submission
    /// displaces the older.
    ///
    /// # Errors
    ///
    /// For an index beyond [`Session::PER_CLIENT`].
    pub fn session(&self, index: u16) -> anyhow::Result<ClientSession> {
        ensure!(
            index < Session::PER_CLIENT,
            "a client has {} sessions, number {index} is not one",
            Session::PER_CLIENT
        );
        Ok(ClientSession {
            session: Session { client: self.id, index },
            client: self.clone(),
            last: Timestamp(0),
            last_digest: None,
        })
    }

    /// A session for a single errand: one of the upper half at random, which loads leave alone.
    pub fn passing_session(&self) -> ClientSession {
        let half = u64::from(Session::PER_CLIENT / 2);
        let index = u16::try_from(half + clock::chance() % half).expect("below the number of sessions");
        self.session(index).expect("below the number of sessions")
    }

    /// What was counted so far.
    pub fn counts(&self) -> ClientCounts {
        ClientCounts {
            links: self.counts.links.load(Ordering::Relaxed),
            busy: self.counts.busy.load(Ordering::Relaxed),
            retransmissions: self.counts.retransmissions.load(Ordering::Relaxed),
            signed_anew: self.counts.signed_anew.load(Ordering::Relaxed),
            clock_behind: Micros(self.counts.behind_us.load(Ordering::Relaxed)),
            traffic: ClientTraffic {
                messages_sent: self.counts.messages_sent.load(Ordering::Relaxed),
                bytes_sent: self.counts.bytes_sent.load(Ordering::Relaxed),
                messages_received: self.counts.messages_received.load(Ordering::Relaxed),
                bytes_received: self.counts.bytes_received.load(Ordering::Relaxed),
            },
        }
    }
}

/// One line of work: at most one submission of it is outstanding.
pub struct ClientSession {
    session: Session,
    client: Client,
    last: Timestamp,
    last_digest: Option<Digest>,
}

impl ClientSession {
    /// Goes on after a clock that the session has submitted with before, for whoever remembers one. Without it the session asks the
    /// replicas, should this machine's clock be behind.
    pub fn resume_after(&mut self, last: Timestamp) {
        self.last = self.last.max(last);
    }

    /// Submits operations, encoded by the application, and waits for their results, however long that takes. Dropping
    /// the future gives up waiting; what was submitted may be executed all the same.
    ///
    /// # Errors
    ///
    /// [`SubmitError`]. That the application rejected an operation is a result, not an error.
    pub async fn submit(&mut self, operations: Vec<u8>) -> Result<Vec<u8>, SubmitError> {
        if operations.len() > MAX_SUBMISSION_BYTES {
            return Err(SubmitError::TooLong { bytes: operations.len() });
        }
        loop {
            // Unix time makes timestamps grow from one process of this client to the next; where it does not, because the clock
            // went back, replicas say how far this session is.
            let now = clock::unix_micros();
            self.last = Timestamp(now.max(self.last.0.saturating_add(1)));
            let submission = Submission { session: self.session, timestamp: self.last, operations: operations.clone() };
            let digest = submission.digest();
            self.last_digest = Some(digest);
            let frame = frame::encode(&Signed::by(&self.client.signer, submission));
            let (answer, answered) = oneshot::channel();
            let order = Order { session: self.session, timestamp: self.last, digest, frame, answer };
            self.client.orders.send(order).await.map_err(|_| SubmitError::GivenUp)?;
            match answered.await.map_err(|_| SubmitError::GivenUp)? {
                Answer::Result(result) => return Ok(result),
                Answer::Old(last) => {
                    self.client.counts.sign_anew(self.client.id, Micros(last.0.saturating_sub(now)));
                    self.last = self.last.max(last);
                }
            }
        }
    }

    /// The digest by which batches name what was submitted last.
    pub fn last_digest(&self) -> Option<Digest> {
        self.last_digest
    }
}
