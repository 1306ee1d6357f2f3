//! What the cluster computes. The ordering layer knows the [`Application`] trait and nothing of accounts or keys.

pub mod merkle;
pub mod persistent;
pub mod smallbank;

/// A deterministic state machine whose state is a fixed row of leaves under a Merkle tree.
///
/// `Clone` takes a snapshot and must be cheap: leaves are shared until they are written, so that a checkpoint can be
/// held still for others to fetch while execution goes on.
pub trait Application: Clone + Send + 'static {
    /// Executes the operations of one submission, in order. Never panics: what is malformed is an [`Outcome`] too.
    fn execute(&mut self, operations: &[u8]) -> Outcome;

    /// Whether the bytes are operations at all, so that garbage is refused at the door.
    fn is_well_formed(&self, operations: &[u8]) -> bool;

    /// How many leaves the state has; fixed for the life of a cluster.
    fn leaf_count(&self) -> usize;

    /// The canonical bytes of a leaf; at most [`MAX_LEAF_BYTES`].
    fn leaf(&self, index: usize) -> Vec<u8>;

    /// The leaves written since the last call, in ascending order: the cost of a checkpoint follows what changed.
    fn take_dirty(&mut self) -> Vec<usize>;

    /// Numbers that sum up the whole state, for people, with their names: a handful. May look at all of it.
    fn figures(&self) -> Vec<(&'static str, i128)> {
        Vec::new()
    }

    /// Replaces a leaf by verified bytes of another replica; false, and nothing changed, if they are no such leaf.
    fn install_leaf(&mut self, index: usize, bytes: &[u8]) -> bool;
}

/// The largest leaf of an application's state.
pub const MAX_LEAF_BYTES: usize = 64 << 10;

/// What a submission's execution gave.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// The results that the client gets, encoded by the application.
    pub result: Vec<u8>,
    /// How many operations were executed.
    pub operations: u32,
    /// How many of them the application rejected; they changed nothing.
    pub failed: u32,
}
