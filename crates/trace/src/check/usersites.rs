//! Places in user programs: `uprobe:PATH:FUNCTION`, with wildcards in both, offsets, addresses and C++ names.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use skep_engine::Error;

use super::Checker;
use super::names::{is_pattern, matches, nearest};
use super::probes::{Place, Site};
use super::sites::split_offset;
use crate::host::UserFunction;
use crate::syntax::ast::AttachPoint;

/// What is sought in a file.
struct Target<'t> {
    provider: &'t str,
    name: &'t str,
    cpp: bool,
}

impl Checker<'_> {
    /// The places of a uprobe or uretprobe.
    pub(super) fn uprobe(
        &mut self,
        point: &AttachPoint,
        provider: &str,
        rest: &[&str],
    ) -> Vec<Site> {
        let own = self.options.pid.map(|pid| format!("/proc/{pid}/exe"));
        let (path, language, name) = match rest {
            [path, name] => (*path, "", *name),
            [path, language, name] => (*path, *language, *name),
            [name] if own.is_some() => (own.as_deref().unwrap_or_default(), "", *name),
            _ => ("", "", ""),
        };
        if path.is_empty() || name.is_empty() {
            self.error(point.span, format!("{provider} needs a file and a function")).help(
                format!("write `{provider}:PATH:FUNCTION`, such as `{provider}:libc:malloc`"),
            );
            return Vec::new();
        }
        if !matches!(language, "" | "cpp") {
            self.error(point.span, format!("`{language}` is not a language that skep knows"))
                .help("only `cpp` can stand here");
            return Vec::new();
        }
        let paths = match self.host.binaries(path, self.options.pid) {
            Ok(paths) => paths,
            Err(e) => {
                self.refused(point, &format!("file {path}"), &e);
                return Vec::new();
            }
        };
        if paths.is_empty() {
            self.missing(point, format!("there is no file {path}"), None);
        }
        let target = Target { provider, name, cpp: language == "cpp" };
        let several = paths.len() > 1;
        let mut sites = Vec::new();
        for path in &paths {
            let found = self.in_file(point, path, &target, several);
            sites.extend(self.checked(point, found));
        }
        if sites.is_empty() && several {
            self.missing(point, format!("no probes matched {point}"), None);
        }
        sites
    }

    fn in_file(
        &mut self,
        point: &AttachPoint,
        path: &Path,
        target: &Target<'_>,
        several: bool,
    ) -> Vec<Site> {
        let ret = target.provider == "uretprobe";
        let found = if target.cpp || is_pattern(target.name) {
            self.by_pattern(path, target)
        } else {
            self.by_name(point, path, target)
        };
        match found {
            Ok(found) if found.is_empty() => {
                if !several {
                    let message = format!("{} has no function {}", path.display(), target.name);
                    let help = self.near_function(path, target);
                    self.missing(point, message, help);
                }
                Vec::new()
            }
            Ok(found) => found
                .into_iter()
                .map(|(name, offset)| Site {
                    name: format!("{}:{}:{name}", target.provider, path.display()),
                    place: Place::Uprobe { ret, path: PathBuf::from(path), offset },
                })
                .collect(),
            // Of many files that a pattern names, some are no programs.
            Err(_) if several => Vec::new(),
            Err(e) => {
                self.refused(point, &point.to_string(), &e);
                Vec::new()
            }
        }
    }

    fn by_name(
        &mut self,
        point: &AttachPoint,
        path: &Path,
        target: &Target<'_>,
    ) -> Result<Vec<(String, u64)>, Error> {
        if let Some(address) = super::preprocess::int(target.name) {
            let offset = self.host.file_offset(path, address as u64)?;
            return Ok(offset.map(|o| (target.name.to_owned(), o)).into_iter().collect());
        }
        let (name, offset) = split_offset(target.name).unwrap_or((target.name, 0));
        let Some(symbol) = self.host.user_symbol(path, name)? else { return Ok(Vec::new()) };
        if offset != 0 && target.provider == "uretprobe" {
            self.error(point.span, "a uretprobe has no offset").help("leave the offset out");
        } else if offset >= symbol.size && symbol.size > 0 {
            let size = symbol.size;
            self.error(
                point.span,
                format!("the offset {offset} is outside {name}, which has {size} bytes"),
            );
            // That is all there is to say about it.
            return Ok(vec![(target.name.to_owned(), symbol.offset)]);
        }
        Ok(vec![(target.name.to_owned(), symbol.offset + offset)])
    }

    /// Functions that match, each place once.
    fn by_pattern(&self, path: &Path, target: &Target<'_>) -> Result<Vec<(String, u64)>, Error> {
        let mut seen = HashSet::new();
        let wanted = target.name.split('(').next().unwrap_or_default();
        let fits = |f: &UserFunction| match target.cpp {
            true => qualified(&f.name).is_some_and(|name| matches(wanted, &name)),
            false => matches(target.name, &f.name),
        };
        let all = self.host.user_functions(path)?;
        Ok(all
            .into_iter()
            .filter(|f| fits(f) && seen.insert(f.offset))
            .map(|f| (f.name, f.offset))
            .collect())
    }

    fn near_function(&self, path: &Path, target: &Target<'_>) -> Option<String> {
        let all = self.host.user_functions(path).ok()?;
        if all.is_empty() {
            return Some("the file has no symbols: give an address".to_owned());
        }
        let near = nearest(target.name, all.iter().map(|f| f.name.as_str()))?;
        Some(format!("did you mean `{near}`?"))
    }
}

/// `A::B::f` of a C++ symbol, without parameters and template arguments; `None` for other symbols. Source: the Itanium C++ ABI's
/// `<nested-name>` and `<source-name>`.
fn qualified(symbol: &str) -> Option<String> {
    let mut rest = symbol.strip_prefix("_Z")?;
    let nested = rest.strip_prefix('N');
    rest = nested.unwrap_or(rest).trim_start_matches(['r', 'V', 'K', 'R', 'O']);
    let mut names: Vec<&str> = Vec::new();
    while rest.starts_with(|c: char| c.is_ascii_digit()) {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let len: usize = rest[..digits].parse().ok()?;
        names.push(rest.get(digits..digits.checked_add(len)?)?);
        rest = rest.get(digits + len..)?;
        if nested.is_none() {
            break;
        }
    }
    // Constructors and destructors are named as their class.
    match (rest.get(..1), names.last().copied()) {
        (Some("C"), Some(class)) if nested.is_some() => names.push(class),
        (Some("D"), Some(class)) if nested.is_some() => {
            return Some(format!("{}::~{class}", names.join("::")));
        }
        _ => {}
    }
    (!names.is_empty()).then(|| names.join("::"))
}

#[cfg(test)]
mod tests {
    use super::qualified;

    #[test]
    fn cpp_names_are_read_from_symbols() {
        for (symbol, expected) in [
            ("_ZN5MyApp6Server14handle_requestEi", Some("MyApp::Server::handle_request")),
            ("_Z3addii", Some("add")),
            ("_ZNK3Foo3getEv", Some("Foo::get")),
            ("_ZN3FooC1Ev", Some("Foo::Foo")),
            ("_ZN3FooD1Ev", Some("Foo::~Foo")),
            ("main", None),
            ("_ZN99", None),
            ("_ZN18446744073709551615a", None),
            ("_Z", None),
        ] {
            assert_eq!(qualified(symbol).as_deref(), expected, "{symbol}");
        }
    }
}
