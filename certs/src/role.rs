//! Roles, and the one name that a certificate carries.

use std::fmt;

use byztop_core::crypto::Author;
use byztop_core::types::{ClientId, Digest, ReplicaId};

/// What an identity may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// Takes part in consensus.
    Replica(ReplicaId),
    /// Submits operations, signed with the client key of that number.
    Client(ClientId),
    /// Watches replicas and injects attacks where the cluster allows them.
    Operator,
    /// Watches replicas.
    Observer,
}

impl Role {
    /// The role's name without whose it is: the second part of the identity's URI.
    pub fn kind(self) -> &'static str {
        match self {
            Role::Replica(_) => "replica",
            Role::Client(_) => "client",
            Role::Operator => "operator",
            Role::Observer => "observer",
        }
    }

    /// The identity's own name: `n3`, `c1`, `operator`, `observer`.
    pub fn name(self) -> String {
        match self {
            Role::Replica(replica) => replica.to_string(),
            Role::Client(client) => client.to_string(),
            Role::Operator | Role::Observer => self.kind().to_string(),
        }
    }

    /// Whose statements the identity signs, if it signs any.
    pub fn author(self) -> Option<Author> {
        match self {
            Role::Replica(replica) => Some(Author::Replica(replica)),
            Role::Client(client) => Some(Author::Client(client)),
            Role::Operator | Role::Observer => None,
        }
    }

    /// The folder of the identity within the cluster directory: `n3`, `client`, `client2`, `operator`, `observer`.
    pub(crate) fn folder(self) -> String {
        match self {
            Role::Client(ClientId(0)) => "client".to_string(),
            Role::Client(ClientId(place)) => format!("client{}", u32::from(place) + 1),
            _ => self.name(),
        }
    }

    /// `spiffe://CLUSTER/ROLE/NAME`.
    pub(crate) fn uri(self, cluster: Digest) -> String {
        format!("spiffe://{cluster}/{}/{}", self.kind(), self.name())
    }

    /// Reads `ROLE/NAME`; `None` unless it is written exactly as [`Role::uri`] writes it.
    pub(crate) fn parse(kind: &str, name: &str) -> Option<Role> {
        let role = match kind {
            "replica" => Role::Replica(ReplicaId::parse(name)?),
            "client" => {
                let number: u16 = name.strip_prefix('c')?.parse().ok()?;
                Role::Client(ClientId(number.checked_sub(1)?))
            }
            "operator" => Role::Operator,
            "observer" => Role::Observer,
            _ => return None,
        };
        (role.name() == name).then_some(role)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Role::Replica(replica) => write!(f, "replica {replica}"),
            Role::Client(client) => write!(f, "client {client}"),
            Role::Operator | Role::Observer => f.write_str(self.kind()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_read_as_it_is_written_and_in_no_other_way() {
        for role in [Role::Replica(ReplicaId(6)), Role::Client(ClientId(0)), Role::Operator, Role::Observer] {
            assert_eq!(Role::parse(role.kind(), &role.name()), Some(role));
        }
        for (kind, name) in [
            ("replica", "n0"),
            ("replica", "n03"),
            ("replica", "n+3"),
            ("client", "c0"),
            ("client", "n1"),
            ("operator", "root"),
            ("Operator", "operator"),
            ("admin", "admin"),
        ] {
            assert_eq!(Role::parse(kind, name), None, "{kind}/{name}");
        }
    }
}
