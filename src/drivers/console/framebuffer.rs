//! Text on a screen of pixels.
//!
//! Key type: [`Framebuffer`], a [`Screen`].

use super::canvas::{Canvas, Rgb};
use super::font::Font;
use super::{Cell, Screen};

/// The sixteen colours, in the order of [`Colour`](super::Colour).
pub(super) const PALETTE: [Rgb; 16] = [
    0x00_0000, 0x00_37da, 0x13_a10e, 0x3a_96dd, 0xc5_0f1f, 0x88_1798, 0xc1_9c00, 0xcc_cccc, 0x76_7676, 0x3b_78ff,
    0x16_c60c, 0x61_d6d6, 0xe7_4856, 0xb4_009e, 0xf9_f1a5, 0xf2_f2f2,
];

/// A part of the canvas, from the top left on, in cells.
pub struct Framebuffer {
    canvas: Canvas,
    font: Font,
    /// In pixels.
    width: u32,
    columns: usize,
    rows: usize,
    /// The pixels of the sixteen colours.
    pixels: [u32; 16],
}

impl Framebuffer {
    /// Takes so many columns of pixels, all of them from top to bottom.
    pub fn new(canvas: Canvas, width: u32) -> Self {
        let layout = *canvas.layout();
        let width = width.min(layout.width);
        let font = Font::for_size(width, layout.height);
        Self {
            width,
            columns: (width / font.width()).max(1) as usize,
            rows: (layout.height / font.height()).max(1) as usize,
            pixels: PALETTE.map(|colour| layout.pixel(colour)),
            canvas,
            font,
        }
    }

    /// The left and top edge of a cell, in pixels.
    fn place(&self, number: usize) -> (u32, u32) {
        let (row, column) = (number / self.columns, number % self.columns);
        (column as u32 * self.font.width(), row as u32 * self.font.height())
    }
}

impl Screen for Framebuffer {
    fn size(&self) -> (usize, usize) {
        (self.columns, self.rows)
    }

    fn put(&mut self, number: usize, cell: Cell) {
        let (left, top) = self.place(number);
        let pixels = [cell.colours() >> 4, cell.colours() & 15].map(|colour| self.pixels[usize::from(colour)]);
        let glyph = self.font.glyph(cell.character());
        self.canvas.draw_glyph(left, top, self.font.width(), glyph, pixels);
    }

    fn clear(&mut self, cell: Cell) {
        let background = PALETTE[usize::from(cell.colours() >> 4)];
        self.canvas.fill(0, 0, self.width, self.canvas.layout().height, background);
    }

    fn move_cursor(&mut self, from: (usize, Cell), to: (usize, Cell)) {
        self.put(from.0, from.1);
        let (left, top) = self.place(to.0);
        let lines = (self.font.height() / 8).max(1);
        let colour = PALETTE[usize::from(to.1.colours() & 15)];
        self.canvas.fill(left, top + self.font.height() - lines, self.font.width(), lines, colour);
    }
}

#[cfg(test)]
mod tests {
    use super::super::canvas::testing::{Memory, layout};
    use super::super::{Colour, Console};
    use super::*;

    #[test]
    fn text_is_drawn_in_its_colours_at_its_place_and_nowhere_else() {
        for pixel_bytes in [3, 4] {
            let mut memory = Memory::new(layout(100, 60, pixel_bytes));
            let mut console = Console::new(Framebuffer::new(memory.canvas(), 72));
            console.set_colours(Colour::Yellow, Colour::Blue);
            console.write_bytes(b"ab\n cd");
            console.show();
            let mut font = Font::for_size(72, 60);
            assert_eq!((font.width(), font.height()), (6, 12));
            for (column, row, character) in [(0, 0, 'a'), (1, 0, 'b'), (1, 1, 'c'), (2, 1, 'd')] {
                for (y, bits) in (row * 12..).zip(font.glyph(character)) {
                    for x in 0..6 {
                        let colour = if bits << x & 0x80 != 0 { Colour::Yellow } else { Colour::Blue };
                        assert_eq!(memory.at(column * 6 + x, y), PALETTE[colour as usize], "{character} {x} {y}");
                    }
                }
            }
            // The cursor, and a blank in the colours of before; beyond the text's part nothing was drawn.
            assert_eq!(memory.at(3 * 6, 23), PALETTE[Colour::LightGrey as usize]);
            assert_eq!(memory.at(3 * 6, 12), 0);
            assert_eq!(memory.at(72, 0), 0xee_eeee);
            memory.expect_untouched_margins();
        }
    }

    #[test]
    fn screen_smaller_than_a_character_is_no_trouble() {
        let mut memory = Memory::new(layout(3, 5, 4));
        let mut console = Console::new(Framebuffer::new(memory.canvas(), 3));
        console.write_bytes(b"hello\nworld");
        console.show();
        memory.expect_untouched_margins();
    }
}
