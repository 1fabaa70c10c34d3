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
            Self::Descriptors { .. } => "descriptors",
            Self::Processes { .. } => "processes",
            Self::SpawnRefused { .. } => "spawn-refused",
            Self::Disk { .. } => "disk",
            Self::Unproven { .. } => "unproven",
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

    #[test]
    fn labels_are_one_word() {
        let label = Reason::SpawnRefused {
            in_flight: 3,
            jobs: 2,
        }
        .label();
        assert_eq!(label, "spawn-refused");
        assert!(!label.contains(' '));
    }
}
