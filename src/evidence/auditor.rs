//! Auditor.
#[derive(Default)]
pub struct Auditor;
