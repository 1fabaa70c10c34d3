//! Reads the stacks of one process through py-spy.

use std::io;

use py_spy::config::LockingStrategy;
use py_spy::{Config, PythonSpy};

use super::super::Missing;
use super::detect::may_read;
use super::frame::Frame;
use super::quiet::catch;
use super::tids::Tids;

/// An interpreter that was found.
pub(super) struct Reader {
    spy: PythonSpy,
    tids: Tids,
}

/// A thread's stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Thread {
    pub(super) tid: i32,
    pub(super) owns_gil: bool,
    /// The first is the innermost.
    pub(super) frames: Vec<Frame>,
}

/// Why it does not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It may go better next time: the interpreter starts, or changed while it was read.
    Passing(Missing),
    /// It will not.
    Lasting(Missing),
}

impl Reader {
    /// Finds the interpreter of a process.
    pub(super) fn open(pid: i32) -> Result<Self, Failure> {
        may_read(pid).map_err(|error| refused(&error))?;
        let config = Config {
            blocking: LockingStrategy::NonBlocking,
            native: false,
            collect_thread_names: false,
            ..Config::default()
        };
        match catch(|| PythonSpy::new(pid, &config)) {
            Some(Ok(spy)) => Ok(Self {
                spy,
                tids: Tids::of(pid),
            }),
            Some(Err(error)) => Err(failure(
                &error.chain().map(ToString::to_string).collect::<Vec<_>>(),
            )),
            None => Err(panicked()),
        }
    }

    /// The stacks of the threads that run Python.
    pub(super) fn read(&mut self) -> Result<Vec<Thread>, Failure> {
        let spy = &mut self.spy;
        let traces = match catch(|| spy.get_stack_traces()) {
            Some(Ok(traces)) => traces,
            Some(Err(error)) => {
                return Err(failure(
                    &error.chain().map(ToString::to_string).collect::<Vec<_>>(),
                ));
            }
            None => return Err(panicked()),
        };
        let threads = traces.into_iter().filter_map(|trace| {
            let frames = trace.frames.into_iter().map(|frame| Frame {
                function: frame.name,
                file: frame.filename,
                line: u32::try_from(frame.line).unwrap_or(0),
            });
            Some(Thread {
                tid: self.tids.resolve(trace.os_thread_id, trace.thread_id)?,
                owns_gil: trace.owns_gil,
                frames: frames.collect(),
            })
        });
        Ok(threads.collect())
    }
}

fn refused(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Failure::Lasting(Missing(
            "its memory may not be read: as its user with kernel.yama.ptrace_scope=0, or as root, it may"
                .to_owned(),
        )),
        _ => Failure::Passing(Missing(format!("its memory cannot be read: {error}"))),
    }
}

fn panicked() -> Failure {
    Failure::Lasting(Missing("py-spy stumbled over this interpreter".to_owned()))
}

/// From the error and what caused it.
fn failure(chain: &[String]) -> Failure {
    let unsupported = chain
        .iter()
        .find(|text| text.starts_with("Unsupported version"));
    match unsupported {
        Some(text) => {
            let version = text.rsplit(' ').next().unwrap_or_default();
            Failure::Lasting(Missing(format!("Python {version} is not known to py-spy")))
        }
        None => Failure::Passing(Missing(format!(
            "no interpreter was found: {}",
            chain.join(": ").to_lowercase()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_say_whether_to_try_again() {
        let failed = failure(&["Unsupported version of Python: 3.99.0".to_owned()]);
        let missing = Missing("Python 3.99.0 is not known to py-spy".to_owned());
        assert_eq!(failed, Failure::Lasting(missing));
        let failed = failure(&["Failed to find".to_owned(), "No symbol".to_owned()]);
        let missing = Missing("no interpreter was found: failed to find: no symbol".to_owned());
        assert_eq!(failed, Failure::Passing(missing));
        let denied = refused(&io::Error::from_raw_os_error(libc::EACCES));
        assert!(matches!(denied, Failure::Lasting(_)));
    }
}
