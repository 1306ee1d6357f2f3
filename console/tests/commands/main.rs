//! The real binary as people and scripts run it: exit status, output, and what it leaves behind.

mod bench;
mod liar;
mod local_cluster;
mod on_screen;
mod process;
mod simulate;
mod terminal;
mod test_cases;
mod usage;
