//! What a slot costs in messages, counted in simulated clusters where nothing goes wrong, against what each protocol's
//! arithmetic says: n² for classic PBFT, n for its linear form.

use std::io::Write as _;

use byztop_core::sim::{Report, Schedule, run};

/// Requests, one at a time, so that each is a slot of its own.
const SLOTS: u64 = 60;

/// A cluster without faults.
fn calm(protocol: &str, replicas: u64, fast_path_wait_ms: u64) -> Report {
    let everyone: Vec<String> = (1..=replicas).map(|id| format!("n{id}")).collect();
    let mut text =
        format!("protocol {protocol}\nseed 1\nreplicas {replicas}\nset fast_path_wait_ms {fast_path_wait_ms}\n");
    text += "at 0us weather loss=0 duplicate=0 replay=0 slow=0 delay=100us..900us\n";
    for request in 0..SLOTS {
        let at = 1_000 + request * 20_000;
        text += &format!("at {at}us submit c1 x1 draw={request} to {}\n", everyone.join(","));
    }
    text += &format!("at {}us calm\n", 1_000 + SLOTS * 20_000);
    let schedule = Schedule::parse(&text).expect("the schedule is well formed");
    let report = run(&schedule);
    assert_eq!(report.violation, None);
    report
}

#[test]
fn a_slot_costs_what_the_protocols_arithmetic_says() {
    let mut table = format!(
        "{:24}{:>4}{:>13}{:>9}{:>13}{:>8}{:>7}\n",
        "messages a slot", "n", "pre-prepare", "prepare", "certificate", "commit", "all"
    );
    for n in [4, 7, 10] {
        let others = n - 1;
        for (name, protocol, wait, expected) in [
            ("pbft", "pbft", 0, [others, others * others, 0, n * others]),
            ("linear, slow path", "linear", 0, [others, others, 2 * others, others]),
            ("linear, fast path", "linear", 20, [others, others, others, 0]),
        ] {
            let report = calm(protocol, n, wait);
            assert_eq!(report.slots, SLOTS, "{name}, n = {n}: nothing else is ordered");
            let sent = ["pre-prepare", "prepare", "certificate", "commit"].map(|name| report.messages.of(name));
            assert_eq!(sent, expected.map(|per_slot| per_slot * SLOTS), "{name}, n = {n}");
            let [a, b, c, d] = sent.map(|sent| sent / SLOTS);
            table += &format!("{name:24}{n:>4}{a:>13}{b:>9}{c:>13}{d:>8}{:>7}\n", a + b + c + d);
        }
    }
    // Past the test harness, which keeps what a passing test prints to itself.
    writeln!(std::io::stdout().lock(), "\n{table}").expect("there is an output");
}
