//! Which addresses an entry of a module's DWARF is about.
//!
//! Key type: [`Covered`].

use core::ops::Range;
use gimli::{Attribute, AttributeValue, Error, RangeListsOffset, UnitRef};

use super::Slice;

/// What the attributes of an entry say of its addresses.
#[derive(Default)]
pub struct Covered {
    low: Option<u64>,
    high: Option<u64>,
    bytes: Option<u64>,
    ranges: Option<RangeListsOffset<usize>>,
}

impl Covered {
    /// Reads an attribute that may be about addresses.
    pub fn note<'a>(&mut self, unit: &UnitRef<'_, Slice<'a>>, attribute: &Attribute<Slice<'a>>) -> Result<(), Error> {
        let value = attribute.value();
        match attribute.name() {
            gimli::DW_AT_low_pc => self.low = unit.attr_address(value)?,
            gimli::DW_AT_high_pc => match value {
                AttributeValue::Udata(bytes) => self.bytes = Some(bytes),
                value => self.high = unit.attr_address(value)?,
            },
            gimli::DW_AT_ranges => self.ranges = unit.attr_ranges_offset(value)?,
            _ => {}
        }
        Ok(())
    }

    /// Whether the entry says of any addresses.
    pub fn says_any(&self) -> bool {
        self.ranges.is_some() || self.low.is_some() && self.end().is_some()
    }

    fn end(&self) -> Option<u64> {
        self.high.or_else(|| Some(self.low?.saturating_add(self.bytes?)))
    }

    /// Hands on each range of addresses. What a linker left out is said to begin at 0, where no code is.
    pub fn for_each(
        &self,
        unit: &UnitRef<'_, Slice<'_>>,
        is_over: &dyn Fn() -> bool,
        mut hand: impl FnMut(Range<u64>),
    ) -> Result<(), Error> {
        let Some(offset) = self.ranges else {
            if let Some((low, end)) = self.low.filter(|low| *low > 0).zip(self.end()) {
                hand(low..end);
            }
            return Ok(());
        };
        let mut ranges = unit.ranges(offset)?;
        while let Some(range) = ranges.next()? {
            if is_over() {
                break;
            }
            if range.begin > 0 {
                hand(range.begin..range.end);
            }
        }
        Ok(())
    }
}
