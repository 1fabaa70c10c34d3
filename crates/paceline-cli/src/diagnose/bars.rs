//! How the time went, class by class, as bars.

use std::time::Duration;

use anstyle::{AnsiColor, Style as Colour};
use paceline_observe::profile::{Class, Profile};

use super::destination::Style;
use super::layout::Lines;
use super::words;
use crate::plot::Characters;
use crate::run::time;

/// Cells of a bar that takes the whole time.
const CELLS: usize = 36;
/// Less than this share of the wall, and of the threads' time, is not shown.
const LEAST: f64 = 0.001;

/// One class.
struct Row {
    class: Class,
    /// Share of the wall in which at least one thread did this.
    of_wall: f64,
    /// Of all threads together.
    time: Duration,
}

/// A bar for each class that took time: those in which work moves on or waits first, then those that
/// stand by; each the longest first.
pub(super) fn bars(profile: &Profile, style: Style, lines: &mut Lines) {
    let wall = profile.wall.as_secs_f64();
    let all: Duration = profile.time.iter().map(|(_, time)| *time).sum();
    if wall <= 0.0 || all.is_zero() {
        return;
    }
    let mut rows: Vec<Row> = profile
        .time
        .iter()
        .map(|(class, &time)| Row {
            class,
            of_wall: (profile.of_wall[class].as_secs_f64() / wall).clamp(0.0, 1.0),
            time,
        })
        .filter(|row| row.of_wall >= LEAST || row.time.as_secs_f64() >= LEAST * all.as_secs_f64())
        .collect();
    rows.sort_by_key(|row| (row.class.is_standby(), std::cmp::Reverse(row.time)));
    lines.line(&format!(
        "  {:<12}{:CELLS$}  {:>8}  {:>12}",
        "", "", "of wall", "thread time"
    ));
    let meanings: Vec<&str> = rows.iter().filter_map(|row| meaning(row.class)).collect();
    for row in rows {
        let bar = bar(row.of_wall, style.characters);
        let colour = if style.colours {
            colour(row.class)
        } else {
            Colour::new()
        };
        lines.line(&format!(
            "  {:<12}{colour}{bar:<CELLS$}{colour:#}  {:>6.0} %  {:>12}",
            words::class(row.class),
            100.0 * row.of_wall,
            time(row.time),
        ));
    }
    if !meanings.is_empty() {
        lines.entry("", &meanings.join("; "));
    }
}

/// Of words that do not speak for themselves.
fn meaning(class: Class) -> Option<&'static str> {
    match class {
        Class::Condition => Some("condition: waits for a signal from another thread"),
        Class::Join => Some("join: waits for other threads to end, or for their results"),
        Class::Idle => Some("idle: has no work"),
        _ => None,
    }
}

fn bar(share: f64, characters: Characters) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = ((share * (CELLS * 8) as f64).round() as usize).min(CELLS * 8);
    match characters {
        // What was measured is seen, however little it is.
        Characters::Unicode => "█".repeat(eighths.max(1) / 8) + PARTS[eighths.max(1) % 8],
        Characters::Ascii => "#".repeat((eighths + 4) / 8),
    }
}

/// Green moves on, red is a fault of the program's structure, yellow is crowding.
fn colour(class: Class) -> Colour {
    let colour = match class {
        Class::Cpu => AnsiColor::Green,
        Class::RunQueue => AnsiColor::Yellow,
        Class::Disk | Class::PageFault | Class::Network | Class::Pipe => AnsiColor::Blue,
        Class::Lock | Class::Condition | Class::Gil => AnsiColor::Red,
        Class::Sleep | Class::Child | Class::Poll | Class::Other => AnsiColor::Cyan,
        Class::Join | Class::Idle => AnsiColor::BrightBlack,
    };
    colour.on_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_share() {
        assert_eq!(bar(1.0, Characters::Ascii).len(), CELLS);
        assert_eq!(bar(0.5, Characters::Ascii).len(), CELLS / 2);
        assert_eq!(bar(0.0, Characters::Ascii), "");
        assert_eq!(bar(1.0, Characters::Unicode).chars().count(), CELLS);
        assert_eq!(bar(0.0001, Characters::Unicode), "▏");
        assert_eq!(bar(1.5 / CELLS as f64, Characters::Unicode), "█▌");
    }
}
