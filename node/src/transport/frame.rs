//! A length and as many bytes: cut out of a stream, bounded before anything is allocated.

use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use byztop_core::wire;
use quinn::{ReadError, RecvStream};
use serde::Serialize;
use thiserror::Error;
use tokio::time::Instant;

/// How many bytes the length takes.
pub(crate) const LENGTH_BYTES: usize = 4;

/// What ends a connection: its frames can not be trusted to be frames.
#[derive(Debug, Error)]
pub(crate) enum Violation {
    /// A frame claims more bytes than this stream carries.
    #[error("a frame of {bytes} bytes, at most {limit} are allowed")]
    TooLong {
        /// What it claims.
        bytes: u32,
        /// What is allowed.
        limit: usize,
    },
    /// The stream ended within a frame.
    #[error("the stream ended within a frame")]
    Truncated,
    /// A stream that should not be, or with a first byte that means nothing.
    #[error("a stream of no known kind")]
    UnknownStream,
    /// A stream was not opened, or a frame not ended, in time.
    #[error("it was too slow")]
    TooSlow,
    /// A stream or connection ended; not the peer's fault as far as we know.
    #[error("the stream broke: {0}")]
    Broken(#[from] ReadError),
}

/// A value as one frame, encoded once however many get it.
pub(crate) fn encode<T: Serialize>(value: &T) -> Bytes {
    of_bytes(&wire::encode(value))
}

/// Bytes as one frame.
pub(crate) fn of_bytes(body: &[u8]) -> Bytes {
    let length = u32::try_from(body.len()).expect("a message is far below 4 GiB");
    let mut frame = BytesMut::with_capacity(LENGTH_BYTES + body.len());
    frame.put_u32_le(length);
    frame.put_slice(body);
    frame.freeze()
}

/// Bytes as they came, and the frames within. Holds one frame and one read at most.
pub(crate) struct FrameBuffer {
    bytes: BytesMut,
    limit: usize,
}

impl FrameBuffer {
    /// For frames of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> FrameBuffer {
        FrameBuffer { bytes: BytesMut::new(), limit }
    }

    /// Appends what came. Memory grows with what was received, never with what a length promises.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame, without its length.
    ///
    /// # Errors
    ///
    /// [`Violation::TooLong`] as soon as the length is known.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, Violation> {
        let Some(prefix) = self.bytes.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let claimed = u32::from_le_bytes(*prefix);
        let length = claimed as usize;
        if length > self.limit {
            return Err(Violation::TooLong { bytes: claimed, limit: self.limit });
        }
        if self.bytes.len() - LENGTH_BYTES < length {
            return Ok(None);
        }
        self.bytes.advance(LENGTH_BYTES);
        Ok(Some(self.bytes.split_to(length).freeze()))
    }

    /// Whether nothing is left over.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// The frames of one stream.
pub(crate) struct FrameReader {
    stream: RecvStream,
    buffer: FrameBuffer,
    /// When the frame that has begun must have ended.
    must_end: Option<Instant>,
}

impl FrameReader {
    /// What is taken in one go: as many signatures as are worth checking together.
    const MOST: usize = 64;
    /// How long a frame may take from the first byte to the last: the longest one over a line of 7 Mbit/s.
    const FRAME_TIMEOUT: Duration = Duration::from_secs(20);
    /// How many pieces of the stream are taken at once.
    const PIECES: usize = 32;

    /// Reads frames of at most `limit` bytes.
    pub(crate) fn new(stream: RecvStream, limit: usize) -> FrameReader {
        FrameReader { stream, buffer: FrameBuffer::new(limit), must_end: None }
    }

    /// The frames that are there, at least one and at most [`FrameReader::MOST`]; none at the stream's orderly end.
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// [`Violation`], after which the stream is of no use.
    pub(crate) async fn next_some(&mut self) -> Result<Vec<Bytes>, Violation> {
        let mut frames: Vec<Bytes> = self.next().await?.into_iter().collect();
        while !frames.is_empty() && frames.len() < Self::MOST {
            match self.buffer.next() {
                Ok(Some(frame)) => frames.push(frame),
                // What is wrong is found again at the next call.
                Ok(None) | Err(_) => break,
            }
        }
        Ok(frames)
    }

    /// The next frame; `None` at the stream's orderly end. Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// [`Violation`], after which the stream is of no use.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Violation> {
        loop {
            if let Some(frame) = self.buffer.next()? {
                self.must_end = None;
                return Ok(Some(frame));
            }
            let mut pieces = [const { Bytes::new() }; Self::PIECES];
            // Between frames a peer may be silent for as long as its connection lives.
            let read = self.stream.read_chunks(&mut pieces);
            let count = match self.buffer.is_empty() {
                true => read.await?,
                false => tokio::time::timeout_at(
                    *self.must_end.get_or_insert_with(|| Instant::now() + Self::FRAME_TIMEOUT),
                    read,
                )
                .await
                .map_err(|_| Violation::TooSlow)??,
            };
            match count {
                Some(count) => pieces.iter().take(count).for_each(|piece| self.buffer.push(piece)),
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(Violation::Truncated),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_frame_at_the_limit_passes_and_one_beyond_is_refused_by_its_length_alone() {
        let mut buffer = FrameBuffer::new(3);
        buffer.push(&[3, 0, 0, 0, 7, 8, 9]);
        assert_eq!(buffer.next().unwrap().unwrap(), &[7, 8, 9][..]);
        assert!(buffer.is_empty());
        buffer.push(&[4, 0, 0, 0]);
        assert!(matches!(buffer.next(), Err(Violation::TooLong { bytes: 4, limit: 3 })));
    }

    #[test]
    fn a_promise_of_gigabytes_allocates_nothing() {
        let mut buffer = FrameBuffer::new(u32::MAX as usize);
        buffer.push(&[0xff, 0xff, 0xff, 0xff, 1]);
        assert!(buffer.next().unwrap().is_none());
        assert!(buffer.bytes.capacity() < 1024, "{}", buffer.bytes.capacity());
    }

    #[test]
    fn values_come_back_out_of_their_frames() {
        let mut buffer = FrameBuffer::new(100);
        buffer.push(&encode(&"hello"));
        let body = buffer.next().unwrap().unwrap();
        assert_eq!(wire::decode::<String>(&body, 100).unwrap(), "hello");
    }

    proptest! {
        #[test]
        fn frames_survive_any_cutting(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..20),
            cuts in prop::collection::vec(1usize..40, 1..40),
        ) {
            let mut stream = Vec::new();
            for frame in &frames {
                stream.extend_from_slice(&(frame.len() as u32).to_le_bytes());
                stream.extend_from_slice(frame);
            }
            let (mut buffer, mut found, mut rest) = (FrameBuffer::new(50), Vec::new(), stream.as_slice());
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                buffer.push(now);
                while let Some(frame) = buffer.next().unwrap() {
                    found.push(frame.to_vec());
                }
                rest = later;
            }
            prop_assert_eq!(found, frames);
            prop_assert!(buffer.is_empty());
        }

        #[test]
        fn garbage_never_panics_and_never_gives_a_long_frame(chunks: Vec<Vec<u8>>) {
            let mut buffer = FrameBuffer::new(16);
            'stream: for chunk in chunks {
                buffer.push(&chunk);
                loop {
                    match buffer.next() {
                        Ok(Some(frame)) => prop_assert!(frame.len() <= 16),
                        Ok(None) => break,
                        Err(_) => break 'stream,
                    }
                }
            }
        }
    }
}
