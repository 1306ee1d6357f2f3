//! Rule 18: whatever the delay of the network, once it is bounded the cluster makes progress. Default settings: requests
//! may take 1500 ms at first, view changes 1000 ms.

use byztop_core::attack::Forge;
use byztop_core::linear::LinearPbft;
use byztop_core::pbft::Pbft;
use byztop_core::protocol::{Event, Protocol};
use byztop_core::sim::{Schedule, Simulation};
use byztop_core::types::{Micros, Time};

/// What came of a run: when it ended, and when replicas entered views.
struct Course {
    ended: Time,
    views: Vec<Time>,
}

/// A cluster with default settings on a network of the given delays, in milliseconds, with a request at each of the
/// times, in milliseconds; from `fast_from` on messages take one millisecond. The run ends once all are answered.
fn run<P: Protocol>(replicas: usize, delay: (u64, u64), requests: &[u64], fast_from: Option<u64>) -> Course
where
    P::Message: Forge,
{
    let members: Vec<String> = (1..=replicas).map(|n| format!("n{n}")).collect();
    let mut lines = vec![format!("protocol {}\nseed 1\nreplicas {replicas}\nat 0us calm", P::NAME)];
    let weather = |at: u64, (least, most): (u64, u64)| {
        format!("at {at}us weather loss=0 duplicate=0 replay=0 slow=0 delay={}us..{}us", least * 1000, most * 1000)
    };
    let mut actions = vec![(1, weather(1, delay))];
    actions.extend(fast_from.map(|ms| (ms * 1000, weather(ms * 1000, (1, 1)))));
    for (number, ms) in requests.iter().enumerate() {
        let (client, at) = (1 + number % 3, 2 + ms * 1000);
        actions.push((at, format!("at {at}us submit c{client} x1 draw={number} to {}", members.join(","))));
    }
    actions.sort();
    lines.extend(actions.into_iter().map(|(_, line)| line));
    let schedule = Schedule::parse(&(lines.join("\n") + "\n")).expect("a schedule");
    let mut simulation = Simulation::<P>::new(&schedule);
    let mut views = Vec::new();
    while simulation.step() {
        let entered = simulation.notes().iter().any(|(_, event)| matches!(event, Event::ViewEntered { .. }));
        views.extend(entered.then(|| simulation.now()));
    }
    let what = format!("{} n={replicas} {delay:?} ms", P::NAME);
    assert_eq!(simulation.violation(), None, "{what}");
    Course { ended: simulation.now(), views }
}

/// Requests are answered under these delays, and once messages take a millisecond a request is answered within ten
/// seconds.
fn makes_progress<P: Protocol>(delay: (u64, u64))
where
    P::Message: Forge,
{
    for replicas in [4, 7] {
        let course = run::<P>(replicas, delay, &[0, 1000, 200_000, 201_000], None);
        assert!(!course.views.is_empty(), "the first timeouts are too short for {delay:?} ms");
        let fast_from = 300_000;
        let last = fast_from + 100;
        let course = run::<P>(replicas, delay, &[0, 1000, last], Some(fast_from));
        let took = course.ended.since(Time(last * 1000));
        assert!(took <= Micros::from_millis(10_000), "{} n={replicas} {delay:?} ms: {took:?}", P::NAME);
    }
}

#[test]
fn rule_18_constant_delays_up_to_four_seconds_are_survived() {
    for ms in [1700, 2000, 4000] {
        makes_progress::<Pbft>((ms, ms));
        makes_progress::<LinearPbft>((ms, ms));
    }
}

#[test]
fn rule_18_delays_of_each_message_up_to_four_seconds_are_survived() {
    makes_progress::<Pbft>((1, 4000));
    makes_progress::<LinearPbft>((1, 4000));
    makes_progress::<Pbft>((2000, 4000));
    makes_progress::<LinearPbft>((2000, 4000));
}

/// A minute and a half of requests, the last minute of which must not change the view.
fn settles<P: Protocol>(ms: u64)
where
    P::Message: Forge,
{
    let requests: Vec<u64> = (0..180).map(|number| number * 500).collect();
    for replicas in [4, 7] {
        let course = run::<P>(replicas, (ms, ms), &requests, None);
        let late = course.views.iter().filter(|at| **at > Time(30_000_000)).count();
        assert_eq!(late, 0, "{} n={replicas} {ms} ms: views were entered at {:?}", P::NAME, course.views);
    }
}

#[test]
fn rule_18_delays_of_400_and_700_ms_change_no_view_once_the_first_have_passed() {
    for ms in [400, 700] {
        settles::<Pbft>(ms);
        settles::<LinearPbft>(ms);
    }
}
