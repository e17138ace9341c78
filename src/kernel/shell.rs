//! The shell on this machine: what is typed on the keyboard or the serial line, and what its commands do here.
//!
//! Key function: [`open`]. Neighbours: `crate::shell` is the shell itself, and knows no machine; [`super::program`] runs the
//! program.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::RefCell;

use super::options;
use super::program::{Runner, Start, choose_store};
use crate::drivers::{interruption, pci};
use crate::engine::cpu::CpuFeatures;
use crate::engine::decide::tier::{Thresholds, Tier};
use crate::engine::decode::module::Module;
use crate::engine::decode::program::named_functions;
use crate::engine::{Listing, Status};
use crate::libc::Heap;
use crate::memory::{self, heap, layout, reserve};
use crate::profile::{FunctionKey, Limits, Profile};
use crate::session::look::{self, Held};
use crate::shell::{Fact, LIBC, Learned, Leave, Machine, Names, Shell, Topic};
use crate::store::place::identifier;

/// Lets somebody type commands until they switch the machine off.
pub fn open(runner: Runner) -> ! {
    runner.terminal.borrow_mut().is_watched();
    let mut desk = Desk { runner, known: None };
    let mut shell = Shell::default();
    shell.greet(&mut desk);
    let leave = loop {
        let byte = desk.runner.terminal.borrow_mut().wait_for_byte();
        if let Some(leave) = shell.press(byte, &mut desk) {
            break leave;
        }
    };
    match leave {
        Leave::Reboot => desk.runner.reboot(),
        Leave::Shutdown => desk.runner.power_off(),
    }
}

/// The machine as the shell sees it.
struct Desk {
    runner: Runner,
    /// What the store knew when it was looked at last, if nothing ran since, and the names of functions once somebody asked.
    known: Option<Known>,
}

struct Known {
    profile: Profile,
    names: Names,
}

impl Desk {
    /// Finds out what is known of the program.
    fn find_out(&mut self) -> Result<Known, String> {
        let program = self.runner.boot.modules().next().ok_or("there is no program")?;
        let names = names(program.bytes)?;
        let held = self.held(program.bytes.len());
        Ok(Known { profile: held.map(|(_, held)| held.profile).unwrap_or_default(), names })
    }

    /// Which disk the store is on, and what it holds.
    fn held(&mut self, code_bytes: usize) -> Result<(String, Held), String> {
        let limits = Limits::of(reserve::free(), code_bytes);
        let wanted = options::store(&self.runner.boot.command_line(), &|_| ());
        let said = RefCell::new(Vec::new());
        let region = choose_store(&mut self.runner.disks, &wanted, &|line| said.borrow_mut().push(line.to_string()));
        let Some((place, region)) = region else {
            said.borrow_mut().push("no store is used, and nothing is remembered".to_string());
            return Err(said.into_inner().join("; "));
        };
        Ok((place, look::look(region, &limits)?))
    }
}

/// The names of the functions of the program and the libc.
fn names(program: &'static [u8]) -> Result<Names, String> {
    let mut names = BTreeMap::new();
    for heap in [Heap::Checked, Heap::Fast] {
        let module = Module::decode(heap.module()).map_err(|error| error.to_string())?;
        names.extend(named_functions(&module).map(|(key, name)| (key, format!("{LIBC}{name}"))));
    }
    let module = Module::decode(program).map_err(|error| error.to_string())?;
    names.extend(named_functions(&module));
    Ok(names)
}

impl Machine for Desk {
    fn write(&mut self, text: &str) {
        self.runner.terminal.borrow_mut().write_bytes(text.as_bytes());
    }

    fn clear_screen(&mut self) {
        self.runner.terminal.borrow_mut().clear();
    }

    fn columns(&self) -> usize {
        self.runner.terminal.borrow().columns()
    }

    fn facts(&mut self, topic: Topic) -> Vec<Fact> {
        match topic {
            Topic::Cpu => self.cpu(),
            Topic::Memory => self.memory(),
            Topic::Store => self.store(),
        }
    }

    fn pci(&mut self) -> Vec<[String; 4]> {
        let row = |device: &pci::Device| {
            [
                device.address.to_string(),
                format!("{:04x}:{:04x}", device.vendor, device.device),
                format!("{:02x}.{:02x}.{:02x}", device.class, device.subclass, device.interface),
                pci::class::describe(device.class, device.subclass).to_string(),
            ]
        };
        self.runner.pci.iter().map(row).collect()
    }

    fn log(&self) -> Vec<String> {
        self.runner.terminal.borrow().log().cloned().collect()
    }

    fn run(&mut self, arguments: Option<Vec<String>>) {
        self.runner.run(Start::Shell { arguments });
        interruption::clear();
        if self.runner.remains.is_none() {
            self.known = None;
        }
    }

    fn learned(&mut self) -> Result<Learned<'_>, String> {
        let known = match self.known.take() {
            Some(known) => known,
            None => self.find_out()?,
        };
        let known = &*self.known.insert(known);
        let profile = self.runner.remains.as_ref().map_or(&known.profile, |remains| &remains.profile);
        Ok(Learned { profile, names: &known.names })
    }

    fn status(&self, key: FunctionKey) -> Option<Status> {
        self.runner.remains.as_ref()?.engine.status(key)
    }

    fn code(&self, key: FunctionKey, tier: Option<Tier>) -> Result<Listing, String> {
        let remains = self.runner.remains.as_ref().ok_or("nothing ran since power-on: run it first")?;
        let listing = remains.engine.listing(key, tier);
        listing.ok_or_else(|| "no such code was made or taken over in the last run".to_string())
    }

    fn thresholds(&self) -> Option<Thresholds> {
        let line = self.runner.boot.command_line();
        self.runner.thresholds.unwrap_or_else(|| options::engine_options(&line, &|_| ()).thresholds)
    }

    fn set_thresholds(&mut self, thresholds: Option<Thresholds>) {
        self.runner.thresholds = Some(thresholds);
    }

    fn save(&mut self) -> String {
        let Some(remains) = &self.runner.remains else { return "nothing ran since power-on".to_string() };
        if !self.runner.unsaved {
            return "the profile was saved when the program ended".to_string();
        }
        let wanted = options::store(&self.runner.boot.command_line(), &|_| ());
        let Some((_, region)) = choose_store(&mut self.runner.disks, &wanted, &|_| ()) else {
            return "there is no store to save to".to_string();
        };
        match look::save(region, &remains.profile) {
            Ok(generation) => {
                self.runner.unsaved = false;
                format!("profile saved as generation {generation}")
            }
            Err(reason) => format!("the profile was not saved: {reason}"),
        }
    }
}

impl Desk {
    fn cpu(&self) -> Vec<Fact> {
        let Runner { features, clock, .. } = &self.runner;
        let used = CpuFeatures::detect();
        let names: Vec<String> = used.iter_names().map(|(name, _)| name.to_lowercase()).collect();
        alloc::vec![
            Fact { name: "processor", value: features.to_string() },
            Fact { name: "used by code", value: names.join(" ") },
            Fact { name: "clock", value: format!("{} MHz, told by {}", clock.hz() / 1_000_000, clock.source()) },
        ]
    }

    fn memory(&self) -> Vec<Fact> {
        let frames = memory::statistics();
        let mib = |bytes: u64| format!("{}.{} MiB", bytes >> 20, ((bytes & 0xf_ffff) * 10) >> 20);
        let in_heap = heap::mapped_bytes();
        let mut facts = alloc::vec![
            Fact { name: "free", value: format!("{} of {}", mib(frames.free), mib(frames.total)) },
            Fact {
                name: "heap",
                value: format!(
                    "{} KiB in use, {} KiB free in it",
                    in_heap.saturating_sub(heap::free_bytes()) >> 10,
                    heap::free_bytes() >> 10
                ),
            },
        ];
        let places = [
            ("program", layout::LINEAR_BASE),
            ("call stack", layout::CALL_STACK_BASE),
            ("kernel", layout::KERNEL_BASE),
            ("machine code", layout::CODE_BASE),
            ("counters", layout::STATE_BASE),
        ];
        facts.extend(places.map(|(name, address)| Fact { name, value: format!("at {address:#x}") }));
        facts
    }

    fn store(&mut self) -> Vec<Fact> {
        let code_bytes = self.runner.boot.modules().next().map_or(0, |program| program.bytes.len());
        let mut facts: Vec<Fact> =
            self.runner.disks.iter().map(|disk| Fact { name: "disk", value: disk.name().to_string() }).collect();
        match self.held(code_bytes) {
            Ok((place, held)) => facts.extend([
                Fact { name: "store", value: format!("{}, {place}", identifier(&held.id)) },
                Fact { name: "format", value: format!("version {}", held.version) },
                Fact { name: "holds", value: held.note },
                Fact { name: "boots", value: held.profile.last_boot().to_string() },
                Fact { name: "room", value: format!("{} KiB for a profile", held.capacity_bytes >> 10) },
            ]),
            Err(reason) => facts.push(Fact { name: "store", value: reason }),
        }
        facts
    }
}
