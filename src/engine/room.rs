//! Collections whose size a program decides: where there is no memory for one, that is an error like any other.
//!
//! Neighbours: whatever collects what a module or the program has many of.

use alloc::vec::Vec;
use core::mem::size_of;

use super::EngineError;

/// There is no memory for so many bytes of this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom {
    pub what: &'static str,
    pub bytes: u64,
}

impl From<NoRoom> for EngineError {
    fn from(NoRoom { what, bytes }: NoRoom) -> Self {
        Self::OutOfMemory { what, bytes }
    }
}

/// Makes room for `more` elements.
pub fn reserve<T>(vector: &mut Vec<T>, more: usize, what: &'static str) -> Result<(), NoRoom> {
    let bytes = vector.len().saturating_add(more).saturating_mul(size_of::<T>()) as u64;
    vector.try_reserve(more).map_err(|_| NoRoom { what, bytes })
}

/// Adds an element.
pub fn push<T>(vector: &mut Vec<T>, element: T, what: &'static str) -> Result<(), NoRoom> {
    reserve(vector, 1, what)?;
    vector.push(element);
    Ok(())
}

/// All of `elements`; how many there will be need not be known.
pub fn collect<T>(elements: impl Iterator<Item = T>, what: &'static str) -> Result<Vec<T>, NoRoom> {
    let mut vector = Vec::new();
    reserve(&mut vector, elements.size_hint().0, what)?;
    for element in elements {
        if vector.len() == vector.capacity() {
            reserve(&mut vector, 1, what)?;
        }
        vector.push(element);
    }
    Ok(vector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_says_how_much_it_is() {
        let mut vector = alloc::vec![7_u64; 3];
        let error = reserve(&mut vector, usize::MAX / 16, "words").expect_err("that is half of the address space");
        assert_eq!(error, NoRoom { what: "words", bytes: (usize::MAX / 16 + 3) as u64 * 8 });
        assert_eq!(vector, [7; 3]);
    }

    #[test]
    fn what_fits_is_all_there() {
        assert_eq!(collect((0..1000).filter(|n| n % 3 == 0), "numbers").map(|all| all.len()), Ok(334));
    }
}
