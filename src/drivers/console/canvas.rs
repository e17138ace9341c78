//! Pixels in video memory, written and never read: reading them is a hundred times as slow.
//!
//! Key types: [`PixelLayout`], what a loader says of a framebuffer; [`Canvas`], a framebuffer that can be drawn on.

use core::fmt;

/// The most that a side may have, in pixels.
const MOST_PIXELS: u32 = 16 * 1024;

/// A rectangle of pixels in memory (Multiboot2 specification 2.0, section 3.6.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelLayout {
    /// Physical address of the pixel at the top left.
    pub address: u64,
    /// Bytes from one row to the next.
    pub pitch: u32,
    pub width: u32,
    pub height: u32,
    /// 3 or 4.
    pub pixel_bytes: u8,
    pub red: Channel,
    pub green: Channel,
    pub blue: Channel,
}

/// Which bits of a pixel are a colour's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    pub position: u8,
    /// At most 8.
    pub bits: u8,
}

/// 8 bits each of red, green and blue, from bit 16 down.
pub type Rgb = u32;

/// What is wrong with a framebuffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayoutFault {
    /// Pixels of a size that nothing here draws.
    PixelBits(u8),
    /// More pixels than any screen has, or none, or rows that overlap.
    Size,
    /// Its colours are not in its pixels.
    Colours,
}

impl fmt::Display for LayoutFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PixelBits(bits) => write!(f, "its pixels have {bits} bits, not 24 or 32"),
            Self::Size => f.write_str("its size makes no sense"),
            Self::Colours => f.write_str("its colours make no sense"),
        }
    }
}

impl PixelLayout {
    /// The same, if it can be true.
    pub fn checked(self) -> Result<Self, LayoutFault> {
        let Self { pitch, width, height, pixel_bytes, .. } = self;
        if !matches!(pixel_bytes, 3 | 4) {
            return Err(LayoutFault::PixelBits(pixel_bytes.saturating_mul(8)));
        }
        let is_size = |pixels: u32| (1..=MOST_PIXELS).contains(&pixels);
        if !is_size(width) || !is_size(height) || pitch < width * u32::from(pixel_bytes) || pitch > 8 * MOST_PIXELS {
            return Err(LayoutFault::Size);
        }
        let fits = |channel: Channel| {
            (1..=8).contains(&channel.bits)
                && u32::from(channel.position) + u32::from(channel.bits) <= 8 * u32::from(pixel_bytes)
        };
        if ![self.red, self.green, self.blue].into_iter().all(fits) {
            return Err(LayoutFault::Colours);
        }
        Ok(self)
    }

    /// Bytes from the first pixel to the end of the last row.
    pub fn bytes(&self) -> u64 {
        u64::from(self.pitch) * u64::from(self.height)
    }

    /// The bits of a pixel of this colour.
    pub fn pixel(&self, colour: Rgb) -> u32 {
        let channel = |channel: Channel, shift: u32| (colour >> shift & 0xff) >> (8 - channel.bits) << channel.position;
        channel(self.red, 16) | channel(self.green, 8) | channel(self.blue, 0)
    }
}

/// A framebuffer that is mapped.
#[derive(Clone, Copy, Debug)]
pub struct Canvas {
    base: *mut u8,
    layout: PixelLayout,
}

// SAFETY: the pointer leads to video memory, which no CPU or thread owns.
unsafe impl Send for Canvas {}

impl Canvas {
    /// # Safety
    /// `layout` is [`checked`](PixelLayout::checked), and its [`bytes`](PixelLayout::bytes) are mapped at `base`, writable, for
    /// the life of this value and all copies, and are nobody's memory.
    pub unsafe fn new(base: *mut u8, layout: PixelLayout) -> Self {
        Self { base, layout }
    }

    pub fn layout(&self) -> &PixelLayout {
        &self.layout
    }

    /// Colours a rectangle, as far as it is on the screen.
    pub fn fill(&mut self, left: u32, top: u32, width: u32, height: u32, colour: Rgb) {
        let pixel = self.layout.pixel(colour);
        for y in top..top.saturating_add(height).min(self.layout.height) {
            self.draw_row(left, y, core::iter::repeat_n(pixel, width as usize));
        }
    }

    /// Puts `pixels` from `left` on into row `y`, as far as they are on the screen.
    pub fn draw_row(&mut self, left: u32, y: u32, pixels: impl Iterator<Item = u32>) {
        let PixelLayout { pitch, width, height, pixel_bytes, .. } = self.layout;
        if y >= height || left >= width {
            return;
        }
        let offset = y as usize * pitch as usize + left as usize * usize::from(pixel_bytes);
        // SAFETY: the row and its first pixel are on the screen, which is mapped.
        let start = unsafe { self.base.add(offset) };
        let pixels = pixels.take((width - left) as usize).enumerate();
        if pixel_bytes == 4 {
            // SAFETY: as many pixels as are left in the row, of 4 bytes each. Nothing says that rows are aligned.
            pixels.for_each(|(x, pixel)| unsafe { start.cast::<u32>().add(x).write_unaligned(pixel) });
        } else {
            pixels.for_each(|(x, pixel)| {
                let [low, middle, high, _] = pixel.to_le_bytes();
                for (at, byte) in [low, middle, high].into_iter().enumerate() {
                    // SAFETY: as above, of 3 bytes each.
                    unsafe { start.add(3 * x + at).write(byte) };
                }
            });
        }
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use std::vec::Vec;

    /// Red, green and blue from bit 16 down, as most screens have them.
    pub fn layout(width: u32, height: u32, pixel_bytes: u8) -> PixelLayout {
        let [red, green, blue] = [16, 8, 0].map(|position| Channel { position, bits: 8 });
        let pitch = width * u32::from(pixel_bytes) + 20;
        PixelLayout { address: 0, pitch, width, height, pixel_bytes, red, green, blue }
    }

    /// Video memory with a canvas on it, and bytes beyond its end that must stay as they are.
    pub struct Memory {
        bytes: Vec<u8>,
        layout: PixelLayout,
    }

    const BEYOND: usize = 64;

    impl Memory {
        pub fn new(layout: PixelLayout) -> Self {
            Self { bytes: std::vec![0xee; layout.bytes() as usize + BEYOND], layout }
        }

        pub fn canvas(&mut self) -> Canvas {
            // SAFETY: the bytes are there for as long as a test looks, and no reference to them is held meanwhile.
            unsafe { Canvas::new(self.bytes.as_mut_ptr(), self.layout) }
        }

        /// The colour of a pixel that was drawn.
        pub fn at(&self, x: u32, y: u32) -> Rgb {
            let at = (y * self.layout.pitch + x * u32::from(self.layout.pixel_bytes)) as usize;
            self.bytes[at..at + 3].iter().rev().fold(0, |colour, byte| colour << 8 | u32::from(*byte))
        }

        /// Fails unless nothing was written between rows and beyond the last one.
        pub fn expect_untouched_margins(&self) {
            let row = self.layout.width as usize * usize::from(self.layout.pixel_bytes);
            let (rows, beyond) = self.bytes.split_at(self.layout.bytes() as usize);
            let margins = rows.chunks(self.layout.pitch as usize).flat_map(|whole| &whole[row..]);
            assert!(margins.chain(beyond).all(|byte| *byte == 0xee));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{Memory, layout};
    use super::*;

    #[test]
    fn what_lies_outside_is_not_drawn() {
        for pixel_bytes in [3, 4] {
            let mut memory = Memory::new(layout(10, 8, pixel_bytes));
            let mut canvas = memory.canvas();
            canvas.fill(0, 0, u32::MAX, u32::MAX, 0x10_2030);
            canvas.fill(7, 6, 100, 100, 0xff_8001);
            canvas.fill(10, 0, 1, 1, 0);
            canvas.draw_row(0, 8, [0].into_iter());
            memory.expect_untouched_margins();
            assert_eq!([memory.at(0, 0), memory.at(6, 7), memory.at(7, 5)], [0x10_2030; 3]);
            assert_eq!([memory.at(7, 6), memory.at(9, 7)], [0xff_8001; 2]);
        }
    }

    #[test]
    fn colours_go_where_the_screen_has_them() {
        let mut bgr = layout(8, 8, 4);
        (bgr.red.position, bgr.blue.position) = (0, 16);
        assert_eq!(bgr.pixel(0x12_3456), 0x56_3412);
        let thirty = PixelLayout {
            red: Channel { position: 20, bits: 8 },
            green: Channel { position: 10, bits: 5 },
            blue: Channel { position: 0, bits: 1 },
            ..layout(8, 8, 4)
        };
        assert_eq!(thirty.pixel(0xff_ff_ff), 0xff << 20 | 0x1f << 10 | 1);
    }

    #[test]
    fn layouts_that_cannot_be_are_refused() {
        let sound = layout(640, 480, 4);
        assert_eq!(sound.checked(), Ok(sound));
        let channel = |position, bits| Channel { position, bits };
        for (wrong, fault) in [
            (PixelLayout { pixel_bytes: 2, ..sound }, LayoutFault::PixelBits(16)),
            (PixelLayout { pixel_bytes: 255, ..sound }, LayoutFault::PixelBits(255)),
            (PixelLayout { width: 0, ..sound }, LayoutFault::Size),
            (PixelLayout { height: u32::MAX, ..sound }, LayoutFault::Size),
            (PixelLayout { width: u32::MAX, ..sound }, LayoutFault::Size),
            (PixelLayout { pitch: 640 * 4 - 1, ..sound }, LayoutFault::Size),
            (PixelLayout { pitch: u32::MAX, ..sound }, LayoutFault::Size),
            (PixelLayout { red: channel(25, 8), ..sound }, LayoutFault::Colours),
            (PixelLayout { green: channel(0, 9), ..sound }, LayoutFault::Colours),
            (PixelLayout { blue: channel(255, 255), ..sound }, LayoutFault::Colours),
        ] {
            assert_eq!(wrong.checked(), Err(fault));
        }
    }
}
