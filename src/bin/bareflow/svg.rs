//! A chart of stacked areas as SVG.

use crate::text::printable;

/// Areas over a common x axis, each on top of the one before. Both axes start at 0 or 1 and hold whole numbers.
pub struct Chart {
    pub title: String,
    pub x_label: String,
    pub y_label: String,
    /// The lowest first; all have points at the same x.
    pub layers: Vec<Layer>,
}

/// One area of a chart.
pub struct Layer {
    pub label: String,
    /// As SVG writes it.
    pub colour: &'static str,
    /// (x, height of the area there), x ascending.
    pub points: Vec<(u64, u64)>,
}

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 450.0;
const LEFT: f64 = 90.0;
const RIGHT: f64 = WIDTH - 30.0;
const TOP: f64 = 84.0;
const BOTTOM: f64 = HEIGHT - 60.0;
const STYLE: &str = "text{font:13px sans-serif;fill:#333}.title{font-size:16px;font-weight:bold}\
                     .grid{stroke:#ddd}.axis{stroke:#333}.area{fill-opacity:.75;stroke-width:1.5}";

impl Chart {
    pub fn to_svg(&self) -> String {
        let scale = Scale::of(self);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\">\n<style>{STYLE}</style>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        svg += &text(LEFT, 30.0, "class=\"title\"", &self.title);
        svg += &self.legend();
        svg += &self.axes(&scale);
        let mut below: Vec<u64> = Vec::new();
        for layer in &self.layers {
            below.resize(layer.points.len(), 0);
            let above: Vec<u64> = layer.points.iter().zip(&below).map(|(point, y)| y.saturating_add(point.1)).collect();
            svg += &layer.to_svg(&scale, &below, &above);
            below = above;
        }
        svg + "</svg>\n"
    }

    fn legend(&self) -> String {
        let mut legend = String::new();
        let mut x = LEFT;
        for Layer { label, colour, .. } in &self.layers {
            legend +=
                &format!("<path class=\"area\" fill=\"{colour}\" stroke=\"{colour}\" d=\"M{x} 46h24v11h-24z\"/>\n");
            legend += &text(x + 30.0, 56.0, "", label);
            x += 60.0 + 7.0 * label.chars().count() as f64;
        }
        legend
    }

    fn axes(&self, scale: &Scale) -> String {
        let mut axes = String::new();
        for y in scale.y_marks() {
            let at = scale.y(y);
            axes += &format!("<path class=\"grid\" d=\"M{LEFT} {at:.1}H{RIGHT}\"/>\n");
            axes += &text(LEFT - 8.0, at + 4.0, "text-anchor=\"end\"", &short(y));
        }
        for x in scale.x_marks() {
            let at = scale.x(x);
            axes += &format!("<path class=\"axis\" d=\"M{at:.1} {BOTTOM}v5\"/>\n");
            axes += &text(at, BOTTOM + 20.0, "text-anchor=\"middle\"", &x.to_string());
        }
        axes += &format!("<path class=\"axis\" fill=\"none\" d=\"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}\"/>\n");
        axes += &text((LEFT + RIGHT) / 2.0, HEIGHT - 16.0, "text-anchor=\"middle\"", &self.x_label);
        let middle = (TOP + BOTTOM) / 2.0;
        let turned = format!("text-anchor=\"middle\" transform=\"rotate(-90 22 {middle})\"");
        axes + &text(22.0, middle, &turned, &self.y_label)
    }
}

impl Layer {
    /// The area between two rows of heights, and a spot at each point that tells its own height.
    fn to_svg(&self, scale: &Scale, below: &[u64], above: &[u64]) -> String {
        let colour = self.colour;
        let places = |heights: &[u64]| -> Vec<String> {
            let points = self.points.iter().zip(heights);
            points.map(|(point, y)| format!("{:.1} {:.1}", scale.x(point.0), scale.y(*y))).collect()
        };
        let (mut edge, upper) = (places(below), places(above));
        let mut svg = String::new();
        if !edge.is_empty() {
            edge.extend(upper.into_iter().rev());
            svg +=
                &format!("<path class=\"area\" fill=\"{colour}\" stroke=\"{colour}\" d=\"M{}z\"/>\n", edge.join("L"));
        }
        for ((x, ticks), y) in self.points.iter().zip(above) {
            let (x, y) = (scale.x(*x), scale.y(*y));
            svg += &format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"><title>");
            svg += &format!("{}: {ticks}</title></circle>\n", escape(&self.label));
        }
        svg
    }
}

/// From values to places in the picture.
struct Scale {
    last_x: u64,
    y_step: u64,
    y_steps: u64,
}

impl Scale {
    fn of(chart: &Chart) -> Self {
        let last_x = chart.layers.iter().flat_map(|layer| &layer.points).map(|point| point.0).max().unwrap_or(1).max(2);
        let count = chart.layers.first().map_or(0, |layer| layer.points.len());
        let height = |index: usize| {
            let heights = chart.layers.iter().filter_map(|layer| layer.points.get(index));
            heights.fold(0, |sum: u64, point| sum.saturating_add(point.1))
        };
        let top = (0..count).map(height).max().unwrap_or(0).max(1);
        let y_step = round_step(top.div_ceil(5));
        Scale { last_x, y_step, y_steps: top.div_ceil(y_step) }
    }

    fn x(&self, x: u64) -> f64 {
        LEFT + 20.0 + (RIGHT - LEFT - 40.0) * x.saturating_sub(1) as f64 / (self.last_x - 1) as f64
    }

    fn y(&self, y: u64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * y as f64 / (self.y_step as f64 * self.y_steps as f64)
    }

    fn x_marks(&self) -> impl Iterator<Item = u64> {
        let step = round_step(self.last_x.div_ceil(20));
        (1..=self.last_x).filter(move |x| *x == 1 || x.is_multiple_of(step))
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

fn text(x: f64, y: f64, attributes: &str, content: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" {attributes}>{}</text>\n", escape(content))
}

fn escape(text: &str) -> String {
    printable(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two layers of these heights each.
    fn chart(points: Vec<(u64, u64)>) -> Chart {
        let layer = |label: &str| Layer { label: label.into(), colour: "red", points: points.clone() };
        let layers = vec![layer("a<b"), layer("c")];
        Chart { title: "t&u\u{1b}\u{9b}".into(), x_label: "x".into(), y_label: "y".into(), layers }
    }

    #[test]
    fn steps_are_round_and_marks_short() {
        assert_eq!([1, 3, 11, 49, 51, 200].map(round_step), [1, 5, 20, 50, 100, 200]);
        assert_eq!([0, 950, 1000, 2_500_000, 50_000_000_000].map(short), ["0", "950", "1 k", "2.5 M", "50 G"]);
    }

    #[test]
    fn the_highest_sum_lies_inside_and_zero_on_the_axis() {
        let chart = chart(vec![(1, 173_000_000), (2, 0), (40, 12)]);
        let scale = Scale::of(&chart);
        assert!(scale.y(346_000_000) >= TOP);
        assert_eq!(scale.y(0), BOTTOM);
        assert!(scale.x_marks().count() <= 21 && scale.y_marks().count() <= 6);
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
    fn markup_in_labels_is_escaped_and_empty_charts_are_drawn() {
        let svg = chart(Vec::new()).to_svg();
        assert!(svg.contains("t&amp;u") && svg.contains("a&lt;b") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("\\u{1b}\\u{9b}") && svg.chars().all(|char| char == '\n' || !char.is_control()));
        let huge = chart(vec![(1, u64::MAX)]).to_svg();
        assert!(!huge.contains("NaN") && !huge.contains("inf"));
    }
}
