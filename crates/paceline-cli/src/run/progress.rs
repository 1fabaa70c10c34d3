//! What the user sees while jobs run.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use paceline_control::Decision;
use paceline_run::engine::Status;
use paceline_run::output::{Gate, NoGate};

use super::flags::ProgressMode;
use super::remembered::Begun;

/// Often enough to look alive.
const BAR_EVERY: Duration = Duration::from_millis(100);
/// Seldom enough for a log.
const PLAIN_EVERY: Duration = Duration::from_secs(5);
/// Over how long the rate for the estimate is taken, roughly.
const RATE_WINDOW: Duration = Duration::from_secs(20);

/// A progress display.
pub(crate) struct Progress {
    shown: Shown,
    rate: Rate,
    reason: String,
}

enum Shown {
    Nothing,
    Bar(ProgressBar),
    Plain,
}

impl Progress {
    pub(crate) fn new(mode: ProgressMode) -> Self {
        let terminal = std::io::stderr().is_terminal()
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let shown = match mode {
            ProgressMode::Bar => Self::bar(),
            ProgressMode::Auto if terminal => Self::bar(),
            ProgressMode::Plain => Shown::Plain,
            ProgressMode::Auto | ProgressMode::None => Shown::Nothing,
        };
        Self {
            shown,
            rate: Rate::default(),
            reason: String::new(),
        }
    }

    fn bar() -> Shown {
        // Also draws where there is no terminal, if the user insists.
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr_with_hz(10)
        } else {
            return Shown::Plain;
        };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
            bar.set_style(style);
        }
        Shown::Bar(bar)
    }

    /// What makes room for output.
    pub(crate) fn gate(&self) -> Arc<dyn Gate> {
        match &self.shown {
            Shown::Bar(bar) => Arc::new(BarGate(bar.clone())),
            Shown::Nothing | Shown::Plain => Arc::new(NoGate),
        }
    }

    pub(crate) fn beat_every(&self) -> Option<Duration> {
        match self.shown {
            Shown::Nothing => None,
            Shown::Bar(_) => Some(BAR_EVERY),
            Shown::Plain => Some(PLAIN_EVERY),
        }
    }

    pub(crate) fn decided(&mut self, decision: &Decision) {
        self.reason = decision.reason.to_string();
    }

    /// The level at the start comes from earlier runs.
    pub(crate) fn begun(&mut self, begun: &Begun) {
        self.reason = begun.to_string();
    }

    pub(crate) fn beat(&mut self, at: Duration, status: &Status) {
        self.rate.add(at, status.done + status.failed);
        self.show(at, line(status, self.rate.per_second(), &self.reason));
    }

    /// Brings the progress line up to date.
    pub(crate) fn show(&self, at: Duration, line: String) {
        match &self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => {
                bar.set_message(line);
                bar.tick();
            }
            Shown::Plain => tell!("paceline: {:.0} s: {line}", at.as_secs_f64()),
        }
    }

    /// Says something without disturbing the progress line.
    pub(crate) fn say(&self, message: &str) {
        match &self.shown {
            Shown::Bar(bar) => bar.suspend(|| tell!("paceline: {message}")),
            Shown::Nothing | Shown::Plain => tell!("paceline: {message}"),
        }
    }

    /// Takes the progress line off the terminal; the next beat brings it back.
    pub(crate) fn clear(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.suspend(|| {});
            bar.set_message("");
            bar.tick();
        }
    }

    pub(crate) fn finish(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

struct BarGate(ProgressBar);

impl Gate for BarGate {
    fn around(&self, write: &mut dyn FnMut()) {
        self.0.suspend(write);
    }
}

fn line(status: &Status, per_second: Option<f64>, reason: &str) -> String {
    use std::fmt::Write as _;
    let mut line = format!("{} done", grouped(status.done));
    // Writing into a string cannot fail.
    if status.failed > 0 {
        let _ = write!(line, ", {} failed", grouped(status.failed));
    }
    if status.skipped > 0 {
        let _ = write!(line, ", {} skipped", grouped(status.skipped));
    }
    if status.busy > 0 {
        let _ = write!(line, ", {} busy", grouped(status.busy));
    }
    if status.shed > 0 {
        let _ = write!(line, ", {} put back", grouped(status.shed));
    }
    let _ = write!(line, ", {} running", status.running);
    let known = if status.total.is_some() { "" } else { "+" };
    let _ = write!(line, ", {}{known} left", grouped(status.waiting));
    if let Some(rate) = per_second {
        let _ = write!(line, " | {}/s", short(rate));
        if status.total.is_some() && rate > 0.0 {
            let left = (status.waiting + status.running as u64) as f64 / rate;
            let _ = write!(
                line,
                ", {} to go",
                time(Duration::from_secs_f64(left.min(1e9)))
            );
        }
    }
    let _ = write!(line, " | level {}", status.limit);
    if !reason.is_empty() {
        let _ = write!(line, ": {reason}");
    }
    line
}

/// Jobs per second over the recent past.
#[derive(Debug, Default)]
struct Rate {
    /// Times and counts, oldest first.
    points: std::collections::VecDeque<(Duration, u64)>,
}

impl Rate {
    fn add(&mut self, at: Duration, ended: u64) {
        self.points.push_back((at, ended));
        while self.points.len() > 2 && at.saturating_sub(self.points[0].0) > RATE_WINDOW {
            self.points.pop_front();
        }
    }

    fn per_second(&self) -> Option<f64> {
        let (first, last) = (self.points.front()?, self.points.back()?);
        let seconds = last.0.checked_sub(first.0)?.as_secs_f64();
        let ended = last.1.checked_sub(first.1)?;
        (ended > 0 && seconds > 0.0).then(|| ended as f64 / seconds)
    }
}

/// A count with its digits in threes.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn short(rate: f64) -> String {
    if rate >= 10.0 {
        format!("{rate:.0}")
    } else {
        format!("{rate:.1}")
    }
}

/// A time as people say it: `1.4 s`, `2 min 5 s`, `3 h 20 min`.
pub(crate) fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let whole = seconds.round() as u64;
    match whole {
        _ if seconds < 0.1 => format!("{:.0} ms", seconds * 1e3),
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        3600..172_800 => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} days", whole / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_is_known() {
        let mut status = Status {
            done: 1234,
            running: 8,
            waiting: 100,
            limit: 8,
            ..Status::default()
        };
        assert_eq!(
            line(&status, None, ""),
            "1,234 done, 8 running, 100+ left | level 8"
        );
        status.busy = 37;
        status.shed = 1;
        assert_eq!(
            line(&status, None, ""),
            "1,234 done, 37 busy, 1 put back, 8 running, 100+ left | level 8"
        );
        status.busy = 0;
        status.shed = 0;
        status.failed = 2;
        status.total = Some(1344);
        assert_eq!(
            line(&status, Some(12.0), "set by -j"),
            "1,234 done, 2 failed, 8 running, 100 left | 12/s, 9.0 s to go | level 8: set by -j"
        );
    }

    #[test]
    fn the_rate_is_of_the_recent_past() {
        let mut rate = Rate::default();
        assert_eq!(rate.per_second(), None);
        for second in 0..100 {
            rate.add(
                Duration::from_secs(second),
                second * if second < 50 { 1 } else { 3 },
            );
        }
        let recent = rate.per_second().expect("has points");
        assert!((recent - 3.0).abs() < 0.2, "{recent}");
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        let said: Vec<_> = [0.02, 1.4, 125.0, 12_000.0, 300_000.0]
            .map(|s| time(Duration::from_secs_f64(s)))
            .to_vec();
        assert_eq!(
            said,
            ["20 ms", "1.4 s", "2 min 5 s", "3 h 20 min", "3 days"]
        );
    }
}
