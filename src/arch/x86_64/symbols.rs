//! Names for addresses: the kernel's own ELF symbol table, as the loader left it in memory.
//!
//! Key type: [`SymbolTable`]. It is read when something has already gone wrong, so it trusts nothing and allocates
//! nothing.

use core::fmt;

use rustc_demangle::demangle;
use spin::Once;

/// Bytes of an ELF64 symbol (System V ABI, figure 4-16), and the offsets of the fields used here.
const SYMBOL_BYTES: usize = 24;
const NAME_OFFSET: usize = 0;
const INFO_OFFSET: usize = 4;
const VALUE_OFFSET: usize = 8;
const SIZE_OFFSET: usize = 16;
/// Symbol types: code, and code that assembly did not give a type.
const FUNCTION_TYPE: u8 = 2;
const NO_TYPE: u8 = 0;

/// The sections `.symtab` and `.strtab`.
#[derive(Clone, Copy, Debug)]
pub struct SymbolTable {
    pub symbols: &'static [u8],
    pub names: &'static [u8],
}

/// Read by exception handlers.
static TABLE: Once<SymbolTable> = Once::new();

/// Makes `table` the one that addresses are looked up in. Only the first one counts.
pub fn install(table: SymbolTable) {
    TABLE.call_once(|| table);
}

/// An address that prints in hexadecimal, followed by the function around it if that is known.
pub enum Symbolised {
    /// The address of an instruction.
    Instruction(u64),
    /// Where a call returns to. The call, just before, may be the last instruction of its function.
    Return(u64),
}

impl fmt::Display for Symbolised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (address, inside) = match *self {
            Self::Instruction(address) => (address, address),
            Self::Return(address) => (address, address.wrapping_sub(1)),
        };
        write!(f, "{address:#018x}")?;
        let Some(function) = TABLE.get().and_then(|table| table.function_at(inside)) else { return Ok(()) };
        write!(f, " {:#}+{:#x}", demangle(function.name), address - function.start)
    }
}

/// What a symbol says.
struct Function {
    name: &'static str,
    start: u64,
}

impl SymbolTable {
    /// The function that contains `address`; for functions without a size, the nearest one that starts at or before.
    fn function_at(&self, address: u64) -> Option<Function> {
        let (symbols, _) = self.symbols.as_chunks::<SYMBOL_BYTES>();
        let best = symbols
            .iter()
            .filter(|symbol| matches!(symbol[INFO_OFFSET] & 0xf, FUNCTION_TYPE | NO_TYPE))
            .filter(|symbol| contains(symbol, address))
            .max_by_key(|symbol| (word(symbol, VALUE_OFFSET), symbol[INFO_OFFSET] & 0xf))?;
        Some(Function { name: self.name(best)?, start: word(best, VALUE_OFFSET) })
    }

    fn name(&self, symbol: &[u8; SYMBOL_BYTES]) -> Option<&'static str> {
        let offset = word(symbol, NAME_OFFSET) as u32 as usize;
        let rest = self.names.get(offset..)?;
        let end = rest.iter().position(|&byte| byte == 0)?;
        core::str::from_utf8(&rest[..end]).ok().filter(|name| !name.is_empty())
    }
}

fn contains(symbol: &[u8; SYMBOL_BYTES], address: u64) -> bool {
    /// How far assembly without sizes is followed.
    const SIZELESS_BYTES: u64 = 8192;
    let size = match word(symbol, SIZE_OFFSET) {
        0 => SIZELESS_BYTES,
        size => size,
    };
    address.checked_sub(word(symbol, VALUE_OFFSET)).is_some_and(|offset| offset < size)
}

/// The little-endian word of 8 bytes at `offset`.
fn word(symbol: &[u8; SYMBOL_BYTES], offset: usize) -> u64 {
    u64::from_le_bytes(core::array::from_fn(|index| symbol[offset + index]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn addresses() -> impl Strategy<Value = u64> {
        prop_oneof![4 => 0..99u64, 1 => Just(u64::MAX), 1 => u64::MAX - 99..u64::MAX, 1 => any::<u64>()]
    }

    proptest! {
        #[test]
        fn absurd_symbols_are_passed_over_or_stand_before_what_is_in_them(
            symbols in proptest::collection::vec((0..40u32, any::<u8>(), addresses(), addresses()), 0..8),
            names in proptest::collection::vec(prop_oneof![3 => b'a'..b'f', 1 => Just(0), 1 => any::<u8>()], 0..32),
            cut in 0..SYMBOL_BYTES,
            address in addresses(),
        ) {
            let symbol = |(name, info, value, size): (u32, u8, u64, u64)| {
                let (name, info) = (name.to_le_bytes(), u32::from(info).to_le_bytes());
                [&name[..], &info, &value.to_le_bytes(), &size.to_le_bytes()].concat()
            };
            let mut symbols = symbols.into_iter().map(symbol).collect::<std::vec::Vec<_>>().concat();
            symbols.truncate(symbols.len().saturating_sub(cut));
            // The table is of the kernel's own image, which is there for ever.
            let table = SymbolTable { symbols: symbols.leak(), names: names.leak() };
            if let Some(function) = table.function_at(address) {
                prop_assert!(function.start <= address && !function.name.is_empty());
                let name = std::format!("{:#}", demangle(function.name));
                prop_assert!(!name.is_empty());
            }
        }
    }
}
