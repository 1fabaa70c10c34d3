//! The way of an attempt through the stations, to its end.

use super::alarms::Alarm;
use super::look::seconds;
use super::{At, ENGINE, World};
use crate::controller::{self, Event, Outcome};
use crate::simulator::machine::Ticket;

impl World<'_> {
    /// Begins the attempt's present phase.
    pub(super) fn enter(&mut self, place: usize) {
        let Some(attempt) = &mut self.attempts[place] else {
            return;
        };
        let Some(phase) = self
            .simulation
            .workload
            .phases(attempt.job)
            .get(attempt.phase)
        else {
            self.end(place, Outcome::Done);
            return;
        };
        let station = phase.station;
        let ticket = Ticket {
            place,
            serial: attempt.serial,
        };
        let service = &mut self.services[station];
        if service.rejects(self.now) {
            attempt.at = At::Refused { station };
            let until = self.now + service.station.reject_seconds;
            self.set_alarm(until, Alarm::AnswerBusy(ticket));
            return;
        }
        service.present += 1;
        attempt.at = At::Gate { station };
        let let_in = service.take_token(self.now);
        if let_in > self.now {
            self.set_alarm(let_in, Alarm::LetIn(ticket));
        } else {
            self.want_slot(station, ticket);
        }
    }

    pub(super) fn want_slot(&mut self, station: usize, ticket: Ticket) {
        if self.services[station].has_slot() {
            self.serve(station, ticket);
        } else {
            self.services[station].wait(ticket);
        }
    }

    fn serve(&mut self, station: usize, ticket: Ticket) {
        let pace = self.memory.pace();
        let service = &mut self.services[station];
        if let Some(attempt) = &mut self.attempts[ticket.place] {
            let phase = self.simulation.workload.phases(attempt.job)[attempt.phase];
            let since = service.clocks;
            attempt.at = At::Served { station, since };
            service.serve(ticket, phase.amount / phase.threads, phase.threads, pace);
        }
    }

    /// Gives free slots to those who wait for them.
    pub(super) fn fill_slots(&mut self, station: usize) {
        while self.services[station].has_slot() {
            let Some(ticket) = self.services[station].first_waiting() else {
                return;
            };
            if self.live(ticket).is_some() {
                self.serve(station, ticket);
            }
        }
    }

    pub(super) fn leaves(&mut self, station: usize) {
        let Some(ticket) = self.services[station].take_due() else {
            return;
        };
        if ticket.place == ENGINE {
            self.services[station].served(1.0, self.memory.pace());
            self.start();
            return;
        }
        if self.live(ticket).is_none() {
            return;
        }
        self.leave_station(ticket.place, true);
        if let Some(attempt) = &mut self.attempts[ticket.place] {
            attempt.phase += 1;
        }
        self.enter(ticket.place);
    }

    /// Takes an attempt out of where it is, with all its work of this phase or what it got.
    fn leave_station(&mut self, place: usize, all: bool) {
        let so_far = self.so_far(place);
        let Some(attempt) = &mut self.attempts[place] else {
            return;
        };
        let (At::Gate { station } | At::Served { station, .. }) = attempt.at else {
            return;
        };
        if let At::Served { since, .. } = attempt.at {
            let phase = self.simulation.workload.phases(attempt.job)[attempt.phase];
            let service = &mut self.services[station];
            attempt.cpu = so_far.cpu;
            attempt.delay = so_far.delay;
            attempt.work += if all {
                phase.amount
            } else {
                (service.clocks.progress - since.progress) * phase.threads
            };
            service.served(phase.threads, self.memory.pace());
        }
        attempt.at = At::Refused { station };
        self.services[station].present -= 1;
        self.fill_slots(station);
    }

    /// Ends an attempt. Its job is done, or put back.
    pub(super) fn end(&mut self, place: usize, outcome: Outcome) {
        if outcome != Outcome::Busy && outcome != Outcome::Done {
            self.leave_station(place, false);
        }
        let so_far = self.so_far(place);
        let Some(attempt) = self.attempts[place].take() else {
            return;
        };
        self.free.push(place);
        self.in_flight -= 1;
        match outcome {
            Outcome::Done => self.run.done += 1,
            Outcome::Busy => {
                self.run.rejects += 1;
                if let At::Refused { station } = attempt.at {
                    let first = self.services[station].station.rest_seconds;
                    let rest = self.backlog.rest(attempt.job, first);
                    self.set_alarm(self.now + rest, Alarm::Rested(attempt.job));
                }
            }
            Outcome::Shed => {
                self.run.sheds += 1;
                self.backlog.put_in_front(attempt.job);
            }
            _ => self.backlog.put_at_end(attempt.job),
        }
        let job = attempt.serial;
        let delays = self.simulation.delays;
        let attempt = controller::Attempt {
            outcome,
            wall: seconds(self.now - attempt.started),
            cpu: seconds(so_far.cpu),
            run_queue_delay: delays.then(|| seconds(so_far.delay)),
            peak_rss_bytes: so_far.bytes as u64,
        };
        self.tell(Event::Finished { job, attempt });
        if outcome != Outcome::Done {
            self.tell_queue();
        }
    }
}
