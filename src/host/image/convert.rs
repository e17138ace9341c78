//! A disk in the format of a virtual machine, made by `qemu-img`.
//!
//! Key function: [`convert`]. What formats have at random is put in place afterwards.

use super::identity::Identity;
use super::tool::run;
use super::{Format, ImageError};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

/// Bytes of a VMDK within which its descriptor lies: one sector of header, and 20.
const DESCRIPTOR_BYTES: usize = 21 * 512;
/// What stands before the 8 digits that change with each writer.
const CONTENT_ID: &[u8] = b"\nCID=";
/// Where a VDI has the UUIDs of itself and of its last snapshot.
const VDI_UUIDS: [u64; 2] = [0x188, 0x198];

/// Makes `out` from the raw disk `raw`.
pub fn convert(raw: &Path, out: &Path, format: Format, identity: &Identity) -> Result<(), ImageError> {
    let mut command = Command::new("qemu-img");
    command.args(["convert", "-f", "raw", "-O", format.name()]).arg(raw).arg(out);
    run(&mut command, "qemu-img", "qemu-utils")?;
    let settled = match format {
        Format::Vmdk => settle_vmdk(out, identity),
        Format::Vdi => settle_vdi(out, identity),
        Format::Qcow2 | Format::Raw | Format::Iso => Ok(()),
    };
    settled.map_err(|error| ImageError::Write { path: out.into(), error })
}

fn settle_vmdk(path: &Path, identity: &Identity) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut head = [0; DESCRIPTOR_BYTES];
    file.read_exact_at(&mut head, 0)?;
    let at = head.windows(CONTENT_ID.len()).position(|window| window == CONTENT_ID);
    let at = at.ok_or_else(|| io::Error::other("its descriptor has no CID"))? + CONTENT_ID.len();
    file.write_all_at(identity.digits::<4>("content").as_bytes(), at as u64)
}

fn settle_vdi(path: &Path, identity: &Identity) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    for (at, purpose) in VDI_UUIDS.into_iter().zip(["virtual disk", "snapshot"]) {
        file.write_all_at(&identity.guid(purpose).to_bytes(), at)?;
    }
    Ok(())
}
