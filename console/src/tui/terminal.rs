//! The terminal: taken once, drawn on without flicker, given back exactly once however the console ends.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{cursor, execute, queue, style, terminal};
use nix::sys::signal::{Signal, raise};
use ratatui::backend::CrosstermBackend;
use ratatui::{Frame, Terminal};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};

/// Whether the terminal is ours now. What is written while it is not is dropped.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// What threads other than the one that draws said when they panicked.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

type PanicHook = dyn Fn(&std::panic::PanicHookInfo<'_>) + Send + Sync;

/// A terminal in raw mode with the alternate screen shown.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Pen>>,
    signals: Signals,
    hook: Arc<PanicHook>,
}

/// What the system tells the process.
struct Signals {
    terminate: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    resume: Arc<AtomicBool>,
    resize: Arc<AtomicBool>,
    ids: Vec<signal_hook::SigId>,
}

/// What the system wants.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Wishes {
    /// End.
    pub terminate: bool,
    /// Give the terminal to the shell and stop.
    pub suspend: bool,
    /// Draw again: the size changed, or somebody else used the terminal meanwhile.
    pub redraw: bool,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    ///
    /// Standard output is no terminal, or it can not be used as one.
    pub(super) fn take() -> anyhow::Result<Screen> {
        anyhow::ensure!(
            io::stdout().is_terminal(),
            "standard output is not a terminal; the console needs one to draw on"
        );
        let signals = Signals::listen().context("can not listen to signals")?;
        // With NO_COLOR set, crossterm writes a reset in place of each colour, which also ends reverse video. The
        // theme decides about colours.
        style::force_color_output(true);
        let hook = watch_panics();
        enter().context("can not take the terminal")?;
        let terminal = Terminal::new(CrosstermBackend::new(Pen::default())).inspect_err(|_| leave())?;
        Ok(Screen { terminal, signals, hook })
    }

    /// Draws what differs from what is shown, as one synchronized update.
    ///
    /// # Errors
    ///
    /// The terminal is gone.
    pub(super) fn draw(&mut self, paint: impl FnOnce(&mut Frame)) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(paint)?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)
    }

    /// What signals came since this was last asked.
    pub(super) fn wishes(&mut self) -> io::Result<Wishes> {
        let came = |flag: &AtomicBool| flag.swap(false, Ordering::Relaxed);
        if came(&self.signals.resume) {
            // Stopped and continued by somebody else: the modes of the terminal may be anything.
            leave();
            self.enter_again()?;
            self.signals.resize.store(true, Ordering::Relaxed);
        }
        let redraw = came(&self.signals.resize);
        if redraw {
            self.forget()?;
        }
        Ok(Wishes { terminate: came(&self.signals.terminate), suspend: came(&self.signals.stop), redraw })
    }

    /// What the terminal shows is not known any more: the next frame is drawn as a whole. A terminal that was smaller for a
    /// moment has lost what it cut, even if it is as large as before.
    fn forget(&mut self) -> io::Result<()> {
        // `clear` would ask the terminal where its cursor is.
        let size = self.terminal.size()?;
        self.terminal.resize(size.into())
    }

    /// Gives the terminal back, stops the process, and takes the terminal again when it is continued.
    ///
    /// # Errors
    ///
    /// The terminal is gone.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        leave();
        raise(Signal::SIGSTOP).map_err(io::Error::from)?;
        self.signals.resume.store(false, Ordering::Relaxed);
        self.enter_again()
    }

    fn enter_again(&mut self) -> io::Result<()> {
        enter()?;
        self.forget()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
        for id in self.signals.ids.drain(..) {
            signal_hook::low_level::unregister(id);
        }
        // Hooks can not be changed while panicking.
        if !std::thread::panicking() {
            let hook = Arc::clone(&self.hook);
            std::panic::set_hook(Box::new(move |info| hook(info)));
        }
    }
}

impl Signals {
    fn listen() -> io::Result<Signals> {
        let flag = || Arc::new(AtomicBool::new(false));
        let mut signals = Signals { terminate: flag(), stop: flag(), resume: flag(), resize: flag(), ids: Vec::new() };
        let wanted = [
            (SIGTERM, &signals.terminate),
            (SIGHUP, &signals.terminate),
            (SIGINT, &signals.terminate),
            (SIGQUIT, &signals.terminate),
            (SIGTSTP, &signals.stop),
            (SIGCONT, &signals.resume),
            (SIGWINCH, &signals.resize),
        ];
        for (signal, flag) in wanted {
            signals.ids.push(signal_hook::flag::register(signal, Arc::clone(flag))?);
        }
        Ok(signals)
    }
}

/// Panics of other threads that nobody has seen yet.
pub(super) fn background_panics() -> Vec<String> {
    std::mem::take(&mut *PANICS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// From now on a panic of this thread gives the terminal back before it is reported, and a panic of any other thread
/// is kept for the log instead of being written across the screen. Returns the hook that was in place.
fn watch_panics() -> Arc<PanicHook> {
    let before: Arc<PanicHook> = Arc::from(std::panic::take_hook());
    let (hook, drawer) = (Arc::clone(&before), std::thread::current().id());
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == drawer {
            leave();
            hook(info);
        } else if IS_TAKEN.load(Ordering::Relaxed) {
            tracing::error!("{info}");
            PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(info.to_string());
        } else {
            hook(info);
        }
    }));
    before
}

fn enter() -> io::Result<()> {
    IS_TAKEN.store(true, Ordering::Relaxed);
    let entered = terminal::enable_raw_mode()
        .and_then(|()| execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide));
    entered.inspect_err(|_| leave())
}

/// Gives the terminal back, unless that was done. A terminal that is gone can not be given back: errors are ignored.
fn leave() {
    if IS_TAKEN.swap(false, Ordering::Relaxed) {
        let reset = style::ResetColor;
        let _ = execute!(
            io::stdout(),
            EndSynchronizedUpdate,
            reset,
            DisableBracketedPaste,
            LeaveAlternateScreen,
            cursor::Show
        );
        let _ = terminal::disable_raw_mode();
    }
}

/// Collects a whole frame and writes it at once. Unlike a `BufWriter` it writes nothing when it is dropped, so that a
/// panic half-way through a frame leaves no half frame on the shell's screen.
#[derive(Default)]
struct Pen {
    buffer: Vec<u8>,
}

impl Write for Pen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let frame = std::mem::take(&mut self.buffer);
        if !IS_TAKEN.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        out.write_all(&frame)?;
        out.flush()?;
        self.buffer = frame;
        self.buffer.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::thread;

    use portable_pty::{CommandBuilder, PtySize, native_pty_system};

    use super::*;

    const LEFT: &str = "\x1b[?1049l";

    /// Set where a test runs that was started by itself, on a terminal of its own.
    const ON_A_TERMINAL: &str = "BYZTOP_TEST_ON_A_TERMINAL";

    fn is_on_a_terminal() -> bool {
        std::env::var_os(ON_A_TERMINAL).is_some()
    }

    /// Starts a test of this module on a terminal, which must be set as before in the end; gives what it wrote there.
    fn on_a_terminal(test: &str) -> String {
        let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let modes = || format!("{:?}", pair.master.get_termios().expect("it is a terminal"));
        let before = modes();
        let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
        command.args(["--exact", "--nocapture", &format!("tui::terminal::tests::{test}")]);
        command.env(ON_A_TERMINAL, "");
        let mut output = pair.master.try_clone_reader().unwrap();
        let read = move || {
            let (mut text, mut bytes) = (Vec::new(), [0; 4096]);
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                text.extend_from_slice(&bytes[..count]);
            }
            text
        };
        let reader = thread::spawn(read);
        pair.slave.spawn_command(command).unwrap().wait().unwrap();
        assert_eq!(modes(), before);
        // Nobody else holds that end: there is nothing more to read.
        drop(pair.slave);
        String::from_utf8(reader.join().unwrap()).unwrap()
    }

    #[test]
    fn a_panic_of_whoever_draws_is_told_once_the_terminal_is_given_back() {
        if is_on_a_terminal() {
            let mut screen = Screen::take().unwrap();
            let half_a_frame = |frame: &mut Frame| {
                frame.render_widget("half a frame", frame.area());
                panic!("in the middle");
            };
            return screen.draw(half_a_frame).unwrap();
        }
        let text = on_a_terminal("a_panic_of_whoever_draws_is_told_once_the_terminal_is_given_back");
        assert_eq!(text.matches(LEFT).count(), 1, "{text:?}");
        assert!(text.find(LEFT) < text.find("in the middle"), "{text:?}");
        assert!(!text.contains("half a frame"), "{text:?}");
    }

    #[test]
    fn a_panic_of_another_thread_is_kept_and_the_screen_goes_on() {
        if is_on_a_terminal() {
            let mut screen = Screen::take().unwrap();
            thread::spawn(|| panic!("out of sight")).join().unwrap_err();
            let panics = background_panics();
            let words = if panics.len() == 1 && panics[0].contains("out of sight") { "remembered" } else { "lost" };
            return screen.draw(|frame| frame.render_widget(words, frame.area())).unwrap();
        }
        let text = on_a_terminal("a_panic_of_another_thread_is_kept_and_the_screen_goes_on");
        assert_eq!(text.matches(LEFT).count(), 1, "{text:?}");
        assert!(text.contains("remembered") && !text.contains("out of sight"), "{text:?}");
    }
}
