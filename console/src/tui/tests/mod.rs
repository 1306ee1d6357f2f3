//! The console as its user meets it: keys in, screens out, with a made-up cluster behind it.

mod actions;
mod ascii;
mod filter;
mod liar;
mod panes;
mod recorded;
mod screens;
mod simulated;
mod sizes;
mod time;
mod zoom;

use byztop_core::telemetry::ConsoleRequest;
use byztop_core::types::Time;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use super::fixture::Cluster;
use super::history::History;
use super::keys;
use super::model::Model;
use super::theme::Theme;
use super::ui::Ui;
use super::update::{go_in_time, on_connected, on_event, on_tick, update};
use super::view::view;
use super::{Command, FeedEvent, LinkEvent};

/// 2026-01-02 12:00:00 UTC.
const NOON: Time = Time(1_767_355_200_000_000);

/// A console, and the cluster that it looks at.
struct Rig {
    cluster: Cluster,
    model: Model,
    ui: Ui,
    history: History,
    /// Everything that the console wanted done.
    commands: Vec<Command>,
    /// Columns and rows of the screen that the user sees.
    size: (u16, u16),
}

impl Rig {
    /// Before anything is connected.
    fn new(replicas: usize) -> Rig {
        let cluster = Cluster::new(replicas, NOON);
        let model = Model::new(&cluster.roster(), NOON);
        let ui = Ui::new(Theme::DARK, TimeZone::UTC);
        Rig { cluster, model, ui, history: History::new(), commands: Vec::new(), size: (120, 36) }
    }

    /// Connected for some frames.
    fn running(replicas: usize, frames: usize) -> Rig {
        let mut rig = Rig::new(replicas);
        let events = rig.cluster.connect();
        rig.take(events);
        rig.frames(frames);
        rig
    }

    /// How many requests of a kind were sent so far.
    fn asked(&self, is_it: impl Fn(&ConsoleRequest) -> bool) -> usize {
        let requests = self.commands.iter().filter(|c| matches!(c, Command::Send(_, request) if is_it(request)));
        requests.count()
    }

    fn take(&mut self, events: Vec<FeedEvent>) {
        for event in events {
            let connected = match &event {
                FeedEvent::Link(id, LinkEvent::Up(_)) => Some(*id),
                _ => None,
            };
            on_event(&mut self.ui, &event);
            self.history.note(self.cluster.now, &event, &self.model);
            self.model.apply(self.cluster.now, event);
            let commands = connected.map(|id| on_connected(&self.ui, id)).unwrap_or_default();
            self.do_all(commands);
        }
        for complaint in std::mem::take(&mut self.model.complaints) {
            self.ui.complain(complaint);
        }
        self.ui.tick(self.model.now);
    }

    fn frames(&mut self, count: usize) {
        for _ in 0..count {
            let events = self.cluster.step();
            self.take(events);
            let commands = on_tick(&self.model, &mut self.ui);
            self.do_all(commands);
            if let Some(frozen) = &mut self.ui.frozen {
                frozen.keep_up(&self.history);
            }
        }
    }

    fn do_all(&mut self, commands: Vec<Command>) {
        for command in commands {
            self.commands.push(command.clone());
            let events = self.cluster.obey(command);
            self.take(events);
        }
    }

    /// Presses keys: named ones by name, others as the characters of the word, `_` for a space.
    fn press(&mut self, keys: &str) {
        for word in keys.split_whitespace() {
            let named = match word {
                "Enter" => Some(KeyCode::Enter),
                "Esc" => Some(KeyCode::Esc),
                "Tab" => Some(KeyCode::Tab),
                "Up" => Some(KeyCode::Up),
                "Down" => Some(KeyCode::Down),
                "Home" => Some(KeyCode::Home),
                "End" => Some(KeyCode::End),
                "Left" => Some(KeyCode::Left),
                "Right" => Some(KeyCode::Right),
                "PageDown" => Some(KeyCode::PageDown),
                "Backspace" => Some(KeyCode::Backspace),
                _ => None,
            };
            match named {
                Some(code) => self.key(code),
                None => word.chars().for_each(|c| self.key(KeyCode::Char(if c == '_' { ' ' } else { c }))),
            }
        }
    }

    fn key(&mut self, code: KeyCode) {
        let mut terminal = Terminal::new(TestBackend::new(self.size.0, self.size.1)).unwrap();
        terminal.draw(|frame| self.ui.furthest = view(&self.model, &self.ui, frame)).unwrap();
        let event = KeyEvent::new(code, KeyModifiers::NONE);
        if let Some(action) = keys::action(self.ui.context(), event) {
            let commands = update(&mut self.model, &mut self.ui, action);
            self.do_all(commands);
            let commands = go_in_time(&self.model, &mut self.ui, &self.history);
            self.do_all(commands);
        }
    }

    /// Presses keys and gives what they made the console send.
    fn sent(&mut self, keys: &str) -> Vec<String> {
        let before = self.commands.len();
        self.press(keys);
        self.commands[before..].iter().map(|command| format!("{command:?}")).collect()
    }

    fn draw(&self, width: u16, height: u16) -> Buffer {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal
            .draw(|frame| {
                view(&self.model, &self.ui, frame);
            })
            .unwrap();
        terminal.backend().buffer().clone()
    }

    fn screen(&self, width: u16, height: u16) -> String {
        lines(&self.draw(width, height)).join("\n")
    }

    fn first_line(&self) -> String {
        lines(&self.draw(80, 24)).swap_remove(0)
    }
}

fn lines(buffer: &Buffer) -> Vec<String> {
    let line = |y| {
        let cells = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol());
        cells.collect::<String>().trim_end().to_string()
    };
    (0..buffer.area.height).map(line).collect()
}
