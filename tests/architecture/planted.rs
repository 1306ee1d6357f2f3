//! Planted violations: each must be found, or the checker proves nothing.

use super::{console_violations, core_violations, crate_violations};

/// Modules that the planted file's rows and paths need.
const SURROUNDINGS: &[(&str, &str)] = &[
    (
        "lib.rs",
        "pub mod app; pub mod pbft; pub mod protocol; pub mod replica; pub mod types; pub mod wire; pub mod attack;",
    ),
    ("app/mod.rs", "pub mod smallbank; pub trait Application {}"),
    ("app/smallbank.rs", "pub struct SmallBank;"),
    ("pbft/mod.rs", "mod log; pub struct Message; pub struct Pbft;"),
    ("protocol/mod.rs", "pub struct Batch;"),
    ("replica/mod.rs", "mod message; pub use message::Reply; pub struct Replica;"),
    ("replica/message.rs", "pub struct Reply;"),
    ("types.rs", "pub struct View;"),
    ("wire.rs", "pub fn at_most() {}"),
    ("attack/mod.rs", ""),
];

fn files(planted: &[(&str, &str)]) -> Vec<(String, String)> {
    let surroundings = SURROUNDINGS.iter().filter(|(file, _)| planted.iter().all(|(other, _)| other != file));
    surroundings.chain(planted).map(|(file, text)| (file.to_string(), text.to_string())).collect()
}

/// The violations of a crate with one file replaced, without the file's name.
fn check(file: &str, text: &str, expected: &[&str]) {
    let found = core_violations(&files(&[(file, text)]));
    let expected: Vec<String> = expected.iter().map(|what| format!("{file}: may not use {what}")).collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn what_is_allowed_is_no_violation() {
    check("pbft/log.rs", "use crate::{protocol::Batch, types::View, wire}; use super::Pbft;", &[]);
    check("attack/mod.rs", "use crate::app::Application; use crate::pbft::Message; use crate::replica::Reply;", &[]);
    check("pbft/log.rs", "#[cfg(test)] mod tests { use proptest::prelude::*; use super::*; }", &[]);
    check("pbft/log.rs", "/// See [`crate::replica::Replica`].\nfn f() { let app = u64::MAX; }", &[]);
}

#[test]
fn use_trees_are_seen() {
    check("pbft/log.rs", "use crate::replica::Replica;", &["replica::Replica"]);
    check(
        "pbft/log.rs",
        "use crate::{types::View, app::{self, smallbank::SmallBank}};",
        &["app", "app::smallbank::SmallBank"],
    );
    check("pbft/log.rs", "use crate::app::*;", &["app::*"]);
    check("pbft/log.rs", "fn f() { use crate::app as a; }", &["app"]);
    check("types.rs", "pub use crate::wire::at_most;", &["wire::at_most"]);
}

#[test]
fn whole_paths_are_seen() {
    let replica = "replica::Replica";
    check("pbft/log.rs", "fn f() -> crate::replica::Replica { loop {} }", &[replica]);
    check("pbft/log.rs", "impl crate::app::Application for X {}", &["app::Application"]);
    check("pbft/log.rs", "fn f() { super::super::replica::Replica::new(); }", &["replica::Replica::new"]);
    check("pbft/log.rs", "mod inner { type R = super::super::super::replica::Replica; }", &["replica::Replica"]);
    check("pbft/log.rs", "fn f(x: Vec<Option<crate::replica::Replica>>) {}", &[replica]);
}

#[test]
fn macros_and_attributes_are_seen() {
    check("pbft/log.rs", "fn f() { assert_eq!(1, crate::replica::LIMIT); }", &["replica::LIMIT"]);
    check("pbft/log.rs", "macro_rules! m { () => { $crate::replica::Replica } }", &["replica::Replica"]);
    check("pbft/log.rs", "thing! { use crate::{app, types}; }", &["app"]);
    check("types.rs", "struct S { #[serde(with = \"crate::wire::at_most::<_, 3>\")] x: u8 }", &["wire::at_most"]);
}

#[test]
fn renames_globs_and_reexports_are_followed() {
    let lib = (
        "lib.rs",
        "pub mod pbft; pub mod replica; pub mod protocol; pub mod types; pub use replica::Replica as Machine;",
    );
    let found = core_violations(&files(&[lib, ("pbft/log.rs", "type M = crate::Machine;")]));
    assert_eq!(found, ["pbft/log.rs: may not use replica::Replica (as crate::Machine)"]);
    check("pbft/log.rs", "use crate::*; type R = replica::Reply;", &["replica::message::Reply (as replica::Reply)"]);
    check("pbft/log.rs", "use crate as c; type R = c::replica::Replica;", &["replica::Replica"]);
    check("protocol/mod.rs", "pub use crate::pbft::Pbft;", &["pbft::Pbft"]);
}

#[test]
fn a_row_may_name_one_item() {
    check("attack/mod.rs", "use crate::app::smallbank::SmallBank;", &["app::smallbank::SmallBank"]);
    check("attack/mod.rs", "use crate::pbft::Pbft;", &["pbft::Pbft"]);
    check("attack/mod.rs", "use crate::pbft; type M = pbft::Message; type P = pbft::Pbft;", &["pbft::Pbft"]);
    check("attack/mod.rs", "use crate::pbft::*;", &["pbft::*"]);
    check(
        "attack/mod.rs",
        "#[cfg(test)] mod tests { use crate::app::smallbank::SmallBank; use crate::pbft::Pbft; }",
        &[],
    );
    let in_own_file = [("attack/mod.rs", "#[cfg(test)] mod tests;"), ("attack/tests.rs", "use crate::pbft::Pbft;")];
    assert!(core_violations(&files(&in_own_file)).is_empty());
}

#[test]
fn protocols_do_not_know_each_other() {
    let found =
        core_violations(&files(&[("pbft/log.rs", "use crate::raft::Log;"), ("raft/mod.rs", "pub struct Log;")]));
    assert_eq!(found, ["pbft/log.rs: may not use raft::Log", "src/raft: no row says what this module may import"]);
}

#[test]
fn clocks_sockets_threads_and_files_are_seen() {
    check("types.rs", "use std::time::Duration;", &["std::time::Duration"]);
    check("types.rs", "fn f() { std::thread::spawn(|| {}); }", &["std::thread::spawn"]);
    check("types.rs", "use std as s; fn f() { s::fs::read(\"\"); }", &["std::fs::read (as s::fs::read)"]);
    check("types.rs", "use std::{fmt, net::{self, TcpStream}};", &["std::net", "std::net::TcpStream"]);
    check("types.rs", "use ::tokio::sync::mpsc;", &["tokio::sync::mpsc"]);
    check("types.rs", "extern crate quinn as q;", &["quinn"]);
    check("types.rs", "use std::*;", &["std::*"]);
    check(
        "types.rs",
        "use std::fmt; fn f() { println!(\"{:?}\", std::time::Instant::now()); }",
        &["std::time::Instant::now"],
    );
    check("types.rs", "use proptest::prelude::*;", &["proptest::prelude::*"]);
    check("types.rs", "#[cfg(not(test))] mod m { use proptest::prelude::*; }", &["proptest::prelude::*"]);
}

#[test]
fn what_would_hide_sources_is_refused() {
    for text in ["#[path = \"elsewhere.rs\"] mod hidden;", "include!(\"elsewhere.rs\");"] {
        assert_eq!(core_violations(&files(&[("types.rs", text)])).len(), 1, "{text}");
    }
}

#[test]
fn other_crates_import_in_one_direction() {
    let upward = [("lib.rs".to_string(), "use byztop_node::Link;".to_string())];
    assert_eq!(crate_violations(&upward, &["byztop_node"]), ["lib.rs: may not use byztop_node::Link"]);
    assert!(crate_violations(&upward, &["byztop"]).is_empty());
}

#[test]
fn only_launcher_and_links_know_the_node() {
    let link = "pub use byztop_node::Link;";
    let cases = [
        ("launch.rs", link, 0),
        ("launch/child.rs", link, 0),
        ("tui/link.rs", link, 1),
        ("summary.rs", link, 0),
        ("tui/model/mod.rs", link, 1),
        ("tui/update.rs", "fn f() { byztop_node::stop(); }", 1),
        ("tui/view/linked/mod.rs", link, 1),
        ("launcher.rs", link, 1),
        ("tui/model/mod.rs", "use crate::session::Link;", 1),
        ("tui/model/mod.rs", "use crate::session::Summary;", 0),
    ];
    for (file, text, count) in cases {
        let session = ("session.rs".to_string(), "pub use byztop_node::Link; pub struct Summary;".to_string());
        let found = console_violations(&[session, (file.to_string(), text.to_string())]);
        assert_eq!(found.len(), count, "{file}: {text}: {found:?}");
    }
}
