//! Signals to us, turned into bytes in pipes that the loop can wait for.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use rustix::io::Errno;
use signal_hook::SigId;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGTSTP};

use super::poll::{Poll, Ready};
use crate::spawn::signal_is_ignored;

/// The signals that a run listens to.
pub(super) struct Signals {
    pipes: Vec<(i32, OwnedFd, SigId)>,
}

impl Signals {
    /// Listens, and has `poll` tell. What our starter had ignored stays ignored.
    pub(super) fn listen(poll: &Poll) -> io::Result<Self> {
        let mut pipes = Vec::new();
        for signal in [SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGTSTP] {
            if signal != SIGCHLD && signal_is_ignored(signal) {
                continue;
            }
            // A socket, since the handler then never blocks however many signals come.
            let (ours, handlers) = UnixStream::pair()?;
            ours.set_nonblocking(true)?;
            let ours = OwnedFd::from(ours);
            let id = signal_hook::low_level::pipe::register(signal, handlers)?;
            poll.add(&ours, Ready::Signal(signal.cast_unsigned()))?;
            pipes.push((signal, ours, id));
        }
        Ok(Self { pipes })
    }

    /// The signals listened to.
    pub(super) fn handled(&self) -> Vec<i32> {
        self.pipes.iter().map(|(signal, _, _)| *signal).collect()
    }

    /// How often a signal came since this was last asked.
    pub(super) fn count(&self, signal: i32) -> usize {
        let Some((_, pipe, _)) = self
            .pipes
            .iter()
            .find(|(listened, _, _)| *listened == signal)
        else {
            return 0;
        };
        let mut count = 0;
        let mut bytes = [0_u8; 256];
        loop {
            match rustix::io::read(pipe, &mut bytes) {
                Ok(0) => return count,
                Ok(read) => {
                    count += read;
                    if read < bytes.len() {
                        return count;
                    }
                }
                Err(Errno::INTR) => {}
                Err(_) => return count,
            }
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for (_, _, id) in &self.pipes {
            signal_hook::low_level::unregister(*id);
        }
    }
}
