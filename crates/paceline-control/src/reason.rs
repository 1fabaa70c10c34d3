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
    /// Jobs talk to many peers, of which each gets few of them.
    ManyPeers {
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
    /// Answers take about as long as with few in flight, so more are let in.
    StillQuick {
        /// How long they take, divided by how long with few.
        factor: f64,
    },
    /// Answers take much longer than with few in flight: they wait for one another.
    Slower {
        /// How long they take, divided by how long with few.
        factor: f64,
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
            Self::ManyPeers { .. } => "many-peers",
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
            Self::StillQuick { .. } => "still-quick",
            Self::Slower { .. } => "slower",
            Self::RoomAgain => "room-again",
            Self::MinLevel { .. } => "min-level",
            Self::MaxLevel { .. } => "max-level",
        }
    }
}

impl Reason {
    /// Something that jobs need would run out with more.
    pub(crate) fn is_a_cap(&self) -> bool {
        matches!(
            self,
            Self::Cpu { .. }
                | Self::Memory { .. }
                | Self::MemoryShort { .. }
                | Self::Descriptors { .. }
                | Self::Processes { .. }
                | Self::SpawnRefused { .. }
                | Self::Busy { .. }
        )
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
            Self::ManyPeers { jobs } => {
                write!(
                    f,
                    "jobs talk to many peers, and each gets few of them: {jobs} at once are safe on trust"
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
            Self::StillQuick { factor } if factor < 1.05 => {
                f.write_str("answers are as quick as with few in flight")
            }
            Self::StillQuick { factor } => write!(
                f,
                "answers take only {} as long as with few in flight",
                Times(factor)
            ),
            Self::Slower { factor } => write!(
                f,
                "answers take {} as long as with few in flight",
                Times(factor)
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
mod tests;
