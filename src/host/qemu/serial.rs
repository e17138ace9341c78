//! What a booted machine says on its serial port.
//!
//! First the firmware and the boot loader speak. After GRUB has said [`HANDOVER`], the kernel speaks: lines of its own
//! that begin with [`KERNEL`], reports (`BAREFLOW {json}`), and between them the program's output.

use crate::profile::BootRow;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::string::String;
use std::vec::Vec;

/// Begins each line in which GRUB says that it loads a large file, as `host/image/files.rs` has it.
pub const LOADING: &str = "bareflow: GRUB loads ";
/// GRUB's last line, as `grub/grub.cfg` has it.
pub const HANDOVER: &str = "GRUB starts the kernel";
/// Begins each line in which the kernel speaks for itself, in these letters or with capitals.
pub const KERNEL: &str = "bareflow: ";
/// Begins each report.
pub const REPORT: &str = "BAREFLOW {";
/// The events of the report that ends a boot: the program ended, trapped, or could not be run.
const LAST_EVENTS: [&str; 3] = ["exit", "trap", "error"];

/// Everything a serial port has said so far.
#[derive(Clone, Debug, Default)]
pub struct Serial {
    bytes: Vec<u8>,
    /// Where GRUB's last line begins.
    handover: Option<usize>,
    /// Where the kernel began to speak.
    kernel: Option<usize>,
    /// End of the last line that was passed on.
    passed: usize,
}

/// Why there is no boot row.
#[derive(Debug)]
pub enum ReportError {
    /// The machine ended without the report that ends every boot.
    Missing,
    /// A report is not what reports are.
    Malformed { line: String, reason: serde_json::Error },
}

impl Serial {
    /// Takes in what was said, and gives `on_line` each line of the kernel and the program that is complete now, and those in
    /// which GRUB says what it loads.
    pub(super) fn push(&mut self, bytes: &[u8], on_line: &mut dyn FnMut(&str)) {
        self.bytes.extend_from_slice(bytes);
        if self.kernel.is_none() {
            self.kernel = self.find_kernel();
            self.passed = self.kernel.unwrap_or(self.passed);
        }
        if self.kernel.is_none() {
            return self.pass_loading(on_line);
        }
        while let Some(length) = find(&self.bytes[self.passed..], b"\n") {
            on_line(String::from_utf8_lossy(&self.bytes[self.passed..self.passed + length]).trim_end_matches('\r'));
            self.passed += length + 1;
        }
    }

    /// Gives `on_line` each line in which GRUB says that it loads what takes long.
    fn pass_loading(&mut self, on_line: &mut dyn FnMut(&str)) {
        while let Some(length) = find(&self.bytes[self.passed..], b"\n") {
            let line = String::from_utf8_lossy(&self.bytes[self.passed..self.passed + length]);
            if let Some(start) = line.find(LOADING) {
                on_line(line[start..].trim_end_matches('\r'));
            }
            self.passed += length + 1;
        }
    }

    /// Gives `on_line` the last line too, which no line end completed.
    pub(super) fn finish(&mut self, on_line: &mut dyn FnMut(&str)) {
        if self.kernel.is_some() && self.passed < self.bytes.len() {
            on_line(&String::from_utf8_lossy(&self.bytes[self.passed..]));
            self.passed = self.bytes.len();
        }
    }

    /// Where the first line after GRUB's last that is not empty begins.
    fn find_kernel(&mut self) -> Option<usize> {
        self.handover = self.handover.or_else(|| find(&self.bytes, HANDOVER.as_bytes()));
        let last_line = self.handover?;
        let end = last_line + find(&self.bytes[last_line..], b"\n")?;
        let kernel = self.bytes[end..].iter().position(|byte| !b"\r\n".contains(byte))?;
        Some(end + kernel)
    }

    /// All of it, firmware and boot loader included.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }

    /// What the kernel and the program said, with plain line ends. Empty if the kernel never spoke.
    pub fn kernel_text(&self) -> String {
        String::from_utf8_lossy(&self.bytes[self.kernel.unwrap_or(self.bytes.len())..]).replace("\r\n", "\n")
    }

    /// What the program printed.
    pub fn program_output(&self) -> String {
        let text = self.kernel_text();
        text.split_inclusive('\n').filter(|line| !is_kernel(line) && !line.starts_with(REPORT)).collect()
    }

    /// The reports, in order.
    pub fn reports(&self) -> Result<Vec<Value>, ReportError> {
        let text = self.kernel_text();
        text.lines().filter(|line| line.starts_with(REPORT)).map(parse).collect()
    }

    /// The last report with this `event`.
    pub fn report(&self, event: &str) -> Result<Value, ReportError> {
        let reports = self.reports()?;
        reports.into_iter().rfind(|report| report["event"] == event).ok_or(ReportError::Missing)
    }

    /// The row that the boot's last report gives.
    pub fn boot_row(&self) -> Result<BootRow, ReportError> {
        self.last_report()
    }

    /// What the report that ended the boot says. Lines before it that look like one are the program's.
    pub fn last_report<T: DeserializeOwned>(&self) -> Result<T, ReportError> {
        let text = self.kernel_text();
        let line = text.lines().rfind(|line| line.starts_with(REPORT)).ok_or(ReportError::Missing)?;
        let report = parse(line)?;
        if !report["event"].as_str().is_some_and(|event| LAST_EVENTS.contains(&event)) {
            return Err(ReportError::Missing);
        }
        serde_json::from_value(report).map_err(|reason| ReportError::Malformed { line: line.into(), reason })
    }
}

fn parse(line: &str) -> Result<Value, ReportError> {
    let json = &line[REPORT.len() - 1..];
    serde_json::from_str(json).map_err(|reason| ReportError::Malformed { line: line.into(), reason })
}

fn is_kernel(line: &str) -> bool {
    line.get(..KERNEL.len()).is_some_and(|start| start.eq_ignore_ascii_case(KERNEL))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

impl fmt::Display for ReportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReportError::Missing => write!(f, "the machine ended without a report ({REPORT}...}})"),
            ReportError::Malformed { line, reason } => write!(f, "malformed report ({reason}): {line}"),
        }
    }
}

impl std::error::Error for ReportError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn said(chunks: &[&str]) -> (Serial, Vec<String>) {
        let (mut serial, mut lines) = (Serial::default(), Vec::new());
        for chunk in chunks {
            serial.push(chunk.as_bytes(), &mut |line| lines.push(line.into()));
        }
        serial.finish(&mut |line| lines.push(line.into()));
        (serial, lines)
    }

    /// What was said after the boot loader's last line.
    fn kernel(chunks: &[&str]) -> Serial {
        said(&[&["bareflow: GRUB starts the kernel\r\n\r"], chunks].concat()).0
    }

    #[test]
    fn lines_are_passed_on_from_the_kernels_first_words_and_what_grub_loads_however_they_arrive() {
        let (serial, lines) = said(&[
            "\x1b[2JBooting\r\n\x1b[Hbareflow: GRUB lo",
            "ads 24 MB\r\n\x1b[Hbareflow: GRUB sta",
            "rts the kernelbareflow: GRUB starts the kernel\r",
            "\n\r",
            "\nbareflow: up\r",
            "\none\ntw",
            "o\npart",
        ]);
        assert_eq!(lines, ["bareflow: GRUB loads 24 MB", "bareflow: up", "one", "two", "part"]);
        assert_eq!(serial.kernel_text(), "bareflow: up\none\ntwo\npart");
        assert!(serial.text().starts_with("\x1b[2JBooting"));
    }

    #[test]
    fn program_output_is_what_neither_kernel_nor_report_said() {
        let serial = kernel(&["BareFlow: up\na\n\nbareflow: note\nb\nBAREFLOW {\"event\":\"exit\"}\n"]);
        assert_eq!(serial.program_output(), "a\n\nb\n");
    }

    #[test]
    fn the_boot_row_comes_from_the_last_exit_report() {
        let row = BootRow { boot: 3, ticks_program: 42, program: "x".into(), ..BootRow::default() };
        let mut report = serde_json::to_value(&row).unwrap();
        report["event"] = "exit".into();
        report["a_later_column"] = 1.into();
        let serial = kernel(&["BAREFLOW {\"event\":\"start\"}\nBAREFLOW ", &report.to_string(), "\n"]);
        assert_eq!(serial.reports().unwrap().len(), 2);
        assert_eq!(serial.boot_row().unwrap(), row);
    }

    #[test]
    fn a_boot_whose_program_trapped_has_a_row_too_and_what_the_program_prints_is_none() {
        let row = BootRow { boot: 3, exit_code: 134, ..BootRow::default() };
        let mut report = serde_json::to_value(&row).unwrap();
        report["event"] = "trap".into();
        let serial = kernel(&["BAREFLOW {not json}\nBAREFLOW ", &report.to_string(), "\n"]);
        assert_eq!(serial.boot_row().unwrap(), row);
    }

    #[test]
    fn a_missing_and_a_malformed_report_are_told_apart() {
        assert!(matches!(kernel(&["bareflow: up\n"]).boot_row(), Err(ReportError::Missing)));
        let cut = kernel(&["bareflow: up\nBAREFLOW {\"event\":\"ex"]).boot_row();
        assert!(matches!(cut, Err(ReportError::Malformed { .. })));
        let incomplete = kernel(&["BAREFLOW {\"event\":\"exit\",\"boot\":1}\n"]).boot_row();
        assert!(incomplete.unwrap_err().to_string().contains("missing field"));
    }

    #[test]
    fn a_kernel_that_never_spoke_leaves_no_lines() {
        for text in ["error: file not found.\n", "bareflow: GRUB starts the kernel\r\n\r\n"] {
            let (serial, lines) = said(&[text]);
            assert!(lines.is_empty() && serial.kernel_text().is_empty() && serial.program_output().is_empty());
        }
    }
}
