//! One replica's process: started, looked at, ended.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use anyhow::Context as _;
use byztop_certs::{ClusterDirectory, Role};
use byztop_core::types::ReplicaId;
use byztop_node::bare::Traffic;

/// How long a log may become before it is begun anew; the one before it is kept.
const MAX_LOG_BYTES: u64 = 16 << 20;

/// How much of a log is shown when its replica dies.
const TAIL_LINES: usize = 5;

/// What happened to a replica's process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Life {
    /// It runs.
    Started {
        /// Its process id.
        pid: u32,
    },
    /// It was killed from here.
    Killed,
    /// It has ended by itself, or somebody else has ended it.
    Ended {
        /// How, in words.
        how: String,
        /// The last lines of its log.
        log_tail: String,
    },
    /// It was to be started again, and could not be.
    NotStarted {
        /// Why not, in words.
        why: String,
    },
}

/// One replica's process and the pipe that keeps it alive.
pub(super) struct Process {
    pub(super) replica: ReplicaId,
    child: Child,
    // `Some` as long as the replica is to live.
    pipe: Option<ChildStdin>,
    log: PathBuf,
    /// Whether it was killed from here.
    was_killed: bool,
    pub(super) has_ended: bool,
}

impl Process {
    pub(super) fn start(
        program: &Path,
        directory: &ClusterDirectory,
        replica: ReplicaId,
        bare: Option<Traffic>,
        new_epoch: bool,
    ) -> anyhow::Result<Process> {
        let home = directory.home(Role::Replica(replica));
        let log = home.join("log");
        let output = open_log(&log).with_context(|| format!("{}: can not write {replica}'s log", log.display()))?;
        let errors = output.try_clone().with_context(|| format!("{}: can not write {replica}'s log", log.display()))?;
        let threads = byztop_node::threads_for(directory.config().replicas.len());
        let mut child = Command::new(program)
            .args(["node", "--until-stdin-closes", "--threads", &threads.to_string()])
            .args(bare.into_iter().flat_map(|traffic| ["--bare".to_string(), traffic.to_string()]))
            .args(new_epoch.then_some("--new-epoch"))
            .arg(&home)
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            // A group of its own: Ctrl-C reaches the console alone, which then ends its replicas in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("can not start {replica} as {}", program.display()))?;
        let pipe = child.stdin.take();
        Ok(Process { replica, child, pipe, log, was_killed: false, has_ended: false })
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Keeps its log from growing without end: beyond [`MAX_LOG_BYTES`] it is copied beside and begun anew. Its process writes at
    /// the end, wherever that is.
    pub(super) fn tidy_log(&self) -> io::Result<()> {
        let log = File::options().read(true).write(true).open(&self.log)?;
        if log.metadata()?.len() > MAX_LOG_BYTES {
            std::fs::copy(&self.log, self.log.with_file_name("log.old"))?;
            log.set_len(0)?;
        }
        Ok(())
    }

    /// Closes its standard input: it ends, by and by.
    pub(super) fn end(&mut self) {
        self.pipe = None;
    }

    /// Whether the process has ended since the last look, and how.
    pub(super) fn look(&mut self) -> Option<Life> {
        if self.has_ended {
            return None;
        }
        let how = match self.child.try_wait() {
            Ok(None) => return None,
            Ok(Some(status)) => in_words(status),
            Err(error) => format!("lost: {error}"),
        };
        self.has_ended = true;
        if self.was_killed {
            return Some(Life::Killed);
        }
        Some(Life::Ended { how, log_tail: tail(&self.log).unwrap_or_default() })
    }

    /// Ends it at once, as a power cut would: it can neither save nor say anything.
    pub(super) fn kill(&mut self) {
        if self.is_running() {
            self.was_killed = true;
            // As when it is dropped: there may be nothing left to kill.
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }

    pub(super) fn is_running(&mut self) -> bool {
        self.look();
        !self.has_ended
    }
}

impl Drop for Process {
    /// Whatever way a cluster comes to its end, no process of it stays.
    fn drop(&mut self) {
        self.end();
        if self.is_running() {
            // It may end by itself in this instant; then there is nothing to kill, and waiting reaps it.
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

fn open_log(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path)
}

fn in_words(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(0), _) => "ended by itself".to_string(),
        (Some(code), _) => format!("ended with exit status {code}"),
        (None, Some(signal)) => {
            let name = nix::sys::signal::Signal::try_from(signal).map_or("?", nix::sys::signal::Signal::as_str);
            format!("was killed by signal {signal} ({name})")
        }
        (None, None) => "ended".to_string(),
    }
}

/// The last few lines of a log, of which no more than a few kilobytes are read.
fn tail(log: &Path) -> io::Result<String> {
    const MOST: u64 = 4096;
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MOST)))?;
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    Ok(lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_the_last_lines_and_bounded() {
        let scratch = tempfile::tempdir().unwrap();
        let log = scratch.path().join("log");
        let text: String = (0..10_000).map(|line| format!("line {line}\n\n")).collect();
        std::fs::write(&log, text).unwrap();
        assert_eq!(tail(&log).unwrap(), "line 9995\nline 9996\nline 9997\nline 9998\nline 9999");
    }
}
