//! Maps: read whole, per-CPU values merged, sorted and shown.
//!
//! Order is bpftrace's: by value ascending where the value is a number or an aggregation (histograms by their total), else by key; equal
//! values by key, so that output is the same every time. Keys lie in one block of memory and an entry is 48 bytes, which keeps a map of
//! 100,000 keys within a few megabytes.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use skep_engine::{Error, Map};

use super::hist::Histogram;
use super::output::Sink;
use super::tseries::{self, Series};
use super::value::{self, Pair, View, uint};
use super::{json, number};
use crate::plan::MapInfo;
use crate::types::{Agg, Type, Types};

/// How a map is to be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Show {
    /// At most so many entries, those of the greatest values; 0 for all.
    pub top: u32,
    /// Values are divided by it.
    pub div: u64,
    /// At the end of the session, where maps that hold nothing are left out.
    pub last: bool,
    /// Whether the map has been set; if it is an array its elements do not tell.
    pub set: bool,
}

/// Shows a map.
pub fn print(
    map: &dyn Map,
    info: &MapInfo,
    show: Show,
    view: &mut View<'_>,
    sink: &mut Sink,
) -> Result<(), Error> {
    match info.agg() {
        Some(agg @ (Agg::Hist { .. } | Agg::Lhist { .. })) => {
            histograms(map, info, agg, show, view, sink)
        }
        Some(agg @ Agg::Tseries { .. }) => all_series(map, info, agg, view, sink),
        _ if info.keys.is_empty() => scalar(map, info, show, view, sink),
        _ => keyed(map, info, show, view, sink),
    }
}

/// The kind of a map's JSON object.
fn kind(info: &MapInfo) -> &'static str {
    match info.agg() {
        Some(Agg::Hist { .. } | Agg::Lhist { .. }) => "hist",
        Some(Agg::Tseries { .. }) => "tseries",
        Some(Agg::Avg { .. } | Agg::Stats { .. }) => "stats",
        _ => "map",
    }
}

/// Writes a key without the parentheses of a tuple.
fn key_text(info: &MapInfo, key: &[u8], view: &mut View<'_>, out: &mut Vec<u8>) {
    match info.keys.as_slice() {
        [Type::Tuple(fields)] => view.parts_text(fields, key, out),
        keys => view.parts_text(keys, key, out),
    }
}

fn begin_json(info: &MapInfo, out: &mut Vec<u8>) {
    json::begin(out, kind(info));
    out.push(b'{');
    json::string(out, info.name.as_bytes());
    out.extend_from_slice(b": ");
}

/// Writes entries one after the other in either layout.
struct Writer<'a> {
    info: &'a MapInfo,
    started: bool,
    key: Vec<u8>,
}

impl<'a> Writer<'a> {
    fn new(info: &'a MapInfo) -> Writer<'a> {
        Writer { info, started: false, key: Vec::new() }
    }

    /// Writes everything of an entry before its value. `block`: the value stands on lines of its own.
    fn entry(&mut self, key: &[u8], block: bool, view: &mut View<'_>, sink: &mut Sink) {
        let first = !std::mem::replace(&mut self.started, true);
        if sink.is_json() {
            self.entry_json(key, first, view, sink.buf());
        } else {
            let out = sink.buf();
            out.extend_from_slice(self.info.name.as_bytes());
            if !self.info.keys.is_empty() {
                out.push(b'[');
                key_text(self.info, key, view, out);
                out.push(b']');
            }
            out.extend_from_slice(if block { b":\n" } else { b": " });
        }
    }

    fn entry_json(&mut self, key: &[u8], first: bool, view: &mut View<'_>, out: &mut Vec<u8>) {
        if first {
            begin_json(self.info, out);
        }
        if self.info.keys.is_empty() {
            return;
        }
        out.extend_from_slice(if first { b"{" } else { b", " });
        self.key.clear();
        view.compact = true;
        key_text(self.info, key, view, &mut self.key);
        view.compact = false;
        json::string(out, &self.key);
        out.extend_from_slice(b": ");
    }

    /// Ends an entry.
    fn end(&mut self, sink: &mut Sink) {
        if !sink.is_json() {
            sink.buf().push(b'\n');
            sink.spill();
        } else if self.info.keys.is_empty() {
            sink.buf().extend_from_slice(b"}}\n");
            self.started = false;
        } else {
            sink.spill();
        }
    }

    /// Ends the map.
    fn finish(self, sink: &mut Sink) {
        if self.started && sink.is_json() {
            sink.buf().extend_from_slice(b"}}}\n");
        }
    }
}

/// The values of one map without keys: the only element, merged if it is per CPU.
fn scalar(
    map: &dyn Map,
    info: &MapInfo,
    show: Show,
    view: &mut View<'_>,
    sink: &mut Sink,
) -> Result<(), Error> {
    let mut bytes = vec![0u8; map.value_len()];
    let mut found = false;
    map.for_each(&mut |_, value| {
        if !std::mem::replace(&mut found, true) {
            bytes.clear();
            bytes.extend_from_slice(value);
        }
    })?;
    if show.last && (!found || (info.is_array() && !show.set)) {
        return Ok(());
    }
    let mut writer = Writer::new(info);
    writer.entry(&[], false, view, sink);
    put_value(map, info, &bytes, show.div, view, sink);
    writer.end(sink);
    Ok(())
}

/// Writes one value of a map that is not spread over several entries.
pub fn put_value(
    map: &dyn Map,
    info: &MapInfo,
    bytes: &[u8],
    div: u64,
    view: &mut View<'_>,
    sink: &mut Sink,
) {
    match info.agg() {
        Some(agg) => put_pair(agg, value::merge(agg, bytes, agg.size() as usize), div, sink),
        None => put_plain(info, own_value(map, bytes), div, view, sink),
    }
}

/// The value of the first CPU, if there are several: only aggregations are merged.
fn own_value<'a>(map: &dyn Map, bytes: &'a [u8]) -> &'a [u8] {
    &bytes[..bytes.len() / map.cpus().max(1)]
}

fn put_pair(agg: Agg, pair: Pair, div: u64, sink: &mut Sink) {
    if sink.is_json() {
        value::merged_json(sink.buf(), agg, pair, div);
    } else {
        value::merged_text(sink.buf(), agg, pair, div);
    }
}

fn put_plain(info: &MapInfo, bytes: &[u8], div: u64, view: &mut View<'_>, sink: &mut Sink) {
    let json = sink.is_json();
    let out = sink.buf();
    match &info.value {
        Type::Int { bits, signed } => {
            let v = value::int(bytes, *bits, *signed) / div.max(1) as i128;
            match (json, v < 0) {
                (true, _) => json::integer(out, v),
                (false, true) => number::signed(out, v as i64),
                (false, false) => number::decimal(out, v as u64),
            }
        }
        ty if json => view.json(ty, bytes, out),
        ty => view.text(ty, bytes, out),
    }
}

/// Keys and values of a map, read whole.
struct Table {
    /// Keys, each followed by its value if values are not merged.
    arena: Vec<u8>,
    entries: Vec<Entry>,
}

struct Entry {
    /// Where the key begins in the arena.
    at: usize,
    /// The merged value.
    pair: Pair,
    /// The value as a number, if entries are sorted by it.
    number: i128,
    /// See [`KeyOrder::prefix`].
    prefix: u64,
}

impl Table {
    fn read(map: &dyn Map, info: &MapInfo, types: &Types) -> Result<Table, Error> {
        let mut table = Table { arena: Vec::new(), entries: Vec::new() };
        let key_len = info.key_size(types) as usize;
        let agg = info.agg();
        map.for_each(&mut |key, value| {
            let at = table.arena.len();
            table.arena.extend_from_slice(key.get(..key_len).unwrap_or(key));
            table.arena.resize(at + key_len, 0);
            let pair = match agg {
                Some(agg) => value::merge(agg, value, agg.size() as usize),
                None => {
                    table.arena.extend_from_slice(own_value(map, value));
                    (0, 0)
                }
            };
            table.entries.push(Entry { at, pair, number: 0, prefix: 0 });
        })?;
        Ok(table)
    }
}

fn keyed(
    map: &dyn Map,
    info: &MapInfo,
    show: Show,
    view: &mut View<'_>,
    sink: &mut Sink,
) -> Result<(), Error> {
    let types = &view.plan.types;
    let key_len = info.key_size(types) as usize;
    let Table { arena, mut entries } = Table::read(map, info, types)?;
    let order = KeyOrder::new(types, &info.keys);
    let key = |e: &Entry| &arena[e.at..e.at + key_len];
    let number = |e: &Entry| match info.agg() {
        Some(agg) => value::merged_number(agg, e.pair),
        None if matches!(info.value, Type::Int { .. } | Type::Enum(_)) => {
            let bytes = &arena[e.at + key_len..];
            value::as_number(types, &info.value, bytes).unwrap_or(0)
        }
        None => 0,
    };
    for entry in &mut entries {
        entry.number = number(entry);
        entry.prefix = order.prefix(key(entry));
    }
    entries.sort_unstable_by(|a, b| {
        let first = (a.number, a.prefix).cmp(&(b.number, b.prefix));
        first.then_with(|| order.compare(key(a), key(b)))
    });
    let mut writer = Writer::new(info);
    for entry in top(&entries, show.top) {
        writer.entry(key(entry), false, view, sink);
        match info.agg() {
            Some(agg) => put_pair(agg, entry.pair, show.div, sink),
            None => put_plain(info, &arena[entry.at + key_len..], show.div, view, sink),
        }
        writer.end(sink);
    }
    writer.finish(sink);
    Ok(())
}

fn top<T>(entries: &[T], top: u32) -> &[T] {
    match top {
        0 => entries,
        n => &entries[entries.len().saturating_sub(n as usize)..],
    }
}

/// Compares keys part by part: numbers as numbers, everything else by its bytes.
struct KeyOrder {
    parts: Vec<KeyPart>,
}

/// A part of a key: its place, and of a number its bits and whether it is signed.
struct KeyPart {
    at: usize,
    size: usize,
    number: Option<(u8, bool)>,
}

impl KeyOrder {
    fn new(types: &Types, keys: &[Type]) -> KeyOrder {
        let mut parts = Vec::new();
        flatten(types, keys, 0, &mut parts);
        KeyOrder { parts }
    }

    /// A number for the begin of a key, in the same order as keys; equal ones say nothing. Sorting by it is several times as fast.
    fn prefix(&self, key: &[u8]) -> u64 {
        let Some(&KeyPart { at, size, number }) = self.parts.first() else { return 0 };
        let bytes = key.get(at..at + size).unwrap_or(&[]);
        match number {
            Some((bits, true)) => value::int(bytes, bits, true) as i64 as u64 ^ 1 << 63,
            Some((bits, false)) => value::int(bytes, bits, false) as u64,
            None => {
                let mut begin = [0; 8];
                let n = bytes.len().min(8);
                begin[..n].copy_from_slice(&bytes[..n]);
                u64::from_be_bytes(begin)
            }
        }
    }

    fn compare(&self, a: &[u8], b: &[u8]) -> Ordering {
        for &KeyPart { at, size, number } in &self.parts {
            let (x, y) = (a.get(at..at + size), b.get(at..at + size));
            let order = match (number, x, y) {
                (Some((bits, signed)), Some(x), Some(y)) => {
                    value::int(x, bits, signed).cmp(&value::int(y, bits, signed))
                }
                _ => x.cmp(&y),
            };
            if order != Ordering::Equal {
                return order;
            }
        }
        Ordering::Equal
    }
}

fn flatten(types: &Types, keys: &[Type], base: usize, parts: &mut Vec<KeyPart>) {
    for (ty, off) in keys.iter().zip(types.layout(keys.iter()).0) {
        let at = base + off as usize;
        let size = types.size(ty) as usize;
        let number = match ty {
            Type::Tuple(fields) => {
                flatten(types, fields, at, parts);
                continue;
            }
            Type::Int { bits, signed } => Some((*bits, *signed)),
            Type::Enum(id) => Some(((size * 8) as u8, types.enumm(*id).signed)),
            _ if size == 8 && ty.is_scalar() => Some((64, false)),
            _ => None,
        };
        parts.push(KeyPart { at, size, number });
    }
}

/// Splits the key of a map that is spread over several entries: the script's key and the bucket.
fn split_key<'a>(info: &MapInfo, types: &Types, key: &'a [u8]) -> (&'a [u8], u64) {
    if info.is_array() {
        return (&[], uint(key, 4));
    }
    let len = info.key_size(types) as usize;
    let bucket = key.get(len.next_multiple_of(8)..).unwrap_or(&[]);
    (key.get(..len).unwrap_or(key), uint(bucket, 8))
}

/// How many buckets an aggregation can have; keys may hold anything.
fn most_buckets(agg: Agg) -> u64 {
    agg.buckets().unwrap_or(0).min(1 << 20).into()
}

fn histograms(
    map: &dyn Map,
    info: &MapInfo,
    agg: Agg,
    show: Show,
    view: &mut View<'_>,
    sink: &mut Sink,
) -> Result<(), Error> {
    let types = &view.plan.types;
    let mut all: BTreeMap<Box<[u8]>, Vec<u64>> = BTreeMap::new();
    map.for_each(&mut |key, value| {
        let (key, bucket) = split_key(info, types, key);
        if bucket >= most_buckets(agg) {
            return;
        }
        let (count, _) = value::merge(agg, value, 8);
        if info.is_array() && count == 0 && !show.set {
            return;
        }
        let counts = match all.get_mut(key) {
            Some(counts) => counts,
            None => all.entry(key.into()).or_default(),
        };
        if counts.len() <= bucket as usize {
            counts.resize(bucket as usize + 1, 0);
        }
        counts[bucket as usize] = count;
    })?;
    let order = KeyOrder::new(types, &info.keys);
    let mut all: Vec<_> =
        all.into_iter().map(|(key, counts)| (total(&counts), key, counts)).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| order.compare(&a.1, &b.1)));
    let mut writer = Writer::new(info);
    for (_, key, counts) in top(&all, show.top) {
        writer.entry(key, true, view, sink);
        let hist = Histogram::new(agg, counts, show.div);
        if sink.is_json() {
            hist.json(sink.buf());
        } else {
            hist.text(sink.buf());
        }
        writer.end(sink);
    }
    writer.finish(sink);
    Ok(())
}

fn total(counts: &[u64]) -> u64 {
    counts.iter().fold(0, |sum, c| sum.wrapping_add(*c))
}

fn all_series(
    map: &dyn Map,
    info: &MapInfo,
    agg: Agg,
    view: &mut View<'_>,
    sink: &mut Sink,
) -> Result<(), Error> {
    let Agg::Tseries { interval, count, op, signed } = agg else { return Ok(()) };
    let types = &view.plan.types;
    let mut all: BTreeMap<Box<[u8]>, Series> = BTreeMap::new();
    map.for_each(&mut |key, value| {
        let (key, _) = split_key(info, types, key);
        let series = match all.get_mut(key) {
            Some(series) => series,
            None => all.entry(key.into()).or_default(),
        };
        series.extend(tseries::merge(op, signed, value));
    })?;
    let last = all.values().filter_map(|s| s.keys().next_back()).max().copied().unwrap_or(0);
    let order = KeyOrder::new(types, &info.keys);
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_by(|a, b| order.compare(&a.0, &b.0));
    let mut writer = Writer::new(info);
    for (key, series) in &all {
        writer.entry(key, true, view, sink);
        if sink.is_json() {
            tseries::json(sink.buf(), series, interval, count, last);
        } else {
            tseries::text(sink.buf(), series, interval, count, last, signed);
        }
        writer.end(sink);
    }
    writer.finish(sink);
    Ok(())
}

/// Shows one element as a value of its own (`print(@map[key])`); an element that is not there shows as zero.
pub fn print_element(
    map: &dyn Map,
    info: &MapInfo,
    key: &[u8],
    div: u64,
    view: &mut View<'_>,
    sink: &mut Sink,
) -> Result<(), Error> {
    if sink.is_json() {
        json::begin(sink.buf(), "value");
    }
    match info.agg() {
        Some(agg) if agg.is_multi() => element_of_many(map, info, agg, key, div, view, sink)?,
        _ => {
            let mut bytes = vec![0u8; map.value_len()];
            if !map.lookup(key, &mut bytes)? {
                bytes.fill(0);
            }
            put_value(map, info, &bytes, div, view, sink);
        }
    }
    let end: &[u8] = if sink.is_json() { b"}\n" } else { b"\n" };
    sink.buf().extend_from_slice(end);
    Ok(())
}

fn element_of_many(
    map: &dyn Map,
    info: &MapInfo,
    agg: Agg,
    key: &[u8],
    div: u64,
    view: &mut View<'_>,
    sink: &mut Sink,
) -> Result<(), Error> {
    let types = &view.plan.types;
    let key = &key[..key.len().min(info.key_size(types) as usize)];
    let mut counts = Vec::new();
    let mut series = Series::new();
    map.for_each(&mut |k, value| {
        let (k, bucket) = split_key(info, types, k);
        if k != key || bucket >= most_buckets(agg) {
            return;
        }
        if let Agg::Tseries { op, signed, .. } = agg {
            series.extend(tseries::merge(op, signed, value));
            return;
        }
        if counts.len() <= bucket as usize {
            counts.resize(bucket as usize + 1, 0);
        }
        counts[bucket as usize] = value::merge(agg, value, 8).0;
    })?;
    let json = sink.is_json();
    let out = sink.buf();
    match agg {
        Agg::Tseries { interval, count, signed, .. } => {
            let last = series.keys().next_back().copied().unwrap_or(0);
            if json {
                tseries::json(out, &series, interval, count, last);
            } else {
                tseries::text(out, &series, interval, count, last, signed);
            }
        }
        _ if json => Histogram::new(agg, &counts, div).json(out),
        _ => Histogram::new(agg, &counts, div).text(out),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_in_the_order_of_keys() {
        let int = |signed| Type::Int { bits: 32, signed };
        let numbers: Vec<[u8; 4]> =
            [0i32, 1, -1, 7, i32::MAX, i32::MIN].iter().map(|n| n.to_ne_bytes()).collect();
        let texts: Vec<[u8; 4]> = [*b"a\0\0\0", *b"ab\0\0", *b"\xffb\0\0", [0; 4]].to_vec();
        let string = Type::Str { max: 4 };
        for (ty, keys) in [(int(true), &numbers), (int(false), &numbers), (string, &texts)] {
            let types = Types::default();
            let order = KeyOrder::new(&types, std::slice::from_ref(&ty));
            for a in keys {
                for b in keys {
                    let by_prefix = order.prefix(a).cmp(&order.prefix(b));
                    assert_eq!(by_prefix, order.compare(a, b), "{ty:?} {a:?} {b:?}");
                }
            }
        }
    }
}
