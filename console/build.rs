//! Names the commit that is built, so that figures say what they are of.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=BYZTOP_COMMIT");
    // Whoever builds from an archive may name it in the environment.
    if std::env::var_os("BYZTOP_COMMIT").is_some() {
        return;
    }
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else { return };
    println!("cargo::rustc-env=BYZTOP_COMMIT={commit}");
    // What changes with each commit and each checkout.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
}

/// What git says, if there is one and this is a checkout.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_string())
}
