//! What kinds of devices there are (PCI Code and ID Assignment Specification 1.11, chapter 1).

/// The kind of a device of this class and subclass in words; of a class alone where the subclass says nothing more.
pub const fn describe(class: u8, subclass: u8) -> &'static str {
    match (class, subclass) {
        (0x01, 0x00) => "SCSI controller",
        (0x01, 0x01) => "IDE controller",
        (0x01, 0x04) => "RAID controller",
        (0x01, 0x06) => "SATA controller",
        (0x01, 0x08) => "NVMe controller",
        (0x01, _) => "storage controller",
        (0x02, 0x00) => "Ethernet controller",
        (0x02, _) => "network controller",
        (0x03, 0x00) => "VGA display",
        (0x03, _) => "display",
        (0x04, 0x03) => "audio device",
        (0x04, _) => "multimedia device",
        (0x05, _) => "memory controller",
        (0x06, 0x00) => "host bridge",
        (0x06, 0x01) => "ISA bridge",
        (0x06, 0x04) => "PCI bridge",
        (0x06, _) => "bridge",
        (0x07, 0x00) => "serial port",
        (0x07, _) => "communication controller",
        (0x08, _) => "system device",
        (0x09, _) => "input device",
        (0x0c, 0x03) => "USB controller",
        (0x0c, 0x05) => "SMBus controller",
        (0x0c, _) => "serial bus",
        (0x0d, _) => "wireless controller",
        (0x10, _) => "encryption controller",
        _ => "other device",
    }
}
