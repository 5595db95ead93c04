//! Names: patterns with wildcards, and the nearest name to one that does not exist.

pub(super) use crate::syntax::diag::closest as nearest;

/// Whether the text is a pattern: it has `*`, `?` or a class such as `[0-9]`.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?']) || text.find('[').is_some_and(|at| text[at..].contains(']'))
}

/// Whether the pattern matches the whole name. Linear in practice: only the last `*` is gone back to.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let (p, n) = (pattern.as_bytes(), name.as_bytes());
    let (mut pi, mut ni) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while ni < n.len() {
        let step = match p.get(pi) {
            Some(b'*') => {
                retry = Some((pi + 1, ni));
                pi += 1;
                continue;
            }
            Some(b'?') => Some(1),
            Some(b'[') => match class(&p[pi..], n[ni]) {
                Some((true, len)) => Some(len),
                Some((false, _)) => None,
                None => (n[ni] == b'[').then_some(1),
            },
            Some(&c) => (c == n[ni]).then_some(1),
            None => None,
        };
        match (step, &mut retry) {
            (Some(len), _) => {
                pi += len;
                ni += 1;
            }
            (None, Some((back, from))) => {
                *from += 1;
                (pi, ni) = (*back, *from);
            }
            (None, None) => return false,
        }
    }
    p[pi..].iter().all(|&c| c == b'*')
}

/// Whether a class at the start of `p` holds the byte, and the length of the class; `None` if it is not closed.
fn class(p: &[u8], c: u8) -> Option<(bool, usize)> {
    let mut at = 1;
    let negate = matches!(p.get(at), Some(b'!' | b'^'));
    at += usize::from(negate);
    let (first, mut found) = (at, false);
    loop {
        let low = *p.get(at)?;
        if low == b']' && at > first {
            return Some((found != negate, at + 1));
        }
        match (p.get(at + 1), p.get(at + 2)) {
            (Some(b'-'), Some(&high)) if high != b']' => {
                found |= (low..=high).contains(&c);
                at += 3;
            }
            _ => {
                found |= low == c;
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, expected) in [
            ("sys_enter_*", "sys_enter_open", true),
            ("sys_enter_*", "sys_exit_open", false),
            ("*", "", true),
            ("*open*at", "sys_openat2_openat", true),
            ("*open*at", "sys_openat2", false),
            ("v?s", "vfs", true),
            ("v?s", "vs", false),
            ("vfs_[rw]*", "vfs_write", true),
            ("vfs_[!rw]*", "vfs_write", false),
            ("a[0-9]", "a7", true),
            ("a[0-9]", "ax", false),
            ("a[", "a[", true),
            ("a[]]", "a]", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
        assert!(is_pattern("a[bc]") && !is_pattern("operator[") && is_pattern("x?"));
    }
}
