//! The loop: take in what came, then draw once.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use byztop_core::types::{Micros, Time};
use jiff::Zoned;
use jiff::tz::TimeZone;
use nix::errno::Errno;
use tokio::sync::mpsc::error::TrySendError;

use super::history::{Frozen, History, Recording, Writer};
use super::input::{Input, Reader};
use super::model::{Kind, Model};
use super::terminal::{Screen, background_panics};
use super::text::{clean, grouped, span};
use super::theme::{Glyphs, Theme};
use super::ui::Ui;
use super::update::{go_in_time, on_connected, on_event, on_tick, update};
use super::{Command, Feed, FeedEvent, LinkEvent, export, keys, picture, view};
use crate::clock::unix_now;

/// How often the feed is looked at, and how often while nothing on the screen moves; keys are felt at once.
const LOOK: Duration = Duration::from_millis(33);
const LOOK_WHILE_STILL: Duration = Duration::from_millis(100);

/// The least time between two drawings of what keys do, here and through a remote shell.
const FRAME: Duration = Duration::from_millis(33);
const REMOTE_FRAME: Duration = Duration::from_millis(66);

/// News of the cluster are drawn this often; what a key does is drawn at once.
const NEWS: Duration = Duration::from_millis(100);

/// How often what depends on time alone is brought up to date.
const TICK: Duration = Duration::from_millis(250);

/// How long the feed may be drained before keys get their turn.
const DRAIN: Duration = Duration::from_millis(8);

/// Runs the console on the terminal until the user leaves, the terminal goes away, the feed ends, or a signal says so.
/// [`Command::Quit`] is sent in the end, whatever ended it.
///
/// # Errors
///
/// Standard output is no terminal, or writing to it failed.
pub(crate) fn run(feed: Feed, glyphs: Glyphs) -> anyhow::Result<()> {
    let screen = Screen::take()?;
    let reader = Reader::start()?;
    let model = Model::new(&feed.roster, unix_now());
    // A simulation's day begins at midnight.
    let zone = if feed.roster.simulation.is_some() { TimeZone::UTC } else { TimeZone::system() };
    let mut ui = Ui::new(Theme::from_env(), zone);
    ui.glyphs = glyphs;
    ui.tick(unix_now());
    let is_remote = std::env::var_os("SSH_CONNECTION").is_some();
    let least = if is_remote { REMOTE_FRAME } else { FRAME };
    let mut console = Console { feed, model, ui, history: History::new(), writer: None, news: false, urgent: true };
    if let Some(path) = console.feed.record.clone() {
        console.begin_recording(path);
    }
    let ended = match console.run(screen, &reader, least) {
        // The terminal went away; that is a way to leave.
        Err(error) if is_hang_up(&error) => Ok(()),
        Err(error) => Err(error).context("can not draw on the terminal"),
        Ok(()) => Ok(()),
    };
    console.end_recording();
    if console.feed.commands.try_send(Command::Quit).is_err() {
        tracing::debug!("who carries out commands had ended before the screen");
    }
    ended
}

/// Shows a recording until the user leaves. Says on standard error how far it is with reading.
///
/// # Errors
///
/// As [`run`]; if a part of the recording is damaged.
pub(crate) fn replay(
    recording: &Recording,
    glyphs: Glyphs,
    mut progress: impl FnMut(usize, usize),
) -> anyhow::Result<()> {
    let history = History::of_recording(recording, &mut progress)?;
    let screen = Screen::take()?;
    let reader = Reader::start()?;
    // Nobody speaks into this feed; it ends when the screen does.
    let (_silent, events) = std::sync::mpsc::sync_channel(1);
    let (commands, _unheard) = tokio::sync::mpsc::channel(1);
    let feed = Feed { roster: recording.roster().clone(), events, commands, dropped: Arc::default(), record: None };
    let model = Model::new(&feed.roster, unix_now());
    let mut ui = Ui::new(Theme::from_env(), TimeZone::system());
    ui.glyphs = glyphs;
    ui.tick(unix_now());
    ui.frozen = Some(Frozen::playing_from_the_beginning(&history, &model));
    let mut console = Console { feed, model, ui, history, writer: None, news: false, urgent: true };
    match console.run(screen, &reader, FRAME) {
        Err(error) if is_hang_up(&error) => Ok(()),
        ended => ended.context("can not draw on the terminal"),
    }
}

/// A name for a recording that begins now, in this folder.
fn new_recording() -> PathBuf {
    PathBuf::from(format!("{}.rec", stamped()))
}

/// A name for a file that is made now, without its ending.
fn stamped() -> String {
    format!("byztop-{}", Zoned::now().strftime("%Y%m%d-%H%M%S"))
}

struct Console {
    feed: Feed,
    model: Model,
    ui: Ui,
    history: History,
    /// The recording, while there is one.
    writer: Option<Writer>,
    /// Something of the cluster changed since the last drawing.
    news: bool,
    /// The user did something since the last drawing.
    urgent: bool,
}

impl Console {
    fn run(&mut self, mut screen: Screen, reader: &Reader, least: Duration) -> io::Result<()> {
        let (mut drawn, mut answered): (Option<Instant>, Option<Instant>) = (None, None);
        let since = |moment: Option<Instant>| moment.map_or(Duration::MAX, |at| at.elapsed());
        let (mut ticked, mut passed) = (Instant::now(), Instant::now());
        let mut is_drained = true;
        while !self.ui.is_over {
            // What a key does need not wait because news were drawn just now, and news wait after it.
            let answers = self.urgent && since(answered) >= least;
            if answers || (self.news && since(drawn) >= NEWS.max(least)) {
                let mut furthest = 0;
                screen.draw(|frame| furthest = view::view(&self.model, &self.ui, frame))?;
                self.ui.furthest = furthest;
                drawn = Some(Instant::now());
                answered = if answers { drawn } else { answered };
                (self.news, self.urgent) = (false, false);
            }
            let wait = match (is_drained, self.urgent) {
                (false, _) => Duration::ZERO,
                (true, false) if self.is_still() => LOOK_WHILE_STILL,
                (true, false) => LOOK,
                (true, true) => least.saturating_sub(since(answered)),
            };
            match reader.inputs.recv_timeout(wait) {
                Ok(input) => self.on_input(input),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            while let Ok(input) = reader.inputs.try_recv() {
                self.on_input(input);
            }
            is_drained = self.drain();
            self.pass(std::mem::replace(&mut passed, Instant::now()).elapsed());
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                self.tick();
            }
            let wishes = screen.wishes()?;
            self.ui.is_over |= wishes.terminate;
            self.urgent |= wishes.redraw;
            if wishes.suspend || std::mem::take(&mut self.ui.wants_suspend) {
                screen.suspend()?;
                self.urgent = true;
            }
        }
        Ok(())
    }

    fn on_input(&mut self, input: Input) {
        let now = unix_now();
        self.model.tick(now);
        self.urgent |= self.ui.tick(now);
        match input {
            Input::Key(event) => {
                if let Some(action) = keys::action(self.ui.context(), event) {
                    self.act(action);
                }
            }
            Input::Paste(text) if self.ui.context().takes_text() => {
                clean(&text).chars().for_each(|c| self.act(super::action::Action::Type(c)));
            }
            Input::Paste(_) => {}
            Input::Gone => self.ui.is_over = true,
        }
    }

    fn act(&mut self, action: super::action::Action) {
        self.urgent = true;
        let commands = update(&mut self.model, &mut self.ui, action);
        self.send(commands);
        let commands = go_in_time(&self.model, &mut self.ui, &self.history);
        self.send(commands);
        if std::mem::take(&mut self.ui.wants_picture) {
            self.save_picture();
        }
        if std::mem::take(&mut self.ui.wants_export) {
            self.export();
        }
        if std::mem::take(&mut self.ui.wants_record) {
            match self.writer {
                Some(_) => self.end_recording(),
                None => self.begin_recording(new_recording()),
            }
        }
    }

    /// Writes the screen to two files of this folder.
    fn save_picture(&mut self) {
        let (columns, rows) = crossterm::terminal::size().unwrap_or((120, 36));
        let screen = picture::screen(&self.model, &self.ui, columns, rows);
        let files = [("txt", picture::text(&screen)), ("svg", picture::svg(&screen))];
        self.write_files("the screen is in", &stamped(), &files);
    }

    /// Writes the figures behind the pane to two files of this folder.
    fn export(&mut self) {
        let sheet = export::of_pane(self.ui.shown(&self.model), &self.ui);
        let name = format!("{}-{}", stamped(), self.ui.pane.title());
        match sheet.csv() {
            Ok(csv) => self.write_files("the figures are in", &name, &[("csv", csv), ("json", sheet.json())]),
            Err(error) => self.ui.complain(format!("the figures can not be exported: {error}")),
        }
    }

    /// Writes files of one name and different endings, over none that is there.
    fn write_files(&mut self, what: &str, name: &str, files: &[(&str, String)]) {
        for (ending, text) in files {
            let path = format!("{name}.{ending}");
            let file = File::options().write(true).create_new(true).open(&path);
            if let Err(error) = file.and_then(|mut file| file.write_all(text.as_bytes())) {
                return self.ui.complain(format!("{path}: can not be written: {error}"));
            }
        }
        let endings: Vec<String> = files.iter().map(|(ending, _)| format!("{name}.{ending}")).collect();
        self.ui.say(format!("{what} {}", endings.join(" and ")));
    }

    /// Whether the screen stays as it is until a key is pressed.
    fn is_still(&self) -> bool {
        self.ui.frozen.as_ref().is_some_and(|frozen| frozen.bar.pace.is_none())
    }

    /// Time passes in a recording that plays.
    fn pass(&mut self, real: Duration) {
        let real = Micros(u64::try_from(real.as_micros()).unwrap_or(u64::MAX));
        if let Some(frozen) = &mut self.ui.frozen {
            self.news |= frozen.pass(&self.history, real);
        }
    }

    fn begin_recording(&mut self, path: PathBuf) {
        match self.history.record(&path, &self.feed.roster) {
            Ok(writer) => {
                let remembered = self.history.span().map_or(Micros(0), |(from, until)| until.since(from));
                self.ui.say(format!("recording to {}, with the {} before", path.display(), span(remembered)));
                self.writer = Some(writer);
            }
            Err(error) => self.ui.complain(format!("{}: can not be recorded to: {error}", path.display())),
        }
        self.ui.is_recording = self.writer.is_some();
        self.urgent = true;
    }

    fn end_recording(&mut self) {
        let Some(mut writer) = self.writer.take() else { return };
        self.ui.is_recording = false;
        let path = writer.path().display().to_string();
        match writer.flush() {
            Ok(()) => {
                let kilobytes = grouped(writer.written_bytes().div_ceil(1000));
                self.ui.say(format!("recorded {kilobytes} kB; byztop replay {path} shows it"));
            }
            Err(error) => self.ui.complain(format!("{path}: the end of the recording is lost: {error}")),
        }
    }

    /// Remembers an event, and writes it if there is a recording.
    fn remember(&mut self, now: Time, event: &FeedEvent) {
        self.history.note(now, event, &self.model);
        if let Some(writer) = &mut self.writer
            && let Err(error) = writer.note(now, event)
        {
            let complaint = format!("{}: the recording has ended: {error}", writer.path().display());
            (self.writer, self.ui.is_recording) = (None, false);
            self.ui.complain(complaint);
        }
    }

    fn send(&mut self, commands: Vec<Command>) {
        for command in commands {
            match self.feed.commands.try_send(command) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => self.ui.complain("too busy: the command was not sent"),
                Err(TrySendError::Closed(_)) => self.ui.is_over = true,
            }
        }
    }

    /// Takes in what came, for a bounded time; says whether that was all.
    fn drain(&mut self) -> bool {
        let started = Instant::now();
        let mut is_drained = false;
        let now = unix_now();
        while !is_drained && started.elapsed() < DRAIN {
            match self.feed.events.try_recv() {
                Ok(event) => {
                    on_event(&mut self.ui, &event);
                    let connected = match &event {
                        FeedEvent::Link(id, LinkEvent::Up(_)) => Some(*id),
                        _ => None,
                    };
                    // Whoever steps through time waits for what a step does.
                    self.urgent |= matches!(&event, FeedEvent::Simulated(time) if time.is_paused);
                    self.remember(now, &event);
                    self.model.apply(now, event);
                    self.news |= self.ui.frozen.is_none();
                    if let Some(id) = connected {
                        self.send(on_connected(&self.ui, id));
                    }
                }
                Err(TryRecvError::Empty) => is_drained = true,
                Err(TryRecvError::Disconnected) => (is_drained, self.ui.is_over) = (true, true),
            }
        }
        self.model.feed_dropped = self.feed.dropped.load(Ordering::Relaxed);
        for complaint in std::mem::take(&mut self.model.complaints) {
            self.ui.complain(complaint);
            self.urgent = true;
        }
        is_drained
    }

    fn tick(&mut self) {
        let now = unix_now();
        self.model.tick(now);
        self.news |= match &mut self.ui.frozen {
            Some(frozen) => frozen.keep_up(&self.history),
            None => true,
        };
        self.urgent |= self.ui.tick(now);
        let commands = on_tick(&self.model, &mut self.ui);
        self.send(commands);
        for panic in background_panics() {
            let panic = clean(&panic.replace('\n', " "));
            self.model.log.push(now, Kind::Error, panic.clone());
            self.ui.complain(panic);
            self.urgent = true;
        }
    }
}

fn is_hang_up(error: &io::Error) -> bool {
    let by_errno = error.raw_os_error().map(Errno::from_raw);
    error.kind() == io::ErrorKind::BrokenPipe || matches!(by_errno, Some(Errno::EIO | Errno::ENXIO | Errno::EBADF))
}
