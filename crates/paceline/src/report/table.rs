//! A report as a table for people.

use std::fmt;
use std::time::Duration;

use super::advice::Advice;
use super::{Report, StageKind, StageReport};

impl fmt::Display for StageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Io => "io",
            Self::Cpu => "cpu",
            Self::Blocking => "blocking",
            Self::Command => "command",
            Self::Batch => "batch",
            Self::FlatMap => "flat_map",
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wall {}, ideal {}", Time(self.wall), Time(self.ideal))?;
        if self.ideal > Duration::ZERO {
            let ratio = self.wall.as_secs_f64() / self.ideal.as_secs_f64();
            write!(f, " (x {ratio:.2})")?;
        }
        if let Some(overlap) = self.overlap {
            write!(f, ", overlap {:.0} %", 100.0 * overlap)?;
        }
        if self.peak_items > 0 {
            write!(f, ", at most {} items", self.peak_items)?;
            if self.peak_bytes > 0 {
                write!(f, " and {:.1} MB", self.peak_bytes as f64 / 1e6)?;
            }
            f.write_str(" in work")?;
        }
        f.write_str("\n")?;
        let widest = self.stages.iter().map(|stage| stage.name.chars().count());
        let name = widest.max().unwrap_or(0).max("stage".len());
        writeln!(
            f,
            "{:name$}  {:8}  {:>8}  {:>6}  {:>5}  {:>5}  {:>8}  {:>8}  {:>8}  {:>8}  level",
            "stage", "kind", "done", "failed", "again", "most", "busy", "cpu", "starved", "blocked",
        )?;
        for stage in &self.stages {
            write!(
                f,
                "{:name$}  {:8}  {:>8}  {:>6}  {:>5}  {:>5}  {:>8}  {:>8}  {:>8}  {:>8}  ",
                stage.name,
                stage.kind,
                stage.done,
                stage.failed,
                stage.retried,
                stage.peak,
                Time(stage.busy).to_string(),
                Time(stage.cpu).to_string(),
                Time(stage.starved).to_string(),
                Time(stage.blocked).to_string(),
            )?;
            write_path(stage, f)?;
            writeln!(f)?;
        }
        write!(f, "bottleneck: {}", Advice(self))?;
        #[cfg(feature = "tokio")]
        write_failures(&self.failures, f)?;
        Ok(())
    }
}

/// The first failures, and how many there are.
#[cfg(feature = "tokio")]
fn write_failures(failures: &[crate::Failure], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const SHOWN: usize = 5;
    if failures.is_empty() {
        return Ok(());
    }
    write!(f, "\nfailures: {}", failures.len())?;
    if failures.len() > SHOWN {
        write!(f, ", the first {SHOWN}")?;
    }
    for failure in failures.iter().take(SHOWN) {
        write!(f, "\n  {failure}")?;
    }
    Ok(())
}

/// The last steps of a level, and the reason of the very last.
fn write_path(stage: &StageReport, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const SHOWN: usize = 5;
    let skipped = stage.path.len().saturating_sub(SHOWN);
    if skipped > 0
        && let Some(first) = stage.path.first()
    {
        write!(f, "{} … ", first.level)?;
    }
    for (n, step) in stage.path.iter().skip(skipped).enumerate() {
        let arrow = if n > 0 { " → " } else { "" };
        write!(f, "{arrow}{}", step.level)?;
    }
    match stage.path.last() {
        Some(last) => write!(f, " ({})", last.reason),
        None => Ok(()),
    }
}

/// A duration in three digits.
struct Time(Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        match seconds {
            s if s >= 100.0 => write!(f, "{s:.0} s"),
            s if s >= 1.0 => write!(f, "{s:.2} s"),
            s if s >= 0.001 => write!(f, "{:.0} ms", s * 1e3),
            s => write!(f, "{:.0} µs", s * 1e6),
        }
    }
}
