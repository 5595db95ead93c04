//! An engine in memory: maps are tables, programs put the records that the test gives them into the stream.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use skep_engine::{Attach, Error, ErrorKind, Events, Link, Loaded, Map};
use skep_object::MapRef;
use skep_trace::hir::MapId;
use skep_trace::plan::{MapInfo, Plan, ProbeGroup, RunKind, globals};
use skep_trace::run::session::{Control, Options, Runner};
use skep_trace::types::Type;

type Entries = Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>;
pub type Log = Arc<Mutex<Vec<String>>>;

#[derive(Clone)]
pub struct FakeMap {
    pub entries: Entries,
    pub value_len: usize,
    pub cpus: usize,
    array: bool,
}

impl Map for FakeMap {
    fn value_len(&self) -> usize {
        self.value_len
    }
    fn cpus(&self) -> usize {
        self.cpus
    }
    fn lookup(&self, key: &[u8], value: &mut [u8]) -> Result<bool, Error> {
        let entries = self.entries.lock().unwrap();
        let Some(found) = entries.get(key) else { return Ok(false) };
        value.copy_from_slice(found);
        Ok(true)
    }
    fn update(&self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.entries.lock().unwrap().insert(key.to_vec(), value.to_vec());
        Ok(())
    }
    fn delete(&self, key: &[u8]) -> Result<bool, Error> {
        Ok(self.entries.lock().unwrap().remove(key).is_some())
    }
    fn for_each(&self, f: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Error> {
        self.entries.lock().unwrap().iter().for_each(|(k, v)| f(k, v));
        Ok(())
    }
    fn clear(&self) -> Result<(), Error> {
        if self.array {
            return self.zero();
        }
        self.entries.lock().unwrap().clear();
        Ok(())
    }
    fn zero(&self) -> Result<(), Error> {
        self.entries.lock().unwrap().values_mut().for_each(|v| v.fill(0));
        Ok(())
    }
    fn read_global(&self, off: u32, out: &mut [u8]) -> Result<(), Error> {
        let entries = self.entries.lock().unwrap();
        let off = off as usize;
        out.copy_from_slice(&entries[&vec![0; 4]][off..off + out.len()]);
        Ok(())
    }
    fn write_global(&self, off: u32, data: &[u8]) -> Result<(), Error> {
        let mut entries = self.entries.lock().unwrap();
        let off = off as usize;
        entries.get_mut(&vec![0; 4]).unwrap()[off..off + data.len()].copy_from_slice(data);
        Ok(())
    }
}

#[derive(Default)]
struct Shared {
    queue: Mutex<VecDeque<Vec<u8>>>,
    waits: AtomicUsize,
}

/// What a test gives and what comes out.
pub struct Script {
    pub plan: Plan,
    /// Records that each program sends when it is run, or attached.
    pub records: Vec<Vec<Vec<u8>>>,
    pub maps: Vec<FakeMap>,
    pub options: Options,
    pub log: Log,
    /// Set the interrupt flag once the stream has been waited on so often without any event.
    pub interrupt_after: usize,
    /// Attaching this program fails.
    pub refuses: Option<usize>,
    pub stop: bool,
    pub data_closed: bool,
    pub pending_signals: u64,
    /// How many records the stream holds. A program waits for room, but not for ever.
    pub room: usize,
}

pub struct Outcome {
    pub data: String,
    pub talk: String,
    pub code: Result<i32, String>,
    pub log: Vec<String>,
    pub notice: String,
}

struct FakeLoaded {
    maps: Vec<FakeMap>,
    records: Vec<Vec<Vec<u8>>>,
    room: usize,
    shared: Arc<Shared>,
    log: Log,
    refuses: Option<usize>,
    interrupt: Arc<AtomicBool>,
    interrupt_after: usize,
}

impl FakeLoaded {
    fn send(&self, program: usize) {
        let records = self.records.get(program).cloned().unwrap_or_default();
        let patience = Instant::now() + Duration::from_secs(5);
        for record in records {
            while self.shared.queue.lock().unwrap().len() >= self.room {
                if Instant::now() >= patience {
                    return;
                }
                std::thread::yield_now();
            }
            self.shared.queue.lock().unwrap().push_back(record);
        }
    }
    fn note(&self, what: String) {
        self.log.lock().unwrap().push(what);
    }
}

impl Loaded for FakeLoaded {
    fn map(&self, map: MapRef) -> Option<&dyn Map> {
        self.maps.get(map.0 as usize).map(|m| m as &dyn Map)
    }
    fn attach(&self, program: usize, _: &Attach) -> Result<Box<dyn Link>, Error> {
        if self.refuses == Some(program) {
            return Err(Error {
                kind: ErrorKind::NotFound,
                context: "open".into(),
                errno: Some(2),
            });
        }
        self.note(format!("attach {program}"));
        self.send(program);
        Ok(Box::new(FakeLink { program, log: self.log.clone() }))
    }
    fn run_once(&self, program: usize, _: &[u8]) -> Result<u32, Error> {
        self.note(format!("run {program}"));
        self.send(program);
        Ok(0)
    }
    fn events(&self, _: MapRef) -> Result<Box<dyn Events>, Error> {
        Ok(Box::new(FakeEvents {
            shared: self.shared.clone(),
            interrupt: self.interrupt.clone(),
            after: self.interrupt_after,
        }))
    }
}

struct FakeLink {
    program: usize,
    log: Log,
}

impl Link for FakeLink {
    fn count(&self) -> usize {
        1
    }
}

impl Drop for FakeLink {
    fn drop(&mut self) {
        self.log.lock().unwrap().push(format!("detach {}", self.program));
    }
}

struct FakeEvents {
    shared: Arc<Shared>,
    interrupt: Arc<AtomicBool>,
    after: usize,
}

impl Events for FakeEvents {
    fn drain(&mut self, f: &mut dyn FnMut(&[u8]) -> bool) -> Result<usize, Error> {
        let mut n = 0;
        loop {
            let Some(record) = self.shared.queue.lock().unwrap().pop_front() else { return Ok(n) };
            n += 1;
            if !f(&record) {
                return Ok(n);
            }
        }
    }
    fn wait(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        assert!(timeout.is_some_and(|t| t <= Duration::from_millis(100)), "sleeps are bounded");
        let waits = self.shared.waits.fetch_add(1, Ordering::Relaxed) + 1;
        std::thread::sleep(Duration::from_micros(100));
        if waits >= self.after {
            self.interrupt.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
    fn lost(&mut self) -> u64 {
        0
    }
    fn fd(&self) -> Option<i32> {
        None
    }
}

/// A stream that the test can read afterwards.
#[derive(Clone, Default)]
pub struct Stream(Rc<RefCell<Vec<u8>>>, bool);

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        if self.1 {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        self.0.borrow_mut().extend_from_slice(buf);
        Ok(buf.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Stream {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.borrow()).into_owned()
    }
}

impl Script {
    /// A script with a stream of events and globals, and no map yet.
    pub fn new() -> Script {
        let mut script = Script {
            plan: Plan::default(),
            records: Vec::new(),
            maps: Vec::new(),
            options: Options::default(),
            log: Log::default(),
            interrupt_after: 1,
            refuses: None,
            stop: false,
            data_closed: false,
            pending_signals: 0,
            room: usize::MAX,
        };
        let mut globals = BTreeMap::new();
        globals.insert(vec![0; 4], vec![0; 512]);
        script.plan.system.globals = Some(script.add(globals, 512, 1, true));
        script.plan.system.events = Some(MapRef(0));
        script
    }

    pub fn add(
        &mut self,
        entries: BTreeMap<Vec<u8>, Vec<u8>>,
        value_len: usize,
        cpus: usize,
        array: bool,
    ) -> MapRef {
        self.maps.push(FakeMap { entries: Arc::new(Mutex::new(entries)), value_len, cpus, array });
        MapRef(self.maps.len() as u32 - 1)
    }

    /// Adds a map of the script; each value is that of all CPUs.
    pub fn map(
        &mut self,
        name: &str,
        keys: &[Type],
        value: Type,
        entries: Vec<(Vec<u8>, Vec<u8>)>,
    ) {
        let types = &self.plan.types;
        let stride = types.size(&value) as usize;
        let agg = matches!(value, Type::Agg(_));
        let len = entries.first().map_or(stride, |e| e.1.len());
        let cpus = if agg { (len / stride.max(1)).max(1) } else { 1 };
        let mut info = MapInfo {
            name: name.into(),
            keys: keys.to_vec(),
            value,
            max_entries: 4096,
            declared: None,
            map: None,
        };
        let array = info.is_array();
        info.map = Some(self.add(entries.into_iter().collect(), len, cpus, array));
        self.plan.maps.push(info);
    }

    /// Adds a program with the records that it sends.
    pub fn group(&mut self, run: RunKind, records: Vec<Vec<u8>>) {
        if let RunKind::Attach(_) = run {
            self.plan.probe_count += 1;
        }
        self.plan.groups.push(ProbeGroup { run, names: vec!["tracepoint:a:b".into()] });
        self.records.push(records);
    }

    /// Sets a word of the global data.
    pub fn global(&self, word: u32, value: u64) {
        let map = &self.maps[self.plan.system.globals.unwrap().0 as usize];
        map.write_global(8 * word, &value.to_ne_bytes()).unwrap();
    }

    /// What the global data hold now.
    pub fn start(&self) -> u64 {
        let mut out = [0; 8];
        self.maps[0].read_global(8 * globals::START, &mut out).unwrap();
        u64::from_ne_bytes(out)
    }

    /// Notes of maps without keys that have something in them that they were set, as programs do.
    fn note_set(&self) {
        for (i, info) in self.plan.maps.iter().enumerate().filter(|(_, info)| info.is_array()) {
            let map = &self.maps[info.map.unwrap().0 as usize];
            if map.entries.lock().unwrap().values().flatten().any(|b| *b != 0) {
                self.global(globals::map_set(self.plan.maps.len(), MapId(i as u32)), 1);
            }
        }
    }

    pub fn run(self) -> Outcome {
        self.note_set();
        let interrupt = Arc::new(AtomicBool::new(false));
        let (data, talk) = (Stream(Rc::default(), self.data_closed), Stream::default());
        let loaded = FakeLoaded {
            maps: self.maps,
            records: self.records,
            room: self.room,
            shared: Arc::default(),
            log: self.log.clone(),
            refuses: self.refuses,
            interrupt: interrupt.clone(),
            interrupt_after: self.interrupt_after,
        };
        let runner = Runner::new(
            self.plan,
            Box::new(loaded),
            self.options,
            Box::new(data.clone()),
            Box::new(talk.clone()),
        );
        let (log, stop) = (self.log.clone(), self.stop);
        let mut notice = Vec::new();
        let code = runner.run(Control {
            notice: Some(&mut notice),
            interrupt: &interrupt,
            signals: &AtomicU64::new(self.pending_signals),
            on_attached: &mut || {
                log.lock().unwrap().push("attached".into());
                Ok(())
            },
            should_stop: &mut || stop,
        });
        let log = self.log.lock().unwrap().clone();
        let (code, notice) = (code.map_err(|e| e.to_string()), String::from_utf8(notice).unwrap());
        Outcome { data: data.text(), talk: talk.text(), code, log, notice }
    }
}
