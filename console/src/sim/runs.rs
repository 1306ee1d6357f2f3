//! Whole runs, of which one may end in a panic: that is a violation like any other.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};

use byztop_core::attack::Forge;
use byztop_core::protocol::Protocol;
use byztop_core::sim::{Coverage, Report, Schedule, Simulation, Violation};
use byztop_core::telemetry::Traffic;
use byztop_core::types::Time;

/// The invariant that a panic breaks.
pub(super) const NO_PANIC: &str = "no panic";

/// Is told each event: its number, its time, and a line about it.
pub(super) type Listener<'a> = &'a mut dyn FnMut(u64, Time, &str);

thread_local! {
    /// Where this thread panicked last.
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// From now on a panic is not written to standard error at once: whoever runs the run tells it with its seed.
pub(super) fn quiet_panics() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        PLACE.with_borrow_mut(|last| *last = place);
    }));
}

/// Runs a schedule to its end.
pub(super) fn run(schedule: &Schedule, listener: Option<Listener<'_>>) -> Report {
    byztop_core::with_protocol!(schedule.protocol, P => run_with::<P>(schedule, listener))
}

fn run_with<P: Protocol>(schedule: &Schedule, mut listener: Option<Listener<'_>>) -> Report
where
    P::Message: Forge,
{
    let (mut step, mut at) = (0, Time(0));
    let ran = panic::catch_unwind(AssertUnwindSafe(|| {
        let mut simulation = Simulation::<P>::new(schedule);
        if listener.is_some() {
            simulation.tell();
        }
        loop {
            (step, at) = (simulation.steps() + 1, simulation.now());
            if !simulation.step() {
                return simulation.report();
            }
            if let Some(tell) = &mut listener {
                let line = simulation.take_line();
                tell(simulation.steps(), simulation.now(), &line);
            }
        }
    }));
    ran.unwrap_or_else(|payload| Report {
        seed: schedule.seed,
        events: step,
        violation: Some(panicked(step, at, &*payload, schedule.is_beyond_budget())),
        coverage: Coverage::default(),
        exercised: BTreeMap::new(),
        messages: Traffic::default(),
        slots: 0,
        trace_digest: 0,
    })
}

/// The violation that a panic is.
fn panicked(step: u64, at: Time, payload: &(dyn Any + Send), is_beyond_budget: bool) -> Violation {
    let said = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
    let said = said.unwrap_or("a panic that says nothing");
    let what = PLACE.with_borrow(|place| if place.is_empty() { said.to_string() } else { format!("{said} ({place})") });
    Violation { invariant: NO_PANIC, step, at, what, is_beyond_budget }
}

#[cfg(test)]
mod tests {
    use byztop_core::types::ProtocolName;

    use super::*;

    #[test]
    fn listening_changes_nothing() {
        let schedule = Schedule { min_events: 0, ..Schedule::of_seed(ProtocolName::Pbft, 5) };
        let mut heard = 0;
        let told = run(
            &schedule,
            Some(&mut |step, _, line| {
                heard += 1;
                assert_eq!(step, heard);
                assert!(!line.is_empty());
            }),
        );
        assert_eq!(told, run(&schedule, None));
        assert_eq!(told.events, heard);
    }

    #[test]
    fn a_panic_is_a_violation_with_its_step() {
        let schedule = Schedule { min_events: 0, ..Schedule::of_seed(ProtocolName::Pbft, 5) };
        let report = run(&schedule, Some(&mut |step, _, _| assert!(step < 7, "seven")));
        let violation = report.violation.expect("it panicked");
        assert_eq!((violation.invariant, violation.step), (NO_PANIC, 7));
        assert!(violation.what.starts_with("seven"), "{}", violation.what);
    }
}
