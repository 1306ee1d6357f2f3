//! An operator attaches to a cluster of which one replica lies to its consoles.

use std::io::Write;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use byztop_certs::Role;
use byztop_hostile::flood::{self, Kind, Tally};

use crate::on_screen::{open_with, show, shows};
use crate::process::{byztop, cluster, until};

/// Replicas, until they are dropped.
struct Running(Vec<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        for child in &mut self.0 {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

#[test]
fn a_replica_that_lies_as_fast_as_it_can_freezes_no_console() {
    let scratch = tempfile::tempdir().unwrap();
    let home = scratch.path().join("c");
    let directory = Arc::new(cluster(&home));
    let liar = Kind::Lies.role(&directory);
    let honest = directory.config().committee().members().filter(|id| Role::Replica(*id) != liar);
    let start = |id| {
        let home = directory.home(Role::Replica(id));
        let mut node = byztop(scratch.path(), &["node", home.to_str().unwrap()]);
        node.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let _running = Running(honest.map(start).collect());
    let tally = Arc::new(Tally::default());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.spawn(flood::run(directory.clone(), Kind::Lies, tally.clone()));

    let mut console = open_with(scratch.path(), &["attach", home.to_str().unwrap()]);
    let screen = show(&console);
    let mut keys = console.master.take_writer().unwrap();
    until("the others are seen", || shows(&screen, "4/4"));
    until("it is lied to", || tally.sent.load(Ordering::Relaxed) > 200);
    // What each pane, and the help above it, shows and no other.
    for (key, text) in [("6", "two signed statements"), ("?", "search: "), ("\u{1b}4", "1 overview")] {
        keys.write_all(key.as_bytes()).unwrap();
        until(text, || shows(&screen, text));
    }
    until("the help is closed", || !shows(&screen, "search: "));
    // The tabs are there on every pane but the first.
    keys.write_all(b"1").unwrap();
    until("the first pane", || !shows(&screen, "1 overview"));
    keys.write_all(b"q").unwrap();
    let status = console.ended();
    assert!(status.success(), "{status:?}");
    runtime.shutdown_background();
}
