//! Where logs go, and what they may hold: a line for each event, whatever somebody else has put into it.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;

use anyhow::Context as _;
use byztop_core::printable::one_line;
use tracing_subscriber::EnvFilter;

/// The longest line, in characters.
const MAX_CHARS: usize = 2000;

/// Logs to standard error. `BYZTOP_LOG=debug` says more.
pub(crate) fn to_stderr() {
    tracing_subscriber::fmt()
        .with_env_filter(filter())
        .with_writer(|| Lines(io::stderr()))
        .with_ansi(false)
        .log_internal_errors(false)
        .init();
}

/// Logs to a file, never to the screen. `BYZTOP_LOG=debug` says more.
///
/// # Errors
///
/// If the file can not be written.
pub(crate) fn to_file(path: &Path) -> anyhow::Result<()> {
    let file = File::options().create(true).append(true).open(path);
    let file = file.with_context(|| format!("{}: can not write the console's log", path.display()))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter())
        .with_writer(Mutex::new(Lines(file)))
        .with_ansi(false)
        .log_internal_errors(false)
        .init();
    Ok(())
}

fn filter() -> EnvFilter {
    EnvFilter::try_from_env("BYZTOP_LOG").unwrap_or_else(|_| EnvFilter::new("info"))
}

/// Writes each event, which comes as one piece, as one line.
struct Lines<W>(W);

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = one_line(text.strip_suffix('\n').unwrap_or(&text), MAX_CHARS) + "\n";
        self.0.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        let mut out = Vec::new();
        let mut lines = Lines(&mut out);
        lines.write_all(b"n1 lost n2: bye\n2026-01-01 ERROR forged \x1b[2J\n").unwrap();
        lines.write_all(b"next\n").unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "n1 lost n2: bye\\n2026-01-01 ERROR forged \\u{1b}[2J\nnext\n");
    }
}
