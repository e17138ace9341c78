//! A machine that is not there, and a terminal that shows what a real one would.

use super::*;
use crate::profile::{BootRow, FunctionKey, FunctionRecord, ONE_BOOT, Profile, SiteKind, SiteRecord};
use crate::shell::table::paragraph;
use alloc::collections::BTreeMap;
use std::format;
use std::vec;

pub struct Fake {
    pub columns: usize,
    pub thresholds: Option<Thresholds>,
    pub saves: usize,
    known: Option<(Profile, Names)>,
    written: String,
}

impl Default for Fake {
    fn default() -> Self {
        Self { columns: 80, thresholds: None, saves: 0, known: None, written: String::new() }
    }
}

const fn key(hash: u64) -> FunctionKey {
    FunctionKey { hash, ordinal: 0 }
}

impl Fake {
    /// The same, on a terminal of so many columns.
    pub fn of_columns(columns: usize) -> Self {
        Self { columns, ..Self::learned() }
    }

    /// With a profile of three functions, the last of which has a name that is no name.
    pub fn learned() -> Self {
        let (store_record, memcpy, evil) = (key(1), key(2), key(3));
        let mut site = SiteRecord::unseen(SiteKind::Size);
        site.callee = Some(memcpy);
        site.values.record(512, 18_246);
        (site.guards_passed, site.guards_failed) = (18_000, 246);
        (site.chosen, site.passes) = (vec![512, 16], vec![16_500, 1_500]);
        let record =
            |key, ticks, calls, code_bytes| FunctionRecord { key, ticks, calls, code_bytes, ..Default::default() };
        let profile = Profile {
            boots_observed: ONE_BOOT,
            functions: vec![
                FunctionRecord {
                    sites: vec![site],
                    blocks: vec![40, 3],
                    ..record(store_record, 500_000, 18_246, 1_234)
                },
                record(memcpy, 300_000, 9, 80),
                record(evil, 200_000, 0, 0),
            ],
            boots: vec![BootRow {
                boot: 1,
                ticks_total: 1_000_000,
                ticks_program: 600_000,
                ticks_compile: 300_000,
                functions_total: 100,
                functions_called: 99,
                functions_baseline: 80,
                functions_optimised: 11,
                functions_specialised: 8,
                ..BootRow::default()
            }],
            ..Profile::default()
        };
        let names = [(store_record, "store_record"), (memcpy, "libc.memcpy"), (evil, "a\u{1b}b")];
        let names = names.map(|(key, name)| (key, name.to_string())).into();
        Self { known: Some((profile, names)), ..Self::default() }
    }
}

impl Machine for Fake {
    fn write(&mut self, text: &str) {
        self.written.push_str(text);
    }

    fn clear_screen(&mut self) {
        self.written.push('\u{c}');
    }

    fn columns(&self) -> usize {
        self.columns
    }

    fn facts(&mut self, topic: Topic) -> Vec<Fact> {
        vec![Fact { name: "topic", value: format!("{topic:?}") }, Fact { name: "longer", value: "yes".into() }]
    }

    fn pci(&mut self) -> Vec<[String; 4]> {
        vec![["00:01.0", "8086:7010", "01.01", "IDE controller"].map(String::from)]
    }

    fn log(&self) -> Vec<String> {
        vec!["BareFlow".into(), "said".into()]
    }

    fn run(&mut self, arguments: Option<Vec<String>>) {
        paragraph(&format!("ran with {arguments:?}"), self);
    }

    fn learned(&mut self) -> Result<Learned<'_>, String> {
        let (profile, names) = self.known.as_ref().ok_or("nothing ran yet")?;
        Ok(Learned { profile, names })
    }

    fn status(&self, of: FunctionKey) -> Option<Status> {
        let promoted = InFlight::at(Thresholds { optimise: 8_000, specialise: 8_000, settle: 80_000 });
        let promoted = InFlight { rounds: 8_000, ..promoted };
        (of == key(1)).then_some(Status {
            tier: Some(Tier::Specialised),
            address: 0x1000,
            code_bytes: 7,
            body_bytes: 100,
            promoted,
        })
    }

    fn code(&self, of: FunctionKey, tier: Option<Tier>) -> Result<Listing, String> {
        if of != key(1) || tier == Some(Tier::Optimised) {
            return Err("no such code".into());
        }
        let bytes = b"\x81\xfa\x00\x02\x00\x00\x75\x0c\x48\xff\x05\xf1\x0f\x00\x00\xe8\xec\x1f\x00\x00\x0f\x0b\xcc\xcc";
        Ok(Listing {
            address: 0x1000,
            bytes: bytes[..22].to_vec(),
            places: BTreeMap::from([(0x3000, "memcpy".to_string())]),
            notes: BTreeMap::from([
                (0x1000, "guard: memcpy of 512 bytes?".to_string()),
                (0x1008, "memcpy of 512 bytes: passed".to_string()),
            ]),
        })
    }

    fn thresholds(&self) -> Option<Thresholds> {
        self.thresholds
    }

    fn set_thresholds(&mut self, thresholds: Option<Thresholds>) {
        self.thresholds = thresholds;
    }

    fn save(&mut self) -> String {
        self.saves += 1;
        "saved".into()
    }
}

/// Somebody who types on such a machine.
pub struct Typed {
    pub machine: Fake,
    pub left: Option<Leave>,
    /// All that was written.
    pub raw: String,
    /// Something stood in a column that the terminal does not have.
    pub wrapped: bool,
    shell: Shell,
    lines: Vec<Vec<char>>,
    column: usize,
}

impl Typed {
    pub fn on(machine: Fake) -> Self {
        let (shell, raw, lines) = (Shell::default(), String::new(), vec![Vec::new()]);
        let mut typed = Self { machine, left: None, raw, wrapped: false, shell, lines, column: 0 };
        typed.shell.greet(&mut typed.machine);
        typed.show();
        typed
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.left.is_none() {
                self.left = self.shell.press(*byte, &mut self.machine);
            }
        }
        self.show();
    }

    /// Types a line; what is answered before the next prompt.
    pub fn line(&mut self, line: &str) -> String {
        self.bytes(b"\x15");
        let from = self.raw.len();
        self.bytes(line.as_bytes());
        self.bytes(b"\r");
        let answer = &self.raw[from..];
        let answer = answer.split_once('\n').map_or(answer, |(_, answer)| answer);
        answer.trim_end_matches("bareflow> ").trim_end_matches("> ").to_string()
    }

    /// What the terminal shows, without what nobody sees.
    pub fn screen(&self) -> Vec<String> {
        self.lines.iter().map(|line| line.iter().collect::<String>().trim_end().to_string()).collect()
    }

    pub fn last_line(&self) -> String {
        self.screen().pop().unwrap_or_default()
    }

    fn show(&mut self) {
        let written = std::mem::take(&mut self.machine.written);
        for character in written.chars() {
            let Some(line) = self.lines.last_mut() else { return };
            match character {
                '\n' => {
                    self.lines.push(Vec::new());
                    self.column = 0;
                }
                '\u{8}' => self.column -= 1,
                '\u{c}' => {
                    self.lines = vec![Vec::new()];
                    self.column = 0;
                }
                _ => {
                    line.resize(line.len().max(self.column + 1), ' ');
                    line[self.column] = character;
                    self.column += 1;
                    self.wrapped |= self.column >= self.machine.columns;
                }
            }
        }
        self.raw += &written;
    }
}
