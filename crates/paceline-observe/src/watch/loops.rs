//! Which threads run an event loop.
//!
//! Python says so in its stacks. Run-time systems are known by the names of their threads or by what is in
//! their programs. A thread that polls now and again runs a loop; one that never gets to poll is known by
//! the sockets that wait for it in its process's epoll set.

use std::time::Duration;

use crate::profile::{ByClass, Class, EventLoop};

/// What a process is known to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Language {
    #[default]
    Unknown,
    Go,
    Java,
    Erlang,
}

/// What is known of a thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) name: &'a str,
    pub(crate) main: bool,
    pub(crate) time: &'a ByClass<Duration>,
    /// The loop whose frames are on its Python stack.
    pub(crate) python: Option<&'a str>,
    pub(crate) language: Language,
    /// There are sockets in an epoll set of its process.
    pub(crate) sockets_in_epoll: bool,
    /// Another thread of its process was seen to poll.
    pub(crate) another_polls: bool,
}

/// Who polls for less than this share of its time hardly does.
const SELDOM: f64 = 0.02;

/// The names that run-time systems give to their threads begin so; the kernel keeps 15 bytes of each.
const WORKERS: [(&str, &str); 4] = [
    ("tokio-r", "tokio"),
    ("async-std/runt", "async-std"),
    ("actix-rt", "actix"),
    ("monoio", "monoio"),
];

/// The loop that it runs, if any.
pub(crate) fn event_loop(thread: Candidate<'_>) -> Option<EventLoop> {
    if let Some(name) = thread.python {
        return Some(EventLoop::Python(name.to_owned()));
    }
    let runtime = |name: &str| Some(EventLoop::Runtime(name.to_owned()));
    if let Some((_, name)) = WORKERS
        .iter()
        .find(|(start, _)| thread.name.starts_with(start))
    {
        return runtime(name);
    }
    let polled = thread.time[Class::Poll];
    let polls = polled > Duration::ZERO;
    let total: Duration = thread.time.iter().map(|(_, time)| *time).sum();
    let seldom = polled.as_secs_f64() < SELDOM * total.as_secs_f64();
    match thread.language {
        Language::Go if polls => runtime("go"),
        Language::Java if polls => runtime("java"),
        Language::Erlang if polls => runtime("erlang"),
        Language::Unknown
            if seldom && thread.main && thread.sockets_in_epoll && !thread.another_polls =>
        {
            Some(EventLoop::SeldomPolls)
        }
        Language::Unknown if polls => Some(EventLoop::Epoll),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(change: impl FnOnce(&mut Candidate<'_>), polls: bool) -> Option<EventLoop> {
        let mut time = ByClass::default();
        time[Class::Network] = Duration::from_secs(9);
        if polls {
            time[Class::Poll] = Duration::from_secs(1);
        }
        let mut thread = Candidate {
            name: "app",
            main: true,
            time: &time,
            python: None,
            language: Language::Unknown,
            sockets_in_epoll: false,
            another_polls: false,
        };
        change(&mut thread);
        event_loop(thread)
    }

    #[test]
    fn loops_are_known_by_stacks_names_and_polls() {
        let runtime = |name: &str| Some(EventLoop::Runtime(name.into()));
        let asyncio = of(|thread| thread.python = Some("asyncio"), false);
        assert_eq!(asyncio, Some(EventLoop::Python("asyncio".into())));
        assert_eq!(
            of(|thread| thread.name = "tokio-runtime-w", false),
            runtime("tokio")
        );
        assert_eq!(
            of(|thread| thread.name = "tokio-rt-worker", false),
            runtime("tokio")
        );
        assert_eq!(
            of(|thread| thread.language = Language::Go, true),
            runtime("go")
        );
        assert_eq!(of(|_| {}, true), Some(EventLoop::Epoll));
        assert_eq!(of(|_| {}, false), None);
    }

    #[test]
    fn a_loop_that_seldom_polls_has_sockets_that_wait() {
        let waiting = |thread: &mut Candidate<'_>| thread.sockets_in_epoll = true;
        assert_eq!(of(waiting, false), Some(EventLoop::SeldomPolls));
        let other = |thread: &mut Candidate<'_>| {
            waiting(thread);
            thread.main = false;
        };
        assert_eq!(of(other, false), None);
        let elsewhere = |thread: &mut Candidate<'_>| {
            waiting(thread);
            thread.another_polls = true;
        };
        assert_eq!(of(elsewhere, false), None);
    }
}
