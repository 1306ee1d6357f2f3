//! What the user types, read by a thread of its own.
//!
//! crossterm spins for ever once its terminal is gone, so this thread looks for that first, and the one that draws
//! never reads: whatever happens here, signals and feed are still attended to.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use crossterm::event::{self, Event, KeyEvent};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How many inputs may wait; a user who is faster than that waits.
const MAX_WAITING: usize = 256;

/// How often the thread looks whether it is still wanted, in milliseconds.
const LOOK_MS: u16 = 200;

/// How long crossterm is given to make something of what has come. It looks at nothing if it is given no time at all,
/// or is held up for all of it.
const READ: Duration = Duration::from_millis(100);

/// Something came from the terminal.
#[derive(Debug)]
pub(super) enum Input {
    Key(KeyEvent),
    Paste(String),
    Resize,
    /// The terminal is gone.
    Gone,
}

/// The reading thread; it ends soon after this is dropped.
pub(super) struct Reader {
    pub inputs: Receiver<Input>,
    is_wanted: Arc<AtomicBool>,
}

impl Reader {
    /// Starts to read.
    ///
    /// # Errors
    ///
    /// There is no terminal to read from, or no thread to be had.
    pub(super) fn start() -> io::Result<Reader> {
        let (send, inputs) = sync_channel(MAX_WAITING);
        let is_wanted = Arc::new(AtomicBool::new(true));
        let tty = Tty::open()?;
        let wanted = Arc::clone(&is_wanted);
        std::thread::Builder::new().name("input".into()).spawn(move || read(&tty, &send, &wanted))?;
        Ok(Reader { inputs, is_wanted })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.is_wanted.store(false, Ordering::Relaxed);
    }
}

/// The terminal that crossterm reads from: standard input, or `/dev/tty` if that is something else.
enum Tty {
    Stdin(io::Stdin),
    File(File),
}

impl Tty {
    fn open() -> io::Result<Tty> {
        let stdin = io::stdin();
        if stdin.is_terminal() { Ok(Tty::Stdin(stdin)) } else { File::open("/dev/tty").map(Tty::File) }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Tty::Stdin(stdin) => stdin.as_fd(),
            Tty::File(file) => file.as_fd(),
        }
    }
}

fn read(tty: &Tty, send: &SyncSender<Input>, is_wanted: &AtomicBool) {
    while is_wanted.load(Ordering::Relaxed) {
        let mut fds = [PollFd::new(tty.fd(), PollFlags::POLLIN)];
        let came = match poll(&mut fds, PollTimeout::from(LOOK_MS)) {
            Err(Errno::EINTR) => continue,
            // What crossterm has read and not told is not seen by looking at the terminal: it is asked all the same.
            Ok(0) => PollFlags::empty(),
            Ok(_) => fds[0].revents().unwrap_or(PollFlags::POLLERR),
            Err(_) => PollFlags::POLLERR,
        };
        let is_gone = came.intersects(PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL);
        let passed = if is_gone { Err(()) } else { pass_on(send) };
        if passed.is_err() {
            if send.send(Input::Gone).is_err() {
                tracing::debug!("the terminal went away, and nobody listened any more");
            }
            return;
        }
    }
}

/// Passes on what can be read, until nothing more comes.
fn pass_on(send: &SyncSender<Input>) -> Result<(), ()> {
    while event::poll(READ).map_err(drop)? {
        let input = match event::read().map_err(drop)? {
            Event::Key(key) => Input::Key(key),
            Event::Paste(text) => Input::Paste(text),
            Event::Resize(..) => Input::Resize,
            Event::FocusGained | Event::FocusLost | Event::Mouse(_) => continue,
        };
        send.send(input).map_err(drop)?;
    }
    Ok(())
}
