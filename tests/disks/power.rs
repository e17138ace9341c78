//! Power failures while a boot saves.

use super::{CONTROLLERS, copy_of_generations, each, folder, generation, generations, guest};
use crate::common::qemu::TIMEOUT;
use bareflow::host::qemu::disk::{Controller, Disk};
use std::thread;
use std::time::{Duration, Instant};

/// What the program prints last: saving follows.
const LAST_OUTPUT: &str = ", checksum ";
const FAILURES: u32 = 20;

/// Boots on the controller; how long it takes from the program's output to the machine's end, which is cut short after `delay`.
fn save(controller: Controller, delay: Duration) -> (Duration, u64) {
    let folder = folder();
    let image = copy_of_generations(&folder, 1);
    let (_guest, mut running) = guest(Disk::new(controller, &image)).start();
    running.wait_for(LAST_OUTPUT, TIMEOUT).unwrap_or_else(|error| panic!("{error}"));
    let ended = Instant::now();
    if delay == Duration::MAX {
        running.finish(TIMEOUT, &mut |_| ());
    } else {
        thread::sleep(delay);
        running.kill();
    }
    (ended.elapsed(), generation(&image))
}

#[test]
#[ignore = "takes minutes: ./just test-disks"]
fn a_power_failure_at_any_moment_of_saving_leaves_the_old_or_the_new_generation() {
    generations(1);
    each(
        &CONTROLLERS,
        |controller| controller.name().into(),
        |&controller| {
            let (takes, saved) = save(controller, Duration::MAX);
            assert_eq!(saved, 2);
            let left = (0..FAILURES).map(|number| save(controller, takes * 3 / 2 * number / FAILURES).1);
            let new = left
                .inspect(|left| assert!([1, 2].contains(left), "left with {left}"))
                .filter(|&left| left == 2)
                .count();
            format!(
                "{FAILURES} failures within {} ms of {}: {new} left the new generation",
                (takes * 3 / 2).as_millis(),
                takes.as_millis()
            )
        },
    );
}
