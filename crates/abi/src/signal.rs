//! Signal names and numbers of Linux on x86, Arm and RISC-V (`include/uapi/asm-generic/signal.h`).

/// Names without `SIG`, by number; a number's first name is the one to print.
pub const SIGNALS: &[(&str, u8)] = &[
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("IOT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("POLL", 29),
    ("PWR", 30),
    ("SYS", 31),
];

/// The highest number, of the last real-time signal.
pub const MAX: u8 = 64;

/// The number of a signal, from `SIGKILL`, `KILL`, `sigkill` or `kill`.
pub fn number(name: &str) -> Option<u8> {
    let upper = name.to_ascii_uppercase();
    let short = upper.strip_prefix("SIG").unwrap_or(&upper);
    SIGNALS.iter().find(|s| s.0 == short).map(|s| s.1)
}

/// The name of a signal, without `SIG`.
pub fn name(number: u8) -> Option<&'static str> {
    SIGNALS.iter().find(|s| s.1 == number).map(|s| s.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_every_spelling() {
        for (text, expected) in [
            ("SIGKILL", Some(9)),
            ("kill", Some(9)),
            ("SigTerm", Some(15)),
            ("SIGPOLL", Some(29)),
            ("SIGCLD", Some(17)),
            ("SIGSYS", Some(31)),
            ("", None),
            ("SIG", None),
            ("SIGSIGKILL", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
    }

    #[test]
    fn every_number_has_a_name() {
        for n in 1..=31 {
            assert_eq!(name(n).and_then(number), Some(n));
        }
        assert_eq!(name(0), None);
        assert_eq!(name(32), None);
    }
}
