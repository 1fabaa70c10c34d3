//! The waiting jobs of one priority, first come, first served.

use std::collections::VecDeque;
use std::time::Duration;

use super::cost::Kind;

/// A job that waits, or one that is being split and has pieces left.
#[derive(Debug)]
pub(super) struct Entry<W> {
    pub(super) work: W,
    pub(super) kind: Kind,
    pub(super) split: bool,
    pub(super) arrived: Duration,
    /// Refused if not begun by then.
    pub(super) begin_by: Option<Duration>,
    /// Refused, or not gone on with, after that.
    pub(super) end_by: Option<Duration>,
    /// A split job of which a piece was taken.
    pub(super) begun: bool,
    /// Seconds of one thread that the rest of it is expected to take.
    pub(super) cost: f64,
    /// Time that its ended pieces took.
    pub(super) spent: Duration,
}

impl<W> Entry<W> {
    pub(super) fn is_late(&self, now: Duration) -> bool {
        self.late_at().is_some_and(|at| at < now)
    }

    /// When it becomes late.
    pub(super) fn late_at(&self) -> Option<Duration> {
        match (self.begin_by.filter(|_| !self.begun), self.end_by) {
            (Some(begin), Some(end)) => Some(begin.min(end)),
            (one, other) => one.or(other),
        }
    }
}

/// A queue from which any entry can be taken out. What was taken out leaves a gap, which goes when
/// it comes to the front or when gaps are the greater part.
#[derive(Debug)]
pub(super) struct Line<W> {
    /// By rising number.
    slots: VecDeque<(u64, Option<Entry<W>>)>,
    entries: usize,
    split: usize,
    /// Seconds.
    cost: f64,
}

impl<W> Default for Line<W> {
    fn default() -> Self {
        Self {
            slots: VecDeque::new(),
            entries: 0,
            split: 0,
            cost: 0.0,
        }
    }
}

impl<W> Line<W> {
    pub(super) fn len(&self) -> usize {
        self.entries
    }

    /// Entries that only one thread can take, and those that several can work on.
    pub(super) fn whole_and_split(&self) -> (usize, usize) {
        (self.entries - self.split, self.split)
    }

    /// Seconds of one thread that all entries are expected to take.
    pub(super) fn cost(&self) -> f64 {
        if self.entries == 0 {
            0.0
        } else {
            self.cost.max(0.0)
        }
    }

    /// Puts an entry at the end; `number` is above all before.
    pub(super) fn push(&mut self, number: u64, entry: Entry<W>) {
        self.entries += 1;
        self.split += usize::from(entry.split);
        self.cost += entry.cost;
        self.slots.push_back((number, Some(entry)));
    }

    /// The first entry with its number.
    pub(super) fn front(&mut self) -> Option<(u64, &mut Entry<W>)> {
        while matches!(self.slots.front(), Some((_, None))) {
            self.slots.pop_front();
        }
        self.slots
            .front_mut()
            .and_then(|(number, entry)| entry.as_mut().map(|entry| (*number, entry)))
    }

    /// Takes the first entry out.
    pub(super) fn pop(&mut self) -> Option<Entry<W>> {
        self.front()?;
        let entry = self.slots.pop_front()?.1?;
        self.leaves(&entry);
        Some(entry)
    }

    /// Takes out the entry with that number, wherever it stands.
    pub(super) fn take(&mut self, number: u64) -> Option<Entry<W>> {
        let index = self.position(number)?;
        let entry = self.slots[index].1.take()?;
        self.leaves(&entry);
        if self.slots.len() > 2 * self.entries + 8 {
            self.slots.retain(|(_, entry)| entry.is_some());
        }
        Some(entry)
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Entry<W>> {
        let index = self.position(number)?;
        self.slots[index].1.as_mut()
    }

    /// What the rest of an entry is now expected to cost, in seconds.
    pub(super) fn set_cost(&mut self, number: u64, cost: f64) {
        if let Some(entry) = self.get_mut(number) {
            let was = std::mem::replace(&mut entry.cost, cost);
            self.cost += cost - was;
        }
    }

    /// Numbers of the entries that are late at `now`.
    pub(super) fn late(&self, now: Duration) -> Vec<u64> {
        self.entries()
            .filter(|(_, entry)| entry.is_late(now))
            .map(|(number, _)| number)
            .collect()
    }

    /// When the next entry becomes late.
    pub(super) fn late_at(&self) -> Option<Duration> {
        self.entries()
            .filter_map(|(_, entry)| entry.late_at())
            .min()
    }

    fn entries(&self) -> impl Iterator<Item = (u64, &Entry<W>)> {
        self.slots
            .iter()
            .filter_map(|(number, entry)| entry.as_ref().map(|entry| (*number, entry)))
    }

    fn position(&self, number: u64) -> Option<usize> {
        self.slots.binary_search_by_key(&number, |slot| slot.0).ok()
    }

    fn leaves(&mut self, entry: &Entry<W>) {
        self.entries -= 1;
        self.split -= usize::from(entry.split);
        // Adding up and taking off leaves dust; an empty line costs nothing.
        self.cost = if self.entries == 0 {
            0.0
        } else {
            self.cost - entry.cost
        };
    }
}
