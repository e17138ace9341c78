//! Reads what a screen shows: pixels by the glyphs that the kernel draws, a text screen from its memory.

#![allow(dead_code)] // Each file of tests uses its own part.

use super::common::qemu::TIMEOUT;
use bareflow::host::qemu::Running;
use serde_json::json;
use spleen_font::{FONT_6X12, FONT_8X16, FONT_12X24, FONT_16X32, PSF2Font};
use std::collections::HashMap;
use std::fs;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What the screen of `running` shows, as lines without blanks at their ends; empty if it is nothing that can be read.
pub fn text(running: &mut Running) -> String {
    let pixels = pixels(running);
    if (pixels.width, pixels.height) == TEXT_PIXELS {
        return cells(running);
    }
    let lines = fonts().iter().map(|font| font.read(&pixels)).max_by_key(|text| text.len());
    lines.unwrap_or_default()
}

/// Waits until the screen shows `text`; all that it shows then.
pub fn shown(running: &mut Running, text: &str, patience: Duration) -> Option<String> {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        let shown = self::text(running);
        if shown.contains(text) {
            return Some(shown);
        }
        thread::sleep(Duration::from_millis(100));
    }
    None
}

pub fn expect_shown(running: &mut Running, text: &str) -> String {
    match shown(running, text, TIMEOUT) {
        Some(shown) => shown,
        None => panic!("{text:?} was not shown, but:\n{}\nsaid:\n{}", self::text(running), running.serial().text()),
    }
}

/// What a VGA screen in text mode looks like, of 80 x 25 characters.
const TEXT_PIXELS: (usize, usize) = (720, 400);

struct Pixels {
    width: usize,
    height: usize,
    colours: Vec<[u8; 3]>,
}

fn pixels(running: &mut Running) -> Pixels {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let path = folder.path().join("screen.ppm");
    running.screendump(&path).unwrap_or_else(|error| panic!("{error}"));
    let file = fs::read(path).expect("the screen was written");
    // Magic, width, height and the largest value, each with white space behind it.
    let mut fields = file.splitn(4, |byte| byte.is_ascii_whitespace()).skip(1);
    let mut number = || {
        let field = fields.next().and_then(|field| std::str::from_utf8(field).ok()?.trim().parse().ok());
        field.expect("a portable pixmap begins with its size")
    };
    let (width, height): (usize, usize) = (number(), number());
    let start = file.len() - 3 * width * height;
    let colours = file[start..].chunks_exact(3).map(|colour| [colour[0], colour[1], colour[2]]).collect();
    Pixels { width, height, colours }
}

/// What the memory of a text screen of 80 columns holds, as lines.
fn cells(running: &mut Running) -> String {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let path = folder.path().join("cells");
    let arguments = json!({"val": 0xb8000, "size": 80 * 25 * 2, "filename": path.to_string_lossy()});
    let saved = running.control(json!({"execute": "pmemsave", "arguments": arguments}));
    saved.unwrap_or_else(|error| panic!("{error}"));
    let cells = fs::read(path).expect("the memory was written");
    let character = |cell: &[u8]| if cell[0].is_ascii_graphic() { char::from(cell[0]) } else { ' ' };
    cells
        .chunks_exact(160)
        .map(|row| row.chunks_exact(2).map(character).collect::<String>().trim_end().to_owned() + "\n")
        .collect()
}

/// The glyphs of a size, by their rows.
struct Glyphs {
    width: usize,
    height: usize,
    characters: HashMap<Vec<u32>, char>,
}

fn fonts() -> &'static [Glyphs] {
    static FONTS: OnceLock<Vec<Glyphs>> = OnceLock::new();
    FONTS.get_or_init(|| {
        let characters = || (b'!'..=b'~').map(char::from);
        let mut fonts: Vec<Glyphs> = [FONT_6X12, FONT_12X24, FONT_16X32]
            .into_iter()
            .map(|data| {
                let font = PSF2Font::new(data).expect("the font is whole");
                let (width, height) = (font.width as usize, font.height as usize);
                let rows = |character: char| {
                    let glyph = font.glyph_by_idx(character as u32).expect("every font has ASCII");
                    glyph.chunks(width.div_ceil(8)).map(|row| bits(row, width)).collect()
                };
                Glyphs { width, height, characters: characters().map(|c| (rows(c), c)).collect() }
            })
            .collect();
        let rows = |character: char| {
            FONT_8X16[4 + 16 * character as usize..][..16].iter().map(|row| bits(&[*row], 8)).collect()
        };
        fonts.push(Glyphs { width: 8, height: 16, characters: characters().map(|c| (rows(c), c)).collect() });
        fonts
    })
}

/// The `width` pixels of a row, the leftmost in the highest of so many bits.
fn bits(row: &[u8], width: usize) -> u32 {
    row.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) >> (8 * row.len() - width)
}

impl Glyphs {
    /// The characters on a screen, each in two colours of its own.
    fn read(&self, pixels: &Pixels) -> String {
        let (columns, rows) = (pixels.width / self.width, pixels.height / self.height);
        let line = |row| (0..columns).map(|column| self.character(pixels, column, row)).collect::<String>();
        (0..rows).map(|row| line(row).trim_end().to_owned() + "\n").collect()
    }

    fn character(&self, pixels: &Pixels, column: usize, row: usize) -> char {
        let start = row * self.height * pixels.width + column * self.width;
        // Glyphs leave the pixel at the top left alone.
        let background = pixels.colours[start];
        let row_bits = |y: usize| {
            let row = &pixels.colours[start + y * pixels.width..][..self.width];
            row.iter().fold(0, |bits, colour| bits << 1 | u32::from(*colour != background))
        };
        self.characters.get(&(0..self.height).map(row_bits).collect::<Vec<_>>()).copied().unwrap_or(' ')
    }
}
