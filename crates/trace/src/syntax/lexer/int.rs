//! Numbers as written: bases, separators, exponents, suffixes of C and of durations.

/// Suffixes of numbers with what they multiply by; those of C multiply by one.
const DURATIONS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Value of a number as written, and whether it is unsigned; or what is wrong and what to write.
pub(super) fn parse_int(text: &str) -> Result<(u64, bool), (String, String)> {
    if text.ends_with('_') {
        return Err((format!("`{text}` ends in `_`"), "`_` separates digits: 1_000".into()));
    }
    let plain = text.replace('_', "");
    let lower = plain.to_ascii_lowercase();
    let too_large = || {
        (
            format!("`{text}` is too large"),
            "the largest number is 18446744073709551615 (64 bits)".to_string(),
        )
    };
    let (radix, digits, rest) = split_radix(&lower);
    if digits.is_empty() {
        return Err((
            format!("`{text}` has no digits"),
            "write at least one digit after the prefix".into(),
        ));
    }
    let mut value = u64::from_str_radix(digits, radix).map_err(|_| too_large())?;
    let mut suffix = rest;
    if radix == 10
        && let Some(exp) = rest.strip_prefix('e')
    {
        let end = exp.find(|c: char| !c.is_ascii_digit()).unwrap_or(exp.len());
        if end == 0 {
            return Err((
                format!("`{text}` has no exponent"),
                "write `2e3` for 2000; there are no fractions, so no negative exponents".into(),
            ));
        }
        let power = exp[..end].parse::<u32>().ok().and_then(|e| 10u64.checked_pow(e));
        value = if value == 0 {
            0
        } else {
            power.and_then(|p| value.checked_mul(p)).ok_or_else(too_large)?
        };
        suffix = &exp[end..];
    }
    match suffix {
        "" | "l" | "ll" => return Ok((value, value > i64::MAX as u64)),
        "u" | "ul" | "ull" | "lu" | "llu" => return Ok((value, true)),
        _ => {}
    }
    if radix == 8 && suffix.starts_with(['8', '9']) {
        return Err((
            format!("`{text}` is not an octal number"),
            "a leading 0 makes a number octal: leave it out".into(),
        ));
    }
    let unit = DURATIONS.iter().find(|(s, _)| *s == suffix && radix != 16);
    let Some((_, unit)) = unit else {
        return Err((
            format!("`{text}` has an unknown suffix `{suffix}`"),
            "suffixes are those of C (u, l, ul, ull) and of durations (ns, us, ms, s, m, h, d)"
                .into(),
        ));
    };
    let value = value.checked_mul(*unit).ok_or_else(too_large)?;
    Ok((value, value > i64::MAX as u64))
}

/// Radix, digits and what follows them.
fn split_radix(text: &str) -> (u32, &str, &str) {
    let (radix, body) = if let Some(body) = text.strip_prefix("0x") {
        (16, body)
    } else if let Some(body) = text.strip_prefix("0b") {
        (2, body)
    } else if text.len() > 1 && text.starts_with('0') && text.as_bytes()[1].is_ascii_digit() {
        (8, text)
    } else {
        (10, text)
    };
    let end = body.find(|c: char| !c.is_digit(radix)).unwrap_or(body.len());
    (radix, &body[..end], &body[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_every_form() {
        for (text, value) in [
            ("0", 0),
            ("42", 42),
            ("0x1F", 31),
            ("0b101", 5),
            ("0123", 83),
            ("1_000_000", 1_000_000),
            ("1e6", 1_000_000),
            ("12e2", 1200),
            ("5ul", 5),
            ("5LL", 5),
            ("0xffull", 255),
            ("7ns", 7),
            ("7us", 7_000),
            ("10ms", 10_000_000),
            ("2s", 2_000_000_000),
            ("1m", 60_000_000_000),
            ("1h", 3_600_000_000_000),
            ("1d", 86_400_000_000_000),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_int(text).map(|r| r.0), Ok(value), "{text}");
        }
        for (text, unsigned) in [
            ("1", false),
            ("1u", true),
            ("9223372036854775808", true),
            ("9223372036854775807", false),
        ] {
            assert_eq!(parse_int(text).map(|r| r.1), Ok(unsigned), "{text}");
        }
    }

    #[test]
    fn wrong_numbers_are_refused() {
        for text in [
            "1_",
            "08",
            "0x",
            "1e",
            "1e99",
            "5q",
            "0x5s1z",
            "18446744073709551616",
            "300000000000d",
        ] {
            assert!(parse_int(text).is_err(), "{text}");
        }
    }
}
