//! The picture: how long `memcpy` takes by size, and how the families compare.

use crate::measure::{REFERENCE, REPLACED};
use crate::report::{CONTESTANTS, Line, Results};
use std::fmt::Write;

const WIDTH: f64 = 1000.0;
const LEFT: f64 = 180.0;
const RIGHT: f64 = WIDTH - 40.0;
const STYLE: &str = "text{font:13px sans-serif;fill:#333}.title{font-size:16px;font-weight:bold}.end{text-anchor:end}\
                     .middle{text-anchor:middle}.small{font-size:10px}.grid{stroke:#ddd}.axis{stroke:#333}\
                     .line{fill:none;stroke-width:2}.limit{fill:none;stroke:#999;stroke-dasharray:5 4}";

/// Where the curves stand.
const CURVES_TOP: f64 = 90.0;
const CURVES_BOTTOM: f64 = 470.0;
const CURVES_FAMILY: &str = "memcpy, aligned";
/// Where the bars begin, and how high they are.
const BARS_TOP: f64 = 590.0;
const BAR: f64 = 11.0;
const BARS_GAP: f64 = 12.0;

/// As SVG.
pub fn to_svg(results: &Results) -> String {
    let bars = bars(results);
    let height = BARS_TOP + bars.iter().map(Group::height).sum::<f64>() + 70.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\">\n<style>{STYLE}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    svg += &text(LEFT, 30.0, "title", &format!("BareFlow's libc and others, {}", results.cpu));
    svg += &legend();
    svg += &curves(results);
    svg += &text(LEFT, BARS_TOP - 42.0, "title", "Speed relative to glibc: geometric means");
    svg += &draw_bars(&bars);
    svg + "</svg>\n"
}

fn colour(contestant: &str) -> &'static str {
    match contestant {
        "specialised" => "#0b6e99",
        "generic" => "#8cc5dd",
        REPLACED => "#c9a227",
        REFERENCE => "#333333",
        "llvm-libc" => "#c2571a",
        "musl" => "#6b9e2e",
        _ => "#8e5bb5",
    }
}

fn legend() -> String {
    let mut svg = String::new();
    let mut x = LEFT;
    let labels = CONTESTANTS.map(|name| match name {
        "specialised" | "generic" => format!("BareFlow, {name}"),
        _ => name.to_owned(),
    });
    for (name, label) in CONTESTANTS.into_iter().zip(labels) {
        let _ = writeln!(svg, "<path class=\"line\" stroke=\"{}\" d=\"M{x} 52h24\"/>", colour(name));
        svg += &text(x + 30.0, 56.0, "", &label);
        x += 52.0 + 7.0 * label.len() as f64;
    }
    svg
}

/// A logarithmic scale from values to places.
struct Scale {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
}

impl Scale {
    /// Round at both ends to powers of `base`.
    fn around(values: impl Iterator<Item = f64>, base: f64, start: f64, end: f64) -> Self {
        let (low, high) =
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let (from, to) = ((low.ln() / base.ln()).floor(), (high.ln() / base.ln()).ceil());
        Scale { from: base.powf(from), to: base.powf(to.max(from + 1.0)), start, end }
    }

    fn place(&self, value: f64) -> f64 {
        self.start + (self.end - self.start) * (value / self.from).ln() / (self.to / self.from).ln()
    }

    /// Powers of `base` that lie on it.
    fn marks(&self, base: f64) -> impl Iterator<Item = f64> {
        let (to, first) = (self.to * 1.001, self.from);
        std::iter::successors(Some(first), move |mark| Some(mark * base)).take_while(move |mark| *mark <= to)
    }
}

fn curves(results: &Results) -> String {
    let lines: Vec<(f64, &Line)> =
        results.of_family(CURVES_FAMILY).filter_map(|line| Some((line.name.parse().ok()?, line))).collect();
    if lines.len() < 2 {
        return text(LEFT, CURVES_TOP, "", "memcpy by size was not measured");
    }
    let times = lines.iter().flat_map(|(_, line)| line.measurements.iter().map(|own| own.ns).chain(line.limit_ns));
    let x = Scale::around(lines.iter().map(|(size, _)| *size), 2.0, LEFT, RIGHT);
    let y = Scale::around(times, 10.0, CURVES_BOTTOM, CURVES_TOP);
    let mut svg = axes(&x, &y);
    let limit = lines.iter().filter_map(|(size, line)| Some((*size, line.limit_ns?)));
    let _ = writeln!(svg, "<path class=\"limit\" d=\"{}\"/>", path(limit, &x, &y));
    svg += &text(RIGHT, CURVES_BOTTOM - 10.0, "end small", "dashed: one 32-byte store in each cycle");
    for name in CONTESTANTS {
        let points = || lines.iter().filter_map(|(size, line)| Some((*size, line.of(name)?.ns)));
        if points().next().is_none() {
            continue;
        }
        let _ = writeln!(svg, "<path class=\"line\" stroke=\"{}\" d=\"{}\"/>", colour(name), path(points(), &x, &y));
        for (size, ns) in points() {
            let (cx, cy) = (x.place(size), y.place(ns));
            let _ = writeln!(
                svg,
                "<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"3\" fill=\"{}\"><title>{name}, {size} bytes: {ns:.1} ns</title></circle>",
                colour(name),
            );
        }
    }
    svg
}

fn axes(x: &Scale, y: &Scale) -> String {
    let mut svg = String::new();
    for mark in y.marks(10.0) {
        let at = y.place(mark);
        let _ = writeln!(svg, "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{RIGHT}\"/>");
        svg += &text(LEFT - 8.0, at + 4.0, "end", &format!("{mark} ns"));
    }
    for mark in x.marks(4.0) {
        let at = x.place(mark);
        let _ = writeln!(svg, "<path class=\"axis\" d=\"M{at:.1} {CURVES_BOTTOM}v5\"/>");
        svg += &text(at, CURVES_BOTTOM + 20.0, "middle", &bytes(mark as u64));
    }
    let _ = writeln!(svg, "<path class=\"axis\" fill=\"none\" d=\"M{LEFT} {CURVES_TOP}V{CURVES_BOTTOM}H{RIGHT}\"/>");
    svg + &text((LEFT + RIGHT) / 2.0, CURVES_BOTTOM + 42.0, "middle", "size of an aligned memcpy in bytes")
}

fn path(points: impl Iterator<Item = (f64, f64)>, x: &Scale, y: &Scale) -> String {
    let places = points.map(|(size, ns)| format!("{:.1} {:.1}", x.place(size), y.place(ns)));
    format!("M{}", places.collect::<Vec<_>>().join("L"))
}

/// The bars of one family.
struct Group {
    label: String,
    /// Contestant and speed.
    bars: Vec<(&'static str, f64)>,
}

impl Group {
    fn height(&self) -> f64 {
        self.bars.len() as f64 * BAR + BARS_GAP
    }
}

/// One group per function, over the sizes that real programs use where those were measured; the heap's kinds apart.
fn bars(results: &Results) -> Vec<Group> {
    let families = results.families();
    let function = |family: &str| family.split(',').next().unwrap_or(family).to_owned();
    let is_drawn = |family: &&str| family.ends_with("distributions");
    let better = |family: &str| families.iter().any(|other| is_drawn(other) && function(other) == function(family));
    let shown = families.iter().filter(|family| is_drawn(family) || !better(family));
    let group = |family: &&str| {
        let others = results.summary(family).into_iter().filter(|summary| summary.contestant != REFERENCE);
        let label = family.strip_suffix(", distributions").unwrap_or(family);
        Group { label: label.into(), bars: others.map(|own| (own.contestant, own.speed)).collect() }
    };
    shown.map(group).filter(|group| group.bars.iter().all(|(_, speed)| speed.is_finite())).collect()
}

fn draw_bars(groups: &[Group]) -> String {
    let speeds = groups.iter().flat_map(|group| group.bars.iter().map(|(_, speed)| *speed)).chain([0.5, 2.0]);
    let scale = Scale::around(speeds, 2.0, LEFT, RIGHT - 30.0);
    let bottom = BARS_TOP + groups.iter().map(Group::height).sum::<f64>();
    let mut svg = String::new();
    for mark in scale.marks(2.0) {
        let (at, class) = (scale.place(mark), if mark == 1.0 { "axis" } else { "grid" });
        let _ = writeln!(svg, "<path class=\"{class}\" d=\"M{at:.1} {BARS_TOP}V{bottom}\"/>");
        let label = if mark < 1.0 { format!("1/{}", 1.0 / mark) } else { mark.to_string() };
        svg += &text(at, bottom + 20.0, "middle", &label);
    }
    svg += &text(
        (LEFT + RIGHT) / 2.0,
        bottom + 44.0,
        "middle",
        "times as fast as glibc; over sizes as real programs ask for them, where they were recorded",
    );
    let mut top = BARS_TOP + BARS_GAP / 2.0;
    for group in groups {
        let middle = top + (group.height() - BARS_GAP) / 2.0;
        svg += &text(LEFT - 8.0, middle + 4.0, "end", &group.label);
        for (index, (name, speed)) in group.bars.iter().enumerate() {
            svg += &bar(&scale, top + index as f64 * BAR, name, *speed);
        }
        top += group.height();
    }
    svg
}

/// From 1 to `speed`, which stands beside its end.
fn bar(scale: &Scale, top: f64, contestant: &str, speed: f64) -> String {
    let (one, end) = (scale.place(1.0), scale.place(speed));
    let (from, width, thick) = (one.min(end), (one - end).abs(), BAR - 1.0);
    let fill = colour(contestant);
    let mut svg =
        format!("<rect x=\"{from:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{thick}\" fill=\"{fill}\"/>\n");
    svg += &text(one.max(end) + 4.0, top + BAR - 1.5, "small", &format!("{speed:.2}"));
    svg
}

/// 65536 as "64 Ki".
fn bytes(count: u64) -> String {
    match count {
        0..1024 => count.to_string(),
        1024..1_048_576 => format!("{} Ki", count >> 10),
        _ => format!("{} Mi", count >> 20),
    }
}

fn text(x: f64, y: f64, class: &str, content: &str) -> String {
    let content = content.replace('&', "&amp;").replace('<', "&lt;");
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{content}</text>\n")
}
