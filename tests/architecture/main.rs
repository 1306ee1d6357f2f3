//! Who may import whom, as tests: the rules are the tables below, the sources and manifests are what they are held to.

mod dependencies;
mod manifests;
mod planted;
mod sources;

use std::collections::BTreeSet;
use std::path::{Path as FilePath, PathBuf};

use self::sources::{Reference, Sources, Target};

/// Names, numbers, encoding, and why a message is refused: below everything, and in one layer with each other.
const TYPES: &[&str] = &["types", "rejection", "wire"];

/// What protocols are written in.
const BASE: &[&str] = &["types", "rejection", "wire", "committee", "crypto"];

/// The ordering protocols: one folder each, and none knows another.
const PROTOCOLS: &[&str] = &["pbft", "linear"];

/// The protocols' messages, and nothing else of them.
const MESSAGES: &[&str] = &["pbft::Message", "linear::Message"];

/// What attacks forge: the messages that forms of one protocol share, and what follows from them.
const SHARED_MESSAGES: &[&str] = &["views::form", "views::message", "views::new_view"];

/// What of those messages depends on the form.
const FORMS: &[&str] = &["pbft::Classic", "pbft::normal::Nothing", "linear::Linear", "linear::counts", "linear::set_o"];

/// What each module of byztop-core may import: a module, or one item of it. Protocols have the row `protocols`.
/// `*` may import all of the crate. A module without a row is a violation: its author says where it belongs.
const MAY_IMPORT: &[(&str, &[&[&str]])] = &[
    ("types", &[]),
    ("rejection", &[TYPES]),
    ("wire", &[TYPES]),
    ("committee", &[TYPES]),
    ("durable", &[TYPES, &["wire"]]),
    ("crypto", &[TYPES, &["committee"]]),
    ("protocol", &[BASE, &["durable"]]),
    // What the forms of one protocol share.
    ("views", &[BASE, &["protocol", "durable"]]),
    ("protocols", &[BASE, &["protocol", "views"]]),
    ("app", &[TYPES]),
    ("telemetry", &[TYPES, &["committee", "protocol"]]),
    ("printable", &[]),
    ("evidence", &[BASE, &["protocol"], MESSAGES]),
    ("replica", &[BASE, &["protocol", "app", "evidence", "telemetry", "durable"]]),
    // A lie may be a made-up proof, which is the one thing of evidence that an attack knows.
    (
        "attack",
        &[
            BASE,
            &["protocol", "replica", "app::Application", "evidence::proof::Proof"],
            SHARED_MESSAGES,
            FORMS,
            MESSAGES,
        ],
    ),
    ("client", &[BASE, &["replica"]]),
    ("workload", &[TYPES, &["app"]]),
    ("scenario", &[BASE, &["app", "attack", "evidence", "workload"]]),
    ("sim", &[&["*"]]),
];

/// What unit tests may import beyond their module's row: a replica is tried out with a protocol and a bank.
const TESTS_MAY_IMPORT: &[(&str, &[&[&str]])] = &[
    ("evidence", &[PROTOCOLS]),
    ("replica", &[PROTOCOLS, &["app"]]),
    ("attack", &[PROTOCOLS, &["app", "evidence", "telemetry", "views"]]),
    ("views", &[PROTOCOLS]),
];

/// What nothing in byztop-core may name: it has no socket, clock, thread or file.
const NEVER_IN_CORE: &[&str] = &[
    "tokio",
    "quinn",
    "rustls",
    "std::time",
    "core::time",
    "std::net",
    "core::net",
    "std::fs",
    "std::thread",
    // A glob would bring those into scope unseen.
    "std::*",
    "core::*",
    "byztop_certs",
    "byztop_node",
    "byztop",
];

/// What only unit tests in byztop-core may name.
const TESTS_ONLY_IN_CORE: &[&str] = &["proptest"];

/// What the sources of the other crates may not name: certs ← node ← console.
const NEVER_IN: &[(&str, &[&str])] = &[("certs", &["byztop_node", "byztop"]), ("node", &["byztop"])];

/// The files and folders of the console that may name byztop_node: they launch processes and hold links.
const CONSOLE_KNOWS_NODE: &[&str] = &[
    "main", "cli", "node", "launch", "session", "watch", "headless", "summary", "inspect", "status", "recover",
    "bench", "run",
];

#[test]
fn modules_of_the_core_import_only_what_they_may() {
    expect_none(core_violations(&read(FilePath::new("src"))));
}

#[test]
fn certs_node_and_console_import_in_one_direction() {
    for (folder, never) in NEVER_IN {
        expect_none(crate_violations(&read(&FilePath::new(folder).join("src")), never));
    }
    expect_none(console_violations(&read(FilePath::new("console/src"))));
}

#[test]
fn every_rule_names_what_can_exist() {
    let rows: BTreeSet<&str> = MAY_IMPORT.iter().map(|(module, _)| *module).chain(PROTOCOLS.iter().copied()).collect();
    for (module, lists) in MAY_IMPORT.iter().chain(TESTS_MAY_IMPORT) {
        for name in lists.iter().copied().flatten() {
            let owner = name.split("::").next().unwrap_or(name);
            assert!(*name == "*" || rows.contains(owner), "the row of {module} names {owner}, which has no row");
        }
    }
    assert!(MESSAGES.iter().map(|path| path.split("::").next()).eq(PROTOCOLS.iter().map(|name| Some(*name))));
}

/// What the core's sources do that the tables do not allow.
fn core_violations(files: &[(String, String)]) -> Vec<String> {
    let sources = Sources::read(files);
    let modules = sources.top_modules();
    let mut violations = BTreeSet::from_iter(sources.oddities.iter().cloned());
    for module in modules.iter().filter(|module| row(MAY_IMPORT, module).is_none()) {
        violations.insert(format!("src/{module}: no row says what this module may import"));
    }
    for (reference, target) in sources.targets() {
        let is_test = sources.is_test(reference);
        let is_allowed = match &target {
            Target::Own(path) => may_import(reference, path, &modules, is_test),
            Target::Other(path) => !is_one_of(path, NEVER_IN_CORE) && (is_test || !is_one_of(path, TESTS_ONLY_IN_CORE)),
        };
        if !is_allowed {
            violations.insert(describe(reference, &target));
        }
    }
    violations.into_iter().collect()
}

/// Whether a path inside the core is within its module's row.
fn may_import(reference: &Reference, path: &[String], modules: &BTreeSet<String>, is_test: bool) -> bool {
    let (Some(from), Some(owner)) = (reference.module.first(), path.first()) else { return true };
    if from == owner || !modules.contains(owner) {
        return true;
    }
    let in_list = |list: &[&str]| is_one_of(path, list) || leads_to_one_of(path, list);
    let in_row = |rows| row(rows, from).is_some_and(|lists| lists.iter().any(|list| in_list(list)));
    in_row(MAY_IMPORT) || (is_test && in_row(TESTS_MAY_IMPORT))
}

/// A module's row.
fn row<'r>(rows: &'r [(&str, &[&[&str]])], module: &str) -> Option<&'r [&'r [&'r str]]> {
    let name = if PROTOCOLS.contains(&module) { "protocols" } else { module };
    rows.iter().find(|(row, _)| *row == name).map(|(_, lists)| *lists)
}

/// What a crate's sources name of other crates that they may not.
fn crate_violations(files: &[(String, String)], never: &[&str]) -> Vec<String> {
    let sources = Sources::read(files);
    let mut violations = BTreeSet::from_iter(sources.oddities.iter().cloned());
    for (reference, target) in sources.targets() {
        if matches!(&target, Target::Other(path) if is_one_of(path, never)) {
            violations.insert(describe(reference, &target));
        }
    }
    violations.into_iter().collect()
}

/// Which of the console's files know the replica process and should not.
fn console_violations(files: &[(String, String)]) -> Vec<String> {
    let mut violations = crate_violations(files, &["byztop_node"]);
    violations.retain(|violation| {
        let file = violation.split(':').next().unwrap_or_default().trim_end_matches(".rs");
        !CONSOLE_KNOWS_NODE.iter().any(|known| match file.strip_prefix(known) {
            Some(rest) => rest.is_empty() || rest.starts_with('/'),
            None => false,
        })
    });
    violations
}

/// Whether a path is, or is below, one of the names.
fn is_one_of(path: &[String], names: &[&str]) -> bool {
    names.iter().any(|name| {
        *name == "*" || name.split("::").enumerate().all(|(i, part)| path.get(i).is_some_and(|p| p == part))
    })
}

/// Whether a path is a module above one of the names: that alone uses nothing, and what is used through it is followed.
fn leads_to_one_of(path: &[String], names: &[&str]) -> bool {
    names.iter().any(|name| name.split("::").take(path.len()).eq(path.iter().map(String::as_str)))
}

fn describe(reference: &Reference, target: &Target) -> String {
    let (Target::Own(path) | Target::Other(path)) = target;
    let written = reference.path.join("::");
    let found = path.join("::");
    let via = if written.ends_with(&found) { String::new() } else { format!(" (as {written})") };
    format!("{}: may not use {found}{via}", reference.file)
}

fn expect_none(violations: Vec<String>) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

/// The workspace's folder.
fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files below a folder of the workspace, each with its path from there and its text, in a fixed order.
fn read(folder: &FilePath) -> Vec<(String, String)> {
    fn collect(root: &FilePath, folder: &FilePath, files: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).expect("the sources are there") {
            let path = entry.expect("the sources can be listed").path();
            if path.is_dir() {
                collect(root, &path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).expect("it was found there").to_string_lossy().replace('\\', "/");
                files.push((name, std::fs::read_to_string(&path).expect("sources are text")));
            }
        }
    }
    let root = workspace().join(folder);
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    files.sort();
    assert!(!files.is_empty(), "no sources in {}", root.display());
    files
}
