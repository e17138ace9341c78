//! How large the program's call stack may become.
//!
//! Key type: [`StackSize`]. Memory is put behind the stack as it is used, so that a large one costs nothing. Neighbours: the
//! faces read it from command lines and make a [`crate::engine::seams::CallStack`] of that size.

use core::fmt;
use core::str::FromStr;

/// Bytes between [`StackSize::LEAST`] and [`StackSize::MOST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackSize(u64);

/// Why a text is not the size of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackSizeError;

impl fmt::Display for StackSizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a size from 64K to 1G, such as 16M")
    }
}

impl core::error::Error for StackSizeError {}

impl StackSize {
    pub const LEAST: u64 = 64 << 10;
    pub const MOST: u64 = 1 << 30;

    /// A multiple of 1 KiB.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

/// Frames of the baseline are up to some tens of times as large as others: what runs in half a megabyte elsewhere runs in
/// this at every tier.
impl Default for StackSize {
    fn default() -> Self {
        Self(16 << 20)
    }
}

/// A number and one of the letters K, M and G.
impl FromStr for StackSize {
    type Err = StackSizeError;

    fn from_str(text: &str) -> Result<Self, StackSizeError> {
        let units = [('K', 10), ('M', 20), ('G', 30)];
        let unit = units.iter().find_map(|(letter, shift)| Some((text.strip_suffix(*letter)?, *shift)));
        let (digits, shift) = unit.ok_or(StackSizeError)?;
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.parse::<u64>().ok().filter(|_| is_number).ok_or(StackSizeError)?;
        let bytes = number.checked_mul(1 << shift).ok_or(StackSizeError)?;
        if (Self::LEAST..=Self::MOST).contains(&bytes) { Ok(Self(bytes)) } else { Err(StackSizeError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_numbers_with_a_unit() {
        let sizes =
            ["64K", "65K", "1M", "16M", "1024M", "1G"].map(|text| text.parse::<StackSize>().map(StackSize::bytes));
        assert_eq!(sizes, [64 << 10, 65 << 10, 1 << 20, 16 << 20, 1 << 30, 1 << 30].map(Ok));
    }

    #[test]
    fn what_is_no_size_or_beyond_the_bounds_is_refused() {
        for text in
            ["", "M", "16", "16m", "+16M", "-1M", "1.5M", " 1M", "16MB", "63K", "0M", "2G", "18446744073709551615G"]
        {
            assert_eq!(text.parse::<StackSize>(), Err(StackSizeError), "{text}");
        }
    }
}
