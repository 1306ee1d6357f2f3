//! Who can sign: real keys, or keyed tags in simulation.

use ed25519_zebra::{SigningKey, VerificationKeyBytes};
use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hash128, SipHasher13};

use super::statement::{Author, Realm, Statement};
use crate::types::Digest;

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

    pub(super) fn to_bytes(self) -> [u8; 64] {
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
pub(super) struct TagKey(SipHasher13);

impl TagKey {
    pub(super) fn of(cluster_secret: Digest, author: Author) -> TagKey {
        let secret = Digest::of("tag-secret", &[&cluster_secret.0, &crate::wire::encode(&author)]);
        let mut key = [0; 16];
        key.copy_from_slice(&secret.0[..16]);
        TagKey(SipHasher13::new_with_key(&key))
    }

    pub(super) fn tag(&self, bytes: &[u8]) -> Signature {
        let Hash128 { h1, h2 } = self.0.hash(bytes);
        let mut r = [0; 32];
        r[..8].copy_from_slice(&h1.to_le_bytes());
        r[8..16].copy_from_slice(&h2.to_le_bytes());
        Signature { r, s: [0xff; 32] }
    }
}
