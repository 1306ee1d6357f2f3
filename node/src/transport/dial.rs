//! Dialling a replica, and waiting ever longer between attempts.

use std::net::SocketAddr;
use std::time::Duration;

use byztop_certs::HostPort;
use byztop_core::printable::one_line;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint};
use thiserror::Error;
use tokio::task::JoinSet;

use super::endpoint;
use crate::clock;

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why there is no connection.
#[derive(Debug, Error)]
pub(crate) enum DialError {
    /// The endpoint is closed: nobody wants connections any more.
    #[error("this process is stopping")]
    Stopping,
    /// This time it did not work.
    #[error("{0}")]
    Failed(String),
}

/// From where a process dials: sockets of both families, where the system has both.
#[derive(Clone, Debug)]
pub(crate) struct Dialler {
    /// A replica's own door, from which it dials where it can: peers then see one address of it.
    door: Option<Endpoint>,
    /// For whatever the door can not reach.
    any: Endpoint,
}

impl Dialler {
    /// One that only dials.
    ///
    /// # Errors
    ///
    /// If the system gives no socket.
    pub(crate) fn new() -> anyhow::Result<Dialler> {
        Ok(Dialler { door: None, any: endpoint::dialler()? })
    }

    /// One that dials from a door where it can.
    ///
    /// # Errors
    ///
    /// If the system gives no socket.
    pub(crate) fn at(door: Endpoint) -> anyhow::Result<Dialler> {
        Ok(Dialler { door: Some(door), any: endpoint::dialler()? })
    }

    /// The endpoint that can reach an address: a socket that is bound to an address of one family reaches none of the other.
    fn endpoint_for(&self, address: SocketAddr) -> &Endpoint {
        let reaches = |door: &&Endpoint| {
            door.local_addr().is_ok_and(|local| local.is_ipv4() == address.is_ipv4() || is_of_both_families(local))
        };
        self.door.as_ref().filter(reaches).unwrap_or(&self.any)
    }

    /// Closes what it dials from, and waits until peers have heard of it. A door is closed by whoever opened it.
    pub(crate) async fn close(&self, reason: &[u8]) {
        self.any.close(super::close::STOPPING, reason);
        self.any.wait_idle().await;
    }
}

fn is_of_both_families(local: SocketAddr) -> bool {
    local.is_ipv6() && local.ip().is_unspecified()
}

/// How long an address of a host is tried alone before the next one is tried beside it (RFC 8305, §5, has 250 ms).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);

/// The most addresses of a host that are tried.
const MAX_ADDRESSES: usize = 8;

/// One attempt at a connection: at each address of the host in turn, until one answers.
///
/// # Errors
///
/// [`DialError`], in words for people.
pub(crate) async fn dial(dialler: &Dialler, config: ClientConfig, address: &HostPort) -> Result<Connection, DialError> {
    let found = endpoint::resolve_all(address.host(), address.port()).await;
    let mut found = found.map_err(|error| DialError::Failed(format!("{error:#}")))?.into_iter().take(MAX_ADDRESSES);
    // Dropping the set ends the attempts that are too late.
    let mut attempts: JoinSet<Result<Connection, DialError>> = JoinSet::new();
    let mut failures: Vec<String> = Vec::new();
    loop {
        let next = found.next();
        if let Some(at) = next {
            attempts.spawn(dial_at(dialler.endpoint_for(at).clone(), config.clone(), at));
        }
        let ended = match next.is_some() && found.len() > 0 {
            true => tokio::time::timeout(NEXT_ADDRESS, attempts.join_next()).await,
            false => Ok(attempts.join_next().await),
        };
        match ended {
            Err(_) => {}
            Ok(Some(Ok(Ok(connection)))) => return Ok(connection),
            Ok(Some(Ok(Err(DialError::Stopping)))) => return Err(DialError::Stopping),
            Ok(Some(Ok(Err(DialError::Failed(why))))) => failures.push(why),
            Ok(Some(Err(error))) => std::panic::resume_unwind(error.into_panic()),
            Ok(None) => {
                failures.dedup();
                return Err(DialError::Failed(failures.join("; ")));
            }
        }
    }
}

async fn dial_at(endpoint: Endpoint, config: ClientConfig, address: SocketAddr) -> Result<Connection, DialError> {
    // Identities are not host names: any name that parses will do, and it is not sent.
    let connecting = match endpoint.connect_with(config, address, "replica.byztop") {
        Ok(connecting) => connecting,
        Err(quinn::ConnectError::EndpointStopping) => return Err(DialError::Stopping),
        Err(error) => return Err(DialError::Failed(format!("can not dial {address}: {error}"))),
    };
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, connecting).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(ConnectionError::LocallyClosed)) => Err(DialError::Stopping),
        Ok(Err(error)) => Err(DialError::Failed(explain(&error))),
        Err(_) => Err(DialError::Failed(format!("no answer from {address}"))),
    }
}

/// The longest that a peer may tell of why it hangs up, in characters.
const MAX_REASON_CHARS: usize = 200;

/// A connection's end in words for people. The peer's own are cut, and kept on one line.
pub(crate) fn explain(error: &ConnectionError) -> String {
    one_line(&in_words(error), MAX_REASON_CHARS)
}

fn in_words(error: &ConnectionError) -> String {
    match error {
        ConnectionError::TimedOut => "it fell silent".to_string(),
        ConnectionError::Reset => "it was restarted".to_string(),
        ConnectionError::LocallyClosed => "closed from this side".to_string(),
        ConnectionError::ApplicationClosed(close) if close.error_code == super::close::STOPPING => {
            "it was stopped".to_string()
        }
        ConnectionError::ApplicationClosed(close) => {
            format!("it hung up: {}", String::from_utf8_lossy(&close.reason))
        }
        ConnectionError::TransportError(error) => plain(&error.reason).to_string(),
        ConnectionError::ConnectionClosed(close) => {
            let reason = String::from_utf8_lossy(&close.reason);
            match plain(&reason) {
                "" => format!("it refused: {}", close.error_code),
                reason => format!("it refused: {reason}"),
            }
        }
        other => other.to_string(),
    }
}

/// A certificate's refusal without what rustls writes around it.
fn plain(reason: &str) -> &str {
    let inner = reason.split_once("Other(OtherError(").and_then(|(_, rest)| rest.strip_suffix("))"));
    inner.unwrap_or(reason)
}

/// Pauses between attempts: from 50 ms, doubling to 2 s, each shortened by up to half so that peers do not march in step.
#[derive(Debug)]
pub(crate) struct Backoff {
    pause: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(50);
    const LAST: Duration = Duration::from_secs(2);

    /// Before the first attempt.
    pub(crate) fn new() -> Backoff {
        Backoff { pause: Self::FIRST }
    }

    /// An attempt worked: the next failure is a first one again.
    pub(crate) fn reset(&mut self) {
        self.pause = Self::FIRST;
    }

    /// How long to wait before the next attempt.
    pub(crate) fn next(&mut self) -> Duration {
        self.next_with(clock::chance())
    }

    fn next_with(&mut self, chance: u64) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(Self::LAST);
        // From half of the pause to all of it.
        pause.mul_f64(0.5 + (chance >> 11) as f64 / (1u64 << 54) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_in_its_own_words() {
        assert_eq!(
            plain("invalid peer certificate: Other(OtherError(n9 is not in the roster))"),
            "n9 is not in the roster"
        );
        assert_eq!(plain("the peer (somebody) went away"), "the peer (somebody) went away");
    }

    #[test]
    fn pauses_double_from_50_ms_to_2_s_and_jitter_only_shortens_them() {
        let mut backoff = Backoff::new();
        let longest: Vec<u128> = (0..8).map(|_| backoff.next_with(u64::MAX).as_millis()).collect();
        assert_eq!(longest, [50, 100, 200, 400, 800, 1600, 2000, 2000]);
        assert_eq!(backoff.next_with(0), Duration::from_secs(1));
        backoff.reset();
        assert_eq!(backoff.next_with(0), Duration::from_millis(25));
    }
}
