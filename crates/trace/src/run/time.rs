//! Clocks and local time.
//!
//! strftime and localtime_r are the C library's, so that a format, a locale and a time zone mean here what they mean elsewhere on the machine.
#![allow(unsafe_code)] // calls of the C library that have no safe form in the dependencies

use std::collections::HashMap;
use std::ffi::CString;
use std::time::Duration;

use super::number;
use crate::types::Clock;

/// Nanoseconds of a clock; 0 if the kernel lacks it.
pub fn now(clock: Clock) -> u64 {
    let id = match clock {
        Clock::Monotonic => libc::CLOCK_MONOTONIC,
        Clock::Boot => libc::CLOCK_BOOTTIME,
        Clock::Tai => libc::CLOCK_TAI,
        Clock::Realtime => libc::CLOCK_REALTIME,
    };
    let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `ts` is a valid timespec that the call fills.
    let failed = unsafe { libc::clock_gettime(id, &mut ts) } != 0;
    if failed { 0 } else { ts.tv_sec as u64 * 1_000_000_000 + ts.tv_nsec as u64 }
}

/// Sleeps. As where events are waited for, signals are open meanwhile and end it.
pub fn sleep(pause: Duration) {
    let tv_sec = pause.as_secs().try_into().unwrap_or(libc::time_t::MAX);
    let time = libc::timespec { tv_sec, tv_nsec: pause.subsec_nanos().into() };
    // SAFETY: an all-zero set is the empty one; no descriptors are given; time and set outlive the call.
    unsafe {
        let open: libc::sigset_t = std::mem::zeroed();
        libc::ppoll(std::ptr::null_mut(), 0, &time, &open);
    }
}

/// Real time minus a clock, in nanoseconds: what is added to that clock to get real time.
pub fn offset(clock: Clock) -> u64 {
    // The middle of two readings around the other clock.
    let before = now(clock);
    let real = now(Clock::Realtime);
    let after = now(clock);
    real.wrapping_sub(before / 2 + after / 2)
}

/// Writes a time (seconds since 1970) by a format of strftime; nothing if it does not fit.
pub fn local(out: &mut Vec<u8>, format: &str, seconds: u64) {
    if let Ok(format) = CString::new(format) {
        strftime(out, &format, seconds);
    }
}

fn strftime(out: &mut Vec<u8>, format: &CString, seconds: u64) {
    if format.is_empty() {
        return;
    }
    let time = seconds as libc::time_t;
    let mut tm = std::mem::MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are valid for the call; a zeroed `tm` is a valid value.
    if unsafe { libc::localtime_r(&time, tm.as_mut_ptr()) }.is_null() {
        return;
    }
    let mut text = [0u8; 4096];
    // SAFETY: `text` has the length that is given, `format` ends in a zero, `tm` was filled above.
    let len = unsafe {
        libc::strftime(text.as_mut_ptr().cast(), text.len(), format.as_ptr(), tm.as_ptr())
    };
    out.extend_from_slice(&text[..len.min(text.len())]);
}

/// Writes `2026-01-31 23:59:59` in UTC.
pub fn utc(out: &mut Vec<u8>, seconds: u64) {
    // Civil date from days, Howard Hinnant's algorithm: eras of 400 years that begin on 1 March.
    let (days, rest) = ((seconds / 86_400) as i64 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    let text = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
    out.extend_from_slice(text.as_bytes());
}

/// Writes the first `digits` digits of a fraction of a second.
pub fn fraction(out: &mut Vec<u8>, nsecs: u64, digits: usize) {
    let v = nsecs / 10u64.pow(9 - digits.min(9) as u32);
    let start = out.len();
    number::decimal(out, v);
    let written = out.len() - start;
    let zeroes = digits.saturating_sub(written);
    out.resize(out.len() + zeroes, b'0');
    out.copy_within(start..start + written, start + zeroes);
    out[start..start + zeroes].fill(b'0');
}

/// Formats times for `strftime()`, keeping the text of the second that was shown last.
#[derive(Debug, Default)]
pub struct Times {
    formats: HashMap<String, Cached>,
    offsets: HashMap<u8, u64>,
}

#[derive(Debug)]
struct Cached {
    parts: Vec<Part>,
    second: Option<u64>,
}

#[derive(Debug)]
enum Part {
    /// A format for strftime, and its text for the cached second.
    Clock(CString, Vec<u8>),
    /// Digits of the fraction: `%k` has 9, `%f` 6, `%l` 3.
    Fraction(usize),
}

impl Times {
    /// Writes a time of a clock.
    pub fn write(&mut self, format: &str, clock: Clock, nsecs: u64, out: &mut Vec<u8>) {
        let nsecs = nsecs.wrapping_add(self.offset(clock));
        let second = nsecs / 1_000_000_000;
        if second == 0 {
            return out.extend_from_slice(b"(?)");
        }
        if !self.formats.contains_key(format) {
            self.formats.insert(format.to_owned(), Cached { parts: split(format), second: None });
        }
        let Some(cached) = self.formats.get_mut(format) else { return };
        if cached.second != Some(second) {
            for part in &mut cached.parts {
                if let Part::Clock(format, text) = part {
                    text.clear();
                    strftime(text, format, second);
                }
            }
            cached.second = Some(second);
        }
        for part in &cached.parts {
            match part {
                Part::Clock(_, text) => out.extend_from_slice(text),
                Part::Fraction(digits) => fraction(out, nsecs % 1_000_000_000, *digits),
            }
        }
    }

    fn offset(&mut self, clock: Clock) -> u64 {
        match clock {
            Clock::Boot | Clock::Monotonic => {
                *self.offsets.entry(clock as u8).or_insert_with(|| offset(clock))
            }
            Clock::Tai | Clock::Realtime => 0,
        }
    }
}

/// Splits a format at bpftrace's own conversions.
fn split(format: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        let digits = match chars.next() {
            Some('k') => 9,
            Some('f') => 6,
            Some('l') => 3,
            other => {
                text.push('%');
                text.extend(other);
                continue;
            }
        };
        push_clock(&mut parts, &mut text);
        parts.push(Part::Fraction(digits));
    }
    push_clock(&mut parts, &mut text);
    parts
}

fn push_clock(parts: &mut Vec<Part>, text: &mut String) {
    if let Ok(format) = CString::new(std::mem::take(text))
        && !format.is_empty()
    {
        parts.push(Part::Clock(format, Vec::new()));
    }
}
