//! Descriptors and processes: known before the run, and found out the hard way when another
//! program takes them.

use super::Cap;
use crate::controller::Resources;
use crate::reason::Reason;

/// The limits on open files and processes, and what refusals taught.
#[derive(Clone, Debug)]
pub(crate) struct FixedCaps {
    descriptors: usize,
    processes: usize,
    refused: Option<Refused>,
}

/// A cap learned from the kernel's refusal, on its way back up.
#[derive(Clone, Copy, Debug)]
struct Refused {
    in_flight: usize,
    jobs: usize,
    /// Successes since the cap last moved.
    successes: usize,
}

impl FixedCaps {
    pub(crate) fn new(resources: &Resources) -> Self {
        Self {
            descriptors: resources.descriptor_jobs.max(1),
            processes: resources.process_jobs.max(1),
            refused: None,
        }
    }

    /// A process could not be made beside `in_flight` jobs.
    pub(crate) fn refused(&mut self, in_flight: usize) {
        let learned = (in_flight.saturating_sub(in_flight.div_ceil(10))).max(1);
        // While more than the cap still drain, a refusal among them must not raise it.
        let jobs = self.refused.map_or(learned, |old| old.jobs.min(learned));
        self.refused = Some(Refused {
            in_flight,
            jobs,
            successes: 0,
        });
    }

    /// A job succeeded, so whatever ran out may be there again.
    pub(crate) fn succeeded(&mut self) {
        let known = self.descriptors.min(self.processes);
        let Some(refused) = &mut self.refused else {
            return;
        };
        refused.successes += 1;
        if refused.successes >= refused.jobs.saturating_mul(2) {
            refused.successes = 0;
            refused.jobs += 1;
            if refused.jobs >= known {
                self.refused = None;
            }
        }
    }

    pub(crate) fn cap(&self) -> Cap {
        let known = Cap {
            jobs: self.descriptors,
            reason: Reason::Descriptors {
                jobs: self.descriptors,
            },
        }
        .min(Cap {
            jobs: self.processes,
            reason: Reason::Processes {
                jobs: self.processes,
            },
        });
        match self.refused {
            None => known,
            Some(Refused {
                in_flight, jobs, ..
            }) => known.min(Cap {
                jobs,
                reason: Reason::SpawnRefused { in_flight, jobs },
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps(descriptors: usize, processes: usize) -> FixedCaps {
        FixedCaps::new(&Resources {
            cores: 2.0,
            memory_bytes: 1 << 30,
            descriptor_jobs: descriptors,
            process_jobs: processes,
        })
    }

    #[test]
    fn the_lower_limit_speaks() {
        assert_eq!(
            caps(240, 900).cap().reason,
            Reason::Descriptors { jobs: 240 }
        );
        assert_eq!(caps(240, 90).cap().reason, Reason::Processes { jobs: 90 });
        assert_eq!(caps(0, 0).cap().jobs, 1);
    }

    #[test]
    fn refusal_lowers_and_successes_restore() {
        let mut caps = caps(240, 900);
        caps.refused(100);
        assert_eq!(caps.cap().jobs, 90);
        for _ in 0..179 {
            caps.succeeded();
        }
        assert_eq!(caps.cap().jobs, 90);
        caps.succeeded();
        assert_eq!(caps.cap().jobs, 91);
        for _ in 0..240 * 2 * 150 {
            caps.succeeded();
        }
        assert_eq!(caps.cap().reason, Reason::Descriptors { jobs: 240 });
    }

    #[test]
    fn a_late_refusal_does_not_raise() {
        let mut caps = caps(240, 900);
        caps.refused(50);
        caps.refused(100);
        assert_eq!(caps.cap().jobs, 45);
        caps.refused(0);
        assert_eq!(caps.cap().jobs, 1);
    }
}
