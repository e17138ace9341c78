//! What a program has left in a directory of its tree, as a tar archive: piece by piece, for where there is no room for all of it.

use super::Wasi;
use super::abi::Filetype;
use super::files::NodeId;
use super::path::PATH_BYTES_MAX;
use super::tree::Tree;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// A record of an archive (POSIX.1-2017, pax, ustar Interchange Format).
const BLOCK_BYTES: usize = 512;

/// Bytes of a name that a header has room for.
const NAME_BYTES: usize = 100;

/// What the name of a member is that holds a longer one of the next (GNU tar).
const LONG_NAME: &[u8] = b"././@LongLink";

/// What kind of member a header is for.
mod kind {
    pub const FILE: u8 = b'0';
    pub const SYMBOLIC_LINK: u8 = b'2';
    pub const DIRECTORY: u8 = b'5';
    pub const LONG_TARGET: u8 = b'K';
    pub const LONG_NAME: u8 = b'L';
}

/// What became of an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    pub members: u64,
    /// Those with paths too long, and all below them.
    pub left_out: u64,
}

impl Wasi<'_> {
    /// Hands on what is in the directory `path` of the tree in memory, in parts of an archive. None if there is no such directory.
    pub fn export(&self, path: &str, out: &mut dyn FnMut(&[u8])) -> Option<Exported> {
        let tree = &self.tree;
        let top = tree.find(NodeId::ROOT, path).filter(|node| tree.filetype(*node) == Filetype::Directory)?;
        let mut exported = Exported::default();
        let mut left = names_in(tree, top, "");
        while let Some((path, node)) = left.pop() {
            if path.len() > PATH_BYTES_MAX as usize {
                exported.left_out += 1;
                continue;
            }
            exported.members += 1;
            let seconds = tree.times(node).modified_ns / 1_000_000_000;
            match tree.filetype(node) {
                Filetype::Directory => {
                    member(kind::DIRECTORY, &format!("{path}/"), b"", "", seconds, out);
                    left.extend(names_in(tree, node, &path));
                }
                Filetype::SymbolicLink => {
                    let target = tree.link_target(node).unwrap_or_default();
                    member(kind::SYMBOLIC_LINK, &path, b"", target, seconds, out);
                }
                _ => member(kind::FILE, &path, tree.content(node), "", seconds, out),
            }
        }
        out(&[0; 2 * BLOCK_BYTES]);
        Some(exported)
    }
}

/// What is in `directory`, whose path is `above`, the last name first.
fn names_in(tree: &Tree, directory: NodeId, above: &str) -> Vec<(String, NodeId)> {
    let entries = tree.entries(directory).into_iter().flat_map(|entries| entries.after(0));
    let path = |name: &str| if above.is_empty() { String::from(name) } else { format!("{above}/{name}") };
    let mut names: Vec<(String, NodeId)> = entries.map(|(_, name, node)| (path(name), node)).collect();
    names.sort_by(|one, other| other.0.cmp(&one.0));
    names
}

fn member(kind: u8, path: &str, content: &[u8], target: &str, seconds: u64, out: &mut dyn FnMut(&[u8])) {
    for (kind, long) in [(kind::LONG_NAME, path), (kind::LONG_TARGET, target)] {
        if long.len() > NAME_BYTES {
            let bytes = [long.as_bytes(), b"\0"].concat();
            out(&header(kind, LONG_NAME, bytes.len(), b"", 0));
            padded(&bytes, out);
        }
    }
    let begin = |text: &str| text.as_bytes()[..text.len().min(NAME_BYTES)].to_vec();
    out(&header(kind, &begin(path), content.len(), &begin(target), seconds));
    padded(content, out);
}

fn padded(bytes: &[u8], out: &mut dyn FnMut(&[u8])) {
    out(bytes);
    out(&[0; BLOCK_BYTES][..bytes.len().next_multiple_of(BLOCK_BYTES) - bytes.len()]);
}

/// A header whose name and target have room in it.
fn header(kind: u8, name: &[u8], bytes: usize, target: &[u8], seconds: u64) -> [u8; BLOCK_BYTES] {
    let mut header = [0; BLOCK_BYTES];
    let mut put = |at: usize, field: &[u8]| header[at..at + field.len()].copy_from_slice(field);
    // Numbers are octal. What is too large for them is no size of a file here, and no time before the year 2242.
    let octal = |number: u64| format!("{:011o}", number.min(0o77_777_777_777));
    let mode = if kind == kind::DIRECTORY { "0000755" } else { "0000644" };
    put(0, name);
    put(100, mode.as_bytes());
    put(108, b"0000000");
    put(116, b"0000000");
    put(124, octal(bytes as u64).as_bytes());
    put(136, octal(seconds).as_bytes());
    // The sum is that of the header with spaces in place of it.
    put(148, b"        ");
    put(156, &[kind]);
    put(157, target);
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}
