//! The links without a replica behind them: what the machine's QUIC would carry at most.
//!
//! As many processes as a cluster has, at the same addresses, with the same certificates, endpoints, frames and queues.
//! A client sends submissions and counts answers; for each submission every process answers and sends the others as many
//! bytes in as many messages as a replica would. Nothing is decoded, signed, verified, ordered or stored.
//!
//! Messages go to the others in turn, whoever would have got them: their number and length are the protocol's, their
//! pattern is not.

mod client;
mod replica;

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

pub use client::{Carried, drive};
pub use replica::run_bare;

use crate::transport::frame;
use crate::transport::outbox::Limits;

/// The most that waits for one stream.
const QUEUE: Limits = Limits { frames: 8192, bytes: 8 << 20 };

/// The longest frame.
const MAX_BYTES: usize = 1 << 20;

/// What one submission brings about. Bytes are of whole frames, their length included.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Traffic {
    /// What a client sends to every replica.
    pub submission_bytes: usize,
    /// What each answers.
    pub reply_bytes: usize,
    /// How many messages each then sends to others.
    pub messages: f64,
    /// How long each of them is.
    pub message_bytes: usize,
}

impl Traffic {
    /// More messages than that no protocol sends for a submission.
    const MAX_MESSAGES: f64 = 1e6;

    fn is_bounded(&self) -> bool {
        let bytes = [self.submission_bytes, self.reply_bytes, self.message_bytes];
        bytes.iter().all(|bytes| (frame::LENGTH_BYTES..=MAX_BYTES).contains(bytes))
            && (0.0..=Self::MAX_MESSAGES).contains(&self.messages)
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Traffic { submission_bytes, reply_bytes, messages, message_bytes } = self;
        write!(f, "{submission_bytes},{reply_bytes},{messages},{message_bytes}")
    }
}

impl FromStr for Traffic {
    type Err = String;

    fn from_str(text: &str) -> Result<Traffic, String> {
        let parts: Vec<&str> = text.split(',').collect();
        let bytes = |part: &str| part.parse::<usize>().ok();
        let traffic = match parts[..] {
            [submission, reply, messages, message] => bytes(submission)
                .zip(bytes(reply))
                .zip(messages.parse::<f64>().ok().zip(bytes(message)))
                .map(|((submission_bytes, reply_bytes), (messages, message_bytes))| Traffic {
                    submission_bytes,
                    reply_bytes,
                    messages,
                    message_bytes,
                }),
            _ => None,
        };
        let expected = || "expected submission bytes, reply bytes, messages, message bytes".to_string();
        traffic.filter(Traffic::is_bounded).ok_or_else(expected)
    }
}

/// A frame of so many bytes in all that says nothing.
fn empty_frame(bytes: usize) -> Bytes {
    frame::of_bytes(&vec![0; bytes.saturating_sub(frame::LENGTH_BYTES)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_reads_back_what_it_writes() {
        let traffic = Traffic { submission_bytes: 150, reply_bytes: 60, messages: 0.75, message_bytes: 210 };
        assert_eq!(traffic.to_string().parse(), Ok(traffic));
        for bad in ["", "1,2", "150,60,x,210", "150,60,-1,210", "2000000,60,1,210", "3,60,1,210", "150,60,NaN,210"] {
            assert!(bad.parse::<Traffic>().is_err(), "{bad}");
        }
        assert_eq!(empty_frame(150).len(), 150);
    }
}
