//! What a program was at in a round: the time in which at least one thread did something.
//!
//! Where every context switch is known, threads are followed through them, and the times are exact up to the
//! kind of a wait so short that no look met it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::account::Part;
use super::sweep::{Change, Union, sweep};
use crate::profile::Class;
use crate::watch::sources::switches::{Kind, Switch};

/// What two looks and the counters between them say of a thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Glimpse {
    pub(crate) tid: i32,
    /// When the second look was.
    pub(crate) at: Duration,
    /// What it waited for at the first look, if it did.
    pub(crate) before: Option<Class>,
    /// What it waited for at the second.
    pub(crate) after: Option<Class>,
    /// What it last waited for, as far as is known.
    pub(crate) latest: Option<Class>,
    pub(crate) part: Part,
}

/// A thread whose end no record tells of is followed this long after looks found it gone.
const LINGERS: Duration = Duration::from_millis(50);

/// Follows threads through their switches, round after round.
#[derive(Default)]
pub(crate) struct Follower {
    /// What the switches so far leave each thread at.
    threads: HashMap<i32, Followed>,
    /// That the program may use.
    pub(crate) cores: f64,
}

/// Where a thread stands.
#[derive(Clone, Copy, Debug)]
struct Followed {
    state: State,
    /// What it last waited for, as far as looks have told.
    latest: Option<Class>,
    /// It is gone; what is still to come of it are its last switches.
    until: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not begun yet, or over.
    Absent,
    On,
    Preempted,
    Blocked,
}

/// What a thread did in a round in which no look met it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Loose {
    pub(crate) tid: i32,
    pub(crate) cpu: f64,
    pub(crate) queued: f64,
    /// For what is not known.
    pub(crate) waited: f64,
    /// So many waits began.
    pub(crate) waits: u64,
}

impl Follower {
    /// The round from one time to another, with the switches in it in the order of time. `usual` is what a
    /// thread that no look ever met may wait for. Says what threads did that no look met.
    pub(crate) fn round(
        &mut self,
        from: Duration,
        to: Duration,
        switches: &[Switch],
        glimpses: &[Glimpse],
        requests: bool,
        usual: &dyn Fn(i32) -> Option<Class>,
    ) -> (Union, Vec<Loose>) {
        self.threads
            .retain(|_, thread| thread.until.is_none_or(|until| until >= from));
        let mut by_thread: HashMap<i32, Vec<&Switch>> = HashMap::new();
        for switch in switches {
            by_thread.entry(switch.tid).or_default().push(switch);
        }
        let mut steps: Vec<Step> = Vec::new();
        let mut met: HashSet<i32> = HashSet::new();
        for glimpse in glimpses {
            met.insert(glimpse.tid);
            let own = by_thread.remove(&glimpse.tid).unwrap_or_default();
            self.follow(glimpse, from, to, &own, &mut steps);
        }
        let others: HashSet<i32> = self
            .threads
            .keys()
            .chain(by_thread.keys())
            .copied()
            .collect();
        let mut loose = Vec::new();
        for tid in others.difference(&met).copied() {
            let own = by_thread.remove(&tid).unwrap_or_default();
            let first = State::before(own.first().map(|switch| switch.kind));
            let known = self.threads.entry(tid).or_insert(Followed {
                state: first,
                latest: None,
                until: None,
            });
            let unmet = Glimpse {
                tid,
                at: to,
                before: None,
                after: None,
                latest: known.latest.or_else(|| usual(tid)),
                part: Part::default(),
            };
            let begin = steps.len();
            self.follow(&unmet, from, to, &own, &mut steps);
            loose.extend(loose_of(tid, &steps[begin..], to));
        }
        // Looks may find one that has ended until somebody has waited for it.
        for thread in self.threads.values_mut() {
            thread.until = match (thread.state, thread.until) {
                (State::Absent, None) => Some(to + LINGERS),
                (_, until) => until,
            };
        }
        let changes = steps.into_iter().map(|step| step.change).collect();
        (sweep(changes, from, to, requests, self.cores), loose)
    }

    /// Looks find a thread no more. Its last switches may be still to come.
    pub(crate) fn forget(&mut self, tid: i32, now: Duration) {
        if let Some(thread) = self.threads.get_mut(&tid) {
            thread.until = Some(now + LINGERS);
        }
    }

    fn follow(
        &mut self,
        glimpse: &Glimpse,
        from: Duration,
        to: Duration,
        switches: &[&Switch],
        steps: &mut Vec<Step>,
    ) {
        let followed = self.threads.entry(glimpse.tid).or_insert(Followed {
            state: match switches.first().map(|switch| switch.kind) {
                Some(Kind::Forked { .. }) => State::Absent,
                _ if glimpse.before.is_some() => State::Blocked,
                _ => State::On,
            },
            latest: None,
            until: None,
        });
        let first = followed.state;
        // Of a thread that was never looked at it is not known what it waits for.
        let guess = glimpse.latest;
        // The second look may have been before the last switches.
        let met = |next: Option<&&Switch>| next.is_none_or(|next| next.at > glimpse.at);
        let class = |state, met: bool, first: bool| match state {
            State::Absent => None,
            State::On => Some(Class::Cpu),
            State::Preempted => Some(Class::RunQueue),
            State::Blocked if met => glimpse.after.or(guess),
            State::Blocked if first => glimpse.before.or(guess),
            State::Blocked => guess,
        };
        // What it queued for beyond being preempted, it queued for when it woke.
        let mut queued = glimpse.part.by_class[Class::RunQueue];
        let mut wakes: u32 = 0;
        let mut state = first;
        let mut since = from;
        for switch in switches {
            match (state, switch.kind) {
                (State::Preempted, _) => {
                    queued -= switch.at.saturating_sub(since).as_secs_f64();
                }
                (State::Blocked, Kind::In) => wakes += 1,
                _ => {}
            }
            state = state.after(switch.kind);
            since = switch.at;
        }
        let delay =
            Duration::try_from_secs_f64(queued / f64::from(wakes.max(1))).unwrap_or_default();

        let mut push = |at: Duration, state: State, class: Option<Class>| {
            let change = Change {
                at: at.clamp(from, to),
                tid: glimpse.tid,
                class,
            };
            steps.push(Step { change, state });
        };
        state = first;
        since = from;
        push(from, state, class(state, met(switches.first()), true));
        for (n, switch) in switches.iter().enumerate() {
            let next = state.after(switch.kind);
            if state == State::Blocked && next == State::On && delay > Duration::ZERO {
                push(
                    switch.at.saturating_sub(delay).max(since),
                    State::Preempted,
                    Some(Class::RunQueue),
                );
            }
            if next == state {
                continue;
            }
            state = next;
            since = switch.at;
            push(since, state, class(state, met(switches.get(n + 1)), false));
        }
        followed.state = state;
        let made = |switch: &&Switch| matches!(switch.kind, Kind::Forked { .. });
        if switches.iter().any(made) {
            // The number was another thread's before.
            followed.until = None;
        }
        followed.latest = glimpse.after.or(glimpse.latest);
    }
}

impl State {
    fn after(self, kind: Kind) -> Self {
        match (self, kind) {
            (_, Kind::In) => Self::On,
            // The record of its end comes before it leaves its core for the last time.
            (Self::Absent, Kind::Out { .. }) | (_, Kind::Exit) => Self::Absent,
            (_, Kind::Out { preempted: true } | Kind::Forked { .. }) => Self::Preempted,
            (_, Kind::Out { preempted: false }) => Self::Blocked,
            (state, Kind::Exec(_)) => state,
        }
    }

    /// Where a thread stood of which this is the first that is heard.
    fn before(first: Option<Kind>) -> Self {
        match first {
            Some(Kind::In) => Self::Blocked,
            _ => Self::Absent,
        }
    }
}

/// A change of a thread, and what it is by its switches alone.
struct Step {
    change: Change,
    state: State,
}

/// What the changes of one thread come to, if it was there.
fn loose_of(tid: i32, steps: &[Step], to: Duration) -> Option<Loose> {
    if steps.iter().all(|step| step.state == State::Absent) {
        return None;
    }
    let mut loose = Loose {
        tid,
        cpu: 0.0,
        queued: 0.0,
        waited: 0.0,
        waits: 0,
    };
    for (n, step) in steps.iter().enumerate() {
        let end = steps.get(n + 1).map_or(to, |next| next.change.at);
        let length = end.saturating_sub(step.change.at).as_secs_f64();
        match step.state {
            State::Absent => {}
            State::On => loose.cpu += length,
            State::Preempted => loose.queued += length,
            State::Blocked => {
                loose.waited += length;
                loose.waits += u64::from(n > 0);
            }
        }
    }
    Some(loose)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::chance::by_chance;
    use super::*;

    fn nothing(_: i32) -> Option<Class> {
        None
    }

    const MS: f64 = 0.001;

    fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    fn switch(at: u64, tid: i32, kind: Kind) -> Switch {
        Switch {
            at: us(at),
            pid: 1,
            tid,
            kind,
        }
    }

    fn glimpse(tid: i32, before: Option<Class>, after: Option<Class>, queued: f64) -> Glimpse {
        let mut part = Part {
            length: 10.0 * MS,
            ..Part::default()
        };
        part.by_class[Class::RunQueue] = queued;
        Glimpse {
            tid,
            at: us(10_000),
            before,
            after,
            latest: before.or(after),
            part,
        }
    }

    fn near(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-9
    }

    const BLOCKS: Kind = Kind::Out { preempted: false };
    const LOSES: Kind = Kind::Out { preempted: true };

    #[test]
    fn threads_that_take_turns_do_not_overlap() {
        // One computes while the other waits for the disk, and the other way around: chance says half.
        let disk = Some(Class::Disk);
        let switches = [switch(5000, 1, BLOCKS), switch(5000, 2, Kind::In)];
        let glimpses = [glimpse(1, None, disk, 0.0), glimpse(2, disk, None, 0.0)];
        let (union, _) =
            Follower::default().round(us(0), us(10_000), &switches, &glimpses, false, &nothing);
        assert!(near(union.compute, 10.0 * MS) && near(union.io, 10.0 * MS));
        assert!(near(union.both, 10.0 * MS));

        let glimpses = [glimpse(1, None, disk, 0.0)];
        let (union, _) = Follower::default().round(
            us(0),
            us(10_000),
            &switches[..1],
            &glimpses,
            false,
            &nothing,
        );
        assert!(near(union.compute, 5.0 * MS) && near(union.io, 5.0 * MS));
        assert!(near(union.both, 0.0));
        assert!(near(union.foremost[Class::Cpu], 5.0 * MS));
        assert!(near(union.foremost[Class::Disk], 5.0 * MS));
    }

    #[test]
    fn what_was_queued_for_beyond_preemption_came_before_a_wake() {
        let sleep = Some(Class::Sleep);
        let switches = [
            switch(4000, 1, Kind::In),
            switch(6000, 1, LOSES),
            switch(7000, 1, Kind::In),
        ];
        let glimpses = [glimpse(1, sleep, None, 2.0 * MS)];
        let (union, _) =
            Follower::default().round(us(0), us(10_000), &switches, &glimpses, false, &nothing);
        assert!(near(union.of_wall[Class::RunQueue], 2.0 * MS), "{union:?}");
        assert!(near(union.of_wall[Class::Sleep], 3.0 * MS));
        assert!(near(union.of_wall[Class::Cpu], 5.0 * MS));
    }

    #[test]
    fn states_are_kept_from_round_to_round() {
        let mut follower = Follower::default();
        let net = Some(Class::Network);
        let first = [switch(5000, 1, BLOCKS)];
        follower.round(
            us(0),
            us(10_000),
            &first,
            &[glimpse(1, None, net, 0.0)],
            false,
            &nothing,
        );
        let (union, _) = follower.round(
            us(10_000),
            us(20_000),
            &[],
            &[glimpse(1, net, net, 0.0)],
            false,
            &nothing,
        );
        assert!(near(union.io, 10.0 * MS) && near(union.compute, 0.0));
    }

    const FORKED: Kind = Kind::Forked {
        parent_pid: 7,
        parent_tid: 7,
    };

    #[test]
    fn who_is_never_looked_at_computes_all_the_same() {
        let mut follower = Follower::default();
        let mut round = |from, switches: &[Switch]| {
            let (union, loose) =
                follower.round(us(from), us(from + 10_000), switches, &[], false, &nothing);
            let [one] = loose.try_into().expect("one thread");
            let Loose {
                cpu,
                queued,
                waited,
                ..
            } = one;
            assert!(near(union.of_wall[Class::Cpu], cpu), "{union:?} {one:?}");
            (cpu, queued, waited)
        };
        let begins = [
            switch(1000, 9, FORKED),
            switch(2000, 9, Kind::In),
            switch(3000, 9, BLOCKS),
        ];
        let (cpu, queued, waited) = round(0, &begins);
        assert!(near(cpu, 1.0 * MS) && near(queued, 1.0 * MS) && near(waited, 7.0 * MS));
        let (cpu, _, waited) = round(10_000, &[switch(12_000, 9, Kind::In)]);
        assert!(near(cpu, 8.0 * MS) && near(waited, 2.0 * MS));
        assert!(near(round(20_000, &[]).0, 10.0 * MS));
        let ends = [switch(35_000, 9, Kind::Exit), switch(35_001, 9, BLOCKS)];
        let (cpu, _, waited) = round(30_000, &ends);
        assert!(near(cpu, 5.0 * MS) && near(waited, 0.0));
        let (_, none) = follower.round(us(40_000), us(50_000), &[], &[], false, &nothing);
        assert_eq!(none, []);
    }

    #[test]
    fn what_comes_after_the_last_look_counts_up_to_the_end() {
        let mut follower = Follower::default();
        let net = Some(Class::Network);
        let met = [glimpse(1, net, net, 0.0)];
        follower.round(us(0), us(10_000), &[], &met, false, &nothing);
        follower.forget(1, us(20_000));
        let ends = [switch(14_000, 1, Kind::In), switch(15_000, 1, Kind::Exit)];
        let (union, loose) = follower.round(us(10_000), us(20_000), &ends, &[], false, &nothing);
        assert!(near(union.of_wall[Class::Network], 4.0 * MS), "{union:?}");
        assert!(near(loose[0].cpu, 1.0 * MS) && near(loose[0].waited, 4.0 * MS));
    }

    #[test]
    fn who_is_met_soon_after_its_birth_does_nothing_before_it() {
        let born = [
            switch(6000, 9, FORKED),
            switch(7000, 9, Kind::In),
            switch(8000, 9, BLOCKS),
        ];
        let met = [glimpse(9, None, Some(Class::Network), 0.0)];
        let (union, _) = Follower::default().round(us(0), us(10_000), &born, &met, false, &nothing);
        assert!(near(union.compute, 2.0 * MS), "{union:?}");
        assert!(near(union.io, 2.0 * MS), "{union:?}");
    }

    #[test]
    fn who_has_ended_does_not_compute_though_looks_still_find_it() {
        let mut follower = Follower::default();
        let all = [
            switch(1000, 9, FORKED),
            switch(2000, 9, Kind::In),
            switch(3000, 9, Kind::Exit),
        ];
        follower.round(us(0), us(10_000), &all, &[], false, &nothing);
        let zombie = [glimpse(9, None, None, 0.0)];
        let (union, _) = follower.round(us(10_000), us(20_000), &[], &zombie, false, &nothing);
        assert!(near(union.of_wall[Class::Cpu], 0.0), "{union:?}");
    }

    #[test]
    fn a_lost_record_of_an_end_does_not_make_a_thread_immortal() {
        let mut follower = Follower::default();
        follower.round(
            us(0),
            us(10_000),
            &[],
            &[glimpse(1, None, None, 0.0)],
            false,
            &nothing,
        );
        follower.forget(1, us(20_000));
        let (_, still) = follower.round(us(10_000), us(20_000), &[], &[], false, &nothing);
        let (_, gone) = follower.round(us(80_000), us(90_000), &[], &[], false, &nothing);
        assert_eq!((still.len(), gone.len()), (1, 0));
    }

    proptest! {
        #[test]
        fn every_moment_is_somebody_s(
            events in proptest::collection::vec((0..10_000_u64, 0..4_i32, 0..4_u8), 0..60),
            requests: bool,
        ) {
            let mut switches: Vec<Switch> = events
                .into_iter()
                .map(|(at, tid, kind)| {
                    switch(at, tid, [Kind::In, BLOCKS, LOSES, Kind::Exit][usize::from(kind)])
                })
                .collect();
            switches.sort_by_key(|switch| switch.at);
            let glimpses = [(0, Class::Disk), (1, Class::Condition), (2, Class::Poll)]
                .map(|(tid, class)| {
                    let mut glimpse = glimpse(tid, Some(class), None, MS);
                    glimpse.part.by_class[class] = 6.0 * MS;
                    glimpse
                });
            let mut follower = Follower::default();
            for union in [
                follower.round(us(0), us(10_000), &switches, &glimpses, requests, &nothing).0,
                by_chance(&glimpses, 10.0 * MS, requests, 2.0),
            ] {
                let sum: f64 = union.foremost.iter().map(|(_, seconds)| seconds).sum();
                prop_assert!((sum - 10.0 * MS).abs() < 1e-9, "{union:?}");
                let behind: f64 = union.behind_signals.iter().map(|(_, seconds)| seconds).sum();
                prop_assert!((behind - union.foremost[Class::Condition]).abs() < 1e-9, "{union:?}");
                prop_assert!(union.both <= union.compute.min(union.io) + 1e-9);
            }
        }
    }
}
