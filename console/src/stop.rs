//! One place where Ctrl-C, SIGTERM and SIGHUP arrive, so that each ends a run in an orderly way.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::sync::watch;

/// Says when the user or the system wants the process to end.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    sender: watch::Sender<u32>,
    signals: watch::Receiver<u32>,
}

/// So many signals in a row end the process at once, orderly or not; what it started ends with it, by the pipes.
const PATIENCE: u32 = 3;

impl Stop {
    /// Takes over the three signals for the rest of the process's life.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub(crate) fn install() -> io::Result<Stop> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let (sender, receiver) = watch::channel(0);
        let asked = sender.clone();
        let listen = move || {
            for signal in signals.forever() {
                sender.send_modify(|count| *count += 1);
                if *sender.borrow() >= PATIENCE {
                    // It does not return: these three end a process.
                    signal_hook::low_level::emulate_default_handler(signal).expect("the signal is a real one");
                }
            }
        };
        thread::Builder::new().name("signals".to_string()).spawn(listen)?;
        Ok(Stop { sender: asked, signals: receiver })
    }

    /// Asks for the end as a signal does, because somebody has left.
    pub(crate) fn ask(&self) {
        self.sender.send_modify(|count| *count = 1.max(*count));
    }

    /// Whether a signal has come.
    pub(crate) fn is_asked(&self) -> bool {
        *self.signals.borrow() > 0
    }

    /// Returns when the first signal has come.
    pub(crate) async fn asked(&mut self) {
        if self.signals.wait_for(|count| *count > 0).await.is_err() {
            // The thread that listens lives as long as the process; should it not, nothing ever asks.
            std::future::pending::<()>().await;
        }
    }
}

/// Removes a folder when a signal ends the process, which does not come to its end then.
///
/// # Errors
///
/// If the system refuses.
pub(crate) fn remove_on_signal(folder: &Path) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let folder = folder.to_path_buf();
    let remove = move || {
        if let Some(signal) = signals.forever().next() {
            // Whoever writes into it meanwhile makes it grow again: once more, and what is left then is little.
            if fs::remove_dir_all(&folder).is_err() {
                fs::remove_dir_all(&folder).ok();
            }
            signal_hook::low_level::emulate_default_handler(signal).expect("the signal is a real one");
        }
    };
    thread::Builder::new().name("signals".to_string()).spawn(remove)?;
    Ok(())
}
