//! The rules, one file per cause, in the order in which they are tried: the first that matches wins.
//!
//! Why this order: first what would make every other number misleading (too little evidence, others on
//! the cores, which hit those hardest who start processes without end), then what is seen in one thread
//! whatever the rest does (event loops, the interpreter, a lock), then the ways to be busy, then the ways
//! to wait, from the particular to the general. The last rules take what lies between the borders; they
//! say so with a low confidence.

mod blocking_call_in_loop;
mod child;
mod commit_latency;
mod cpu_in_loop;
mod gil;
mod imbalance;
mod lock;
mod outside_contention;
mod overlapped_cpu;
mod oversubscribed;
mod page_cache;
mod peer;
mod saturated;
mod serial_cpu;
mod serial_waits;
mod timer;
mod too_few_workers;
mod undetermined;

use super::rule::Rule;

/// What is left when no rule matches: it has no borders.
pub(super) static LAST: &Rule = &undetermined::UNEXPLAINED;

/// In the order in which they are tried.
pub(super) static RULES: [&Rule; 38] = [
    &undetermined::TOO_SHORT,
    &undetermined::TOO_FEW_LOOKS,
    &undetermined::AT_REST,
    &outside_contention::QUOTA,
    &child::MANY_SHORT,
    &outside_contention::OTHERS,
    &blocking_call_in_loop::RULE,
    &cpu_in_loop::RULE,
    &gil::RULE,
    &lock::RULE,
    &lock::TURNS,
    &oversubscribed::RULE,
    &page_cache::RULE,
    &saturated::RULE,
    &overlapped_cpu::RULE,
    &imbalance::UNEVEN,
    &imbalance::ROUNDS,
    &imbalance::BARRIER,
    &serial_cpu::RULE,
    &commit_latency::RULE,
    &child::ONE_BY_ONE,
    &timer::RULE,
    &serial_waits::RULE,
    &serial_waits::PHASES,
    &too_few_workers::RULE,
    &peer::MANY_IN_FLIGHT,
    &peer::ONE,
    &peer::HIDDEN,
    &peer::PIPE,
    &undetermined::FAR_END,
    &child::UNSEEN,
    &lock::HELD,
    // What lies between the borders.
    &serial_cpu::MOSTLY,
    &serial_waits::MOSTLY,
    &timer::MOSTLY,
    &peer::MOSTLY,
    &child::MOSTLY,
    &undetermined::UNEXPLAINED,
];
