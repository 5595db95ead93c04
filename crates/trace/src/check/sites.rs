//! What an attach point names: provider and parts, wildcards expanded. Those in user programs are in [`super::usersites`].

use skep_abi::{Feature, perf, signal};
use skep_engine::{Cpus, PerfEvent, Rate};

use super::Checker;
use super::names::{is_pattern, matches, nearest};
use super::probes::{Place, Site};
use crate::syntax::ast::AttachPoint;

/// Providers: full name, other spellings.
const PROVIDERS: &[(&str, &[&str])] = &[
    ("begin", &["BEGIN"]),
    ("end", &["END"]),
    ("self", &[]),
    ("tracepoint", &["t"]),
    ("rawtracepoint", &["rt"]),
    ("kprobe", &["k"]),
    ("kretprobe", &["kr"]),
    ("uprobe", &["u"]),
    ("uretprobe", &["ur"]),
    ("software", &["s"]),
    ("hardware", &["h"]),
    ("profile", &["p"]),
    ("interval", &["i"]),
    ("fentry", &["f", "kfunc"]),
    ("fexit", &["fr", "kretfunc"]),
    ("usdt", &["U"]),
    ("watchpoint", &["w", "asyncwatchpoint", "aw"]),
    ("iter", &["it"]),
    ("bench", &["BENCH"]),
    ("test", &[]),
];

/// Units of time of `interval` and `profile`, in nanoseconds.
const UNITS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

impl Checker<'_> {
    /// The places that an attach point means, each checked to exist and to be possible; none after an error.
    pub(super) fn sites_of(&mut self, point: &AttachPoint) -> Vec<Site> {
        let parts: Vec<&str> = point.parts.iter().map(String::as_str).collect();
        let Some((&written, rest)) = parts.split_first() else {
            self.error(point.span, "a probe needs a name, such as `tracepoint:sched:sched_switch`");
            return Vec::new();
        };
        let provider =
            PROVIDERS.iter().find(|(name, also)| *name == written || also.contains(&written));
        let Some((provider, _)) = provider else {
            self.unknown_provider(point, written);
            return Vec::new();
        };
        match *provider {
            "begin" | "end" => self.special(point, provider, rest),
            "self" => self.signal(point, rest),
            "tracepoint" => self.tracepoint(point, rest),
            "rawtracepoint" => self.raw_tracepoint(point, rest),
            "kprobe" | "kretprobe" => self.kprobe(point, provider, rest),
            "uprobe" | "uretprobe" => self.uprobe(point, provider, rest),
            "software" | "hardware" => self.counter(point, provider, rest),
            "profile" | "interval" => self.timer(point, provider, rest),
            other => {
                let kprobes = self.host.target().has(Feature::Kprobe);
                let instead = match other {
                    "fentry" if kprobes => "use a kprobe or a tracepoint",
                    "fexit" if kprobes => "use a kretprobe",
                    "fentry" | "fexit" => "use a tracepoint or a rawtracepoint",
                    "iter" => "sample with profile:hz:99, or trace what makes and ends the objects",
                    "watchpoint" | "asyncwatchpoint" => {
                        "use a uprobe on a function that writes there"
                    }
                    "usdt" => "use a uprobe on the function around the probe",
                    "test" | "bench" => "use `begin`",
                    _ => "",
                };
                self.error(point.span, format!("{other} probes are not supported yet"))
                    .help(instead);
                Vec::new()
            }
        }
    }

    fn unknown_provider(&mut self, point: &AttachPoint, written: &str) {
        let near = nearest(written, PROVIDERS.iter().map(|p| p.0));
        let d = self.error(point.span, format!("there is no kind of probe `{written}`"));
        match near {
            Some(near) => d.help(format!("did you mean `{near}`?")),
            None => d.help("kinds are tracepoint, rawtracepoint, kprobe, kretprobe, uprobe, uretprobe, software, hardware, profile, interval, begin, end, self"),
        };
    }

    fn bad(&mut self, point: &AttachPoint, message: impl Into<String>, form: &str) -> Vec<Site> {
        self.error(point.span, message).help(format!("write {form}"));
        Vec::new()
    }

    fn special(&mut self, point: &AttachPoint, provider: &str, rest: &[&str]) -> Vec<Site> {
        if !rest.is_empty() {
            return self.bad(
                point,
                format!("{provider} takes no target"),
                &format!("`{provider}`"),
            );
        }
        let place = if provider == "begin" { Place::Begin } else { Place::End };
        vec![Site { name: provider.to_owned(), place }]
    }

    fn signal(&mut self, point: &AttachPoint, rest: &[&str]) -> Vec<Site> {
        let ["signal", name] = rest else {
            return self.bad(point, "self has only signals", "`self:signal:SIGUSR1`");
        };
        match signal::number(name) {
            Some(n) => {
                let name = format!("self:signal:{name}");
                vec![Site { name, place: Place::Signal(n.into()) }]
            }
            None => {
                self.bad(point, format!("there is no signal `{name}`"), "`self:signal:SIGUSR1`")
            }
        }
    }

    fn tracepoint(&mut self, point: &AttachPoint, rest: &[&str]) -> Vec<Site> {
        let (category, name) = match rest {
            [category, name] if !category.is_empty() && !name.is_empty() => (*category, *name),
            [name] if is_pattern(name) => ("*", *name),
            _ => {
                return self.bad(
                    point,
                    "a tracepoint has a category and a name",
                    "`tracepoint:CATEGORY:NAME`, such as `tracepoint:sched:sched_switch`",
                );
            }
        };
        let site = |category: &str, name: &str| Site {
            name: format!("tracepoint:{category}:{name}"),
            place: Place::Tracepoint { category: category.to_owned(), name: name.to_owned() },
        };
        if !is_pattern(category) && !is_pattern(name) {
            if let Err(e) = self.host.tracepoint_format(category, name) {
                if matches!(e.kind, skep_engine::ErrorKind::NotFound) {
                    let help = self.near_tracepoint(category, name);
                    self.missing(point, format!("there is no tracepoint {category}:{name}"), help);
                } else {
                    self.refused(point, &format!("tracepoint:{category}:{name}"), &e);
                }
                return Vec::new();
            }
            return self.checked(point, vec![site(category, name)]);
        }
        let all = match self.host.tracepoints() {
            Ok(all) => all,
            Err(e) => {
                self.refused(point, &point.to_string(), &e);
                return Vec::new();
            }
        };
        let mut found: Vec<Site> = all
            .iter()
            .filter(|(c, n)| matches(category, c) && matches(name, n))
            .map(|(c, n)| site(c, n))
            .collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        self.found(point, found)
    }

    /// Places that a pattern gave; that there are none is told.
    fn found(&mut self, point: &AttachPoint, found: Vec<Site>) -> Vec<Site> {
        if found.is_empty() {
            self.missing(point, format!("no probes matched {point}"), None);
        }
        self.checked(point, found)
    }

    fn near_tracepoint(&self, category: &str, name: &str) -> Option<String> {
        let all = self.host.tracepoints().ok()?;
        if let Some((c, n)) = all.iter().find(|(_, n)| n == name) {
            return Some(format!("did you mean `tracepoint:{c}:{n}`?"));
        }
        let here = all.iter().filter(|(c, _)| c == category).map(|(_, n)| n.as_str());
        if let Some(near) = nearest(name, here) {
            return Some(format!("did you mean `tracepoint:{category}:{near}`?"));
        }
        let full = format!("{category}:{name}");
        let names: Vec<String> = all.iter().map(|(c, n)| format!("{c}:{n}")).collect();
        let near = nearest(&full, names.iter().map(String::as_str))?;
        Some(format!("did you mean `tracepoint:{near}`?"))
    }

    fn raw_tracepoint(&mut self, point: &AttachPoint, rest: &[&str]) -> Vec<Site> {
        let (module, name) = match rest {
            [name] if !name.is_empty() => (None, *name),
            [module, name] if !name.is_empty() => (Some(*module), *name),
            _ => {
                let form = "`rawtracepoint:NAME`, such as `rawtracepoint:sched_switch`";
                return self.bad(point, "a raw tracepoint has a name", form);
            }
        };
        let title = |name: &str| match module {
            Some(module) => format!("rawtracepoint:{module}:{name}"),
            None => format!("rawtracepoint:{name}"),
        };
        let site = |name: &str| Site { name: title(name), place: Place::Raw(name.to_owned()) };
        let listed = self.host.raw_tracepoints();
        if !is_pattern(name) {
            if let Ok(all) = &listed
                && !all.iter().any(|n| n == name)
            {
                let near = nearest(name, all.iter().map(String::as_str));
                let help = near.map(|n| format!("did you mean `{}`?", title(n)));
                self.missing(point, format!("there is no raw tracepoint {name}"), help);
                return Vec::new();
            }
            return self.checked(point, vec![site(name)]);
        }
        match listed {
            Ok(all) => {
                let found: Vec<Site> =
                    all.iter().filter(|n| matches(name, n)).map(|n| site(n)).collect();
                if found.is_empty() {
                    return self.found(point, found);
                }
                // Each is attached alone, so each is asked about alone.
                found.into_iter().flat_map(|s| self.checked(point, vec![s])).collect()
            }
            Err(e) => {
                self.refused(point, &point.to_string(), &e);
                Vec::new()
            }
        }
    }

    fn kprobe(&mut self, point: &AttachPoint, provider: &str, rest: &[&str]) -> Vec<Site> {
        let ret = provider == "kretprobe";
        let (module, target) = match rest {
            [target] if !target.is_empty() => (None, *target),
            [module, target] if !module.is_empty() && !target.is_empty() => {
                (Some(*module), *target)
            }
            _ => {
                let form = format!("`{provider}:FUNCTION` or `{provider}:MODULE:FUNCTION`");
                return self.bad(point, format!("{provider} needs a function"), &form);
            }
        };
        if let Err(e) = self.host.target().require(Feature::Kprobe) {
            let needs = e.item.config().map(|c| format!("needs {c}")).unwrap_or_default();
            let message = format!("cannot attach {point}: this kernel does not offer {}", e.item);
            let what = target.split('+').next().unwrap_or_default().trim_matches(['*', '_']);
            let help = e.item.instead().unwrap_or_default().replace("NAME", what);
            self.error(point.span, message).label(needs).help(help);
            return Vec::new();
        }
        let title = |function: &str| match module {
            Some(module) => format!("{provider}:{module}:{function}"),
            None => format!("{provider}:{function}"),
        };
        if is_pattern(target) || module.is_some_and(is_pattern) {
            return self.kprobe_pattern(point, provider, module, target);
        }
        if let Some(address) = super::preprocess::int(target) {
            if !self.options.unsafe_mode {
                self.error(point.span, "a kprobe on an address needs --unsafe")
                    .help("name the function, or call with --unsafe");
                return Vec::new();
            }
            let place = Place::Kprobe { ret, function: String::new(), offset: address as u64 };
            return self.checked(point, vec![Site { name: title(target), place }]);
        }
        let Some((function, offset)) = split_offset(target) else {
            let form = format!("`{provider}:FUNCTION+0x10`");
            return self.bad(point, format!("`{target}` has an offset that is no number"), &form);
        };
        if ret && offset != 0 {
            return self.bad(
                point,
                "a kretprobe has no offset",
                &format!("`{provider}:{function}`"),
            );
        }
        let qualified = match module {
            Some(module) if module != "vmlinux" => format!("{module}:{function}"),
            _ => function.to_owned(),
        };
        let place = Place::Kprobe { ret, function: qualified, offset };
        let sites = self.checked(point, vec![Site { name: title(target), place }]);
        if !sites.is_empty() && self.host.kernel_symbol(function).is_none() {
            let all = self.host.kernel_functions().unwrap_or_default();
            let near = nearest(function, all.iter().map(|f| f.1.as_str()));
            let help = near.map(|n| format!("did you mean `{provider}:{n}`?"));
            self.missing(point, format!("there is no kernel function {function}"), help);
            return Vec::new();
        }
        sites
    }

    fn kprobe_pattern(
        &mut self,
        point: &AttachPoint,
        provider: &str,
        module: Option<&str>,
        target: &str,
    ) -> Vec<Site> {
        let all = match self.host.kernel_functions() {
            Ok(all) => all,
            Err(e) => {
                self.refused(point, &point.to_string(), &e);
                return Vec::new();
            }
        };
        let ret = provider == "kretprobe";
        let mut found: Vec<Site> = all
            .iter()
            .filter(|(m, f)| module.is_none_or(|p| matches(p, m)) && matches(target, f))
            .map(|(m, f)| Site {
                name: match module {
                    Some(_) => format!("{provider}:{m}:{f}"),
                    None => format!("{provider}:{f}"),
                },
                place: Place::Kprobe { ret, function: f.clone(), offset: 0 },
            })
            .collect();
        found.dedup();
        self.found(point, found)
    }

    fn counter(&mut self, point: &AttachPoint, provider: &str, rest: &[&str]) -> Vec<Site> {
        let (kind, table) = match provider {
            "software" => (perf::PERF_TYPE_SOFTWARE, perf::SOFTWARE),
            _ => (perf::PERF_TYPE_HARDWARE, perf::HARDWARE),
        };
        let (event, count) = match rest {
            [event] | [event, ""] => (*event, None),
            [event, count] => (*event, Some(*count)),
            _ => {
                let form = format!("`{provider}:EVENT` or `{provider}:EVENT:COUNT`");
                return self.bad(point, format!("{provider} needs an event"), &form);
            }
        };
        let Some(counter) = perf::Counter::find(table, event) else {
            let names = table.iter().flat_map(|c| [Some(c.name), c.alias]).flatten();
            let near = nearest(event, names.clone());
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("events are {}", names.collect::<Vec<_>>().join(", ")),
            };
            self.error(point.span, format!("there is no {provider} event `{event}`")).help(help);
            return Vec::new();
        };
        let period = match count.map(number) {
            None => counter.default_period,
            Some(Some(n)) if n > 0 => n,
            Some(_) => {
                let form = format!("`{provider}:{event}:{}`", counter.default_period);
                return self.bad(point, "the count must be a number greater than 0", &form);
            }
        };
        let event = PerfEvent {
            kind,
            config: counter.config,
            rate: Rate::Period(period),
            cpus: Cpus::All,
            pid: self.options.pid,
            cookie: 0,
        };
        let name = format!("{provider}:{}", rest.join(":"));
        self.checked(point, vec![Site { name, place: Place::Perf(event) }])
    }

    fn timer(&mut self, point: &AttachPoint, provider: &str, rest: &[&str]) -> Vec<Site> {
        let rate = match rest {
            ["hz", count] => number(count).map(Rate::Frequency),
            [unit, count] => {
                let unit = UNITS.iter().find(|u| u.0 == *unit);
                unit.and_then(|u| number(count)?.checked_mul(u.1)).map(Rate::Period)
            }
            [duration] => self::duration(duration).map(Rate::Period),
            _ => None,
        };
        let rate = rate.filter(|r| !matches!(r, Rate::Period(0) | Rate::Frequency(0)));
        let Some(rate) = rate else {
            let form = format!("`{provider}:hz:99`, `{provider}:s:1` or `{provider}:10ms`");
            return self.bad(point, format!("{provider} needs a rate greater than 0"), &form);
        };
        let interval = provider == "interval";
        let event = PerfEvent {
            kind: perf::PERF_TYPE_SOFTWARE,
            config: perf::PERF_COUNT_SW_CPU_CLOCK,
            rate,
            cpus: if interval { Cpus::One } else { Cpus::All },
            // An interval has to go on whatever the process does.
            pid: self.options.pid.filter(|_| !interval),
            cookie: 0,
        };
        let name = format!("{provider}:{}", rest.join(":"));
        let place = if interval { Place::Interval(event) } else { Place::Perf(event) };
        self.checked(point, vec![Site { name, place }])
    }
}

/// `name+offset`; `None` if the offset is no number.
pub(super) fn split_offset(text: &str) -> Option<(&str, u64)> {
    match text.rsplit_once('+') {
        Some((name, offset)) if !name.is_empty() => {
            super::preprocess::int(offset.trim()).filter(|o| *o >= 0).map(|o| (name, o as u64))
        }
        _ => Some((text, 0)),
    }
}

/// A count: `1000`, `1_000`, `1e6`, `0x10`.
fn number(text: &str) -> Option<u64> {
    if let Some((mantissa, exponent)) = text.split_once('e').filter(|_| !text.starts_with("0x")) {
        let power = 10u64.checked_pow(exponent.parse().ok()?)?;
        return number(mantissa)?.checked_mul(power);
    }
    super::preprocess::int(text).filter(|n| *n >= 0).map(|n| n as u64)
}

/// `10ms`; a bare number is nanoseconds.
fn duration(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    match UNITS.iter().find(|u| u.0 == unit) {
        Some((_, factor)) => number(digits)?.checked_mul(*factor),
        None => number(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_durations() {
        for (text, expected) in [
            ("99", Some(99)),
            ("1e6", Some(1_000_000)),
            ("1_000", Some(1000)),
            ("10ms", Some(10_000_000)),
            ("1s", Some(1_000_000_000)),
            ("2m", Some(120_000_000_000)),
            ("", None),
            ("ms", None),
            ("-1", None),
            ("9e99", None),
        ] {
            assert_eq!(duration(text), expected, "{text}");
        }
        assert_eq!(split_offset("f+0x10"), Some(("f", 16)));
        assert_eq!(split_offset("f+x"), None);
        assert_eq!(split_offset("f"), Some(("f", 0)));
    }
}
