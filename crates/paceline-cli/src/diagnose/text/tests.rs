//! What a verdict looks like, on profiles made by hand.

use std::time::Duration;

use paceline_observe::profile::{Class, Ending, Source, SourceLine, Target};
use paceline_observe::verdict::{Bound, Cause, MemoryNeed, Model, Prescription, Shares, Speedup};
use textwrap::core::display_width;

use super::super::target::{Exit, Subject};
use super::*;
use crate::plot::Characters;

const PLAIN: Style = Style {
    colours: false,
    characters: Characters::Unicode,
};

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Five requests of a second, one after another.
fn fetch() -> (Profile, Verdict) {
    let mut profile = Profile {
        wall: seconds(5.2),
        ending: Ending::ProgramEnded,
        cores: 2.0,
        threads_seen: 1,
        processes_seen: 1,
        ..Profile::default()
    };
    for (class, time) in [
        (Class::Network, 5.0),
        (Class::Cpu, 0.15),
        (Class::Idle, 3.0),
    ] {
        profile.time[class] = seconds(time);
        profile.of_wall[class] = seconds(time);
    }
    profile.overlap.compute = seconds(0.15);
    profile.overlap.io = seconds(5.0);
    profile.waits.push(Wait {
        class: Class::Network,
        target: Target::Peer("tcp 10.0.0.7:5432".to_owned()),
        call: "recvfrom",
        line: Some(SourceLine {
            file: "/srv/app/fetch.py".to_owned(),
            line: 12,
            function: "fetch".to_owned(),
        }),
        syncs: false,
        time: seconds(5.0),
        timed: Duration::ZERO,
        of_wall: seconds(5.0),
        effective_count: 5.0,
        longest: seconds(1.01),
        threads: 1,
        slices: 5,
        futex: None,
    });
    profile.sources.proc = Source::Used;
    profile.sources.switches =
        Source::Missing("kernel.perf_event_paranoid is 4, which forbids it".to_owned());
    profile.observer.cpu = seconds(0.03);
    profile.observer.looks = 530;
    let verdict = Verdict {
        bound: Bound::Io,
        cause: Cause::SerialWaits,
        sentence: "It waits for one answer after another, 96 % of the time.".to_owned(),
        evidence: vec![
            "96 % of the time an input or output is in flight (at least 30 %)".to_owned(),
            "1.0 are in flight at once (below 1.5)".to_owned(),
        ],
        confidence: 0.94,
        shares: Shares::default(),
        overlap: Some(0.0),
        concurrency: 1.0,
        utilisation: 0.014,
        prescription: Prescription {
            model: Model::Threads,
            level: 5,
            advice: "Have 5 in flight at once with a pool of threads.".to_owned(),
            speedup: Speedup {
                low: 2.5,
                point: 4.9,
                high: 5.0,
                law: Law::MeanValueAnalysis,
            },
            memory: MemoryNeed {
                threads: 320 << 10,
                r#async: 80 << 10,
                processes: 45 << 20,
            },
        },
    };
    (profile, verdict)
}

fn subject(words: &[&str]) -> Subject {
    Subject {
        pid: 1234,
        words: words.iter().map(Into::into).collect(),
    }
}

fn told(profile: &Profile, verdict: &Verdict, style: Style) -> String {
    let report = Report {
        profile,
        verdict,
        about: About::Program {
            subject: &subject(&["python3", "fetch.py"]),
            exit: Some(Exit::Code(0)),
        },
    };
    text(&report, style)
}

#[test]
fn a_verdict_is_told() {
    let (profile, verdict) = fetch();
    insta::assert_snapshot!(told(&profile, &verdict, PLAIN), @r"
    paceline: It waits for one answer after another, 96 % of the time.
      cause       serial-waits, bound: io, confidence 94 %
      watched     python3 fetch.py (process 1234) for 5.2 s, until it ended (exit
                  0); 1 process, 1 thread

                                                         of wall   thread time
      network     ██████████████████████████████████▋       96 %         5.0 s
      on a core   █                                          3 %         0.1 s
      idle        ████████████████████▊                     58 %         3.0 s
                  idle: has no work

      waits       5.0 s network: tcp 10.0.0.7:5432 at /srv/app/fetch.py:12 in fetch
                  (about 5 times, longest 1.0 s, in recvfrom)

      overlap     0 %: 0.1 s of compute and 5.0 s of input and output, 0 ms of it
                  together
      in use      0.03 of 2.0 cores (1 %); 1.0 inputs and outputs in flight

      do          Have 5 in flight at once with a pool of threads.
      how         threads, 5 at once
      speed-up    4.9 times as fast; at least 2.5, at most 5.0 (utilisation law,
                  Little's law and mean-value analysis)
      memory      for 5 at once: threads 320 KiB, async 80 KiB, processes 45 MiB
      because     96 % of the time an input or output is in flight (at least 30 %)
                  1.0 are in flight at once (below 1.5)

      sources     /proc used; sockets not needed; context switches missing:
                  kernel.perf_event_paranoid is 4, which forbids it; lines of Python
                  not needed
      cost        watching took 30 ms of CPU, 0.6 % of a core, in 530 looks
    ");
}

#[test]
fn a_run_says_why_below_its_summary() {
    let (profile, verdict) = fetch();
    let report = Report {
        profile: &profile,
        verdict: &verdict,
        about: About::Jobs,
    };
    let told = text(&report, PLAIN);
    let lines: Vec<&str> = told.lines().take(3).collect();
    assert_eq!(
        lines,
        [
            "  why         It waits for one answer after another, 96 % of the time.",
            "  cause       serial-waits, bound: io, confidence 94 %",
            "  watched     the jobs for 5.2 s, from start to end; 1 process, 1 thread",
        ]
    );
}

#[test]
fn nothing_foreign_reaches_the_terminal_as_it_is() {
    let (mut profile, mut verdict) = fetch();
    let hostile = "x\n\u{1b}[2J\u{7}\u{9b}31m\r".repeat(20);
    for target in [
        Target::Peer(hostile.clone()),
        Target::File(hostile.clone()),
        Target::Child(hostile.clone()),
        Target::Call(hostile.clone()),
        Target::Pipe {
            name: hostile.clone(),
            other: Some(hostile.clone()),
        },
    ] {
        profile.waits[0].target = target;
        profile.waits[0].line = Some(SourceLine {
            file: hostile.clone(),
            line: 1,
            function: hostile.clone(),
        });
        profile.sources.python = Source::Missing(hostile.clone());
        verdict.sentence.clone_from(&hostile);
        verdict.evidence = vec![hostile.clone()];
        verdict.prescription.advice.clone_from(&hostile);
        let report = Report {
            profile: &profile,
            verdict: &verdict,
            about: About::Program {
                subject: &subject(&[&hostile, &hostile]),
                exit: None,
            },
        };
        let text = text(&report, PLAIN);
        assert!(
            text.chars().all(|c| c == '\n' || !c.is_control()),
            "{text:?}"
        );
        assert!(text.lines().all(|line| display_width(line) <= 80), "{text}");
    }
}

#[test]
fn colours_change_nothing_but_the_colour() {
    let (profile, verdict) = fetch();
    let coloured = told(
        &profile,
        &verdict,
        Style {
            colours: true,
            ..PLAIN
        },
    );
    assert!(coloured.contains("\u{1b}[1mpaceline: "), "{coloured:?}");
    let mut bare = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        bare += before;
        rest = after.split_once('m').expect("ends").1;
    }
    bare += rest;
    assert_eq!(bare, told(&profile, &verdict, PLAIN));
}

#[test]
fn where_there_is_nothing_to_gain_no_plan_is_made() {
    let (profile, mut verdict) = fetch();
    verdict.prescription.model = Model::AsIs;
    let as_it_is = told(&profile, &verdict, PLAIN);
    assert!(as_it_is.contains("\n  speed-up    4.9 times"), "{as_it_is}");
    assert!(!as_it_is.contains("\n  memory"), "{as_it_is}");
    verdict.prescription.speedup.law = Law::None;
    let none = told(&profile, &verdict, PLAIN);
    assert!(none.contains("\n  speed-up    none that could"), "{none}");
}

#[test]
fn an_empty_profile_is_told_too() {
    let verdict = paceline_observe::verdict::judge(&Profile::default());
    let told = told(&Profile::default(), &verdict, PLAIN);
    assert!(told.contains("\n  cause       undetermined"), "{told}");
    assert!(!told.contains("NaN") && !told.contains("inf"), "{told}");
}
