//! Progress of long work, for whoever waits at a terminal.

use std::io::{self, IsTerminal as _, Write as _};

use byztop_core::printable::{one_line, printable};

/// The longest line of progress, in characters.
const MAX_CHARS: usize = 400;

/// One line on standard error that is written over, if that is a terminal.
#[derive(Clone, Copy)]
pub(crate) struct Progress {
    is_terminal: bool,
}

impl Progress {
    /// Asks once whether anyone sees it.
    pub(crate) fn start() -> Progress {
        Progress { is_terminal: io::stderr().is_terminal() }
    }

    /// For nobody.
    pub(crate) fn silent() -> Progress {
        Progress { is_terminal: false }
    }

    /// Replaces the line.
    pub(crate) fn show(self, text: &str) {
        if self.is_terminal {
            write_err(&format!("\r\x1b[K{}", one_line(text, MAX_CHARS)));
        }
    }

    /// Something to keep: a line of its own, also where there is no terminal.
    pub(crate) fn say(self, text: &str) {
        self.clear();
        write_err(&format!("byztop: {}\n", printable(text)));
    }

    /// Takes the line away.
    pub(crate) fn clear(self) {
        if self.is_terminal {
            write_err("\r\x1b[K");
        }
    }
}

/// Whoever reads standard error may be gone; that is no reason to end the run.
fn write_err(text: &str) {
    let mut err = io::stderr().lock();
    err.write_all(text.as_bytes()).and_then(|()| err.flush()).ok();
}
