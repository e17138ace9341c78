//! Every controller in every machine under every firmware.

use super::{CONTROLLERS, each, expect_right_result, folder, guest, other_chipset, output, small_store};
use bareflow::host::qemu::Ending;
use bareflow::host::qemu::disk::{Chipset, Controller, Disk};
use bareflow::profile::BootRow;
use std::path::Path;

/// Two boots: the second starts from what the first saved, and runs its code.
fn second_boot_knows_the_first(controller: Controller) {
    let folder = folder();
    let store = small_store(&folder);
    let guest = guest(Disk::new(controller, &store)).chipset(other_chipset(controller));
    for number in [1, 2] {
        let boot = guest.run();
        expect_right_result(&boot);
        let row = boot.row();
        assert_eq!((row.boot, row.generation), (number, number - 1), "{}", boot.log());
        assert_eq!(row.code_loaded > 0, number > 1, "{}", boot.log());
        boot.expect(&format!("profile saved as generation {number}\n"));
    }
}

#[test]
fn an_ide_disk_remembers() {
    second_boot_knows_the_first(Controller::Ide);
}

#[test]
fn a_disk_behind_ahci_remembers() {
    second_boot_knows_the_first(Controller::Ahci);
}

#[test]
fn an_nvme_disk_remembers() {
    second_boot_knows_the_first(Controller::Nvme);
}

#[test]
fn an_nvme_disk_with_large_blocks_remembers() {
    second_boot_knows_the_first(Controller::Nvme4096);
}

#[test]
fn a_virtio_disk_remembers() {
    second_boot_knows_the_first(Controller::Virtio);
}

#[test]
fn a_virtio_disk_of_the_old_kind_remembers() {
    second_boot_knows_the_first(Controller::VirtioLegacy);
}

const BOOTS: u64 = 5;

/// A machine with a disk on some controller.
struct Combination {
    controller: Controller,
    chipset: Chipset,
    uefi: bool,
}

impl Combination {
    fn name(&self) -> String {
        let firmware = if self.uefi { "UEFI" } else { "BIOS" };
        format!("{:<14} {:<4} {firmware}", self.controller.name(), self.chipset.name())
    }

    /// Boots five times on one store and switches off by ACPI; the ticks of each boot. QEMU's own reason where it has no such
    /// machine. Under UEFI ticks follow real time, for a boot that counts instructions takes more than a minute.
    fn boots(&self) -> String {
        let folder = folder();
        let store = small_store(&folder);
        let guest = guest(Disk::new(self.controller, &store)).chipset(self.chipset).uefi(self.uefi);
        let guest = if self.uefi { guest } else { guest.counting_instructions() }.without_exit_device();
        let mut rows: Vec<BootRow> = Vec::new();
        for number in 1..=BOOTS {
            let boot = guest.try_run();
            if let Ending::Failed(_) = boot.outcome.ending {
                return format!("QEMU has none: {}", boot.outcome.messages.trim());
            }
            assert_eq!(boot.outcome.ending, Ending::PoweredOff, "{}", boot.log());
            assert_eq!(boot.output(), output(), "{}", boot.log());
            boot.expect(&format!("profile saved as generation {number}\n"));
            let row = boot.row();
            assert_eq!((row.boot, row.generation, row.exit_code), (number, number - 1, 0), "{}", boot.log());
            rows.push(row);
        }
        let (first, last) = (&rows[0], &rows[rows.len() - 1]);
        assert_eq!((first.code_loaded, last.functions_compiled_this_boot), (0, 0), "compiled in the last boot");
        assert!(self.uefi || last.ticks_total < first.ticks_total, "the boots did not become faster");
        rows.iter().map(|row| format!("{:>14}", row.ticks_total)).collect()
    }
}

#[test]
#[ignore = "takes 20 minutes: ./just test-disks"]
fn stores_converge_on_every_controller_machine_and_firmware() {
    let mut combinations = Vec::new();
    for controller in CONTROLLERS {
        for chipset in Chipset::ALL {
            combinations.extend([false, true].map(|uefi| Combination { controller, chipset, uefi }));
        }
    }
    println!("ticks of boots 1 to {BOOTS}: instructions under a BIOS, real time under UEFI");
    each(&combinations, Combination::name, Combination::boots);
}

/// The store goes on as boot number `number` on `controller`.
fn goes_on(store: &Path, controller: Controller, number: u64) {
    let boot = guest(Disk::new(controller, store)).run();
    expect_right_result(&boot);
    let row = boot.row();
    assert_eq!((row.boot, row.generation), (number, number - 1), "{}: {}", controller.name(), boot.log());
    assert!(number == 1 || row.code_loaded > 0, "{}: {}", controller.name(), boot.log());
}

#[test]
#[ignore = "takes 3 minutes: ./just test-disks"]
fn a_store_written_on_one_controller_is_read_on_every_other() {
    let folder = folder();
    let store = small_store(&folder);
    // A walk in which each follows each other one.
    let mut walk = Vec::new();
    for (index, &one) in CONTROLLERS.iter().enumerate() {
        CONTROLLERS[index + 1..].iter().for_each(|&other| walk.extend([one, other]));
        walk.push(one);
    }
    for (number, &controller) in (1..).zip(&walk) {
        println!("boot {number} of {} on {}", walk.len(), controller.name());
        goes_on(&store, controller, number);
    }
}
