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
    assert_eq!(
        Reason::Slower { factor: 2.4 }.to_string(),
        "answers take 2.4 × as long as with few in flight"
    );
    assert_eq!(
        Reason::StillQuick { factor: 1.2 }.to_string(),
        "answers take only 1.20 × as long as with few in flight"
    );
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
            Reason::ManyPeers { jobs: 512 },
            "many-peers",
            "jobs talk to many peers, and each gets few of them: 512 at once are safe on trust",
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
    assert_eq!(seen.len(), 28);
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
