//! What happens, as the screen knows it.

use byztop_node::control::LinkEvent;
use byztop_node::load::LoadReport;

use crate::launch::Life;
use crate::tui::{self, ProcessEvent};

/// A link's event as the screen knows it.
pub(crate) fn link_event(event: LinkEvent) -> tui::LinkEvent {
    match event {
        LinkEvent::Connecting => tui::LinkEvent::Connecting,
        LinkEvent::Up(welcome) => tui::LinkEvent::Up(welcome),
        LinkEvent::Message(message) => tui::LinkEvent::Message(message),
        LinkEvent::Rtt(rtt) => tui::LinkEvent::Rtt(rtt),
        LinkEvent::Clock(offset) => tui::LinkEvent::Clock(offset),
        LinkEvent::Down(why) => tui::LinkEvent::Down(why),
    }
}

/// What happened to a process as the screen knows it.
pub(crate) fn process_event(life: Life) -> ProcessEvent {
    match life {
        Life::Started { pid } => ProcessEvent::Started { pid },
        Life::Killed => ProcessEvent::Killed,
        Life::NotStarted { why } => ProcessEvent::NotStarted { why },
        Life::Ended { how, log_tail } => {
            let last = log_tail.lines().last().unwrap_or_default().to_string();
            ProcessEvent::Exited { status: how, log_tail: last }
        }
    }
}

/// A report on our own load as the screen knows it.
pub(crate) fn load_report(report: LoadReport, rate: Option<f64>, bundle: u32, accounts: u32) -> tui::LoadReport {
    let LoadReport { committed_ops, success, failed, latency, in_flight, busy, offered_ops, busiest, .. } = report;
    let busiest = busiest.into_iter().map(|(account, count)| (account.name(accounts).to_string(), count)).collect();
    tui::LoadReport { committed_ops, success, failed, offered_ops, in_flight, busy, busiest, latency, rate, bundle }
}
