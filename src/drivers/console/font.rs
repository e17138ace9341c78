//! Glyphs for screens of pixels: the font Spleen, in the size that suits the screen.
//!
//! Key type: [`Font`].

use spleen_font::{FONT_6X12, FONT_8X16, FONT_12X24, FONT_16X32, PSF2Font};

use super::code_page;

/// A font of one size.
pub struct Font {
    width: u32,
    height: u32,
    glyphs: Glyphs,
}

#[expect(clippy::large_enum_variant, reason = "no heap when the first one is made")]
enum Glyphs {
    Unicode(PSF2Font<'static>),
    /// In the order of code page 437, as many bytes each as the font is high. The crate 0.2 takes the two fields of this form's
    /// header for each other.
    CodePage(&'static [u8]),
}

/// Bytes before the glyphs of a font of the older form: magic, mode and the bytes of a glyph.
const OLDER_HEADER_BYTES: usize = 4;

impl Font {
    /// A large one only where much text fits, a small one where not even a text screen would.
    pub fn for_size(width: u32, height: u32) -> Self {
        let fits = |font: &Font, columns, rows| width / font.width >= columns && height / font.height >= rows;
        [(Self::of(FONT_16X32), 100, 30), (Self::of(FONT_12X24), 100, 30), (Self::of_code_page(FONT_8X16), 80, 25)]
            .into_iter()
            .find_map(|(font, columns, rows)| fits(&font, columns, rows).then_some(font))
            .unwrap_or_else(|| Self::of(FONT_6X12))
    }

    fn of(data: &'static [u8]) -> Self {
        let font = PSF2Font::new(data).expect("the fonts of the crate are whole");
        Self { width: font.width, height: font.height, glyphs: Glyphs::Unicode(font) }
    }

    fn of_code_page(data: &'static [u8]) -> Self {
        let [_, _, _, height] = data[..OLDER_HEADER_BYTES] else { unreachable!("a slice of four") };
        Self { width: 8, height: height.into(), glyphs: Glyphs::CodePage(&data[OLDER_HEADER_BYTES..]) }
    }

    /// Pixels from one glyph to the next, at most 32.
    pub fn width(&self) -> u32 {
        self.width
    }

    pub fn height(&self) -> u32 {
        self.height
    }

    /// The rows of a character's glyph from the top, a bit for each pixel, leftmost first in the highest bit of 32. What the font
    /// has not is a question mark.
    pub fn rows(&mut self, character: char) -> impl Iterator<Item = u32> + use<> {
        let bytes = match &mut self.glyphs {
            Glyphs::Unicode(font) => {
                let mut utf8 = [0; 4];
                let glyph = font.get_glyph_data(character.encode_utf8(&mut utf8).as_bytes());
                glyph.or_else(|| font.get_glyph_data(b"?")).unwrap_or_default()
            }
            Glyphs::CodePage(glyphs) => {
                let height = self.height as usize;
                &glyphs[usize::from(code_page::encode(character)) * height..][..height]
            }
        };
        bytes.chunks((self.width as usize).div_ceil(8)).map(|row| {
            let mut bits = [0; 4];
            bits[..row.len()].copy_from_slice(row);
            u32::from_be_bytes(bits)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn glyph(font: &mut Font, character: char) -> Vec<u32> {
        font.rows(character).collect()
    }

    #[test]
    fn text_screens_fit_where_they_can() {
        let size = |width, height| {
            let font = Font::for_size(width, height);
            (font.width(), font.height())
        };
        assert_eq!(size(640, 480), (8, 16));
        assert_eq!(size(1024, 768), (8, 16));
        assert_eq!(size(1280, 800), (12, 24));
        assert_eq!(size(1920, 1080), (16, 32));
        assert_eq!(size(3840, 2160), (16, 32));
        assert_eq!(size(320, 200), (6, 12));
    }

    #[test]
    fn glyphs_differ_have_all_their_rows_and_unknown_ones_are_question_marks() {
        for (width, height) in [(320, 200), (640, 480), (1280, 800), (1920, 1080)] {
            let mut font = Font::for_size(width, height);
            let [a, b, unknown, mark, blank] = ['a', 'b', '漢', '?', ' '].map(|c| glyph(&mut font, c));
            assert_eq!(a.len(), font.height() as usize);
            assert!(a != b && a != blank);
            assert_eq!(unknown, mark);
            assert_eq!(blank, std::vec![0; font.height() as usize]);
            assert!(a.iter().all(|row| row.trailing_zeros() >= 32 - font.width()));
            assert!(['é', 'ß', 'ü'].into_iter().all(|c| glyph(&mut font, c) != mark));
        }
    }

    #[test]
    fn older_font_is_in_the_order_of_the_code_page() {
        let [0x36, 0x04, mode, height] = FONT_8X16[..4] else { panic!("it has another form") };
        assert_eq!((mode & 2, height), (2, 16), "it has no table of what its glyphs stand for");
        let glyphs = if mode & 1 == 1 { 512 } else { 256 };
        let table = &FONT_8X16[OLDER_HEADER_BYTES + glyphs * usize::from(height)..];
        let units: Vec<u16> = table.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
        let mut right = 0;
        for (index, meanings) in units.split(|unit| *unit == 0xffff).enumerate().take(256) {
            // Up to the first sequence of more than one.
            let alone = meanings.iter().take_while(|unit| **unit != 0xfffe);
            for character in alone.filter_map(|unit| char::from_u32(u32::from(*unit))) {
                let code = usize::from(code_page::encode(character));
                let [coded, meant] = [code, index].map(|glyph| &FONT_8X16[OLDER_HEADER_BYTES + 16 * glyph..][..16]);
                assert!(coded == meant || code == usize::from(b'?'), "{character:?}: {code:#x}, {index:#x}");
                right += usize::from(coded == meant);
            }
        }
        assert!(right >= 220, "{right}");
    }
}
