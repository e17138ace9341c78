//! Images as people make them with `bareflow image`: what they boot and remember, in QEMU, and that the same inputs give the same
//! bytes. `./just test` runs the short ones, `./just test-images` all of them.

mod common;
#[path = "common/inline.rs"]
mod inline;

use bareflow::host::image::Format;
use bareflow::host::qemu::disk::{Chipset, Controller, Disk};
use bareflow::host::qemu::{Ending, Machine};
use bareflow::store::place::survey;
use common::qemu::{Boot, TIMEOUT, code, fresh_store, kernel, program};
use inline::Program;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A program that is short enough for many boots and has something to specialise.
const PROGRAM: &str = "micro_memcpy";

fn folder() -> TempDir {
    TempDir::new().expect("a temporary folder can be made")
}

fn bareflow(words: &[&str], paths: &[&Path]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bareflow"));
    command.args(words).args(paths).output().expect("the bareflow command can be run")
}

/// What a command that succeeds prints.
fn said(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// An image of this name in `folder`.
fn image(folder: &TempDir, name: &str) -> PathBuf {
    let out = folder.path().join(name);
    said(bareflow(&["image", "--words", "after=off"], &[&out, &program(PROGRAM)]));
    out
}

/// Boots the image that is the first of `disks`.
fn boot(disks: Vec<Disk>, chipset: Chipset, uefi: bool) -> Boot {
    run(&Machine { disks, chipset, uefi, ..Machine::without_iso() })
}

fn run(machine: &Machine) -> Boot {
    Boot { outcome: machine.run(TIMEOUT).unwrap_or_else(|error| panic!("{error}")) }
}

/// Fails the test unless `boot` was this one on its store, and knew all earlier ones.
fn expect_boot(boot: &Boot, number: u64) {
    let row = boot.row();
    assert_eq!((row.boot, row.generation), (number, number - 1), "{}", boot.log());
    assert_eq!(row.code_loaded > 0, number > 1, "{}", boot.log());
    boot.expect(&format!("profile saved as generation {number}\n"));
}

/// Two boots of the image: the second starts from what the first left in it.
fn remembers(disk: &Disk, chipset: Chipset, uefi: bool) {
    for number in [1, 2] {
        let boot = boot(vec![disk.clone()], chipset, uefi);
        boot.expect_code(code::SUCCESS);
        expect_boot(&boot, number);
    }
}

#[test]
fn an_image_boots_by_a_bios_and_remembers_in_itself() {
    let folder = folder();
    let image = image(&folder, "x.img");
    remembers(&Disk::new(Controller::Ide, &image), Chipset::Pc, false);
    let shown = said(bareflow(&["store", "show"], &[&image]));
    assert!(shown.contains("on partition 3\nstore: starting from generation 2"), "{shown}");
}

#[test]
fn an_image_boots_by_uefi_and_remembers_in_itself() {
    let folder = folder();
    remembers(&Disk::new(Controller::Ahci, image(&folder, "x.img")), Chipset::Q35, true);
}

#[test]
fn an_image_uses_its_own_store_where_there_is_another() {
    let folder = folder();
    let image = image(&folder, "x.img");
    let other = fresh_store(&folder);
    let before = fs::read(&other).unwrap();
    let disks = vec![Disk::new(Controller::Ide, &image), Disk::new(Controller::Virtio, &other)];
    expect_boot(&boot(disks, Chipset::Pc, false), 1);
    assert!(fs::read(&other).unwrap() == before, "the other store was written to");
}

#[test]
fn the_same_inputs_give_the_same_bytes_and_others_do_not() {
    let folder = folder();
    let names = ["x.img", "x.qcow2", "x.vmdk", "x.vdi", "x.iso"];
    let all = || names.map(|name| fs::read(image(&folder, name)).unwrap());
    let first = all();
    names.iter().for_each(|name| fs::remove_file(folder.path().join(name)).unwrap());
    // All the others were made in between, so clocks have gone on.
    for ((name, first), second) in names.iter().zip(first).zip(all()) {
        assert!(first == second, "{name} differs from one time to the next");
    }
    let other = folder.path().join("other.img");
    said(bareflow(&["image", "--words", "verbose"], &[&other, &program(PROGRAM)]));
    let ids = [&other, &folder.path().join("x.img")].map(|path| said(bareflow(&["store", "show"], &[path])));
    assert_ne!(ids[0].lines().next(), ids[1].lines().next());
}

/// What `./just image` and `./just iso` do with these settings, where there is a variable HERE.
fn recipe(out: &Path, settings: &[String]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("grub/image.sh");
    let mut command = Command::new(script);
    command.env("HERE", "x y").arg(env!("CARGO_BIN_EXE_bareflow")).arg(out).args(settings);
    command.output().expect("grub/image.sh can be run")
}

#[test]
fn settings_of_a_recipe_reach_the_program() {
    let program = Program::wat(include_str!("command/directory.wat"));
    let data = program.folder().join("some data");
    fs::create_dir_all(data.join("inner")).unwrap();
    fs::write(data.join("inner/text.txt"), "a text\n").unwrap();
    let iso = program.folder().join("x.iso");
    let settings = [
        format!("PROGRAM={}", program.path().display()),
        format!("DIRS='{}::/data' tests/command", data.display()),
        String::from("ENV=\"A=b c\" HERE B="),
        String::from("WORDS=after=off"),
    ];
    said(recipe(&iso, &settings));
    let boot = run(&Machine::new(&iso));
    boot.expect_code(code::SUCCESS).expect("/dataA=b c\0HERE=x y\0B=\0a text\nnew\n");
}

#[test]
fn settings_of_a_recipe_that_are_quoted_wrongly_make_no_image() {
    let folder = folder();
    for setting in ["DIRS='data", "ENV=\"A=b", "ARGS=it's"] {
        let out = folder.path().join("x.iso");
        let output = recipe(&out, &[format!("PROGRAM={}", program(PROGRAM).display()), setting.to_string()]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains("unmatched"), "{setting}: {error}");
        assert!(!out.exists(), "{setting}");
    }
}

#[test]
fn an_image_is_the_same_disk_in_every_format() {
    let folder = folder();
    let raw = image(&folder, "x.img");
    for format in [Format::Qcow2, Format::Vmdk, Format::Vdi].map(Format::name) {
        let other = image(&folder, &format!("x.{format}"));
        let compared =
            Command::new("qemu-img").args(["compare", "-f", "raw", "-F", format]).args([&raw, &other]).output();
        let said = said(compared.expect("qemu-img can be run"));
        assert!(said.contains("Images are identical"), "{format}: {said}");
    }
}

#[test]
fn an_image_on_a_larger_disk_is_an_image_still() {
    let folder = folder();
    let image = image(&folder, "x.img");
    let file = fs::OpenOptions::new().write(true).open(&image).unwrap();
    file.set_len(file.metadata().unwrap().len() + (10 << 20)).unwrap();
    drop(file);
    let mut disk = bareflow::host::disk::FileDisk::open_read_only(&image).unwrap();
    let found = survey(&mut disk);
    assert_eq!((found.stores.len(), found.problems.len()), (1, 0), "{found:?}");
}

#[test]
fn an_installed_command_finds_the_kernel_in_its_lib_folder() {
    let folder = folder();
    let place = |name: &str| folder.path().join(name);
    for (source, target) in
        [(Path::new(env!("CARGO_BIN_EXE_bareflow")), "bin/bareflow"), (&kernel(), "lib/bareflow/kernel")]
    {
        fs::create_dir_all(place(target).parent().unwrap()).unwrap();
        fs::copy(source, place(target)).unwrap();
    }
    let make = || {
        let command =
            Command::new(place("bin/bareflow")).arg("image").args([&place("x.iso"), &program("hello")]).output();
        command.expect("the command can be run")
    };
    said(make());
    fs::remove_file(place("x.iso")).unwrap();
    fs::remove_file(place("lib/bareflow/kernel")).unwrap();
    let error = String::from_utf8_lossy(&make().stderr).into_owned();
    assert!(error.contains("there is no kernel at ") && error.contains("./just install"), "{error}");
}

/// Fails the test unless the command refuses, with these words, and leaves nothing behind.
#[track_caller]
fn expect_refused(folder: &TempDir, words: &[&str], paths: &[&Path], expected: &str) {
    let files = || fs::read_dir(folder.path()).unwrap().count();
    let before = files();
    let output = bareflow(words, paths);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && error.contains(expected), "{error}");
    assert_eq!(files(), before, "something was left behind");
}

#[test]
fn what_cannot_become_an_image_is_said_and_nothing_is_left_behind() {
    let folder = folder();
    let (out, present) = (folder.path().join("x.img"), folder.path().join("present.img"));
    fs::write(&present, b"precious").unwrap();
    let hello = program("hello");
    expect_refused(&folder, &["image"], &[&present, &hello], "present.img is there already");
    assert_eq!(fs::read(&present).unwrap(), b"precious");
    expect_refused(&folder, &["image", "--force"], &[folder.path(), &hello], "is not a file: make an image in one");
    expect_refused(&folder, &["image"], &[&out, Path::new("/none.wasm")], "there is no file /none.wasm");
    expect_refused(&folder, &["image", "--kernel", "/none"], &[&out, &hello], "there is no kernel at /none");
    expect_refused(&folder, &["image", "--file", "/none"], &[&out, &hello], "there is no file /none");
    let profile = present.to_string_lossy();
    expect_refused(&folder, &["image", "--profile", &profile], &[&out, &hello], "present.img is no exported profile");
    let output =
        Command::new(env!("CARGO_BIN_EXE_bareflow")).env("PATH", "").arg("image").args([&out, &hello]).output();
    let error = String::from_utf8_lossy(&output.unwrap().stderr).into_owned();
    assert!(error.contains("there is no grub-mkimage: install the package grub-common"), "{error}");
}

#[test]
fn a_shipped_profile_is_what_a_first_boot_starts_from() {
    let folder = folder();
    let first = image(&folder, "first.img");
    boot(vec![Disk::new(Controller::Ide, &first)], Chipset::Pc, false).expect_code(code::SUCCESS);
    let second = folder.path().join("second.img");
    let words = ["image", "--words", "after=off", "--profile", &first.to_string_lossy()];
    said(bareflow(&words, &[&second, &program(PROGRAM)]));
    let boot = boot(vec![Disk::new(Controller::Ide, &second)], Chipset::Pc, false);
    boot.expect_code(code::SUCCESS).expect("starting from the shipped profile of ");
}

/// `image`, which is in this format, as QEMU takes it for a raw disk.
fn opened(image: &Path, format: Format) -> PathBuf {
    if format == Format::Raw {
        return image.into();
    }
    let file = serde_json::json!({"driver": "file", "filename": image.to_string_lossy()});
    let disk = serde_json::json!({"driver": format.name(), "file": file});
    format!("json:{}", serde_json::json!({"driver": "raw", "file": disk})).into()
}

#[test]
#[ignore = "takes ten minutes: ./just test-images"]
fn images_remember_on_every_controller_machine_and_firmware_and_in_every_format() {
    let mut machines = Vec::new();
    for controller in
        [Controller::Ide, Controller::Ahci, Controller::Nvme, Controller::Virtio, Controller::VirtioLegacy]
    {
        machines.extend(Chipset::ALL.map(|chipset| (Format::Raw, controller, chipset)));
    }
    let others = [(Controller::Ide, Chipset::Pc), (Controller::Ahci, Chipset::Q35)];
    for format in [Format::Qcow2, Format::Vmdk, Format::Vdi] {
        machines.extend(others.map(|(controller, chipset)| (format, controller, chipset)));
    }
    let mut failures = 0;
    for (format, controller, chipset) in machines {
        for uefi in [false, true] {
            let firmware = if uefi { "UEFI" } else { "BIOS" };
            let name = format!("{:<6}{:<15}{:<4} {firmware}", format.name(), controller.name(), chipset.name());
            let folder = folder();
            let image = image(&folder, &format!("x.{}", format.name()));
            let disk = Disk::new(controller, opened(&image, format));
            let first = boot(vec![disk.clone()], chipset, uefi);
            if let Ending::Failed(_) = first.outcome.ending {
                println!("{name}  QEMU has none: {}", first.outcome.messages.trim());
                continue;
            }
            let second = boot(vec![disk], chipset, uefi);
            let is_saved = |boot: &Boot, number| {
                boot.outcome.ending == Ending::DebugExit(code::SUCCESS)
                    && boot
                        .outcome
                        .serial
                        .boot_row()
                        .is_ok_and(|row| (row.boot, row.generation) == (number, number - 1))
                    && boot.text().contains(&format!("profile saved as generation {number}\n"))
            };
            let works = is_saved(&first, 1) && is_saved(&second, 2);
            let seconds = [&first, &second].map(|boot| format!("{:.1} s", boot.outcome.elapsed.as_secs_f64()));
            println!("{name}  {}  {}", if works { "remembers" } else { "FAILED" }, seconds.join(", "));
            if !works {
                failures += 1;
                println!("{}\n{}", first.log(), second.log());
            }
        }
    }
    assert_eq!(failures, 0);
}

#[test]
#[ignore = "takes a minute: ./just test-images"]
fn an_iso_boots_from_a_cd_and_as_a_disk_under_both_firmwares() {
    let folder = folder();
    let iso = image(&folder, "x.iso");
    for uefi in [false, true] {
        let cd = Machine { uefi, ..Machine::new(&iso) };
        run(&cd).expect_code(code::SUCCESS);
        boot(vec![Disk::new(Controller::Ahci, &iso)], Chipset::Q35, uefi).expect_code(code::SUCCESS);
    }
}

#[test]
#[ignore = "takes two minutes: ./just test-images"]
fn an_image_remembers_on_the_devices_nearest_to_those_of_virtualbox() {
    for (controller, chipset) in [(Controller::Ide, Chipset::Pc), (Controller::Ahci, Chipset::Q35)] {
        for uefi in [false, true] {
            let folder = folder();
            let disks = vec![Disk::new(controller, image(&folder, "x.img"))];
            let extra = ["-vga", "vmware", "-device", "pcnet"].map(String::from).into();
            // Without the device for tests, so that the machine is switched off by ACPI.
            let machine = Machine { disks, chipset, uefi, extra, exit_device: false, ..Machine::without_iso() };
            for number in [1, 2] {
                let boot = run(&machine);
                assert_eq!(boot.outcome.ending, Ending::PoweredOff, "{}", boot.log());
                expect_boot(&boot, number);
            }
        }
    }
}

/// What `grub/virtualbox.sh` prints with these words.
fn virtualbox(words: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("grub/virtualbox.sh");
    Command::new(script).arg("--dry-run").args(words).output().expect("grub/virtualbox.sh can be run")
}

#[test]
fn the_virtualbox_script_says_how_a_machine_for_a_disk_is_made() {
    let folder = folder();
    let disk = folder.path().join("a b.vdi");
    fs::write(&disk, b"").unwrap();
    let shown = disk.to_string_lossy();
    let commands = said(virtualbox(&[&shown]));
    for line in [
        "VBoxManage createvm --name a\\ b --ostype Other_64 --register",
        "--chipset piix3",
        "--firmware bios",
        "--uart1 0x3F8 4",
        "--add ide --controller PIIX4",
        "--type hdd --medium ",
        "VBoxManage startvm a\\ b",
    ] {
        assert!(commands.contains(line), "{line}: {commands}");
    }
    let commands = said(virtualbox(&["--ich9", "--efi", "--name", "pc", &shown]));
    for line in ["--name pc ", "--chipset ich9", "--firmware efi64", "--add sata --controller IntelAhci"] {
        assert!(commands.contains(line), "{line}: {commands}");
    }
}

#[test]
fn the_virtualbox_script_refuses_what_virtualbox_cannot_write() {
    let folder = folder();
    for (name, expected) in
        [("x.img", "bareflow image x.vdi"), ("x.qcow2", "bareflow image x.vdi"), ("none.vdi", "there is no ")]
    {
        let path = folder.path().join(name);
        if name.starts_with('x') {
            fs::write(&path, b"").unwrap();
        }
        let output = virtualbox(&[&path.to_string_lossy()]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && error.contains(expected), "{name}: {error}");
    }
}
