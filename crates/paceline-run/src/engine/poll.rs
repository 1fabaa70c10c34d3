//! The one place where the loop waits.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;

/// What became ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    /// A signal of this kind arrived.
    Signal(u32),
    /// The inputs have news.
    Inputs,
    /// The output has news.
    Output,
    /// A job's stream has something to read, or has ended.
    Stream {
        attempt: u32,
        place: u32,
        is_stderr: bool,
    },
}

impl Ready {
    const KIND_BITS: u32 = 3;

    /// The place among the jobs in flight, and enough of the attempt's number to notice that the
    /// place has a new tenant.
    fn token(self) -> u64 {
        let (kind, rest) = match self {
            Self::Signal(signal) => (0, u64::from(signal)),
            Self::Inputs => (1, 0),
            Self::Output => (2, 0),
            Self::Stream {
                attempt,
                place,
                is_stderr,
            } => (
                if is_stderr { 4 } else { 3 },
                (u64::from(attempt) << 24) | u64::from(place & 0xff_ffff),
            ),
        };
        (rest << Self::KIND_BITS) | kind
    }

    fn from_token(token: u64) -> Self {
        let rest = token >> Self::KIND_BITS;
        match token & ((1 << Self::KIND_BITS) - 1) {
            0 => Self::Signal(rest as u32),
            1 => Self::Inputs,
            2 => Self::Output,
            kind => Self::Stream {
                attempt: (rest >> 24) as u32,
                place: (rest & 0xff_ffff) as u32,
                is_stderr: kind == 4,
            },
        }
    }
}

/// An `epoll` instance.
pub(super) struct Poll {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl Poll {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(128),
        })
    }

    pub(super) fn add(&self, fd: impl AsFd, ready: Ready) -> io::Result<()> {
        Ok(epoll::add(
            &self.epoll,
            fd,
            EventData::new_u64(ready.token()),
            EventFlags::IN,
        )?)
    }

    /// Before a descriptor is closed: a child that has not yet reached its `execve` may hold a copy,
    /// and the kernel would go on reporting it.
    pub(super) fn remove(&self, fd: impl AsFd) {
        let _ = epoll::delete(&self.epoll, fd);
    }

    /// Waits until something is ready or the time has passed.
    pub(super) fn wait(
        &mut self,
        timeout: Option<Duration>,
    ) -> io::Result<impl Iterator<Item = Ready> + use<>> {
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        self.events.clear();
        match epoll::wait(
            &self.epoll,
            spare_capacity(&mut self.events),
            timeout.as_ref(),
        ) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<Ready> = self
            .events
            .iter()
            .map(|event| Ready::from_token(event.data.u64()))
            .collect();
        Ok(ready.into_iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back() {
        for ready in [
            Ready::Signal(17),
            Ready::Inputs,
            Ready::Output,
            Ready::Stream {
                attempt: u32::MAX,
                place: 0xff_ffff,
                is_stderr: true,
            },
            Ready::Stream {
                attempt: 0,
                place: 3,
                is_stderr: false,
            },
        ] {
            assert_eq!(Ready::from_token(ready.token()), ready);
        }
    }
}
