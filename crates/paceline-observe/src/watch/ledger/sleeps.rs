//! Waits for a signal that are for time to pass: they have a deadline, and nobody is there to end them before.
//!
//! `Event.wait(0.5)` of a program with one thread, `pthread_cond_timedwait` as a pause, a thread that looks for
//! something now and then while the main thread waits for its end. A worker at rest waits with a deadline too,
//! but others are there that may have work for it.

use super::account::Account;
use super::waits::WaitId;
use crate::profile::Class;

/// Who waits for at least this part of its life for other threads to end gives no signals.
const JOINS: f64 = 0.9;

/// Of waits with deadlines that only threads of the same process can end, those that none could have ended.
/// `threads` are all that were met, and `unmet` says whether there may have been others in a process.
pub(super) fn sleeps(
    with_deadlines: &[WaitId],
    threads: &[(i32, Account)],
    unmet: impl Fn(i32) -> bool,
) -> Vec<WaitId> {
    let nobody_else = |id: &&WaitId| {
        let waits = |account: &Account| account.waits.get(id).is_some_and(|time| *time > 0.0);
        let mut waiting = threads.iter().filter(|(_, account)| waits(account));
        // Of several that wait at one place, each may tell the others.
        let (Some((tid, waiter)), None) = (waiting.next(), waiting.next()) else {
            return false;
        };
        let mut others = threads
            .iter()
            .filter(|(other, account)| other != tid && account.pid == waiter.pid);
        others.all(|(_, account)| only_joins(account)) && !unmet(waiter.pid)
    };
    with_deadlines.iter().filter(nobody_else).copied().collect()
}

fn only_joins(account: &Account) -> bool {
    let life: f64 = account.time.iter().map(|(_, seconds)| *seconds).sum();
    account.time[Class::Join] >= JOINS * life
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::account::{Doing, Seen};
    use super::super::waits::Waits;
    use super::*;
    use crate::profile::{Futex, Target};
    use crate::watch::activity::Activity;

    const WAITER: i32 = 7;

    fn wait(waits: &mut Waits, class: Class, futex: Futex, private: bool) -> WaitId {
        let activity = Activity {
            class,
            target: Target::Lock {
                pid: Some(1),
                address: 0x7000,
            },
            call: "futex",
            futex: Some(futex),
            timed: futex == Futex::Timed,
            syncs: false,
            socket: None,
            private,
            word: None,
        };
        waits.intern(activity, None)
    }

    /// A thread that waited so many seconds.
    fn thread(pid: i32, tid: i32, spent: &[(WaitId, Class, f64)]) -> (i32, Account) {
        let seen = Seen {
            at: Duration::ZERO,
            ran: Duration::ZERO,
            queued: Duration::ZERO,
            slices: 1,
            doing: Doing::Running,
        };
        let mut account = Account::open(pid, seen, false);
        for (id, class, seconds) in spent {
            account.waits.insert(*id, *seconds);
            account.time[*class] += seconds;
        }
        (tid, account)
    }

    #[test]
    fn a_deadline_is_all_that_ends_the_wait_of_one_who_is_alone() {
        let mut waits = Waits::default();
        let timed = wait(&mut waits, Class::Condition, Futex::Timed, true);
        let join = wait(&mut waits, Class::Join, Futex::Untimed, true);
        let other = wait(&mut waits, Class::Network, Futex::Untimed, true);
        let is_sleep = |beside: &[(i32, Account)], unmet: bool| {
            let mut threads = vec![thread(1, WAITER, &[(timed, Class::Condition, 2.0)])];
            for (tid, account) in beside {
                let spent: Vec<_> = [join, timed, other]
                    .into_iter()
                    .filter_map(|id| Some((id, waits.class(id), *account.waits.get(&id)?)))
                    .collect();
                threads.push(thread(account.pid, *tid, &spent));
            }
            !sleeps(&waits.with_deadlines(), &threads, |_| unmet).is_empty()
        };
        assert!(is_sleep(&[], false));
        // A thread that no look has met may have given the signal.
        assert!(!is_sleep(&[], true));
        // Another process cannot.
        assert!(is_sleep(
            &[thread(2, 8, &[(other, Class::Network, 2.0)])],
            false
        ));
        // The main thread waits for the end of this one, nearly all of the time, or not.
        let main = |joins: f64| {
            let spent = [
                (join, Class::Join, joins),
                (other, Class::Network, 2.0 - joins),
            ];
            [thread(1, 1, &spent)]
        };
        assert!(is_sleep(&main(1.81), false));
        assert!(!is_sleep(&main(1.79), false));
        // A pool at rest.
        assert!(!is_sleep(
            &[thread(1, 8, &[(timed, Class::Condition, 2.0)])],
            false
        ));
    }

    #[test]
    fn only_waits_with_deadlines_that_others_cannot_reach_are_asked_about() {
        let with_deadline = |class, futex, private| {
            let mut waits = Waits::default();
            wait(&mut waits, class, futex, private);
            !waits.with_deadlines().is_empty()
        };
        assert!(with_deadline(Class::Condition, Futex::Timed, true));
        assert!(!with_deadline(Class::Condition, Futex::Timed, false));
        assert!(!with_deadline(Class::Condition, Futex::Untimed, true));
        assert!(!with_deadline(Class::Idle, Futex::Timed, true));
        assert!(!with_deadline(Class::Gil, Futex::Timed, true));
    }
}
