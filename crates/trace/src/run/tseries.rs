//! Time series: the values of the last intervals, drawn as a chart or written as JSON.
//!
//! Intervals are numbered from 1970 by the clock that the program used; an interval without a value is a gap. Widths are bpftrace's.

use std::collections::BTreeMap;

use super::value::uint;
use super::{json, number, time};
use crate::types::TseriesOp;

/// Columns of the chart, its frame included.
const WIDTH: usize = 53;
/// Columns of the lowest value above and below the chart.
const LOW: usize = 21;

/// Values by interval.
pub type Series = BTreeMap<u64, i128>;

/// Merges the values of all CPUs of one bucket (`u64` epoch, value, count or time): the newest epoch wins.
pub fn merge(op: TseriesOp, signed: bool, values: &[u8]) -> Option<(u64, i128)> {
    let cpus = values.chunks_exact(24).map(|c| (uint(c, 8), uint(&c[8..], 8), uint(&c[16..], 8)));
    let newest = cpus.clone().map(|c| c.0).max()?;
    if newest == 0 {
        return None;
    }
    let wide = |v: u64| if signed { v as i64 as i128 } else { v as i128 };
    let same = cpus.filter(|c| c.0 == newest).map(|c| (wide(c.1), c.2));
    let (value, count) = same.reduce(|(v, n), (w, m)| match op {
        TseriesOp::Last if m > n => (w, m),
        TseriesOp::Last => (v, n),
        TseriesOp::Sum => (v + w, n),
        TseriesOp::Avg => (v + w, n.saturating_add(m)),
        TseriesOp::Min => (v.min(w), n),
        TseriesOp::Max => (v.max(w), n),
    })?;
    let value = if op == TseriesOp::Avg { value / count.max(1) as i128 } else { value };
    Some((newest, value))
}

/// Intervals to show: from the first that has a value, within the newest `count` up to `last`.
fn rows(series: &Series, count: u32, last: u64) -> Vec<(u64, Option<i128>)> {
    let from = last.saturating_sub((count as u64).saturating_sub(1));
    match series.range(from..=last).next() {
        Some((&first, _)) => (first..=last).map(|e| (e, series.get(&e).copied())).collect(),
        None => Vec::new(),
    }
}

/// Draws the chart; `last` is the newest interval of all keys.
pub fn text(
    out: &mut Vec<u8>,
    series: &Series,
    interval: u64,
    count: u32,
    last: u64,
    signed: bool,
) {
    let rows = rows(series, count, last);
    let values = || rows.iter().filter_map(|r| r.1);
    let (Some(mut low), Some(mut high)) = (values().min(), values().max()) else {
        return out.extend_from_slice(b"<no data>");
    };
    if low == high {
        // Room on both sides, within the range of the type.
        let (least, most) =
            if signed { (i64::MIN as i128, i64::MAX as i128) } else { (0, u64::MAX as i128) };
        low = (low - 1).max(least);
        high = (high + 1).min(most);
    }
    let (unit, digits) = unit(if rows.len() > 1 { interval } else { 0 });
    let indent = 8 + if digits > 0 { 1 + digits } else { 0 } + 1;
    scale(out, indent, low, high);
    let start = out.len();
    out.extend_from_slice(b"hh:mm:ss");
    if digits > 0 {
        out.push(b'.');
        out.extend_from_slice(unit.as_bytes());
    }
    number::pad(out, start, Some(indent as u32), true);
    out.push(b'|');
    out.resize(out.len() + WIDTH - 2, b'_');
    out.extend_from_slice(b"|\n");
    let zero = if low < 0 && high > 0 {
        (WIDTH as f32 * low as f32 / (low - high) as f32) as usize
    } else {
        0
    };
    for (epoch, value) in &rows {
        row(out, epoch.saturating_mul(interval), digits, *value, (low, high), zero);
    }
    out.resize(out.len() + indent, b' ');
    out.push(b'v');
    out.resize(out.len() + WIDTH - 2, b'_');
    out.extend_from_slice(b"v\n");
    scale(out, indent, low, high);
}

fn unit(interval: u64) -> (&'static str, usize) {
    match interval {
        1_000_000_000.. => ("s", 0),
        1_000_000.. => ("ms", 3),
        1_000.. => ("μs", 6),
        _ => ("ns", 9),
    }
}

fn scale(out: &mut Vec<u8>, indent: usize, low: i128, high: i128) {
    out.resize(out.len() + indent, b' ');
    let start = out.len();
    number::signed(out, low as i64);
    number::pad(out, start, Some(LOW as u32), true);
    let start = out.len();
    number::signed(out, high as i64);
    number::pad(out, start, Some((WIDTH - LOW) as u32), false);
    out.push(b'\n');
}

fn row(
    out: &mut Vec<u8>,
    nsecs: u64,
    digits: usize,
    value: Option<i128>,
    (low, high): (i128, i128),
    zero: usize,
) {
    time::local(out, "%H:%M:%S", nsecs / 1_000_000_000);
    if digits > 0 {
        out.push(b'.');
        time::fraction(out, nsecs % 1_000_000_000, digits);
    }
    out.push(b' ');
    let start = out.len();
    out.resize(start + WIDTH, b' ');
    out[start] = b'|';
    out[start + WIDTH - 1] = b'|';
    if zero > 0 {
        out[start + zero.min(WIDTH - 1)] = b'.';
    }
    let Some(value) = value else { return out.extend_from_slice(b" -\n") };
    let at = if low == high {
        WIDTH / 2
    } else {
        ((WIDTH - 1) as f32 * (low - value) as f32 / (low - high) as f32) as usize
    };
    out[start + at.min(WIDTH - 1)] = b'*';
    out.push(b' ');
    number::signed(out, value as i64);
    out.push(b'\n');
}

/// Writes the list of intervals that have a value.
pub fn json(out: &mut Vec<u8>, series: &Series, interval: u64, count: u32, last: u64) {
    out.push(b'[');
    let mut first = true;
    for (epoch, value) in rows(series, count, last) {
        let Some(value) = value else { continue };
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        let nsecs = epoch.saturating_mul(interval);
        out.extend_from_slice(b"{\"interval_start\":\"");
        time::utc(out, nsecs / 1_000_000_000);
        out.push(b'.');
        time::fraction(out, nsecs % 1_000_000_000, 9);
        out.extend_from_slice(b"\",\"value\":");
        json::integer(out, value);
        out.push(b'}');
    }
    out.push(b']');
}
