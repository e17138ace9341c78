//! Five boots of each program on one store, every boot a process with a clock and random numbers of its own: the same output,
//! in code of the boots before.

use crate::Work;
use crate::processes::five_boots_that_settle;
use crate::programs::Run;

impl Work {
    /// Boots it promoted in flight, and between boots; from the third boot on nothing is compiled.
    #[track_caller]
    fn expect_boots_alike(&self, expected: &Run) {
        let Some(module) = self.program.module() else { return };
        let in_flight = five_boots_that_settle(&module.path, self.args, &self.files, &[]);
        let between = five_boots_that_settle(&module.path, self.args, &self.files, &["--promote", "boots"]);
        for boots in [in_flight, between] {
            assert_eq!((boots[0].exit, &boots[0].stdout), (expected.exit, &expected.stdout), "{}", boots[0].stderr);
        }
    }
}

#[test]
fn icepll_and_resvg_do_the_same_in_code_of_earlier_boots() {
    for (work, expected) in [crate::clock_settings(), crate::measures()] {
        work.expect_boots_alike(&expected);
    }
}

#[test]
fn boolector_decides_the_same_in_code_of_earlier_boots() {
    for (work, expected) in [crate::factors(), crate::odd_square()] {
        work.expect_boots_alike(&expected);
    }
}

#[test]
fn cpython_prints_the_same_in_code_of_earlier_boots() {
    let (work, expected) = crate::script();
    work.expect_boots_alike(&expected);
}
