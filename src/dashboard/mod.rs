//! The right third of a large screen: the boot, its store, ticks of the last boots, tiers, what is hot and what it is
//! specialised for.
//!
//! Key types: [`View`], what is shown; [`Dashboard`], which draws it. Neighbour: `kernel::screen` has the rest of the screen.

#![forbid(unsafe_code)]

mod chart;
mod view;

use alloc::string::String;
use core::fmt::{self, Write};

use embedded_graphics::Drawable;
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::primitives::{Primitive, PrimitiveStyle, Rectangle};

use crate::drivers::console::{Canvas, Font, PixelLayout, Rgb};
use chart::Scale;
use view::PARTS;
pub use view::{Lists, View};

/// Screens that are smaller are the text's alone, in pixels.
const LEAST_WIDTH: u32 = 800;
const LEAST_HEIGHT: u32 = 600;

const BLACK: Rgb = 0;
const FAINT: Rgb = 0x3a_434d;
const QUIET: Rgb = 0x98_a2ad;
const INK: Rgb = 0xe6_ebf0;
const TITLE: Rgb = 0x61_d6d6;
/// By [`PARTS`], told apart by lightness as well.
const PART_COLOURS: [Rgb; PARTS.len()] = [0x7c_8894, 0x3d_9fcb, 0xe0_8a4f, 0x8a_b765];
/// By tiers.
const TIER_COLOURS: [Rgb; 3] = [0x7c_8894, 0x3d_9fcb, 0x8a_b765];

/// Lines from the top.
const PROGRAM: u32 = 1;
const BOOT: u32 = 2;
const STORE: u32 = 3;
const STORE_LINES: u32 = 2;
const STATUS: u32 = 5;
const CHART_TITLE: u32 = 7;
const CHART: u32 = 8;
const CHART_LINES: u32 = 9;
const LEGEND: u32 = CHART + CHART_LINES;
const SUMS: u32 = LEGEND + 1;
const TIERS: u32 = SUMS + 2;
const LISTS: u32 = TIERS + 5;
/// Columns of the longest name of a tier, and of the largest number beside its bar.
const TIER_NAME_COLUMNS: u32 = 12;
const TIER_NUMBER_COLUMNS: u32 = 7;

/// A boot's bar and what is between two, in pixels.
const BAR_WIDTH: u32 = 6;
const BAR_GAP: u32 = 2;

/// How many pixels of each row are the text's, if there is room for a dashboard beside it.
pub fn text_width(layout: &PixelLayout) -> Option<u32> {
    let is_large = layout.width >= LEAST_WIDTH && layout.height >= LEAST_HEIGHT;
    is_large.then_some(layout.width - layout.width / 3)
}

/// The dashboard on a screen whose left part is the text's.
pub struct Dashboard {
    canvas: Canvas,
    font: Font,
    /// Where the text's part ends, and where the first column here begins, in pixels. All columns of the screen are in line.
    edge: u32,
    left: u32,
    columns: u32,
    rows: u32,
    /// The chart's, and the number of the bar of this boot, from the left, while that boot goes on.
    scale: Scale,
    growing: Option<u32>,
}

impl Dashboard {
    /// Takes what is right of the text's `width` pixels, which is black.
    pub fn new(canvas: Canvas, width: u32) -> Self {
        let layout = *canvas.layout();
        let font = Font::for_size(width, layout.height);
        let left = (width + 2).next_multiple_of(font.width());
        Self {
            edge: width,
            left,
            columns: layout.width.saturating_sub(left) / font.width(),
            rows: layout.height / font.height(),
            scale: Scale::new(&[], CHART_LINES * font.height()),
            growing: None,
            canvas,
            font,
        }
    }

    /// Draws everything. The boot goes on if it `is_running`.
    pub fn draw(&mut self, view: &View, is_running: bool) {
        let PixelLayout { width, height, .. } = *self.canvas.layout();
        let edge = self.edge;
        self.fill(edge, 0, width - edge, height, BLACK);
        self.fill(edge, 0, 1, height, FAINT);
        self.line(PROGRAM, INK, &view.program);
        self.line(BOOT, QUIET, &view.boot);
        let mut store = &*view.store;
        for row in STORE..STORE + STORE_LINES {
            let end = store.char_indices().nth(self.columns as usize).map_or(store.len(), |(at, _)| at);
            self.line(row, QUIET, &store[..end]);
            store = &store[end..];
        }
        self.line(STATUS, INK, &view.status);
        self.draw_chart(&view.ticks, is_running);
        self.draw_tiers(view);
        if let Some(Lists { functions, sites }) = &view.lists {
            let room = self.rows.saturating_sub(LISTS + 4) as usize;
            let most_sites = sites.len().min(room - room / 2);
            let most_functions = functions.len().min(room - most_sites);
            let most_sites = sites.len().min(room - most_functions);
            self.list(LISTS, "HOTTEST FUNCTIONS", &functions[..most_functions]);
            self.list(LISTS + 2 + most_functions.max(1) as u32, "SPECIALISED CALLS", &sites[..most_sites]);
        }
    }

    /// Shows that the boot goes on: `tenths` of a second of its program, and ticks so far. Allocates nothing.
    pub fn beat(&mut self, tenths: u64, ticks: u64) {
        // Drawing does not fail.
        let _ = write!(self.pen(STATUS, 0, INK), "running, {}.{} s   ", tenths / 10, tenths % 10);
        if let Some(number) = self.growing {
            let height = self.scale.height(ticks);
            self.bar(number, 0, height, INK);
        }
    }

    fn draw_chart(&mut self, ticks: &[[u64; PARTS.len()]], is_running: bool) {
        let bars = (self.columns * self.font.width() / (BAR_WIDTH + BAR_GAP)) as usize;
        let room = bars.saturating_sub(usize::from(is_running));
        let shown = &ticks[ticks.len().saturating_sub(room)..];
        let _ = write!(self.pen(CHART_TITLE, 0, TITLE), "TICKS OF A BOOT, THE LAST {}", shown.len());
        self.scale = Scale::new(shown, self.scale_height());
        self.growing = is_running.then_some(shown.len() as u32);
        for (number, bar) in (0..).zip(shown) {
            let mut bottom = 0;
            for (end, colour) in self.scale.ends(bar).into_iter().zip(PART_COLOURS) {
                self.bar(number, bottom, end - bottom, colour);
                bottom = end;
            }
            if self.scale.is_cut(bar) {
                self.bar(number, bottom - bottom / 12, 2, BLACK);
            }
        }
        let mut column = 0;
        for (part, colour) in PARTS.into_iter().zip(PART_COLOURS) {
            let _ = self.pen(LEGEND, column, colour).write_str(part);
            column += part.len() as u32 + 2;
        }
        if let (Some(last), Some(best)) = (ticks.last(), ticks.iter().map(view::total).min()) {
            let _ = write!(self.pen(SUMS, 0, INK), "last {}, best {}", Short(view::total(last)), Short(best));
        }
    }

    fn draw_tiers(&mut self, view: &View) {
        let _ = write!(self.pen(TIERS, 0, TITLE), "TIERS OF {} FUNCTIONS CALLED", view.called);
        let most = view.tiers.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
        let room = self.columns.saturating_sub(TIER_NAME_COLUMNS + TIER_NUMBER_COLUMNS) * self.font.width();
        for ((row, (name, count)), colour) in (TIERS + 1..).zip(view.tiers).zip(TIER_COLOURS) {
            let _ = self.pen(row, 0, QUIET).write_str(name);
            // No more than the room.
            let length = (u128::from(room) * u128::from(count) / u128::from(most)) as u32;
            let (left, top) = (self.left + TIER_NAME_COLUMNS * self.font.width(), row * self.font.height());
            let margin = self.font.height() / 5;
            self.fill(left, top + margin, length, self.font.height() - 2 * margin, colour);
            let behind = TIER_NAME_COLUMNS + length.div_ceil(self.font.width()) + 1;
            let _ = write!(self.pen(row, behind, INK), "{count}");
        }
    }

    fn list(&mut self, row: u32, title: &str, lines: &[String]) {
        self.line(row, TITLE, title);
        for (row, line) in (row + 1..).zip(lines) {
            self.line(row, QUIET, line);
        }
        if lines.is_empty() {
            self.line(row + 1, QUIET, "none so far");
        }
    }

    /// Pixels of the chart from bottom to top.
    fn scale_height(&self) -> u32 {
        CHART_LINES * self.font.height() - self.font.height() / 2
    }

    /// A part of a bar, in pixels from the chart's bottom.
    fn bar(&mut self, number: u32, bottom: u32, height: u32, colour: Rgb) {
        let left = self.left + number * (BAR_WIDTH + BAR_GAP);
        let foot = (CHART + CHART_LINES) * self.font.height() - self.font.height() / 4;
        self.fill(left, foot.saturating_sub(bottom + height), BAR_WIDTH, height, colour);
    }

    fn fill(&mut self, left: u32, top: u32, width: u32, height: u32, colour: Rgb) {
        // Screens are smaller than this is large.
        let area = Rectangle::new(Point::new(left as i32, top as i32), Size::new(width, height));
        let Ok(()) = area.into_styled(PrimitiveStyle::with_fill(rgb(colour))).draw(&mut self.canvas);
    }

    fn line(&mut self, row: u32, colour: Rgb, text: &str) {
        // Drawing does not fail.
        let _ = self.pen(row, 0, colour).write_str(text);
    }

    fn pen(&mut self, row: u32, column: u32, colour: Rgb) -> Pen<'_> {
        Pen { dashboard: self, row, column, colour }
    }
}

/// Writes text into a line, as much of it as there is room for.
struct Pen<'a> {
    dashboard: &'a mut Dashboard,
    row: u32,
    column: u32,
    colour: Rgb,
}

impl Write for Pen<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let Dashboard { canvas, font, left, columns, rows, .. } = &mut *self.dashboard;
        let pixels = [BLACK, self.colour].map(|colour| canvas.layout().pixel(colour));
        for character in text.chars() {
            if self.column >= *columns || self.row >= *rows {
                break;
            }
            let (x, y) = (*left + self.column * font.width(), self.row * font.height());
            canvas.draw_glyph(x, y, font.width(), font.glyph(character), pixels);
            self.column += 1;
        }
        Ok(())
    }
}

/// A number of ticks in few characters.
struct Short(u64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
        match units.into_iter().find(|(unit, _)| self.0 >= *unit) {
            Some((unit, name)) => write!(f, "{}.{:02} {name}", self.0 / unit, self.0 % unit * 100 / unit),
            None => write!(f, "{}", self.0),
        }
    }
}

fn rgb(colour: Rgb) -> Rgb888 {
    let [_, red, green, blue] = colour.to_be_bytes();
    Rgb888::new(red, green, blue)
}

#[cfg(test)]
mod tests;
