//! Who can verify: everyone's keys, what was found good, and many signatures together.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use ed25519_zebra::{VerificationKey, VerificationKeyBytes};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

use super::keys::{PublicKey, Signature, TagKey};
use super::statement::{Author, Realm, Statement};
use crate::committee::Committee;
use crate::rejection::Rejection;
use crate::types::{ClientId, Digest};

/// Everyone's public keys, and a memory of the signatures that were found good.
///
/// Shared by all tasks that verify: the memory is behind a lock that is held for a look-up only.
pub struct Verifier {
    realm: Realm,
    committee: Committee,
    keys: Arc<Keys>,
    seen: Arc<Mutex<Seen>>,
    /// What is to be checked together, if this is a verifier of [`Verifier::together`].
    due: Option<Mutex<Together>>,
    /// What was found good, if this is a verifier of [`Verifier::witnessed`].
    witnessed: Option<Mutex<Vec<Statement>>>,
    /// How many slots a message can have something to say about.
    window_slots: usize,
}

/// What waits to be checked together.
#[derive(Default)]
struct Together {
    due: Vec<Due>,
    /// One was bad.
    has_failed: bool,
}

/// A signature that is to be checked.
struct Due {
    author: Author,
    bytes: [u8; Statement::BYTES],
    signature: [u8; 64],
    /// The digest of both.
    pair: Digest,
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

/// Whether a key verifies a signature that nobody made: R is the neutral point and s is 0, which holds for whatever is signed only
/// under a key of small order.
fn verifies_nothing(key: &VerificationKey) -> bool {
    let mut bytes = [0; 64];
    bytes[0] = 1;
    key.verify(&ed25519_zebra::Signature::from(bytes), b"").is_ok()
}

impl Verifier {
    /// A verifier over real keys, in roster order.
    ///
    /// # Errors
    ///
    /// [`Rejection::BadSignature`] if a key is not a point of the curve, or one of the eight under which anybody can sign (RFC
    /// 8032, §5.1.7, multiplies by the cofactor, which makes nothing of them); [`Rejection::NotAMember`] if the number of
    /// replicas is not that of a committee.
    pub fn ed25519(realm: Realm, replicas: &[PublicKey], clients: &[PublicKey]) -> Result<Verifier, Rejection> {
        let committee = Committee::new(replicas.len()).ok_or(Rejection::NotAMember)?;
        let parse = |keys: &[PublicKey]| -> Result<Vec<VerificationKey>, Rejection> {
            let parse = |key: &PublicKey| VerificationKey::try_from(key.0).ok().filter(|key| !verifies_nothing(key));
            keys.iter().map(|key| parse(key).ok_or(Rejection::BadSignature)).collect()
        };
        let keys = Keys::Ed25519 { replicas: parse(replicas)?, clients: parse(clients)? };
        Ok(Verifier::over(realm, committee, keys))
    }

    /// A verifier of [`super::Signer::tags`].
    pub fn tags(realm: Realm, committee: Committee, clients: u16, cluster_secret: Digest) -> Verifier {
        let key = |author| TagKey::of(cluster_secret, author);
        let replicas = committee.members().map(|replica| key(Author::Replica(replica))).collect();
        let clients = (0..clients).map(|client| key(Author::Client(ClientId(client)))).collect();
        Verifier::over(realm, committee, Keys::Tags { replicas, clients })
    }

    fn over(realm: Realm, committee: Committee, keys: Keys) -> Verifier {
        let (keys, window_slots) = (Arc::new(keys), usize::MAX);
        Verifier { realm, committee, keys, seen: Arc::default(), due: None, witnessed: None, window_slots }
    }

    /// The same for a cluster with a window of so many slots: who speaks of more is refused before any signature is looked
    /// at. Without this as many may be spoken of as fit into a message.
    pub fn with_window(self, window_slots: u64) -> Verifier {
        Verifier { window_slots: usize::try_from(window_slots).unwrap_or(usize::MAX), ..self }
    }

    /// How many slots a message can have something to say about.
    pub fn window_slots(&self) -> usize {
        self.window_slots
    }

    /// The same keys and the same memory, for checks of their own.
    fn sibling(&self) -> Verifier {
        let Verifier { realm, committee, window_slots, .. } = *self;
        let (keys, seen) = (self.keys.clone(), self.seen.clone());
        Verifier { realm, committee, keys, seen, due: None, witnessed: None, window_slots }
    }

    /// The roster's committee.
    pub fn committee(&self) -> Committee {
        self.committee
    }

    /// The realm that statements must be bound to.
    pub fn realm(&self) -> &Realm {
        &self.realm
    }

    /// As many signatures are verified together: hardly cheaper each if they were more, and who sends junk by the thousand has
    /// spent no more of it than this.
    const TOGETHER: usize = 128;

    /// Runs checks whose signatures are verified together, at the end or as soon as there are many; says whether all of them were
    /// good. If one was not, what `checks` gave means nothing, and each must be checked by itself.
    ///
    /// One rule holds for both (ZIP 215): a signature is good together with others exactly if it is good alone. Of one
    /// author, eight together cost less than three alone.
    pub fn together<R>(&self, checks: impl FnOnce(&Verifier) -> R) -> (R, bool) {
        let verifier = Verifier { due: Some(Mutex::default()), ..self.sibling() };
        let result = checks(&verifier);
        let last = verifier.due.map(|due| due.into_inner().unwrap_or_else(PoisonError::into_inner)).unwrap_or_default();
        (result, !last.has_failed && self.are_good(&last.due))
    }

    /// A signature waits for others, unless there are many already, or one of them was bad.
    fn wait_for_others(&self, together: &Mutex<Together>, due: Due) -> Result<(), Rejection> {
        let mut together = together.lock().unwrap_or_else(PoisonError::into_inner);
        if !together.has_failed {
            together.due.push(due);
        }
        if together.due.len() >= Self::TOGETHER {
            together.has_failed = !self.are_good(&std::mem::take(&mut together.due));
        }
        if together.has_failed { Err(Rejection::BadSignature) } else { Ok(()) }
    }

    /// The same verifier, with a memory of its own in which there is nothing.
    pub fn without_memory(&self) -> Verifier {
        Verifier { seen: Arc::default(), ..self.sibling() }
    }

    /// Runs checks, one signature after the other, and gives the statements whose signatures they found good, in their order.
    pub fn witnessed<R>(&self, checks: impl FnOnce(&Verifier) -> R) -> (R, Vec<Statement>) {
        let verifier = Verifier { witnessed: Some(Mutex::default()), ..self.sibling() };
        let result = checks(&verifier);
        let good = verifier.witnessed.map(|good| good.into_inner().unwrap_or_else(PoisonError::into_inner));
        (result, good.unwrap_or_default())
    }

    /// Whether all of these are good; remembers them if so.
    fn are_good(&self, due: &[Due]) -> bool {
        let are_good = match due {
            [] => return true,
            [one] => self.keys.ed25519(one.author).is_ok_and(|key| one.is_good(key)),
            _ => self.are_good_together(due),
        };
        if are_good {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            due.iter().for_each(|due| seen.insert(due.pair));
        }
        are_good
    }

    /// The coefficients by which bad signatures could not make up for each other follow from all that is checked:
    /// whoever chooses a signature chooses other coefficients with it.
    fn are_good_together(&self, due: &[Due]) -> bool {
        let mut batch = ed25519_zebra::batch::Verifier::new();
        let pairs: Vec<&[u8]> = due.iter().map(|due| &due.pair.0[..]).collect();
        for Due { author, bytes, signature, .. } in due {
            let Ok(key) = self.keys.ed25519(*author) else { return false };
            let key = VerificationKeyBytes::from(*key);
            batch.queue((key, ed25519_zebra::Signature::from(*signature), bytes));
        }
        batch.verify(ChaCha20Rng::from_seed(Digest::of("together", &pairs).0)).is_ok()
    }

    /// Whether the author made the statement. A pure function of its arguments: the memory only makes it faster.
    ///
    /// # Errors
    ///
    /// [`Rejection::NotAMember`] for an author outside the roster, [`Rejection::BadSignature`] otherwise.
    pub fn verify(&self, statement: &Statement, signature: &Signature) -> Result<(), Rejection> {
        self.judge(statement, signature, true)
    }

    /// The same without waiting for others, whatever this verifier is for: what is within a message costs nothing before its
    /// own signature was found good.
    ///
    /// # Errors
    ///
    /// As [`Verifier::verify`].
    pub fn verify_now(&self, statement: &Statement, signature: &Signature) -> Result<(), Rejection> {
        self.judge(statement, signature, false)
    }

    fn judge(&self, statement: &Statement, signature: &Signature, may_wait: bool) -> Result<(), Rejection> {
        self.find_good(statement, signature, may_wait)?;
        if let Some(good) = &self.witnessed {
            good.lock().unwrap_or_else(PoisonError::into_inner).push(*statement);
        }
        Ok(())
    }

    fn find_good(&self, statement: &Statement, signature: &Signature, may_wait: bool) -> Result<(), Rejection> {
        let bytes = statement.bytes(&self.realm);
        if let Keys::Tags { replicas, clients } = &*self.keys {
            let is_good = key_of(statement.author, replicas, clients)?.tag(&bytes) == *signature;
            return if is_good { Ok(()) } else { Err(Rejection::BadSignature) };
        }
        let author = statement.author;
        let key = self.keys.ed25519(author)?;
        let signature = signature.to_bytes();
        let pair = Digest::of("seen", &[&bytes, &signature]);
        if self.seen.lock().unwrap_or_else(PoisonError::into_inner).contains(&pair) {
            return Ok(());
        }
        let due = Due { author, bytes, signature, pair };
        if let Some(together) = self.due.as_ref().filter(|_| may_wait) {
            return self.wait_for_others(together, due);
        }
        if !due.is_good(key) {
            return Err(Rejection::BadSignature);
        }
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(pair);
        Ok(())
    }
}

impl Due {
    fn is_good(&self, key: &VerificationKey) -> bool {
        key.verify(&ed25519_zebra::Signature::from(self.signature), &self.bytes).is_ok()
    }
}

impl Keys {
    fn ed25519(&self, author: Author) -> Result<&VerificationKey, Rejection> {
        match self {
            Keys::Ed25519 { replicas, clients } => key_of(author, replicas, clients),
            Keys::Tags { .. } => Err(Rejection::BadSignature),
        }
    }
}

fn key_of<'a, K>(author: Author, replicas: &'a [K], clients: &'a [K]) -> Result<&'a K, Rejection> {
    let key = match author {
        Author::Replica(replica) => replicas.get(replica.index()),
        Author::Client(client) => clients.get(usize::from(client.0)),
    };
    key.ok_or(Rejection::NotAMember)
}

#[cfg(test)]
mod tests {
    use super::super::keys::Signer;
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
    fn together_signatures_are_good_exactly_if_each_is() {
        let keys: Vec<PublicKey> = (0..4).map(|i| Signer::public_key([i; 32])).collect();
        let signers: Vec<Signer> =
            (0..4).map(|i| Signer::ed25519(Author::Replica(ReplicaId(i)), realm(), [i; 32])).collect();
        let signed: Vec<(Statement, Signature)> = (0..12)
            .map(|i| {
                let signer = &signers[i % 4];
                let statement = Statement { seq: SeqNum(i as u64), author: signer.author(), ..statement() };
                (statement, signer.sign(&statement))
            })
            .collect();
        for count in 0..=signed.len() {
            for bad in (0..count).map(Some).chain([None]) {
                let verifier = Verifier::ed25519(realm(), &keys, &[]).unwrap();
                let (verdicts, are_good) = verifier.together(|verifier| {
                    let spoil = |(i, (statement, signature)): (usize, &(Statement, Signature))| {
                        let signature = if Some(i) == bad { signature.spoiled() } else { *signature };
                        verifier.verify(statement, &signature)
                    };
                    signed.iter().take(count).enumerate().map(spoil).collect::<Vec<_>>()
                });
                assert!(verdicts.iter().all(Result::is_ok), "they are checked at the end");
                assert_eq!(are_good, bad.is_none(), "{count} with {bad:?}");
                let remembered = verifier.seen.lock().unwrap().young.len();
                assert_eq!(remembered, if are_good { count } else { 0 });
            }
        }
    }

    #[test]
    fn together_many_signatures_are_good_exactly_if_each_is_and_junk_ends_the_checks_early() {
        let keys: Vec<PublicKey> = (0..4).map(|i| Signer::public_key([i; 32])).collect();
        let signer = Signer::ed25519(Author::Replica(ReplicaId(1)), realm(), [1; 32]);
        let count = 2 * Verifier::TOGETHER + 10;
        let statement = |i: usize| Statement { seq: SeqNum(i as u64), author: signer.author(), ..statement() };
        let signed: Vec<Signature> = (0..count).map(|i| signer.sign(&statement(i))).collect();
        for bad in [None, Some(0), Some(Verifier::TOGETHER), Some(count - 1)] {
            let verifier = Verifier::ed25519(realm(), &keys, &[]).unwrap();
            let mut looked_at = 0;
            let (verdict, are_good) = verifier.together(|verifier| {
                signed.iter().enumerate().try_for_each(|(i, signature)| {
                    looked_at += 1;
                    let signature = if Some(i) == bad { signature.spoiled() } else { *signature };
                    verifier.verify(&statement(i), &signature)
                })
            });
            assert_eq!(are_good, bad.is_none(), "{bad:?}");
            // What is seen to be bad at the end alone has passed until then.
            let until = bad.map_or(count, |bad| ((bad / Verifier::TOGETHER + 1) * Verifier::TOGETHER).min(count));
            assert_eq!((verdict.is_ok(), looked_at), (until == count, until), "{bad:?}");
        }
    }

    #[test]
    fn what_was_found_good_is_witnessed_and_nothing_else() {
        let keys: Vec<PublicKey> = (0..4).map(|i| Signer::public_key([i; 32])).collect();
        let signer = Signer::ed25519(Author::Replica(ReplicaId(1)), realm(), [1; 32]);
        let signature = signer.sign(&statement());
        let verifier = Verifier::ed25519(realm(), &keys, &[]).unwrap();
        for _from_memory_the_second_time in 0..2 {
            let (verdicts, good) = verifier.witnessed(|verifier| {
                [signature.spoiled(), signature].map(|signature| verifier.verify(&statement(), &signature))
            });
            assert_eq!(verdicts, [Err(Rejection::BadSignature), Ok(())]);
            assert_eq!(good, [statement()]);
        }
    }

    #[test]
    fn together_an_unknown_author_is_refused_at_once() {
        let keys: Vec<PublicKey> = (0..4).map(|i| Signer::public_key([i; 32])).collect();
        let verifier = Verifier::ed25519(realm(), &keys, &[]).unwrap();
        let stranger = Statement { author: Author::Replica(ReplicaId(9)), ..statement() };
        let (verdict, are_good) = verifier.together(|verifier| verifier.verify(&stranger, &Signature::BLANK));
        assert_eq!((verdict, are_good), (Err(Rejection::NotAMember), true));
    }

    #[test]
    fn what_must_not_wait_is_judged_at_once_among_what_is_checked_together() {
        let keys: Vec<PublicKey> = (0..4).map(|i| Signer::public_key([i; 32])).collect();
        let signer = Signer::ed25519(Author::Replica(ReplicaId(1)), realm(), [1; 32]);
        let verifier = Verifier::ed25519(realm(), &keys, &[]).unwrap();
        let good = signer.sign(&statement());
        let (verdicts, are_good) = verifier.together(|verifier| {
            [verifier.verify_now(&statement(), &good.spoiled()), verifier.verify_now(&statement(), &good)]
        });
        assert_eq!((verdicts, are_good), ([Err(Rejection::BadSignature), Ok(())], true));
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
