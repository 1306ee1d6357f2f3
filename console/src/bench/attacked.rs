//! What an attack did: figures before, during and after it, and how soon it was found out and made good.

use byztop_core::protocol::Event;
use byztop_core::types::{ReplicaId, Time};
use serde::Serialize;

use super::figures::Figures;
use super::schedule::Planned;
use super::series::Point;

/// Throughput below this share of what it was before has fallen; from this share on it is back.
const BACK: f64 = 0.8;

/// How many steps in a row make a fall or a recovery: one alone may be noise of the machine.
const IN_A_ROW: usize = 2;

/// A run with attacks.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Attacked {
    pub(super) before: Figures,
    /// From the begin of the first attack to the end of the last.
    pub(super) during: Figures,
    /// Null if the last attack does not end before the run does.
    pub(super) after: Option<Figures>,
    /// From the first attack until a replica proved somebody guilty or asked for another view; null if none did.
    pub(super) time_to_detect_s: Option<f64>,
    /// From the first attack until throughput was back at 80 % of what it was before; 0 if it never fell below, null if
    /// it did not come back within the run.
    pub(super) time_to_recover_s: Option<f64>,
}

/// When the first attack was set, and when something came of it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Onset {
    /// In seconds after the begin of what is measured.
    set_s: f64,
    /// When the first replica took note, on the same scale.
    detected_s: Option<f64>,
}

impl Onset {
    /// From what replicas noted. All are on this machine, so that their clocks are one.
    pub(super) fn of(attacks: &[Planned], began: Time, events: &[(Time, ReplicaId, Event)]) -> Onset {
        let seconds = |at: Time| (at.0 as f64 - began.0 as f64) / 1e6;
        let set = events.iter().filter(|(at, _, event)| *at >= began && matches!(event, Event::AttackSet { .. }));
        let planned = attacks.iter().map(|planned| planned.from.as_secs_f64()).fold(f64::INFINITY, f64::min);
        let set_s = set.map(|(at, ..)| seconds(*at)).reduce(f64::min).unwrap_or(planned);
        let found = |event: &Event| matches!(event, Event::Proved { .. } | Event::ViewChangeAsked { .. });
        let later = events.iter().filter(|(at, _, event)| found(event) && seconds(*at) >= set_s);
        Onset { set_s, detected_s: later.map(|(at, ..)| seconds(*at)).reduce(f64::min) }
    }
}

impl Attacked {
    /// Puts a run with attacks together.
    pub(super) fn of(
        before: Figures,
        during: Figures,
        after: Option<Figures>,
        onset: &Onset,
        series: &[Point],
    ) -> Attacked {
        Attacked {
            time_to_detect_s: onset.detected_s.map(|at| at - onset.set_s),
            time_to_recover_s: time_to_recover_s(series, onset.set_s, before.throughput_ops_s),
            before,
            during,
            after,
        }
    }
}

/// From `set_s` until throughput, once it has fallen, is back.
fn time_to_recover_s(series: &[Point], set_s: f64, before_ops_s: f64) -> Option<f64> {
    let enough = BACK * before_ops_s;
    let since: Vec<&Point> = series.iter().filter(|point| point.t_s > set_s).collect();
    let is_low = |window: &[&Point]| window.iter().all(|point| point.throughput_ops_s < enough);
    let is_back = |window: &[&Point]| window.iter().all(|point| point.throughput_ops_s >= enough);
    let Some(fell) = since.windows(IN_A_ROW).position(is_low) else { return Some(0.0) };
    let later = &since[fell..];
    let back = later.windows(IN_A_ROW).position(is_back)?;
    // Within a step nothing is known, so that it counts as back when the first good one has ended.
    Some(later[back].t_s - set_s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use byztop_core::protocol::Complaint;
    use byztop_core::types::View;

    fn series(throughputs: &[f64]) -> Vec<Point> {
        let point = |(step, throughput_ops_s): (usize, &f64)| Point {
            t_s: (step + 1) as f64 * 0.25,
            throughput_ops_s: *throughput_ops_s,
            p50_ms: None,
            p99_ms: None,
        };
        throughputs.iter().enumerate().map(point).collect()
    }

    #[test]
    fn recovery_is_counted_from_the_attack_to_the_end_of_the_trough() {
        let points = series(&[100.0, 100.0, 90.0, 0.0, 0.0, 0.0, 85.0, 90.0, 100.0]);
        assert_eq!(time_to_recover_s(&points, 0.5, 100.0), Some(1.25));
        assert_eq!(time_to_recover_s(&points[..7], 0.5, 100.0), None, "one good step is not enough");
        assert_eq!(time_to_recover_s(&series(&[100.0, 90.0, 10.0, 90.0, 90.0]), 0.25, 100.0), Some(0.0), "noise");
        assert_eq!(time_to_recover_s(&series(&[100.0, 0.0, 0.0]), 0.25, 100.0), None);
    }

    #[test]
    fn whoever_takes_note_first_detects_it() {
        let began = Time(1_000_000);
        let asked = |at| {
            let event = Event::ViewChangeAsked { view: View(1), why: Complaint::RequestTimeout };
            (Time(at), ReplicaId(1), event)
        };
        let set = (Time(3_000_000), ReplicaId(0), Event::AttackSet { attack: "crash".into() });
        let events = [asked(2_000_000), set, asked(4_700_000), asked(4_500_000)];
        assert_eq!(Onset::of(&[], began, &events), Onset { set_s: 2.0, detected_s: Some(3.5) });
        assert_eq!(Onset::of(&[], began, &events[..2]).detected_s, None, "a complaint of before is not about it");
    }
}
