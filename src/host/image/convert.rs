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
/// What stands before the digits that change with each writer: 8, or fewer where the first would be 0.
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
    put_content_id(&mut head, identity.digits::<4>("content").as_bytes())
        .ok_or_else(|| io::Error::other("its descriptor has no CID"))?;
    file.write_all_at(&head, 0)
}

/// Puts `digits` in place of those in `head`; what is behind them, which ends with zeros, moves if they are more.
fn put_content_id(head: &mut [u8], digits: &[u8]) -> Option<()> {
    let at = head.windows(CONTENT_ID.len()).position(|window| window == CONTENT_ID)? + CONTENT_ID.len();
    let present = head[at..].iter().position(|byte| *byte == b'\n')?;
    let more = digits.len().checked_sub(present)?;
    let end = head.len() - more;
    head.copy_within(at + present..end, at + digits.len());
    head[at..at + digits.len()].copy_from_slice(digits);
    Some(())
}

fn settle_vdi(path: &Path, identity: &Identity) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    for (at, purpose) in VDI_UUIDS.into_iter().zip(["virtual disk", "snapshot"]) {
        file.write_all_at(&identity.guid(purpose).to_bytes(), at)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_with_few_digits_are_replaced_as_those_with_eight_are() {
        let expected = b"#\nversion=1\nCID=01234567\nparentCID=ffffffff\n\0\0\0\0\0\0\0\0";
        for present in ["89abcdef", "9abcdef", "f"] {
            let mut head = expected.to_vec();
            let descriptor = std::format!("#\nversion=1\nCID={present}\nparentCID=ffffffff\n");
            head.fill(0);
            head[..descriptor.len()].copy_from_slice(descriptor.as_bytes());
            assert_eq!(put_content_id(&mut head, b"01234567"), Some(()));
            assert_eq!(head, expected, "{present}");
        }
        assert_eq!(put_content_id(&mut [0; 64], b"01234567"), None);
    }
}
