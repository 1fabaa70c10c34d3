//! Starting a program that does not run yet, so that watching begins with its first instruction.
//!
//! We start ourselves a second time. That copy says that it is there and waits for one byte, then
//! becomes the program by `execve`: the same process, so whoever has begun to watch it watches the
//! program. The byte comes over a socket that stands where standard input will be, and brings the real
//! standard input along. The socket closes when the program starts; if it cannot be started, the reason
//! comes back first.

use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};

use rustix::cmsg_space;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

/// As the program's first argument: wait, then become the program named by the next, with the
/// arguments that follow, the name that it is called by first.
pub(crate) const TRAMPOLINE_ARG: &str = "__exec-when-told";

/// The word that it waits.
const READY: u8 = b'?';
/// The word to begin.
const GO: u8 = b'!';

/// A process that will be the program.
pub(super) struct Held {
    child: Child,
    socket: UnixStream,
}

/// A process that was told to become the program.
pub(super) struct Released {
    pub(super) child: Child,
    socket: UnixStream,
}

impl Held {
    /// Starts it. `file` is the program's file, `words` its name and its arguments.
    pub(super) fn start(file: &OsString, words: &[OsString]) -> io::Result<Self> {
        let (mut ours, theirs) = UnixStream::pair()?;
        let child = Command::new("/proc/self/exe")
            .arg(TRAMPOLINE_ARG)
            .arg(file)
            .args(words)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()?;
        // Before it is there, it may not look like a program yet.
        let mut word = [0];
        let ready = ours.read_exact(&mut word);
        let held = Self {
            child,
            socket: ours,
        };
        match ready {
            Ok(()) => Ok(held),
            Err(error) => {
                held.give_up();
                Err(error)
            }
        }
    }

    pub(super) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Lets it become the program, with our standard input. That it has died meanwhile is no error:
    /// its end tells.
    pub(super) fn release(self) -> io::Result<Released> {
        let stdin = io::stdin();
        let descriptors = [stdin.as_fd()];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        let word = [IoSlice::new(&[GO])];
        let sent = rustix::io::retry_on_intr(|| {
            rustix::net::sendmsg(&self.socket, &word, &mut control, SendFlags::NOSIGNAL)
        });
        match sent {
            Ok(_) | Err(rustix::io::Errno::PIPE) => {}
            Err(error) => {
                self.give_up();
                return Err(error.into());
            }
        }
        Ok(Released {
            child: self.child,
            socket: self.socket,
        })
    }

    /// It ends without having become anything.
    pub(super) fn give_up(self) {
        let Self { mut child, socket } = self;
        drop(socket);
        let _ = child.wait();
    }
}

impl Released {
    /// Why it did not become the program, if it did not. To be asked when it has ended.
    pub(super) fn failure(&mut self) -> Option<io::Error> {
        let mut number = [0; 4];
        self.socket.read_exact(&mut number).ok()?;
        Some(io::Error::from_raw_os_error(i32::from_ne_bytes(number)))
    }
}

/// The life of the process before it is the program. `words` are those after [`TRAMPOLINE_ARG`].
pub(crate) fn exec_when_told(words: &[OsString]) -> ExitCode {
    let [file, name, arguments @ ..] = words else {
        return ExitCode::FAILURE;
    };
    let Ok(Some((mut socket, stdin))) = wait() else {
        // Nobody is left to tell us to begin.
        return ExitCode::FAILURE;
    };
    let error = if let Err(error) = rustix::stdio::dup2_stdin(&stdin) {
        error.into()
    } else {
        drop(stdin);
        Command::new(file).arg0(name).args(arguments).exec()
    };
    // The standard library refuses some words by itself, such as one with a NUL byte.
    let invalid = rustix::io::Errno::INVAL.raw_os_error();
    let number = error.raw_os_error().unwrap_or(invalid);
    let _ = socket.write_all(&number.to_ne_bytes());
    ExitCode::FAILURE
}

/// Waits for the word to begin: the socket, for bad news, and the real standard input.
fn wait() -> io::Result<Option<(UnixStream, OwnedFd)>> {
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    socket.write_all(&[READY])?;
    let mut word = [0];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    // Not in the call that receives: until now nothing was asked of anybody, and it should not look as
    // if it were.
    rustix::io::retry_on_intr(|| poll(&mut [PollFd::new(&socket, PollFlags::IN)], None))?;
    rustix::io::retry_on_intr(|| {
        let mut buffers = [IoSliceMut::new(&mut word)];
        rustix::net::recvmsg(&socket, &mut buffers, &mut control, RecvFlags::CMSG_CLOEXEC)
    })?;
    let stdin = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    Ok(stdin.filter(|_| word == [GO]).map(|stdin| (socket, stdin)))
}
