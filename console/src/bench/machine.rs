//! On what it was measured: figures mean little without it.

use std::thread::available_parallelism;

use serde::Serialize;

/// The machine and the program.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Machine {
    pub(super) cpu: String,
    pub(super) cores: usize,
    pub(super) memory_mb: Option<u64>,
    pub(super) system: String,
    /// Processes that ran or wanted to, over the minute before the first run: others on the machine show here.
    pub(super) load_average: Option<f64>,
    pub(super) byztop: &'static str,
    /// What the program was built from.
    pub(super) commit: &'static str,
    /// `release`, or `debug`, whose figures say nothing.
    pub(super) build: &'static str,
    pub(super) authentication: &'static str,
    pub(super) transport: &'static str,
    pub(super) placement: &'static str,
}

impl Machine {
    /// Asks the system.
    pub(super) fn here() -> Machine {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let kernel = read("/proc/sys/kernel/osrelease");
        Machine {
            cpu: field(&read("/proc/cpuinfo"), "model name").unwrap_or("unknown").to_string(),
            cores: available_parallelism().map_or(1, usize::from),
            memory_mb: field(&read("/proc/meminfo"), "MemTotal")
                .and_then(|text| text.split(' ').next()?.parse::<u64>().ok())
                .map(|kilobytes| kilobytes * 1024 / 1_000_000),
            system: format!("{} {}", std::env::consts::OS, kernel.trim()).trim().to_string(),
            load_average: read("/proc/loadavg").split(' ').next().and_then(|text| text.parse().ok()),
            byztop: env!("CARGO_PKG_VERSION"),
            commit: option_env!("BYZTOP_COMMIT").unwrap_or("unknown"),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
            authentication: "Ed25519",
            transport: "QUIC, TLS 1.3, loopback",
            placement: "all replicas and the client on one machine, one process each",
        }
    }

    /// One line for people.
    pub(super) fn line(&self) -> String {
        let Machine { cpu, cores, system, byztop, commit, build, authentication, transport, placement, .. } = self;
        format!(
            "{cpu}, {cores} cores, {system}; {placement}; {transport}; {authentication}; byztop {byztop} ({build}), \
             commit {commit}"
        )
    }
}

/// The value of the first `name : value` or `name: value` line.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim()).find(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_name() {
        let text = "processor\t: 0\nmodel name\t: Some CPU @ 2.4 GHz\nMemTotal:   16384 kB\n";
        assert_eq!(field(text, "model name"), Some("Some CPU @ 2.4 GHz"));
        assert_eq!(field(text, "MemTotal"), Some("16384 kB"));
        assert_eq!(field(text, "flags"), None);
    }

    #[test]
    fn a_machine_has_cores_and_a_name() {
        let machine = Machine::here();
        assert!(machine.cores >= 1 && !machine.cpu.is_empty() && machine.line().contains(machine.commit));
    }
}
