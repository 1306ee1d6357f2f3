//! Copies byztop-core into the build folder and plants the bugs of bugs.toml there.
//!
//! A bug is one or more places: a file, the honest text, which must stand there exactly once, and what is planted in its
//! stead. All bugs are compiled in at once and chosen at run time: a planted expression E′ in the place of E becomes
//! `(if crate::planted::is(i) { E′ } else { E })`. Where no expression fits, the planted text says itself where it
//! differs, by the word `BUGGY`, which is true in a run with the bug.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A bug as bugs.toml has it.
struct Bug {
    name: String,
    /// The variant of `ProtocolName`.
    protocol: &'static str,
    rule: String,
    /// Whether it is hunted with disks that fail.
    disk: bool,
    wrong: String,
    seeds: i64,
    places: Vec<Place>,
}

struct Place {
    file: String,
    honest: String,
    planted: String,
}

fn main() {
    let source = Path::new("../../src");
    println!("cargo::rerun-if-changed=bugs.toml");
    println!("cargo::rerun-if-changed={}", source.display());
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo says where to build"));
    let text = std::fs::read_to_string("bugs.toml").expect("bugs.toml is there");
    let bugs = read(&text);
    let core = out.join("core");
    if core.exists() {
        std::fs::remove_dir_all(&core).expect("the last copy can be removed");
    }
    let mut planted = 0;
    for file in files(source, source) {
        let honest = std::fs::read_to_string(source.join(&file)).expect("sources are text");
        let (text, count) = plant(&file, &honest, &bugs);
        planted += count;
        // Its unit tests are byztop-core's: they run there.
        let text = text.replace("#[cfg(test)]", "#[cfg(any())]");
        // What an included file says about itself at its top has no place in the middle of another.
        let text = if file == "lib.rs" { without_inner_docs(&text) } else { text };
        let copy = core.join(&file);
        std::fs::create_dir_all(copy.parent().expect("a file is in a folder")).expect("folders can be made");
        std::fs::write(copy, text).expect("the copy can be written");
    }
    let places: usize = bugs.iter().map(|bug| bug.places.len()).sum();
    assert_eq!(planted, places, "bugs.toml names a file that is not in src");
    std::fs::write(out.join("bugs.rs"), table(&bugs)).expect("the list can be written");
}

fn read(text: &str) -> Vec<Bug> {
    let table: toml::Table = text.parse().expect("bugs.toml is TOML");
    let list = |table: &toml::Table, key: &str| -> Vec<toml::Table> {
        let entries = table.get(key).and_then(toml::Value::as_array).expect("a list");
        entries.iter().map(|entry| entry.as_table().expect("a table").clone()).collect()
    };
    let string = |table: &toml::Table, key: &str| -> String {
        table.get(key).and_then(toml::Value::as_str).unwrap_or_else(|| panic!("no {key} in {table}")).to_string()
    };
    let number = |table: &toml::Table, key: &str| -> i64 {
        table.get(key).and_then(toml::Value::as_integer).unwrap_or_else(|| panic!("no {key} in {table}"))
    };
    // PBFT's rules are numbers; other protocols' have a letter before it.
    let rule = |table: &toml::Table| match table.get("rule") {
        Some(toml::Value::String(rule)) => rule.clone(),
        _ => number(table, "rule").to_string(),
    };
    let protocol = |table: &toml::Table| match table.get("protocol").map(|name| name.as_str()) {
        None => "Pbft",
        Some(Some("linear")) => "Linear",
        Some(_) => panic!("no such protocol in {table}"),
    };
    let place = |table: &toml::Table| Place {
        file: string(table, "file"),
        honest: string(table, "honest").trim_matches('\n').to_string(),
        planted: string(table, "planted").trim_matches('\n').to_string(),
    };
    let bug = |table: &toml::Table| Bug {
        name: string(table, "name"),
        protocol: protocol(table),
        rule: rule(table),
        disk: table.get("disk").is_some_and(|disk| disk.as_bool().expect("disk is true or false")),
        wrong: string(table, "wrong"),
        seeds: number(table, "seeds"),
        places: list(table, "place").iter().map(place).collect(),
    };
    list(&table, "bug").iter().map(bug).collect()
}

/// The Rust files below a folder, each by its path from `root`, in a fixed order.
fn files(root: &Path, folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the sources are there") {
        let path = entry.expect("the sources can be listed").path();
        if path.is_dir() {
            found.extend(files(root, &path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).expect("it was found there");
            found.push(name.to_str().expect("names are text").replace('\\', "/"));
        }
    }
    found.sort();
    found
}

/// A file with every bug planted that has a place in it, and how many places that were.
fn plant(file: &str, honest: &str, bugs: &[Bug]) -> (String, usize) {
    let mut edits = Vec::new();
    for (index, bug) in bugs.iter().enumerate() {
        for place in bug.places.iter().filter(|place| place.file == file) {
            let mut found = honest.match_indices(&place.honest).map(|(at, _)| at);
            let (Some(at), None) = (found.next(), found.next()) else {
                panic!("{}: this must stand exactly once in src/{file}:\n{}", bug.name, place.honest);
            };
            edits.push((at, at + place.honest.len(), index, place));
        }
    }
    edits.sort_by_key(|(start, end, index, _)| (*start, *end, *index));
    let mut text = String::new();
    let mut done = 0;
    let count = edits.len();
    for same in edits.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        let (start, end, index, _) = same[0];
        assert!(start >= done, "{}: overlaps with another bug in src/{file}", bugs[index].name);
        text.push_str(&honest[done..start]);
        text.push_str(&choice(&honest[start..end], same.iter().map(|(.., index, place)| (*index, *place))));
        done = end;
    }
    text.push_str(&honest[done..]);
    (text, count)
}

/// What stands in the place of an honest text: it, or what the bug that is chosen makes of it.
fn choice<'p>(honest: &str, planted: impl Iterator<Item = (usize, &'p Place)>) -> String {
    planted.fold(honest.to_string(), |rest, (index, place)| {
        let is_chosen = format!("crate::planted::is({index})");
        if place.planted.contains("BUGGY") {
            assert_eq!(rest, honest, "only expressions can share a place");
            return place.planted.replace("BUGGY", &is_chosen);
        }
        format!("(if {is_chosen} {{ {} }} else {{ {rest} }})", place.planted)
    })
}

fn without_inner_docs(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with("//!")).fold(String::new(), |text, line| text + line + "\n")
}

/// The list of bugs for the tests, as Rust.
fn table(bugs: &[Bug]) -> String {
    let mut text = "pub const BUGS: &[Bug] = &[\n".to_string();
    for (index, Bug { name, protocol, rule, disk, wrong, seeds, .. }) in bugs.iter().enumerate() {
        let what = format!("name: {name:?}, protocol: ProtocolName::{protocol}, rule: {rule:?}, wrong: {wrong:?}");
        let row = format!("index: {index}, {what}, disk: {disk}, seeds: {seeds}");
        writeln!(text, "    Bug {{ {row} }},").expect("a string takes what is written");
    }
    text + "];\n"
}
