//! What the machine would allow at most, measured right after the runs, and what of an operation's processor time
//! follows from that.

mod crypto;
mod execution;
mod transport;

use serde_json::{Value, json};

use self::crypto::Crypto;
use self::execution::Execution;
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
    execution: Execution,
    /// Nothing, if it could not be measured.
    transport: Option<Transport>,
}

impl Ceiling {
    /// What each is for a run, and which share of it the run has reached; null where the run tells too little.
    pub(super) fn beside(&self, configuration: &Configuration, figures: &Figures) -> Value {
        let transport = self.transport.as_ref().map(|transport| transport.beside(figures));
        json!({
            "crypto": self.crypto.beside(configuration, figures),
            "transport": transport,
            "parts_us_per_op": self.parts(configuration, figures),
        })
    }

    /// Where the processor time of an operation goes, of all processes together: what signatures, links and the
    /// application alone would take, and the rest. That is the protocol and everything around it, and whatever signatures
    /// and links cost more when less comes together.
    fn parts(&self, configuration: &Configuration, figures: &Figures) -> Option<Value> {
        let crypto = self.crypto.us_per_op(configuration, figures.mean_batch_ops?);
        let transport = self.transport.as_ref()?.us_per_op(self.crypto.cores)?;
        let execution = self.execution.us_per_op(configuration.replicas);
        let rest = (figures.cpu_us_per_op? - crypto - transport - execution).max(0.0);
        Some(json!({ "crypto": crypto, "transport": transport, "execution": execution, "rest": rest }))
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
    /// If signatures or the application can not be measured.
    pub(super) fn measure(plan: &Plan, runs: &[Run], stop: &Stop, progress: Progress) -> anyhow::Result<Ceilings> {
        let mut ceilings = Ceilings::default();
        for (place, configuration) in plan.configurations.iter().enumerate() {
            let figures = if stop.is_asked() { None } else { median(place, runs) };
            let Some(figures) = figures else {
                ceilings.by_configuration.push(None);
                continue;
            };
            progress.show(&format!("measuring signatures and execution: {}", configuration.label()));
            let crypto = Crypto::measure(configuration.replicas)?;
            let execution = Execution::measure(configuration)?;
            progress.show(&format!("measuring what links carry: {}", configuration.label()));
            let measured = Transport::measure(configuration, figures, stop);
            progress.clear();
            if let Err(error) = &measured {
                ceilings.broken.push(format!("{}: what links carry: {error:#}", configuration.label()));
            }
            ceilings.by_configuration.push(Some(Ceiling { crypto, execution, transport: measured.ok().flatten() }));
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
