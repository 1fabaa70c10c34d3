//! What is told about a held worker.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A worker that was held, as told to [`Watch::on_held`](super::Watch::on_held).
///
/// ```
/// use paceline::watchdog::Held;
/// fn tell(held: &Held) {
///     if held.is_over {
///         println!("worker {} was held for {:?}", held.worker, held.held_for);
///     }
/// }
/// # let _ = tell;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// The worker's index within its runtime.
    pub worker: usize,
    /// The kernel's number of its thread, if it could be told.
    pub thread: Option<i32>,
    /// For how long, at least: until now, or in all if it is over.
    pub held_for: Duration,
    /// `false` when it has been held for the threshold, and `true` when it moves again: each hold is
    /// told twice.
    pub is_over: bool,
    /// Where its thread was when the threshold had passed, innermost first. Empty if the thread did
    /// not answer.
    pub stack: Vec<Frame>,
}

/// One call on a stack.
///
/// ```
/// use paceline::watchdog::Frame;
/// fn line(frame: &Frame) -> String {
///     frame.to_string()
/// }
/// # let _ = line;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// The address of the instruction.
    pub address: usize,
    /// The name of the function, if it is known.
    pub function: Option<String>,
    /// The source file, if it is known.
    pub file: Option<PathBuf>,
    /// The line in it, if it is known.
    pub line: Option<u32>,
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.function {
            Some(function) => f.write_str(function)?,
            None => write!(f, "{:#x}", self.address)?,
        }
        if let (Some(file), Some(line)) = (&self.file, self.line) {
            write!(f, " at {}:{line}", file.display())?;
        }
        Ok(())
    }
}

/// Frames that are printed at most.
const SHOWN: usize = 12;

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.is_over { "was" } else { "is" };
        write!(
            f,
            "tokio worker {} {verb} held for {:.0?}",
            self.worker, self.held_for
        )?;
        // Below the poll of a task everything is tokio's own.
        let of_task = self.stack.iter().take_while(|frame| {
            !frame
                .function
                .as_deref()
                .is_some_and(|name| name.contains("tokio::runtime::task::"))
        });
        for frame in of_task.take(SHOWN) {
            write!(f, "\n  in {frame}")?;
        }
        Ok(())
    }
}
