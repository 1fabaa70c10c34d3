//! What was seen, in the words of people. Names come from programs and may hold anything: what goes to
//! a terminal passes through [`harmless`].

use std::os::unix::ffi::OsStrExt;

use paceline_observe::profile::{Class, Ending, Source, SourceLine, Target};
use paceline_observe::verdict::{Law, Model};
use paceline_run::input::display_joined;
use serde::Serialize;
use textwrap::core::display_width;

use super::target::{Exit, Subject};

/// One line without control characters.
pub(super) fn harmless(text: &str) -> String {
    display_joined(text.as_bytes())
}

/// The word for a value that JSON has one for.
pub(super) fn label(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// A program by its words, in at most about `width` columns.
pub(super) fn subject(subject: &Subject, width: usize) -> String {
    let mut words: Vec<&[u8]> = subject.words.iter().map(|word| word.as_bytes()).collect();
    if let Some(program) = words.first_mut() {
        // Where it lies says little, and takes the place of what it was told to do.
        let name = program.rsplit(|byte| *byte == b'/').next();
        *program = name.filter(|name| !name.is_empty()).unwrap_or(program);
    }
    let words = display_joined(&words.join(&b' '));
    let words = words.trim();
    if words.is_empty() {
        format!("process {}", subject.pid)
    } else {
        format!("{} (process {})", start(words, width), subject.pid)
    }
}

/// What threads do, for a table.
pub(super) fn class(class: Class) -> &'static str {
    match class {
        Class::Cpu => "on a core",
        Class::RunQueue => "run queue",
        Class::Disk => "disk",
        Class::PageFault => "page fault",
        Class::Network => "network",
        Class::Pipe => "pipe",
        Class::Lock => "lock",
        Class::Condition => "condition",
        Class::Join => "join",
        Class::Idle => "idle",
        Class::Sleep => "timer",
        Class::Child => "child",
        Class::Poll => "event poll",
        Class::Gil => "GIL",
        Class::Other => "other",
    }
}

/// What is waited for. Not made harmless.
pub(super) fn target(target: &Target) -> String {
    match target {
        Target::Peer(name) | Target::File(name) | Target::Child(name) | Target::Call(name) => {
            name.clone()
        }
        Target::Pipe {
            name,
            other: Some(other),
        } => format!("{name} of {other}"),
        Target::Pipe { name, other: None } => name.clone(),
        Target::Lock {
            pid: Some(pid),
            address,
        } => format!("lock {address:#x} of process {pid}"),
        Target::Lock { pid: None, address } => format!("lock {address:#x} between processes"),
    }
}

/// `app.py:12`. Not made harmless.
pub(super) fn line(line: &SourceLine) -> String {
    format!("{}:{}", line.file, line.line)
}

/// A way to run work at once.
pub(super) fn model(model: Model) -> &'static str {
    match model {
        Model::Threads => "threads",
        Model::Async => "tasks of an event loop (async)",
        Model::Processes => "processes",
        Model::CpuPool => "a pool of threads that compute",
        Model::AsIs => "as it is",
    }
}

/// Where a prediction comes from.
pub(super) fn law(law: Law) -> &'static str {
    match law {
        Law::None => "nothing to gain",
        Law::Amdahl => "Amdahl's law",
        Law::MeanValueAnalysis => "utilisation law, Little's law and mean-value analysis",
        Law::Prefetch => "prefetching: (C + I) / max(C, I)",
    }
}

/// Whether a source spoke. Not made harmless.
pub(super) fn source(source: &Source) -> String {
    match source {
        Source::Used => "used".to_owned(),
        Source::NotNeeded => "not needed".to_owned(),
        Source::Missing(why) => format!("missing: {why}"),
    }
}

/// How watching ended.
pub(super) fn ending(ending: Ending, exit: Option<Exit>) -> String {
    let how = exit.map(|exit| match exit {
        Exit::Code(code) => format!("exit {code}"),
        Exit::Signal(signal) => signal_hook::low_level::signal_name(signal)
            .map_or_else(|| format!("signal {signal}"), str::to_owned),
    });
    match (ending, how) {
        (_, Some(how)) => format!("until it ended ({how})"),
        (Ending::ProgramEnded, None) => "until it ended".to_owned(),
        (Ending::TimeUp, None) => "it goes on".to_owned(),
        (Ending::Interrupted, None) => "until you stopped it".to_owned(),
    }
}

/// An amount of memory.
pub(super) fn bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "bytes";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if value < 10.0 && unit != "bytes" {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.0} {unit}")
    }
}

/// The beginning of a text, in at most `width` columns.
pub(super) fn start(text: &str, width: usize) -> String {
    if display_width(text) <= width {
        return text.to_owned();
    }
    let mut shown = String::new();
    for character in text.chars() {
        shown.push(character);
        if display_width(&shown) > width.saturating_sub(1) {
            shown.pop();
            break;
        }
    }
    shown.push('…');
    shown
}

/// The end of a text, in at most `width` columns: of a path, that says most.
pub(super) fn end(text: &str, width: usize) -> String {
    if display_width(text) <= width {
        return text.to_owned();
    }
    let mut skipped = text.chars();
    while display_width(skipped.as_str()) > width.saturating_sub(1) {
        skipped.next();
    }
    format!("…{}", skipped.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_where_they_say_least() {
        assert_eq!(start("abcdef", 6), "abcdef");
        assert_eq!(start("abcdefg", 6), "abcde…");
        assert_eq!(end("/a/b/name", 6), "…/name");
        // Two columns each.
        assert_eq!(start("日本語日本語", 7), "日本語…");
        assert_eq!(end("日本語日本語", 6), "…本語");
        assert_eq!(end("", 6), "");
    }

    #[test]
    fn a_subject_is_one_harmless_line() {
        let shown = |words: &[&str]| {
            let subject_of = Subject {
                pid: 7,
                words: words.iter().map(Into::into).collect(),
            };
            subject(&subject_of, 30)
        };
        assert_eq!(
            shown(&["a", "b\n\x1b[31m"]),
            "a b\\n\\u{1b}[31m (process 7)"
        );
        assert_eq!(shown(&["/usr/bin/a", "/x/y"]), "a /x/y (process 7)");
        assert_eq!(shown(&["/", "x"]), "/ x (process 7)");
        assert_eq!(shown(&[]), "process 7");
        assert_eq!(shown(&[""]), "process 7");
    }

    #[test]
    fn labels_are_those_of_json() {
        assert_eq!(label(&Class::RunQueue), "run-queue");
        assert_eq!(label(&Model::CpuPool), "cpu-pool");
        assert_eq!(label(&Law::MeanValueAnalysis), "mean-value-analysis");
    }
}
