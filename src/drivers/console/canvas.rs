//! Pixels in video memory, written and never read: reading them is a hundred times as slow.
//!
//! Key types: [`PixelLayout`], what a loader says of a framebuffer; [`Canvas`], a framebuffer that can be drawn on.

use core::convert::Infallible;
use core::fmt;

use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Dimensions, OriginDimensions, Size};
use embedded_graphics::pixelcolor::{IntoStorage, Rgb888};
use embedded_graphics::primitives::Rectangle;

/// The most that a side may have, in pixels.
const MOST_PIXELS: u32 = 16 * 1024;

/// Pixels of one colour that are stored at once.
const AT_ONCE: usize = 16;

/// By four bits, the highest first: all bits set for those that are.
const SET: [[u32; 4]; 16] = {
    let mut masks = [[0; 4]; 16];
    let mut at = 0;
    while at < 64 {
        if (at / 4) & (8 >> (at % 4)) != 0 {
            masks[at / 4][at % 4] = u32::MAX;
        }
        at += 1;
    }
    masks
};

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
            let Some((start, pixels)) = self.row(left, y, width) else { return };
            if self.layout.pixel_bytes == 4 {
                let start = start.cast::<u32>();
                for at in 0..pixels / AT_ONCE {
                    // SAFETY: as many pixels are on the screen, which is mapped. Nothing says that rows are aligned.
                    unsafe { start.add(at * AT_ONCE).cast::<[u32; AT_ONCE]>().write_unaligned([pixel; AT_ONCE]) };
                }
                for at in pixels / AT_ONCE * AT_ONCE..pixels {
                    // SAFETY: as above.
                    unsafe { start.add(at).write_unaligned(pixel) };
                }
            } else {
                (0..pixels).for_each(|at| self.put(start, at, pixel));
            }
        }
    }

    /// Draws a glyph of such a width as far as it is on the screen, the pixels of bits that are set as the second of `colours`, in
    /// the screen's form. Each row of `glyph`, from the top, is as many bytes as its bits take, leftmost first, highest bit first.
    pub fn draw_glyph(&mut self, left: u32, top: u32, width: u32, glyph: &[u8], colours: [u32; 2]) {
        // What fonts have most.
        match width {
            6 => self.draw_glyph_of::<6>(left, top, glyph, colours),
            8 => self.draw_glyph_of::<8>(left, top, glyph, colours),
            12 => self.draw_glyph_of::<12>(left, top, glyph, colours),
            16 => self.draw_glyph_of::<16>(left, top, glyph, colours),
            _ => self.draw_bits(left, top, width, glyph, colours),
        }
    }

    /// The same with a width that the compiler knows, by storing rows of pixels as a whole where that can be.
    fn draw_glyph_of<const WIDTH: usize>(&mut self, left: u32, top: u32, glyph: &[u8], colours: [u32; 2]) {
        let PixelLayout { pitch, height, pixel_bytes, .. } = self.layout;
        let bytes = WIDTH.div_ceil(8);
        let rows = glyph.len() / bytes;
        let start = match self.row(left, top, WIDTH as u32) {
            Some((start, pixels)) if pixel_bytes == 4 && pixels == WIDTH && top as usize + rows <= height as usize => {
                start
            }
            _ => return self.draw_bits(left, top, WIDTH as u32, glyph, colours),
        };
        let difference = colours[0] ^ colours[1];
        for (y, row) in glyph.chunks_exact(bytes).enumerate() {
            let pixels: [u32; WIDTH] = core::array::from_fn(|x| {
                let four = &SET[usize::from(row[x / 8] >> (4 - x % 8 / 4 * 4) & 15)];
                colours[0] ^ difference & four[x % 4]
            });
            // SAFETY: all rows are on the screen, which is mapped, and so are as many pixels of each. Nothing says that they are
            // aligned.
            unsafe { start.add(y * pitch as usize).cast::<[u32; WIDTH]>().write_unaligned(pixels) };
        }
    }

    fn draw_bits(&mut self, left: u32, top: u32, width: u32, glyph: &[u8], colours: [u32; 2]) {
        for (y, row) in (top..).zip(glyph.chunks_exact((width as usize).div_ceil(8))) {
            let Some((start, pixels)) = self.row(left, y, width) else { return };
            for at in 0..pixels {
                let is_set = row[at / 8] & 0x80 >> (at % 8) != 0;
                self.put(start, at, colours[usize::from(is_set)]);
            }
        }
    }

    /// Where the pixel at `left` of row `y` is, and how many of `width` are on the screen; nothing if none is.
    fn row(&self, left: u32, y: u32, width: u32) -> Option<(*mut u8, usize)> {
        let PixelLayout { pitch, width: all, height, pixel_bytes, .. } = self.layout;
        if left >= all || y >= height {
            return None;
        }
        let offset = y as usize * pitch as usize + left as usize * usize::from(pixel_bytes);
        // SAFETY: the row and this pixel are on the screen, which is mapped.
        Some((unsafe { self.base.add(offset) }, width.min(all - left) as usize))
    }

    /// Puts a pixel `at` pixels behind `start`, where the screen has one.
    fn put(&self, start: *mut u8, at: usize, pixel: u32) {
        let bytes = pixel.to_le_bytes();
        let size = usize::from(self.layout.pixel_bytes);
        for (byte, value) in bytes.into_iter().take(size).enumerate() {
            // SAFETY: the callers keep to what `row` says is on the screen.
            unsafe { start.add(size * at + byte).write(value) };
        }
    }
}

/// What [`DrawTarget`] draws beside text; what is outside is left out.
impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        pixels
            .into_iter()
            .try_for_each(|Pixel(at, colour)| self.fill_solid(&Rectangle::new(at, Size::new(1, 1)), colour))
    }

    fn fill_solid(&mut self, area: &Rectangle, colour: Rgb888) -> Result<(), Infallible> {
        let Rectangle { top_left, size } = area.intersection(&self.bounding_box());
        // Nothing on the screen is negative.
        self.fill(top_left.x as u32, top_left.y as u32, size.width, size.height, colour.into_storage());
        Ok(())
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.layout.width, self.layout.height)
    }
}

#[cfg(test)]
pub(crate) mod testing {
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
            canvas.draw_glyph(3, 7, 12, &[0xff; 18], [0, 0x33_4455]);
            memory.expect_untouched_margins();
            assert_eq!([memory.at(0, 0), memory.at(2, 7), memory.at(7, 5)], [0x10_2030; 3]);
            assert_eq!([memory.at(7, 6), memory.at(9, 6)], [0xff_8001; 2]);
            assert_eq!([memory.at(3, 7), memory.at(9, 7)], [0x33_4455; 2]);
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
