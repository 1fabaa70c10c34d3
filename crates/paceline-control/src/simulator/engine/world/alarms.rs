//! What happens at a time known beforehand.

use std::cmp::{Ordering, Reverse};

use super::{At, World};
use crate::controller::Outcome;
use crate::simulator::machine::Ticket;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alarm {
    LetIn(Ticket),
    AnswerBusy(Ticket),
    Rested(usize),
    SlotFree,
    Arrival,
}

/// Something that happens at a known time; of two at one time, the first set comes first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timed {
    pub(super) at: f64,
    order: u64,
    alarm: Alarm,
}

impl PartialEq for Timed {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Timed {}

impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timed {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at
            .total_cmp(&other.at)
            .then(self.order.cmp(&other.order))
    }
}

impl World<'_> {
    pub(super) fn set_alarm(&mut self, at: f64, alarm: Alarm) {
        self.alarms_set += 1;
        let order = self.alarms_set;
        self.alarms.push(Reverse(Timed { at, order, alarm }));
    }

    pub(super) fn await_arrival(&mut self) {
        if let Some(wait) = self.backlog.next_arrival() {
            self.set_alarm(self.now + wait, Alarm::Arrival);
        }
    }

    /// Held slots are looked at again when the first of them may be filled.
    pub(super) fn await_slot(&mut self) {
        let now = self.clock();
        if self.held_slots.count(now) > 0
            && let Some(until) = self.held_slots.next()
        {
            // A little beyond, so that rounding does not make the moment come again.
            self.set_alarm(until.as_secs_f64() + 1e-8, Alarm::SlotFree);
        }
    }

    pub(super) fn alarm(&mut self) {
        let Some(Reverse(timed)) = self.alarms.pop() else {
            return;
        };
        match timed.alarm {
            Alarm::LetIn(ticket) => {
                if let Some(At::Gate { station }) = self.live(ticket).map(|attempt| attempt.at) {
                    self.want_slot(station, ticket);
                }
            }
            Alarm::AnswerBusy(ticket) => {
                if self.live(ticket).is_some() {
                    self.end(ticket.place, Outcome::Busy);
                }
            }
            Alarm::Rested(job) => self.backlog.rested(job),
            Alarm::SlotFree => self.await_slot(),
            Alarm::Arrival => {
                self.backlog.arrive();
                self.await_arrival();
                self.tell_queue();
            }
        }
    }
}
