//! What Python's stacks add to what the kernel says: the line that waits, and whether a futex is a lock.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::activity::Activity;
use super::sources::python::{Doing, PythonLines, Stack, WaitsFor};
use crate::profile::{Class, Source, SourceLine, Target};

/// The stacks of the program's Pythons.
#[derive(Default)]
pub(crate) struct Python {
    lines: Option<PythonLines>,
    /// Which kind of wait a futex turned out to be: waits too short for a stack are of that kind too.
    kinds: HashMap<(Option<i32>, u64), Class>,
    loops: HashMap<i32, &'static str>,
}

impl Python {
    /// A process runs Python, or begins to.
    pub(crate) fn watch(&mut self, pid: i32) {
        self.lines.get_or_insert_with(PythonLines::start).watch(pid);
    }

    pub(crate) fn forget(&mut self, pid: i32) {
        if let Some(lines) = &self.lines {
            lines.forget(pid);
        }
    }

    /// Describes a wait that began at this time better, with the line that waits.
    pub(crate) fn refine(
        &mut self,
        tid: i32,
        activity: Activity,
        since: Duration,
    ) -> (Activity, Option<SourceLine>) {
        let stack = self.note(tid);
        // A stack that was read before the wait began is of something else.
        let stack = stack.filter(|stack| stack.at >= since);
        let place = match &activity.target {
            Target::Lock { pid, address } => Some((*pid, *address)),
            _ => None,
        };
        let class = match &stack {
            Some(stack) => class_by_stack(activity.class, stack),
            None => place
                .and_then(|place| self.kinds.get(&place).copied())
                .filter(|_| activity.class == Class::Condition)
                .unwrap_or(activity.class),
        };
        if let (Some(place), true) = (place, class != activity.class) {
            self.kinds.insert(place, class);
        }
        let line = stack.and_then(|stack: Arc<Stack>| line_of(class, &stack));
        (Activity { class, ..activity }, line)
    }

    /// The latest stack of a thread. If there is an event loop on it, it is remembered.
    pub(crate) fn note(&mut self, tid: i32) -> Option<Arc<Stack>> {
        let stack = self.lines.as_ref().and_then(|lines| lines.latest(tid));
        if let Some(turn) = stack.as_ref().and_then(|stack| stack.event_loop) {
            self.loops.insert(tid, turn.name);
        }
        stack
    }

    /// The event loop that a thread was seen to run.
    pub(crate) fn event_loop(&self, tid: i32) -> Option<&'static str> {
        self.loops.get(&tid).copied()
    }

    pub(crate) fn source(&self) -> Source {
        let lines = self.lines.as_ref();
        lines.map_or(Source::NotNeeded, PythonLines::source)
    }

    /// What reading the stacks has cost.
    pub(crate) fn cpu(&self) -> Duration {
        self.lines.as_ref().map_or(Duration::ZERO, PythonLines::cpu)
    }
}

/// Locks, queues and results of Python are all one futex to the kernel, and a child is a pipe.
fn class_by_stack(class: Class, stack: &Stack) -> Class {
    let turn = stack.event_loop.map(|turn| turn.doing);
    match (class, stack.waits_for) {
        // Elsewhere who waits for a result stands by. What an event loop has called holds it up, as a lock would.
        (
            Class::Condition,
            Some(WaitsFor::Join | WaitsFor::Future | WaitsFor::Queue | WaitsFor::Work),
        ) if turn == Some(Doing::Callback) => Class::Lock,
        (Class::Condition, Some(waits_for)) => match waits_for {
            WaitsFor::Lock => Class::Lock,
            WaitsFor::Join | WaitsFor::Future => Class::Join,
            WaitsFor::Queue | WaitsFor::Work => Class::Idle,
            WaitsFor::Child => Class::Child,
            WaitsFor::Condition | WaitsFor::Semaphore | WaitsFor::Barrier => class,
        },
        (Class::Pipe | Class::Poll, Some(WaitsFor::Child)) => Class::Child,
        (Class::Pipe, Some(WaitsFor::Work | WaitsFor::Queue)) => Class::Idle,
        (Class::Pipe, Some(WaitsFor::Future)) => Class::Join,
        _ => class,
    }
}

fn line_of(class: Class, stack: &Stack) -> Option<SourceLine> {
    let polls = stack
        .event_loop
        .is_some_and(|turn| !matches!(turn.doing, Doing::Callback));
    if polls || class.is_standby() || matches!(class, Class::Gil | Class::Poll) {
        return None;
    }
    stack.line().cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(waits_for: Option<WaitsFor>, doing: Option<Doing>) -> Stack {
        Stack {
            at: Duration::ZERO,
            user: Some(SourceLine {
                file: "app.py".into(),
                line: 7,
                function: "fetch".into(),
            }),
            innermost: None,
            event_loop: doing.map(|doing| super::super::sources::python::LoopTurn {
                name: "asyncio",
                doing,
            }),
            waits_for,
            owns_gil: false,
        }
    }

    #[test]
    fn a_futex_is_what_the_stack_says() {
        let class = |class, waits_for| class_by_stack(class, &stack(waits_for, None));
        assert_eq!(class(Class::Condition, Some(WaitsFor::Lock)), Class::Lock);
        assert_eq!(class(Class::Condition, Some(WaitsFor::Future)), Class::Join);
        assert_eq!(class(Class::Condition, Some(WaitsFor::Work)), Class::Idle);
        assert_eq!(class(Class::Condition, None), Class::Condition);
        assert_eq!(class(Class::Pipe, Some(WaitsFor::Child)), Class::Child);
        // What the kernel is sure of stays.
        assert_eq!(class(Class::Network, Some(WaitsFor::Lock)), Class::Network);
    }

    #[test]
    fn a_result_that_a_loop_waits_for_holds_it_up() {
        let class = |doing| {
            class_by_stack(
                Class::Condition,
                &stack(Some(WaitsFor::Future), Some(doing)),
            )
        };
        assert_eq!(class(Doing::Callback), Class::Lock);
        assert_eq!(class(Doing::Own), Class::Join);
    }

    #[test]
    fn only_who_works_has_a_line() {
        let line = |class, doing| line_of(class, &stack(None, doing)).map(|line| line.line);
        assert_eq!(line(Class::Network, None), Some(7));
        assert_eq!(line(Class::Network, Some(Doing::Callback)), Some(7));
        assert_eq!(line(Class::Sleep, Some(Doing::Polling)), None);
        assert_eq!(line(Class::Idle, None), None);
    }
}
