//! How a disk hangs in a machine: controllers, and QEMU's words for them.
//!
//! Key types: [`Disk`], [`Controller`], [`Chipset`].

use super::escape_commas;
use std::format;
use std::path::PathBuf;
use std::string::String;
use std::vec::Vec;

/// A disk of a machine.
#[derive(Clone, Debug)]
pub struct Disk {
    pub controller: Controller,
    /// A raw image, or what else QEMU takes for a file: `nbd:unix:SOCKET`, `blkdebug:RULES:IMAGE`, `json:{...}`.
    pub image: PathBuf,
    /// The guest is told that it cannot write, which only NVMe and virtio can say.
    pub read_only: bool,
}

/// What a disk is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controller {
    Ide,
    Ahci,
    /// With blocks of 512 bytes.
    Nvme,
    /// With blocks of 4096 bytes.
    Nvme4096,
    /// virtio-blk as version 1 of its specification has it, and nothing older.
    Virtio,
    /// virtio-blk from before version 1, by I/O ports only.
    VirtioLegacy,
}

/// The machine around the devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chipset {
    /// A PC of 1996: an IDE controller, no PCI Express.
    Pc,
    /// A PC of 2009: an AHCI controller, PCI Express.
    Q35,
}

impl Controller {
    pub const ALL: [Self; 6] = [Self::Ide, Self::Ahci, Self::Nvme, Self::Nvme4096, Self::Virtio, Self::VirtioLegacy];

    /// Its name on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ide => "ide",
            Self::Ahci => "ahci",
            Self::Nvme => "nvme",
            Self::Nvme4096 => "nvme-4096",
            Self::Virtio => "virtio",
            Self::VirtioLegacy => "virtio-legacy",
        }
    }
}

impl Chipset {
    pub const ALL: [Self; 2] = [Self::Pc, Self::Q35];

    /// QEMU's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pc => "pc",
            Self::Q35 => "q35",
        }
    }
}

impl Disk {
    pub fn new(controller: Controller, image: impl Into<PathBuf>) -> Self {
        Disk { controller, image: image.into(), read_only: false }
    }
}

/// Arguments that attach `disks` to a machine with this chipset, whose own IDE or AHCI controller has its CD drive at index
/// 2. Disk number N is the drive `diskN`, its device or controller `deviceN`.
///
/// There is room for three IDE disks, and for five on AHCI.
pub(super) fn arguments(chipset: Chipset, disks: &[Disk]) -> Vec<String> {
    let mut arguments = Vec::new();
    let (added, controller) = match chipset {
        Chipset::Pc => ("ahci,id=added", Controller::Ahci),
        Chipset::Q35 => ("piix3-ide,id=added", Controller::Ide),
    };
    if disks.iter().any(|disk| disk.controller == controller) {
        arguments.extend(["-device".into(), added.into()]);
    }
    for (number, disk) in disks.iter().enumerate() {
        let (file, read_only) = (escape_commas(&disk.image), if disk.read_only { "on" } else { "off" });
        arguments.push("-drive".into());
        arguments.push(format!("file={file},format=raw,if=none,id=disk{number},readonly={read_only}"));
        let before = disks[..number].iter().filter(|other| other.controller == disk.controller).count();
        let devices = devices(chipset, disk.controller, number, before);
        devices.into_iter().for_each(|device| arguments.extend(["-device".into(), device]));
    }
    arguments
}

/// The devices that make drive `number` a disk on this controller, after `before` others.
fn devices(chipset: Chipset, controller: Controller, number: usize, before: usize) -> Vec<String> {
    let device = format!("drive=disk{number},id=device{number},serial=disk{number}");
    let bus = |owner: Chipset| if owner == chipset { "ide" } else { "added" };
    let place = |owner: Chipset| before + usize::from(owner == chipset && before >= 2);
    let nvme = |block_bytes: usize| {
        let blocks = format!("logical_block_size={block_bytes},physical_block_size={block_bytes}");
        let namespace = format!("nvme-ns,drive=disk{number},id=namespace{number},bus=device{number},{blocks}");
        [format!("nvme,id=device{number},serial=disk{number}"), namespace].into()
    };
    match controller {
        Controller::Ide => {
            let place = place(Chipset::Pc);
            [format!("ide-hd,{device},bus={}.{},unit={}", bus(Chipset::Pc), place / 2, place % 2)].into()
        }
        Controller::Ahci => [format!("ide-hd,{device},bus={}.{}", bus(Chipset::Q35), place(Chipset::Q35))].into(),
        Controller::Nvme => nvme(512),
        Controller::Nvme4096 => nvme(4096),
        Controller::Virtio => [format!("virtio-blk-pci,{device},disable-legacy=on,disable-modern=off")].into(),
        Controller::VirtioLegacy => [format!("virtio-blk-pci,{device},disable-legacy=off,disable-modern=on")].into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the disks hang.
    fn places(chipset: Chipset, controllers: &[Controller]) -> Vec<String> {
        let disks: Vec<Disk> = controllers.iter().map(|&controller| Disk::new(controller, "a,b")).collect();
        let arguments = arguments(chipset, &disks).join(" ");
        assert!(disks.is_empty() || arguments.contains("-drive file=a,,b,format=raw,if=none,id=disk0,"), "{arguments}");
        let words = arguments.split([' ', ',']).filter(|word| word.starts_with("bus=") || word.starts_with("unit="));
        words.map(String::from).collect()
    }

    #[test]
    fn disks_of_a_controller_take_its_places_around_the_cd_drive() {
        use Controller::{Ahci, Ide};
        let ide = ["bus=ide.0", "unit=0", "bus=ide.0", "unit=1", "bus=ide.1", "unit=1"];
        assert_eq!(places(Chipset::Pc, &[Ide; 3]), ide);
        assert_eq!(places(Chipset::Q35, &[Ahci; 3]), ["bus=ide.0", "bus=ide.1", "bus=ide.3"]);
        assert_eq!(places(Chipset::Pc, &[Ahci; 3]), ["bus=added.0", "bus=added.1", "bus=added.2"]);
        let added = ["bus=added.0", "unit=0", "bus=added.0", "unit=1", "bus=added.1", "unit=0"];
        assert_eq!(places(Chipset::Q35, &[Ide; 3]), added);
    }

    #[test]
    fn each_disk_on_pci_has_a_controller_of_its_own() {
        use Controller::{Nvme, Nvme4096, Virtio};
        assert_eq!(places(Chipset::Pc, &[Nvme, Virtio, Nvme4096]), ["bus=device0", "bus=device2"]);
        assert!(arguments(Chipset::Pc, &[]).is_empty());
    }
}
