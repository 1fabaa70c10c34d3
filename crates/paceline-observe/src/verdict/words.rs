//! Numbers and targets in words, for sentences that people read.

use crate::profile::{SourceLine, Target, Wait};

/// "47 %".
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.95 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}

/// "1.7", "23": as many digits as can be meant.
pub(super) fn number(value: f64) -> String {
    if value.abs() < 9.95 && value.fract() != 0.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

/// "12 ms", "3.4 s".
pub(super) fn seconds(value: f64) -> String {
    if value < 0.000_999_5 {
        format!("{:.0} µs", value * 1e6)
    } else if value < 0.9995 {
        format!("{} ms", number(value * 1e3))
    } else {
        format!("{} s", number(value))
    }
}

/// "1 thread", "3 threads".
pub(super) fn count(n: usize, of: &str) -> String {
    format!("{n} {of}{}", if n == 1 { "" } else { "s" })
}

/// "340 MiB".
pub(super) fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 1023.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{} {}", number(value), UNITS[unit])
}

/// A target as one names it, with control characters made harmless: names come from programs.
pub(super) fn target(target: &Target) -> String {
    match target {
        Target::Peer(name) | Target::File(name) | Target::Call(name) => clean(name),
        Target::Child(name) => format!("child process {}", clean(name)),
        Target::Pipe {
            other: Some(other), ..
        } => format!("{} at the other end of a pipe", clean(other)),
        Target::Pipe { name, other: None } => format!("the other end of {}", clean(name)),
        Target::Lock {
            pid: Some(pid),
            address,
        } => format!("the lock at {address:#x} in process {pid}"),
        Target::Lock { pid: None, address } => {
            format!("the lock at {address:#x}, which processes share")
        }
    }
}

/// What a wait is for and where in the source it is.
pub(super) fn place(wait: &Wait) -> String {
    match &wait.line {
        Some(at) => format!("{} at {}", target(&wait.target), line(at)),
        None => target(&wait.target),
    }
}

/// "fetch.py:12 (download)".
pub(super) fn line(at: &SourceLine) -> String {
    if at.function.is_empty() {
        format!("{}:{}", clean(&at.file), at.line)
    } else {
        format!("{}:{} ({})", clean(&at.file), at.line, clean(&at.function))
    }
}

fn clean(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_count() {
        assert_eq!(percent(0.472), "47 %");
        assert_eq!(percent(0.003), "0.3 %");
        assert_eq!(number(1.66), "1.7");
        assert_eq!(number(23.4), "23");
        assert_eq!(seconds(0.012), "12 ms");
        assert_eq!(seconds(0.000_12), "120 µs");
        assert_eq!(seconds(3.44), "3.4 s");
        assert_eq!(bytes(340 << 20), "340 MiB");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(u64::MAX), "16777216 TiB");
        assert_eq!(count(1, "thread"), "1 thread");
    }

    #[test]
    fn a_name_cannot_write_to_the_terminal() {
        let hostile = Target::File("/tmp/\u{1b}[2J\nx".into());
        assert_eq!(target(&hostile), "/tmp/\u{fffd}[2J\u{fffd}x");
    }
}
