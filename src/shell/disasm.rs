//! Machine code as people read it, with what its guards are for.

use alloc::format;
use alloc::string::String;
use iced_x86::{Decoder, DecoderOptions, FastFormatter, Instruction, Mnemonic, OpKind};

use super::commands::{Done, unknown};
use super::function::{self, name_of};
use super::machine::{Listing, Machine};
use super::table::{line, number, paragraph, shown};

/// Where what is said about an instruction begins, and what it begins with.
const NOTE_COLUMN: usize = 36;
const NOTE: &str = "; ";

pub fn disasm(words: &[String], machine: &mut dyn Machine) -> Done {
    let (name, tier) = match words {
        [name] => (name, None),
        [name, tier] => match function::TIERS.iter().find(|(known, _)| known == tier) {
            Some((_, found)) => (name, Some(*found)),
            None => {
                unknown("tier", tier, function::TIERS.iter().map(|(name, _)| *name), machine);
                return Done::Stay;
            }
        },
        _ => return Done::Misused,
    };
    let Some(key) = function::find(name, machine) else { return Done::Stay };
    let title = machine.learned().map(|learned| name_of(learned.names, key)).unwrap_or_default();
    match machine.code(key, tier) {
        Ok(listing) => write(&title, &listing, machine),
        Err(reason) => paragraph(&reason, machine),
    }
    Done::Stay
}

fn write(title: &str, listing: &Listing, machine: &mut dyn Machine) {
    let bytes = number(listing.bytes.len() as u64);
    paragraph(&format!("{title}: {bytes} bytes at {:#x}", listing.address), machine);
    let mut formatter = FastFormatter::new();
    let options = formatter.options_mut();
    options.set_space_after_operand_separator(true);
    options.set_rip_relative_addresses(true);
    options.set_use_hex_prefix(true);
    options.set_uppercase_hex(false);
    let mut text = String::new();
    for instruction in Decoder::with_ip(64, &listing.bytes, listing.address, DecoderOptions::NONE) {
        text.clear();
        formatter.format(&instruction, &mut text);
        let target = target(&instruction);
        if let (Some(target), Some(mnemonic)) = (target, text.split(' ').next()) {
            text = format!("{mnemonic} {}", place(target, listing));
        }
        let offset = instruction.ip().wrapping_sub(listing.address);
        write_instruction(&format!("{offset:5x}  {text}"), note(&instruction, listing), machine);
    }
}

/// The note stands beside the instruction where there is room for it, else above.
fn write_instruction(instruction: &str, note: Option<&str>, machine: &mut dyn Machine) {
    let Some(note) = note else { return line(instruction, machine) };
    let note = shown(note);
    let column = NOTE_COLUMN.max(instruction.chars().count() + 1);
    if column + NOTE.len() + note.chars().count() < machine.columns() {
        return line(&format!("{instruction:<column$}{NOTE}{note}"), machine);
    }
    line(&format!("       {NOTE}{note}"), machine);
    line(instruction, machine);
}

/// Where a jump or call leads, if it says that.
fn target(instruction: &Instruction) -> Option<u64> {
    let near = instruction.op_count() == 1 && instruction.op0_kind() == OpKind::NearBranch64;
    near.then(|| instruction.near_branch64())
}

/// A place in the listing, or elsewhere by its name.
fn place(address: u64, listing: &Listing) -> String {
    let offset = address.wrapping_sub(listing.address);
    match listing.places.get(&address) {
        Some(name) => shown(name),
        None if offset < listing.bytes.len() as u64 => format!("{offset:x}"),
        None => format!("{address:#x}"),
    }
}

/// What there is to say about an instruction.
fn note<'a>(instruction: &Instruction, listing: &'a Listing) -> Option<&'a str> {
    let traps = || (instruction.mnemonic() == Mnemonic::Ud2).then_some("trap");
    listing.notes.get(&instruction.ip()).map(String::as_str).or_else(traps)
}
