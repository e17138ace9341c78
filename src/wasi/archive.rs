//! Archives as parts of the tree: their files lie where the archive does, and are copied when they are changed.

use super::content::Content;
use super::files::{Entry, NodeId, Times};
use super::path::names;
use super::scratch::ENTRY_BYTES;
use super::tar::{self, Member, TarError};
use super::tree::{Directory, FileError, Kind, Layer, NAME_BYTES_MAX, SCRATCH_NAME, Tree};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Why a program cannot be given an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveError {
    Tar(TarError),
    /// The directory that it is to be in cannot be made.
    Place(FileError),
    /// A path leads out of the archive, or has a name that no file can have.
    BadPath {
        path: String,
    },
    /// A directory and something else have the same path, or something that is no directory has names below it.
    Clash {
        path: String,
    },
    /// A second name of what is not in the archive before it.
    NoTarget {
        path: String,
        target: String,
    },
    /// There is not enough memory for the names.
    NoMemory {
        path: String,
    },
}

/// Where the members of an archive go.
#[derive(Clone, Copy)]
struct Place {
    top: NodeId,
    layer: Layer,
}

impl<'a> Tree<'a> {
    /// Adds what the tar archive `bytes` holds below the directory `at`, which is made. Where that is `/`, `/tmp` is taken out
    /// of the tree.
    pub fn add_archive(&mut self, at: &str, bytes: &'a [u8]) -> Result<(), ArchiveError> {
        let place = self.place_for(at).map_err(ArchiveError::Place)?;
        for member in tar::members(bytes) {
            self.add_member(place, &member.map_err(ArchiveError::Tar)?)?;
        }
        Ok(())
    }

    /// Makes the directory `at`, in which the program can make files, unless it is there already: in an archive, or as `/tmp`.
    pub fn add_directory(&mut self, at: &str) -> Result<(), ArchiveError> {
        let (mut top, mut missing) = (NodeId::ROOT, names(at).peekable());
        while let Some(node) = missing.peek().and_then(|name| self.child(top, name)) {
            top = node;
            missing.next();
        }
        let (layer, path) = (self.layer(top), missing.collect::<Vec<_>>().join("/"));
        if layer == Layer::GIVEN || self.entries(top).is_none() || names(&path).any(is_no_name) {
            return self.place_for(at).map(drop).map_err(ArchiveError::Place);
        }
        if path.is_empty() {
            return Ok(());
        }
        self.add_member(Place { top, layer }, &Member { path: path.into(), kind: tar::Kind::Directory, modified_ns: 0 })
    }

    /// The directory of a new layer.
    fn place_for(&mut self, at: &str) -> Result<Place, FileError> {
        let path = String::from(at.trim_matches('/'));
        let exists = || FileError::Exists { path: path.clone() };
        let layer = self.new_layer();
        let mut here = NodeId::ROOT;
        let mut names = names(at).peekable();
        if names.peek() == Some(&SCRATCH_NAME) {
            return Err(FileError::InScratch { path });
        }
        while let Some(name) = names.next() {
            if is_no_name(name) {
                return Err(FileError::BadName { path });
            }
            let (is_last, found) = (names.peek().is_none(), self.child(here, name));
            let is_given = |node| self.layer(node) == Layer::GIVEN && self.entries(node).is_some();
            here = match found {
                Some(node) if !is_last && is_given(node) => node,
                None if is_given(here) => {
                    let layer = if is_last { layer } else { Layer::GIVEN };
                    self.insert(here, name, Kind::Directory(Directory::new(here)), layer)
                }
                _ => return Err(exists()),
            };
        }
        if here == NodeId::ROOT {
            if self.layer(here) != Layer::GIVEN {
                return Err(exists());
            }
            self.detach_scratch();
            self.node_mut(here).layer = layer;
        }
        Ok(Place { top: here, layer })
    }

    fn add_member(&mut self, place: Place, member: &Member<'a>) -> Result<(), ArchiveError> {
        let mut directory = place.top;
        let mut names = names(&member.path).peekable();
        while let Some(name) = names.next() {
            if is_no_name(name) {
                return Err(ArchiveError::BadPath { path: path_of(member) });
            }
            let (entry, found) = (Entry { directory, name }, self.child(directory, name));
            if found.is_some_and(|node| self.layer(node) != place.layer) {
                return Err(ArchiveError::Place(FileError::Exists { path: path_of(member) }));
            }
            if names.peek().is_none() {
                return self.add_named(place, entry, found, member);
            }
            directory = match found {
                Some(node) if self.entries(node).is_some() => node,
                Some(_) => return Err(ArchiveError::Clash { path: path_of(member) }),
                None => self.add_node(place, entry, Kind::Directory(Directory::new(directory)), member)?,
            };
        }
        // The top itself.
        self.node_mut(place.top).times = Times::all(member.modified_ns);
        Ok(())
    }

    /// Adds a member under its last name, which `before` had so far.
    fn add_named(
        &mut self,
        place: Place,
        entry: Entry<'_>,
        before: Option<NodeId>,
        member: &Member<'a>,
    ) -> Result<(), ArchiveError> {
        let is_directory = member.kind == tar::Kind::Directory;
        match before {
            Some(node) if self.entries(node).is_some() && is_directory => {
                self.node_mut(node).times = Times::all(member.modified_ns);
                return Ok(());
            }
            Some(node) if self.entries(node).is_some() || is_directory => {
                return Err(ArchiveError::Clash { path: path_of(member) });
            }
            _ => {}
        }
        let kind = match &member.kind {
            tar::Kind::HardLink(target) => return self.add_name(place, entry, before, target, member),
            tar::Kind::File(bytes) => Kind::File(Content::Given(Cow::Borrowed(bytes))),
            tar::Kind::Directory => Kind::Directory(Directory::new(entry.directory)),
            tar::Kind::SymbolicLink(target) => {
                self.grant(target.len() as u64, member)?;
                Kind::Link(String::from(&**target))
            }
        };
        self.make_way(entry, before);
        let node = self.add_node(place, entry, kind, member)?;
        self.node_mut(node).times = Times::all(member.modified_ns);
        Ok(())
    }

    /// Adds another name of what is at `target`.
    fn add_name(
        &mut self,
        place: Place,
        entry: Entry<'_>,
        before: Option<NodeId>,
        target: &str,
        member: &Member<'a>,
    ) -> Result<(), ArchiveError> {
        let found = self.find(place.top, target);
        let fits = |node: &NodeId| self.entries(*node).is_none() && self.layer(*node) == place.layer;
        let no_target = || ArchiveError::NoTarget { path: path_of(member), target: target.into() };
        let node = found.filter(fits).ok_or_else(no_target)?;
        if before != Some(node) {
            self.grant(ENTRY_BYTES, member)?;
            self.make_way(entry, before);
            self.attach(entry, node);
        }
        Ok(())
    }

    /// What is added to an archive later is in place of what had its name before.
    fn make_way(&mut self, entry: Entry<'_>, before: Option<NodeId>) {
        if before.is_some() {
            let times = self.times(entry.directory);
            self.remove_entry(entry, 0);
            self.node_mut(entry.directory).times = times;
        }
    }

    fn add_node(
        &mut self,
        place: Place,
        entry: Entry<'_>,
        kind: Kind<'a>,
        member: &Member<'a>,
    ) -> Result<NodeId, ArchiveError> {
        self.make_room_for_a_node().map_err(|_| ArchiveError::NoMemory { path: path_of(member) })?;
        self.grant(ENTRY_BYTES, member)?;
        Ok(self.insert(entry.directory, entry.name, kind, place.layer))
    }

    /// What an archive takes counts for nothing that the program is allowed.
    fn grant(&mut self, bytes: u64, member: &Member<'a>) -> Result<(), ArchiveError> {
        self.quota.grant(bytes).map_err(|_| ArchiveError::NoMemory { path: path_of(member) })
    }
}

fn path_of(member: &Member<'_>) -> String {
    String::from(&*member.path)
}

fn is_no_name(name: &str) -> bool {
    name == ".." || name.len() > NAME_BYTES_MAX || name.contains('\0')
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tar(error) => error.fmt(f),
            Self::Place(error) => error.fmt(f),
            Self::BadPath { path } => write!(
                f,
                "{path:?} in the archive leads out of it, or has a name of more than {NAME_BYTES_MAX} bytes: make it again \
                 from within the directory, with `tar --create .`"
            ),
            Self::Clash { path } => {
                write!(f, "{path:?} is in the archive as a directory and as something else: make it again")
            }
            Self::NoTarget { path, target } => write!(
                f,
                "{path:?} in the archive is another name of {target:?}, which is no file that comes before it: make it again"
            ),
            Self::NoMemory { path } => {
                write!(
                    f,
                    "there is no memory left for {path:?} in the archive: give the machine more, or the program less"
                )
            }
        }
    }
}

impl core::error::Error for ArchiveError {}
