//! Whatever a profile holds, a verdict keeps its promises.

use std::time::Duration;

use proptest::prelude::*;

use super::super::judge;
use crate::profile::{
    ByClass, Class, EventLoop, Futex, MemoryUse, Overlap, PeerUse, Profile, Source, Target,
    ThreadProfile, Wait,
};

fn time() -> BoxedStrategy<Duration> {
    prop_oneof![
        3 => Just(Duration::ZERO),
        8 => (0_u64..20_000_000_000).prop_map(Duration::from_nanos),
        1 => Just(Duration::MAX),
        1 => (0_u64..1000).prop_map(Duration::from_nanos),
    ]
    .boxed()
}

fn amount() -> impl Strategy<Value = f64> {
    prop_oneof![3 => Just(0.0), 8 => 0.0..1000.0, 1 => Just(1e300), 1 => Just(1e-300)]
}

fn times() -> BoxedStrategy<ByClass<Duration>> {
    let all = prop::collection::vec(time(), Class::ALL.len());
    all.prop_map(|all| {
        let mut times = ByClass::default();
        for (class, time) in Class::ALL.into_iter().zip(all) {
            times[class] = time;
        }
        times
    })
    .boxed()
}

fn event_loop() -> impl Strategy<Value = Option<EventLoop>> {
    prop_oneof![
        4 => Just(None),
        1 => Just(Some(EventLoop::Epoll)),
        1 => Just(Some(EventLoop::Python("asyncio".into()))),
        1 => Just(Some(EventLoop::Runtime("tokio".into()))),
    ]
}

prop_compose! {
    fn thread()(
        ids in prop::array::uniform3(0_i32..4),
        name in "python|worker|\\PC{0,4}",
        began in time(),
        alive in time(),
        time in times(),
        spare in time(),
        slices in any::<u64>(),
        event_loop in event_loop(),
        loop_blocked_by in prop::option::of(0_usize..6),
        pool in prop::option::of(0_usize..2),
    ) -> ThreadProfile {
        let [pid, tid, parent] = ids;
        ThreadProfile { pid, parent, tid, name, began, alive, time, spare, slices, event_loop, slept_in_poll: Duration::ZERO, loop_blocked_by, pool }
    }
}

prop_compose! {
    fn wait()(
        class in prop::sample::select(&Class::ALL[..]),
        target in prop_oneof![
            any::<String>().prop_map(Target::Peer),
            any::<String>().prop_map(Target::File),
            any::<String>().prop_map(Target::Child),
            Just(Target::Lock { pid: Some(1), address: 64 }),
            Just(Target::Pipe { name: "pipe:[1]".into(), other: None }),
        ],
        spans in prop::array::uniform4(time()),
        effective_count in amount(),
        threads in any::<usize>(),
        slices in any::<u64>(),
        syncs in any::<bool>(),
        futex in prop::sample::select(vec![None, Some(Futex::Mutex), Some(Futex::Timed), Some(Futex::Untimed)]),
    ) -> Wait {
        let [time, timed, of_wall, longest] = spans;
        Wait {
            class, target, call: "", line: None, syncs, time, timed, of_wall, effective_count, longest, threads, slices, futex,
        }
    }
}

prop_compose! {
    fn profile()(
        sums in (times(), times(), times()),
        spans in prop::array::uniform9(time()),
        cores in amount(),
        threads in prop::collection::vec(thread().boxed(), 0..5),
        waits in prop::collection::vec(wait().boxed(), 0..5),
        in_flight in time(),
        requests in amount(),
        counts in (any::<usize>(), any::<usize>(), prop_oneof![0..20_u64, any::<u64>()]),
        bytes in prop::array::uniform6(any::<u64>()),
        missing in any::<bool>(),
    ) -> Profile {
        let [wall, compute, io, both, io_in_flight, user, system, others_cpu, throttled] = spans;
        let mut profile = Profile {
            wall,
            cores,
            time: sums.0,
            of_wall: sums.1,
            foremost: sums.2,
            overlap: Overlap { compute, io, both, io_in_flight },
            threads,
            threads_seen: counts.0,
            processes_seen: counts.1,
            waits,
            ..Profile::default()
        };
        profile.cpu.user = user;
        profile.cpu.system = system;
        profile.outside.others_cpu = others_cpu;
        profile.outside.throttled = throttled;
        profile.observer.looks = counts.2;
        profile.file_bytes.read_calls = bytes[0];
        profile.file_bytes.write_calls = bytes[1];
        profile.file_bytes.from_disk = bytes[2];
        profile.memory = MemoryUse { rss_bytes: bytes[3], private_bytes: bytes[4], stack_bytes: bytes[5] };
        profile.network.peers.push(PeerUse { in_flight, effective_count: requests, ..PeerUse::default() });
        profile.sources.proc = if missing { Source::Missing("no".into()) } else { Source::Used };
        profile
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn keeps_its_promises(profile in profile().boxed()) {
        let verdict = judge(&profile);
        let s = &verdict.shares;
        let shares =
            [s.cpu, s.run_queue, s.disk, s.network, s.lock, s.sleep, s.child, s.gil, s.poll, s.other];
        prop_assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)));
        let sum: f64 = shares.iter().sum();
        prop_assert!(sum == 0.0 || (sum - 1.0).abs() < 1e-6, "shares sum to {sum}");

        prop_assert!((0.0..=1.0).contains(&verdict.confidence));
        prop_assert!((0.0..=1.0).contains(&verdict.utilisation));
        prop_assert!(verdict.overlap.is_none_or(|overlap| (0.0..=1.0).contains(&overlap)));
        prop_assert!(verdict.concurrency.is_finite() && verdict.concurrency >= 0.0);
        prop_assert!(!verdict.sentence.is_empty() && !verdict.prescription.advice.is_empty());

        let help = &verdict.prescription;
        prop_assert!(help.level >= 1);
        let speedup = help.speedup;
        prop_assert!(1.0 <= speedup.low && speedup.low <= speedup.point && speedup.point <= speedup.high);
        prop_assert!(speedup.high.is_finite());
        for text in verdict.evidence.iter().chain([&verdict.sentence, &help.advice]) {
            prop_assert!(!text.chars().any(char::is_control), "{text:?}");
            prop_assert!(!text.contains("NaN") && !text.contains("inf "), "{text:?}");
        }
    }
}
