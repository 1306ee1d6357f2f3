//! Operations per second if all processors did nothing but sign and verify what the protocol's normal case needs.
//!
//! What is needed follows from its message pattern: every message is signed once and checked by everyone who gets it,
//! [`TOGETHER`] submissions of one client at once and the votes of all other replicas at once, which is the most that
//! replicas do. How long a signature takes is measured with the crypto that replicas use.

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

/// How many of one client are verified together.
const TOGETHER: usize = 64;

/// What one signature takes, on each of so many processors at once.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::bench) struct Crypto {
    pub(in crate::bench) sign: Duration,
    /// One of [`TOGETHER`] of one client.
    pub(in crate::bench) verify_submission: Duration,
    /// One of as many votes as there are other replicas.
    pub(in crate::bench) verify_vote: Duration,
    pub(in crate::bench) cores: usize,
}

impl Crypto {
    /// Measures it on all processors at once, in processor time: what else runs on the machine does not count.
    ///
    /// # Errors
    ///
    /// If the system gives no threads.
    pub(in crate::bench) fn measure(replicas: u8) -> anyhow::Result<Crypto> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let work = move || -> anyhow::Result<[Duration; 3]> {
            let (sign, verify_submission) = sign_and_verify(1, TOGETHER)?;
            let others = replicas.saturating_sub(1).max(1);
            Ok([sign, verify_submission, sign_and_verify(others, usize::from(others))?.1])
        };
        let measured: Vec<[Duration; 3]> = thread::scope(|scope| {
            let start = |_| thread::Builder::new().name("crypto".to_string()).spawn_scoped(scope, work);
            let threads: Vec<_> = (0..cores).map(start).collect();
            let joined = threads.into_iter().map(|thread| {
                let ended = thread.context("can not start a thread")?.join();
                ended.map_err(|_| anyhow!("a thread that measures signatures has failed"))?
            });
            joined.collect::<anyhow::Result<_>>()
        })?;
        let mean = |place: usize| measured.iter().map(|one| one[place]).sum::<Duration>() / cores as u32;
        Ok(Crypto { sign: mean(0), verify_submission: mean(1), verify_vote: mean(2), cores })
    }

    /// What it is for a run, and which share of it the run has reached; `None` if the run tells too little.
    pub(super) fn beside(&self, configuration: &Configuration, figures: &Figures) -> Option<Value> {
        let ops_s = self.ops_s(configuration, figures.mean_batch_ops?);
        Some(json!({
            "ops_s": ops_s,
            "share": figures.throughput_ops_s / ops_s,
            "sign_us": self.sign.as_secs_f64() * 1e6,
            "verify_submission_us": self.verify_submission.as_secs_f64() * 1e6,
            "verify_vote_us": self.verify_vote.as_secs_f64() * 1e6,
            "cores": self.cores,
        }))
    }

    /// Operations per second at most.
    fn ops_s(&self, configuration: &Configuration, mean_batch_ops: f64) -> f64 {
        self.cores as f64 * 1e6 / self.us_per_op(configuration, mean_batch_ops)
    }

    /// What signatures take of an operation, of all processes together, in microseconds.
    pub(super) fn us_per_op(&self, configuration: &Configuration, mean_batch_ops: f64) -> f64 {
        let seconds =
            |work: Work, verify: Duration| work.signed * self.sign.as_secs_f64() + work.verified * verify.as_secs_f64();
        let submission = seconds(Work::of_submission(configuration.replicas), self.verify_submission);
        let slot = seconds(Work::of_slot(configuration.protocol, configuration.replicas), self.verify_vote);
        let (submission, slot) = (submission / f64::from(configuration.bundle), slot / mean_batch_ops.max(1.0));
        1e6 * (submission + slot)
    }
}

/// Processor time of this thread for a signature, and for checking one of `together` by so many authors.
fn sign_and_verify(authors: u8, together: usize) -> anyhow::Result<(Duration, Duration)> {
    let realm = || Realm { cluster: Digest::of("bench", &[]), epoch: 0, protocol: ProtocolName::Pbft };
    let author = |place: u64| Author::Replica(ReplicaId((place % u64::from(authors)) as u8));
    let signers: Vec<Signer> =
        (0..authors).map(|id| Signer::ed25519(Author::Replica(ReplicaId(id)), realm(), [id + 1; 32])).collect();
    let mut keys: Vec<PublicKey> = (0..authors).map(|id| Signer::public_key([id + 1; 32])).collect();
    // No committee has two or three members.
    keys.resize(keys.len().max(4), Signer::public_key([1; 32]));
    let verifier = Verifier::ed25519(realm(), &keys, &[] as &[PublicKey])
        .map_err(|why| anyhow!("a key made here is refused: {why}"))?;
    let statement = |place| Statement {
        kind: Kind::Prepare,
        view: View(0),
        seq: SeqNum(place),
        digest: Digest::ZERO,
        author: author(place),
    };
    let now = || ClockId::CLOCK_THREAD_CPUTIME_ID.now().map(Duration::from).context("no clock of a thread's time");
    let began = now()?;
    let sign = |place| signers[(place % u64::from(authors)) as usize].sign(&statement(place));
    let signatures: Vec<Signature> = (0..STATEMENTS).map(sign).collect();
    let signed = now()?;
    let statements: Vec<(Statement, Signature)> = (0..).map(statement).zip(signatures).collect();
    for some in statements.chunks(together) {
        let check = |verifier: &Verifier| some.iter().all(|(said, signature)| verifier.verify(said, signature).is_ok());
        ensure!(verifier.together(check) == (true, true), "a signature made here is refused");
    }
    let each = STATEMENTS as u32;
    Ok(((signed - began) / each, (now()? - signed) / each))
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
        let crypto = Crypto { sign: micros(20), verify_submission: micros(40), verify_vote: micros(50), cores: 2 };
        let configuration = |bundle| Configuration {
            protocol: ProtocolName::Pbft,
            replicas: 4,
            durability: Durability::Os,
            bundle,
            rate: Rate::Max,
            clients: 1,
            accounts: None,
        };
        // A submission: 20 + 4·40 = 180 µs; a slot: 8·20 + 24·50 = 1360 µs, and 0.5 % for its share of a checkpoint.
        let one = crypto.ops_s(&configuration(1), 1.0);
        assert!((one - 2.0 / 1545e-6).abs() < 2.0, "{one}");
        assert!(crypto.ops_s(&configuration(8), 64.0) > 10.0 * one);
    }

    #[test]
    fn signatures_take_time() {
        for replicas in [1, 4, 7] {
            let Crypto { sign, verify_submission, verify_vote, cores } = Crypto::measure(replicas).unwrap();
            assert!(sign > Duration::ZERO && verify_submission > Duration::ZERO && verify_vote > Duration::ZERO);
            assert!(cores >= 1);
        }
    }
}
