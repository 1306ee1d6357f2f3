//! What a checkpoint costs once 1 000 accounts have changed: the state is digested and held still, and the snapshot of the
//! checkpoint before the last one goes.
//!
//! `cargo bench -p byztop-core --bench checkpoint`

use std::collections::VecDeque;
use std::hint::black_box;

use byztop_core::app::Application as _;
use byztop_core::app::merkle::{MerkleTree, leaf_digest};
use byztop_core::app::smallbank::{Account, Operation, SmallBank};
use byztop_core::types::Digest;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// How many accounts change between two checkpoints.
const CHANGED: usize = 1000;

/// How many snapshots are held still: those of the last two stable checkpoints.
const HELD: usize = 2;

struct Held {
    bank: SmallBank,
    tree: MerkleTree,
    snapshots: VecDeque<(SmallBank, MerkleTree)>,
    dice: ChaCha8Rng,
}

impl Held {
    fn new(accounts: u32) -> Held {
        let bank = SmallBank::new(accounts, 10_000, 10_000);
        let digests: Vec<Digest> = (0..bank.leaf_count()).map(|index| leaf_digest(index, &bank.leaf(index))).collect();
        let tree = MerkleTree::new(&digests);
        Held { bank, tree, snapshots: VecDeque::new(), dice: ChaCha8Rng::seed_from_u64(1) }
    }

    fn change(&mut self) {
        for _ in 0..CHANGED {
            let account = Account(self.dice.random_range(0..self.bank.accounts()));
            self.bank.apply(Operation::DepositChecking { account, amount: 1 });
        }
    }

    fn checkpoint(&mut self) {
        let dirty = self.bank.take_dirty();
        self.tree.set_all(dirty.into_iter().map(|index| (index, leaf_digest(index, &self.bank.leaf(index)))));
        black_box(self.tree.root());
        self.snapshots.push_back((self.bank.clone(), self.tree.clone()));
        if self.snapshots.len() > HELD {
            self.snapshots.pop_front();
        }
    }
}

fn checkpoint(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("checkpoint");
    for accounts in [10_000, 1_000_000] {
        let mut held = Held::new(accounts);
        group.bench_function(BenchmarkId::new("changes alone", accounts), |bencher| bencher.iter(|| held.change()));
        let mut held = Held::new(accounts);
        group.bench_function(BenchmarkId::new("changes and checkpoint", accounts), |bencher| {
            bencher.iter(|| {
                held.change();
                held.checkpoint();
            });
        });
    }
    group.finish();
}

criterion_group!(benches, checkpoint);
criterion_main!(benches);
