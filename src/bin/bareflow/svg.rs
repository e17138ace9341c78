//! A chart of stacked areas as SVG, in light and dark.

use crate::boot::grouped;
use crate::text::printable;

/// Areas over a common x axis, each on top of the one before. Both axes start at 0 or 1 and hold whole numbers.
pub struct Chart {
    pub title: String,
    pub x_label: &'static str,
    pub y_label: &'static str,
    /// The lowest first; all have points at the same x.
    pub layers: Vec<Layer>,
    /// Places on the x axis that mean something, ascending.
    pub marks: Vec<(u64, String)>,
    /// What is higher is cut off there.
    pub top: Option<u64>,
    pub size: Size,
}

/// One area of a chart.
pub struct Layer {
    pub label: &'static str,
    pub colour: Colour,
    /// (x, height of the area there), x ascending.
    pub points: Vec<(u64, u64)>,
}

/// Told apart by lightness as well.
#[derive(Clone, Copy)]
pub enum Colour {
    Grey,
    Blue,
    Orange,
    Green,
    Violet,
}

/// In units of the picture, of which a letter is about 7 wide.
#[derive(Clone, Copy)]
pub enum Size {
    /// 800 x 430.
    Large,
    /// 520 x 300.
    Small,
}

const LEFT: f64 = 78.0;
const MARGIN: f64 = 24.0;
const BELOW: f64 = 52.0;
/// More points than these are not drawn, only found by the pointer.
const DRAWN_POINTS: usize = 40;
/// What charts look like, once for all in a page.
pub const STYLE: &str = "\
    svg{--paper:#fff;--ink:#24292f;--faint:#e3e6ea;--grey:#98a2ad;--blue:#0b6e99;--orange:#d06a2c;--green:#5d8a3a;--violet:#7d55a8}\
    @media(prefers-color-scheme:dark){svg{--paper:#14181d;--ink:#d5dbe1;--faint:#2b323a;--grey:#7c8894;--blue:#3d9fcb;\
    --orange:#e08a4f;--green:#8ab765;--violet:#ad8bd4}}\
    svg text{font:13px system-ui,sans-serif;fill:var(--ink)}svg .title{font-size:15px;font-weight:600}\
    .paper{fill:var(--paper)}.grid{stroke:var(--faint)}.axis{stroke:var(--ink);fill:none}\
    .mark{stroke:var(--ink);stroke-dasharray:4 4}\
    svg text.mark-label{font-size:12px;paint-order:stroke;stroke:var(--paper);stroke-width:4px}svg .start{text-anchor:start}\
    svg .middle{text-anchor:middle}svg .end{text-anchor:end}.area{fill-opacity:.8;stroke-width:1}.hidden{fill-opacity:0}\
    .grey{fill:var(--grey);stroke:var(--grey)}.blue{fill:var(--blue);stroke:var(--blue)}\
    .orange{fill:var(--orange);stroke:var(--orange)}.green{fill:var(--green);stroke:var(--green)}\
    .violet{fill:var(--violet);stroke:var(--violet)}circle{stroke-opacity:0}";

impl Chart {
    /// A file of its own.
    pub fn to_svg(&self) -> String {
        self.drawn(&format!("<style>{STYLE}</style>\n<rect width=\"100%\" height=\"100%\" class=\"paper\"/>\n"))
    }

    /// Part of a page that has [`STYLE`].
    pub fn inline(&self) -> String {
        self.drawn("")
    }

    fn drawn(&self, first: &str) -> String {
        let scale = Scale::of(self);
        let Scale { width, height, plot_top, bottom, .. } = scale;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
             <title>{}</title>\n{first}",
            escape(&self.title)
        );
        svg += &text(LEFT, 26.0, "title", &self.title);
        svg += &self.legend();
        svg += &self.axes(&scale);
        // What is outside of a nested picture is not shown.
        let (plot_width, plot_height) = (width - MARGIN - LEFT, bottom - plot_top);
        svg += &format!(
            "<svg x=\"{LEFT}\" y=\"{plot_top}\" width=\"{plot_width}\" height=\"{plot_height}\" \
             viewBox=\"{LEFT} {plot_top} {plot_width} {plot_height}\">\n"
        );
        let mut below: Vec<u64> = Vec::new();
        for layer in &self.layers {
            below.resize(layer.points.len(), 0);
            let above: Vec<u64> = layer.points.iter().zip(&below).map(|(point, y)| y.saturating_add(point.1)).collect();
            svg += &layer.to_svg(&scale, &below, &above);
            below = above;
        }
        svg += "</svg>\n";
        svg += &self.marks(&scale);
        svg + "</svg>\n"
    }

    fn legend(&self) -> String {
        if self.layers.len() < 2 {
            return String::new();
        }
        let mut legend = String::new();
        let mut x = LEFT;
        for Layer { label, colour, .. } in &self.layers {
            legend += &format!("<path class=\"area {}\" d=\"M{x} 40h14v11h-14z\"/>\n", colour.class());
            legend += &text(x + 20.0, 50.0, "start", label);
            x += 40.0 + 6.6 * label.chars().count() as f64;
        }
        legend
    }

    fn axes(&self, scale: &Scale) -> String {
        let Scale { width, height, plot_top, bottom, .. } = *scale;
        let right = width - MARGIN;
        let mut axes = String::new();
        for y in scale.y_marks() {
            let at = scale.y(y);
            axes += &format!("<path class=\"grid\" d=\"M{LEFT} {at:.1}H{right}\"/>\n");
            axes += &text(LEFT - 8.0, at + 4.0, "end", &short(y));
        }
        for x in scale.x_marks() {
            let at = scale.x(x);
            axes += &format!("<path class=\"axis\" d=\"M{at:.1} {bottom}v5\"/>\n");
            axes += &text(at, bottom + 19.0, "middle", &x.to_string());
        }
        axes += &format!("<path class=\"axis\" d=\"M{LEFT} {plot_top}V{bottom}H{right}\"/>\n");
        axes += &text((LEFT + right) / 2.0, height - 10.0, "middle", self.x_label);
        let middle = (plot_top + bottom) / 2.0;
        axes + &format!("<g transform=\"rotate(-90 16 {middle})\">{}</g>\n", text(16.0, middle, "middle", self.y_label))
    }

    /// Lines with labels one below the other, so that they do not cover each other.
    fn marks(&self, scale: &Scale) -> String {
        let (mut lines, mut labels) = (String::new(), String::new());
        for (line, (x, label)) in self.marks.iter().enumerate() {
            let (at, top) = (scale.x(*x), scale.plot_top);
            let (aside, side) = if at > scale.width / 2.0 { (-6.0, "end") } else { (6.0, "start") };
            lines += &format!("<path class=\"mark\" d=\"M{at:.1} {top}V{}\"/>\n", scale.bottom);
            labels += &text(at + aside, top + 12.0 + 16.0 * line as f64, &format!("mark-label {side}"), label);
        }
        // No line goes through a label.
        lines + &labels
    }
}

impl Layer {
    /// The area between two rows of heights, and a spot at each point that tells its own height.
    fn to_svg(&self, scale: &Scale, below: &[u64], above: &[u64]) -> String {
        let class = self.colour.class();
        let places = |heights: &[u64]| -> Vec<String> {
            let points = self.points.iter().zip(heights);
            points.map(|(point, y)| format!("{:.1} {:.1}", scale.x(point.0), scale.y(*y))).collect()
        };
        let (mut edge, upper) = (places(below), places(above));
        let mut svg = String::new();
        if !edge.is_empty() {
            edge.extend(upper.into_iter().rev());
            svg += &format!("<path class=\"area {class}\" d=\"M{}z\"/>\n", edge.join("L"));
        }
        let many = self.points.len() > DRAWN_POINTS;
        for ((x, height), y) in self.points.iter().zip(above) {
            let (at, y) = (scale.x(*x), scale.y(*y));
            let hidden = if many || *height == 0 { " hidden" } else { "" };
            svg += &format!("<circle class=\"{class}{hidden}\" cx=\"{at:.1}\" cy=\"{y:.1}\" r=\"3\">");
            svg += &format!("<title>{x}, {}: {}</title></circle>\n", escape(self.label), grouped(*height));
        }
        svg
    }
}

impl Colour {
    fn class(self) -> &'static str {
        match self {
            Colour::Grey => "grey",
            Colour::Blue => "blue",
            Colour::Orange => "orange",
            Colour::Green => "green",
            Colour::Violet => "violet",
        }
    }
}

/// From values to places in the picture.
struct Scale {
    width: f64,
    height: f64,
    plot_top: f64,
    bottom: f64,
    last_x: u64,
    y_step: u64,
    y_steps: u64,
}

impl Scale {
    fn of(chart: &Chart) -> Self {
        let (width, height) = match chart.size {
            Size::Large => (800.0, 430.0),
            Size::Small => (520.0, 300.0),
        };
        let plot_top = if chart.layers.len() < 2 { 42.0 } else { 64.0 };
        let last_x = chart.layers.iter().flat_map(|layer| &layer.points).map(|point| point.0).max().unwrap_or(1).max(2);
        let count = chart.layers.first().map_or(0, |layer| layer.points.len());
        let sum = |index: usize| {
            let heights = chart.layers.iter().filter_map(|layer| layer.points.get(index));
            heights.fold(0, |sum: u64, point| sum.saturating_add(point.1))
        };
        let highest = (0..count).map(sum).max().unwrap_or(0);
        let top = chart.top.map_or(highest, |top| top.min(highest)).max(1);
        let y_step = round_step(top.div_ceil(5));
        let y_steps = top.div_ceil(y_step);
        Scale { width, height, plot_top, bottom: height - BELOW, last_x, y_step, y_steps }
    }

    fn x(&self, x: u64) -> f64 {
        LEFT + 12.0 + (self.width - MARGIN - LEFT - 24.0) * x.saturating_sub(1) as f64 / (self.last_x - 1) as f64
    }

    fn y(&self, y: u64) -> f64 {
        self.bottom - (self.bottom - self.plot_top) * y as f64 / (self.y_step as f64 * self.y_steps as f64)
    }

    fn x_marks(&self) -> impl Iterator<Item = u64> {
        let step = round_step(self.last_x.div_ceil((self.width / 40.0) as u64));
        (1..=self.last_x).filter(move |x| (*x == 1 && step < 5) || x.is_multiple_of(step))
    }

    fn y_marks(&self) -> impl Iterator<Item = u64> {
        let step = self.y_step;
        (0..=self.y_steps).map(move |index| index.saturating_mul(step))
    }
}

/// The smallest of 1, 2, 5, 10, 20, ... that is not below `step`.
fn round_step(step: u64) -> u64 {
    let mut power: u64 = 1;
    loop {
        for factor in [1, 2, 5] {
            let candidate = power.saturating_mul(factor);
            if candidate >= step {
                return candidate;
            }
        }
        power = power.saturating_mul(10);
    }
}

/// 25000000 as "25 M". Exact for the marks of an axis, whose steps are round.
fn short(number: u64) -> String {
    for (unit, letter) in [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")] {
        if number >= unit {
            return format!("{} {letter}", number as f64 / unit as f64);
        }
    }
    number.to_string()
}

fn text(x: f64, y: f64, class: &str, content: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{}</text>\n", escape(content))
}

/// `text` between tags of SVG or HTML, whatever it holds.
pub fn escape(text: &str) -> String {
    printable(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two layers of these heights each.
    fn chart(points: Vec<(u64, u64)>) -> Chart {
        let layer = |label| Layer { label, colour: Colour::Blue, points: points.clone() };
        let layers = vec![layer("a<b"), layer("c")];
        let title = "t&u\u{1b}\u{9b}".into();
        Chart { title, x_label: "x", y_label: "y", layers, marks: Vec::new(), top: None, size: Size::Large }
    }

    #[test]
    fn steps_are_round_and_marks_short() {
        assert_eq!([1, 3, 11, 49, 51, 200].map(round_step), [1, 5, 20, 50, 100, 200]);
        assert_eq!([0, 950, 1000, 2_500_000, 50_000_000_000].map(short), ["0", "950", "1 k", "2.5 M", "50 G"]);
    }

    #[test]
    fn the_highest_sum_lies_inside_and_zero_on_the_axis() {
        for size in [Size::Large, Size::Small] {
            let chart = Chart { size, ..chart(vec![(1, 173_000_000), (2, 0), (40, 12)]) };
            let scale = Scale::of(&chart);
            assert!(scale.y(346_000_000) >= scale.plot_top);
            assert_eq!(scale.y(0), scale.bottom);
            assert!(scale.x_marks().count() <= 21 && scale.y_marks().count() <= 6);
        }
    }

    #[test]
    fn areas_lie_on_top_of_each_other() {
        let chart = chart(vec![(1, 10), (2, 20)]);
        let scale = Scale::of(&chart);
        let place = |x, y| format!("{:.1} {:.1}", scale.x(x), scale.y(y));
        let area = |corners: [(u64, u64); 4]| corners.map(|(x, y)| place(x, y)).join("L");
        let svg = chart.to_svg();
        assert!(svg.contains(&area([(1, 0), (2, 0), (2, 20), (1, 10)])), "{svg}");
        assert!(svg.contains(&area([(1, 10), (2, 20), (2, 40), (1, 20)])), "{svg}");
    }

    #[test]
    fn a_chart_that_is_cut_off_has_its_axis_up_to_there() {
        let points = vec![(1, 1_000_000), (2, 20)];
        let cut = Scale::of(&Chart { top: Some(50), ..chart(points.clone()) });
        assert_eq!((cut.y_step, cut.y_steps), (10, 5));
        // Nothing is left empty where nothing is as high.
        let low = Scale::of(&Chart { top: Some(u64::MAX), ..chart(points) });
        assert!(low.y(2_000_000) < low.plot_top + 1.0);
    }

    #[test]
    fn markup_in_labels_is_escaped_and_empty_charts_are_drawn() {
        let svg = Chart { marks: vec![(2, "<m>".into())], ..chart(Vec::new()) }.to_svg();
        assert!(svg.contains("t&amp;u") && svg.contains("a&lt;b") && svg.contains("&lt;m&gt;"), "{svg}");
        assert!(svg.ends_with("</svg>\n"));
        assert!(svg.contains("\\u{1b}\\u{9b}") && svg.chars().all(|char| char == '\n' || !char.is_control()));
        let huge = chart(vec![(1, u64::MAX)]).to_svg();
        assert!(!huge.contains("NaN") && !huge.contains("inf"));
    }
}
