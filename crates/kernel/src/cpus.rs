//! Which CPUs there are: `/sys/devices/system/cpu/{online,possible}`.
//!
//! The number of possible CPUs decides how many bytes the kernel writes for a per-CPU value, so a list that cannot be read or
//! understood is an error, never a guess.

use skep_engine::Error;

use crate::error::{io, other};

/// Numbers in a list such as `0-3,7`. `None` if it is not one.
fn parse(list: &str) -> Option<Vec<u32>> {
    /// More than any kernel can have (`NR_CPUS` is at most 8192).
    const MOST: u32 = 1 << 16;
    let mut cpus = Vec::new();
    for part in list.trim().split(',').filter(|p| !p.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last >= MOST {
            return None;
        }
        cpus.extend(first..=last);
    }
    if cpus.is_empty() { None } else { Some(cpus) }
}

fn read(which: &str) -> Result<Vec<u32>, Error> {
    let path = format!("/sys/devices/system/cpu/{which}");
    let text = std::fs::read_to_string(&path).map_err(|e| io(format!("read {path}"), &e))?;
    parse(&text).ok_or_else(|| {
        other(format!("read {path}"), format!("{:?} is no list of CPUs", text.trim()))
    })
}

/// CPUs that are running.
pub fn online() -> Result<Vec<u32>, Error> {
    read("online")
}

/// CPUs that could ever run here: a per-CPU map has a value for each.
pub fn possible() -> Result<Vec<u32>, Error> {
    read("possible")
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn lists_of_cpus() {
        for (text, expected) in [
            ("0\n", Some(vec![0])),
            ("0-1\n", Some(vec![0, 1])),
            ("0-2,5,7-8", Some(vec![0, 1, 2, 5, 7, 8])),
            ("", None),
            ("\n", None),
            ("3-1", None),
            ("0-4294967295", None),
            ("-1", None),
            ("a", None),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }
}
