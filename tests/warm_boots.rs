//! Boots in QEMU that find the code of the boots before them.

mod common;

use bareflow::profile::BootRow;
use common::qemu::{Boot, Guest, code, fresh_store};
use tempfile::TempDir;

/// Boots the sample program, which must end well and say `expected` if there was a boot before; the row, and what it said.
#[track_caller]
fn boot(guest: &Guest, expected: Option<&str>) -> (BootRow, Boot) {
    let boot = guest.run();
    boot.expect_code(code::SUCCESS).expect("\"store\":\"saved\"");
    assert!(expected.is_none_or(|expected| boot.output() == expected), "{}", boot.log());
    (boot.row(), boot)
}

#[test]
fn from_the_third_boot_on_nothing_is_compiled_and_another_cpu_gets_code_of_its_own() {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let store = fresh_store(&folder);
    let guest =
        |cpu: &str, words: &str| Guest::concordance().counting_instructions().store(&store).cpu(cpu).words(words);
    let same = guest("max", "");
    let (first, boot_1) = boot(&same, None);
    let output = boot_1.output();
    assert!(first.code_loaded == 0 && first.functions_compiled_this_boot > 0 && first.ticks_prepare > 0, "{first:#?}");
    let later = [(); 3].map(|()| boot(&same, Some(&output)).0);
    assert!(later[0].code_loaded > 0, "{later:#?}");
    for row in &later[1..] {
        assert!(row.code_loaded > 0 && row.code_rejected == 0, "{row:#?}");
        assert_eq!((row.functions_compiled_this_boot, row.ticks_compile), (0, 0), "{row:#?}");
        assert!(row.functions_specialised > 0 && row.guards_passed > 0, "{row:#?}");
    }
    let loaded = later[2].code_loaded;

    // What is not used stays.
    let (off, _) = boot(&guest("max", "cache=off"), Some(&output));
    assert!(off.code_loaded == 0 && off.functions_compiled_this_boot > 0, "{off:#?}");
    let (verified, said) = boot(&guest("max", "cache=verify"), Some(&output));
    assert_eq!((verified.code_loaded, verified.code_rejected), (loaded, 0), "{verified:#?}");
    said.expect(" are what is made now, byte for byte");

    let other = guest("qemu64", "");
    let (rejected, said) = boot(&other, Some(&output));
    assert_eq!((rejected.code_loaded, rejected.code_rejected), (0, loaded), "{rejected:#?}");
    assert!(rejected.functions_compiled_this_boot > 0, "{rejected:#?}");
    said.expect("code of an earlier boot is not used: it was made for another CPU: ");
    said.expect("\"code_reason\":\"it was made for another CPU: ");
    boot(&other, Some(&output));
    let (row, _) = boot(&other, Some(&output));
    assert!(row.code_loaded > 0 && row.functions_compiled_this_boot == 0, "{row:#?}");
}
