//! `--dir`: a directory of this machine that a program may use.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use bareflow::host::directories::Directories;
use bareflow::wasi::{WasiBuilder, path_names};

/// `HOST[::GUEST][:ro]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    pub host: PathBuf,
    /// What the program finds it as.
    pub guest: String,
    pub read_only: bool,
}

impl Directory {
    /// Whether the program finds it as `/`, or as `.`, which C libraries take for the same.
    pub fn is_root(&self) -> bool {
        path_names(&self.guest).next().is_none()
    }
}

impl FromStr for Directory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (names, read_only) = text.strip_suffix(":ro").map_or((text, false), |names| (names, true));
        let (host, guest) = names.split_once("::").unwrap_or((names, names));
        if host.is_empty() || guest.is_empty() {
            return Err("it needs a directory, as in `data`, `data::/data` or `data::/data:ro`".into());
        }
        if guest.contains('\0') {
            return Err("a name has no NUL".into());
        }
        Ok(Self { host: host.into(), guest: guest.into(), read_only })
    }
}

/// Has `wasi` know the directories. `has_files` says that the program is given single files, too.
pub fn open<'a>(wasi: WasiBuilder<'a>, directories: &[Directory], has_files: bool) -> Result<WasiBuilder<'a>> {
    if directories.is_empty() {
        return Ok(wasi);
    }
    let (mut opened, mut preopened) = (Directories::default(), Vec::new());
    for directory in directories {
        let Directory { host, guest, read_only } = directory;
        check_root(directory, has_files)?;
        let node = opened
            .add(host, *read_only)
            .with_context(|| format!("cannot open the directory {} for the program", host.display()))?;
        preopened.push((guest.clone(), node));
    }
    Ok(wasi.outside(opened, preopened))
}

fn check_root(directory: &Directory, has_files: bool) -> Result<()> {
    if directory.is_root() && has_files {
        bail!(
            "`--file` puts files in /, which `--dir` {} is in place of: put them in that directory, or give it another \
             name, as in `--dir {0}::/data`",
            directory.host.display()
        );
    }
    Ok(())
}

/// Refuses what a machine cannot have. `has_files` says that the program is given single files, too.
pub fn check_for_machine(directories: &[Directory], has_files: bool) -> Result<()> {
    for directory in directories {
        check_root(directory, has_files)?;
        let host = directory.host.display();
        if directory.read_only {
            bail!("`--dir {host}:ro`: in a machine the program has a copy; leave `:ro` out");
        }
        let mut names = path_names(&directory.guest);
        if path_names(&directory.guest).next() == Some("tmp") {
            bail!(
                "`--dir {host}`: a machine's /tmp is the program's own; give it another name, as in `--dir {host}::/data`"
            );
        }
        if names.any(|name| name == "..") {
            bail!("`--dir {host}`: a machine has no `..`; give it another name, as in `--dir {host}::/data`");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(String, String, bool)> {
        let Directory { host, guest, read_only } = text.parse().ok()?;
        Some((host.to_str()?.into(), guest, read_only))
    }

    #[test]
    fn names_a_directory_here_and_there() {
        let expected = |host: &str, guest: &str, read_only| Some((host.into(), guest.into(), read_only));
        assert_eq!(parsed("."), expected(".", ".", false));
        assert_eq!(parsed("/a/b:ro"), expected("/a/b", "/a/b", true));
        assert_eq!(parsed("a:b::/c"), expected("a:b", "/c", false));
        assert_eq!(parsed("a::b::c:ro"), expected("a", "b::c", true));
        for text in ["", ":ro", "::", "::/a", "a::", "a::\0"] {
            assert_eq!(parsed(text), None, "{text:?}");
        }
    }

    #[test]
    fn knows_what_is_in_place_of_the_root() {
        for (text, is_root) in [(".", true), ("a::/", true), ("a::./.", true), ("..", false), ("a", false)] {
            assert_eq!(text.parse::<Directory>().unwrap().is_root(), is_root, "{text}");
        }
    }
}
