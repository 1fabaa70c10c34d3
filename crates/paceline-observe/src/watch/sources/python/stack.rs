//! The stack of one thread, as far as it says what the thread waits for.

use std::time::Duration;

use super::event_loops::{Doing, LoopTurn, find};
use super::frame::{Frame, Origin};
use super::waits::{WaitsFor, waits_for};
use crate::profile::SourceLine;

/// What a thread of Python was in when its stack was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stack {
    /// When, on the monotonic clock.
    pub(crate) at: Duration,
    /// The innermost line of the program's own code; in an event loop, of what the loop has called.
    pub(crate) user: Option<SourceLine>,
    /// The innermost line, whosever.
    pub(crate) innermost: Option<SourceLine>,
    /// The event loop that the thread runs.
    pub(crate) event_loop: Option<LoopTurn>,
    /// What the calls of the standard library would wait for, or the innermost line by its text. Says
    /// nothing of whether the thread waits.
    pub(crate) waits_for: Option<WaitsFor>,
    /// It held the interpreter's lock.
    pub(crate) owns_gil: bool,
}

impl Stack {
    /// The line to name when the thread waits: the program's own if there is one.
    pub(crate) fn line(&self) -> Option<&SourceLine> {
        self.user.as_ref().or(self.innermost.as_ref())
    }
}

/// The loops of threads whose callbacks run on stacks without it, once they were seen.
pub(super) type Hub = Option<&'static str>;

/// From the frames of a thread, of which the first is the innermost.
pub(super) fn stack(
    at: Duration,
    owns_gil: bool,
    frames: &[Frame],
    hub: &mut Hub,
    takes_lock: impl FnOnce(&Frame) -> bool,
) -> Stack {
    let found = find(frames);
    if let Some(found) = found.filter(|found| found.has_hub) {
        *hub = Some(found.turn.name);
    }
    let event_loop = match found {
        Some(found) => Some(found.turn),
        None => hub.map(|name| LoopTurn {
            name,
            doing: Doing::Callback,
        }),
    };
    // Who called the loop does not wait for what it runs now.
    let running = match event_loop.map(|turn| turn.doing) {
        None | Some(Doing::Callback) => &frames[..found.map_or(frames.len(), |found| found.inner)],
        Some(Doing::Polling | Doing::Own) => &[],
    };
    let user = running.iter().find(|frame| frame.origin() == Origin::User);
    let waits = waits_for(running).or_else(|| {
        let first = running.first()?;
        (first.origin() != Origin::Standard && takes_lock(first)).then_some(WaitsFor::Lock)
    });
    Stack {
        at,
        user: user.map(Frame::source_line),
        innermost: frames.first().map(Frame::source_line),
        event_loop,
        waits_for: waits,
        owns_gil,
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::frame;
    use super::*;

    const LIB: &str = "/usr/lib/python3.11";

    fn of(frames: &[Frame], hub: &mut Hub) -> Stack {
        stack(Duration::ZERO, false, frames, hub, |frame| frame.line == 13)
    }

    fn user_line(stack: &Stack) -> Option<(&str, u32)> {
        stack
            .user
            .as_ref()
            .map(|line| (line.file.as_str(), line.line))
    }

    fn asyncio(inner: &[Frame]) -> Vec<Frame> {
        let mut frames = inner.to_vec();
        frames.push(frame(
            &format!("{LIB}/asyncio/base_events.py"),
            "BaseEventLoop._run_once",
            1900,
        ));
        frames.push(frame(
            &format!("{LIB}/asyncio/runners.py"),
            "Runner.run",
            118,
        ));
        frames.push(frame("app.py", "<module>", 99));
        frames
    }

    #[test]
    fn the_users_line_is_the_innermost_of_their_own() {
        let frames = [
            frame(&format!("{LIB}/ssl.py"), "SSLSocket.read", 1100),
            frame(
                "venv/lib/python3.11/site-packages/requests/api.py",
                "get",
                60,
            ),
            frame("app.py", "fetch", 7),
            frame("app.py", "<module>", 20),
        ];
        let stack = of(&frames, &mut None);
        assert_eq!(user_line(&stack), Some(("app.py", 7)));
        assert_eq!(stack.line(), stack.user.as_ref());
        assert_eq!(stack.innermost.as_ref().map(|line| line.line), Some(1100));
        assert_eq!((stack.event_loop, stack.waits_for), (None, None));
        let stack = of(&frames[..2], &mut None);
        assert_eq!(stack.line(), stack.innermost.as_ref());
    }

    #[test]
    fn a_callback_has_its_own_line_and_a_poll_has_none() {
        let run = frame(&format!("{LIB}/asyncio/events.py"), "Handle._run", 80);
        let stack = of(
            &asyncio(&[frame("app.py", "handler", 5), run.clone()]),
            &mut None,
        );
        assert_eq!(user_line(&stack), Some(("app.py", 5)));
        assert_eq!(
            stack.event_loop.map(|turn| turn.doing),
            Some(Doing::Callback)
        );
        // A callback of C is not what started the loop.
        let stack = of(&asyncio(&[run]), &mut None);
        assert_eq!(user_line(&stack), None);
        let select = frame(&format!("{LIB}/selectors.py"), "EpollSelector.select", 468);
        let stack = of(&asyncio(&[select]), &mut None);
        assert_eq!(user_line(&stack), None);
        assert_eq!(
            stack.event_loop.map(|turn| turn.doing),
            Some(Doing::Polling)
        );
    }

    #[test]
    fn a_hub_is_remembered_when_its_callbacks_run() {
        let mut hub = None;
        let greenlet = [frame("app.py", "handler", 5)];
        assert_eq!(of(&greenlet, &mut hub).event_loop, None);
        of(
            &[frame(
                "/v/lib/python3.11/site-packages/gevent/hub.py",
                "Hub.run",
                640,
            )],
            &mut hub,
        );
        let stack = of(&greenlet, &mut hub);
        let turn = LoopTurn {
            name: "gevent",
            doing: Doing::Callback,
        };
        assert_eq!(stack.event_loop, Some(turn));
        assert_eq!(user_line(&stack), Some(("app.py", 5)));
    }

    #[test]
    fn a_lock_is_known_by_the_text_of_the_line_that_takes_it() {
        let waits = |line| of(&[frame("app.py", "f", line)], &mut None).waits_for;
        assert_eq!(waits(13), Some(WaitsFor::Lock));
        assert_eq!(waits(14), None);
        let condition = frame(&format!("{LIB}/threading.py"), "Condition.wait", 13);
        let frames = [condition, frame("app.py", "f", 13)];
        assert_eq!(of(&frames, &mut None).waits_for, Some(WaitsFor::Condition));
    }
}
