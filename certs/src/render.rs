//! cluster.toml as it is written: with a word on each setting, for whoever opens it.

use byztop_core::protocol::Settings;

use crate::config::{ClientEntry, ClusterConfig, ReplicaEntry};
use crate::hex;

/// The text of a cluster.toml. Reading it gives the configuration back.
pub(crate) fn render(config: &ClusterConfig) -> String {
    let mut text = head(config);
    text.push_str(&settings(&config.settings));
    for entry in &config.replicas {
        text.push_str(&replica(entry));
    }
    for entry in &config.clients {
        text.push_str(&client(entry));
    }
    text
}

fn head(config: &ClusterConfig) -> String {
    format!(
        r#"# A byztop cluster. All its members must have this same file; nothing in it is secret.
# A machine that runs n3 needs this file, ca/ca.pem and the folder n3/, and no more.

cluster = "{cluster}"     # random; part of everything that is signed
epoch = {epoch}           # grows when all replicas start anew together
protocol = "{protocol}"
durability = "{durability}"     # what survives: `sync` a power cut, `os` a killed process, `memory` nothing
attacks_allowed = {attacks}     # whether the operator may make replicas misbehave

# Who may inject attacks (operator) and who may only watch (observer), by the SHA-256 of their TLS public key.
[operator]
tls_pin = "{operator}"

[observer]
tls_pin = "{observer}"
"#,
        cluster = config.cluster,
        epoch = config.epoch,
        protocol = config.protocol,
        durability = config.durability,
        attacks = config.attacks_allowed,
        operator = config.operator.tls_pin,
        observer = config.observer.tls_pin,
    )
}

fn settings(settings: &Settings) -> String {
    // Taken apart, so that a new setting can not be forgotten here.
    let Settings {
        checkpoint_interval_slots,
        window_slots,
        depth_slots,
        batch_submissions,
        request_timeout_ms,
        ask_timeout_ms,
        view_change_timeout_ms,
        max_timeout_ms,
        status_interval_ms,
        body_wait_ms,
        fast_path_wait_ms,
        pool_submissions,
        accounts,
        initial_checking,
        initial_savings,
    } = settings;
    format!(
        r"
# What is left out has its default.
[settings]
checkpoint_interval_slots = {checkpoint_interval_slots}     # K: a checkpoint every so many slots
window_slots = {window_slots}                  # L: slots accepted beyond the last stable checkpoint; at least 2K
depth_slots = {depth_slots}                   # slots that the primary keeps in flight; more for slow links
batch_submissions = {batch_submissions}             # the most submissions in a slot
request_timeout_ms = {request_timeout_ms}           # a request that waits longer makes its primary suspect
ask_timeout_ms = {ask_timeout_ms}                # how long a replica asks around before it complains
view_change_timeout_ms = {view_change_timeout_ms}       # the first view change; doubles with each that fails …
max_timeout_ms = {max_timeout_ms}              # … up to this
status_interval_ms = {status_interval_ms}            # how often replicas tell each other where they stand
body_wait_ms = {body_wait_ms}                  # how long a backup waits for a request's body before it fetches it
fast_path_wait_ms = {fast_path_wait_ms}             # how long a collector waits for everyone's votes once it has a quorum
pool_submissions = {pool_submissions}            # submissions that wait before clients are told `busy`
accounts = {accounts}                   # SmallBank accounts, and what is in each at first
initial_checking = {initial_checking}
initial_savings = {initial_savings}
"
    )
}

fn replica(entry: &ReplicaEntry) -> String {
    let ReplicaEntry { name, address, control, consensus_key, tls_pin } = entry;
    format!(
        r#"
[[replica]]
name = "{name}"
address = "{address}"     # for replicas and clients
control = "{control}"     # for operator and observer
consensus_key = "{key}"
tls_pin = "{tls_pin}"
"#,
        key = hex::encode(&consensus_key.0),
    )
}

fn client(entry: &ClientEntry) -> String {
    let ClientEntry { name, consensus_key, tls_pin } = entry;
    format!(
        "\n[[client]]\nname = \"{name}\"\nconsensus_key = \"{}\"\ntls_pin = \"{tls_pin}\"\n",
        hex::encode(&consensus_key.0),
    )
}
