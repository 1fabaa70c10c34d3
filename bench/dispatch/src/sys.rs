//! The three calls into the C library, and all of this program's unsafe code.
//!
//! Invariants:
//! - A [`StringArray`] owns every string that its pointers lead to. The strings are never changed
//!   or dropped before the array, and live on the heap, so that moving the array moves none of
//!   them. The last pointer is null, as `argv` and `envp` demand.
//! - `posix_spawn` takes its vectors as `*mut` for history's sake and only reads them.
//! - No other thread runs, so that nothing else waits for our children or changes descriptor 0.

use std::ffi::{CString, c_char, c_int};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::ptr;
use std::time::Duration;

/// Strings in the shape of `argv` and `envp`: pointers, the last one null.
pub(crate) struct StringArray {
    pointers: Vec<*mut c_char>,
    /// Only held: `pointers` lead into these.
    _strings: Vec<CString>,
}

impl StringArray {
    pub(crate) fn new(strings: Vec<CString>) -> Self {
        let pointers = strings
            .iter()
            .map(|string| string.as_ptr().cast_mut())
            .chain([ptr::null_mut()])
            .collect();
        Self {
            pointers,
            _strings: strings,
        }
    }
}

/// A child that has ended and is no longer known to the kernel.
pub(crate) struct Ended {
    /// It exited with 0.
    pub(crate) success: bool,
    /// User and system time of the child and of all it waited for.
    pub(crate) cpu: Duration,
}

/// Makes `/dev/null` our standard input, and thereby that of all children.
pub(crate) fn stdin_from_null() -> io::Result<()> {
    let null = File::open("/dev/null")?;
    // SAFETY: `null` is open during the call, and descriptor 0 belongs to nobody who would mind:
    // this program never reads it, and no other thread runs.
    match unsafe { libc::dup2(null.as_raw_fd(), libc::STDIN_FILENO) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Starts the program that `argv` names, looked for in `PATH` unless its name holds a slash.
pub(crate) fn spawn(argv: &StringArray, env: &StringArray) -> io::Result<()> {
    let program = argv.pointers[0];
    if program.is_null() {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let mut pid: libc::pid_t = 0;
    // SAFETY: both arrays keep their promise (see the top of this file) while they are borrowed,
    // `program` is the first string of `argv` and not null, `pid` may be written, and null for
    // file actions and attributes asks for the defaults.
    let error = unsafe {
        libc::posix_spawnp(
            &raw mut pid,
            program,
            ptr::null(),
            ptr::null(),
            argv.pointers.as_ptr(),
            env.pointers.as_ptr(),
        )
    };
    match error {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Waits until any child ends.
pub(crate) fn wait_any() -> io::Result<Ended> {
    let mut status: c_int = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: both pointers lead to memory of the right type that may be written.
        if unsafe { libc::wait4(-1, &raw mut status, 0, usage.as_mut_ptr()) } != -1 {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // SAFETY: all zeros, as it began, is a valid `rusage`, and so is what the kernel wrote.
    let usage = unsafe { usage.assume_init() };
    Ok(Ended {
        success: libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0,
        cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
    })
}

fn duration(time: libc::timeval) -> Duration {
    // The kernel counts CPU time upwards from zero: neither part is negative.
    Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
}
