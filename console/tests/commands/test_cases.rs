//! `byztop run` with real replicas: what it makes of test cases, of files that are none, and of wrong expectations.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::process::{byztop, finished, nothing_is_left, run};

/// The test cases that ship.
const SCENARIOS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios");
const BASIC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/basic.csv");

/// Runs a file with these contents, besides which nothing is in the folder before and after.
fn run_text(text: &str, arguments: &[&str]) -> (i32, String, String) {
    let (scratch, cases) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = cases.path().join("cases.csv");
    std::fs::write(&file, text).unwrap();
    let ended = run(scratch.path(), &[&["run", file.to_str().unwrap()], arguments].concat());
    nothing_is_left(scratch.path());
    ended
}

fn parse(out: &str) -> Value {
    serde_json::from_str(out).unwrap_or_else(|error| panic!("{error} in: {out}"))
}

/// What a key holds of each node, without names.
fn of_each(set: &Value, key: &str) -> Vec<Value> {
    set[key].as_object().unwrap_or_else(|| panic!("{key} in {set}")).values().cloned().collect()
}

#[test]
fn the_sets_that_ship_pass_and_every_one_runs_on_fresh_state() {
    let scratch = tempfile::tempdir().unwrap();
    let (status, out, err) = run(scratch.path(), &["run", BASIC, "--json"]);
    assert_eq!(status, 0, "{err}\n{out}");
    nothing_is_left(scratch.path());
    let document = parse(&out);
    assert_eq!((&document["verdict"], &document["protocol"]), (&"pass".into(), &"pbft".into()));
    assert!(document["file"].as_str().is_some_and(|file| Path::new(file).ends_with("scenarios/basic.csv")));
    let sets = document["sets"].as_array().unwrap();
    assert_eq!(sets.iter().map(|set| set["set"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4]);
    for set in sets {
        assert_eq!((&set["verdict"], &set["violations"]), (&"pass".into(), &Value::Array(Vec::new())), "{set}");
        assert_eq!(
            set["transactions"].as_array().map(|all| all.iter().all(|one| one["outcome"] == "committed")),
            Some(true)
        );
    }
    let results: Vec<&str> =
        sets[0]["transactions"].as_array().unwrap().iter().map(|one| one["result"].as_str().unwrap()).collect();
    assert_eq!(results, ["ok", "ok", "12"]);
    assert_eq!(of_each(&sets[0], "executed"), [3; 7].map(Value::from), "one slot for each transaction");
    for slot in ["1", "2", "3"] {
        let statuses = of_each(&sets[0]["status"], slot);
        assert_eq!(statuses, ["E"; 7].map(Value::from), "{}", sets[0]);
    }
    assert_eq!(sets[0]["balances"]["n4"]["B"], 9, "{}", sets[0]);
    assert_eq!(sets[1]["balances"]["n2"].as_object().map(|accounts| accounts.len()), Some(20));
    assert_eq!(sets[1]["balances"].get("n7"), None, "it does not run");
    assert_eq!(sets[1]["live"].as_array().map(Vec::len), Some(6));
    assert_eq!((&sets[1]["byzantine"][0], &sets[1]["attack"]), (&"n1".into(), &"time(500ms); dark(n6)".into()));
    let view = &sets[2]["new_views"].as_array().unwrap().last().unwrap();
    assert!(view["view"].as_u64() >= Some(2) && !view["view_changes"].as_array().unwrap().is_empty(), "{view}");
}

const HEADER: &str = "Set Number,Transactions,Live,Byzantine,Attack,Expect\n";

#[test]
fn a_bad_file_is_refused_with_its_place_before_anything_runs() {
    let scratch = tempfile::tempdir().unwrap();
    let text = format!("{HEADER}1,\"(A, B, 1)\",\"[n1, n2, n3, n4]\",[],[]\n,\"(B; C, 2)\",,,\n");
    std::fs::write(scratch.path().join("bad.csv"), text).unwrap();
    let (status, out, err) = run(scratch.path(), &["run", "bad.csv"]);
    assert_eq!((status, out.as_str()), (2, ""), "{err}");
    assert!(err.contains("bad.csv:3:5: expected `(X, Y, amount)` or `(X)`, found `;`"), "{err}");
    let (status, out, err) = run(scratch.path(), &["run", "missing.csv", "--json"]);
    assert_eq!((status, out.as_str()), (2, ""), "{err}");
    assert!(err.contains("missing.csv: can not be read"), "{err}");
}

#[test]
fn a_set_that_is_not_there_is_refused() {
    let (status, out, err) = run_text("3,(A),\"[n1, n2, n3, n4]\"\n7,(B),\"[n1, n2, n3, n4]\"\n", &["--set", "4"]);
    assert_eq!((status, out.as_str()), (2, ""), "{err}");
    assert!(err.contains("has no set 4; its sets are 3, 7"), "{err}");
}

#[test]
fn a_wrong_expectation_fails_with_what_was_expected_and_what_was_found() {
    let text = format!("{HEADER}1,\"(A, B, 1)\",\"[n1, n2, n3, n4]\",[],[],A=8; view>=1\n");
    let (status, out, err) = run_text(&text, &[]);
    assert_eq!(status, 1, "{err}\n{out}");
    for expected in [
        "expected  A=8; view>=1",
        "missed: A=8: n1 has A=9 (n2, n3, n4 too)",
        "missed: view>=1: n1 is in view 0",
        "1 set: 0 passed, 1 failed",
    ] {
        assert!(out.contains(expected), "expected `{expected}` in: {out}");
    }
    let (status, out, err) = run_text(&text, &["--json"]);
    assert_eq!(status, 1, "{err}\n{out}");
    let document = parse(&out);
    assert_eq!((&document["verdict"], &document["sets"][0]["verdict"]), (&"fail".into(), &"fail".into()));
    assert_eq!(document["sets"][0]["violations"][0], "expected A=8: n1 has A=9 (n2, n3, n4 too)");
}

#[test]
fn too_few_replicas_stall_and_say_so() {
    let text = "1,\"(A, B, 1)\",\"[n1, n2]\"\n";
    let (status, out, err) = run_text(text, &["--replicas", "4", "--timeout", "600ms", "--json"]);
    assert_eq!(status, 0, "{err}\n{out}");
    let set = &parse(&out)["sets"][0];
    assert_eq!((&set["expected"], &set["verdict"]), (&"stalls (derived)".into(), &"pass".into()));
    assert_eq!(
        (&set["transactions"][0]["outcome"], &set["transactions"][0]["result"]),
        (&"timeout".into(), &Value::Null)
    );
    assert_eq!(of_each(set, "executed"), [0, 0].map(Value::from));
}

#[test]
fn clients_may_go_at_once_and_ask_the_primary_first() {
    let text = "1,\"(A, B, 1)\",\"[n1, n2, n3, n4]\",[n1],[crash]\n,(C),,,\n,\"(A, C, 100)\",,,\n";
    let text = format!("{HEADER}{}", text.replacen("[crash]", "[crash],commits; failed(1); A=9; B=11; view>=1", 1));
    let (status, out, err) = run_text(&text, &["--order", "clients", "--clients", "primary-first", "--json"]);
    assert_eq!(status, 0, "{err}\n{out}");
    let set = &parse(&out)["sets"][0];
    let refused = &set["transactions"][2];
    assert_eq!((&refused["outcome"], &refused["result"]), (&"failed".into(), &"insufficient funds".into()));
    let accused = set["evidence"].as_array().unwrap().iter().find(|one| one["accused"] == "n1").unwrap();
    assert_eq!(accused["label"], "attested", "everybody waited for n1: {set}");
}

#[test]
fn whoever_is_asked_and_says_nothing_runs_nothing() {
    let (status, out, err) = run_text("1,(A),\"[n1, n2, n3, n4]\"\n", &["--step"]);
    assert_eq!((status, out.as_str()), (0, "0 sets: 0 passed, 0 failed\n"), "{err}");
    assert!(err.contains("set 1: Enter runs it, s skips it, q ends"), "{err}");
}

/// Runs some sets of every file that ships: of each file those at the places from `first` on, [`SHARE`] apart.
fn a_part_of_all_files_passes(protocol: &str, first: usize) {
    const SHARE: usize = 5;
    let mut files: Vec<_> = std::fs::read_dir(SCENARIOS).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 10, "{files:?}");
    let mut ran = 0;
    for (place, file) in files.iter().enumerate() {
        let text = std::fs::read_to_string(file).unwrap();
        let of_line = |line: &str| line.split(',').next().and_then(|number| number.parse::<u32>().ok());
        let numbers: Vec<u32> = text.lines().filter_map(of_line).collect();
        let chosen: Vec<String> =
            numbers.iter().skip((first + place) % SHARE).step_by(SHARE).map(u32::to_string).collect();
        let mut arguments = vec!["run", file.to_str().unwrap(), "--protocol", protocol, "--json"];
        chosen.iter().for_each(|number| arguments.extend(["--set", number]));
        let scratch = tempfile::tempdir().unwrap();
        let (status, out, err) = run(scratch.path(), &arguments);
        assert_eq!(status, 0, "{}: {err}\n{out}", file.display());
        nothing_is_left(scratch.path());
        ran += parse(&out)["sets"].as_array().unwrap().len();
    }
    assert!(ran >= 30, "{ran} sets");
}

#[test]
fn sets_of_every_file_that_ships_pass_under_pbft() {
    a_part_of_all_files_passes("pbft", 0);
}

#[test]
fn sets_of_every_file_that_ships_pass_under_linear_pbft() {
    a_part_of_all_files_passes("linear", 2);
}

/// Verdict, expectation, outcomes and balances of each set: what does not depend on time.
fn essence(document: &Value) -> Vec<Value> {
    let of = |set: &Value| {
        let outcomes: Vec<Value> =
            set["transactions"].as_array().unwrap().iter().map(|one| one["outcome"].clone()).collect();
        let keys = ["set", "live", "byzantine", "attack", "expected", "verdict", "violations", "balances"];
        let mut essence: Vec<Value> = keys.map(|key| set[key].clone()).to_vec();
        essence.push(outcomes.into());
        Value::from(essence)
    };
    document["sets"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn files_in_the_labs_dialects_come_to_the_same_verdicts_as_their_clean_twins() {
    let clean = "Set Number,Transactions,Live,Byzantine,Attack\n\
        1,\"(A, B, 4)\",\"[n1, n2, n3, n4]\",[n1],[dark(n4)]\n,(B),,,\n\
        2,\"(A, C, 11)\",\"[n1, n2, n3, n4]\",[],[]\n";
    // BOM, CRLF, S for n, every cell quoted, no spaces, a set's number on each row, a blank line, another order.
    let quoted = "\u{feff}\"Set Number\",\"Transactions\",\"Live\",\"Byzantine\",\"Attack\"\r\n\
        \"2\",\"(A,C,11)\",\"[S1,S2,S3,S4]\",\"[]\",\"[]\"\r\n\r\n\
        \"1\",\"(A,B,4)\",\"[S1,S2,S3,S4]\",\"[S1]\",\"[dark(S4)]\"\r\n\"1\",\"(B)\",\"\",\"\",\"\"\r\n";
    // No header, numbers for nodes, rows of any length.
    let ragged = "1,\"( A , B , 4 )\",\"[1, 2, 3, 4]\",[1],[dark(4)]\n,(B)\n2,\"(A, C, 11)\",\"[1, 2, 3, 4]\"\n";
    let verdicts = |text: &str| {
        let (status, out, err) = run_text(text, &["--json"]);
        assert_eq!(status, 0, "{err}\n{out}");
        let mut sets = essence(&parse(&out));
        sets.sort_by_key(|set| set[0].as_u64());
        sets
    };
    let expected = verdicts(clean);
    assert_eq!(expected[1][8], Value::from(vec!["failed"]), "{expected:?}");
    assert_eq!(verdicts(quoted), expected);
    assert_eq!(verdicts(ragged), expected);
}

#[test]
fn beyond_f_nothing_fails_and_what_broke_is_shown() {
    let text = format!(
        "{HEADER}1,\"(A, B, 1)\",\"[n1, n2, n3, n4, n5, n6, n7]\",\"[n5, n6, n7]\",[crash],beyond\n\
         2,\"(A, B, 1)\",\"[n1, n2, n3, n4, n5, n6, n7]\",\"[n5, n6, n7]\",[crash],A=9\n"
    );
    let (status, out, err) = run_text(&text, &["--timeout", "600ms"]);
    assert_eq!(status, 0, "{err}\n{out}");
    assert!(
        out.contains("verdict   beyond budget: not a failure\n  broke: A=9: n1 has A=10 (n2, n3, n4 too)"),
        "{out}"
    );
    assert!(out.contains("2 sets: 0 passed, 0 failed, 2 beyond budget"), "{out}");
}

#[test]
fn a_censored_customer_is_served_by_the_next_primary() {
    let text = format!(
        "{HEADER}1,\"(A, B, 1)\",\"[n1, n2, n3, n4]\",[n1],[censor(B)],commits; view=0\n\
         2,\"(A, B, 1)\",\"[n1, n2, n3, n4]\",[n1],[censor(A)],commits; view>=1; attested(n1)\n"
    );
    let (status, out, err) = run_text(&text, &[]);
    assert_eq!(status, 0, "{err}\n{out}");
}

#[test]
fn whoever_steps_may_look_again_at_what_the_last_set_came_to() {
    let scratch = tempfile::tempdir().unwrap();
    let text = "1,(A),\"[n1, n2, n3, n4]\"\n2,(B),\"[n1, n2, n3, n4]\"\n";
    std::fs::write(scratch.path().join("cases.csv"), text).unwrap();
    let mut command = byztop(scratch.path(), &["run", "cases.csv", "--step"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"db\n\nstatus\nS\n").unwrap();
    let (status, out, err) = finished(child.wait_with_output().unwrap());
    assert_eq!(status, 0, "{err}\n{out}");
    assert!(err.contains("`db` is none of: Enter, s, q\n"), "nothing has run yet: {err}");
    assert!(err.contains("set 2: Enter runs it, s skips it, q ends; story, transactions, db, log, status"), "{err}");
    assert_eq!(out.matches("\nStatus, PP pre-prepared").count(), 2, "with its report, and once again: {out}");
    assert!(out.ends_with("1 set: 1 passed, 0 failed\n"), "{out}");
}
