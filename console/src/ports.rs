//! Free ports for a local cluster: the usual ones, or the next block that nobody uses.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};

use byztop_certs::{ClusterConfig, Ports};

/// n1's ports on a machine where nothing is in the way.
const FIRST: (u16, u16) = (7000, 17000);

/// The distance of blocks: as many as a cluster may have replicas.
const BLOCK: u16 = 100;

/// How many blocks are tried before the system is asked for any free ports; the tenth would touch 18000, the gateway's.
const BLOCKS: u16 = 10;

/// Ports that were found free, and the mark that keeps other local clusters away from them while this value lives.
#[derive(Debug)]
pub(crate) struct Reservation {
    /// For [`byztop_certs::InitOptions`].
    pub(crate) ports: Ports,
    /// What to tell the user if these are not the usual ones.
    pub(crate) note: Option<String>,
    _mark: Option<Mark>,
}

/// Finds two free ports for each of `replicas` replicas on this machine.
///
/// # Errors
///
/// If the system has no free ports.
pub(crate) fn reserve(replicas: usize) -> io::Result<Reservation> {
    let mut taken = None;
    for block in 0..BLOCKS {
        let (address, control) = (FIRST.0 + block * BLOCK, FIRST.1 + block * BLOCK);
        let Some(mark) = Mark::of(address) else {
            taken = taken.or_else(|| Some(format!("ports from {address} belong to another local cluster")));
            continue;
        };
        match first_taken(address, control, replicas) {
            Some(port) => taken = taken.or_else(|| Some(format!("port {port} is taken"))),
            None => {
                let note = taken.map(|why| format!("{why}; this cluster uses ports from {address} and {control}"));
                return Ok(Reservation { ports: Ports::From { address, control }, note, _mark: Some(mark) });
            }
        }
    }
    let ports = any(replicas)?;
    let note = taken.map(|why| format!("{why}, and so on; this cluster uses what the system has free"));
    Ok(Reservation { ports: Ports::Explicit(ports), note, _mark: None })
}

/// The first port of an existing cluster that something listens on already.
pub(crate) fn taken_in(config: &ClusterConfig) -> Option<(String, u16)> {
    config.replicas.iter().find_map(|replica| {
        let busy = [replica.address.port(), replica.control.port()].into_iter().find(|port| !is_free(*port));
        busy.map(|port| (replica.name.clone(), port))
    })
}

fn first_taken(address: u16, control: u16, replicas: usize) -> Option<u16> {
    let count = u16::try_from(replicas).ok()?;
    (0..count).flat_map(|place| [address + place, control + place]).find(|port| !is_free(*port))
}

fn is_free(port: u16) -> bool {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Ports of the system's choice. All are held until the last is found, so that no two are the same.
fn any(replicas: usize) -> io::Result<Vec<(u16, u16)>> {
    let mut held = Vec::new();
    let mut ports = Vec::new();
    let mut next = || -> io::Result<u16> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = socket.local_addr()?.port();
        held.push(socket);
        Ok(port)
    };
    for _ in 0..replicas {
        ports.push((next()?, next()?));
    }
    let distinct: BTreeSet<u16> = ports.iter().flat_map(|(address, control)| [*address, *control]).collect();
    assert_eq!(distinct.len(), 2 * replicas, "held ports are distinct");
    Ok(ports)
}

/// A name in the kernel that one process at a time can hold and that goes when the process goes. Between the moment
/// that ports are found free and the moment that replicas bind them, it keeps a second `byztop up` away.
#[cfg(target_os = "linux")]
#[derive(Debug)]
struct Mark(#[expect(dead_code, reason = "held, not used")] std::os::unix::net::UnixListener);

#[cfg(target_os = "linux")]
impl Mark {
    fn of(block: u16) -> Option<Mark> {
        use std::os::linux::net::SocketAddrExt as _;
        let name = std::os::unix::net::SocketAddr::from_abstract_name(format!("byztop-ports-{block}")).ok()?;
        std::os::unix::net::UnixListener::bind_addr(&name).ok().map(Mark)
    }
}

/// Elsewhere two clusters that start in the same instant may collide; the second then says which port is taken.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
struct Mark;

#[cfg(not(target_os = "linux"))]
impl Mark {
    fn of(_block: u16) -> Option<Mark> {
        Some(Mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_clusters_get_different_ports_and_the_second_is_told() {
        let first = reserve(3).unwrap();
        let second = reserve(3).unwrap();
        assert_ne!(first.ports, second.ports);
        assert!(second.note.is_some_and(|note| note.contains("this cluster uses")));
    }

    #[test]
    fn ports_of_the_systems_choice_are_distinct() {
        let ports = any(20).unwrap();
        assert_eq!(ports.iter().flat_map(|(a, b)| [a, b]).collect::<BTreeSet<_>>().len(), 40);
    }
}
