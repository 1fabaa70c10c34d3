//! What was waited for, summed up by what it is.

use std::collections::HashMap;
use std::time::Duration;

use crate::profile::{Class, Futex, SourceLine, Target, Wait};
use crate::watch::activity::Activity;

/// A kind of wait, by its place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WaitId(usize);

/// A program that reads a million files waits for each: beyond this many, only the calls are kept.
const MOST_KINDS: usize = 4096;

/// At a lock, threads come to wait so often on average, again and again …
const LOCK_RETURNS: u64 = 3;
/// … and so many of these waits were met, all of them with the same word.
const LOCK_MET: u32 = 5;

/// The table.
#[derive(Default)]
pub(crate) struct Waits {
    ids: HashMap<(Activity, Option<SourceLine>), WaitId>,
    sums: Vec<Sum>,
    touched: Vec<WaitId>,
}

struct Sum {
    activity: Activity,
    line: Option<SourceLine>,
    class: Class,
    seconds: f64,
    of_wall: f64,
    /// Of waits that are over: their number, Σd, Σd², the longest.
    ended: u64,
    total: f64,
    squares: f64,
    longest: f64,
    /// The same of single waits by their switches, where those are known.
    exact: Spread,
    threads: usize,
    slices: u64,
    word: Word,
    /// The chance that no thread waits for it in this round.
    absent: f64,
}

/// How lengths spread: Σd, Σd², the longest.
#[derive(Clone, Copy, Default)]
struct Spread {
    total: f64,
    squares: f64,
    longest: f64,
}

/// What stood at a futex when waits for it began.
#[derive(Clone, Copy, Default)]
enum Word {
    #[default]
    Unknown,
    /// Always the same, in so many waits.
    Same {
        word: u32,
        met: u32,
    },
    Varies,
}

impl Word {
    fn add(&mut self, word: u32) {
        *self = match *self {
            Self::Unknown => Self::Same { word, met: 1 },
            Self::Same { word: before, met } if before == word => Self::Same {
                word,
                met: met.saturating_add(1),
            },
            Self::Same { .. } | Self::Varies => Self::Varies,
        };
    }

    /// A lock's word says how it is held, which is the same for all who find it taken. That of a condition or
    /// a barrier goes on with each signal, and that of a semaphore is zero when there is nothing to have.
    fn is_held(self) -> bool {
        matches!(self, Self::Same { word, met } if word != 0 && met >= LOCK_MET)
    }
}

impl Spread {
    fn add(&mut self, other: Self) {
        self.total += other.total;
        self.squares += other.squares;
        self.longest = self.longest.max(other.longest);
    }
}

impl Waits {
    /// The place of a kind of wait, a new one if it was not seen before.
    pub(crate) fn intern(&mut self, mut activity: Activity, line: Option<SourceLine>) -> WaitId {
        // Which of several sockets to one peer it was does not matter, and a word comes and goes.
        activity.socket = None;
        activity.word = None;
        if self.sums.len() >= MOST_KINDS {
            activity.target = Target::Call(activity.call.to_owned());
        }
        let next = WaitId(self.sums.len());
        let class = activity.class;
        *self
            .ids
            .entry((activity, line))
            .or_insert_with_key(|(activity, line)| {
                self.sums.push(Sum {
                    activity: activity.clone(),
                    line: line.clone(),
                    class,
                    seconds: 0.0,
                    of_wall: 0.0,
                    ended: 0,
                    total: 0.0,
                    squares: 0.0,
                    longest: 0.0,
                    exact: Spread::default(),
                    threads: 0,
                    slices: 0,
                    word: Word::Unknown,
                    absent: 1.0,
                });
                next
            })
    }

    pub(crate) fn class(&self, id: WaitId) -> Class {
        self.sums[id.0].class
    }

    /// Waits like this one may come again: not the one of a program that we start, for the word to begin.
    pub(crate) fn recurs(&self, id: WaitId) -> bool {
        let sum = &self.sums[id.0];
        sum.class != Class::Idle || !sum.activity.call.is_empty()
    }

    /// A wait has begun while this stood at the futex.
    pub(crate) fn found(&mut self, id: WaitId, word: u32) {
        self.sums[id.0].word.add(word);
    }

    /// What was known of a wait that goes on, unless it is better known now. Who was at the end of a pipe may be gone,
    /// a moment before that ends the wait.
    pub(crate) fn better(&self, known: WaitId, now: WaitId) -> WaitId {
        let end = |id: WaitId| match &self.sums[id.0].activity {
            Activity {
                class,
                target: Target::Pipe { other, .. },
                ..
            } => Some((*class, other.is_some())),
            _ => None,
        };
        match (end(known), end(now)) {
            (Some((before, true)), Some((after, false))) if before == after => known,
            _ => now,
        }
    }

    /// A thread waited so for the first time.
    pub(crate) fn add_thread(&mut self, id: WaitId) {
        self.sums[id.0].threads += 1;
    }

    /// A thread spent these seconds so, a part of the round of this length.
    pub(crate) fn add(&mut self, id: WaitId, seconds: f64, round: f64) {
        self.sums[id.0].seconds += seconds;
        self.goes_on(id, seconds, round);
    }

    /// For so many seconds of this round somebody waited so.
    pub(crate) fn goes_on(&mut self, id: WaitId, seconds: f64, round: f64) {
        let sum = &mut self.sums[id.0];
        if round > 0.0 {
            if sum.absent >= 1.0 {
                self.touched.push(id);
            }
            sum.absent *= 1.0 - (seconds / round).clamp(0.0, 1.0);
        }
    }

    /// A wait that was taken to be over after some seconds went on for some more, in a round of this length.
    pub(crate) fn prolong(&mut self, id: WaitId, after: f64, seconds: f64, round: f64) {
        self.add(id, seconds, round);
        let sum = &mut self.sums[id.0];
        let whole = after + seconds;
        sum.total += seconds;
        sum.squares += whole * whole - after * after;
        sum.longest = sum.longest.max(whole);
    }

    /// Some waits of one length are over, and as many slices on a core began.
    pub(crate) fn end(&mut self, id: WaitId, count: u64, each: f64) {
        let sum = &mut self.sums[id.0];
        sum.slices += count;
        if each > 0.0 {
            sum.ended += count;
            sum.total += each * count as f64;
            sum.squares += each * each * count as f64;
            sum.longest = sum.longest.max(each);
        }
    }

    /// One wait was over after so many seconds, as switches tell.
    pub(crate) fn lasted(&mut self, id: WaitId, seconds: f64) {
        self.sums[id.0].exact.add(Spread {
            total: seconds,
            squares: seconds * seconds,
            longest: seconds,
        });
    }

    /// Forgets what switches told of single waits.
    pub(crate) fn forget_lengths(&mut self) {
        for sum in &mut self.sums {
            sum.exact = Spread::default();
        }
    }

    /// What was taken for one kind of wait turned out to be another.
    pub(crate) fn transfer(&mut self, from: WaitId, to: WaitId, seconds: f64) {
        self.sums[from.0].seconds -= seconds;
        self.sums[to.0].seconds += seconds;
        let of_wall = seconds.min(self.sums[from.0].of_wall);
        self.sums[from.0].of_wall -= of_wall;
        self.sums[to.0].of_wall += of_wall;
    }

    /// The round is over: what was waited for in it, counted once.
    pub(crate) fn close_round(&mut self, round: f64) {
        for id in self.touched.drain(..) {
            let sum = &mut self.sums[id.0];
            sum.of_wall += round * (1.0 - sum.absent);
            sum.absent = 1.0;
        }
    }

    /// Waits that look like those for a signal, and are for a lock by its word. Says which.
    pub(crate) fn reclassify_locks(&mut self) -> Vec<WaitId> {
        let mut locks = Vec::new();
        for (n, sum) in self.sums.iter_mut().enumerate() {
            let returns = LOCK_RETURNS.saturating_mul(sum.threads as u64);
            let shared = sum.threads >= 2 && sum.slices >= returns;
            let endless = sum.activity.futex == Some(Futex::Untimed);
            if sum.class == Class::Condition && endless && shared && sum.word.is_held() {
                sum.class = Class::Lock;
                locks.push(WaitId(n));
            }
        }
        locks
    }

    /// Condition variables on which threads waited this long on average, by time, are those of threads
    /// without work. Says which.
    pub(crate) fn reclassify_idle(&mut self, least: Duration) -> Vec<WaitId> {
        let mut idle = Vec::new();
        for (n, sum) in self.sums.iter_mut().enumerate() {
            let long = sum.squares >= least.as_secs_f64() * sum.total && sum.total > 0.0;
            if sum.class == Class::Condition && long {
                sum.class = Class::Idle;
                idle.push(WaitId(n));
            }
        }
        idle
    }

    /// Waits that looked like those for a signal, at a futex of which it became known later what it is for. Says
    /// which, and their class.
    pub(crate) fn reclassify_known(&mut self) -> Vec<(WaitId, Class)> {
        let mut known: HashMap<Target, (f64, Class)> = HashMap::new();
        for sum in &self.sums {
            let target = &sum.activity.target;
            // A word that looks like a mutex's tells of one wait, not of all at that futex.
            let told =
                sum.activity.futex != Some(Futex::Mutex) && sum.activity.class != Class::Condition;
            if told && matches!(target, Target::Lock { .. }) {
                let (most, class) = known.entry(target.clone()).or_insert((0.0, Class::Other));
                if sum.seconds > *most {
                    (*most, *class) = (sum.seconds, sum.activity.class);
                }
            }
        }
        let mut found = Vec::new();
        for (n, sum) in self.sums.iter_mut().enumerate() {
            // Of one with a line it is known what it is.
            if sum.class == Class::Condition
                && sum.line.is_none()
                && let Some((most, class)) = known.get(&sum.activity.target)
                && *most > 0.0
            {
                sum.class = *class;
                found.push((WaitId(n), *class));
            }
        }
        found
    }

    /// Waits for a signal that end by themselves after some time, and that only a thread of the same process can
    /// end before.
    pub(crate) fn with_deadlines(&self) -> Vec<WaitId> {
        let fits = |sum: &Sum| {
            let Activity { futex, private, .. } = sum.activity;
            sum.class == Class::Condition && futex == Some(Futex::Timed) && private
        };
        let all = self.sums.iter().enumerate();
        all.filter(|(_, sum)| fits(sum))
            .map(|(n, _)| WaitId(n))
            .collect()
    }

    /// What looked like waits for a signal is for time to pass.
    pub(crate) fn take_for_sleeps(&mut self, sleeps: &[WaitId]) {
        for id in sleeps {
            self.sums[id.0].class = Class::Sleep;
        }
    }

    /// Time of the wall that something was waited for.
    pub(crate) fn of_wall(&self, id: WaitId) -> f64 {
        self.sums[id.0].of_wall
    }

    /// A wait too short for its line to be read belongs to the line that mostly waits so. Says which went
    /// where.
    fn adopt_lines(&mut self) -> Vec<(usize, usize)> {
        let mut adopted = Vec::new();
        for n in 0..self.sums.len() {
            if self.sums[n].line.is_some() {
                continue;
            }
            let of = &self.sums[n].activity;
            let lined = (0..self.sums.len())
                .filter(|m| self.sums[*m].line.is_some() && self.sums[*m].activity == *of)
                .max_by(|a, b| self.sums[*a].seconds.total_cmp(&self.sums[*b].seconds));
            if let Some(m) = lined.filter(|m| self.sums[*m].seconds > 0.0) {
                adopted.push((n, m));
            }
        }
        for &(n, m) in &adopted {
            self.sums[m].of_wall += std::mem::take(&mut self.sums[n].of_wall);
            self.sums[m].seconds += std::mem::take(&mut self.sums[n].seconds);
            self.sums[m].total += self.sums[n].total;
            self.sums[m].squares += self.sums[n].squares;
            self.sums[m].longest = self.sums[m].longest.max(self.sums[n].longest);
            let exact = self.sums[n].exact;
            self.sums[m].exact.add(exact);
            self.sums[m].threads = self.sums[m].threads.max(self.sums[n].threads);
            self.sums[m].slices += self.sums[n].slices;
        }
        adopted
    }

    /// All of them with their places, the longest first.
    pub(crate) fn into_profile(mut self) -> (Vec<Wait>, HashMap<WaitId, usize>) {
        let adopted = self.adopt_lines();
        // What was only ever a guess has nothing left.
        let mut order: Vec<usize> = (0..self.sums.len())
            .filter(|n| self.sums[*n].seconds > 1e-9)
            .collect();
        order.sort_by(|a, b| self.sums[*b].seconds.total_cmp(&self.sums[*a].seconds));
        let places = order
            .iter()
            .enumerate()
            .map(|(place, n)| (WaitId(*n), place));
        let mut places: HashMap<WaitId, usize> = places.collect();
        for (from, to) in adopted {
            if let Some(place) = places.get(&WaitId(to)).copied() {
                places.insert(WaitId(from), place);
            }
        }
        let waits = order.iter().map(|n| self.sums[*n].to_wait()).collect();
        (waits, places)
    }
}

impl Sum {
    fn to_wait(&self) -> Wait {
        let spread = if self.exact.squares > 0.0 {
            self.exact
        } else {
            Spread {
                total: self.total,
                squares: self.squares,
                longest: self.longest,
            }
        };
        Wait {
            class: self.class,
            target: self.activity.target.clone(),
            call: self.activity.call,
            line: self.line.clone(),
            syncs: self.activity.syncs,
            time: seconds(self.seconds),
            timed: seconds(if self.activity.timed {
                self.seconds
            } else {
                0.0
            }),
            of_wall: seconds(self.of_wall),
            effective_count: if spread.squares > 0.0 {
                spread.total * spread.total / spread.squares
            } else {
                0.0
            },
            longest: seconds(spread.longest),
            threads: self.threads,
            slices: self.slices,
            futex: self.activity.futex,
        }
    }
}

/// A duration from seconds that may be a little below zero.
pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activity(class: Class) -> Activity {
        Activity {
            class,
            target: Target::Call("x".into()),
            call: "x",
            futex: None,
            timed: false,
            syncs: false,
            socket: Some(3),
            private: false,
            word: Some(3),
        }
    }

    #[test]
    fn five_equal_waits_count_as_five_whatever_short_ones_come_with_them() {
        let mut waits = Waits::default();
        let id = waits.intern(activity(Class::Network), None);
        waits.add(id, 5.01, 6.0);
        waits.end(id, 5, 1.0);
        waits.end(id, 100, 0.0001);
        let (all, _) = waits.into_profile();
        assert!((all[0].effective_count - 5.0).abs() < 0.1, "{all:?}");
        assert_eq!(all[0].longest, Duration::from_secs(1));
        assert_eq!(all[0].slices, 105);
    }

    #[test]
    fn a_wait_that_went_on_is_still_one() {
        let mut waits = Waits::default();
        let id = waits.intern(activity(Class::Network), None);
        waits.add(id, 0.02, 0.02);
        waits.end(id, 1, 0.02);
        waits.prolong(id, 0.02, 0.03, 0.05);
        let (all, _) = waits.into_profile();
        assert!((all[0].effective_count - 1.0).abs() < 1e-9, "{all:?}");
        assert_eq!(all[0].time, Duration::from_millis(50));
        assert_eq!(all[0].longest, Duration::from_millis(50));
    }

    #[test]
    fn who_was_at_the_end_of_a_pipe_is_not_forgotten() {
        let mut waits = Waits::default();
        let mut pipe = |other: Option<&str>| {
            let target = Target::Pipe {
                name: "pipe".into(),
                other: other.map(str::to_owned),
            };
            let activity = Activity {
                target,
                ..activity(Class::Pipe)
            };
            waits.intern(activity, None)
        };
        let (nobody, shell, worker) = (pipe(None), pipe(Some("sh")), pipe(Some("sort")));
        assert_eq!(waits.better(worker, nobody), worker);
        assert_eq!(waits.better(nobody, worker), worker);
        // It is with somebody else now.
        assert_eq!(waits.better(shell, worker), worker);
        let network = waits.intern(activity(Class::Network), None);
        assert_eq!(waits.better(worker, network), network);
    }

    #[test]
    fn two_threads_that_wait_at_once_are_one_time_of_the_wall() {
        let mut waits = Waits::default();
        let id = waits.intern(activity(Class::Disk), None);
        waits.add(id, 0.01, 0.01);
        waits.add(id, 0.01, 0.01);
        waits.close_round(0.01);
        waits.add(id, 0.005, 0.01);
        waits.add(id, 0.005, 0.01);
        waits.close_round(0.01);
        assert!((waits.of_wall(id) - 0.0175).abs() < 1e-9);
        let (all, places) = waits.into_profile();
        assert_eq!(all[0].time, Duration::from_millis(30));
        assert_eq!(places[&id], 0);
    }

    #[test]
    fn beyond_the_most_kinds_only_calls_are_kept() {
        let mut waits = Waits::default();
        let file = |n: usize| Activity {
            target: Target::File(format!("/{n}")),
            ..activity(Class::Disk)
        };
        for n in 0..MOST_KINDS + 10 {
            waits.intern(file(n), None);
        }
        assert_eq!(waits.sums.len(), MOST_KINDS + 1);
        assert_eq!(waits.intern(file(0), None), waits.intern(file(1), None));
    }

    /// A futex at which so many threads waited so often each, and found these words in turn.
    fn shared(threads: usize, each: u64, words: &[u32]) -> (Waits, WaitId) {
        let mut waits = Waits::default();
        let futex = Activity {
            futex: Some(Futex::Untimed),
            ..activity(Class::Condition)
        };
        let id = waits.intern(futex, None);
        for _ in 0..threads {
            waits.add_thread(id);
            waits.end(id, each, 0.001);
        }
        for word in words {
            waits.found(id, *word);
        }
        (waits, id)
    }

    #[test]
    fn a_word_that_stays_the_same_is_that_of_a_lock() {
        let is_lock = |threads, each, words: &[u32]| {
            let (mut waits, id) = shared(threads, each, words);
            waits.reclassify_locks() == [id] && waits.class(id) == Class::Lock
        };
        // A lock for readers and writers.
        assert!(is_lock(5, 100, &[3; 5]));
        assert!(!is_lock(5, 100, &[3; 4]));
        // A semaphore, or a condition that has no signal yet.
        assert!(!is_lock(5, 100, &[0; 50]));
        // A barrier or a condition that counts its signals.
        assert!(!is_lock(5, 100, &[3, 3, 3, 3, 3, 5]));
        // A thread's own place to rest.
        assert!(!is_lock(1, 100, &[u32::MAX; 5]));
        // All wait once, to begin together.
        assert!(is_lock(5, 3, &[1; 5]));
        assert!(!is_lock(5, 2, &[1; 5]));
    }

    #[test]
    fn a_wait_with_a_limit_is_none_for_a_lock() {
        let mut waits = Waits::default();
        let timed = Activity {
            futex: Some(Futex::Timed),
            ..activity(Class::Condition)
        };
        let id = waits.intern(timed, None);
        waits.add_thread(id);
        waits.add_thread(id);
        waits.end(id, 100, 0.001);
        for _ in 0..10 {
            waits.found(id, 3);
        }
        assert!(waits.reclassify_locks().is_empty());
    }

    #[test]
    fn what_a_futex_is_for_holds_for_earlier_waits_too() {
        let at = |class, address| Activity {
            target: Target::Lock {
                pid: Some(1),
                address,
            },
            ..activity(class)
        };
        let mut waits = Waits::default();
        let [early, other] =
            [7, 8].map(|address| waits.intern(at(Class::Condition, address), None));
        let [rest, join] = [Class::Idle, Class::Join].map(|class| waits.intern(at(class, 7), None));
        assert_eq!(waits.reclassify_known(), []);
        // Another thing may have had the address for a moment.
        waits.add(join, 0.1, 1.0);
        waits.add(rest, 0.2, 1.0);
        waits.add(other, 0.2, 1.0);
        assert_eq!(waits.reclassify_known(), [(early, Class::Idle)]);
        assert_eq!(waits.class(early), Class::Idle);
        // The word of a barrier may once be that of a mutex.
        let mutex = waits.intern(
            Activity {
                futex: Some(Futex::Mutex),
                ..at(Class::Lock, 8)
            },
            None,
        );
        waits.add(mutex, 0.1, 1.0);
        assert_eq!(waits.reclassify_known(), []);
    }

    #[test]
    fn long_waits_on_a_condition_are_rest() {
        let mut waits = Waits::default();
        let pool = waits.intern(activity(Class::Condition), None);
        waits.end(pool, 1, 3.0);
        let mut busy = activity(Class::Condition);
        busy.call = "y";
        let busy = waits.intern(busy, None);
        waits.end(busy, 300, 0.01);
        assert_eq!(waits.reclassify_idle(Duration::from_millis(500)), [pool]);
        assert_eq!(waits.class(pool), Class::Idle);
        assert_eq!(waits.class(busy), Class::Condition);
    }
}
