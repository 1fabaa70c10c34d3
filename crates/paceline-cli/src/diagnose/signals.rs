//! Signals to us, as something that can be waited for together with time.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use paceline_run::spawn::signal_is_ignored;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use signal_hook::SigId;
use signal_hook::consts::SIGCHLD;

/// The signals that we listen to.
pub(super) struct Signals {
    pipes: Vec<Pipe>,
}

struct Pipe {
    signal: i32,
    /// A socket, since the handler then never blocks however many signals come.
    ours: UnixStream,
    id: SigId,
}

impl Signals {
    /// Listens. What our starter had ignored stays ignored, for us and for what we start.
    pub(super) fn listen(signals: &[i32]) -> io::Result<Self> {
        let mut pipes = Vec::new();
        for &signal in signals {
            if signal != SIGCHLD && signal_is_ignored(signal) {
                continue;
            }
            let (ours, handlers) = UnixStream::pair()?;
            ours.set_nonblocking(true)?;
            let id = signal_hook::low_level::pipe::register(signal, handlers)?;
            pipes.push(Pipe { signal, ours, id });
        }
        Ok(Self { pipes })
    }

    /// Waits until then, or until a signal comes; for ever without a time. Returns each signal as often
    /// as it came.
    pub(super) fn wait(&mut self, until: Option<Instant>) -> io::Result<Vec<i32>> {
        let rest = until.map(|until| until.saturating_duration_since(Instant::now()));
        // More than any clock of the kernel counts is for ever.
        let rest = rest.map(|rest| rest.min(Duration::from_secs(1 << 30)));
        let rest = rest.and_then(|rest| Timespec::try_from(rest).ok());
        let mut waited: Vec<PollFd<'_>> = self
            .pipes
            .iter()
            .map(|pipe| PollFd::new(&pipe.ours, PollFlags::IN))
            .collect();
        match poll(&mut waited, rest.as_ref()) {
            Ok(0) => return Ok(Vec::new()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(self.take())
    }

    fn take(&mut self) -> Vec<i32> {
        let mut came = Vec::new();
        for pipe in &mut self.pipes {
            let mut bytes = [0; 64];
            // It does not block: an error means that there is no more.
            while let Ok(count @ 1..) = pipe.ours.read(&mut bytes) {
                came.extend(std::iter::repeat_n(pipe.signal, count));
            }
        }
        came
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for pipe in &self.pipes {
            signal_hook::low_level::unregister(pipe.id);
        }
    }
}

/// Whether Ctrl-C on a terminal reaches us, and with us what we started.
pub(super) fn has_terminal() -> bool {
    let Ok(terminal) = std::fs::File::open("/dev/tty") else {
        return false;
    };
    rustix::termios::tcgetpgrp(terminal).is_ok_and(|group| group == rustix::process::getpgrp())
}
