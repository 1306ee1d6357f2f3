//! `byztop run --watch`: sets are chosen on the screen, and the cluster of the one that runs is what it shows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::sync_channel;
use std::thread;

use anyhow::Context as _;
use byztop_core::committee::Committee;
use byztop_core::scenario::Set;
use tokio::sync::mpsc;

use super::audience::{Audience, Screen};
use super::set::{Runner, SetRun, Stand};
use super::{case_list, has_passed, roster, table};
use crate::cli::RunArgs;
use crate::print_out;
use crate::progress::Progress;
use crate::session::{Background, Outbox};
use crate::stop::Stop;
use crate::tui::{self, CaseEvent, Feed, FeedEvent, Glyphs};

/// How many events wait for the screen, and how many commands of it.
const EVENTS: usize = 1024;
const COMMANDS: usize = 128;

/// Shows the sets and runs those that are chosen; then says on standard output what came of them, and whether all that
/// have run have passed.
///
/// # Errors
///
/// If the terminal can not be used.
pub(super) fn run(args: &RunArgs, committee: Committee, sets: &[&Set], stop: &Stop) -> anyhow::Result<bool> {
    let (events, feed_events) = sync_channel(EVENTS);
    let (commands, command_queue) = mpsc::channel(COMMANDS);
    let dropped = Arc::new(AtomicU64::new(0));
    let outbox = Outbox::new(events, dropped.clone());
    let roster = roster(args, committee);
    let feed = Feed { roster: roster.clone(), events: feed_events, commands, dropped, record: None };
    let screen = Screen { outbox, commands: command_queue, stop: stop.clone(), wished: Vec::new(), sets: sets.len() };
    let audience = Audience::new(roster, case_list(args, committee, sets), Some(screen));
    let runner = Runner { args, committee, stop, progress: Progress::silent() };
    thread::scope(|scope| {
        let shown = {
            let play = || play(&runner, sets, audience, stop);
            let player = thread::Builder::new().name("cases".to_string()).spawn_scoped(scope, play)?;
            let shown = tui::run(feed, Glyphs::from_flag(args.ascii));
            stop.ask();
            let played = player.join().ok().context("the runner of test cases has failed; this is a bug in byztop")?;
            shown.and(played)
        };
        let runs: Vec<SetRun<'_>> = shown?.into_values().collect();
        print_out(&table::sum_up(&runs))?;
        Ok(runs.iter().all(has_passed))
    })
}

/// Runs what is wished for until somebody has had enough; what came of each set last.
fn play<'f>(
    runner: &Runner<'_>,
    sets: &[&'f Set],
    mut audience: Audience,
    stop: &Stop,
) -> anyhow::Result<BTreeMap<usize, SetRun<'f>>> {
    let idle = Background::start()?;
    let mut runs = BTreeMap::new();
    let mut stand: Option<Stand> = None;
    while !stop.is_asked() {
        match audience.take_wish() {
            Some(place) => {
                // One cluster at a time: they would share two cores.
                drop(stand.take());
                let Some(set) = sets.get(place).copied() else { continue };
                match runner.run(place, set, &mut audience, String::new()) {
                    Ok(Some((run, up))) => {
                        runs.insert(place, run);
                        stand = Some(up);
                    }
                    Ok(None) => break,
                    Err(error) => {
                        let why = format!("{error:#}");
                        audience.tell(FeedEvent::Case(CaseEvent::Broken { place, why }));
                    }
                }
            }
            None => match &mut stand {
                Some(stand) => stand.hold(&mut audience, stop),
                None => {
                    let mut stop = stop.clone();
                    idle.get().block_on(async {
                        tokio::select! {
                            () = stop.asked() => {}
                            () = audience.wished() => {}
                        }
                    });
                }
            },
        }
    }
    Ok(runs)
}
