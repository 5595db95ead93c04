//! Histograms: buckets with their bounds, drawn as bars or written as JSON.
//!
//! Bounds, suffixes and the 52 columns of a bar are bpftrace's, so that what reads its output reads this.

use super::{json, number};
use crate::types::{Agg, hist_bucket_start};

/// Columns of the longest bar.
const BAR: usize = 52;

/// A bound: the number, and how it prints.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    number: i128,
    /// Printed with a suffix (`1K`), or a power-of-two bound: never joined into `[n]`.
    label: Option<String>,
}

/// The buckets from the first to the last that count something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Lower bound of each bucket, upper bound (exclusive) of each, count.
    rows: Vec<(Option<Bound>, Option<Bound>, u64)>,
}

impl Histogram {
    /// From the counts of the buckets of `agg`. `div` divides the counts of `hist`, not those of `lhist`.
    pub fn new(agg: Agg, counts: &[u64], div: u64) -> Histogram {
        let first = counts.iter().position(|&c| c > 0);
        let last = counts.iter().rposition(|&c| c > 0);
        let (Some(first), Some(last)) = (first, last) else { return Histogram::default() };
        let rows = (first..=last).map(|i| {
            let (count, i) = (counts[i], i as u32);
            let lower = i.checked_sub(1);
            match agg {
                Agg::Lhist { min, max, step } => (
                    lower.and_then(|i| linear(min, max, step, i)),
                    linear(min, max, step, i),
                    count,
                ),
                Agg::Hist { bits } => {
                    (lower.map(|i| power(i, bits)), Some(power(i, bits)), count / div.max(1))
                }
                _ => (None, None, count),
            }
        });
        Histogram { rows: rows.collect() }
    }

    /// Draws the bars.
    pub fn text(&self, out: &mut Vec<u8>) {
        let most = self.rows.iter().map(|r| r.2).max().unwrap_or(0);
        for (lower, upper, count) in &self.rows {
            let start = out.len();
            interval(out, lower.as_ref(), upper.as_ref());
            number::pad(out, start, Some(16), true);
            let start = out.len();
            number::decimal(out, *count);
            number::pad(out, start, Some(8), false);
            out.extend_from_slice(b" |");
            // In single precision as bpftrace does, so that bars have the same length to the column.
            let bar = ((*count as f32 / most as f32) * BAR as f32) as usize;
            out.resize(out.len() + bar.min(BAR), b'@');
            out.resize(out.len() + BAR - bar.min(BAR), b' ');
            out.extend_from_slice(b"|\n");
        }
    }

    /// Writes the list of buckets; `max` is inclusive.
    pub fn json(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        for (i, (lower, upper, count)) in self.rows.iter().enumerate() {
            out.extend_from_slice(if i > 0 { b",{" } else { b"{" });
            if let Some(lower) = lower {
                out.extend_from_slice(b"\"min\": ");
                json::integer(out, lower.number);
                out.extend_from_slice(b", ");
            }
            if let Some(upper) = upper {
                out.extend_from_slice(b"\"max\": ");
                json::integer(out, upper.number - 1);
                out.extend_from_slice(b", ");
            }
            out.extend_from_slice(b"\"count\": ");
            number::decimal(out, *count);
            out.push(b'}');
        }
        out.push(b']');
    }
}

/// Upper bound of bucket `i` of `hist`, which is the start of the one after.
fn power(i: u32, bits: u8) -> Bound {
    let start = hist_bucket_start(i + 1, bits).unwrap_or(u64::MAX);
    if i <= 2 << bits {
        return Bound { number: start as i128, label: None };
    }
    let power = (i >> bits) - 1;
    let suffix = ["", "K", "M", "G", "T", "P", "E"].get(power as usize / 10).unwrap_or(&"");
    let short = start.checked_shr(10 * (power / 10)).unwrap_or(0);
    let label = format!("{short}{suffix}");
    Bound { number: start as i128, label: Some(label) }
}

/// Upper bound of bucket `i` of `lhist`; none for the last, which takes the rest.
fn linear(min: i64, max: i64, step: u64, i: u32) -> Option<Bound> {
    let number = min as i128 + i as i128 * step as i128;
    if number > max as i128 {
        return None;
    }
    let label = step.is_multiple_of(1024).then(|| match number {
        n if n != 0 && n % (1 << 20) == 0 => format!("{}M", n >> 20),
        n if n != 0 && n % 1024 == 0 => format!("{}K", n >> 10),
        n => n.to_string(),
    });
    Some(Bound { number, label })
}

fn interval(out: &mut Vec<u8>, lower: Option<&Bound>, upper: Option<&Bound>) {
    let text = match (lower, upper) {
        (None, Some(upper)) => {
            out.extend_from_slice(b"(..., ");
            put_bound(out, upper);
            b")".as_slice()
        }
        (Some(lower), None) => {
            out.push(b'[');
            put_bound(out, lower);
            b", ...)"
        }
        (Some(lower), Some(upper)) => {
            out.push(b'[');
            put_bound(out, lower);
            let single =
                lower.label.is_none() && upper.label.is_none() && lower.number + 1 == upper.number;
            if single {
                b"]"
            } else {
                out.extend_from_slice(b", ");
                put_bound(out, upper);
                b")"
            }
        }
        (None, None) => b"(...)",
    };
    out.extend_from_slice(text);
}

fn put_bound(out: &mut Vec<u8>, bound: &Bound) {
    match &bound.label {
        Some(label) => out.extend_from_slice(label.as_bytes()),
        None => number::signed(out, bound.number as i64),
    }
}
