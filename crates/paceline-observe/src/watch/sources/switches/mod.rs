//! Every context switch of a tree of processes, from perf events.
//!
//! Between looks at `/proc` a thread may wait a hundred times. The kernel writes down each time that it
//! puts a thread on a core or takes it off, and whether the thread gave way or waits. That needs no
//! privileges as long as `kernel.perf_event_paranoid` is at most 2.
//!
//! An event is opened for each core, since only those of one core can be inherited by what a thread
//! makes later and be written to memory that we read.

mod order;
mod record;
mod threads;

use std::collections::HashSet;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use perf_event_open::config::{
    Clock, Cpu, ExtraRecord, Inherit, OnExecve, Opts, Priv, Proc, RecordIdFormat,
};
use perf_event_open::count::Counter;
use perf_event_open::event::sw::Software;
use perf_event_open::sample::Sampler;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use self::order::{MOST_PER_SECOND, Order, Rate};
use self::record::Record;
pub(crate) use self::record::{Kind, Name, Switch};
use super::Missing;
use crate::profile::Source;

/// At 40 bytes each, an eighth of a second's records at the highest rate that is followed.
const RING_BYTES: usize = 256 * 1024;

/// All rings together. The kernel holds this memory locked.
const MOST_RING_BYTES: usize = 16 * 1024 * 1024;

/// Each is looked into every time, and costs a descriptor.
const MOST_RINGS: usize = 512;

/// Descriptors that are left to the rest of us.
const SPARED_DESCRIPTORS: u64 = 256;

/// The rounds in which the threads are listed, so that one that was made meanwhile is found.
const ROUNDS: usize = 5;

/// From when on a process is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// It waits to become the program, with one thread: from then on.
    OnExec,
    /// It runs: from now on, with all threads and processes below it.
    Now,
}

/// The context switches of a tree of processes.
pub(crate) struct Switches {
    rings: Vec<Sampler>,
    order: Order,
    rate: Rate,
    lost: u64,
    missing: Option<Missing>,
}

impl Switches {
    /// Of a process and what it makes from now on.
    pub(crate) fn open(pid: i32, start: Start) -> Result<Self, Missing> {
        let counters = counters(pid, start)?;
        // A ring keeps the event of its counter open.
        let rings = rings(&counters)?;
        if start == Start::Now {
            for counter in &counters {
                counter.enable().map_err(|error| reason(&error))?;
            }
        }
        Ok(Self {
            rings,
            order: Order::default(),
            rate: Rate::new(monotonic()),
            lost: 0,
            missing: None,
        })
    }

    /// Takes what has come since, in order of time: what is older than a millisecond, since other cores
    /// may have something to add before the rest.
    ///
    /// A thread that was on a core when watching began has no [`Kind::In`] before its first
    /// [`Kind::Out`]. When there are too many to follow, the source goes silent.
    pub(crate) fn drain(&mut self, into: &mut Vec<Switch>) {
        let now = monotonic();
        let seen = self.read();
        if self.missing.is_none() && self.rate.is_too_high(now, seen) {
            self.rings.clear();
            self.missing = Some(Missing(format!(
                "more than {},000 switches a second",
                MOST_PER_SECOND / 1000
            )));
        }
        self.order.take(now, into);
    }

    /// Takes all there is, when the program has ended.
    pub(crate) fn drain_rest(&mut self, into: &mut Vec<Switch>) {
        self.read();
        self.order.take_all(into);
    }

    /// Records that found no room.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// Whether it still speaks.
    pub(crate) fn source(&self) -> Source {
        match &self.missing {
            None => Source::Used,
            Some(missing) => Source::Missing(missing.to_string()),
        }
    }

    /// Empties the rings; how many records there were, with those that were lost.
    fn read(&mut self) -> u64 {
        let mut seen = 0;
        for ring in &self.rings {
            // There is no other reader.
            let Some(records) = ring.iter() else {
                continue;
            };
            let mut records = records.into_cow();
            while let Some(record) = records.lending_next() {
                match Record::parse(record.as_raw().as_bytes()) {
                    Some(Record::Switch(switch)) => {
                        seen += 1;
                        self.order.push(switch);
                    }
                    Some(Record::Lost(lost)) => {
                        seen += lost;
                        self.lost += lost;
                    }
                    None => {}
                }
            }
        }
        seen
    }
}

/// An event for each thread on each core, none enabled yet.
fn counters(pid: i32, start: Start) -> Result<Vec<Counter>, Missing> {
    let options = options(start);
    let cores = threads::cores();
    let most = most_rings();
    let mut counters = Vec::new();
    let mut seen = HashSet::new();
    let mut open = |tid: i32| {
        for core in &cores {
            let target = (Proc(tid.cast_unsigned()), Cpu(*core));
            match Counter::new(Software::Dummy, target, &options) {
                Ok(counter) => counters.push(counter),
                // The core was switched off, or the thread has ended: there is nothing to watch.
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ESRCH)) => {}
                Err(error) => return ControlFlow::Break(reason(&error)),
            }
            if counters.len() > most {
                return ControlFlow::Break(Missing(format!(
                    "too many threads for {} cores: it takes an event for each on each, and {most} \
                     is the most",
                    cores.len()
                )));
            }
        }
        ControlFlow::Continue(())
    };
    for _ in 0..ROUNDS {
        let known = seen.len();
        if let ControlFlow::Break(missing) = threads::each_thread(pid, &mut seen, &mut open) {
            return Err(missing);
        }
        if seen.len() == known {
            break;
        }
    }
    if counters.is_empty() {
        return Err(Missing("the process has ended".to_owned()));
    }
    Ok(counters)
}

fn options(start: Start) -> Opts {
    Opts {
        inherit: Some(Inherit::NewChild),
        on_execve: (start == Start::OnExec).then_some(OnExecve::Enable),
        exclude: Priv {
            kernel: true,
            hv: true,
            ..Priv::default()
        },
        extra_record: ExtraRecord {
            ctx_switch: true,
            task: true,
            comm: true,
            ..ExtraRecord::default()
        },
        record_id_all: true,
        record_id_format: RecordIdFormat {
            task: true,
            time: true,
            ..RecordIdFormat::default()
        },
        timer: Some(Clock::Monotonic),
        ..Opts::default()
    }
}

/// Memory for each, smaller ones if the kernel does not lock as much for us.
fn rings(counters: &[Counter]) -> Result<Vec<Sampler>, Missing> {
    let mut bytes = RING_BYTES.min(MOST_RING_BYTES / counters.len());
    loop {
        let exponent = pages_exponent(bytes);
        let rings: io::Result<Vec<_>> = counters
            .iter()
            .map(|counter| counter.sampler(exponent))
            .collect();
        match rings {
            Ok(rings) => return Ok(rings),
            Err(error) if error.raw_os_error() == Some(libc::EPERM) && exponent > 0 => bytes /= 2,
            Err(error) => {
                return Err(Missing(format!(
                    "no memory for context switches: {error} (see `ulimit -l` and \
                     kernel.perf_event_mlock_kb)"
                )));
            }
        }
    }
}

/// Rings are of two to the power of this many pages.
fn pages_exponent(bytes: usize) -> u8 {
    let pages = (bytes / rustix::param::page_size()).max(1);
    pages.ilog2() as u8
}

fn most_rings() -> usize {
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let ours = descriptors.saturating_sub(SPARED_DESCRIPTORS);
    MOST_RINGS.min(usize::try_from(ours).unwrap_or(MOST_RINGS))
}

/// Why the kernel gives no events, for the user.
fn reason(error: &io::Error) -> Missing {
    let paranoid = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid");
    let level = paranoid.ok().and_then(|text| text.trim().parse().ok());
    Missing(words(error, level))
}

fn words(error: &io::Error, paranoid: Option<i32>) -> String {
    match (error.raw_os_error(), paranoid) {
        (Some(libc::EACCES | libc::EPERM), Some(level)) if level > 2 => format!(
            "kernel.perf_event_paranoid is {level}: \
             `sysctl kernel.perf_event_paranoid=2` or root would allow it"
        ),
        (Some(libc::EACCES), _) => {
            "perf events of this process are not allowed: it is another user's, or has privileges"
                .to_owned()
        }
        (Some(libc::EPERM), _) => {
            "perf events are not allowed: a container's seccomp profile may forbid them".to_owned()
        }
        (Some(libc::ENOSYS | libc::EOPNOTSUPP | libc::ENOENT), _) => {
            "the kernel has no perf events".to_owned()
        }
        _ => format!("perf events: {error}"),
    }
}

fn monotonic() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(test)]
mod tests;
