//! The user's key: what this user's processes seal machine code with before it goes into a store, and know it by.
//!
//! Key functions: [`code_key`]. Made at first use, in the user's data directory (XDG Base Directory Specification 0.8).
//! Neighbours: `session/seal.rs` uses it.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::string::String;
use std::{env, fmt, format};

use super::wasi::SystemEntropy;
use crate::session::seal::Key;
use crate::wasi::Entropy;

const FILE: &str = "code.key";

/// Permissions that a key has for others than its user: none.
const OTHERS: u32 = 0o077;

/// Why there is no key.
#[derive(Debug)]
pub enum KeyError {
    /// Neither `XDG_DATA_HOME` nor `HOME` is the path of a directory.
    NoHome,
    System {
        path: PathBuf,
        error: io::Error,
    },
    NoFile {
        path: PathBuf,
    },
    /// Somebody else's file.
    NotOurs {
        path: PathBuf,
    },
    /// Others may have read or written it.
    Open {
        path: PathBuf,
        mode: u32,
    },
    Length {
        path: PathBuf,
        bytes: u64,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHome => f.write_str("neither XDG_DATA_HOME nor HOME says where a key could be kept"),
            Self::System { path, error } => write!(f, "{}: {error}", path.display()),
            Self::NoFile { path } => write!(f, "{} is not a file; move it away", path.display()),
            Self::NotOurs { path } => write!(f, "{} belongs to another user; delete it", path.display()),
            Self::Open { path, mode } => {
                write!(f, "others can use {} (mode {mode:03o}); delete it, and a new one is made", path.display())
            }
            Self::Length { path, bytes } => {
                let path = path.display();
                write!(f, "{path} has {bytes} bytes instead of {}; delete it, and a new one is made", Key::BYTES)
            }
        }
    }
}

impl core::error::Error for KeyError {}

/// This user's key, made if there is none yet.
pub fn code_key() -> Result<Key, KeyError> {
    key_in(&data_directory(|name| env::var_os(name)).ok_or(KeyError::NoHome)?)
}

/// `bareflow` in the user's data directory. Relative paths do not count, as the specification has it.
fn data_directory(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
    Some(data?.join("bareflow"))
}

/// The key in `directory`.
fn key_in(directory: &Path) -> Result<Key, KeyError> {
    let path = directory.join(FILE);
    let failed = |error| KeyError::System { path: path.clone(), error };
    let file = match open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            make(directory, &path).map_err(failed)?;
            open(&path)
        }
        opened => opened,
    };
    let mut file = file.map_err(failed)?;
    check(&path, &file.metadata().map_err(failed)?)?;
    let mut key = [0; Key::BYTES];
    file.read_exact(&mut key).map_err(failed)?;
    Ok(Key::new(key))
}

/// Opens a file for reading; does not wait for one end of a pipe.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)
}

fn check(path: &Path, metadata: &Metadata) -> Result<(), KeyError> {
    let path = || path.to_path_buf();
    // SAFETY: asks for a number and cannot fail.
    let user = unsafe { libc::geteuid() };
    if !metadata.is_file() {
        return Err(KeyError::NoFile { path: path() });
    }
    if metadata.uid() != user {
        return Err(KeyError::NotOurs { path: path() });
    }
    if metadata.mode() & OTHERS != 0 {
        return Err(KeyError::Open { path: path(), mode: metadata.mode() & 0o777 });
    }
    if metadata.len() != Key::BYTES as u64 {
        return Err(KeyError::Length { path: path(), bytes: metadata.len() });
    }
    Ok(())
}

/// Makes a key at `path`. Of several processes one succeeds, and all have its key: what is there is never written over, and
/// is whole from the beginning.
fn make(directory: &Path, path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let name = random().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let temporary = directory.join(format!("{FILE}.{name}"));
    write_new(&temporary, &random())?;
    let linked = fs::hard_link(&temporary, path);
    fs::remove_file(&temporary)?;
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn random() -> [u8; Key::BYTES] {
    let mut bytes = [0; Key::BYTES];
    SystemEntropy.fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::seal::{SEAL_BYTES, seal};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::string::ToString;
    use std::thread;
    use std::vec::Vec;

    /// What is sealed with `key`: equal keys, equal bytes.
    fn sealed(key: &Key) -> [u8; SEAL_BYTES] {
        let mut bytes = [0; SEAL_BYTES];
        seal(Some(key), &mut bytes);
        bytes
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_key_is_made_once_and_is_its_users_alone() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("data/bareflow");
        let key = key_in(&directory).unwrap();
        assert_eq!(sealed(&key_in(&directory).unwrap()), sealed(&key));
        let file = directory.join(FILE);
        assert_eq!([&file, &directory, &home.path().join("data")].map(|path| mode(path)), [0o600, 0o700, 0o700]);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "nothing but the key is left");
        let other = home.path().join("other");
        assert_ne!(sealed(&key_in(&other).unwrap()), sealed(&key));
    }

    #[test]
    fn all_who_ask_at_once_get_one_key() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("bareflow");
        let ask = || sealed(&key_in(&directory).unwrap());
        let seals: Vec<_> = thread::scope(|scope| {
            let asking: Vec<_> = (0..16).map(|_| scope.spawn(ask)).collect();
            asking.into_iter().map(|asking| asking.join().unwrap()).collect()
        });
        assert!(seals.iter().all(|seal| *seal == seals[0]));
    }

    #[test]
    fn a_key_that_others_can_use_or_that_is_none_is_refused_and_stays() {
        let home = tempfile::tempdir().unwrap();
        key_in(home.path()).unwrap();
        let file = home.path().join(FILE);
        let key = fs::read(&file).unwrap();
        let refused = || key_in(home.path()).unwrap_err().to_string();
        for open in [0o640, 0o604, 0o620, 0o602, 0o666] {
            set_mode(&file, open);
            assert_eq!(
                refused(),
                format!("others can use {} (mode {open:o}); delete it, and a new one is made", file.display())
            );
        }
        set_mode(&file, 0o600);
        for length in [0, 31, 33] {
            fs::write(&file, &[key.as_slice(), &[0]].concat()[..length]).unwrap();
            assert!(refused().contains(&format!("has {length} bytes instead of 32")), "{}", refused());
        }
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(refused().contains("is not a file"), "{}", refused());
        fs::remove_dir(&file).unwrap();
        symlink("nowhere/at/all", &file).unwrap();
        assert!(matches!(key_in(home.path()), Err(KeyError::System { .. })));
    }

    #[test]
    fn a_key_of_another_user_is_refused() {
        let ours = tempfile::tempdir().unwrap();
        key_in(ours.path()).unwrap();
        let file = ours.path().join(FILE);
        // Only root can give files away.
        if std::os::unix::fs::chown(&file, Some(65534), None).is_ok() {
            assert!(matches!(key_in(ours.path()), Err(KeyError::NotOurs { .. })));
        }
    }

    #[test]
    fn the_key_is_in_the_users_data_directory() {
        let directory = |data: Option<&str>, home: Option<&str>| {
            data_directory(|name| match name {
                "XDG_DATA_HOME" => data.map(OsString::from),
                "HOME" => home.map(OsString::from),
                other => panic!("{other} is asked for"),
            })
        };
        assert_eq!(directory(Some("/data"), Some("/home/x")), Some("/data/bareflow".into()));
        for nothing in [None, Some(""), Some("relative")] {
            assert_eq!(directory(nothing, Some("/home/x")), Some("/home/x/.local/share/bareflow".into()));
            assert_eq!(directory(nothing, None), None);
            assert_eq!(directory(None, nothing), None);
        }
    }

    #[test]
    fn where_nothing_can_be_written_there_is_no_key() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("file"), b"").unwrap();
        let error = key_in(&home.path().join("file/bareflow")).unwrap_err();
        assert!(matches!(error, KeyError::System { .. }), "{error}");
    }
}
