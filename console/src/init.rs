//! `byztop init`: a cluster directory for real machines.

use std::fmt::Write as _;
use std::path::Path;

use byztop_certs::{ClusterConfig, ClusterDirectory, InitOptions};

use crate::cli::InitArgs;
use crate::launch::default_settings;
use crate::print_out;

/// Makes the directory and says what to copy where.
pub(crate) fn run(args: &InitArgs) -> anyhow::Result<()> {
    let defaults = InitOptions::default();
    let per_host = (!args.hosts.is_empty()).then_some(args.hosts.len());
    let replicas = args.replicas.map(usize::from).or(per_host).unwrap_or(defaults.replicas);
    let options = InitOptions {
        replicas,
        settings: default_settings(replicas),
        hosts: if args.hosts.is_empty() { defaults.hosts } else { args.hosts.clone() },
        protocol: args.protocol,
        durability: args.durability,
        attacks_allowed: args.allow_attacks,
        ..InitOptions::default()
    };
    let directory = ClusterDirectory::create(&args.dir, &options)?;
    print_out(&report(&args.dir, directory.config()))
}

fn report(dir: &Path, config: &ClusterConfig) -> String {
    let (dir, committee) = (dir.display(), config.committee());
    let mut text = format!(
        "{dir}: cluster {}… of {} {} replicas, of which {} may be Byzantine\n\n",
        config.cluster.short(),
        committee.size(),
        config.protocol,
        committee.faulty()
    );
    for replica in &config.replicas {
        let (name, address, control) = (&replica.name, replica.address.to_string(), replica.control.to_string());
        writeln!(text, "  {name:<4} {address:<24} control {control}").expect("a string takes all");
    }
    let attacks = if config.attacks_allowed { "allowed to the operator" } else { "refused (--allow-attacks)" };
    write!(
        text,
        "\nAttacks are {attacks}.\n\
         A machine that runs n3 needs {dir}/cluster.toml, {dir}/ca/ca.pem and {dir}/n3/; there, run\n\n    \
         byztop node {dir}/n3\n\n\
         Keep {dir}/ca/ca.key off those machines: it signs identities. {dir}/.gitignore keeps all keys out of git.\n"
    )
    .expect("a string takes all");
    text
}
