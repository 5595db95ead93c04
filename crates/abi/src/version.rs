//! Linux versions.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// A Linux version, as `uname -r` begins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Version {
    /// First number.
    pub major: u16,
    /// Second number.
    pub minor: u16,
    /// Third number, the stable release; zero for the first.
    pub patch: u16,
}

impl Version {
    /// `major.minor`, the form in which Linux features are dated.
    pub const fn new(major: u16, minor: u16) -> Version {
        Version { major, minor, patch: 0 }
    }

    /// The number that `KERNEL_VERSION` gives, which kernels before 5.0 want in `kern_version` for kprobe programs.
    ///
    /// A patch level above 255 counts as 255, as in the kernel's own `LINUX_VERSION_CODE`.
    pub const fn code(self) -> u32 {
        let patch = if self.patch > 255 { 255 } else { self.patch };
        ((self.major as u32) << 16) + ((self.minor as u32) << 8) + patch as u32
    }
}

impl FromStr for Version {
    type Err = Error;

    /// Reads `6.1`, `6.18.44`, `6.18.44-fc-v470`, `6.19-rc1`; what follows the numbers is ignored.
    fn from_str(text: &str) -> Result<Version, Error> {
        let bad = || Error::BadVersion(text.to_string());
        let (major, rest) = number(text.trim()).ok_or_else(bad)?;
        let (minor, rest) = rest.strip_prefix('.').and_then(number).ok_or_else(bad)?;
        let patch = match rest.strip_prefix('.') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => {
                number(rest).ok_or_else(bad)?.0
            }
            _ => 0,
        };
        Ok(Version { major, minor, patch })
    }
}

/// The decimal number at the start of `text`, and what follows it.
fn number(text: &str) -> Option<(u16, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        if self.patch != 0 {
            write!(f, ".{}", self.patch)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_strings_of_distributions_are_read() {
        for (text, expected) in [
            ("6.18.44-fc-v470", "6.18.44"),
            ("6.1.0-13-amd64", "6.1"),
            ("5.15.0-1051-aws", "5.15"),
            ("4.19.275+", "4.19.275"),
            ("6.19-rc1", "6.19"),
            ("3.10.0-1160.el7.x86_64\n", "3.10"),
            ("6.6.87.2-microsoft-standard-WSL2", "6.6.87"),
        ] {
            assert_eq!(text.parse::<Version>().unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "6", "6.", ".1", "linux", "99999.1", "6.70000", "6.1.70000", "-6.1"] {
            assert_eq!(text.parse::<Version>(), Err(Error::BadVersion(text.to_string())), "{text}");
        }
    }

    #[test]
    fn order_is_by_number_not_by_text() {
        let order = ["4.9", "4.10", "4.10.3", "5.2", "5.15", "6.1.2", "6.1.10"]
            .map(|t| t.parse::<Version>().unwrap());
        assert!(order.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn code_is_that_of_kernel_version() {
        assert_eq!("4.14.336".parse::<Version>().unwrap().code(), 0x04_0e_ff);
        assert_eq!(Version::new(5, 4).code(), 0x05_04_00);
    }
}
