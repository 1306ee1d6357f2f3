//! Merkle.
