use super::*;
use crate::drivers::console::testing::{Memory, layout};
use std::format;
use std::vec::Vec;

const SIZES: [(u32, u32); 5] = [(800, 600), (1024, 768), (1280, 720), (1920, 1080), (3840, 2160)];

fn view() -> View {
    View {
        program: "concordance.wasm".into(),
        boot: "boot 30, from generation 29".into(),
        store: "disk 0 of the first IDE channel (QEMU HARDDISK, serial QM00001), partition 3".into(),
        status: "starting".into(),
        ticks: (1..30)
            .map(|boot| [2_000_000, 19_000_000, if boot == 1 { 900_000_000 } else { 0 }, 3_000_000])
            .collect(),
        tiers: [("baseline", 8), ("optimised", 65), ("specialised", 25)],
        called: 98,
        lists: Some(Lists {
            functions: (0..40).map(|number| format!("  1.0%  a_function_of_a_long_name_{number}")).collect(),
            sites: (0..40).map(|number| format!("site_{number}: memcpy 512 (98%)")).collect(),
        }),
    }
}

/// The screen with a dashboard that was drawn.
fn drawn(width: u32, height: u32, draw: impl FnOnce(&mut Dashboard)) -> Memory {
    let layout = layout(width, height, 4);
    let mut memory = Memory::new(layout);
    let text = text_width(&layout).expect("the screen is large enough");
    draw(&mut Dashboard::new(memory.canvas(), text));
    memory
}

/// Whether pixels of a colour are in a part of the screen.
fn has(memory: &Memory, colour: Rgb, columns: core::ops::Range<u32>, rows: core::ops::Range<u32>) -> bool {
    rows.into_iter().any(|y| columns.clone().any(|x| memory.at(x, y) == colour))
}

#[test]
fn small_screens_are_the_texts_alone() {
    for (width, height) in [(640, 480), (799, 600), (1920, 599)] {
        assert_eq!(text_width(&layout(width, height, 4)), None);
    }
    assert_eq!(text_width(&layout(800, 600, 4)), Some(534));
}

#[test]
fn the_right_third_is_filled_and_nothing_else() {
    for (width, height) in SIZES {
        let memory = drawn(width, height, |dashboard| dashboard.draw(&view(), true));
        let text = text_width(&layout(width, height, 4)).expect("large enough");
        memory.expect_untouched_margins();
        assert!((0..height).all(|y| memory.at(text - 1, y) == 0xee_eeee && memory.at(text, y) == FAINT));
        for colour in PART_COLOURS.into_iter().chain(TIER_COLOURS).chain([INK, QUIET, TITLE]) {
            assert!(has(&memory, colour, text..width, 0..height), "{width} x {height}: {colour:06x}");
        }
        // The lists reach down to the last lines.
        let line = Font::for_size(text, height).height();
        assert!(has(&memory, QUIET, text..width, height - 4 * line..height), "{width} x {height}");
    }
}

#[test]
fn a_beat_moves_the_bar_of_this_boot_and_says_how_long_it_runs() {
    let (width, height) = (1024, 768);
    let at_start = drawn(width, height, |dashboard| dashboard.draw(&view(), true));
    let later = drawn(width, height, |dashboard| {
        dashboard.draw(&view(), true);
        dashboard.beat(123, 20_000_000);
    });
    let changed: Vec<(u32, u32)> = (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .filter(|(x, y)| at_start.at(*x, *y) != later.at(*x, *y))
        .collect();
    let (status, chart) = (STATUS * 16..(STATUS + 1) * 16, CHART * 16..(CHART + CHART_LINES) * 16);
    assert!(changed.iter().all(|(_, y)| status.contains(y) || chart.contains(y)));
    let bar: Vec<u32> = changed.iter().filter(|(_, y)| chart.contains(y)).map(|(x, _)| *x).collect();
    let left =
        text_width(&layout(width, height, 4)).expect("large enough").next_multiple_of(8) + 29 * (BAR_WIDTH + BAR_GAP);
    assert!(!bar.is_empty() && bar.iter().all(|x| (left..left + BAR_WIDTH).contains(x)), "{bar:?}");
}

#[test]
fn whatever_is_shown_stays_on_the_screen() {
    let row = [u64::MAX, u64::MAX, 0, u64::MAX];
    let view = View {
        program: "\u{1f980}".repeat(500),
        boot: String::new(),
        store: "x".repeat(5000),
        ticks: alloc::vec![row; 5000],
        tiers: [("baseline", u64::MAX); 3],
        called: u64::MAX,
        lists: Some(Lists { functions: alloc::vec!["y".repeat(999); 999], sites: Vec::new() }),
        ..View::default()
    };
    for (width, height) in SIZES.into_iter().chain([(16_384, 600), (800, 16_384)]) {
        let memory = drawn(width, height, |dashboard| {
            dashboard.draw(&view, true);
            dashboard.beat(u64::MAX, u64::MAX);
            dashboard.draw(&View::default(), false);
            dashboard.beat(0, 0);
        });
        memory.expect_untouched_margins();
    }
}

#[test]
fn ticks_are_short() {
    let shown = [0, 999, 1_000, 25_119_000, 1_505_547_780].map(|ticks| format!("{}", Short(ticks)));
    assert_eq!(shown, ["0", "999", "1.00 k", "25.11 M", "1.50 G"]);
}
