//! Finds the package `\_S5` in ACPI bytecode (AML) without interpreting it.
//!
//! The package is a constant on every machine: `Name (_S5, Package () { a, b, ... })`. [`find`] looks for these bytes and
//! accepts only complete, well-formed ones; anything else is passed over. Pure, linear in the input, no recursion.
//! Source: ACPI Specification 6.5, sections 7.4.2.6 (`_S5`) and 20.2 (AML grammar).

const NAME_OP: u8 = 0x08;
const PACKAGE_OP: u8 = 0x12;
const ZERO_OP: u8 = 0x00;
const ONE_OP: u8 = 0x01;
const BYTE_PREFIX: u8 = 0x0a;
const WORD_PREFIX: u8 = 0x0b;
const DWORD_PREFIX: u8 = 0x0c;
const QWORD_PREFIX: u8 = 0x0e;

const NAME: [u8; 4] = *b"_S5_";

/// A SLP_TYP field has 3 bits.
const MAX_SLEEP_TYPE: u8 = 7;

/// What the SLP_TYP fields of PM1a and PM1b control take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SleepTypes {
    pub a: u8,
    pub b: u8,
}

/// The first well-formed `\_S5` in `bytecode`.
pub(super) fn find(bytecode: &[u8]) -> Option<SleepTypes> {
    let names = bytecode.windows(NAME.len()).enumerate().filter(|(_, window)| *window == NAME);
    names.map(|(position, _)| position).find_map(|position| {
        let (before, after) = (&bytecode[..position], &bytecode[position + NAME.len()..]);
        let is_definition = matches!(before, [.., NAME_OP] | [.., NAME_OP, b'\\']);
        is_definition.then(|| parse_package(after)).flatten()
    })
}

/// `PackageOp PkgLength NumElements element...`, of which the first two elements count.
fn parse_package(bytes: &[u8]) -> Option<SleepTypes> {
    let bytes = bytes.strip_prefix(&[PACKAGE_OP])?;
    let (body, elements) = package_body(bytes)?.split_first()?;
    let (a, rest) = parse_sleep_type(elements)?;
    // Some firmware leaves the second out on machines without PM1b.
    let b = if *body >= 2 { parse_sleep_type(rest)?.0 } else { a };
    (*body >= 1).then_some(SleepTypes { a, b })
}

/// What a package length covers, less the length itself: 1 to 4 bytes, the first telling how many.
fn package_body(bytes: &[u8]) -> Option<&[u8]> {
    let (&lead, following) = bytes.split_first()?;
    let extra = usize::from(lead >> 6);
    let length = if extra == 0 {
        usize::from(lead & 0x3f)
    } else {
        let high = following.get(..extra)?.iter().rev().fold(0, |length, &byte| length << 8 | usize::from(byte));
        high << 4 | usize::from(lead & 0xf)
    };
    bytes.get(1 + extra..length)
}

/// A constant that fits the field, and what follows it.
fn parse_sleep_type(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (&prefix, rest) = bytes.split_first()?;
    let width = match prefix {
        ZERO_OP | ONE_OP => return Some((prefix, rest)),
        BYTE_PREFIX => 1,
        WORD_PREFIX => 2,
        DWORD_PREFIX => 4,
        QWORD_PREFIX => 8,
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(width)?;
    let (&low, high) = value.split_first()?;
    (low <= MAX_SLEEP_TYPE && high.iter().all(|&byte| byte == 0)).then_some((low, rest))
}
