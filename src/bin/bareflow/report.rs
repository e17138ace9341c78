//! The pictures of a series of boots, and `report.html`: one page that needs nothing beside it.

use crate::boot::grouped;
use crate::series::{Boot, Phase, Series};
use crate::svg::{self, Chart, Colour, Layer, Size, escape};
use std::fmt::Write as _;

const PAGE_STYLE: &str = "\
    :root{color-scheme:light dark;--page:#f4f5f7;--card:#fff;--text:#24292f;--quiet:#5b6570;--line:#dfe3e8}\
    @media(prefers-color-scheme:dark){:root{--page:#0d1014;--card:#14181d;--text:#d5dbe1;--quiet:#95a0ab;--line:#2b323a}}\
    body{margin:0;background:var(--page);color:var(--text);font:16px/1.5 system-ui,sans-serif}\
    main{max-width:1080px;margin:auto;padding:32px 20px 64px}h1{margin:0;font-size:28px;line-height:1.2}\
    h2{font-size:19px;margin:36px 0 12px}p{margin:6px 0}.quiet{color:var(--quiet)}\
    .tiles,.charts{display:grid;gap:16px;margin-top:20px}.tiles{grid-template-columns:repeat(auto-fit,minmax(170px,1fr))}\
    .charts{grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr))}\
    .tile,figure,.table{background:var(--card);border:1px solid var(--line);border-radius:10px}\
    .tile{padding:14px 18px}.tile b{display:block;font-size:25px;line-height:1.25;font-weight:650}\
    .tile span{color:var(--quiet);font-size:14px}figure{margin:0;padding:10px 14px 14px}figure.wide{grid-column:1/-1}\
    figure>svg{width:100%;height:auto;display:block}figcaption{color:var(--quiet);font-size:14px;padding:4px 6px 0}\
    .table{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}\
    th,td{padding:6px 12px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}\
    th{color:var(--quiet);font-weight:500}tr:last-child td{border-bottom:0}\
    .words{text-align:left}summary{cursor:pointer;margin:36px 0 12px;font-size:19px;font-weight:700}";

/// The page.
pub fn html(series: &Series) -> String {
    let program = escape(program(series));
    let phases = series.phases();
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>{program}: boots</title>\n\
         <style>{PAGE_STYLE}{}</style>\n</head>\n<body>\n<main>\n<h1>{program}</h1>\n",
        svg::STYLE
    );
    let boots = series.boots.len();
    page += &format!(
        "<p class=\"quiet\">{boots} boots on one store; {}; BareFlow {}. A tick is a retired instruction.</p>\n",
        escape(&series.machine),
        escape(bareflow::VERSION)
    );
    page += &tiles(&phases);
    page += "<div class=\"charts\">\n";
    page += &figure(&total_chart(series, None), "wide", "All that a boot does, from the kernel's entry to power-off.");
    let mut closer = total_chart(series, Some(closer_top(series)));
    closer.title += ", closer";
    page += &figure(
        &closer,
        "wide",
        "What is higher is cut off. Booting and saving include waiting for the disk, which takes longer while the host is busy.",
    );
    for (chart, caption) in small_charts(series) {
        page += &figure(&chart, "", caption);
    }
    page += "</div>\n";
    page += &phase_table(&phases);
    page += &boot_table(&series.boots);
    page + "</main>\n</body>\n</html>\n"
}

/// What a person waits for, one part on top of the other, with all of it in view or cut off at `top`.
pub fn total_chart(series: &Series, top: Option<u64>) -> Chart {
    let title = format!("{}: ticks of a boot", program(series));
    let layers = vec![
        layer(series, "booting", Colour::Grey, Boot::ticks_beside),
        layer(series, "running the program", Colour::Blue, |boot| boot.row.ticks_program),
        layer(series, "compiling", Colour::Orange, |boot| boot.row.ticks_compile),
        layer(series, "preparing the next boot", Colour::Green, |boot| boot.row.ticks_prepare),
        layer(series, "saving", Colour::Violet, |boot| boot.ticks_save),
    ];
    Chart { top, size: Size::Large, marks: marks(series), ..chart(title, "ticks", layers) }
}

fn program(series: &Series) -> &str {
    series.boots.first().map_or("", |boot| &boot.row.program)
}

fn layer(series: &Series, label: &'static str, colour: Colour, height: fn(&Boot) -> u64) -> Layer {
    let points = series.boots.iter().map(|boot| (boot.row.boot, height(boot))).collect();
    Layer { label, colour, points }
}

fn chart(title: String, y_label: &'static str, layers: Vec<Layer>) -> Chart {
    Chart { title, x_label: "boot", y_label, layers, marks: Vec::new(), top: None, size: Size::Small }
}

/// Where something was changed, and where ticks had settled.
fn marks(series: &Series) -> Vec<(u64, String)> {
    let settled = |phase: &Phase| Some((phase.work.settled?, "converged".to_owned()));
    let mut marks: Vec<_> = series.phases().iter().filter_map(settled).collect();
    let reached = series.boots.len() as u64;
    let changes = series.changes.iter().filter(|change| change.boot <= reached);
    marks.extend(changes.map(|change| (change.boot, change.what.clone())));
    marks.sort();
    marks
}

/// Half as much again as a boot in the middle of all takes.
fn closer_top(series: &Series) -> u64 {
    let mut totals: Vec<u64> = series.boots.iter().map(|boot| boot.row.ticks_total).collect();
    totals.sort_unstable();
    let middle = totals.get(totals.len() / 2).copied().unwrap_or(0);
    middle.saturating_add(middle / 2)
}

fn small_charts(series: &Series) -> Vec<(Chart, &'static str)> {
    let small = |title: &str, y_label, layers| chart(title.into(), y_label, layers);
    vec![
        (
            small(
                "Running the program",
                "ticks",
                vec![layer(series, "program", Colour::Blue, |boot| boot.row.ticks_program)],
            ),
            "The program's own run, without what is compiled meanwhile.",
        ),
        (
            small(
                "Functions by tier",
                "functions",
                vec![
                    layer(series, "baseline", Colour::Grey, |boot| boot.row.functions_baseline),
                    layer(series, "optimised", Colour::Blue, |boot| boot.row.functions_optimised),
                    layer(series, "specialised", Colour::Green, |boot| boot.row.functions_specialised),
                ],
            ),
            "Those that have code; a function that is never called has none.",
        ),
        (
            small(
                "Machine code",
                "bytes",
                vec![
                    layer(series, "libc", Colour::Green, |boot| boot.row.libc_code_bytes),
                    layer(series, "all else", Colour::Blue, |boot| {
                        boot.row.code_bytes.saturating_sub(boot.row.libc_code_bytes)
                    }),
                ],
            ),
            "Code in memory at the end of the boot. Of the libc, what is live: functions that are used, and kernels.",
        ),
        (
            small("Profile", "bytes", vec![layer(series, "profile", Colour::Violet, |boot| boot.row.profile_bytes)]),
            "What the boot started from; the first one knows nothing.",
        ),
    ]
}

fn figure(chart: &Chart, class: &str, caption: &str) -> String {
    format!("<figure class=\"{class}\">\n{}<figcaption>{caption}</figcaption>\n</figure>\n", chart.inline())
}

/// What matters of the first phase, and that all is well, for nothing is written after a boot that printed something else.
fn tiles(phases: &[Phase]) -> String {
    let Some(Phase { total, work, .. }) = phases.first() else {
        return "<p>No boot has ended yet.</p>\n".into();
    };
    let gain = format!("{:.1} ×", total.gain());
    let settled = work.settled.map_or("not yet".into(), |boot| format!("boot {boot}"));
    let tiles = [
        (settled, "converged: ten boots in a row within 1 % of the best, booting and saving aside"),
        (gain, "as fast as the first boot: the best one"),
        (millions(total.first), "ticks, the first boot"),
        (millions(total.best), "ticks, the best boot"),
        ("the same".into(), "printed by all boots on one input"),
    ];
    let tile = |(value, words)| format!("<div class=\"tile\"><b>{value}</b><span>{words}</span></div>\n");
    format!("<div class=\"tiles\">\n{}</div>\n", tiles.map(tile).concat())
}

fn millions(ticks: u64) -> String {
    format!("{:.1} M", ticks as f64 / 1e6)
}

fn phase_table(phases: &[Phase]) -> String {
    let mut table = String::from(
        "<h2>How it converged</h2>\n<div class=\"table\"><table>\n<tr><th class=\"words\">part</th><th>boots</th>\
         <th class=\"words\">ticks of</th><th>first</th><th>best</th><th>first / best</th><th>converged at boot</th></tr>\n",
    );
    for phase in phases {
        let boots = format!("{} to {}", phase.boots.start + 1, phase.boots.end);
        let courses = [
            ("whole boots", &phase.total),
            ("all but booting and saving", &phase.work),
            ("the program alone", &phase.program),
        ];
        for (what, course) in courses {
            let settled = course.settled.map_or("–".to_owned(), |boot| boot.to_string());
            // Writing to a string does not fail.
            let _ = writeln!(
                table,
                "<tr><td class=\"words\">{}</td><td>{boots}</td><td class=\"words\">{what}</td><td>{}</td><td>{}</td>\
                 <td>{:.2}</td><td>{settled}</td></tr>",
                escape(&phase.name),
                grouped(course.first),
                grouped(course.best),
                course.gain(),
            );
        }
    }
    table + "</table></div>\n"
}

fn boot_table(boots: &[Boot]) -> String {
    let mut table = String::from(
        "<details>\n<summary>All boots</summary>\n<div class=\"table\"><table>\n<tr><th>boot</th><th>total</th>\
         <th>booting</th><th>program</th><th>compiling</th><th>preparing</th><th>saving</th><th>baseline</th>\
         <th>optimised</th><th>specialised</th><th>loaded</th><th>rejected</th><th>code bytes</th><th>libc bytes</th>\
         <th>profile bytes</th><th class=\"words\">why code was rejected</th></tr>\n",
    );
    for boot in boots {
        let row = &boot.row;
        let numbers = [
            row.boot,
            row.ticks_total,
            boot.ticks_beside(),
            row.ticks_program,
            row.ticks_compile,
            row.ticks_prepare,
            boot.ticks_save,
            row.functions_baseline,
            row.functions_optimised,
            row.functions_specialised,
            row.code_loaded,
            row.code_rejected,
            row.code_bytes,
            row.libc_code_bytes,
            row.profile_bytes,
        ];
        let cells = numbers.map(|number| format!("<td>{}</td>", grouped(number))).concat();
        let _ = writeln!(table, "<tr>{cells}<td class=\"words\">{}</td></tr>", escape(&boot.code_reason));
    }
    table + "</table></div>\n</details>\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::tests::{change, series};
    use bareflow::profile::BootRow;

    #[test]
    fn the_layers_add_up_to_the_whole_boot() {
        let mut series = series(&[100], Vec::new());
        let row = BootRow { ticks_compile: 30, ticks_prepare: 5, ..series.boots[0].row.clone() };
        series.boots[0] = Boot { row, ticks_save: 7, ..Boot::default() };
        let layers = total_chart(&series, None).layers;
        assert_eq!(layers.iter().map(|layer| layer.points[0].1).collect::<Vec<_>>(), [8, 50, 30, 5, 7]);
    }

    #[test]
    fn the_page_says_where_each_phase_converged_and_marks_it() {
        let totals = [&[900_000_000][..], &[100_000_000; 11], &[700_000_000], &[200_000_000; 10]].concat();
        let series = series(&totals, vec![change(13, "another CPU")]);
        let page = html(&series);
        assert!(page.contains("<b>boot 2</b>") && page.contains("<b>9.0 ×</b>"), "{page}");
        assert!(
            page.contains("another CPU</td><td>13 to 23</td>") && page.contains("<td>3.50</td><td>14</td>"),
            "{page}"
        );
        let marks = marks(&series);
        let expected = [(2, "converged"), (13, "another CPU"), (14, "converged")].map(|(x, text)| (x, text.to_owned()));
        assert_eq!(marks, expected);
        assert_eq!(closer_top(&series), 300_000_000);
    }

    #[test]
    fn names_are_escaped_and_nothing_is_fetched_or_run() {
        let mut series = series(&[5, 4], vec![change(2, "<b>\u{202e}")]);
        series.boots[0].row.program = "<script>\u{1b}".into();
        series.boots[1].code_reason = "a & b".into();
        let page = html(&series);
        assert!(!page.contains("<script") && !page.contains("<b>\u{202e}") && !page.contains('\u{1b}'), "{page}");
        assert!(page.contains("a &amp; b"), "{page}");
        // The only address is the name of what is drawn in.
        assert_eq!(page.matches("http").count(), page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count());
        assert!(html(&Series::new(String::new(), String::new(), Vec::new())).contains("No boot has ended yet"));
    }
}
