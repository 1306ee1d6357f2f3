//! What is built into byztop, held to `deny.toml`: from where it comes, under which licence, and what never is.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use spdx::{Expression, Licensee};

use super::workspace;

/// `deny.toml`.
fn rules() -> toml::Table {
    let text = std::fs::read_to_string(workspace().join("deny.toml")).expect("it lies beside Cargo.toml");
    text.parse().expect("it is TOML")
}

/// What a list of the rules names; `key` within the items if they are tables.
fn names(list: &toml::Value, key: &str) -> Vec<String> {
    let name = |item: &toml::Value| item.get(key).unwrap_or(item).as_str().expect("it names something").to_string();
    list.as_array().expect("it is a list").iter().map(name).collect()
}

/// Every package of the lock file that is built where the tests run.
fn packages() -> Vec<Value> {
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(workspace()).output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("it writes UTF-8")
    };
    let version = run("rustc", &["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc knows where it is");
    let arguments = ["metadata", "--locked", "--format-version", "1", "--filter-platform", host];
    let metadata: Value = serde_json::from_str(&run(env!("CARGO"), &arguments)).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("it lists packages").clone();
    assert!(packages.len() > 100, "{} packages: the rules have something to hold", packages.len());
    packages
}

/// Whether this may be built in, as far as its licence says.
fn is_allowed(licence: &str, allowed: &[Licensee]) -> bool {
    // Cargo's old way of writing OR.
    let expression = Expression::parse(&licence.replace('/', " OR "));
    expression.is_ok_and(|expression| {
        expression.evaluate(|requirement| allowed.iter().any(|licensee| licensee.satisfies(requirement)))
    })
}

fn licensees(names: &[String]) -> Vec<Licensee> {
    names.iter().map(|name| Licensee::parse(name).unwrap_or_else(|error| panic!("{name}: {error}"))).collect()
}

#[test]
fn whatever_is_built_in_may_be_kept_changed_and_passed_on() {
    let rules = &rules()["licenses"];
    let everywhere = names(&rules["allow"], "");
    let mut violations = Vec::new();
    for package in packages() {
        let name = package["name"].as_str().expect("it has a name");
        let licence = package["license"].as_str().unwrap_or("none that it names");
        let exceptions = rules["exceptions"].as_array().expect("it is a list").iter();
        let own = exceptions.filter(|exception| exception["crate"].as_str() == Some(name));
        let own = own.flat_map(|exception| names(&exception["allow"], ""));
        let allowed = licensees(&everywhere.iter().cloned().chain(own).collect::<Vec<_>>());
        if !is_allowed(licence, &allowed) {
            violations.push(format!("{name}: {licence}"));
        }
    }
    super::expect_none(violations);
}

#[test]
fn whatever_is_built_in_comes_from_the_registry_or_from_here_and_nothing_that_is_banned() {
    let rules = rules();
    let registries = names(&rules["sources"]["allow-registry"], "");
    let banned = names(&rules["bans"]["deny"], "crate");
    let mut violations = Vec::new();
    let mut known = BTreeSet::new();
    for package in packages() {
        let name = package["name"].as_str().expect("it has a name").to_string();
        let source = package["source"].as_str().map(|source| source.trim_start_matches("registry+").to_string());
        if let Some(source) = source.filter(|source| !registries.contains(source)) {
            violations.push(format!("{name} comes from {source}"));
        }
        known.insert(name);
    }
    violations.extend(banned.into_iter().filter(|name| known.contains(name)).map(|name| format!("{name} is banned")));
    super::expect_none(violations);
}

#[test]
fn licences_are_read_as_they_are_meant() {
    let allowed = licensees(&["MIT", "Apache-2.0"].map(String::from));
    for (licence, expected) in [
        ("MIT", true),
        ("MIT/Apache-2.0", true),
        ("GPL-3.0-only OR MIT", true),
        ("MIT AND GPL-3.0-only", false),
        ("GPL-3.0-only", false),
        ("whatever", false),
    ] {
        assert_eq!(is_allowed(licence, &allowed), expected, "{licence}");
    }
}
