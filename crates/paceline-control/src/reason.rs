//! Why a limit is what it is, in words for people.

use std::fmt;

/// What set a concurrency limit.
///
/// `Display` is a sentence for people, without a full stop; [`Reason::label`] is one word for
/// logs and records.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// The user named the level.
    SetByUser,
    /// Jobs wait, all slots are taken, and no constraint is near.
    RampingUp,
    /// Jobs wait on timers alone, so one more takes nothing from the others.
    NothingShared,
    /// Nothing is known yet of the jobs' use of the cores; one job per core is safe.
    CpuUnknown {
        /// Cores that jobs may use.
        cores: f64,
    },
    /// The cores are, or would be, full.
    Cpu {
        /// Cores that jobs may use.
        cores: f64,
        /// Cores that one job keeps busy while it does not queue for them.
        busy: f64,
        /// Jobs that fill the cores.
        jobs: usize,
    },
    /// More jobs would not fit in memory.
    Memory {
        /// Jobs that fit.
        jobs: usize,
        /// What one job is expected to need, in bytes.
        per_job_bytes: u64,
        /// What all jobs together may take, in bytes.
        memory_bytes: u64,
    },
    /// Memory ran short with more.
    MemoryShort {
        /// Jobs allowed since.
        jobs: usize,
    },
    /// The open-file limit.
    Descriptors {
        /// Jobs that it allows at once.
        jobs: usize,
    },
    /// The process limits.
    Processes {
        /// Jobs that they allow at once.
        jobs: usize,
    },
    /// The kernel would not make another process.
    SpawnRefused {
        /// Jobs in flight when it last refused.
        in_flight: usize,
        /// Jobs allowed since.
        jobs: usize,
    },
    /// Most threads wait for the disk.
    Disk {
        /// Jobs that a disk serves well at once.
        jobs: usize,
    },
    /// Jobs may share something that no signal shows.
    Unproven {
        /// Jobs that are allowed on trust.
        jobs: usize,
    },
    /// What the jobs depend on said that it was busy.
    Busy {
        /// Jobs in flight when it last said so; 0 if that was in an earlier run.
        beside: usize,
        /// Jobs allowed since.
        jobs: usize,
    },
    /// The last jobs are begun together, so that no core idles while others work off a queue.
    LastJobs {
        /// Jobs in flight then.
        jobs: usize,
    },
    /// The level at which an earlier run of the same command did best.
    Remembered {
        /// That level, in jobs.
        level: usize,
    },
    /// A higher level is tried, to see whether it gets more done.
    TryingMore {
        /// The best level so far, in jobs.
        from: usize,
    },
    /// A lower level is tried, to see whether it gets as much done.
    TryingFewer {
        /// The best level so far, in jobs.
        from: usize,
    },
    /// More jobs got more done.
    MoreGained {
        /// The level that did so, in jobs.
        level: usize,
        /// The level before, in jobs.
        over: usize,
        /// Throughput, divided by that of the level before.
        factor: f64,
    },
    /// Fewer jobs got as much done, or more.
    FewerSuffice {
        /// The level that did so, in jobs.
        level: usize,
        /// The level before, in jobs.
        than: usize,
        /// Throughput, divided by that of the level before.
        factor: f64,
    },
    /// The level that was tried got no more done.
    NotBetter {
        /// That level, in jobs.
        tried: usize,
        /// Its throughput, divided by that of the level returned to.
        factor: f64,
    },
    /// At the level that was tried, more of the jobs failed.
    MoreFailed {
        /// That level, in jobs.
        tried: usize,
    },
    /// The law that the measured throughputs follow has its peak here.
    Fitted {
        /// That level, in jobs.
        level: usize,
    },
    /// Jobs take longer or shorter than they did, so the level is searched anew.
    Shifted {
        /// Duration of jobs, divided by what it was.
        factor: f64,
    },
    /// The slots of a level that was tried did not fill.
    NeverFull {
        /// That level, in jobs.
        tried: usize,
    },
    /// What had come down on the level has gone up again.
    RoomAgain,
    /// The user's lower bound.
    MinLevel {
        /// The bound, in jobs.
        level: usize,
    },
    /// The user's upper bound.
    MaxLevel {
        /// The bound, in jobs.
        level: usize,
    },
}

impl Reason {
    /// One stable word (kebab case) for logs and records.
    pub fn label(&self) -> &'static str {
        match self {
            Self::SetByUser => "set-by-user",
            Self::RampingUp => "ramping-up",
            Self::NothingShared => "nothing-shared",
            Self::CpuUnknown { .. } => "cpu-unknown",
            Self::Cpu { .. } => "cpu",
            Self::Memory { .. } => "memory",
            Self::MemoryShort { .. } => "memory-short",
            Self::Descriptors { .. } => "descriptors",
            Self::Processes { .. } => "processes",
            Self::SpawnRefused { .. } => "spawn-refused",
            Self::Disk { .. } => "disk",
            Self::Unproven { .. } => "unproven",
            Self::Busy { .. } => "busy",
            Self::LastJobs { .. } => "last-jobs",
            Self::Remembered { .. } => "remembered",
            Self::TryingMore { .. } => "trying-more",
            Self::TryingFewer { .. } => "trying-fewer",
            Self::MoreGained { .. } => "more-gained",
            Self::FewerSuffice { .. } => "fewer-suffice",
            Self::NotBetter { .. } => "not-better",
            Self::MoreFailed { .. } => "more-failed",
            Self::Fitted { .. } => "fitted",
            Self::Shifted { .. } => "shifted",
            Self::NeverFull { .. } => "never-full",
            Self::RoomAgain => "room-again",
            Self::MinLevel { .. } => "min-level",
            Self::MaxLevel { .. } => "max-level",
        }
    }
}

/// From this share of a core on, a job counts as doing nothing but compute.
pub(crate) const SATURATED: f64 = 0.9;

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::SetByUser => f.write_str("set by -j"),
            Self::RampingUp => f.write_str("ramping up: nothing binds yet"),
            Self::NothingShared => {
                f.write_str("jobs only wait on timers: they share nothing, so more cost nothing")
            }
            Self::CpuUnknown { cores } => {
                write!(
                    f,
                    "one job per core ({}) until their CPU use is known",
                    Cores(cores)
                )
            }
            Self::Cpu { cores, busy, jobs } => {
                let are = if cores > 1.0 { "are" } else { "is" };
                let (cores, busy) = (Cores(cores), Busy(busy));
                if busy.0 > SATURATED {
                    write!(f, "{cores} {are} saturated: each job keeps {busy} busy")
                } else {
                    write!(
                        f,
                        "{cores} {are} filled by {}: each keeps {busy} busy",
                        Jobs(jobs)
                    )
                }
            }
            Self::Memory {
                jobs,
                per_job_bytes,
                memory_bytes,
            } => {
                let (each, all) = (Bytes(per_job_bytes), Bytes(memory_bytes));
                let fit = if jobs == 1 { "fits" } else { "fit" };
                write!(f, "memory: {} of about {each} {fit} in {all}", Jobs(jobs))
            }
            Self::MemoryShort { jobs } => {
                write!(
                    f,
                    "memory ran short with more: {} at most for now",
                    Jobs(jobs)
                )
            }
            Self::Descriptors { jobs } => write!(f, "the open-file limit allows {}", Jobs(jobs)),
            Self::Processes { jobs } => write!(f, "the process limit allows {}", Jobs(jobs)),
            Self::SpawnRefused { in_flight, jobs } => write!(
                f,
                "the system refused another process beside {}: {jobs} at most for now",
                Jobs(in_flight)
            ),
            Self::Disk { jobs } => {
                write!(
                    f,
                    "jobs mostly wait for the disk: {jobs} at once keep it busy"
                )
            }
            Self::Unproven { jobs } => {
                write!(
                    f,
                    "jobs may share a resource unseen: {jobs} at once are enough on trust"
                )
            }
            Self::Busy { beside: 0, jobs } => {
                write!(
                    f,
                    "an earlier run was answered \"busy\" above {jobs} at once"
                )
            }
            Self::Busy { beside, jobs } => {
                write!(
                    f,
                    "answered \"busy\" with {beside} in flight: {jobs} at most for now"
                )
            }
            Self::LastJobs { jobs } => {
                write!(f, "the last {jobs} run together, so that no core idles")
            }
            Self::Remembered { level } => {
                write!(
                    f,
                    "an earlier run of this command did best with {level} at once"
                )
            }
            Self::TryingMore { from } => {
                write!(f, "trying whether more get more done than {from}")
            }
            Self::TryingFewer { from } => {
                write!(f, "trying whether fewer get as much done as {from}")
            }
            Self::MoreGained {
                level,
                over,
                factor,
            } => {
                write!(
                    f,
                    "{level} at once got {} the throughput of {over}",
                    Times(factor)
                )
            }
            Self::FewerSuffice {
                level,
                than,
                factor,
            } if factor > 1.02 => {
                write!(
                    f,
                    "{level} at once got {} the throughput of {than}",
                    Times(factor)
                )
            }
            Self::FewerSuffice { level, than, .. } => {
                write!(f, "{level} at once get as much done as {than}")
            }
            Self::NotBetter { tried, factor } if factor < 0.98 => {
                write!(
                    f,
                    "{tried} at once got only {} the throughput",
                    Times(factor)
                )
            }
            Self::NotBetter { tried, .. } => write!(f, "{tried} at once got no more done"),
            Self::MoreFailed { tried } => write!(f, "with {tried} at once more jobs failed"),
            Self::Fitted { level } => {
                write!(f, "the curve measured so far peaks near {level}")
            }
            Self::Shifted { factor } => {
                write!(
                    f,
                    "jobs now take {} as long as before: searching anew",
                    Times(factor)
                )
            }
            Self::NeverFull { tried } => write!(
                f,
                "{tried} slots never filled: jobs end as fast as they are begun"
            ),
            Self::RoomAgain => f.write_str("what held it down has eased"),
            Self::MinLevel { level } => write!(f, "--min-level asks for {level}"),
            Self::MaxLevel { level } => write!(f, "--max-level allows {level}"),
        }
    }
}

struct Jobs(usize);

impl fmt::Display for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} job{plural}", self.0)
    }
}

struct Times(f64);

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1.95 {
            write!(f, "{:.2} ×", self.0)
        } else if self.0 < 9.95 {
            write!(f, "{:.1} ×", self.0)
        } else {
            write!(f, "{:.0} ×", self.0)
        }
    }
}

struct Cores(f64);

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A quota can leave a fraction of a core; whole counts are shown without decimals.
        let tenths = (self.0 * 10.0).round() / 10.0;
        let plural = if tenths > 1.0 { "s" } else { "" };
        write!(f, "{tenths} core{plural}")
    }
}

struct Busy(f64);

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 0.01 {
            f.write_str("less than 0.01 of a core")
        } else if self.0 < 1.005 {
            write!(f, "{:.2} of a core", self.0)
        } else {
            write!(f, "{:.1} cores", self.0)
        }
    }
}

struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut value = self.0 as f64;
        let mut unit = "bytes";
        for next in ["KiB", "MiB", "GiB", "TiB"] {
            if value < 1024.0 {
                break;
            }
            value /= 1024.0;
            unit = next;
        }
        if value < 10.0 && unit != "bytes" {
            write!(f, "{value:.1} {unit}")
        } else {
            write!(f, "{value:.0} {unit}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences() {
        let cpu = |cores, busy, jobs| Reason::Cpu { cores, busy, jobs }.to_string();
        assert_eq!(
            cpu(2.0, 0.97, 2),
            "2 cores are saturated: each job keeps 0.97 of a core busy"
        );
        assert_eq!(
            cpu(8.0, 0.3, 35),
            "8 cores are filled by 35 jobs: each keeps 0.30 of a core busy"
        );
        assert_eq!(
            cpu(0.5, 4.0, 1),
            "0.5 core is saturated: each job keeps 4.0 cores busy"
        );
        assert_eq!(
            cpu(2.0, 0.001, 2600),
            "2 cores are filled by 2600 jobs: each keeps less than 0.01 of a core busy"
        );
        assert_eq!(
            Reason::CpuUnknown { cores: 2.0 }.to_string(),
            "one job per core (2 cores) until their CPU use is known"
        );
        let memory = Reason::Memory {
            jobs: 6,
            per_job_bytes: 300 << 20,
            memory_bytes: (1.8 * f64::from(1 << 30)) as u64,
        };
        assert_eq!(
            memory.to_string(),
            "memory: 6 jobs of about 300 MiB fit in 1.8 GiB"
        );
        assert_eq!(
            Reason::Descriptors { jobs: 240 }.to_string(),
            "the open-file limit allows 240 jobs"
        );
        assert_eq!(Reason::SetByUser.to_string(), "set by -j");
    }

    #[test]
    fn singular() {
        assert_eq!(
            Reason::Processes { jobs: 1 }.to_string(),
            "the process limit allows 1 job"
        );
        let memory = Reason::Memory {
            jobs: 1,
            per_job_bytes: 900,
            memory_bytes: 1 << 10,
        };
        assert_eq!(
            memory.to_string(),
            "memory: 1 job of about 900 bytes fits in 1.0 KiB"
        );
    }

    /// Each variant with its label and its sentence.
    fn all() -> Vec<(Reason, &'static str, &'static str)> {
        let cpu = Reason::Cpu {
            cores: 8.0,
            busy: 0.3,
            jobs: 35,
        };
        let memory = Reason::Memory {
            jobs: 6,
            per_job_bytes: 300 << 20,
            memory_bytes: 2 << 30,
        };
        let refused = Reason::SpawnRefused {
            in_flight: 20,
            jobs: 18,
        };
        let gained = Reason::MoreGained {
            level: 64,
            over: 32,
            factor: 1.76,
        };
        let suffice = Reason::FewerSuffice {
            level: 20,
            than: 32,
            factor: 0.99,
        };
        let worse = Reason::NotBetter {
            tried: 64,
            factor: 0.63,
        };
        vec![
            (Reason::SetByUser, "set-by-user", "set by -j"),
            (
                Reason::RampingUp,
                "ramping-up",
                "ramping up: nothing binds yet",
            ),
            (
                Reason::NothingShared,
                "nothing-shared",
                "jobs only wait on timers: they share nothing, so more cost nothing",
            ),
            (
                Reason::CpuUnknown { cores: 1.5 },
                "cpu-unknown",
                "one job per core (1.5 cores) until their CPU use is known",
            ),
            (
                cpu,
                "cpu",
                "8 cores are filled by 35 jobs: each keeps 0.30 of a core busy",
            ),
            (
                memory,
                "memory",
                "memory: 6 jobs of about 300 MiB fit in 2.0 GiB",
            ),
            (
                Reason::Descriptors { jobs: 1 },
                "descriptors",
                "the open-file limit allows 1 job",
            ),
            (
                Reason::Processes { jobs: 90 },
                "processes",
                "the process limit allows 90 jobs",
            ),
            (
                refused,
                "spawn-refused",
                "the system refused another process beside 20 jobs: 18 at most for now",
            ),
            (
                Reason::Disk { jobs: 6 },
                "disk",
                "jobs mostly wait for the disk: 6 at once keep it busy",
            ),
            (
                Reason::Unproven { jobs: 32 },
                "unproven",
                "jobs may share a resource unseen: 32 at once are enough on trust",
            ),
            (
                Reason::Busy {
                    beside: 25,
                    jobs: 24,
                },
                "busy",
                "answered \"busy\" with 25 in flight: 24 at most for now",
            ),
            (
                Reason::LastJobs { jobs: 12 },
                "last-jobs",
                "the last 12 run together, so that no core idles",
            ),
            (
                Reason::Remembered { level: 20 },
                "remembered",
                "an earlier run of this command did best with 20 at once",
            ),
            (
                Reason::TryingMore { from: 32 },
                "trying-more",
                "trying whether more get more done than 32",
            ),
            (
                Reason::TryingFewer { from: 32 },
                "trying-fewer",
                "trying whether fewer get as much done as 32",
            ),
            (
                gained,
                "more-gained",
                "64 at once got 1.76 × the throughput of 32",
            ),
            (
                suffice,
                "fewer-suffice",
                "20 at once get as much done as 32",
            ),
            (
                worse,
                "not-better",
                "64 at once got only 0.63 × the throughput",
            ),
            (
                Reason::MoreFailed { tried: 64 },
                "more-failed",
                "with 64 at once more jobs failed",
            ),
            (
                Reason::Fitted { level: 15 },
                "fitted",
                "the curve measured so far peaks near 15",
            ),
            (
                Reason::Shifted { factor: 11.2 },
                "shifted",
                "jobs now take 11 × as long as before: searching anew",
            ),
            (
                Reason::MemoryShort { jobs: 5 },
                "memory-short",
                "memory ran short with more: 5 jobs at most for now",
            ),
            (
                Reason::NeverFull { tried: 64 },
                "never-full",
                "64 slots never filled: jobs end as fast as they are begun",
            ),
            (
                Reason::RoomAgain,
                "room-again",
                "what held it down has eased",
            ),
            (
                Reason::MinLevel { level: 6 },
                "min-level",
                "--min-level asks for 6",
            ),
            (
                Reason::MaxLevel { level: 10 },
                "max-level",
                "--max-level allows 10",
            ),
        ]
    }

    #[test]
    fn every_reason_is_a_sentence_for_people() {
        for (reason, _, sentence) in all() {
            assert_eq!(reason.to_string(), sentence);
            assert!(!sentence.ends_with('.') && !sentence.contains("  "));
        }
    }

    #[test]
    fn every_reason_has_one_word_of_its_own() {
        let mut seen = std::collections::HashSet::new();
        for (reason, label, _) in all() {
            assert_eq!(reason.label(), label);
            assert!(seen.insert(label), "{label} twice");
            let kebab = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(label.chars().all(kebab), "{label}");
        }
        // A new variant must be put into the list above too.
        assert_eq!(seen.len(), 27);
    }

    #[test]
    fn a_gain_is_told_from_a_draw() {
        let fewer = |factor| {
            Reason::FewerSuffice {
                level: 20,
                than: 9,
                factor,
            }
            .to_string()
        };
        assert_eq!(fewer(1.15), "20 at once got 1.15 × the throughput of 9");
        let tried = |factor| Reason::NotBetter { tried: 9, factor }.to_string();
        assert_eq!(tried(1.01), "9 at once got no more done");
    }
}
