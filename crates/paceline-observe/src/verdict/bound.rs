//! Which resource bounds a program, and how its threads' time divides.

use super::facts::{Facts, ratio};
use super::{Bound, Cause, Shares};
use crate::profile::Class;

/// Compute that is at least this share of compute and waits bounds a program by the CPU; below the
/// rest to 1, it is bound by waits.
pub const CPU_BOUND: f64 = 0.7;

/// Who uses less than this of a core is not bound by any.
const IDLE: f64 = 0.05;

/// The bound of a program. Time in which threads stand by for a lock, for each other or for the
/// interpreter is neither compute nor a wait for a resource: what they do in between tells.
pub(super) fn of(facts: &Facts<'_>, cause: Cause) -> Bound {
    use Class::{Child, Cpu, Disk, Gil, Network, Other, PageFault, Pipe, Poll, RunQueue, Sleep};
    match cause {
        Cause::CpuInLoop
        | Cause::Gil
        | Cause::Oversubscribed
        | Cause::Saturated
        | Cause::PageCache
        | Cause::OverlappedCpu
        | Cause::Imbalance => return Bound::Cpu,
        _ => {}
    }
    let seconds = |classes: &[Class]| {
        classes
            .iter()
            .map(|class| facts.working[*class])
            .sum::<f64>()
    };
    let compute = seconds(&[Cpu, RunQueue, Gil]);
    let waits = seconds(&[Disk, PageFault, Network, Pipe, Sleep, Child, Poll, Other]);
    // A loop that polls its sockets waits for all that is in flight there.
    let waits = waits.max(facts.wall * (facts.io - facts.both).max(0.0));
    match ratio(compute, compute + waits) {
        _ if facts.run + facts.queue < IDLE => Bound::Io,
        share if share >= CPU_BOUND => Bound::Cpu,
        share if share > 1.0 - CPU_BOUND => Bound::Mixed,
        _ => Bound::Io,
    }
}

/// The shares of the thread-seconds that are not standing by.
pub(super) fn shares(facts: &Facts<'_>) -> Shares {
    use Class::{
        Child, Condition, Cpu, Disk, Gil, Lock, Network, Other, PageFault, Pipe, Poll, RunQueue,
        Sleep,
    };
    let all = facts.work();
    let share = |classes: &[Class]| {
        classes
            .iter()
            .map(|class| ratio(facts.working[*class], all))
            .sum::<f64>()
            .min(1.0)
    };
    Shares {
        cpu: share(&[Cpu]),
        run_queue: share(&[RunQueue]),
        disk: share(&[Disk, PageFault]),
        network: share(&[Network]),
        lock: share(&[Lock, Condition]),
        sleep: share(&[Sleep]),
        child: share(&[Child]),
        gil: share(&[Gil]),
        poll: share(&[Poll]),
        other: share(&[Pipe, Other]),
    }
}
