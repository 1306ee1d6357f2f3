//! The keys of a run, all from its seed.

use super::clients::Clients;
use super::schedule::{Keys, Schedule};
use crate::committee::Committee;
use crate::crypto::{Author, PublicKey, Realm, Signer, Verifier};
use crate::types::{ClientId, Digest};

/// The signers and the verifier of a run.
pub(super) struct KeyRing {
    realm: Realm,
    keys: Keys,
    secret: Digest,
}

impl KeyRing {
    pub(super) fn new(schedule: &Schedule) -> KeyRing {
        let secret = Digest::of("simulation", &[&schedule.seed.to_le_bytes()]);
        let realm = Realm { cluster: secret, epoch: 1, protocol: schedule.protocol };
        KeyRing { realm, keys: schedule.keys, secret }
    }

    fn secret_of(&self, author: Author) -> [u8; 32] {
        Digest::of("simulation-key", &[&self.secret.0, &crate::wire::encode(&author)]).0
    }

    pub(super) fn signer(&self, author: Author) -> Signer {
        match self.keys {
            Keys::Tags => Signer::tags(author, self.realm, self.secret),
            Keys::Ed25519 => Signer::ed25519(author, self.realm, self.secret_of(author)),
        }
    }

    pub(super) fn verifier(&self, committee: Committee) -> Verifier {
        let public = |author| Signer::public_key(self.secret_of(author));
        match self.keys {
            Keys::Tags => Verifier::tags(self.realm, committee, Clients::KEYS, self.secret),
            Keys::Ed25519 => {
                let replicas: Vec<PublicKey> = committee.members().map(|id| public(Author::Replica(id))).collect();
                let clients: Vec<PublicKey> =
                    (0..Clients::KEYS).map(|id| public(Author::Client(ClientId(id)))).collect();
                Verifier::ed25519(self.realm, &replicas, &clients).expect("keys made from secrets are keys")
            }
        }
    }
}
