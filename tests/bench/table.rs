//! The results as people read them, and as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::load::LOADS;
use crate::process;
use crate::results::{DIRECT, FIRST_P50, LOTSE, Metric, NGINX, RATE, Results, TOTAL_P50, metrics};
use crate::wire::Kind;

/// How much more than nginx a stream may be slowed down.
const STREAM_FACTOR: f64 = 1.2;

/// What the project aims at, and whether it is so in this run.
struct Aim {
    name: String,
    is_met: bool,
    measured: String,
}

/// The results as a table, and the aims.
pub(crate) fn text(results: &Results) -> String {
    let mut text = format!(
        "\n{} calls, all answered whole; medians of {} rounds; CPUs: {}\n\
         added: over direct in the same round, and from which to which round\n\n",
        results.calls,
        results.rounds.len(),
        process::cpus()
    );
    line(&mut text, "", ["direct", "nginx", "added", "lotse", "added"].map(str::to_owned));
    for (at, load) in LOADS.iter().enumerate() {
        line(&mut text, load.name, [const { String::new() }; 5]);
        for metric in metrics(load.kind) {
            let value =
                |target| results.value(at, *metric, target).map_or("–".to_owned(), |value| format!("{value:.0}"));
            let added = |target| if metric.adds { added(results, at, *metric, target) } else { String::new() };
            let cells = [value(DIRECT), value(NGINX), added(NGINX), value(LOTSE), added(LOTSE)];
            line(&mut text, &format!("  {}", metric.name), cells);
        }
    }
    let footprint = &results.footprint;
    text += "\nthe sidecar\n";
    for (name, value) in [
        ("start to listening, ms", footprint.start),
        ("memory idle, MiB", footprint.idle),
        ("memory after all calls, MiB", footprint.after_load),
        ("binary, MiB", footprint.binary),
    ] {
        add(&mut text, format_args!("  {name:<28}{value:>8.1}\n"));
    }
    text += "\naims\n";
    for aim in aims(results) {
        let verdict = if aim.is_met { "ok" } else { "missed" };
        add(&mut text, format_args!("  {verdict:<8}{:<66}{}\n", aim.name, aim.measured));
    }
    text
}

fn line(text: &mut String, name: &str, cells: [String; 5]) {
    let [direct, nginx, nginx_added, lotse, lotse_added] = cells;
    let row = format!("{name:<24}{direct:>8}{nginx:>8} {nginx_added:<22}{lotse:>8} {lotse_added:<22}");
    add(text, format_args!("{}\n", row.trim_end()));
}

fn added(results: &Results, load: usize, metric: Metric, target: usize) -> String {
    let each = results.added_each(load, metric, target);
    let least = each.iter().copied().fold(f64::INFINITY, f64::min);
    let most = each.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let median = results.added(load, metric, target).unwrap_or(f64::NAN);
    format!("{median:+.0} ({least:+.0} … {most:+.0})")
}

fn add(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).expect("a string takes any text");
}

fn aims(results: &Results) -> Vec<Aim> {
    let footprint = &results.footprint;
    let mut aims =
        vec![added_aim(results, "unary, 1 connection", TOTAL_P50, 1.0), rate_aim(results, "unary, 32 connections")];
    aims.extend([FIRST_P50, TOTAL_P50].map(|metric| added_aim(results, "stream, 1 connection", metric, STREAM_FACTOR)));
    aims.extend([
        at_most("memory idle", footprint.idle, 10.0, "MiB"),
        at_most("start to listening", footprint.start, 50.0, "ms"),
        at_most("binary", footprint.binary, 12.0, "MiB"),
    ]);
    aims
}

fn index(name: &str) -> usize {
    LOADS.iter().position(|load| load.name == name).expect("the aims name loads that there are")
}

/// Lotse adds no more than nginx, or than `factor` times what nginx adds.
fn added_aim(results: &Results, load: &str, metric: Metric, factor: f64) -> Aim {
    let added = |target| results.added(index(load), metric, target).unwrap_or(f64::NAN);
    let (nginx, lotse) = (added(NGINX), added(LOTSE));
    let what = metric.name.trim_end_matches(", µs");
    let most = if (factor - 1.0).abs() < f64::EPSILON { "nginx's".to_owned() } else { format!("{factor} × nginx's") };
    Aim {
        name: format!("{load}: added {what} at most {most}"),
        is_met: lotse <= nginx * factor,
        measured: format!("lotse {lotse:+.0} µs, nginx {nginx:+.0} µs, {:.2} ×", lotse / nginx),
    }
}

fn rate_aim(results: &Results, load: &str) -> Aim {
    let rate = |target| results.value(index(load), RATE, target).unwrap_or(f64::NAN);
    let (nginx, lotse) = (rate(NGINX), rate(LOTSE));
    Aim {
        name: format!("{load}: calls/s at least nginx's"),
        is_met: lotse >= nginx,
        measured: format!("lotse {lotse:.0}, nginx {nginx:.0}, {:.2} ×", lotse / nginx),
    }
}

fn at_most(name: &str, value: f64, most: f64, unit: &str) -> Aim {
    Aim { name: format!("{name} at most {most} {unit}"), is_met: value <= most, measured: format!("{value:.1} {unit}") }
}

/// All numbers of all rounds.
pub(crate) fn json(results: &Results) -> Value {
    let footprint = &results.footprint;
    let aims = aims(results);
    json!({
        "cpus": process::cpus(),
        "calls": results.calls,
        "rounds": results.rounds.len(),
        "loads": LOADS.iter().enumerate().map(|(at, load)| json!({
            "name": load.name,
            "streams": load.kind == Kind::Stream,
            "connections": load.connections,
            "metrics": metrics(load.kind).iter().map(|metric| metric_json(results, at, *metric)).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "sidecar": {
            "startMilliseconds": footprint.start,
            "idleMebibytes": footprint.idle,
            "afterLoadMebibytes": footprint.after_load,
            "binaryMebibytes": footprint.binary,
        },
        "aims": aims.iter().map(|aim| json!({"name": aim.name, "met": aim.is_met, "measured": aim.measured})).collect::<Vec<_>>(),
    })
}

fn metric_json(results: &Results, load: usize, metric: Metric) -> Value {
    let of = |target| {
        let mut target_json = json!({
            "median": results.value(load, metric, target),
            "rounds": results.each(load, metric, target),
        });
        if metric.adds && target != DIRECT {
            target_json["added"] = results.added(load, metric, target).into();
        }
        target_json
    };
    json!({"name": metric.name, "direct": of(DIRECT), "nginx": of(NGINX), "lotse": of(LOTSE)})
}
