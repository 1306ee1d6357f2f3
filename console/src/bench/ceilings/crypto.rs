//! Operations per second if all processors did nothing but sign and verify what the protocol's normal case needs.
//!
//! What is needed follows from its message pattern: every message is signed once and checked by everyone who gets it,
//! [`TOGETHER`] of one sender at once, which is the most that replicas ever do. How long a signature takes is measured with
//! the crypto that replicas use.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use byztop_core::crypto::{Author, Kind, PublicKey, Realm, Signature, Signer, Statement, Verifier};
use byztop_core::protocol::Settings;
use byztop_core::types::{Digest, ProtocolName, ReplicaId, SeqNum, View};
use nix::time::ClockId;
use serde_json::{Value, json};

use crate::bench::figures::Figures;
use crate::bench::plan::Configuration;

/// How many statements each processor signs and verifies.
const STATEMENTS: u64 = 1024;

/// How many of them are verified together.
const TOGETHER: usize = 64;

/// What one signature takes, on each of so many processors at once.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::bench) struct Crypto {
    pub(in crate::bench) sign: Duration,
    pub(in crate::bench) verify: Duration,
    pub(in crate::bench) cores: usize,
}

impl Crypto {
    /// Measures it on all processors at once, in processor time: what else runs on the machine does not count.
    ///
    /// # Errors
    ///
    /// If the system gives no threads.
    pub(in crate::bench) fn measure() -> anyhow::Result<Crypto> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let measured: Vec<(Duration, Duration)> = thread::scope(|scope| {
            let start = |_| thread::Builder::new().name("crypto".to_string()).spawn_scoped(scope, sign_and_verify);
            let threads: Vec<_> = (0..cores).map(start).collect();
            let joined = threads.into_iter().map(|thread| {
                let ended = thread.context("can not start a thread")?.join();
                ended.map_err(|_| anyhow!("a thread that measures signatures has failed"))?
            });
            joined.collect::<anyhow::Result<_>>()
        })?;
        let each = cores as u32 * STATEMENTS as u32;
        let sum = |pick: fn(&(Duration, Duration)) -> Duration| measured.iter().map(pick).sum::<Duration>() / each;
        Ok(Crypto { sign: sum(|one| one.0), verify: sum(|one| one.1), cores })
    }

    /// What it is for a run, and which share of it the run has reached; `None` if the run tells too little.
    pub(super) fn beside(&self, configuration: &Configuration, figures: &Figures) -> Option<Value> {
        let ops_s = self.ops_s(configuration, figures.mean_batch_ops?);
        Some(json!({
            "ops_s": ops_s,
            "share": figures.throughput_ops_s / ops_s,
            "sign_us": self.sign.as_secs_f64() * 1e6,
            "verify_us": self.verify.as_secs_f64() * 1e6,
            "cores": self.cores,
        }))
    }

    /// Operations per second at most.
    fn ops_s(&self, configuration: &Configuration, mean_batch_ops: f64) -> f64 {
        self.cores as f64 * 1e6 / self.us_per_op(configuration, mean_batch_ops)
    }

    /// What signatures take of an operation, of all processes together, in microseconds.
    pub(super) fn us_per_op(&self, configuration: &Configuration, mean_batch_ops: f64) -> f64 {
        let seconds = |work: Work| work.signed * self.sign.as_secs_f64() + work.verified * self.verify.as_secs_f64();
        let submission = seconds(Work::of_submission(configuration.replicas)) / f64::from(configuration.bundle);
        let slot = seconds(Work::of_slot(configuration.protocol, configuration.replicas)) / mean_batch_ops.max(1.0);
        1e6 * (submission + slot)
    }
}

/// Processor time of this thread for all signatures, and for checking them.
fn sign_and_verify() -> anyhow::Result<(Duration, Duration)> {
    let secret = [7; 32];
    let author = Author::Replica(ReplicaId(0));
    let realm = || Realm { cluster: Digest::of("bench", &[]), epoch: 0, protocol: ProtocolName::Pbft };
    let signer = Signer::ed25519(author, realm(), secret);
    let verifier = Verifier::ed25519(realm(), &[Signer::public_key(secret)], &[] as &[PublicKey])
        .map_err(|why| anyhow!("a key made here is refused: {why}"))?;
    let statement =
        |seq| Statement { kind: Kind::Prepare, view: View(0), seq: SeqNum(seq), digest: Digest::ZERO, author };
    let now = || ClockId::CLOCK_THREAD_CPUTIME_ID.now().map(Duration::from).context("no clock of a thread's time");
    let began = now()?;
    let signatures: Vec<Signature> = (0..STATEMENTS).map(|seq| signer.sign(&statement(seq))).collect();
    let signed = now()?;
    let statements: Vec<(Statement, Signature)> = (0..).map(statement).zip(signatures).collect();
    for some in statements.chunks(TOGETHER) {
        let check = |verifier: &Verifier| some.iter().all(|(said, signature)| verifier.verify(said, signature).is_ok());
        ensure!(verifier.together(check) == (true, true), "a signature made here is refused");
    }
    Ok((signed - began, now()? - signed))
}

/// Signatures that are made and checked, by all together.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Work {
    signed: f64,
    verified: f64,
}

impl Work {
    /// The client signs, each of n replicas checks.
    fn of_submission(replicas: u8) -> Work {
        Work { signed: 1.0, verified: f64::from(replicas) }
    }

    /// One slot in the normal case, with its share of a checkpoint.
    fn of_slot(protocol: ProtocolName, replicas: u8) -> Work {
        let n = f64::from(replicas);
        let others = n - 1.0;
        let slot = match protocol {
            // A proposal to all others, a PREPARE from each of them to all others, a COMMIT from each to all others.
            ProtocolName::Pbft => Work { signed: 1.0 + others + n, verified: others + others * others + n * others },
            // A proposal to all others, a PREPARE from each of them to the primary, and all of these to each of them,
            // who knows its own.
            ProtocolName::Linear => {
                Work { signed: 1.0 + others, verified: others + others + others * (others - 1.0).max(0.0) }
            }
        };
        // A CHECKPOINT from each to all others.
        let interval = Settings::default().checkpoint_interval_slots as f64;
        Work { signed: slot.signed + n / interval, verified: slot.verified + n * others / interval }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Rate;
    use byztop_certs::Durability;

    #[test]
    fn what_a_slot_needs_follows_from_its_messages() {
        let whole = |protocol, n| {
            let Work { signed, verified } = Work::of_slot(protocol, n);
            (signed.floor(), verified.floor())
        };
        // 24 messages, each checked by who gets it.
        assert_eq!(whole(ProtocolName::Pbft, 4), (8.0, 24.0));
        assert_eq!(whole(ProtocolName::Pbft, 7), (14.0, 84.0));
        // 3 proposals, 3 votes, and 2 votes of others in each of 3 certificates.
        assert_eq!(whole(ProtocolName::Linear, 4), (4.0, 12.0));
        assert_eq!(whole(ProtocolName::Linear, 1), (1.0, 0.0));
    }

    #[test]
    fn larger_bundles_and_batches_raise_the_ceiling() {
        let micros = Duration::from_micros;
        let crypto = Crypto { sign: micros(20), verify: micros(50), cores: 2 };
        let configuration = |bundle| Configuration {
            protocol: ProtocolName::Pbft,
            replicas: 4,
            durability: Durability::Os,
            bundle,
            rate: Rate::Max,
            clients: 1,
            accounts: None,
        };
        // A submission: 20 + 4·50 = 220 µs; a slot: 8·20 + 24·50 = 1360 µs, and 0.5 % for its share of a checkpoint.
        let one = crypto.ops_s(&configuration(1), 1.0);
        assert!((one - 2.0 / 1585e-6).abs() < 2.0, "{one}");
        assert!(crypto.ops_s(&configuration(8), 64.0) > 10.0 * one);
    }

    #[test]
    fn signatures_take_time() {
        let crypto = Crypto::measure().unwrap();
        assert!(crypto.sign > Duration::ZERO && crypto.verify > Duration::ZERO && crypto.cores >= 1);
    }
}
