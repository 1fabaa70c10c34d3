//! The worker threads of a stage, and what they are seen to do, from `/proc/self/task`.
//!
//! A blocking call is opaque from inside. From outside the kernel tells, for each thread, how long
//! it has run and queued, and which call it sleeps in, which is what controllers ask for. Where
//! `/proc` is not there or not readable, nothing is seen, and ended items alone tell.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use paceline_control::Signals;
use rustix::time::{ClockId, clock_gettime};

/// Looking at more threads would tell little more.
const MOST_LOOKED_AT: usize = 8;
/// The share of a core that looking may take, as its inverse: the work beside it needs the cores.
const LOOKING_SHARE: u32 = 200;

/// The worker threads of a stage.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    members: Mutex<Vec<Arc<Member>>>,
}

/// One worker thread.
#[derive(Debug)]
pub(crate) struct Member {
    thread: i32,
    at_work: AtomicBool,
}

impl Member {
    /// The thread begins or ends an item.
    pub(crate) fn set_at_work(&self, at_work: bool) {
        self.at_work.store(at_work, Ordering::Relaxed);
    }
}

impl Roster {
    /// Adds the calling thread.
    pub(crate) fn enter(&self) -> Arc<Member> {
        let member = Arc::new(Member {
            thread: rustix::thread::gettid().as_raw_nonzero().get(),
            at_work: AtomicBool::new(false),
        });
        self.lock().push(Arc::clone(&member));
        member
    }

    /// Removes it.
    pub(crate) fn leave(&self, member: &Arc<Member>) {
        self.lock().retain(|other| !Arc::ptr_eq(other, member));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Member>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Time that the calling thread has had on a core. A reading takes a third of a microsecond.
pub(crate) fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// Looks at the threads of a roster again and again, with their files held open.
#[derive(Debug, Default)]
pub(crate) struct Lookout {
    threads: HashMap<i32, Looked>,
    /// Not before this.
    next: Option<Instant>,
}

#[derive(Debug)]
struct Looked {
    times: File,
    call: File,
    at: Instant,
    ran: u64,
    queued: u64,
}

impl Lookout {
    /// What those at work have done since they were last looked at, and do now; `None` if looking
    /// again so soon would take too much of the cores.
    pub(crate) fn look(&mut self, roster: &Roster, now: Instant) -> Option<Signals> {
        if self.next.is_some_and(|next| now < next) {
            return None;
        }
        let before = cpu_time();
        let signals = self.look_at_all(roster, now);
        let cost = cpu_time().saturating_sub(before);
        self.next = now.checked_add(cost * LOOKING_SHARE);
        Some(signals)
    }

    fn look_at_all(&mut self, roster: &Roster, now: Instant) -> Signals {
        let at_work: Vec<i32> = roster
            .lock()
            .iter()
            .filter(|member| member.at_work.load(Ordering::Relaxed))
            .map(|member| member.thread)
            .collect();
        let mut signals = Signals {
            in_flight: at_work.len(),
            ..Signals::default()
        };
        let stride = at_work.len().div_ceil(MOST_LOOKED_AT).max(1);
        let mut looked_at = HashMap::with_capacity(self.threads.len());
        for thread in at_work.into_iter().step_by(stride) {
            let known = self.threads.remove(&thread);
            if let Some(looked) = look_at(thread, known, now, &mut signals) {
                looked_at.insert(thread, looked);
            }
        }
        self.threads = looked_at;
        signals
    }
}

/// Adds one thread to the signals; one that was not looked at before is only opened.
fn look_at(
    thread: i32,
    known: Option<Looked>,
    now: Instant,
    signals: &mut Signals,
) -> Option<Looked> {
    let is_new = known.is_none();
    let mut looked = match known {
        Some(looked) => looked,
        None => Looked::open(thread, now)?,
    };
    let mut text = [0; 256];
    let (ran, queued) = times(read(&looked.times, &mut text)?)?;
    if !is_new {
        signals.sampled += 1;
        signals.ran += Duration::from_nanos(ran.saturating_sub(looked.ran));
        signals.run_queue_delay += Duration::from_nanos(queued.saturating_sub(looked.queued));
        signals.observed += now.saturating_duration_since(looked.at);
        match read(&looked.call, &mut text).map(waits_for) {
            Some(Waits::Nothing) => signals.runnable_threads += 1,
            Some(Waits::Time) => signals.timer_only += 1,
            Some(Waits::Something) => signals.disk_threads += usize::from(is_in_disk_wait(thread)),
            None => {}
        }
    }
    looked.at = now;
    (looked.ran, looked.queued) = (ran, queued);
    Some(looked)
}

impl Looked {
    fn open(thread: i32, now: Instant) -> Option<Self> {
        let open = |name| File::open(format!("/proc/self/task/{thread}/{name}")).ok();
        Some(Self {
            times: open("schedstat")?,
            call: open("syscall")?,
            at: now,
            ran: 0,
            queued: 0,
        })
    }
}

fn read<'a>(file: &File, text: &'a mut [u8]) -> Option<&'a str> {
    let length = file.read_at(text, 0).ok()?;
    std::str::from_utf8(text.get(..length)?).ok()
}

/// Nanoseconds on a core and in the run queue, from `schedstat`.
fn times(text: &str) -> Option<(u64, u64)> {
    let mut fields = text.split_ascii_whitespace().map(str::parse);
    Some((fields.next()?.ok()?, fields.next()?.ok()?))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// It runs, or is ready to.
    Nothing,
    /// For time to pass, and nothing else.
    Time,
    /// For anything that others may share.
    Something,
}

/// The numbers of `nanosleep` and `clock_nanosleep`.
#[cfg(target_arch = "x86_64")]
const SLEEPS: [&str; 2] = ["35", "230"];
/// The same elsewhere: the table that newer architectures have in common.
#[cfg(not(target_arch = "x86_64"))]
const SLEEPS: [&str; 2] = ["101", "115"];

/// What a thread waits for, from `syscall`: the number of the call that it sleeps in.
fn waits_for(text: &str) -> Waits {
    match text.split_ascii_whitespace().next() {
        Some("running") => Waits::Nothing,
        Some(call) if SLEEPS.contains(&call) => Waits::Time,
        _ => Waits::Something,
    }
}

/// The state in `stat`, which follows the name in parentheses.
fn is_in_disk_wait(thread: i32) -> bool {
    std::fs::read_to_string(format!("/proc/self/task/{thread}/stat"))
        .ok()
        .and_then(|text| Some(text.rsplit_once(')')?.1.trim_start().starts_with('D')))
        .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    /// Looks at one thread that does `work` until what is seen fits.
    fn look_until(work: impl Fn() + Send + Sync, fits: impl Fn(&Signals) -> bool) {
        let roster = Roster::default();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let member = roster.enter();
                member.set_at_work(true);
                while !over.load(Ordering::Relaxed) {
                    work();
                }
                roster.leave(&member);
            });
            let mut lookout = Lookout::default();
            while !lookout
                .look(&roster, Instant::now())
                .is_some_and(|seen| fits(&seen))
            {
                std::thread::yield_now();
            }
            over.store(true, Ordering::Relaxed);
        });
        let seen = Lookout::default().look(&roster, Instant::now());
        assert_eq!(seen.map(|seen| seen.in_flight), Some(0));
    }

    #[test]
    fn a_sleeper_waits_for_time() {
        look_until(
            || std::thread::sleep(Duration::from_millis(5)),
            |seen| (seen.sampled, seen.timer_only, seen.runnable_threads) == (1, 1, 0),
        );
    }

    #[test]
    fn a_burner_runs() {
        look_until(
            || {
                std::hint::black_box((0..1000).sum::<u64>());
            },
            |seen| seen.ran > Duration::ZERO && seen.runnable_threads == 1,
        );
    }

    #[test]
    fn reads_what_the_kernel_writes() {
        assert_eq!(times("74390 50035 2\n"), Some((74390, 50035)));
        assert_eq!(times("74390"), None);
        assert_eq!(waits_for("running\n"), Waits::Nothing);
        assert_eq!(waits_for(&format!("{} 0x0\n", SLEEPS[1])), Waits::Time);
        assert_eq!(waits_for("0 0x3\n"), Waits::Something);
        assert_eq!(waits_for(""), Waits::Something);
    }
}
