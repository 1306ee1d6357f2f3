//! The test cases of a file, and how each is getting on.

use byztop_core::scenario::{Answer, Expectation, Found, Ruling, Set, Transaction, Verdict};

use super::log::Kind;
use super::{Model, clean};
use crate::tui::{CaseEvent, Roster, Told};

/// The sets of a file.
#[derive(Clone, Debug)]
pub(in crate::tui) struct Cases {
    /// The file's name.
    pub file: String,
    /// The sets, in their order.
    pub sets: Vec<Case>,
    /// The place of the set that runs, or ran last: the cluster on the screen is its.
    pub current: Option<usize>,
}

/// A set and what is known of it.
#[derive(Clone, Debug)]
pub(in crate::tui) struct Case {
    pub set: Set,
    pub expectation: Expectation,
    /// What came of its transactions so far, in the order of the answers.
    pub answers: Vec<(Transaction, Answer)>,
    /// How many of them were submitted.
    pub submitted: usize,
    pub progress: Progress,
}

/// How far a set is.
#[derive(Clone, Debug)]
pub(in crate::tui) enum Progress {
    /// Nobody has run it.
    Waiting,
    /// Its cluster is up or coming up.
    Running,
    /// It has run; what was found, and what to think of that.
    Judged(Box<Found>, Verdict),
    /// It did not run to its end, and why not.
    Broken(String),
}

impl Cases {
    /// Whether one of them is being run.
    pub(in crate::tui) fn is_running(&self) -> bool {
        self.sets.iter().any(|case| matches!(case.progress, Progress::Running))
    }

    /// How many sets ended with such a ruling.
    pub(in crate::tui) fn count(&self, ruling: Ruling) -> usize {
        let is_it = |case: &&Case| matches!(&case.progress, Progress::Judged(_, verdict) if verdict.ruling == ruling);
        self.sets.iter().filter(is_it).count()
    }

    fn running(&mut self) -> Option<&mut Case> {
        self.sets.iter_mut().find(|case| matches!(case.progress, Progress::Running))
    }
}

impl Model {
    /// Takes in what happens to test cases.
    pub(super) fn on_case(&mut self, event: CaseEvent) {
        let now = self.now;
        match event {
            CaseEvent::Listed(list) => {
                let case = |(set, expectation)| Case {
                    set,
                    expectation,
                    answers: Vec::new(),
                    submitted: 0,
                    progress: Progress::Waiting,
                };
                let sets = list.sets.into_iter().map(case).collect();
                self.cases = Some(Cases { file: clean(&list.file), sets, current: None });
            }
            CaseEvent::Began { place } => self.begin_case(place),
            CaseEvent::Submitted(transaction) => {
                if let Some(case) = self.cases.as_mut().and_then(Cases::running) {
                    case.submitted += 1;
                }
                self.log.push(now, Kind::Client, format!("{transaction} submitted"));
            }
            CaseEvent::Answered(transaction, answer) => {
                let text = format!("{transaction} {}", Told(&answer));
                if let Some(case) = self.cases.as_mut().and_then(Cases::running) {
                    case.answers.push((transaction, answer));
                }
                self.log.push(now, Kind::Client, text);
            }
            CaseEvent::Judged { place, found, verdict } => {
                let ruling = verdict.ruling;
                self.end_case(place, Progress::Judged(found, verdict), ruling.label());
            }
            CaseEvent::Broken { place, why } => {
                let why = clean(&why);
                self.end_case(place, Progress::Broken(why.clone()), &format!("not run to its end: {why}"));
            }
        }
    }

    /// A set begins: what was known of another one's cluster is not true of this one's.
    fn begin_case(&mut self, place: usize) {
        let Some(mut cases) = self.cases.take() else { return };
        let roster = Roster {
            protocol: std::mem::take(&mut self.protocol),
            replicas: self.replicas.len(),
            durability: std::mem::take(&mut self.durability),
            simulation: None,
        };
        *self = Model::new(&roster, self.now);
        cases.current = Some(place);
        if let Some(case) = cases.sets.get_mut(place) {
            (case.submitted, case.progress) = (0, Progress::Running);
            case.answers.clear();
            self.log.push(self.now, Kind::Case, format!("set {} begins on a fresh cluster", case.set.number));
        }
        self.cases = Some(cases);
    }

    fn end_case(&mut self, place: usize, progress: Progress, how: &str) {
        let Some(case) = self.cases.as_mut().and_then(|cases| cases.sets.get_mut(place)) else { return };
        case.progress = progress;
        let text = format!("set {}: {how}", case.set.number);
        self.log.push(self.now, Kind::Case, text);
    }
}
