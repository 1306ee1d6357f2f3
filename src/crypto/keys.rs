//! Who can sign and who can verify: real keys, or keyed tags in simulation.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use ed25519_zebra::{SigningKey, VerificationKey, VerificationKeyBytes};
use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hash128, SipHasher13};

use super::statement::{Author, Realm, Statement};
use crate::committee::Committee;
use crate::rejection::Rejection;
use crate::types::{ClientId, Digest};

/// An Ed25519 signature, or a keyed tag in simulation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Signature {
    r: [u8; 32],
    s: [u8; 32],
}

impl Signature {
    /// The place of a signature that the outermost layer has yet to make.
    pub const BLANK: Signature = Signature { r: [0; 32], s: [0; 32] };

    /// Whether this is still [`Signature::BLANK`].
    pub fn is_blank(&self) -> bool {
        *self == Signature::BLANK
    }

    /// The same with bits turned over: what a replica under the `sign` attack sends.
    #[must_use]
    pub fn spoiled(mut self) -> Signature {
        self.s[0] ^= 0x55;
        self.r[31] ^= 0x2a;
        self
    }

    fn to_bytes(self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&self.r);
        bytes[32..].copy_from_slice(&self.s);
        bytes
    }
}

impl From<[u8; 64]> for Signature {
    fn from(bytes: [u8; 64]) -> Self {
        let (mut r, mut s) = ([0; 32], [0; 32]);
        r.copy_from_slice(&bytes[..32]);
        s.copy_from_slice(&bytes[32..]);
        Signature { r, s }
    }
}

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sig:{:02x}{:02x}", self.r[0], self.r[1])
    }
}

/// A consensus public key: 32 bytes of Ed25519, hexadecimal in cluster.toml.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PublicKey(pub [u8; 32]);

/// One author's secret and the realm it speaks in.
pub struct Signer {
    author: Author,
    realm: Realm,
    secret: Secret,
}

enum Secret {
    Ed25519(Box<SigningKey>),
    Tag(TagKey),
}

impl Signer {
    /// A signer with a real key, from its 32 secret bytes.
    pub fn ed25519(author: Author, realm: Realm, secret: [u8; 32]) -> Signer {
        Signer { author, realm, secret: Secret::Ed25519(Box::new(SigningKey::from(secret))) }
    }

    /// A signer whose signatures are keyed tags: three orders of magnitude faster, unforgeable to whoever has only
    /// signers, and good for simulation only, since a verifier holds everyone's secret.
    pub fn tags(author: Author, realm: Realm, cluster_secret: Digest) -> Signer {
        Signer { author, realm, secret: Secret::Tag(TagKey::of(cluster_secret, author)) }
    }

    /// The public key that belongs to 32 secret bytes.
    pub fn public_key(secret: [u8; 32]) -> PublicKey {
        PublicKey(VerificationKeyBytes::from(&SigningKey::from(secret)).into())
    }

    /// Who signs.
    pub fn author(&self) -> Author {
        self.author
    }

    /// Signs a statement.
    ///
    /// # Panics
    ///
    /// If the statement names another author: nobody signs for others.
    pub fn sign(&self, statement: &Statement) -> Signature {
        assert_eq!(statement.author, self.author, "a signer signs for itself");
        let bytes = statement.bytes(&self.realm);
        match &self.secret {
            Secret::Ed25519(key) => Signature::from(<[u8; 64]>::from(key.sign(&bytes))),
            Secret::Tag(key) => key.tag(&bytes),
        }
    }
}

/// One author's key for tags: 128 bits of SipHash. Nobody searches for collisions in a simulation; to whoever has only
/// signers a tag is as good as a signature.
struct TagKey(SipHasher13);

impl TagKey {
    fn of(cluster_secret: Digest, author: Author) -> TagKey {
        let secret = Digest::of("tag-secret", &[&cluster_secret.0, &crate::wire::encode(&author)]);
        let mut key = [0; 16];
        key.copy_from_slice(&secret.0[..16]);
        TagKey(SipHasher13::new_with_key(&key))
    }

    fn tag(&self, bytes: &[u8]) -> Signature {
        let Hash128 { h1, h2 } = self.0.hash(bytes);
        let mut r = [0; 32];
        r[..8].copy_from_slice(&h1.to_le_bytes());
        r[8..16].copy_from_slice(&h2.to_le_bytes());
        Signature { r, s: [0xff; 32] }
    }
}

/// Everyone's public keys, and a memory of the signatures that were found good.
///
/// Shared by all tasks that verify: the memory is behind a lock that is held for a look-up only.
pub struct Verifier {
    realm: Realm,
    committee: Committee,
    keys: Keys,
    seen: Mutex<Seen>,
}

enum Keys {
    Ed25519 { replicas: Vec<VerificationKey>, clients: Vec<VerificationKey> },
    Tags { replicas: Vec<TagKey>, clients: Vec<TagKey> },
}

/// Two generations of digests of good (statement, signature) pairs: when the young one is full it becomes the old one.
#[derive(Default)]
struct Seen {
    young: BTreeSet<Digest>,
    old: BTreeSet<Digest>,
}

impl Seen {
    const PER_GENERATION: usize = 32 << 10;

    fn contains(&self, pair: &Digest) -> bool {
        self.young.contains(pair) || self.old.contains(pair)
    }

    fn insert(&mut self, pair: Digest) {
        if self.young.len() == Self::PER_GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(pair);
    }
}

impl Verifier {
    /// A verifier over real keys, in roster order.
    ///
    /// # Errors
    ///
    /// [`Rejection::BadSignature`] if a key is not a point of the curve; [`Rejection::NotAMember`] if the number of
    /// replicas is not that of a committee.
    pub fn ed25519(realm: Realm, replicas: &[PublicKey], clients: &[PublicKey]) -> Result<Verifier, Rejection> {
        let committee = Committee::new(replicas.len()).ok_or(Rejection::NotAMember)?;
        let parse = |keys: &[PublicKey]| -> Result<Vec<VerificationKey>, Rejection> {
            keys.iter().map(|key| VerificationKey::try_from(key.0).map_err(|_| Rejection::BadSignature)).collect()
        };
        let keys = Keys::Ed25519 { replicas: parse(replicas)?, clients: parse(clients)? };
        Ok(Verifier { realm, committee, keys, seen: Mutex::default() })
    }

    /// A verifier of [`Signer::tags`].
    pub fn tags(realm: Realm, committee: Committee, clients: u16, cluster_secret: Digest) -> Verifier {
        let key = |author| TagKey::of(cluster_secret, author);
        let replicas = committee.members().map(|replica| key(Author::Replica(replica))).collect();
        let clients = (0..clients).map(|client| key(Author::Client(ClientId(client)))).collect();
        Verifier { realm, committee, keys: Keys::Tags { replicas, clients }, seen: Mutex::default() }
    }

    /// The roster's committee.
    pub fn committee(&self) -> Committee {
        self.committee
    }

    /// The realm that statements must be bound to.
    pub fn realm(&self) -> &Realm {
        &self.realm
    }

    /// Whether the author made the statement. A pure function of its arguments: the memory only makes it faster.
    ///
    /// # Errors
    ///
    /// [`Rejection::NotAMember`] for an author outside the roster, [`Rejection::BadSignature`] otherwise.
    pub fn verify(&self, statement: &Statement, signature: &Signature) -> Result<(), Rejection> {
        let bytes = statement.bytes(&self.realm);
        match &self.keys {
            Keys::Tags { replicas, clients } => {
                let key = match statement.author {
                    Author::Replica(replica) => replicas.get(replica.index()),
                    Author::Client(client) => clients.get(usize::from(client.0)),
                };
                let is_good = key.ok_or(Rejection::NotAMember)?.tag(&bytes) == *signature;
                if is_good { Ok(()) } else { Err(Rejection::BadSignature) }
            }
            Keys::Ed25519 { replicas, clients } => {
                let key = match statement.author {
                    Author::Replica(replica) => replicas.get(replica.index()),
                    Author::Client(client) => clients.get(usize::from(client.0)),
                };
                let key = key.ok_or(Rejection::NotAMember)?;
                let signature = signature.to_bytes();
                let pair = Digest::of("seen", &[&bytes, &signature]);
                if self.seen.lock().unwrap_or_else(PoisonError::into_inner).contains(&pair) {
                    return Ok(());
                }
                key.verify(&ed25519_zebra::Signature::from(signature), &bytes).map_err(|_| Rejection::BadSignature)?;
                self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(pair);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::statement::Kind;
    use super::*;
    use crate::types::{ProtocolName, ReplicaId, SeqNum, View};

    fn realm() -> Realm {
        Realm { cluster: Digest::of("test", &[]), epoch: 0, protocol: ProtocolName::Pbft }
    }

    fn statement() -> Statement {
        Statement {
            kind: Kind::Prepare,
            view: View(3),
            seq: SeqNum(9),
            digest: Digest::of("batch", &[]),
            author: Author::Replica(ReplicaId(1)),
        }
    }

    /// Rule 4: change any one field and the signature fails.
    fn check_separation(signer: &Signer, verifier: &dyn Fn(Realm) -> Verifier) {
        let signature = signer.sign(&statement());
        let here = verifier(realm());
        assert_eq!(here.verify(&statement(), &signature), Ok(()));
        assert_eq!(here.verify(&statement(), &signature), Ok(()), "from memory");
        let altered = [
            Statement { kind: Kind::Commit, ..statement() },
            Statement { view: View(4), ..statement() },
            Statement { seq: SeqNum(10), ..statement() },
            Statement { digest: Digest::ZERO, ..statement() },
            Statement { author: Author::Replica(ReplicaId(2)), ..statement() },
            Statement { author: Author::Client(ClientId(1)), ..statement() },
        ];
        for other in altered {
            assert_eq!(here.verify(&other, &signature), Err(Rejection::BadSignature), "{other:?}");
        }
        let stranger = Statement { author: Author::Replica(ReplicaId(7)), ..statement() };
        assert_eq!(here.verify(&stranger, &signature), Err(Rejection::NotAMember));
        assert_eq!(here.verify(&statement(), &signature.spoiled()), Err(Rejection::BadSignature));
        assert!(here.verify(&statement(), &Signature::BLANK).is_err());
        for elsewhere in [Realm { cluster: Digest::ZERO, ..realm() }, Realm { epoch: 1, ..realm() }] {
            assert_eq!(verifier(elsewhere).verify(&statement(), &signature), Err(Rejection::BadSignature));
        }
    }

    #[test]
    fn rule_4_a_signature_covers_every_field_of_its_statement() {
        let keys: Vec<PublicKey> = (0..4).map(|i| Signer::public_key([i; 32])).collect();
        let signer = Signer::ed25519(Author::Replica(ReplicaId(1)), realm(), [1; 32]);
        check_separation(&signer, &|realm| Verifier::ed25519(realm, &keys, &keys).unwrap());
    }

    #[test]
    fn rule_4_holds_for_tags_too() {
        let secret = Digest::of("secret", &[]);
        let signer = Signer::tags(Author::Replica(ReplicaId(1)), realm(), secret);
        check_separation(&signer, &|realm| Verifier::tags(realm, Committee::new(4).unwrap(), 4, secret));
    }

    #[test]
    fn the_memory_of_good_signatures_is_bounded() {
        let mut seen = Seen::default();
        for i in 0..3 * Seen::PER_GENERATION as u64 {
            seen.insert(Digest::of("pair", &[&i.to_le_bytes()]));
        }
        assert!(seen.young.len() + seen.old.len() <= 2 * Seen::PER_GENERATION);
    }
}
