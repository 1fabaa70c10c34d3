//! What a thread of Python waits for, by the calls that it waits in.

use super::frame::{Frame, Origin};

/// What a call of the standard library waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum WaitsFor {
    /// A lock that another thread holds.
    Lock,
    /// The end of another thread.
    Join,
    /// Something in a queue, or room in one.
    Queue,
    /// A result that another thread or process works on.
    Future,
    /// A condition or an event that another thread tells of.
    Condition,
    /// One of a number of permits.
    Semaphore,
    /// The others at a barrier.
    Barrier,
    /// Work, as one of a pool.
    Work,
    /// A child process.
    Child,
}

use WaitsFor::{Barrier, Child, Condition, Future, Join, Queue, Semaphore, Work};

/// By the end of the file's path, and the functions there.
const CALLS: [(&str, &[&str], WaitsFor); 18] = [
    (
        "concurrent/futures/_base.py",
        &[
            "result",
            "exception",
            "wait",
            "as_completed",
            "result_iterator",
        ],
        Future,
    ),
    ("concurrent/futures/thread.py", &["_worker"], Work),
    ("concurrent/futures/process.py", &["_process_worker"], Work),
    ("multiprocessing/pool.py", &["get", "wait", "next"], Future),
    ("multiprocessing/pool.py", &["worker"], Work),
    ("multiprocessing/pool.py", &["join"], Join),
    ("multiprocessing/popen_fork.py", &["wait", "poll"], Child),
    ("multiprocessing/process.py", &["join"], Child),
    ("multiprocessing/queues.py", &["get", "put"], Queue),
    ("queue.py", &["get", "put", "join"], Queue),
    ("Queue.py", &["get", "put", "join"], Queue),
    (
        "subprocess.py",
        &["wait", "_wait", "_try_wait", "communicate", "_communicate"],
        Child,
    ),
    (
        "threading.py",
        &["_wait_for_tstate_lock", "join", "_shutdown"],
        Join,
    ),
    ("threading.py", &["acquire"], Semaphore),
    ("threading.py", &["_enter", "_wait"], Barrier),
    ("threading.py", &["wait", "wait_for"], Condition),
    (
        "multiprocessing/synchronize.py",
        &["wait", "wait_for"],
        Condition,
    ),
    ("concurrent/futures/thread.py", &["shutdown"], Join),
];

/// Between the library's calls and the task of a pool's worker.
const TASKS: [(&str, &[&str]); 3] = [
    ("concurrent/futures/thread.py", &["run"]),
    ("threading.py", &["run"]),
    ("multiprocessing/process.py", &["run"]),
];

/// The outermost call that waits, of those by which the innermost code of anyone else waits: a result
/// waits by a condition, which waits by a lock. Of the frames the first is the innermost.
pub(super) fn waits_for(frames: &[Frame]) -> Option<WaitsFor> {
    let mut found = None;
    for frame in frames {
        if frame.origin() != Origin::Standard {
            break;
        }
        let fits = |file: &str, functions: &[&str]| frame.is(file, functions);
        if TASKS.iter().any(|(file, functions)| fits(file, functions)) {
            break;
        }
        if let Some((_, _, waits)) = CALLS
            .iter()
            .find(|(file, functions, _)| fits(file, functions))
        {
            // A barrier's function is named as a condition's.
            if (found, *waits) != (Some(Barrier), Condition) {
                found = Some(*waits);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::frame::frame;
    use super::*;

    /// From the innermost outwards: "threading.py:Condition.wait".
    fn waits(calls: &[&str]) -> Option<WaitsFor> {
        let frames: Vec<_> = calls
            .iter()
            .map(|call| {
                let (file, function) = call.split_once(':').expect("file and function");
                let file = if file.starts_with("app") {
                    file.to_owned()
                } else {
                    format!("/usr/lib/python3.11/{file}")
                };
                frame(&file, function, 1)
            })
            .collect();
        waits_for(&frames)
    }

    #[test]
    fn the_outermost_wait_names_it() {
        let condition = "threading.py:Condition.wait";
        for (calls, expected) in [
            (&[condition, "app.py:f"][..], Condition),
            (
                &[condition, "threading.py:Event.wait", "app.py:f"],
                Condition,
            ),
            (&[condition, "queue.py:Queue.get", "app.py:f"], Queue),
            (
                &[
                    condition,
                    "concurrent/futures/_base.py:Future.result",
                    "app.py:f",
                ],
                Future,
            ),
            (
                &[condition, "threading.py:Semaphore.acquire", "app.py:f"],
                Semaphore,
            ),
            (
                &[
                    condition,
                    "threading.py:Condition.wait_for",
                    "threading.py:Barrier._wait",
                    "threading.py:Barrier.wait",
                    "app.py:f",
                ],
                Barrier,
            ),
            (
                &[
                    "threading.py:Thread._wait_for_tstate_lock",
                    "threading.py:Thread.join",
                    "app.py:f",
                ],
                Join,
            ),
            (
                &[
                    "threading.py:Thread.join",
                    "concurrent/futures/thread.py:ThreadPoolExecutor.shutdown",
                    "concurrent/futures/_base.py:Executor.__exit__",
                    "app.py:f",
                ],
                Join,
            ),
            (&["threading.py:_shutdown"], Join),
            (
                &[
                    "subprocess.py:Popen._try_wait",
                    "subprocess.py:Popen.wait",
                    "app.py:f",
                ],
                Child,
            ),
            (
                &[
                    condition,
                    "threading.py:Event.wait",
                    "multiprocessing/pool.py:ApplyResult.wait",
                    "multiprocessing/pool.py:ApplyResult.get",
                    "multiprocessing/pool.py:Pool.map",
                    "app.py:f",
                ],
                Future,
            ),
        ] {
            assert_eq!(waits(calls), Some(expected), "{calls:?}");
        }
    }

    #[test]
    fn a_worker_waits_for_work_unless_it_has_some() {
        let thread = ["threading.py:Thread.run", "threading.py:Thread._bootstrap"];
        let idle = [&["concurrent/futures/thread.py:_worker"], &thread[..]].concat();
        assert_eq!(waits(&idle), Some(Work));
        let task = [
            &[
                "ssl.py:SSLSocket.read",
                "concurrent/futures/thread.py:_WorkItem.run",
                "concurrent/futures/thread.py:_worker",
            ],
            &thread[..],
        ]
        .concat();
        assert_eq!(waits(&task), None);
        let pool = [
            "multiprocessing/connection.py:Connection._recv",
            "multiprocessing/queues.py:SimpleQueue.get",
            "multiprocessing/pool.py:worker",
        ];
        assert_eq!(waits(&pool), Some(Work));
    }

    #[test]
    fn other_peoples_code_is_not_looked_through() {
        assert_eq!(waits(&["app.py:wait", "queue.py:Queue.get"]), None);
        assert_eq!(waits(&[]), None);
    }
}
