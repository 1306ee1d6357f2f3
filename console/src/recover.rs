//! `byztop recover`: a new epoch from what the folders of a cluster prove, when its replicas can not go on by themselves.

use std::fmt::Write as _;

use anyhow::Context as _;
use byztop_certs::ClusterDirectory;
use byztop_core::types::SeqNum;
use byztop_node::recover::{self, Recovery};

use crate::cli::RecoverArgs;
use crate::{ports, print_out, usage};

/// Begins the epoch, and says from where and what is lost.
///
/// # Errors
///
/// If a replica runs, or the folders do not prove enough.
pub(crate) fn run(args: &RecoverArgs) -> anyhow::Result<()> {
    let mut directory = ClusterDirectory::open(&args.dir).map_err(|error| usage(error.to_string()))?;
    if let Some((name, port)) = ports::taken_in(directory.config()) {
        return Err(usage(format!("port {port} of {name} is taken: stop all replicas first")));
    }
    let dir = args.dir.display();
    if args.look {
        let folders = recover::look(&directory)?;
        return print_out(&folders.iter().map(|folder| line(&folder.replica, &folder.held)).collect::<String>());
    }
    let done = recover::recover(&mut directory, args.is_forced);
    let Recovery { folders, from: (stable, whose), decided, epoch } =
        done.with_context(|| format!("{dir}: nothing was begun"))?;
    let mut text: String = folders.iter().map(|folder| line(&folder.replica, &folder.held)).collect();
    let _infallible = writeln!(
        text,
        "\nepoch {epoch} begins from checkpoint {stable}, as {whose} has it; the old stores lie beside the new ones, as {dir}/n1/store-of-epoch-{}",
        epoch - 1
    );
    let lost = match decided.0 - stable.0 {
        0 => "no folder knows of anything decided after it; what was decided and is in no log is lost".to_string(),
        _ => format!("slots {} to {decided}, which some folders know to be decided, are lost", SeqNum(stable.0 + 1)),
    };
    let _infallible = writeln!(text, "{lost}: clients were told of results that the bank does not have any more");
    let _infallible = writeln!(text, "copy {dir}/cluster.toml to all machines before the replicas start");
    print_out(&text)
}

fn line<T: std::fmt::Display, E: std::fmt::Display>(name: &dyn std::fmt::Display, held: &Result<T, E>) -> String {
    match held {
        Ok(held) => format!("{name:<4} {held}\n"),
        Err(why) => format!("{name:<4} not used: {why}\n"),
    }
}
