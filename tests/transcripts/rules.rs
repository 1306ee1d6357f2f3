//! `docs/rules.md` is held to the sources: what it names exists, and what shows a rule stands in the rule's row.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// How many rules PBFT has here.
const RULES: u32 = 30;

/// Where tests are.
const SOURCES: &[&str] = &["src", "tests", "node/src", "node/tests", "certs/src", "console/src", "console/tests"];

/// A row of the table.
struct Row {
    rule: u32,
    files: Vec<String>,
    tests: BTreeSet<String>,
    planted: BTreeSet<String>,
}

fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rows() -> Vec<Row> {
    let text = std::fs::read_to_string(workspace().join("docs/rules.md")).expect("the table is there");
    let cells = text.lines().filter(|line| line.starts_with("| ")).map(|line| line.split(" | ").collect::<Vec<_>>());
    let numbered = cells.filter_map(|cells| Some((cells[0].trim_start_matches("| ").parse().ok()?, cells)));
    numbered.map(|(rule, cells)| row(rule, &cells)).collect()
}

fn row(rule: u32, cells: &[&str]) -> Row {
    assert_eq!(cells.len(), 5, "rule {rule}: the row has five cells");
    let [files, tests, planted] = [2, 3, 4].map(|cell| quoted(cells[cell]));
    Row { rule, files: files.collect(), tests: tests.collect(), planted: planted.collect() }
}

/// What stands between backquotes.
fn quoted(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_string)
}

/// PBFT's planted bugs, each with the rule that it breaks.
fn planted() -> BTreeSet<(u32, String)> {
    let text = std::fs::read_to_string(workspace().join("tests/planted/bugs.toml")).expect("the list is there");
    let list: toml::Table = text.parse().expect("it is TOML");
    let bugs = list["bug"].as_array().expect("a list of bugs").iter().filter(|bug| bug.get("protocol").is_none());
    let rule = |bug: &toml::Value| u32::try_from(bug["rule"].as_integer().expect("a number")).expect("a small one");
    bugs.map(|bug| (rule(bug), bug["name"].as_str().expect("a name").to_string())).collect()
}

/// Every test function of the workspace; and every transcript, by its path.
fn all_tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    SOURCES.iter().for_each(|folder| collect(&workspace().join(folder), &mut found));
    found
}

fn collect(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be listed").path();
        match path.extension().and_then(|extension| extension.to_str()) {
            _ if path.is_dir() => collect(&path, found),
            Some("rs") => found.extend(test_functions(&std::fs::read_to_string(&path).expect("it is text"))),
            Some("txt") => {
                let path = path.strip_prefix(workspace()).expect("it is below").to_str().expect("plain names");
                found.insert(path.to_string());
            }
            _ => {}
        }
    }
}

/// The names of functions that stand right below `#[test]`.
fn test_functions(text: &str) -> Vec<String> {
    let mut lines = text.lines().map(str::trim);
    let mut found = Vec::new();
    while lines.by_ref().any(|line| line == "#[test]") {
        let name = lines.next().and_then(|line| line.strip_prefix("fn ")?.split_once('('));
        found.extend(name.map(|(name, _)| name.to_string()));
    }
    found
}

/// The rule that a test's name says it shows.
fn rule_of(test: &str) -> Option<u32> {
    let name = test.rsplit('/').next()?;
    name.strip_prefix("rule_")?.split('_').next()?.parse().ok()
}

#[test]
fn every_rule_has_a_row_with_tests_and_all_that_it_names_exists() {
    let (rows, all) = (rows(), all_tests());
    assert!(rows.iter().map(|row| row.rule).eq(1..=RULES), "one row per rule, in order");
    for Row { rule, files, tests, .. } in rows {
        assert!(!tests.is_empty(), "rule {rule} has no test");
        let lost: Vec<&String> = tests.iter().filter(|test| !all.contains(*test)).collect();
        assert!(lost.is_empty(), "rule {rule}: no such test: {lost:?}");
        assert!(!files.is_empty(), "rule {rule} is nowhere");
        let lost: Vec<&String> = files.iter().filter(|file| !workspace().join(file).is_file()).collect();
        assert!(lost.is_empty(), "rule {rule}: no such file: {lost:?}");
    }
}

#[test]
fn every_test_that_is_named_after_a_rule_stands_in_its_row() {
    let rows: BTreeMap<u32, Row> = rows().into_iter().map(|row| (row.rule, row)).collect();
    for test in all_tests() {
        let Some(rule) = rule_of(&test) else { continue };
        let row = rows.get(&rule).unwrap_or_else(|| panic!("{test}: there is no rule {rule}"));
        assert!(row.tests.contains(&test), "docs/rules.md does not name {test} in the row of rule {rule}");
    }
}

#[test]
fn every_planted_bug_stands_in_its_row() {
    let named = rows().into_iter().flat_map(|row| row.planted.into_iter().map(move |name| (row.rule, name)));
    assert_eq!(named.collect::<BTreeSet<_>>(), planted());
}
