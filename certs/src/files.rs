//! Private files: 0600 in 0700 folders, never overwritten, never read when others could read them too.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::error::CertsError;

/// No file of a cluster directory is larger: 100 replicas fill a twentieth of it.
const MAX_BYTES: u64 = 1 << 20;

/// Makes a folder that only its owner may enter. It must not exist.
pub(crate) fn make_private_folder(path: &Path) -> Result<(), CertsError> {
    DirBuilder::new().mode(0o700).create(path).map_err(CertsError::io(path, "make this folder"))
}

/// Writes a new file with 0600. It must not exist.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), CertsError> {
    write_new(path, text, 0o600)
}

/// Writes a new file with 0644. It must not exist.
pub(crate) fn write_public(path: &Path, text: &str) -> Result<(), CertsError> {
    write_new(path, text, 0o644)
}

fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), CertsError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(CertsError::io(path, "make this file"))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(CertsError::io(path, "write this file"))
}

/// Replaces a file that anyone may read, as a whole or not at all.
pub(crate) fn replace_public(path: &Path, text: &str) -> Result<(), CertsError> {
    let fresh = path.with_extension("new");
    if fresh.exists() {
        fs::remove_file(&fresh).map_err(CertsError::io(&fresh, "remove this left-over file"))?;
    }
    write_public(&fresh, text)?;
    fs::rename(&fresh, path).map_err(CertsError::io(path, "replace this file"))
}

/// Reads a text file of at most a mebibyte.
pub(crate) fn read(path: &Path) -> Result<String, CertsError> {
    let file = fs::File::open(path).map_err(CertsError::io(path, "open this file"))?;
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(CertsError::io(path, "read this file"))?;
    Ok(text)
}

/// Reads a private file, unless group or others have any right on it.
pub(crate) fn read_private(path: &Path) -> Result<String, CertsError> {
    let mode = fs::metadata(path).map_err(CertsError::io(path, "open this file"))?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(CertsError::OpenToOthers { path: path.to_path_buf(), mode });
    }
    read(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn private_files_are_made_private_and_not_overwritten() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("n1");
        make_private_folder(&folder).unwrap();
        let key = folder.join("tls.key");
        write_private(&key, "secret").unwrap();
        assert_eq!((mode(&folder), mode(&key)), (0o700, 0o600));
        assert!(matches!(write_private(&key, "other"), Err(CertsError::Io { .. })));
        assert_eq!(read_private(&key).unwrap(), "secret");
    }

    #[test]
    fn a_key_that_others_may_read_is_refused_with_what_to_do() {
        let scratch = tempfile::tempdir().unwrap();
        let key = scratch.path().join("tls.key");
        write_public(&key, "secret").unwrap();
        for bits in [0o640, 0o604, 0o610] {
            fs::set_permissions(&key, fs::Permissions::from_mode(bits)).unwrap();
            let text = read_private(&key).unwrap_err().to_string();
            assert!(text.contains(&format!("chmod 600 {}", key.display())), "{text}");
        }
    }
}
