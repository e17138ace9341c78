//! A disk that boots and remembers: a partition table (GPT), GRUB for a BIOS, a system partition for UEFI, and a store.
//!
//! Key function: [`make`]. What GRUB's installer does on a disk of Linux is done here on a file, as GRUB's sources describe it
//! (`grub-core/boot/i386/pc/boot.S` and `diskboot.S`, `include/grub/i386/pc/boot.h`).

use super::ImageError;
use super::fat::{self, Kind};
use super::files::{File, Inputs};
use super::grub::{Medium, Platform};
use super::identity::Identity;
use crate::host::disk::FileDisk;
use crate::store::place::{PARTITION_TYPE, Region, place_in, table};
use crate::store::{BlockDevice, SECTOR_BYTES, Store, StoreError, StoreId};
use gpt_disk_types::{
    Crc32, GptHeader, GptPartitionEntry, GptPartitionType, Guid, LbaLe, MasterBootRecord, U32Le, guid,
};
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::vec::Vec;

/// Type of the partition that GRUB's core is in.
const BIOS_BOOT: Guid = guid!("21686148-6449-6e6f-744e-656564454649");

const MIB_SECTORS: u64 = (1 << 20) / SECTOR_BYTES as u64;
/// Where the system partition begins, after a MiB for the partition table and one for GRUB.
const SYSTEM_START: u64 = 2 * MIB_SECTORS;
const STORE_SECTORS: u64 = 64 * MIB_SECTORS;
/// Bytes of the identifier by which the kernel's command line names the store.
const NAME_BYTES: usize = 8;

/// Entries of the partition table, as all tools make them.
const ENTRIES: usize = 128;
const ENTRIES_SECTORS: u64 = (ENTRIES * size_of::<GptPartitionEntry>() / SECTOR_BYTES) as u64;

/// Code in the first sector; behind it are the disk's number and the partitions of an MBR.
const BOOT_CODE_BYTES: usize = 440;
/// Where in that code is the number of the sector at which GRUB's core begins.
const CORE_SECTOR: usize = 0x5c;
/// Where it jumps over what helps with a BIOS that calls a hard disk a floppy disk, and what takes the jump's place.
const DRIVE_CHECK: usize = 0x66;
const NOTHING: [u8; 2] = [0x90; 2];
/// Where in its first sector the core has the number of its second one, with the count and the address to load them to.
const CORE_REST: usize = SECTOR_BYTES - 12;

/// A partition of the disk.
struct Partition {
    kind: GptPartitionType,
    name: &'static str,
    sectors: Range<u64>,
}

/// Writes to `out`, which is not there yet, a disk of `inputs`; `folder` is for temporary files.
pub fn make(out: &Path, inputs: Inputs, folder: &Path) -> Result<(), ImageError> {
    let identity = inputs.identity;
    let core = Platform::Bios.core(&Medium::Disk, folder)?;
    let uefi = Platform::Uefi.core(&Medium::Disk, folder)?;
    let mut files = inputs.files(Some(&identity.digits::<NAME_BYTES>("store")));
    files.push(File { path: "EFI/BOOT/BOOTX64.EFI".into(), content: uefi });
    let system = fat::volume(&files, Kind::Partition(SYSTEM_START), identity.bytes("volume"), folder)?;
    let partitions = layout(&core, &system)?;
    let end = partitions[2].sectors.end + MIB_SECTORS;

    let mut disk = FileDisk::create(out, end).map_err(|error| ImageError::Write { path: out.into(), error })?;
    write(&mut disk, 0, &boot_sector(partitions[0].sectors.start, end, &identity)?)?;
    write(&mut disk, partitions[0].sectors.start, &placed(core, partitions[0].sectors.start)?)?;
    write(&mut disk, partitions[1].sectors.start, &system)?;
    write_table(&mut disk, &partitions, &identity)?;
    format_store(disk, &identity)
}

/// Where the partitions are, each at whole MiB.
fn layout(core: &[u8], system: &[u8]) -> Result<[Partition; 3], ImageError> {
    if core.len() > (MIB_SECTORS as usize) * SECTOR_BYTES {
        return Err(ImageError::Grub { reason: "its core is larger than a MiB" });
    }
    let system_end = SYSTEM_START + (system.len() / SECTOR_BYTES) as u64;
    let partition = |kind, name, sectors| Partition { kind, name, sectors };
    Ok([
        partition(GptPartitionType(BIOS_BOOT), "GRUB", MIB_SECTORS..SYSTEM_START),
        partition(GptPartitionType::EFI_SYSTEM, "BareFlow", SYSTEM_START..system_end),
        partition(GptPartitionType(PARTITION_TYPE), "BareFlow store", system_end..system_end + STORE_SECTORS),
    ])
}

/// The first sector of a disk of so many: GRUB's code that loads its core from sector `core`, and the MBR that protects a
/// partition table.
fn boot_sector(core: u64, sectors: u64, identity: &Identity) -> Result<Vec<u8>, ImageError> {
    let path = Platform::Bios.file("boot.img")?;
    let code = fs::read(&path).map_err(|error| ImageError::Read { path, error })?;
    let Some(code) = code.first_chunk::<BOOT_CODE_BYTES>() else {
        return Err(ImageError::Grub { reason: "its boot.img is shorter than a sector" });
    };
    let mut record = MasterBootRecord { boot_strap_code: *code, ..MasterBootRecord::protective_mbr(sectors) };
    record.boot_strap_code[CORE_SECTOR..][..8].copy_from_slice(&core.to_le_bytes());
    record.boot_strap_code[DRIVE_CHECK..][..2].copy_from_slice(&NOTHING);
    record.unique_mbr_disk_signature = identity.bytes("disk signature");
    Ok(bytemuck::bytes_of(&record).to_vec())
}

/// GRUB's core as it is on a disk from sector `start` on: in one piece, whole sectors.
fn placed(mut core: Vec<u8>, start: u64) -> Result<Vec<u8>, ImageError> {
    core.resize(core.len().next_multiple_of(SECTOR_BYTES), 0);
    let Some(rest) = core.get_mut(CORE_REST..SECTOR_BYTES) else {
        return Err(ImageError::Grub { reason: "its core is empty" });
    };
    rest[..8].copy_from_slice(&(start + 1).to_le_bytes());
    Ok(core)
}

/// Writes both copies of the partition table.
fn write_table(disk: &mut FileDisk, partitions: &[Partition], identity: &Identity) -> Result<(), ImageError> {
    let mut entries = [GptPartitionEntry::default(); ENTRIES];
    for (entry, Partition { kind, name, sectors }) in entries.iter_mut().zip(partitions) {
        entry.partition_type_guid = *kind;
        entry.unique_partition_guid = identity.guid(name);
        entry.starting_lba = LbaLe::from_u64(sectors.start);
        entry.ending_lba = LbaLe::from_u64(sectors.end - 1);
        entry.name = name.parse().unwrap_or_default();
    }
    let array = bytemuck::bytes_of(&entries);
    let last = disk.sectors() - 1;
    for (mine, other, at) in [(1, last, 2), (last, 1, last - ENTRIES_SECTORS)] {
        let mut header = GptHeader {
            my_lba: LbaLe::from_u64(mine),
            alternate_lba: LbaLe::from_u64(other),
            first_usable_lba: LbaLe::from_u64(2 + ENTRIES_SECTORS),
            last_usable_lba: LbaLe::from_u64(last - ENTRIES_SECTORS - 1),
            disk_guid: identity.guid("disk"),
            partition_entry_lba: LbaLe::from_u64(at),
            number_of_partition_entries: U32Le::from_u32(ENTRIES as u32),
            partition_entry_array_crc32: Crc32(U32Le::from_u32(crc32fast::hash(array))),
            ..GptHeader::default()
        };
        header.update_header_crc32();
        let mut sector = bytemuck::bytes_of(&header).to_vec();
        sector.resize(SECTOR_BYTES, 0);
        write(disk, mine, &sector)?;
        write(disk, at, array)?;
    }
    Ok(())
}

/// Makes the last partition an empty store.
fn format_store(mut disk: FileDisk, identity: &Identity) -> Result<(), ImageError> {
    let table = table(&mut disk).ok().flatten();
    let place = table.and_then(|table| place_in(&table, *table.partitions.last()?).ok());
    let place = place.ok_or(StoreError::NotFormatted)?;
    // All that may be drawn begin with the bytes by which the command line names the store.
    let mut draw = 0_u32;
    let new_id = || {
        let mut id: StoreId = identity.bytes(&std::format!("store {draw}"));
        id[..NAME_BYTES].copy_from_slice(&identity.bytes::<NAME_BYTES>("store"));
        draw += 1;
        id
    };
    Store::format_in(Region::new(disk, place), new_id)?;
    Ok(())
}

/// Writes whole sectors from `first` on. Where there are only zeros the file has a hole, and has zeros too.
fn write(disk: &mut FileDisk, first: u64, bytes: &[u8]) -> Result<(), ImageError> {
    for (first, chunk) in (first..).step_by(MIB_SECTORS as usize).zip(bytes.chunks(MIB_SECTORS as usize * SECTOR_BYTES))
    {
        if chunk.iter().any(|&byte| byte != 0) {
            disk.write(first, chunk).map_err(StoreError::from)?;
        }
    }
    Ok(())
}
