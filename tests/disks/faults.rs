//! Disks that fail, stall and go away. Whatever they do, the program's result is right, the boot ends, the kernel says what
//! happened, and no generation is lost.

use super::nbd::{Answer, Kind, Request, Server};
use super::{CONTROLLERS, copy_of_generations, each, expect_right_result, folder, generation, guest};
use crate::common::qemu::{Boot, TIMEOUT};
use bareflow::host::qemu::disk::{Controller, Disk};
use bareflow::host::qemu::serial::HANDOVER;
use bareflow::host::qemu::{Ending, Running};
use serde_json::json;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Boots on a store of two generations, of whose disk the `plan` decides; what was said about the store, and the requests.
fn boot_by(controller: Controller, plan: impl Fn(&Request) -> Answer + Send + 'static) -> (String, Vec<Request>) {
    let folder = folder();
    let image = copy_of_generations(&folder, 2);
    let server = Server::start(folder.path(), &image, plan);
    let (_guest, mut running) = guest(Disk::new(controller, server.image())).start();
    kernel_runs(&mut running, &server);
    let boot = Boot { outcome: running.finish(TIMEOUT, &mut |_| ()) };
    (checked(&boot, &image), server.requests())
}

fn kernel_runs(running: &mut Running, server: &Server) {
    running.wait_for(HANDOVER, TIMEOUT).unwrap_or_else(|error| panic!("{error}"));
    server.kernel_runs();
}

/// What `boot` said about its store, in a line; fails the test unless the boot went well in all else, and left `image` with
/// the generation that it says, or with one at least as new as before.
fn checked(boot: &Boot, image: &Path) -> String {
    expect_right_result(boot);
    let said: Vec<String> = boot.kernel_lines().into_iter().filter(|line| !line.starts_with("boot ")).collect();
    assert!(!said.is_empty(), "{}", boot.log());
    let is_saved = boot.text().contains("profile saved as generation ");
    let left = generation(image);
    assert!(left == 3 || left == 2 && !is_saved, "left with generation {left}: {}", boot.log());
    format!("{:.1} s: {}", boot.outcome.elapsed.as_secs_f64(), said.join(" | "))
}

/// Fails the test unless the kernel said one of `words`.
fn expect_said(said: String, words: &[&str]) -> String {
    assert!(words.iter().any(|word| said.contains(word)), "one of {words:?} was not said: {said}");
    said
}

/// The name of a case on a controller.
fn name<T: std::fmt::Debug>((controller, case): &(Controller, T)) -> String {
    format!("{:<14} {case:?}", controller.name())
}

/// Each of `cases` on each controller.
fn on_all<T: Copy>(cases: &[T]) -> Vec<(Controller, T)> {
    CONTROLLERS.into_iter().flat_map(|controller| cases.iter().map(move |&case| (controller, case))).collect()
}

#[test]
#[ignore = "takes minutes: ./just test-disks"]
fn a_medium_that_fails_is_said_and_costs_no_generation() {
    each(&on_all(&["read", "write", "flush"]), name, |&(controller, kind)| {
        let folder = folder();
        let image = copy_of_generations(&folder, 2);
        let rules = folder.path().join("rules");
        let rule = format!("[inject-error]\nevent = \"none\"\niotype = \"{kind}\"\nerrno = \"5\"\n");
        fs::write(&rules, rule).expect("the temporary folder can be written");
        let failing = format!("blkdebug:{}:{}", rules.display(), image.display());
        let boot = guest(Disk::new(controller, failing)).run();
        boot.expect("\"store\":\"none\"");
        expect_said(checked(&boot, &image), &[&format!("{kind} failed")])
    });
}

/// Which requests a boot makes whose disk does what it is told.
fn requests(controller: Controller) -> Vec<Request> {
    let (said, requests) = boot_by(controller, |_| Answer::Done);
    expect_said(said, &["profile saved as generation 3"]);
    assert!(requests.iter().any(|request| request.kind == Kind::Flush), "nothing was flushed: {requests:?}");
    requests
}

/// All requests of a boot on each controller.
fn all_requests() -> Vec<(Controller, (Kind, usize))> {
    let of = |controller| requests(controller).into_iter().map(move |it| (controller, (it.kind, it.number)));
    CONTROLLERS.into_iter().flat_map(of).collect()
}

#[test]
#[ignore = "takes minutes: ./just test-disks"]
fn a_request_that_fails_once_is_made_again_unless_it_is_a_flush() {
    each(&all_requests(), name, |&(controller, (kind, number))| {
        let fails = move |it: &Request| (it.kind, it.number) == (kind, number);
        let answer = move |it: &Request| if fails(it) { Answer::Error } else { Answer::Done };
        let (said, _) = boot_by(controller, answer);
        expect_said(said, &[if kind == Kind::Flush { "flush failed" } else { "profile saved as generation 3" }])
    });
}

#[test]
#[ignore = "takes minutes: ./just test-disks"]
fn a_medium_that_fails_from_some_request_on_is_said_and_costs_no_generation() {
    each(&all_requests(), name, |&(controller, (kind, number))| {
        let answer =
            move |it: &Request| if it.kind == kind && it.number >= number { Answer::Error } else { Answer::Done };
        let (said, _) = boot_by(controller, answer);
        let words = if kind == Kind::Read {
            "read failed"
        } else if kind == Kind::Write {
            "write failed"
        } else {
            "flush failed"
        };
        expect_said(said, &[words])
    });
}

/// First sector of slot 1 (`src/store/FORMAT.md`), in which the second generation is.
const SLOT_1: u64 = 16 + 1016;
/// Where code begins.
const CODE: u64 = SLOT_1 + 1016;

#[test]
#[ignore = "takes minutes: ./just test-disks"]
fn a_disk_that_is_bad_behind_some_sector_is_used_as_far_as_it_goes() {
    let cases = [
        (8, "failed at sector "),
        (16, "failed at sector 16"),
        (SLOT_1, "starting from generation 1; "),
        (CODE, "code "),
    ];
    each(&on_all(&cases), name, |&(controller, (sound, words))| {
        let is_sound = move |it: &Request| it.first_sector + it.sectors <= sound;
        let (said, _) = boot_by(controller, move |it| if is_sound(it) { Answer::Done } else { Answer::Error });
        expect_said(said, &[words])
    });
}

/// Longer than any driver waits for an answer. For ever it cannot be: when the driver resets the device, and when it ends, QEMU
/// itself waits for what the server owes, and the guest stands still.
const NEVER: Duration = Duration::from_secs(40);

#[test]
#[ignore = "takes minutes: ./just test-disks"]
fn a_disk_that_never_answers_is_given_up() {
    let cases =
        [(Kind::Read, 0), (Kind::Read, 3), (Kind::Write, 0), (Kind::Write, 1), (Kind::Flush, 0), (Kind::Flush, 1)];
    each(&on_all(&cases), name, |&(controller, (kind, number))| {
        let stalls = move |it: &Request| it.kind == kind && (number..number + 2).contains(&it.number);
        let (said, _) = boot_by(controller, move |it| if stalls(it) { Answer::After(NEVER) } else { Answer::Done });
        expect_said(said, &["no answer within ", "profile saved as generation 3"])
    });
}

#[test]
#[ignore = "takes minutes: ./just test-disks"]
fn an_answer_that_comes_after_ten_seconds_is_waited_for() {
    each(&on_all(&[Kind::Read, Kind::Write, Kind::Flush]), name, |&(controller, kind)| {
        const DELAY: Duration = Duration::from_secs(10);
        let is_late = move |it: &Request| (it.kind, it.number) == (kind, 1);
        let (said, _) = boot_by(controller, move |it| if is_late(it) { Answer::After(DELAY) } else { Answer::Done });
        expect_said(said, &["profile saved as generation 3"])
    });
}

#[test]
#[ignore = "takes minutes: ./just test-disks"]
fn a_disk_that_can_only_be_read_is_read() {
    each(&on_all(&["read-only"]), name, |&(controller, _)| {
        let folder = folder();
        let image = copy_of_generations(&folder, 2);
        let before = fs::read(&image).expect("the store can be read");
        let boot = guest(Disk { read_only: true, ..Disk::new(controller, &image) }).try_run();
        if let Ending::Failed(_) = boot.outcome.ending {
            return format!("QEMU has none: {}", boot.outcome.messages.trim());
        }
        boot.expect("store: starting from generation 2").expect("\"store\":\"none\"");
        assert!(fs::read(&image).expect("the store can be read") == before, "it was written to");
        expect_said(checked(&boot, &image), &["this boot will not be remembered"])
    });
}

#[test]
#[ignore = "takes minutes: ./just test-disks"]
fn a_disk_that_is_pulled_out_while_it_is_written_costs_no_generation() {
    each(&on_all(&["removed"]), name, |&(controller, _)| {
        let folder = folder();
        let image = copy_of_generations(&folder, 2);
        let pulled = |it: &Request| (it.kind, it.number) == (Kind::Write, 1);
        let answer = move |it: &Request| if pulled(it) { Answer::After(Duration::from_secs(2)) } else { Answer::Done };
        let server = Server::start(folder.path(), &image, answer);
        let (_guest, mut running) = guest(Disk::new(controller, server.image())).start();
        kernel_runs(&mut running, &server);
        let deadline = Instant::now() + TIMEOUT;
        while !server.requests().iter().any(pulled) {
            assert!(Instant::now() < deadline, "nothing is saved");
            thread::sleep(Duration::from_millis(5));
        }
        // Only a guest that takes part lets go of a device; what is behind it can be taken from any.
        let asked = running.control(json!({"execute": "device_del", "arguments": {"id": "device0"}}));
        let taken = json!({"execute": "human-monitor-command", "arguments": {"command-line": "drive_del disk0"}});
        running.control(taken).unwrap_or_else(|error| panic!("{error}"));
        let boot = Boot { outcome: running.finish(TIMEOUT, &mut |_| ()) };
        let said =
            expect_said(checked(&boot, &image), &["the profile was not saved: ", "profile saved as generation 3"]);
        format!("device_del: {}; {said}", asked.map_or_else(|error| error.to_string(), |_| "accepted".into()))
    });
}
