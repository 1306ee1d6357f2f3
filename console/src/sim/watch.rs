//! A simulated cluster on the screen: virtual time goes as fast as the user likes, stands still, or is turned back.
//!
//! A thread owns the simulation and plays the part of links and replicas. Going back is running the same scenario again
//! and stopping earlier; an attack by key is one more action of the scenario, so that this works after it too.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, atomic::AtomicU64};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use byztop_core::attack::{self, Directive, Forge};
use byztop_core::protocol::Protocol;
use byztop_core::sim::{Action, Schedule};
use byztop_core::telemetry::{ConsoleMessage, ConsoleRequest};
use byztop_core::types::{Micros, ReplicaId, Time};
use tokio::sync::mpsc;

use super::Scenario;
use super::observed::Observed;
use crate::tui::{
    self, Command, End, Feed, FeedEvent, Glyphs, LinkEvent, Roster, Simulate, SimulatedTime, Speed, Stride,
};

/// How many events and commands wait.
const EVENTS: usize = 1024;
const COMMANDS: usize = 128;

/// How often the simulation is brought up to the time that has passed.
const TICK: Duration = Duration::from_millis(10);

/// For how long it may be busy with that before it looks at commands again.
const BUSY: Duration = Duration::from_millis(30);

/// How often the screen is told how things are while time passes.
const TELL: Duration = Duration::from_millis(100);

/// Shows a scenario until the user leaves; says whether every invariant held as far as it was run.
///
/// # Errors
///
/// If the terminal can not be used, or the simulation fails.
pub(super) fn show(scenario: Scenario, glyphs: Glyphs) -> anyhow::Result<bool> {
    byztop_core::with_protocol!(scenario.schedule.protocol, P => show_with::<P>(scenario, glyphs))
}

fn show_with<P: Protocol>(scenario: Scenario, glyphs: Glyphs) -> anyhow::Result<bool>
where
    P::Message: Forge,
{
    let (events, feed_events) = sync_channel(EVENTS);
    let (commands, wanted) = mpsc::channel(COMMANDS);
    let roster = Roster {
        protocol: scenario.schedule.protocol.to_string(),
        replicas: scenario.schedule.committee.size(),
        durability: "simulated".to_string(),
        simulation: Some(SimulatedTime::at_the_beginning_of(&scenario.name)),
    };
    let dropped = Arc::new(AtomicU64::new(0));
    let drive = move || Driver::<P>::new(scenario, events).run(wanted);
    let driver = thread::Builder::new().name("simulation".to_string()).spawn(drive);
    let driver = driver.context("can not start a thread for the simulation")?;
    tui::run(Feed { roster, events: feed_events, commands, dropped, record: None }, glyphs)?;
    match driver.join() {
        Ok(is_clean) => Ok(is_clean),
        Err(_) => anyhow::bail!("the simulated replicas panicked; `--seed` without `--watch` shows where"),
    }
}

/// The screen wants no more.
struct Gone;

/// Lets virtual time pass, and answers the screen.
struct Driver<P: Protocol>
where
    P::Message: Forge,
{
    name: String,
    schedule: Schedule,
    observed: Observed<P>,
    events: SyncSender<FeedEvent>,
    /// Virtual time since the beginning: at least that of the last event, at most that of the next.
    now: Time,
    is_paused: bool,
    is_altered: bool,
    speed: Speed,
    /// Where to be once all commands were taken, if elsewhere.
    goal: Option<u64>,
    /// Something is to be told.
    is_news: bool,
}

impl<P: Protocol> Driver<P>
where
    P::Message: Forge,
{
    fn new(scenario: Scenario, events: SyncSender<FeedEvent>) -> Self {
        Driver {
            name: scenario.name,
            observed: Observed::new(&scenario.schedule, None),
            schedule: scenario.schedule,
            events,
            now: Time(0),
            is_paused: false,
            is_altered: false,
            speed: Speed::REAL,
            goal: None,
            is_news: true,
        }
    }

    /// Runs until the screen has gone; says whether every invariant has held.
    fn run(mut self, mut commands: mpsc::Receiver<Command>) -> bool {
        let (mut told, mut ticked) = (Instant::now(), Instant::now());
        loop {
            if self.is_news || !self.is_at_rest() && told.elapsed() >= TELL {
                told = Instant::now();
                if self.tell().is_err() {
                    break;
                }
            }
            let first = if self.is_at_rest() {
                let command = commands.blocking_recv();
                ticked = Instant::now();
                command
            } else {
                thread::sleep(TICK);
                commands.try_recv().ok()
            };
            let rest = std::iter::from_fn(|| commands.try_recv().ok());
            let all: Vec<Command> = first.into_iter().chain(rest).collect();
            let is_closed = commands.is_closed() && all.is_empty();
            if is_closed || all.into_iter().any(|command| self.obey(command).is_err()) || self.travel().is_err() {
                break;
            }
            let passed = Micros(u64::try_from(ticked.elapsed().as_micros()).unwrap_or(u64::MAX));
            ticked = Instant::now();
            if !self.is_at_rest() {
                self.pass(self.speed.of(passed));
            }
        }
        !matches!(self.observed.end(), Some(End::Violation(_)))
    }

    /// Whether nothing happens until the user wants something.
    fn is_at_rest(&mut self) -> bool {
        self.is_paused || self.observed.upcoming().is_none()
    }

    /// Time passes, and what is due happens; time waits for that if it is too much at once.
    fn pass(&mut self, time: Micros) {
        let (until, began) = (self.now.after(time), Instant::now());
        while let Some((at, _)) = self.observed.upcoming() {
            if at > until {
                self.observed.pass(until);
                return self.now = until;
            }
            if began.elapsed() > BUSY {
                return;
            }
            self.observed.step();
            self.now = self.observed.now();
        }
        self.is_news = true;
    }

    fn obey(&mut self, command: Command) -> Result<(), Gone> {
        match command {
            Command::Quit => return Err(Gone),
            // A simulation has no processes and no rate; the screen says so.
            Command::Kill(_) | Command::Restart(_) | Command::SetRate(_) | Command::Listen(_) | Command::Case(_) => {}
            Command::Send(_, ConsoleRequest::Subscribe { .. }) => {}
            Command::Send(replica, ConsoleRequest::Ledger) => {
                self.observed.tell_ledger(replica);
                self.is_news = true;
            }
            Command::Send(replica, ConsoleRequest::Trace(course)) => {
                self.observed.tell_trace(replica, course);
                self.is_news = true;
            }
            Command::Send(_, ConsoleRequest::WatchSlot(slot)) => {
                self.is_news |= slot != self.observed.watched();
                self.observed.watch_slot(slot);
            }
            Command::Send(replica, request) => {
                // An attack acts on where the run is, not on where it would have gone from there.
                self.travel()?;
                self.alter(replica, request)?;
            }
            Command::Simulate(wish) => self.simulate(wish)?,
        }
        Ok(())
    }

    fn simulate(&mut self, wish: Simulate) -> Result<(), Gone> {
        self.is_news = true;
        let here = self.goal.unwrap_or(self.observed.step_number());
        match wish {
            Simulate::PauseOrGoOn => self.is_paused = !self.is_paused,
            Simulate::Faster => self.speed = self.speed.faster(),
            Simulate::Slower => self.speed = self.speed.slower(),
            Simulate::Forward(Stride::Event) => self.goal = Some(here + 1),
            Simulate::Back(Stride::Event) => self.goal = Some(here.saturating_sub(1)),
            Simulate::Forward(Stride::Slot) => {
                self.travel()?;
                let executed = self.observed.executed();
                while self.observed.executed() == executed && self.observed.step() {}
                (self.now, self.is_paused) = (self.observed.now(), true);
            }
            Simulate::Back(Stride::Slot) => {
                self.travel()?;
                self.goal = Some(self.observed.last_progress());
                // The one before that may be wanted next.
                self.travel()?;
            }
        }
        Ok(())
    }

    /// Goes to the step that was asked for, and holds there.
    fn travel(&mut self) -> Result<(), Gone> {
        let Some(goal) = self.goal.take() else { return Ok(()) };
        self.is_paused = true;
        if goal < self.observed.step_number() {
            self.run_again(goal)?;
        }
        while self.observed.step_number() < goal && self.observed.step() {}
        self.now = self.observed.now();
        Ok(())
    }

    /// Runs the scenario from its beginning to a step, and tells the screen what it would have seen.
    fn run_again(&mut self, step: u64) -> Result<(), Gone> {
        self.observed = Observed::at_step(&self.schedule, self.observed.watched(), step);
        self.now = self.observed.now();
        self.is_news = true;
        let past = self.everything();
        self.send(FeedEvent::Rewound(past))
    }

    /// Attacks a replica or heals it: one more action of the scenario, at this very moment.
    fn alter(&mut self, replica: ReplicaId, request: ConsoleRequest) -> Result<(), Gone> {
        let actions = match self.actions(replica, request) {
            Ok(actions) => actions,
            Err(why) => return self.answer(replica, ConsoleMessage::Refused(why)),
        };
        // What has happened at this moment stays as it is.
        let (step, at) = (self.observed.step_number(), self.now.max(self.observed.now().after(Micros(1))));
        let place = self.schedule.actions.partition_point(|(other, _)| *other <= at);
        self.schedule.actions.splice(place..place, actions.into_iter().map(|action| (at, action)));
        self.is_altered = true;
        self.run_again(step)?;
        while self.observed.upcoming().is_some_and(|(next, _)| next <= at) {
            self.observed.step();
        }
        self.now = at;
        let active = self.observed.attack(replica);
        self.answer(replica, ConsoleMessage::Done(active))
    }

    /// What a request is in a scenario.
    ///
    /// # Errors
    ///
    /// Why it can not be.
    fn actions(&mut self, replica: ReplicaId, request: ConsoleRequest) -> Result<Vec<Action>, String> {
        if self.observed.upcoming().is_none() {
            return Err("the run is over; go back first".to_string());
        }
        let set = |attack: String| Action::Attack { replica, attack };
        match request {
            ConsoleRequest::Attack(text) => match attack::parse(&text) {
                Ok(_) => Ok(vec![set(text)]),
                Err(error) => Err(format!("column {}: {}", error.column, error.message)),
            },
            ConsoleRequest::Heal => Ok(vec![Action::Heal(replica)]),
            ConsoleRequest::End(name) => {
                let mut rest = attack::parse(&self.observed.attack(replica)).unwrap_or_default();
                rest.retain(|directive| directive.attack.name() != name);
                let again = (!rest.is_empty()).then(|| set(Directive::join(&rest)));
                Ok(std::iter::once(Action::Heal(replica)).chain(again).collect())
            }
            ConsoleRequest::Subscribe { .. }
            | ConsoleRequest::WatchSlot(_)
            | ConsoleRequest::Ledger
            | ConsoleRequest::Trace(_)
            | ConsoleRequest::Clock { .. } => Ok(Vec::new()),
        }
    }

    fn answer(&self, replica: ReplicaId, message: ConsoleMessage) -> Result<(), Gone> {
        self.send(FeedEvent::Link(replica, LinkEvent::Message(message)))
    }

    /// Tells the screen where the run is.
    fn tell(&mut self) -> Result<(), Gone> {
        self.is_news = false;
        self.everything().into_iter().try_for_each(|event| self.send(event))
    }

    /// What was not told yet, up to this moment.
    fn everything(&mut self) -> Vec<FeedEvent> {
        self.observed.look(self.now);
        let mut told = self.observed.take_untold();
        told.push(FeedEvent::Simulated(Box::new(self.standing())));
        told
    }

    fn standing(&mut self) -> SimulatedTime {
        let end = self.observed.end();
        let is_paused = self.is_paused || end.is_some();
        SimulatedTime {
            name: self.name.clone(),
            is_altered: self.is_altered,
            now: self.now,
            step: self.observed.step_number(),
            is_paused,
            speed: self.speed,
            next: self.observed.upcoming(),
            recent: if is_paused { self.observed.recent() } else { Vec::new() },
            end,
        }
    }

    /// Waits for the screen if it is behind: nothing of a simulation is lost.
    fn send(&self, event: FeedEvent) -> Result<(), Gone> {
        self.events.send(event).map_err(|_| Gone)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Receiver;

    use byztop_core::pbft::Pbft;
    use byztop_core::telemetry::{Course, Fate, Frame, Passage, Trace};
    use byztop_core::types::{ProtocolName, SeqNum};

    use super::*;
    use crate::sim::Seeds;
    use crate::tui::RecentStep;

    /// A driver of a seed, and what it tells.
    fn driver(seed: u64) -> (Driver<Pbft>, Receiver<FeedEvent>) {
        let mut scenario = Seeds { protocol: ProtocolName::Pbft, replicas: Some(4), disk_faults: false }.scenario(seed);
        scenario.schedule.min_events = 0;
        let (events, told) = sync_channel(100_000);
        (Driver::new(scenario, events), told)
    }

    fn press(driver: &mut Driver<Pbft>, wishes: &[Simulate]) {
        for wish in wishes {
            assert!(driver.obey(Command::Simulate(*wish)).is_ok());
        }
        assert!(driver.travel().is_ok());
    }

    /// Where it is told to be, what happened last, and each replica's status, slots and attacks.
    fn picture(driver: &mut Driver<Pbft>, told: &Receiver<FeedEvent>) -> (u64, Time, Vec<RecentStep>, Vec<String>) {
        assert!(driver.tell().is_ok());
        let (mut at, mut frames): (Option<Box<SimulatedTime>>, Vec<String>) = (None, Vec::new());
        for event in told.try_iter() {
            match event {
                FeedEvent::Simulated(time) => at = Some(time),
                FeedEvent::Passing(_) => frames.clear(),
                FeedEvent::Rewound(past) => assert!(matches!(past.last(), Some(FeedEvent::Simulated(_)))),
                FeedEvent::Link(_, LinkEvent::Message(ConsoleMessage::Frame(frame))) => {
                    let Frame { replica, status, slots, attack, votes, .. } = *frame;
                    frames.push(format!("{replica} {status:?} {slots:?} {attack} {votes:?}"));
                }
                _ => {}
            }
        }
        let SimulatedTime { step, now, recent, is_paused, .. } = *at.expect("it says where it is");
        assert!(is_paused);
        (step, now, recent, frames)
    }

    const STEP: Simulate = Simulate::Forward(Stride::Event);
    const BACK: Simulate = Simulate::Back(Stride::Event);
    const SLOT: Simulate = Simulate::Forward(Stride::Slot);
    const SLOT_BACK: Simulate = Simulate::Back(Stride::Slot);

    #[test]
    fn a_step_is_one_event_and_a_step_back_undoes_it() {
        let (mut driver, told) = driver(1);
        press(&mut driver, &[STEP; 400]);
        let before = picture(&mut driver, &told);
        assert_eq!((before.0, before.2.len(), before.3.len()), (400, tui::MAX_RECENT, 4));
        press(&mut driver, &[STEP]);
        let after = picture(&mut driver, &told);
        assert_eq!(after.0, 401);
        press(&mut driver, &[BACK]);
        assert_eq!(picture(&mut driver, &told), before);
        press(&mut driver, &[STEP]);
        assert_eq!(picture(&mut driver, &told), after);
        press(&mut driver, &[BACK, BACK, STEP, BACK]);
        assert_eq!(picture(&mut driver, &told).0, 399, "several keys at once");
        press(&mut driver, &[BACK; 500]);
        assert_eq!(picture(&mut driver, &told).0, 0, "nothing is before the beginning");
    }

    #[test]
    fn a_larger_step_is_one_more_executed_slot() {
        let (mut driver, told) = driver(1);
        let executed = |driver: &Driver<Pbft>| driver.observed.executed().0;
        press(&mut driver, &[SLOT]);
        let first = picture(&mut driver, &told);
        let one = executed(&driver);
        assert!(one > 0 && driver.is_paused);
        press(&mut driver, &[SLOT]);
        let two = executed(&driver);
        press(&mut driver, &[SLOT]);
        let three = executed(&driver);
        assert!(one < two && two < three);
        press(&mut driver, &[STEP, SLOT_BACK]);
        assert_eq!(executed(&driver), three, "back to where the last one was executed");
        press(&mut driver, &[SLOT_BACK, SLOT_BACK]);
        assert_eq!(picture(&mut driver, &told), first);
        press(&mut driver, &[SLOT_BACK, SLOT_BACK]);
        assert_eq!(driver.observed.step_number(), 0);
    }

    #[test]
    fn time_passes_at_its_speed_and_events_when_they_are_due() {
        let (mut driver, _told) = driver(1);
        driver.pass(Micros::from_millis(50));
        assert_eq!(driver.now, Time(50_000));
        let (next, _) = driver.observed.upcoming().unwrap();
        assert!(driver.observed.now() <= driver.now && next > driver.now);
        let steps = driver.observed.step_number();
        driver.pass(Micros(next.0 - driver.now.0 - 1));
        assert_eq!(driver.observed.step_number(), steps);
        driver.pass(Micros(1));
        assert!(driver.observed.step_number() > steps);
        press(&mut driver, &[Simulate::Slower, Simulate::PauseOrGoOn]);
        assert!(driver.is_paused && driver.is_at_rest());
        assert_eq!(driver.speed, Speed::REAL.slower());
    }

    #[test]
    fn nothing_comes_that_has_not_left() {
        let (mut driver, told) = driver(1);
        press(&mut driver, &[STEP; 400]);
        for id in (0..4).map(ReplicaId) {
            let wanted = ConsoleRequest::Trace(Course::Slot(SeqNum(1)));
            assert!(driver.obey(Command::Send(id, wanted)).is_ok());
        }
        assert!(driver.tell().is_ok());
        let traces: Vec<Trace> = told
            .try_iter()
            .filter_map(|event| match event {
                FeedEvent::Link(_, LinkEvent::Message(ConsoleMessage::Trace(trace))) => Some(*trace),
                _ => None,
            })
            .collect();
        let left = |here: ReplicaId, from: ReplicaId, came: &Passage| {
            traces[from.index()].passages.iter().any(|passage| {
                let has_left = matches!(passage.fate, Fate::Left { to } if to.contains(here));
                has_left && passage.at < came.at && (&passage.name, passage.topic) == (&came.name, came.topic)
            })
        };
        let mut count = 0;
        for trace in &traces {
            for passage in &trace.passages {
                if let Fate::Came { from } = passage.fate {
                    assert!(left(trace.replica, from, passage), "{} of {passage:?}", trace.replica);
                    count += 1;
                }
            }
        }
        assert!(count > 9, "a slot of four takes more than {count}");
    }

    #[test]
    fn an_attack_is_one_more_action_and_stays_on_the_way_back() {
        let (mut driver, told) = driver(1);
        press(&mut driver, &[STEP; 300]);
        let before = picture(&mut driver, &told);
        let n2 = ReplicaId(1);
        let send = |driver: &mut Driver<Pbft>, request| {
            assert!(driver.obey(Command::Send(n2, request)).is_ok());
        };
        send(&mut driver, ConsoleRequest::Attack("time(500ms)".into()));
        send(&mut driver, ConsoleRequest::Attack("dark(n3)".into()));
        assert_eq!(driver.observed.attack(n2), "time(500ms); dark(n3)");
        send(&mut driver, ConsoleRequest::End("time".into()));
        assert_eq!(driver.observed.attack(n2), "dark(n3)");
        assert!(driver.is_altered);
        press(&mut driver, &[STEP; 50]);
        let later = picture(&mut driver, &told);
        let back = later.0 - before.0;
        press(&mut driver, &vec![BACK; back as usize]);
        assert_eq!(picture(&mut driver, &told), before, "what came before it is as it was");
        press(&mut driver, &vec![STEP; back as usize]);
        assert_eq!(picture(&mut driver, &told), later);
        send(&mut driver, ConsoleRequest::Heal);
        assert_eq!(driver.observed.attack(n2), "");
    }

    #[test]
    fn at_its_end_it_says_so_stays_and_takes_no_attacks() {
        let (mut driver, told) = driver(1);
        while driver.observed.step() {}
        assert!(driver.is_at_rest() && driver.tell().is_ok());
        let is_clean = |event| matches!(event, FeedEvent::Simulated(time) if time.end == Some(End::Clean));
        assert!(told.try_iter().any(is_clean));
        let last = driver.observed.step_number();
        assert!(driver.obey(Command::Send(ReplicaId(0), ConsoleRequest::Attack("crash".into()))).is_ok());
        let is_refusal = |event| matches!(event, FeedEvent::Link(_, LinkEvent::Message(ConsoleMessage::Refused(why))) if why.contains("the run is over"));
        assert!(!driver.is_altered && told.try_iter().any(is_refusal));
        press(&mut driver, &[STEP, BACK]);
        assert_eq!(driver.observed.step_number(), last, "past the end there is nothing to undo");
        press(&mut driver, &[BACK]);
        assert_eq!(driver.observed.step_number(), last - 1);
    }

    #[test]
    fn the_screen_may_leave_at_any_time() {
        for paused in [false, true] {
            let (mut driver, told) = driver(1);
            driver.is_paused = paused;
            let (commands, wanted) = mpsc::channel(COMMANDS);
            if paused {
                commands.try_send(Command::Quit).unwrap();
            } else {
                drop((commands.clone(), told));
                drop(commands);
            }
            assert!(driver.run(wanted), "nothing is broken so far");
        }
    }
}
