//! The table of rows that every contestant walks, and where it and what it points to are in linear memory.

/// Pages of linear memory.
pub const PAGES: usize = 64;
/// Where the table is.
pub const ROWS: u32 = 0x1_0000;
/// Where the slots of the heap's traces are.
pub const SLOTS: u32 = 0xd_0000;
pub const MAX_SLOTS: u32 = (FIRST - SLOTS) / 8;
/// Where destinations are, or first arguments.
pub const FIRST: u32 = 0x10_0000;
/// Where sources are, or second arguments.
pub const SECOND: u32 = 0x22_0000;

/// Rows of a table whose sizes are drawn: too many for branch prediction to learn.
pub const DRAWN_ROWS: u32 = 65_536;

/// Three words.
pub type Row = [u32; 3];
pub const ROW_BYTES: u32 = size_of::<Row>() as u32;

/// What a row of a heap's trace does: its first word. The second is the address of an 8-byte slot that holds a block's
/// address, the third a size.
pub mod step {
    pub const FREE: u32 = 0;
    pub const MALLOC: u32 = 1;
    pub const CALLOC: u32 = 2;
    pub const REALLOC: u32 = 3;
}

/// A table of rows in linear memory.
#[derive(Clone, Copy)]
pub struct Table {
    /// Address of the first row.
    pub first: u32,
    pub rows: u32,
    /// Cycles that one row takes at least, averaged over the rows; none where that is not known.
    pub limit_cycles: Option<f64>,
    /// Whether its first rows alone make sense.
    pub may_be_cut: bool,
    /// Whether what its loop returns are the bits of a float, which each contestant rounds in its own way.
    pub is_rounded: bool,
}

impl Table {
    pub fn end(&self) -> u32 {
        self.first + self.rows * ROW_BYTES
    }

    /// The part of it from row `first` on.
    pub fn part(&self, first: u32, rows: u32) -> Self {
        Table { first: self.first + first * ROW_BYTES, rows, ..*self }
    }
}
