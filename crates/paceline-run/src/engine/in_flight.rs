//! The jobs in flight, found by place, by process, and by slot.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::attempt::Attempt;

/// All attempts whose process runs, or whose streams are still open.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    places: Vec<Option<Attempt>>,
    free_places: Vec<usize>,
    by_pid: HashMap<i32, usize>,
    /// Slots that were used before and are free; those above `slots` never were used.
    free_slots: BinaryHeap<Reverse<usize>>,
    slots: usize,
}

impl InFlight {
    /// Attempts whose process runs.
    pub(super) fn running(&self) -> usize {
        self.by_pid.len()
    }

    /// Attempts in all: running, or with streams that others hold open.
    pub(super) fn is_empty(&self) -> bool {
        self.places.len() == self.free_places.len()
    }

    /// The lowest free slot, counted from 1. It is taken.
    pub(super) fn take_slot(&mut self) -> usize {
        self.free_slots.pop().map_or_else(
            || {
                self.slots += 1;
                self.slots
            },
            |Reverse(slot)| slot,
        )
    }

    pub(super) fn free_slot(&mut self, slot: usize) {
        self.free_slots.push(Reverse(slot));
    }

    /// Puts in an attempt whose process runs, and returns its place.
    pub(super) fn insert(&mut self, attempt: Attempt) -> usize {
        let pid = attempt.pid;
        let place = if let Some(place) = self.free_places.pop() {
            self.places[place] = Some(attempt);
            place
        } else {
            self.places.push(Some(attempt));
            self.places.len() - 1
        };
        self.by_pid.insert(pid, place);
        place
    }

    /// The place of the attempt whose process has just been reaped; it counts as running no more.
    pub(super) fn reaped(&mut self, pid: i32) -> Option<usize> {
        self.by_pid.remove(&pid)
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut Attempt> {
        self.places.get_mut(place)?.as_mut()
    }

    /// The attempt at a place, if it is still this one.
    pub(super) fn get_if(&mut self, place: usize, number: u32) -> Option<&mut Attempt> {
        self.get_mut(place)
            .filter(|attempt| attempt.number == number)
    }

    pub(super) fn remove(&mut self, place: usize) -> Option<Attempt> {
        let attempt = self.places.get_mut(place)?.take()?;
        self.free_places.push(place);
        Some(attempt)
    }

    /// Attempts whose process runs.
    pub(super) fn iter_running(&self) -> impl Iterator<Item = (usize, &Attempt)> {
        self.places
            .iter()
            .enumerate()
            .filter_map(|(place, attempt)| Some((place, attempt.as_ref()?)))
            .filter(|(_, attempt)| attempt.ended.is_none())
    }

    /// Places of attempts whose process is gone and whose streams are open.
    pub(super) fn lingering(&self) -> Vec<usize> {
        self.places
            .iter()
            .enumerate()
            .filter(|(_, attempt)| attempt.as_ref().is_some_and(|a| a.ended.is_some()))
            .map(|(place, _)| place)
            .collect()
    }
}
