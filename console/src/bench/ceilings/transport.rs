//! Operations per second if nothing but QUIC took time: the same bytes in as many messages per operation over the same
//! links between as many processes, with no protocol and no signatures.

use std::time::Duration;

use byztop_node::bare::{self, Carried, Traffic};
use serde_json::{Value, json};

use crate::bench::figures::Figures;
use crate::bench::plan::Configuration;
use crate::launch::LaunchOptions;
use crate::session::{self, Background};
use crate::stop::Stop;

/// How long links are loaded before anything is counted, and how long it is counted.
const WARMUP: Duration = Duration::from_millis(500);
const DURATION: Duration = Duration::from_secs(3);

/// What the links of one configuration carried.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Transport {
    traffic: Traffic,
    ops_s: f64,
}

impl Transport {
    /// Measures it, with the traffic that a run had. `None` if the run tells too little, or somebody has had enough.
    ///
    /// # Errors
    ///
    /// If the processes can not be started, or do not answer.
    pub(super) fn measure(
        configuration: &Configuration,
        figures: &Figures,
        stop: &Stop,
    ) -> anyhow::Result<Option<Transport>> {
        let Some(traffic) = traffic(configuration, figures) else { return Ok(None) };
        let options = LaunchOptions {
            replicas: Some(configuration.replicas),
            protocol: Some(configuration.protocol),
            durability: Some(configuration.durability),
            bare: Some(traffic),
            ..LaunchOptions::default()
        };
        let (cluster, _lives) = session::launch(&options)?;
        let runtime = Background::start()?;
        let drive = bare::drive(cluster.directory().clone(), traffic, configuration.clients, WARMUP, DURATION);
        let mut stop = stop.clone();
        let carried = runtime.get().block_on(async {
            tokio::select! {
                carried = drive => carried.map(Some),
                () = stop.asked() => Ok(None),
            }
        })?;
        let ops_s = |Carried { submissions, within }| {
            submissions as f64 * f64::from(configuration.bundle) / within.as_secs_f64().max(0.001)
        };
        Ok(carried.map(|carried| Transport { traffic, ops_s: ops_s(carried) }))
    }

    /// What links take of an operation if they keep all of so many processors busy, of all processes together, in
    /// microseconds.
    pub(super) fn us_per_op(&self, cores: usize) -> Option<f64> {
        (self.ops_s > 0.0).then(|| cores as f64 * 1e6 / self.ops_s)
    }

    /// For a run, with the share that it has reached.
    pub(super) fn beside(&self, figures: &Figures) -> Value {
        let Traffic { submission_bytes, reply_bytes, messages, message_bytes } = self.traffic;
        json!({
            "ops_s": self.ops_s,
            "share": if self.ops_s > 0.0 { Some(figures.throughput_ops_s / self.ops_s) } else { None },
            "submission_bytes": submission_bytes,
            "reply_bytes": reply_bytes,
            "messages_per_submission_and_replica": messages,
            "message_bytes": message_bytes,
        })
    }
}

/// What one submission of a run brought about.
fn traffic(configuration: &Configuration, figures: &Figures) -> Option<Traffic> {
    let bytes = |mean: f64| mean.round() as usize;
    let messages = figures.replica_messages_per_op?;
    // A cluster of one says nothing to others.
    let each = if messages > 0.0 { figures.replica_bytes_per_op? / messages } else { 64.0 };
    Some(Traffic {
        submission_bytes: bytes(figures.submission_bytes?),
        reply_bytes: bytes(figures.reply_bytes?),
        messages: messages * f64::from(configuration.bundle) / f64::from(configuration.replicas),
        message_bytes: bytes(each),
    })
}
