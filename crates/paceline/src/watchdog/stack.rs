//! The stack of another thread, walked by a signal handler on that thread.
//!
//! **Invariants.**
//!
//! * *The handler does only what is safe anywhere.* It allocates nothing, takes no lock of ours,
//!   touches atomics alone, and keeps `errno`. Walking the stack reads unwind tables: with glibc from
//!   2.35 on without a lock (`_dl_find_object`), before that under the loader's own lock, which is
//!   recursive, so a thread that is interrupted while it holds it does not wait for itself. The
//!   walker is used once before the handler is installed, so that what it sets up is set up.
//! * *One request at a time*, under [`ASKING`], and its state goes round: idle, asked (by us), taking
//!   (by the handler of the thread asked), done (by it), idle (by us). Addresses are written only
//!   while taking, by the one thread that took the request, and read only when done.
//! * *A signal that comes late finds no request*, or one for another thread, and does nothing.

#![allow(unsafe_code)]

use std::ffi::c_int;
use std::io;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::Frame;

/// Ignored by default, and used by hardly anyone: it tells of out-of-band data on sockets.
const SIGNAL: c_int = libc::SIGURG;
/// Frames that are stored at most.
const MOST: usize = 128;
/// How long a thread has to answer.
const PATIENCE: Duration = Duration::from_millis(100);

const IDLE: u32 = 0;
const ASKED: u32 = 1;
const TAKING: u32 = 2;
const DONE: u32 = 3;

static ASKING: Mutex<()> = Mutex::new(());
static STATE: AtomicU32 = AtomicU32::new(IDLE);
static THREAD: AtomicI32 = AtomicI32::new(0);
static COUNT: AtomicUsize = AtomicUsize::new(0);
static ADDRESSES: [AtomicUsize; MOST] = [const { AtomicUsize::new(0) }; MOST];
static INSTALLED: OnceLock<bool> = OnceLock::new();

/// Installs the handler, once per process. `false` if the signal is someone else's.
pub(super) fn install() -> bool {
    *INSTALLED.get_or_init(|| {
        // What walking sets up is set up now.
        let mut frames = 0;
        backtrace::trace(|_| {
            frames += 1;
            frames < 4
        });
        // SAFETY: an all-zero `sigaction` is a valid value: no handler, no flags, an empty mask.
        let mut before: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: `before` is a place for the present disposition; nothing is changed.
        let asked = unsafe { libc::sigaction(SIGNAL, std::ptr::null(), &raw mut before) };
        if asked != 0 || ![libc::SIG_DFL, libc::SIG_IGN].contains(&before.sa_sigaction) {
            return false;
        }
        // SAFETY: as above.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        let entry: extern "C" fn(c_int) = handler;
        action.sa_sigaction = entry as *const () as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
        // SAFETY: `action` is complete, and the handler keeps to the invariants above.
        unsafe { libc::sigaction(SIGNAL, &raw const action, std::ptr::null_mut()) == 0 }
    })
}

extern "C" fn handler(_: c_int) {
    // SAFETY: the address of the calling thread's `errno` is always valid.
    let errno = unsafe { *libc::__errno_location() };
    let mine = rustix::thread::gettid().as_raw_nonzero().get();
    if THREAD.load(Ordering::Acquire) == mine
        && STATE
            .compare_exchange(ASKED, TAKING, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    {
        let mut count = 0;
        // SAFETY: "unsynchronized" means that names must not be looked up at the same time on
        // another thread; none are here, and walking shares nothing with that.
        unsafe {
            backtrace::trace_unsynchronized(|frame| {
                ADDRESSES[count].store(frame.ip().addr(), Ordering::Relaxed);
                count += 1;
                count < MOST
            });
        }
        COUNT.store(count, Ordering::Relaxed);
        STATE.store(DONE, Ordering::Release);
    }
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

/// Where a thread of this process is, innermost first; empty if it does not answer in time.
pub(super) fn of_thread(thread: i32) -> Vec<Frame> {
    if !install() {
        return Vec::new();
    }
    let _one = ASKING.lock().unwrap_or_else(PoisonError::into_inner);
    if STATE.load(Ordering::Acquire) != IDLE {
        // A thread has begun to answer and never ended: it must have died in the handler.
        return Vec::new();
    }
    THREAD.store(thread, Ordering::Release);
    STATE.store(ASKED, Ordering::Release);
    if send(thread).is_err() || !answered() {
        return Vec::new();
    }
    let count = COUNT.load(Ordering::Relaxed).min(MOST);
    let addresses: Vec<_> = ADDRESSES[..count]
        .iter()
        .map(|address| address.load(Ordering::Relaxed))
        .collect();
    STATE.store(IDLE, Ordering::Release);
    let mut frames: Vec<_> = addresses.into_iter().map(name).collect();
    let ours = frames.iter().position(|frame| {
        let function = frame.function.as_deref().unwrap_or_default();
        function.contains("watchdog::stack::handler")
    });
    // The handler itself, and the frame that the kernel put below it.
    frames.drain(..ours.map_or(0, |handler| handler + 2).min(count));
    frames
}

/// Sends the signal to one thread.
fn send(thread: i32) -> io::Result<()> {
    let process = rustix::process::getpid().as_raw_nonzero().get();
    // SAFETY: no memory is passed. A number that is not of a thread of ours is refused.
    let sent = unsafe { libc::syscall(libc::SYS_tgkill, process, thread, SIGNAL) };
    if sent == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    STATE.store(IDLE, Ordering::Release);
    Err(error)
}

/// Waits for the answer, or takes the request back.
fn answered() -> bool {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if STATE.load(Ordering::Acquire) == DONE {
            return true;
        }
        if Instant::now() > deadline {
            let back = STATE.compare_exchange(ASKED, IDLE, Ordering::AcqRel, Ordering::Acquire);
            match back {
                Ok(_) => return false,
                Err(DONE) => return true,
                // It has begun: addresses are on their way. Should that never end, no one asks
                // again.
                Err(_) if Instant::now() > deadline + 10 * PATIENCE => return false,
                Err(_) => {}
            }
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn name(address: usize) -> Frame {
    let mut frame = Frame {
        address,
        function: None,
        file: None,
        line: None,
    };
    // A return address is that of the next instruction.
    let within = std::ptr::without_provenance_mut(address.saturating_sub(1));
    backtrace::resolve(within, |symbol| {
        if frame.function.is_none() {
            frame.function = symbol.name().map(|name| format!("{name:#}"));
            frame.file = symbol.filename().map(std::path::Path::to_path_buf);
            frame.line = symbol.lineno();
        }
    });
    frame
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[inline(never)]
    fn recognisable(begun: &mpsc::Sender<i32>, gate: &mpsc::Receiver<()>) {
        let thread = rustix::thread::gettid().as_raw_nonzero().get();
        begun.send(thread).expect("the test waits for it");
        let _ = gate.recv();
        std::hint::black_box(());
    }

    #[test]
    fn the_stack_of_a_blocked_thread_names_its_function() {
        let (begun, has_begun) = mpsc::channel();
        let (go, gate) = mpsc::channel();
        let thread = std::thread::spawn(move || recognisable(&begun, &gate));
        let number = has_begun.recv().expect("it begins");
        for _ in 0..20 {
            let frames = of_thread(number);
            let named = frames.iter().any(|frame| {
                frame
                    .function
                    .as_deref()
                    .is_some_and(|name| name.contains("recognisable"))
            });
            assert!(named, "{frames:?}");
        }
        drop(go);
        thread.join().expect("the signal did it no harm");
    }

    #[test]
    fn a_thread_that_is_not_ours_or_not_there_has_none() {
        assert_eq!(of_thread(1), []);
        assert_eq!(of_thread(i32::MAX), []);
    }
}
