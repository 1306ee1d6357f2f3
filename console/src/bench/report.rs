//! One page with everything: no script, no font, no picture from elsewhere. It can be mailed, and printed.

use std::fmt::Write as _;

use serde_json::Value;

use super::document::{Document, at, number};
use super::plots::{GRID, INK, PAPER, Plot};
use super::{plots, table};
use crate::summary::grouped;

/// Colours of a page on light and on dark ground. Drawings use the same names.
const STYLE: &str = "\
:root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--soft:#57606a;--grid:#dde1e6}\
@media(prefers-color-scheme:dark){:root{--paper:#14171b;--ink:#e6e8eb;--soft:#9aa4af;--grid:#343b44}}\
@media print{:root{--paper:#fff;--ink:#000;--soft:#444;--grid:#ccc}}\
body{margin:2rem auto;max-width:64rem;padding:0 1rem;background:var(--paper);color:var(--ink);\
font:16px/1.5 system-ui,sans-serif}h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.5rem}\
p.soft,figcaption{color:var(--soft);font-size:.9rem}figure{margin:1.5rem 0;break-inside:avoid}\
figure svg{max-width:100%;height:auto}div.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem;\
font-variant-numeric:tabular-nums}th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid var(--grid);\
white-space:nowrap}th:first-child,td:first-child{text-align:left}.broken{color:#b42318}";

/// Writes the page.
pub(super) fn write(document: &Document, plots: &[Plot]) -> String {
    let mut page = String::new();
    let machine = document.machine.as_object().into_iter().flatten();
    let machine: Vec<String> =
        machine.map(|(name, value)| format!("{}: {}", name.replace('_', " "), plain(value))).collect();
    let _infallible = write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>byztop bench</title><style>{STYLE}</style></head><body>\n\
         <h1>byztop bench</h1>\n<p class=\"soft\">{}</p>\n",
        escaped(&machine.join(" · "))
    );
    broken(&mut page, document);
    page.push_str("<h2>Figures</h2>\n");
    rows(&mut page, document, &table::FIGURES);
    spreads(&mut page, document);
    if document.medians().any(|run| !run["attack"].is_null()) {
        page.push_str("<h2>Under attack</h2>\n");
        rows(&mut page, document, &table::ATTACKED);
    }
    if document.medians().any(|run| !run["ceiling"].is_null()) {
        page.push_str("<h2>What the machine would allow</h2>\n");
        rows(&mut page, document, &table::CEILINGS);
        page.push_str(
            "<p class=\"soft\">Crypto: operations per second if nothing but the necessary signing and verifying took \
             time, on all cores. Transport: the same bytes and messages per operation through the same QUIC links, \
             without protocol and signatures. Execution: the same operations, executed once by each replica. All were \
             measured right after the runs, each at its best: 64 submissions of one client and the votes of all \
             others checked at a time, buffers full. What \
             that leaves of the processor time is the rest: ordering, bookkeeping, storage, telemetry, and what \
             signatures and links cost more when less comes together.</p>\n",
        );
    }
    for (number, plot) in plots.iter().enumerate() {
        let _infallible = writeln!(
            page,
            "<figure>{}<figcaption>Figure {}. {}</figcaption></figure>",
            inline(&plot.svg),
            number + 1,
            escaped(&plot.caption)
        );
    }
    page.push_str("</body></html>\n");
    page
}

/// A drawing whose ink, grid and ground are the page's.
fn inline(svg: &str) -> String {
    let hex = |colour: plots::Colour| format!("\"#{:02X}{:02X}{:02X}\"", colour.0, colour.1, colour.2);
    let body = svg.find("<svg").map_or(svg, |at| &svg[at..]);
    body.replace(&hex(INK), "\"var(--ink)\"")
        .replace(&hex(GRID), "\"var(--grid)\"")
        .replace(&hex(PAPER), "\"var(--paper)\"")
        .replace(" xmlns=\"http://www.w3.org/2000/svg\"", "")
}

fn rows(page: &mut String, document: &Document, columns: &[table::Column]) {
    page.push_str("<div class=\"wide\"><table><tr><th>configuration</th>");
    columns.iter().for_each(|(title, _)| page.push_str(&format!("<th>{}</th>", escaped(title))));
    page.push_str("</tr>\n");
    for run in document.medians() {
        page.push_str(&format!("<tr><td>{}</td>", escaped(at(run, "about").as_str().unwrap_or_default())));
        columns.iter().for_each(|(_, cell)| page.push_str(&format!("<td>{}</td>", escaped(&cell(run)))));
        page.push_str("</tr>\n");
    }
    page.push_str("</table></div>\n");
}

/// Least, median and largest of what varies most, where there is more than one run.
fn spreads(page: &mut String, document: &Document) {
    let repeated: Vec<&Value> = document.configurations.iter().filter(|it| at(it, "runs").as_u64() > Some(1)).collect();
    if repeated.is_empty() {
        return;
    }
    page.push_str("<p class=\"soft\">Each row is the median run of its configuration. Over all runs:</p>\n");
    page.push_str(
        "<div class=\"wide\"><table><tr><th>min / median / max</th><th>runs</th><th>op/s</th><th>p50 ms</th>",
    );
    page.push_str("<th>p99 ms</th><th>CPU µs/op</th></tr>\n");
    for configuration in repeated {
        let of = |path: &str, decimals: usize| {
            let value = |which: &str| number(configuration, &format!("spread.{path}.{which}"));
            let text = |value: Option<f64>| match (value, decimals) {
                (Some(value), 0) => grouped(value.round() as u64),
                (Some(value), _) => format!("{value:.decimals$}"),
                (None, _) => "-".to_string(),
            };
            ["min", "median", "max"].map(|which| text(value(which))).join(" / ")
        };
        let _infallible = writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(at(configuration, "about").as_str().unwrap_or_default()),
            at(configuration, "runs"),
            of("throughput_ops_s", 0),
            of("latency_ms.p50", 1),
            of("latency_ms.p99", 1),
            of("cpu_us_per_op", 0),
        );
    }
    page.push_str("</table></div>\n");
}

fn broken(page: &mut String, document: &Document) {
    for run in &document.runs {
        for line in at(run, "broken").as_array().into_iter().flatten() {
            let words = format!("{}, repeat {}: {}", plain(at(run, "about")), plain(at(run, "repeat")), plain(line));
            page.push_str(&format!("<p class=\"broken\">{}</p>\n", escaped(&words)));
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_string)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document() -> Document {
        let run = |replicas: u64, throughput: f64| {
            json!({
                "about": "pbft <n>", "protocol": "pbft", "replicas": replicas, "bundle": 8, "repeat": 1,
                "throughput_ops_s": throughput, "latency_ms": { "p50": 3.0, "p99": 40.0 },
                "cpu_replicas_us_per_op": 30.0, "cpu_client_us_per_op": 10.0, "messages_per_slot": 24.0,
                "latency_distribution_ms": [[0.0, 1.0], [0.5, 3.0], [0.9, 9.0]],
                "series": [{ "t_s": 0.25, "throughput_ops_s": 90.0, "p99_ms": 4.0 }, { "t_s": 0.5, "throughput_ops_s": 0.0, "p99_ms": null }],
                "attacks": [{ "attacker": "n1", "attack": "crash", "from_s": 0.2, "until_s": null }],
                "attack": null, "broken": ["replicas differ & more"],
                "ceiling": { "parts_us_per_op": { "crypto": 9.0, "transport": 4.0, "execution": 7.0, "rest": 20.0 } },
            })
        };
        let configuration = |place: u64| json!({ "about": "pbft <n>", "runs": 1, "median_run": place });
        Document {
            runs: vec![run(4, 1000.0), run(7, 600.0)],
            configurations: vec![configuration(0), configuration(1)],
            machine: json!({ "cpu": "Some CPU", "cores": 2 }),
        }
    }

    #[test]
    fn a_report_needs_nothing_from_elsewhere() {
        let document = document();
        let plots = plots::all(&document).unwrap();
        assert_eq!(
            plots.iter().map(|plot| plot.name).collect::<Vec<_>>(),
            ["load", "latency", "over-time", "cost", "parts", "growth"]
        );
        let page = write(&document, &plots);
        for elsewhere in ["http:", "https:", "src=", "href=", "<script", "@import", "url(", "<img", "<link"] {
            assert!(!page.contains(elsewhere), "{elsewhere}");
        }
        assert_eq!((page.matches("<svg").count(), page.matches("</figure>").count()), (6, 6));
        assert!(page.contains("var(--ink)") && !page.contains("#1B1F24"), "drawings follow the page's colours");
        assert!(page.contains("pbft &lt;n&gt;") && page.contains("replicas differ &amp; more"), "text is escaped");
        for condition in ["Some CPU", "n=4 to 7", "bundle 8"] {
            assert!(page.contains(condition), "{condition}");
        }
    }

    #[test]
    fn drawings_are_written_as_png_too() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("load.png");
        plots::all(&document()).unwrap()[0].write_png(&path).unwrap();
        assert!(std::fs::read(&path).unwrap().starts_with(b"\x89PNG"));
    }
}
