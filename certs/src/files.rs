//! Files: what is read is a regular file of a size that is expected. Private files are 0600 in 0700 folders, never overwritten,
//! never read when others could read them too.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
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

/// Opens a regular file of at most so many bytes: pipes and devices would be waited for, or read without end.
///
/// # Errors
///
/// What the system says; [`io::ErrorKind::InvalidInput`] if it is something else, or longer.
pub fn open_file(path: &Path, most_bytes: u64) -> io::Result<File> {
    let fits = |about: fs::Metadata| match about {
        about if about.is_dir() => Err("this is a folder, and a file is wanted".to_string()),
        about if !about.is_file() => Err("this is no regular file, and pipes and devices are not read".to_string()),
        about if about.len() > most_bytes => Err(format!("{} bytes, at most {most_bytes} are read", about.len())),
        _ => Ok(()),
    };
    let invalid = |why| io::Error::new(io::ErrorKind::InvalidInput, why);
    // Looked at first, since opening a pipe waits; and again, since it may be another one by then.
    fits(fs::metadata(path)?).map_err(invalid)?;
    let file = File::open(path)?;
    fits(file.metadata()?).map_err(invalid)?;
    Ok(file)
}

/// Reads a regular file of at most so many bytes.
///
/// # Errors
///
/// As [`open_file`].
pub fn read_file(path: &Path, most_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // It may grow while it is read.
    open_file(path, most_bytes)?.take(most_bytes).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The same for a file of text.
///
/// # Errors
///
/// As [`open_file`]; [`io::ErrorKind::InvalidData`] if it is not UTF-8.
pub fn read_text(path: &Path, most_bytes: u64) -> io::Result<String> {
    let text = String::from_utf8(read_file(path, most_bytes)?);
    text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "this is not text in UTF-8"))
}

/// Reads a text file of a cluster's folder.
pub(crate) fn read(path: &Path) -> Result<String, CertsError> {
    read_text(path, MAX_BYTES).map_err(CertsError::io(path, "read this file"))
}

/// Reads a text file that says who may speak: nobody else may write it.
pub(crate) fn read_trusted(path: &Path) -> Result<String, CertsError> {
    let mode = fs::metadata(path).map_err(CertsError::io(path, "read this file"))?.mode() & 0o7777;
    if mode & 0o002 != 0 {
        return Err(CertsError::OpenToWriters { path: path.to_path_buf(), mode });
    }
    read(path)
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
    fn only_regular_files_of_a_size_that_is_expected_are_read() {
        let scratch = tempfile::tempdir().unwrap();
        let (file, pipe) = (scratch.path().join("file"), scratch.path().join("pipe"));
        fs::write(&file, "12345").unwrap();
        assert_eq!(read_file(&file, 5).unwrap(), b"12345");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let refused = |path: &Path| read_file(path, 4).unwrap_err().to_string();
        assert_eq!(refused(&file), "5 bytes, at most 4 are read");
        assert_eq!(refused(scratch.path()), "this is a folder, and a file is wanted");
        for endless in [pipe.as_path(), Path::new("/dev/zero")] {
            assert_eq!(refused(endless), "this is no regular file, and pipes and devices are not read");
        }
        fs::write(&file, [0xff; 4]).unwrap();
        assert_eq!(read_text(&file, 4).unwrap_err().to_string(), "this is not text in UTF-8");
    }

    #[test]
    fn a_roster_that_anybody_may_write_is_refused_with_what_to_do() {
        let scratch = tempfile::tempdir().unwrap();
        let roster = scratch.path().join("cluster.toml");
        write_public(&roster, "epoch = 1").unwrap();
        assert_eq!(read_trusted(&roster).unwrap(), "epoch = 1");
        fs::set_permissions(&roster, fs::Permissions::from_mode(0o666)).unwrap();
        let text = read_trusted(&roster).unwrap_err().to_string();
        assert!(text.contains(&format!("chmod 644 {}", roster.display())), "{text}");
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
