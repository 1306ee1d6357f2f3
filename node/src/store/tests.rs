use std::fs;
use std::path::PathBuf;

use byztop_certs::{ClusterDirectory, InitOptions};
use byztop_core::types::ReplicaId;
use tempfile::TempDir;

use super::*;

/// A place for a store of a cluster's first replica.
struct Ground {
    cluster: ClusterDirectory,
    scratch: TempDir,
}

impl Ground {
    fn new() -> Ground {
        let scratch = tempfile::tempdir().unwrap();
        let options = InitOptions { replicas: 4, ..InitOptions::default() };
        let cluster = ClusterDirectory::create(&scratch.path().join("cluster"), &options).unwrap();
        Ground { cluster, scratch }
    }

    fn path(&self) -> PathBuf {
        self.scratch.path().join("store")
    }

    fn label(&self) -> Label {
        Label::new(self.cluster.config(), ReplicaId(0))
    }

    fn open(&self, level: Durability) -> Result<Store, StoreError> {
        Store::open(&self.path(), &self.label(), level, OldEpoch::Refuse)
    }

    /// A store with some commits in it, dropped as if its process had been killed.
    fn written(&self, commits: u8) {
        let mut store = self.open(Durability::Os).unwrap();
        (0..commits).for_each(|i| store.commit([row(i)]).unwrap());
    }

    fn journal(&self) -> PathBuf {
        let files = fs::read_dir(self.path().join("rows")).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|kind| kind == "jnl")).max().unwrap()
    }
}

fn row(i: u8) -> Write {
    Write { table: Table::Slots, key: vec![i], value: Some(vec![i; 300]) }
}

fn image_of(rows: impl IntoIterator<Item = u8>) -> Image {
    let mut image = Image::default();
    image.apply(rows.into_iter().map(row));
    image
}

/// The message of a refusal.
fn refusal(opened: Result<Store, StoreError>) -> String {
    match opened {
        Ok(_) => panic!("it was opened"),
        Err(why) => why.to_string(),
    }
}

#[test]
fn rule_29_what_was_committed_is_there_after_a_kill_at_either_level() {
    for level in [Durability::Os, Durability::Sync] {
        let ground = Ground::new();
        let mut store = ground.open(level).unwrap();
        assert_eq!((store.found(), store.image().unwrap().is_empty()), (Found::Nothing, true));
        store.commit([row(1), row(2)]).unwrap();
        store.commit([Write { value: None, ..row(1) }, row(3)]).unwrap();
        drop(store);
        let store = ground.open(level).unwrap();
        assert_eq!((store.found(), store.commits()), (Found::Everything, 2));
        assert_eq!(store.image().unwrap(), image_of([2, 3]));
    }
}

#[test]
fn rule_29_what_was_lost_is_lost_until_the_replica_has_written_again() {
    let ground = Ground::new();
    assert_eq!(ground.open(Durability::Os).unwrap().found(), Found::Nothing);
    ground.open(Durability::Os).unwrap().close().unwrap();
    assert_eq!(ground.open(Durability::Os).unwrap().found(), Found::Nothing, "nobody has used it");
    ground.written(3);
    fs::write(ground.path().join("commits"), 9u64.to_le_bytes()).unwrap();
    for _ in 0..2 {
        assert_eq!(ground.open(Durability::Os).unwrap().found(), Found::AllButTheEnd);
    }
    let mut store = ground.open(Durability::Os).unwrap();
    store.commit([row(3)]).unwrap();
    drop(store);
    assert_eq!(ground.open(Durability::Os).unwrap().found(), Found::Everything);
    ground.open(Durability::Os).unwrap().begin().unwrap();
    assert_eq!(ground.open(Durability::Os).unwrap().found(), Found::Everything);
}

#[test]
fn a_power_cut_may_take_the_end_of_what_was_not_synced() {
    for (level, is_closed, found) in [
        (Durability::Os, false, Found::AllButTheEnd),
        (Durability::Os, true, Found::Everything),
        (Durability::Sync, false, Found::Everything),
    ] {
        let ground = Ground::new();
        let mut store = ground.open(level).unwrap();
        store.commit([row(1)]).unwrap();
        let session = if is_closed { Session::closed(level) } else { Session::begun(level) };
        store.write_session(&session.of_another_boot()).unwrap();
        drop(store);
        assert_eq!(ground.open(level).unwrap().found(), found, "{level}, closed: {is_closed}");
    }
}

#[test]
fn rule_29_a_journal_cut_anywhere_never_passes_for_a_whole_one() {
    let ground = Ground::new();
    ground.written(6);
    let whole = fs::read(ground.journal()).unwrap();
    let aside = ground.scratch.path().join("aside");
    copy_folder(&ground.path(), &aside).unwrap();
    let last_row = whole.windows(300).position(|bytes| bytes == [5; 300]).unwrap();
    for length in (0..last_row + 300).step_by(97) {
        fs::remove_dir_all(ground.path()).unwrap();
        copy_folder(&aside, &ground.path()).unwrap();
        fs::File::options().write(true).open(ground.journal()).unwrap().set_len(length as u64).unwrap();
        match ground.open(Durability::Os) {
            Ok(store) => {
                let kept = u8::try_from(store.commits()).unwrap();
                assert_eq!(store.image().unwrap(), image_of(0..kept), "a prefix of what was written, at {length}");
                assert_ne!(store.found(), Found::Everything, "{kept} of 6 commits, at {length}");
            }
            Err(why) => assert!(matches!(why, StoreError::Damaged { .. }), "{why}"),
        }
    }
}

#[test]
fn rule_29_a_damaged_byte_of_the_journal_never_passes_unseen() {
    let ground = Ground::new();
    ground.written(4);
    let whole = fs::read(ground.journal()).unwrap();
    let aside = ground.scratch.path().join("aside");
    copy_folder(&ground.path(), &aside).unwrap();
    let end = whole.windows(300).position(|bytes| bytes == [3; 300]).unwrap() + 300;
    for at in (0..end).step_by(61) {
        fs::remove_dir_all(ground.path()).unwrap();
        copy_folder(&aside, &ground.path()).unwrap();
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(ground.journal(), bytes).unwrap();
        match ground.open(Durability::Os) {
            Ok(store) if store.found() == Found::Everything => {
                assert_eq!(store.image().unwrap(), image_of(0..4), "byte {at}");
            }
            Ok(store) => assert!(store.commits() < 4, "byte {at}"),
            Err(why) => assert!(matches!(why, StoreError::Damaged { .. }), "byte {at}: {why}"),
        }
    }
}

#[test]
fn a_store_is_one_replicas_of_one_cluster_in_one_epoch() {
    let ground = Ground::new();
    ground.written(1);
    let mine = ground.label();
    let (replica, cluster, protocol) = ("n2".to_string(), "ab".repeat(32), "linear".to_string());
    for (other, expected) in [
        (Label { replica, ..mine.clone() }, "of replica n1, not of n2"),
        (Label { cluster, ..mine.clone() }, "of cluster "),
        (Label { protocol, ..mine.clone() }, "of protocol pbft, not of linear"),
        (Label { accounts: (10, 1, 1), ..mine.clone() }, ", not of 10 accounts of 1 + 1"),
    ] {
        let why = refusal(Store::open(&ground.path(), &other, Durability::Os, OldEpoch::Refuse));
        assert!(why.contains(expected) && why.contains("move this one away"), "{why}");
    }
    let store = ground.open(Durability::Os).unwrap();
    assert_eq!(store.image().unwrap(), image_of([0]), "a refusal leaves it as it was");
}

#[test]
fn the_store_of_an_earlier_epoch_is_kept_unless_a_new_one_is_asked_for_and_then_put_aside() {
    let ground = Ground::new();
    ground.written(1);
    let next = Label { epoch: 2, ..ground.label() };
    let why = refusal(Store::open(&ground.path(), &next, Durability::Os, OldEpoch::Refuse));
    assert!(why.contains("of epoch 1, and cluster.toml says epoch 2") && why.contains("--new-epoch"), "{why}");
    assert_eq!(ground.open(Durability::Os).unwrap().image().unwrap(), image_of([0]), "a refusal leaves it as it was");

    let store = Store::open(&ground.path(), &next, Durability::Os, OldEpoch::PutAside).unwrap();
    assert_eq!((store.found(), store.image().unwrap().is_empty()), (Found::Nothing, true));
    drop(store);
    assert!(refusal(ground.open(Durability::Os)).contains("of epoch 2, not of 1"));

    // The way back is open: the old store is whole.
    let aside = ground.path().with_file_name("store-of-epoch-1");
    fs::rename(ground.path(), ground.path().with_file_name("store-of-epoch-2")).unwrap();
    fs::rename(aside, ground.path()).unwrap();
    assert_eq!(ground.open(Durability::Os).unwrap().image().unwrap(), image_of([0]));
}

#[test]
fn a_store_without_its_witness_is_not_taken_for_whole() {
    let ground = Ground::new();
    ground.written(3);
    fs::remove_file(ground.path().join("commits")).unwrap();
    assert_eq!(ground.open(Durability::Os).unwrap().found(), Found::Unwitnessed);
}

#[test]
fn a_pipe_in_a_store_is_not_waited_for() {
    let ground = Ground::new();
    ground.written(1);
    let pipe = ground.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let scratch = tempfile::tempdir().unwrap();
    let why = Store::look_into(&ground.path(), scratch.path()).err().unwrap().to_string();
    assert!(why.contains("neither a file nor a folder"), "{why}");
}

#[test]
fn a_newer_format_is_refused_before_anything_is_read() {
    let ground = Ground::new();
    ground.written(1);
    label::write(&ground.path(), &Label { format: 9, ..ground.label() }).unwrap();
    assert!(refusal(ground.open(Durability::Os)).contains("has format 9, this program knows formats up to 1"));
}

#[test]
fn a_store_in_use_is_refused_and_can_be_looked_into_all_the_same() {
    let ground = Ground::new();
    let mut store = ground.open(Durability::Os).unwrap();
    store.commit([row(7)]).unwrap();
    assert!(refusal(ground.open(Durability::Os)).contains("does this replica run already?"));
    let scratch = tempfile::tempdir().unwrap();
    let (label, copy) = Store::look_into(&ground.path(), scratch.path()).unwrap();
    assert_eq!((label, copy.image().unwrap()), (ground.label(), image_of([7])));
    store.commit([row(8)]).unwrap();
}

#[test]
fn no_store_is_no_error_of_the_disk() {
    let ground = Ground::new();
    let scratch = tempfile::tempdir().unwrap();
    let why = Store::look_into(&ground.path(), scratch.path()).err().unwrap().to_string();
    assert!(why.contains("no store is here"), "{why}");
    assert!(!ground.path().exists(), "looking makes nothing");
}
