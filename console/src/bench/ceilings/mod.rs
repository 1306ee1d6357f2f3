//! What the machine would allow at most, measured right after the runs.

mod crypto;
mod transport;

use serde_json::{Value, json};

use self::crypto::Crypto;
use self::transport::Transport;
use super::figures::Figures;
use super::plan::{Configuration, Plan};
use super::run::Run;
use super::stats::median_place;
use crate::progress::Progress;
use crate::stop::Stop;

/// The ceilings of one configuration.
pub(super) struct Ceiling {
    crypto: Crypto,
    /// Nothing, if it could not be measured.
    transport: Option<Transport>,
}

impl Ceiling {
    /// What each is for a run, and which share of it the run has reached; null where the run tells too little.
    pub(super) fn beside(&self, configuration: &Configuration, figures: &Figures) -> Value {
        let transport = self.transport.as_ref().map(|transport| transport.beside(figures));
        json!({ "crypto": self.crypto.beside(configuration, figures), "transport": transport })
    }
}

/// Ceilings, one per configuration, and what went wrong meanwhile.
#[derive(Default)]
pub(super) struct Ceilings {
    pub(super) by_configuration: Vec<Option<Ceiling>>,
    pub(super) broken: Vec<String>,
}

impl Ceilings {
    /// Measures those of every configuration of which there is a run; Ctrl-C leaves out what is left.
    ///
    /// # Errors
    ///
    /// If signatures can not be measured.
    pub(super) fn measure(plan: &Plan, runs: &[Run], stop: &Stop, progress: Progress) -> anyhow::Result<Ceilings> {
        progress.show("measuring signatures");
        let crypto = Crypto::measure()?;
        let mut ceilings = Ceilings::default();
        for (place, configuration) in plan.configurations.iter().enumerate() {
            let figures = if stop.is_asked() { None } else { median(place, runs) };
            let Some(figures) = figures else {
                ceilings.by_configuration.push(None);
                continue;
            };
            progress.show(&format!("measuring what links carry: {}", configuration.label()));
            let measured = Transport::measure(configuration, figures, stop);
            progress.clear();
            if let Err(error) = &measured {
                ceilings.broken.push(format!("{}: what links carry: {error:#}", configuration.label()));
            }
            ceilings.by_configuration.push(Some(Ceiling { crypto, transport: measured.ok().flatten() }));
        }
        Ok(ceilings)
    }
}

/// The figures of a configuration's median run.
fn median(place: usize, runs: &[Run]) -> Option<&Figures> {
    let measured = || runs.iter().filter(|run| run.configuration == place).filter_map(|run| run.measured.as_ref());
    let throughputs: Vec<f64> = measured().map(|measured| measured.figures.throughput_ops_s).collect();
    measured().nth(median_place(&throughputs)?).map(|measured| &measured.figures)
}
