//! Event loops, as they look on a stack of Python.

use super::frame::{Frame, Origin};

/// What a thread that runs an event loop does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LoopTurn {
    /// "asyncio", "uvloop", "trio", …
    pub(crate) name: &'static str,
    pub(crate) doing: Doing,
}

/// Where in its turn the loop is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It asks the kernel for events.
    Polling,
    /// It runs what was handed to it: nothing else goes on until that returns.
    Callback,
    /// Its own housekeeping.
    Own,
}

/// Functions of a file, by the end of its path.
type Functions = (&'static str, &'static [&'static str]);

/// How a loop is known.
struct Kind {
    name: &'static str,
    /// The loop itself.
    turns: Functions,
    /// What it calls to ask for events.
    polls: &'static [Functions],
    /// What it calls to run a callback, directly; if nothing is here, whatever else it calls is one.
    runs: Option<Functions>,
    /// What it does when it calls no Python.
    bare: Doing,
    /// Its callbacks have stacks of their own, without the loop.
    has_hub: bool,
}

/// The innermost frame that fits decides, so their order does not matter.
const KINDS: [Kind; 8] = [
    Kind {
        name: "asyncio",
        turns: ("asyncio/base_events.py", &["_run_once"]),
        polls: &[("selectors.py", &["select"])],
        runs: Some(("asyncio/events.py", &["_run"])),
        bare: Doing::Own,
        has_hub: false,
    },
    // Of C, under the runner of asyncio or its own: with asyncio's loop there are frames of base_events.py
    // between.
    Kind {
        name: "uvloop",
        turns: ("asyncio/runners.py", &["run"]),
        polls: &[],
        runs: None,
        bare: Doing::Polling,
        has_hub: false,
    },
    Kind {
        name: "trio",
        // The turns are a generator's; who drives it asks for events.
        turns: ("trio/_core/_run.py", &["unrolled_run", "run"]),
        polls: &[("trio/_core/_io_epoll.py", &["get_events"])],
        runs: None,
        bare: Doing::Own,
        has_hub: false,
    },
    Kind {
        name: "twisted",
        turns: ("twisted/internet/base.py", &["mainLoop"]),
        polls: &[
            ("twisted/internet/epollreactor.py", &["doPoll"]),
            ("twisted/internet/pollreactor.py", &["doPoll"]),
            ("twisted/internet/selectreactor.py", &["doSelect"]),
            ("twisted/internet/selectreactor.py", &["_select"]),
        ],
        runs: None,
        bare: Doing::Own,
        has_hub: false,
    },
    Kind {
        name: "tornado",
        turns: ("tornado/ioloop.py", &["start"]),
        polls: &[],
        runs: None,
        bare: Doing::Polling,
        has_hub: false,
    },
    Kind {
        name: "gevent",
        turns: ("gevent/hub.py", &["run"]),
        polls: &[],
        runs: None,
        bare: Doing::Polling,
        has_hub: true,
    },
    Kind {
        name: "eventlet",
        turns: ("eventlet/hubs/hub.py", &["run"]),
        polls: &[
            ("eventlet/hubs/poll.py", &["wait", "do_poll"]),
            ("eventlet/hubs/epolls.py", &["wait", "do_poll"]),
            ("eventlet/hubs/selects.py", &["wait"]),
        ],
        runs: None,
        bare: Doing::Own,
        has_hub: true,
    },
    Kind {
        name: "curio",
        turns: ("curio/kernel.py", &["kernel_run"]),
        polls: &[("selectors.py", &["select"])],
        runs: None,
        bare: Doing::Own,
        has_hub: false,
    },
];

/// A loop on a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) turn: LoopTurn,
    /// So many of the innermost frames are what the loop called.
    pub(super) inner: usize,
    /// Its callbacks will be seen without it.
    pub(super) has_hub: bool,
}

/// The innermost loop among frames, of which the first is the innermost.
pub(super) fn find(frames: &[Frame]) -> Option<Found> {
    frames.iter().enumerate().find_map(|(index, frame)| {
        let kind = KINDS
            .iter()
            .find(|kind| frame.is(kind.turns.0, kind.turns.1))?;
        let inner = &frames[..index];
        if kind.name == "uvloop" && inner.last().is_some_and(is_asyncio) {
            return None;
        }
        let fits = |frame: &Frame, (file, functions): &Functions| frame.is(file, functions);
        let polls = |frame: &Frame| kind.polls.iter().any(|poll| fits(frame, poll));
        let doing = match inner.last() {
            None => kind.bare,
            Some(_) if inner.iter().all(polls) => Doing::Polling,
            Some(next) => match &kind.runs {
                Some(runs) if !fits(next, runs) => Doing::Own,
                _ => Doing::Callback,
            },
        };
        Some(Found {
            turn: LoopTurn {
                name: kind.name,
                doing,
            },
            inner: index,
            has_hub: kind.has_hub,
        })
    })
}

/// The runner prepares the loop in Python, whichever it is.
fn is_asyncio(frame: &Frame) -> bool {
    frame.origin() == Origin::Standard && frame.file.contains("/asyncio/")
}

#[cfg(test)]
mod tests {
    use super::super::frame::frame;
    use super::*;

    const LIB: &str = "/usr/lib/python3.11/";

    /// From the innermost outwards: "asyncio/events.py:Handle._run".
    fn frames(calls: &[&str]) -> Vec<Frame> {
        calls
            .iter()
            .map(|call| {
                let (file, function) = call.split_once(':').expect("file and function");
                let file = if file.starts_with("app") {
                    file.to_owned()
                } else {
                    format!("{LIB}{file}")
                };
                frame(&file, function, 1)
            })
            .collect()
    }

    fn turn(calls: &[&str]) -> Option<(&'static str, Doing, usize)> {
        find(&frames(calls)).map(|found| (found.turn.name, found.turn.doing, found.inner))
    }

    const ASYNCIO: [&str; 5] = [
        "asyncio/base_events.py:BaseEventLoop._run_once",
        "asyncio/base_events.py:BaseEventLoop.run_forever",
        "asyncio/base_events.py:BaseEventLoop.run_until_complete",
        "asyncio/runners.py:Runner.run",
        "app.py:<module>",
    ];

    fn under_asyncio(inner: &[&str]) -> Option<(&'static str, Doing, usize)> {
        turn(&[inner, &ASYNCIO].concat())
    }

    #[test]
    fn asyncio_polls_in_its_selector_alone() {
        let polling = under_asyncio(&["selectors.py:EpollSelector.select"]);
        assert_eq!(polling, Some(("asyncio", Doing::Polling, 1)));
        // A callback that waits in a selector of its own is no poll of the loop.
        let callback = under_asyncio(&[
            "selectors.py:_PollLikeSelector.select",
            "subprocess.py:Popen._communicate",
            "app.py:handler",
            "asyncio/events.py:Handle._run",
        ]);
        assert_eq!(callback, Some(("asyncio", Doing::Callback, 4)));
    }

    #[test]
    fn asyncio_runs_callbacks_through_their_handles() {
        let callback = under_asyncio(&["app.py:handler", "asyncio/events.py:Handle._run"]);
        assert_eq!(callback, Some(("asyncio", Doing::Callback, 2)));
        // Of C.
        let callback = under_asyncio(&["asyncio/events.py:Handle._run"]);
        assert_eq!(callback, Some(("asyncio", Doing::Callback, 1)));
        let own = under_asyncio(&["asyncio/selector_events.py:_process_events"]);
        assert_eq!(own, Some(("asyncio", Doing::Own, 1)));
        assert_eq!(under_asyncio(&[]), Some(("asyncio", Doing::Own, 0)));
    }

    #[test]
    fn older_pythons_name_functions_without_their_class() {
        let calls = [
            "app.py:f",
            "asyncio/events.py:_run",
            "asyncio/base_events.py:_run_once",
        ];
        assert_eq!(turn(&calls), Some(("asyncio", Doing::Callback, 2)));
    }

    #[test]
    fn a_loop_of_c_leaves_the_runner_bare() {
        let outer = ["asyncio/runners.py:Runner.run", "app.py:<module>"];
        assert_eq!(turn(&outer), Some(("uvloop", Doing::Polling, 0)));
        let calls = [&["app.py:handler"], &outer[..]].concat();
        assert_eq!(turn(&calls), Some(("uvloop", Doing::Callback, 1)));
        // The loop of Python between its turns.
        let calls = [
            &["asyncio/base_events.py:BaseEventLoop.run_forever"],
            &outer[..],
        ]
        .concat();
        assert_eq!(turn(&calls), None);
    }

    #[test]
    fn other_loops_are_known_by_their_files() {
        let trio = "site-packages/trio/_core/_run.py:run";
        let turn_of_trio = "site-packages/trio/_core/_run.py:unrolled_run";
        let poll = "site-packages/trio/_core/_io_epoll.py:EpollIOManager.get_events";
        assert_eq!(turn(&[poll, trio]), Some(("trio", Doing::Polling, 1)));
        let callback = turn(&["app.py:f", turn_of_trio, trio]);
        assert_eq!(callback, Some(("trio", Doing::Callback, 1)));
        assert_eq!(turn(&[turn_of_trio, trio]), Some(("trio", Doing::Own, 0)));

        let twisted = "site-packages/twisted/internet/base.py:ReactorBase.mainLoop";
        let poll = "site-packages/twisted/internet/epollreactor.py:EPollReactor.doPoll";
        assert_eq!(turn(&[poll, twisted]), Some(("twisted", Doing::Polling, 1)));
        let callback = turn(&["app.py:f", poll, twisted]);
        assert_eq!(callback, Some(("twisted", Doing::Callback, 2)));

        let gevent = "site-packages/gevent/hub.py:Hub.run";
        assert_eq!(turn(&[gevent]), Some(("gevent", Doing::Polling, 0)));
        let eventlet = "site-packages/eventlet/hubs/hub.py:BaseHub.run";
        let poll = [
            "site-packages/eventlet/hubs/epolls.py:Hub.do_poll",
            "site-packages/eventlet/hubs/poll.py:Hub.wait",
            eventlet,
        ];
        assert_eq!(turn(&poll), Some(("eventlet", Doing::Polling, 2)));
    }

    #[test]
    fn no_loop_is_none() {
        assert_eq!(turn(&["app.py:run", "app.py:_run_once"]), None);
        assert_eq!(turn(&[]), None);
    }
}
