//! Wildcards in probe names: `*` any text, `?` one character, `[abc]` one of them.

/// A pattern.
#[derive(Clone, Debug)]
pub struct Glob {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Byte(u8),
    Any,
    One,
    Set { negate: bool, ranges: Vec<(u8, u8)> },
}

/// Whether a text has wildcards in it.
pub fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

impl Glob {
    /// Reads a pattern; every text is one (a `[` without its end stands for itself).
    pub fn new(pattern: &str) -> Glob {
        let mut parts = Vec::new();
        let mut rest = pattern.as_bytes();
        while let [first, tail @ ..] = rest {
            rest = tail;
            match first {
                b'*' if matches!(parts.last(), Some(Part::Any)) => {}
                b'*' => parts.push(Part::Any),
                b'?' => parts.push(Part::One),
                b'[' => match tail.iter().skip(1).position(|b| *b == b']') {
                    Some(end) => {
                        parts.push(set(&tail[..=end]));
                        rest = &tail[end + 2..];
                    }
                    None => parts.push(Part::Byte(b'[')),
                },
                b => parts.push(Part::Byte(*b)),
            }
        }
        Glob { parts }
    }

    /// Whether the whole text matches. Linear in text times stars.
    pub fn matches(&self, text: &str) -> bool {
        let text = text.as_bytes();
        let (mut t, mut p) = (0, 0);
        let mut back: Option<(usize, usize)> = None;
        while t < text.len() {
            match self.parts.get(p) {
                Some(Part::Any) => {
                    back = Some((p, t));
                    p += 1;
                    continue;
                }
                Some(part) if part.takes(text[t]) => {
                    (t, p) = (t + 1, p + 1);
                    continue;
                }
                _ => {}
            }
            // Let the last star take one more.
            let Some((star, start)) = back else { return false };
            back = Some((star, start + 1));
            (t, p) = (start + 1, star + 1);
        }
        self.parts[p..].iter().all(|part| matches!(part, Part::Any))
    }
}

impl Part {
    fn takes(&self, byte: u8) -> bool {
        match self {
            Part::Byte(b) => *b == byte,
            Part::One => true,
            Part::Any => false,
            Part::Set { negate, ranges } => {
                ranges.iter().any(|(a, b)| (*a..=*b).contains(&byte)) != *negate
            }
        }
    }
}

fn set(body: &[u8]) -> Part {
    let (negate, mut body) = match body {
        [b'!' | b'^', rest @ ..] if !rest.is_empty() => (true, rest),
        _ => (false, body),
    };
    let mut ranges = Vec::new();
    while let [first, rest @ ..] = body {
        match rest {
            [b'-', last, tail @ ..] => {
                ranges.push((*first, *last));
                body = tail;
            }
            _ => {
                ranges.push((*first, *first));
                body = rest;
            }
        }
    }
    Part::Set { negate, ranges }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        let glob = Glob::new(pattern);
        for t in yes {
            assert!(glob.matches(t), "{pattern} should match {t}");
        }
        for t in no {
            assert!(!glob.matches(t), "{pattern} should not match {t}");
        }
    }

    #[test]
    fn wildcards_match_as_in_a_shell() {
        check("sys_enter_*", &["sys_enter_", "sys_enter_open"], &["sys_ente", "xsys_enter_"]);
        check("*execve*", &["execve", "a:sys_enter_execveat"], &["exec"]);
        check("a?c", &["abc"], &["ac", "abbc"]);
        check("[a-cx]1", &["a1", "c1", "x1"], &["d1", "1"]);
        check("[!a]1", &["b1"], &["a1"]);
        check("a[", &["a["], &["a"]);
        check("**a**b", &["ab", "xaxb"], &["a", "b"]);
        check("", &[""], &["a"]);
    }

    #[test]
    fn many_stars_do_not_take_for_ever() {
        let glob = Glob::new(&"a*".repeat(50));
        assert!(!glob.matches(&"a".repeat(49)));
        assert!(
            !glob.matches(
                &format!("{}b", "ab".repeat(2000).trim_end_matches('b')).replace('a', "c")
            )
        );
    }
}
