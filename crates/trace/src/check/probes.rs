//! Attach points become programs: each is expanded to its places ([`super::sites`]), the machine is asked whether it can attach there, and
//! places whose context looks alike to the body are put together, so that one program serves them all.

use std::path::PathBuf;

use skep_abi::{Feature, ProgType};
use skep_engine::{Attach, Error, ErrorKind, KernelSite, PerfEvent, Rate, Tracepoint, UserSite};

use super::uses::{self, ArgsUse, Uses};
use super::{Checker, format_file};
use crate::config::MissingProbes;
use crate::hir::ProbeName;
use crate::plan::RunKind;
use crate::syntax::ast::{self, AttachPoint, Item};
use crate::types::{Field, StructDef, StructId};

/// What a body may use, by the kind of probe.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Context {
    /// begin, end, a signal.
    Special,
    /// With the struct of its arguments, where the body uses them.
    Tracepoint {
        args: Option<StructId>,
    },
    RawTracepoint {
        name: String,
    },
    Kprobe {
        ret: bool,
    },
    Uprobe {
        ret: bool,
        path: PathBuf,
    },
    /// A counter or a timer.
    Perf,
}

/// One program to be made.
pub(super) struct Unit<'a> {
    pub probe: &'a ast::Probe,
    pub context: Context,
    pub kind: ProgType,
    pub run: RunKind,
    pub names: Vec<String>,
    pub name: String,
    pub sites: usize,
    pub first_name: u64,
    pub pid_filter: Option<u32>,
    cookies: bool,
}

impl Unit<'_> {
    pub(super) fn probe_name(&self) -> ProbeName {
        if self.sites == 1 || !self.cookies {
            ProbeName::Fixed(self.first_name)
        } else {
            ProbeName::Cookie
        }
    }
}

/// A place where a program can run.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    Begin,
    End,
    Signal(i32),
    Tracepoint {
        category: String,
        name: String,
    },
    Raw(String),
    Kprobe {
        ret: bool,
        function: String,
        offset: u64,
    },
    Uprobe {
        ret: bool,
        path: PathBuf,
        offset: u64,
    },
    Perf(PerfEvent),
    /// A timer of the session, or this event where the body looks at what it interrupts.
    Interval(PerfEvent),
}

/// A place with its full name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Site {
    pub name: String,
    pub place: Place,
}

/// What the places of one program have in common.
#[derive(Clone, Debug, PartialEq)]
enum Key {
    /// Shared with no other.
    Alone,
    /// Tracepoints with the same fields, as far as they are used.
    Tracepoint(Vec<Option<Field>>),
    Kprobe(bool),
    Uprobe(bool, PathBuf),
}

/// Places on the way to a program.
struct Group {
    key: Key,
    sites: Vec<Site>,
    /// Of the first tracepoint.
    fields: Vec<Field>,
}

impl<'a> Checker<'a> {
    /// The programs of the script, in order.
    pub(super) fn expand(&mut self) -> Vec<Unit<'a>> {
        let script = self.script;
        let mut units = Vec::new();
        for item in &script.items {
            if let Item::Probe(probe) = item {
                self.expand_probe(probe, &mut units);
            }
        }
        if units.is_empty() && !self.early.has_errors() && !self.diags.has_errors() {
            let span = script.items.iter().find_map(|i| match i {
                Item::Probe(p) => Some(p.span),
                _ => None,
            });
            self.error(span.unwrap_or_default(), "there is nothing to attach: no probe is left");
        }
        if units.len() > self.config.max_bpf_progs as usize {
            let (count, limit) = (units.len(), self.config.max_bpf_progs);
            let span = units[limit as usize].probe.span;
            self.error(span, format!("the script needs {count} programs, more than {limit}"))
                .help("set max_bpf_progs in the config block if this is meant");
        }
        units
    }

    fn expand_probe(&mut self, probe: &'a ast::Probe, units: &mut Vec<Unit<'a>>) {
        let uses = uses::of(probe);
        let cookies = self.host.target().has(Feature::Cookie);
        let mut groups: Vec<Group> = Vec::new();
        for point in &probe.attach {
            let mut sites = self.sites_of(point);
            if uses.task {
                sites = self.interrupting(point, sites);
            }
            let room = (self.config.max_probes as usize).saturating_sub(self.probe_count);
            if sites.len() > room {
                let (count, limit) = (self.probe_count + sites.len(), self.config.max_probes);
                self.error(point.span, format!("this makes {count} probes, more than {limit}"))
                    .help("name fewer, or set max_probes in the config block");
                sites.clear();
            }
            self.probe_count += sites.len();
            let from = groups.len();
            for site in sites {
                self.put(site, &uses, cookies || !uses.probe, from, &mut groups, point);
            }
        }
        let groups = merge(groups, cookies || !uses.probe);
        for group in groups {
            units.push(self.unit(probe, group, cookies, units.len()));
        }
    }

    /// Puts a place of an attach point into the group it belongs to; groups before `from` are those of other attach points.
    fn put(
        &mut self,
        site: Site,
        uses: &Uses,
        share: bool,
        from: usize,
        groups: &mut Vec<Group>,
        point: &AttachPoint,
    ) {
        let mut fields = Vec::new();
        let key = match &site.place {
            Place::Tracepoint { category, name } => {
                if uses.args != ArgsUse::None {
                    match self.host.tracepoint_format(category, name) {
                        Ok(text) => {
                            let parsed = format_file::parse(&text);
                            let syscall = category == "syscalls";
                            fields = self.store.tracepoint_fields(&parsed, syscall);
                        }
                        Err(e) => {
                            self.refused(point, &site.name, &e);
                            return;
                        }
                    }
                }
                Key::Tracepoint(relevant(&fields, &uses.args))
            }
            Place::Kprobe { ret, .. } => Key::Kprobe(*ret),
            Place::Uprobe { ret, path, .. } => Key::Uprobe(*ret, path.clone()),
            _ => Key::Alone,
        };
        let same = groups[from..].iter_mut().find(|g| share && g.key != Key::Alone && g.key == key);
        match same {
            Some(group) => group.sites.push(site),
            None => groups.push(Group { key, sites: vec![site], fields }),
        }
    }

    fn unit(
        &mut self,
        probe: &'a ast::Probe,
        group: Group,
        cookies: bool,
        index: usize,
    ) -> Unit<'a> {
        let first_name = self.probe_names.len() as u64;
        let names: Vec<String> = group.sites.iter().map(|s| s.name.clone()).collect();
        self.probe_names.extend(names.iter().cloned());
        let sites = group.sites.len();
        let (kind, context) = match &group.sites[0].place {
            Place::Begin | Place::End | Place::Signal(_) | Place::Interval(_) => {
                (ProgType::RawTracepoint, Context::Special)
            }
            Place::Tracepoint { category, name } => {
                let args = (!group.fields.is_empty()).then(|| {
                    let fields = group.fields;
                    let name = format!("struct tracepoint:{category}:{name}");
                    let end = |f: &Field| f.offset.saturating_add(self.store.types.size(&f.ty));
                    let size = fields.iter().map(end).max().unwrap_or(0);
                    self.store.define(StructDef { name, size, align: 8, fields })
                });
                (ProgType::Tracepoint, Context::Tracepoint { args })
            }
            Place::Raw(name) => {
                let name = name.clone();
                (ProgType::RawTracepoint, Context::RawTracepoint { name })
            }
            Place::Kprobe { ret, .. } => (ProgType::Kprobe, Context::Kprobe { ret: *ret }),
            Place::Uprobe { ret, path, .. } => {
                (ProgType::Kprobe, Context::Uprobe { ret: *ret, path: path.clone() })
            }
            Place::Perf(_) => (ProgType::PerfEvent, Context::Perf),
        };
        let filtered = matches!(
            context,
            Context::Tracepoint { .. } | Context::RawTracepoint { .. } | Context::Kprobe { .. }
        );
        let pid_filter = self.options.pid.and_then(|p| u32::try_from(p).ok()).filter(|_| filtered);
        let name = program_name(&names[0], index);
        let run = run_kind(&group.sites, first_name, self.options.pid);
        Unit { probe, context, kind, run, names, name, sites, first_name, pid_filter, cookies }
    }

    /// Intervals are run by the session, as a task of its own. A body that looks at the task gets the one that is interrupted on a CPU.
    fn interrupting(&mut self, point: &AttachPoint, sites: Vec<Site>) -> Vec<Site> {
        if !sites.iter().any(|s| matches!(s.place, Place::Interval(_))) {
            return sites;
        }
        let perf = |site: Site| match site.place {
            Place::Interval(event) => Site { place: Place::Perf(event), ..site },
            _ => site,
        };
        self.checked(point, sites.into_iter().map(perf).collect())
    }

    /// Asks the machine about the places of one attach point, all of one kind.
    pub(super) fn checked(&mut self, point: &AttachPoint, sites: Vec<Site>) -> Vec<Site> {
        let Some(first) = sites.first() else { return sites };
        let RunKind::Attach(attach) = run_kind(&sites, 0, self.options.pid) else { return sites };
        match self.host.check_attach(&attach) {
            Ok(()) => sites,
            Err(e) => {
                let name = if sites.len() == 1 { first.name.clone() } else { point.to_string() };
                self.refused(point, &name, &e);
                Vec::new()
            }
        }
    }

    /// Tells why a place cannot be attached to.
    pub(super) fn refused(&mut self, point: &AttachPoint, name: &str, e: &Error) {
        match &e.kind {
            ErrorKind::NotFound => self.missing(point, format!("there is no {name}"), None),
            ErrorKind::Unsupported { feature, needs, instead } => {
                let message =
                    format!("cannot attach {name}: this machine does not offer {feature}");
                let needs = if needs.is_empty() { String::new() } else { format!("needs {needs}") };
                self.error(point.span, message).label(needs).help(instead.clone());
            }
            ErrorKind::Permission => {
                self.error(point.span, format!("cannot attach {name}: not permitted"))
                    .help("run as root, or with CAP_BPF and CAP_PERFMON");
            }
            _ => {
                self.error(point.span, format!("cannot attach {name}: {e}"));
            }
        }
    }

    /// A probe that does not exist: what that means is a setting.
    pub(super) fn missing(&mut self, point: &AttachPoint, message: String, help: Option<String>) {
        let help = help.unwrap_or_default();
        match self.config.missing_probes {
            MissingProbes::Error => self.error(point.span, message).help(help),
            MissingProbes::Warn => self.warn(point.span, message + ": left out").help(help),
            MissingProbes::Ignore => return,
        };
    }
}

/// The fields that must agree between tracepoints which share a program.
fn relevant(fields: &[Field], used: &ArgsUse) -> Vec<Option<Field>> {
    match used {
        ArgsUse::None => Vec::new(),
        ArgsUse::Fields(names) => {
            names.iter().map(|n| fields.iter().find(|f| f.name == *n).cloned()).collect()
        }
        ArgsUse::Whole => fields.iter().cloned().map(Some).collect(),
    }
}

/// Joins groups of different attach points that may share a program.
fn merge(groups: Vec<Group>, share: bool) -> Vec<Group> {
    let mut out: Vec<Group> = Vec::new();
    for group in groups {
        let same = out.iter_mut().find(|g| share && g.key != Key::Alone && g.key == group.key);
        match same {
            Some(into) => into.sites.extend(group.sites),
            None => out.push(group),
        }
    }
    out
}

/// A C identifier from the first probe's kind and the program's number.
fn program_name(probe: &str, index: usize) -> String {
    let kind = probe.split(':').next().unwrap_or_default();
    format!("{kind}_{}", index + 1)
}

fn run_kind(sites: &[Site], first_cookie: u64, pid: Option<i32>) -> RunKind {
    let numbered = || sites.iter().zip(first_cookie..);
    RunKind::Attach(match &sites[0].place {
        Place::Begin => return RunKind::Begin,
        Place::End => return RunKind::End,
        Place::Signal(n) => return RunKind::Signal(*n),
        Place::Tracepoint { .. } => Attach::Tracepoints(
            numbered()
                .filter_map(|(site, cookie)| match &site.place {
                    Place::Tracepoint { category, name } => {
                        Some(Tracepoint { category: category.clone(), name: name.clone(), cookie })
                    }
                    _ => None,
                })
                .collect(),
        ),
        Place::Raw(name) => Attach::RawTracepoint(name.clone()),
        Place::Kprobe { ret, .. } => Attach::Kprobes {
            ret: *ret,
            sites: numbered()
                .filter_map(|(site, cookie)| match &site.place {
                    Place::Kprobe { function, offset, .. } => {
                        Some(KernelSite { function: function.clone(), offset: *offset, cookie })
                    }
                    _ => None,
                })
                .collect(),
        },
        Place::Uprobe { ret, path, .. } => Attach::Uprobes {
            ret: *ret,
            path: path.clone(),
            pid,
            sites: numbered()
                .filter_map(|(site, cookie)| match &site.place {
                    Place::Uprobe { offset, .. } => Some(UserSite { offset: *offset, cookie }),
                    _ => None,
                })
                .collect(),
        },
        Place::Interval(event) => {
            return RunKind::Interval(match event.rate {
                Rate::Period(nanoseconds) => nanoseconds,
                Rate::Frequency(hz) => 1_000_000_000 / hz.max(1),
            });
        }
        Place::Perf(event) => Attach::Perf(PerfEvent { cookie: first_cookie, ..event.clone() }),
    })
}
