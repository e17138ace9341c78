//! How fast a store is on each controller.

use super::{CONTROLLERS, each, folder};
use crate::common::qemu::{Guest, code, format_store};
use bareflow::host::qemu::disk::Disk;

#[test]
#[ignore = "a benchmark: ./just bench-disks"]
fn speed_of_a_store_on_every_controller() {
    println!("instructions per byte that wait, copy, check and compare, of 8 MiB of code in a store; seconds in QEMU");
    each(
        &CONTROLLERS,
        |controller| controller.name().into(),
        |&controller| {
            let folder = folder();
            let store = format_store(&folder, &["--mib", "64"]);
            let guest = Guest::bare().words("selftest=store").counting_instructions();
            let boot = guest.disk(Disk::new(controller, &store)).run();
            boot.expect_code(code::SELF_TEST_PASSED);
            let lines = boot.kernel_lines();
            let verdict = lines.iter().find_map(|line| line.strip_prefix("selftest store: passed: "));
            verdict.unwrap_or_else(|| panic!("{}", boot.log())).into()
        },
    );
}
