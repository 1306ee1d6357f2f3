//! Which crate may depend on which: byztop-core ← certs ← node ← console. Nothing depends on the copy of byztop-core that
//! has bugs planted in it, so they reach no program.

use super::workspace;

/// Packages that a manifest may not name as a dependency of any kind, by the manifest's folder.
const MAY_NOT_DEPEND_ON: &[(&str, &[&str])] = &[
    (
        ".",
        &[
            "byztop-certs",
            "byztop-node",
            "byztop",
            PLANTED,
            "tokio",
            "quinn",
            "quinn-proto",
            "rustls",
            "mio",
            "socket2",
        ],
    ),
    ("certs", &["byztop-node", "byztop", PLANTED, "tokio", "quinn"]),
    ("node", &["byztop", PLANTED]),
    ("console", &[PLANTED]),
    ("tests/hostile", &["byztop-node", "byztop", PLANTED]),
    ("tests/planted", &["byztop-certs", "byztop-node", "byztop"]),
];

/// The copy of byztop-core with known bugs in it.
const PLANTED: &str = "byztop-planted";

#[test]
fn manifests_depend_in_one_direction() {
    let mut violations = Vec::new();
    for (folder, never) in MAY_NOT_DEPEND_ON {
        let path = workspace().join(folder).join("Cargo.toml");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        violations.extend(forbidden(&text, never).into_iter().map(|name| format!("{folder}/Cargo.toml: {name}")));
    }
    super::expect_none(violations);
}

#[test]
fn every_member_has_a_row() {
    let text = std::fs::read_to_string(workspace().join("Cargo.toml")).expect("the workspace has a manifest");
    let manifest: toml::Table = text.parse().expect("the manifest is TOML");
    let members = manifest["workspace"]["members"].as_array().expect("members are listed");
    let known: Vec<&str> =
        MAY_NOT_DEPEND_ON.iter().map(|(folder, _)| *folder).filter(|folder| *folder != ".").collect();
    assert_eq!(members.iter().filter_map(toml::Value::as_str).collect::<Vec<_>>(), known);
}

#[test]
fn no_member_but_itself_knows_the_planted_bugs() {
    for (folder, never) in MAY_NOT_DEPEND_ON {
        assert!(*folder == "tests/planted" || never.contains(&PLANTED), "{folder}");
    }
    let manifest = std::fs::read_to_string(workspace().join("tests/planted/Cargo.toml")).expect("it is a member");
    let manifest: toml::Table = manifest.parse().expect("the manifest is TOML");
    assert_eq!(manifest["package"]["name"].as_str(), Some(PLANTED), "the name that the rows forbid is this one");
    assert_eq!(manifest["package"]["publish"].as_bool(), Some(false));
    let root = std::fs::read_to_string(workspace().join("Cargo.toml")).expect("the workspace has a manifest");
    let root: toml::Table = root.parse().expect("the manifest is TOML");
    let shared = root["workspace"].as_table().map(dependencies).unwrap_or_default();
    assert!(!shared.is_empty());
    assert!(
        !shared.iter().any(|package| package == PLANTED),
        "as a dependency of the workspace it could have any name"
    );
}

#[test]
fn dependencies_of_every_kind_are_seen() {
    let manifest = r#"
        [dependencies]
        serde = "1"
        renamed = { package = "tokio", version = "1" }
        [dev-dependencies]
        quinn.workspace = true
        [target.'cfg(unix)'.build-dependencies]
        rustls = "0.23"
    "#;
    assert_eq!(forbidden(manifest, &["tokio", "quinn", "rustls", "mio"]), ["tokio", "quinn", "rustls"]);
    assert!(forbidden(manifest, &["mio"]).is_empty());
}

/// Those of `never` that a manifest depends on, in any section and under any name.
fn forbidden(manifest: &str, never: &[&str]) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().expect("the manifest is TOML");
    let packages = dependencies(&manifest);
    never.iter().filter(|name| packages.iter().any(|package| package == *name)).map(|name| name.to_string()).collect()
}

/// The packages in a table's `…dependencies` sections, those of its targets included.
fn dependencies(table: &toml::Table) -> Vec<String> {
    let section = |name| table.get(name).and_then(toml::Value::as_table).into_iter().flatten();
    let mut packages = Vec::new();
    for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (name, requirement) in section(kind) {
            let package = requirement.get("package").and_then(toml::Value::as_str).unwrap_or(name);
            packages.push(package.to_string());
        }
    }
    packages.extend(section("target").filter_map(|(_, target)| target.as_table()).flat_map(dependencies));
    packages
}
