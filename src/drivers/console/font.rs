//! Glyphs for screens of pixels: the font Spleen, in the size that suits the screen.
//!
//! Key type: [`Font`].

use spleen_font::{FONT_6X12, FONT_8X16, FONT_12X24, FONT_16X32, PSF2Font};

/// A font of one size.
pub struct Font {
    width: u32,
    height: u32,
    glyphs: Glyphs,
}

#[expect(clippy::large_enum_variant, reason = "no heap when the first one is made")]
enum Glyphs {
    Unicode(PSF2Font<'static>),
    /// As many bytes each as the font is high, and the table of what they stand for. The crate 0.2 takes the two fields of this
    /// form's header for each other.
    Older {
        glyphs: &'static [u8],
        table: &'static [u8],
    },
}

/// Bytes before the 512 glyphs of a font of the older form (PSF 1): magic, mode and the bytes of a glyph.
const OLDER_HEADER_BYTES: usize = 4;
const OLDER_GLYPHS: usize = 512;
/// In its table of UTF-16 units: the end of what a glyph stands for, and the beginning of a sequence of more than one.
const OLDER_END: u16 = 0xffff;
const OLDER_SEQUENCE: u16 = 0xfffe;

impl Font {
    /// A large one only where much text fits, a small one where not even a text screen would.
    pub fn for_size(width: u32, height: u32) -> Self {
        let fits = |font: &Font, columns, rows| width / font.width >= columns && height / font.height >= rows;
        [(Self::of(FONT_16X32), 100, 30), (Self::of(FONT_12X24), 100, 30), (Self::of_older(FONT_8X16), 80, 25)]
            .into_iter()
            .find_map(|(font, columns, rows)| fits(&font, columns, rows).then_some(font))
            .unwrap_or_else(|| Self::of(FONT_6X12))
    }

    fn of(data: &'static [u8]) -> Self {
        let font = PSF2Font::new(data).expect("the fonts of the crate are whole");
        Self { width: font.width, height: font.height, glyphs: Glyphs::Unicode(font) }
    }

    fn of_older(data: &'static [u8]) -> Self {
        let [_, _, _, height] = data[..OLDER_HEADER_BYTES] else { unreachable!("a slice of four") };
        let (glyphs, table) = data[OLDER_HEADER_BYTES..].split_at(OLDER_GLYPHS * usize::from(height));
        Self { width: 8, height: height.into(), glyphs: Glyphs::Older { glyphs, table } }
    }

    /// Pixels from one glyph to the next, at most 32.
    pub fn width(&self) -> u32 {
        self.width
    }

    pub fn height(&self) -> u32 {
        self.height
    }

    /// The glyph of a character: rows from the top, each in as many bytes as its bits take, leftmost first in the highest bit. What
    /// the font has not is a question mark.
    pub fn glyph(&mut self, character: char) -> &'static [u8] {
        match &mut self.glyphs {
            Glyphs::Unicode(font) => {
                let mut utf8 = [0; 4];
                let glyph = font.get_glyph_data(character.encode_utf8(&mut utf8).as_bytes());
                glyph.or_else(|| font.get_glyph_data(b"?")).unwrap_or_default()
            }
            Glyphs::Older { glyphs, table } => {
                let height = self.height as usize;
                &glyphs[older_index(table, character).unwrap_or(usize::from(b'?')) * height..][..height]
            }
        }
    }
}

/// The number of a character's glyph by the `table` of a font of the older form, in which ASCII is in its own order.
fn older_index(table: &[u8], character: char) -> Option<usize> {
    if matches!(character, ' '..='~') {
        return Some(character as usize);
    }
    let (mut index, mut is_alone) = (0, true);
    for unit in table.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])) {
        match unit {
            OLDER_END => (index, is_alone) = (index + 1, true),
            OLDER_SEQUENCE => is_alone = false,
            unit if is_alone && u32::from(unit) == character as u32 => return Some(index),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn glyph(font: &mut Font, character: char) -> Vec<u32> {
        let row =
            |bytes: &[u8]| bytes.iter().zip(0..).fold(0, |row, (byte, at)| row | u32::from(*byte) << (24 - 8 * at));
        font.glyph(character).chunks((font.width() as usize).div_ceil(8)).map(row).collect()
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
    fn older_font_has_ascii_in_its_order_and_all_that_a_text_screen_has() {
        let [0x36, 0x04, 3, 16] = FONT_8X16[..4] else { panic!("it has another form") };
        let (glyphs, table) = FONT_8X16[OLDER_HEADER_BYTES..].split_at(OLDER_GLYPHS * 16);
        let units: Vec<u16> = table.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
        let meanings: Vec<&[u16]> = units.split(|unit| *unit == OLDER_END).collect();
        assert!((u16::from(b' ')..=u16::from(b'~')).all(|code| meanings[usize::from(code)].contains(&code)));
        let glyph = |character| older_index(table, character).map(|index| &glyphs[16 * index..][..16]);
        let missing: Vec<char> = super::super::code_page::UPPER_HALF.chars().filter(|c| glyph(*c).is_none()).collect();
        assert_eq!(missing, ['α', 'Σ', 'σ', 'τ', 'Θ', 'δ', 'φ', 'ε'], "of the code page");
        assert_eq!(glyph('█'), Some(&[0xff; 16][..]));
        assert_eq!(glyph('漢'), None);
    }
}
