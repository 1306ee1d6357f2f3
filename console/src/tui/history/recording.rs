//! A recording: what was heard, in a file.
//!
//! ```text
//! file   = "byztop recording" version:u32 length:u32 header { chunk }
//! chunk  = entries:u32 from:u64 until:u64 length:u32 packed
//! ```
//!
//! Numbers are little endian, times microseconds of Unix time. Each chunk says how long it is and which time it spans, so
//! that a reader can skip it. A file that ends within a chunk, because who wrote it was killed, is whole up to there.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use byztop_core::committee::Committee;
use byztop_core::telemetry::{ConsoleMessage, Stranger};
use byztop_core::types::Time;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::tape::{Chunk, Packer, is_remembered};
use crate::tui::{FeedEvent, LinkEvent, LoadReport, Roster};

const MAGIC: &[u8; 16] = b"byztop recording";
const VERSION: u32 = 2;

/// The most bytes of a recording; it ends when it would be longer.
const MAX_BYTES: u64 = 512 << 20;

/// The most bytes of a header, and of a chunk.
const MAX_HEADER_BYTES: u32 = 4096;
const MAX_CHUNK_BYTES: u32 = 32 << 20;

/// A chunk is written when it has so many entries: so much is lost at most if the console is killed.
const ENTRIES: u32 = 512;

/// What a recording is of.
#[derive(Clone, Serialize, Deserialize)]
struct Header {
    protocol: String,
    replicas: u32,
    durability: String,
}

/// What a recording says, as far as it can be true: whoever made the file may have written anything.
///
/// # Errors
///
/// [`Stranger`], as for [`ConsoleMessage::credible`].
pub(super) fn credible(event: FeedEvent, committee: Committee) -> Result<FeedEvent, Stranger> {
    const MOST: u64 = 1 << 48;
    match event {
        FeedEvent::Link(id, LinkEvent::Message(message)) => {
            Ok(FeedEvent::Link(id, LinkEvent::Message(message.credible(committee)?)))
        }
        FeedEvent::Link(id, LinkEvent::Up(welcome)) => match ConsoleMessage::Welcome(*welcome).credible(committee)? {
            ConsoleMessage::Welcome(welcome) => Ok(FeedEvent::Link(id, LinkEvent::Up(Box::new(welcome)))),
            other => Ok(FeedEvent::Link(id, LinkEvent::Message(other))),
        },
        FeedEvent::Load(mut report) => {
            let LoadReport { committed_ops, success, failed, offered_ops, in_flight, busy, busiest, .. } = &mut *report;
            let asked = busiest.iter_mut().map(|(_, count)| count);
            let counts = [committed_ops, success, failed, offered_ops, in_flight, busy].into_iter().chain(asked);
            counts.for_each(|count| *count = (*count).min(MOST));
            Ok(FeedEvent::Load(report))
        }
        other => Ok(other),
    }
}

/// Why a file can not be read as a recording.
#[derive(Debug, Error)]
pub(crate) enum RecordingError {
    /// The file system says no.
    #[error("{path}: can not be read: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is something else.
    #[error("{0}: this is no recording of byztop; `r` on the console writes one, or `byztop up --record FILE`")]
    Foreign(PathBuf),
    /// It was written by another version.
    #[error("{path}: a recording in format {found}; this byztop reads format {VERSION}")]
    Version {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// Some of it is not what was written.
    #[error("{path}: damaged at byte {offset}; what stands before it can be shown once the file is cut off there")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
    },
    /// Nothing was heard while it was recorded.
    #[error("{0}: nothing was recorded")]
    Empty(PathBuf),
}

/// A recording that was read.
pub(crate) struct Recording {
    path: PathBuf,
    roster: Roster,
    chunks: Vec<(u64, Chunk)>,
    is_cut: bool,
}

impl Recording {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`RecordingError`].
    pub(crate) fn read(path: &Path) -> Result<Recording, RecordingError> {
        let io_error = |source| RecordingError::Io { path: path.to_path_buf(), source };
        let foreign = || RecordingError::Foreign(path.to_path_buf());
        let longest = MAX_BYTES + u64::from(MAX_CHUNK_BYTES);
        let mut file = byztop_certs::open_file(path, longest).map_err(io_error)?;
        // The rest is not read unless it begins as a recording does.
        let mut bytes = vec![0; MAGIC.len()];
        file.read_exact(&mut bytes).map_err(|_| foreign())?;
        if bytes != MAGIC {
            return Err(foreign());
        }
        file.take(longest).read_to_end(&mut bytes).map_err(io_error)?;
        let mut rest = bytes.strip_prefix(MAGIC).ok_or_else(foreign)?;
        let version = take_u32(&mut rest).ok_or_else(foreign)?;
        if version != VERSION {
            return Err(RecordingError::Version { path: path.to_path_buf(), found: version });
        }
        let header = take_u32(&mut rest).filter(|length| *length <= MAX_HEADER_BYTES);
        let header = header.and_then(|length| take(&mut rest, length as usize)).ok_or_else(foreign)?;
        let header: Header = postcard::from_bytes(header).map_err(|_| foreign())?;
        let roster = Roster {
            protocol: header.protocol,
            replicas: header.replicas as usize,
            durability: header.durability,
            simulation: None,
        };
        let mut recording = Recording { path: path.to_path_buf(), roster, chunks: Vec::new(), is_cut: false };
        while !rest.is_empty() {
            let offset = (bytes.len() - rest.len()) as u64;
            match take_chunk(&mut rest) {
                Some(chunk) => recording.chunks.push((offset, chunk)),
                None => {
                    recording.is_cut = true;
                    break;
                }
            }
        }
        if recording.chunks.is_empty() { Err(RecordingError::Empty(recording.path)) } else { Ok(recording) }
    }

    /// Of what it is.
    pub(crate) fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Whether whoever wrote it did not come to the end.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut
    }

    pub(super) fn chunks(&self) -> impl ExactSizeIterator<Item = &Chunk> {
        self.chunks.iter().map(|(_, chunk)| chunk)
    }

    /// That this chunk is not what was written.
    pub(super) fn damaged(&self, chunk: usize) -> RecordingError {
        let offset = self.chunks.get(chunk).map_or(0, |(offset, _)| *offset);
        RecordingError::Damaged { path: self.path.clone(), offset }
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    take(rest, 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    take(rest, 8)?.try_into().ok().map(u64::from_le_bytes)
}

/// The next chunk; `None` if it is not all there.
fn take_chunk(rest: &mut &[u8]) -> Option<Chunk> {
    let count = take_u32(rest)?;
    let (from, until) = (Time(take_u64(rest)?), Time(take_u64(rest)?));
    let length = take_u32(rest).filter(|length| *length <= MAX_CHUNK_BYTES)?;
    let packed = take(rest, length as usize)?.to_vec();
    Some(Chunk { count, from, until, packed })
}

/// A recording that is being written.
pub(crate) struct Writer {
    path: PathBuf,
    file: File,
    packer: Packer,
    written_bytes: u64,
}

impl Writer {
    /// Begins a file that is not there yet, with what is remembered already.
    ///
    /// # Errors
    ///
    /// If there is a file of that name, or none can be written.
    pub(super) fn begin(path: &Path, roster: &Roster, so_far: Vec<Chunk>) -> io::Result<Writer> {
        let file = File::options().write(true).create_new(true).open(path)?;
        let mut writer = Writer { path: path.to_path_buf(), file, packer: Packer::default(), written_bytes: 0 };
        let header = Header {
            protocol: roster.protocol.clone(),
            replicas: u32::try_from(roster.replicas).unwrap_or(u32::MAX),
            durability: roster.durability.clone(),
        };
        let header = postcard::to_stdvec(&header).map_err(io::Error::other)?;
        let length = u32::try_from(header.len()).map_err(io::Error::other)?;
        writer.write(&[&MAGIC[..], &VERSION.to_le_bytes(), &length.to_le_bytes(), &header].concat())?;
        so_far.iter().try_for_each(|chunk| writer.write_chunk(chunk))?;
        Ok(writer)
    }

    /// Begins a file that is not there yet, of a cluster of which nothing is known yet.
    ///
    /// # Errors
    ///
    /// If there is a file of that name, or none can be written.
    pub(crate) fn of_new(path: &Path, roster: &Roster) -> io::Result<Writer> {
        Writer::begin(path, roster, Vec::new())
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// How long it is so far, in bytes.
    pub(crate) fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// Takes in an event, and writes now and then.
    ///
    /// # Errors
    ///
    /// If it can not be written, or the recording is as long as it may be.
    pub(crate) fn note(&mut self, at: Time, event: &FeedEvent) -> io::Result<()> {
        if is_remembered(event) {
            self.packer.push(at, event);
        }
        if self.packer.count() >= ENTRIES { self.flush() } else { Ok(()) }
    }

    /// Writes what was not written yet.
    ///
    /// # Errors
    ///
    /// If it can not be written.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let chunk = self.packer.pack();
        chunk.iter().try_for_each(|chunk| self.write_chunk(chunk))
    }

    fn write_chunk(&mut self, chunk: &Chunk) -> io::Result<()> {
        let length = u32::try_from(chunk.packed.len()).map_err(io::Error::other)?;
        let mut bytes = chunk.count.to_le_bytes().to_vec();
        bytes.extend(chunk.from.0.to_le_bytes());
        bytes.extend(chunk.until.0.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes.extend(&chunk.packed);
        self.write(&bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.written_bytes + bytes.len() as u64 > MAX_BYTES {
            return Err(io::Error::other(format!("a recording has at most {} MB", MAX_BYTES >> 20)));
        }
        self.file.write_all(bytes)?;
        self.written_bytes += bytes.len() as u64;
        Ok(())
    }
}
