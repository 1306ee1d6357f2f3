//! What the user types, read by a thread of its own.
//!
//! crossterm spins for ever once its terminal is gone, so this thread looks for that first, and the one that draws
//! never reads: whatever happens here, signals and feed are still attended to.

use std::fs::File;
use std::io::{self, IsTerminal, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How many inputs may wait; a user who is faster than that waits.
const MAX_WAITING: usize = 256;

/// How long crossterm is given to make something of what has come. It looks at nothing if it is given no time at all,
/// or is held up for all of it. Towards the end of that time it spins, so that it is asked only when something has come.
const READ: Duration = Duration::from_millis(100);

/// Something came from the terminal.
#[derive(Debug)]
pub(super) enum Input {
    Key(KeyEvent),
    Paste(String),
    /// The terminal is gone.
    Gone,
}

/// The reading thread; it ends soon after this is dropped.
pub(super) struct Reader {
    pub inputs: Receiver<Input>,
    /// The thread sees when this is closed.
    _is_wanted: PipeWriter,
}

impl Reader {
    /// Starts to read.
    ///
    /// # Errors
    ///
    /// There is no terminal to read from, or no thread to be had.
    pub(super) fn start() -> io::Result<Reader> {
        let (send, inputs) = sync_channel(MAX_WAITING);
        let (unwanted, is_wanted) = io::pipe()?;
        let tty = Tty::open()?;
        std::thread::Builder::new().name("input".into()).spawn(move || read(&tty, &send, &unwanted))?;
        Ok(Reader { inputs, _is_wanted: is_wanted })
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

/// Reads until nobody wants it any more, or the terminal is gone. Changes of its size are heard of elsewhere, by a signal.
fn read(tty: &Tty, send: &SyncSender<Input>, unwanted: &PipeReader) {
    loop {
        let mut fds = [PollFd::new(tty.fd(), PollFlags::POLLIN), PollFd::new(unwanted.as_fd(), PollFlags::empty())];
        let came = match poll(&mut fds, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            Ok(_) if fds[1].any() != Some(false) => return,
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
        let inputs = match event::read().map_err(drop)? {
            Event::Key(key) => Vec::from_iter(apart(key).map(Input::Key)),
            Event::Paste(text) => vec![Input::Paste(text)],
            Event::Resize(..) | Event::FocusGained | Event::FocusLost | Event::Mouse(_) => continue,
        };
        for input in inputs {
            send.send(input).map_err(drop)?;
        }
    }
    Ok(())
}

/// The keys that were pressed. A terminal sends Alt with a key as Esc and the key, so that who presses Esc and a key
/// quickly, or over a slow line, seems to hold Alt. Nothing here is bound to Alt: it is Esc and the key.
fn apart(key: KeyEvent) -> impl Iterator<Item = KeyEvent> {
    let escape = KeyEvent { code: KeyCode::Esc, modifiers: KeyModifiers::NONE, ..key };
    let plain = KeyEvent { modifiers: key.modifiers.difference(KeyModifiers::ALT), ..key };
    key.modifiers.contains(KeyModifiers::ALT).then_some(escape).into_iter().chain([plain])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_and_a_key_that_come_together_are_two_keys() {
        let keys = |modifiers| Vec::from_iter(apart(KeyEvent::new(KeyCode::Char('1'), modifiers)));
        let [escape, one] = [KeyCode::Esc, KeyCode::Char('1')].map(|code| KeyEvent::new(code, KeyModifiers::NONE));
        assert_eq!(keys(KeyModifiers::NONE), [one]);
        assert_eq!(keys(KeyModifiers::ALT), [escape, one]);
        assert_eq!(keys(KeyModifiers::CONTROL), [KeyEvent::new(KeyCode::Char('1'), KeyModifiers::CONTROL)]);
    }
}
