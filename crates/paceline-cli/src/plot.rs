//! Throughput over level, drawn with characters.
//!
//! Only what was measured is drawn: a bar for each level, on a logarithmic axis, with nothing made
//! up in between.

use std::io::{self, IsTerminal};

/// Bars are this many lines high.
const HEIGHT: usize = 5;
/// Columns for each doubling of the level, where there is room.
const PER_DOUBLING: f64 = 8.0;
/// Columns where the width is unknown.
const USUAL_WIDTH: usize = 80;
/// Wider is not easier to read.
const MOST_WIDTH: usize = 100;

/// The characters that can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Characters {
    /// Blocks and lines.
    Unicode,
    /// What every terminal has.
    Ascii,
}

impl Characters {
    /// By the locale and the terminal, as `variable` gives their names.
    pub(crate) fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(|name| variable(name).filter(|value| !value.is_empty()))
            .unwrap_or_default()
            .to_ascii_lowercase();
        let utf8 = locale.contains("utf-8") || locale.contains("utf8");
        let dumb = variable("TERM").is_some_and(|term| term == "dumb");
        if utf8 && !dumb {
            Self::Unicode
        } else {
            Self::Ascii
        }
    }

    /// By our own environment.
    pub(crate) fn ours() -> Self {
        Self::of(|name| std::env::var(name).ok())
    }

    /// A cell that is filled up to this many eighths.
    fn cell(self, eighths: usize) -> char {
        const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        match self {
            Self::Unicode => BLOCKS[eighths.min(8)],
            Self::Ascii if eighths >= 4 => '#',
            Self::Ascii if eighths > 0 => '.',
            Self::Ascii => ' ',
        }
    }
}

/// Columns of standard output, within reason.
pub(crate) fn width() -> usize {
    let stdout = io::stdout();
    let terminal = stdout
        .is_terminal()
        .then(|| rustix::termios::tcgetwinsize(&stdout).ok())
        .flatten()
        .map(|size| usize::from(size.ws_col))
        .filter(|columns| *columns > 0);
    let named = || std::env::var("COLUMNS").ok()?.parse().ok();
    terminal
        .or_else(named)
        .unwrap_or(USUAL_WIDTH)
        .clamp(20, MOST_WIDTH)
}

/// Levels with their throughput in jobs per second, lowest level first, as lines of at most
/// `width` columns. The `chosen` level is pointed at. Nothing without two levels.
pub(crate) fn plot(
    points: &[(usize, f64)],
    chosen: usize,
    characters: Characters,
    width: usize,
) -> Vec<String> {
    let points: Vec<(usize, f64)> = points
        .iter()
        .copied()
        .filter(|(level, rate)| *level > 0 && rate.is_finite() && *rate >= 0.0)
        .collect();
    let most = points.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
    if points.len() < 2 || most <= 0.0 {
        return Vec::new();
    }
    let label = format!("{}/s ", short(most));
    let chosen = Some(chosen).filter(|level| *level > 0);
    let levels = points.iter().map(|(level, _)| *level).chain(chosen);
    let axis = Axis::over(levels, width.saturating_sub(label.len() + 2));
    let mut lines = Vec::new();
    for row in (0..HEIGHT).rev() {
        let mut cells = vec![' '; axis.columns];
        for (level, rate) in &points {
            let eighths = (rate / most * (HEIGHT * 8) as f64).round() as usize;
            // What was measured is seen, however little it is.
            let eighths = eighths.max(1).saturating_sub(row * 8);
            for column in axis.bar(*level) {
                cells[column] = characters.cell(eighths);
            }
        }
        let margin = if row + 1 == HEIGHT { &label } else { "" };
        lines.push(framed(margin, label.len(), characters, &cells));
    }
    let (corner, line, tick, mark) = match characters {
        Characters::Unicode => ('└', '─', '┴', '▲'),
        Characters::Ascii => ('+', '-', '+', '^'),
    };
    let mut ruler = vec![line; axis.columns];
    for (level, _) in &points {
        ruler[axis.column(*level)] = tick;
    }
    if let Some(chosen) = chosen {
        ruler[axis.column(chosen)] = mark;
    }
    lines.push(format!(
        "{:>margin$}{corner}{}",
        "0 ",
        ruler.iter().collect::<String>(),
        margin = label.len(),
    ));
    let names = axis.names(chosen, points.iter().map(|(level, _)| *level));
    lines.push(format!("{:margin$} {names}", "", margin = label.len()));
    lines
        .iter_mut()
        .for_each(|line| line.truncate(line.trim_end().len()));
    lines
}

fn framed(label: &str, margin: usize, characters: Characters, cells: &[char]) -> String {
    let side = match characters {
        Characters::Unicode => '│',
        Characters::Ascii => '|',
    };
    format!("{label:margin$}{side}{}", cells.iter().collect::<String>())
}

/// Where levels stand.
struct Axis {
    lowest: f64,
    doublings: f64,
    columns: usize,
    /// On both sides of a bar's middle.
    half_bar: usize,
}

impl Axis {
    fn over(levels: impl Iterator<Item = usize>, room: usize) -> Self {
        let (mut low, mut high) = (f64::INFINITY, 1.0_f64);
        for level in levels {
            low = low.min(level as f64);
            high = high.max(level as f64);
        }
        let doublings = (high / low).log2().max(0.1);
        let wanted = (doublings * PER_DOUBLING).ceil() as usize + 3;
        let columns = wanted.min(room).max(8);
        let half_bar = usize::from((columns - 3) as f64 / doublings >= 6.0);
        Self {
            lowest: low,
            doublings,
            columns,
            half_bar,
        }
    }

    fn column(&self, level: usize) -> usize {
        let share = (level as f64 / self.lowest).log2() / self.doublings;
        1 + (share.clamp(0.0, 1.0) * (self.columns - 3) as f64).round() as usize
    }

    fn bar(&self, level: usize) -> std::ops::RangeInclusive<usize> {
        let middle = self.column(level);
        middle - self.half_bar..=middle + self.half_bar
    }

    /// The levels below the axis, as many as fit: the chosen one first, then from the left.
    fn names(&self, chosen: Option<usize>, levels: impl Iterator<Item = usize>) -> String {
        let mut line: Vec<u8> = vec![b' '; self.columns];
        for level in chosen.into_iter().chain(levels) {
            let name = level.to_string();
            let start = self.column(level).saturating_sub(name.len() / 2);
            let start = start.min(self.columns.saturating_sub(name.len()));
            let end = start + name.len();
            let around = start.saturating_sub(1)..(end + 1).min(line.len());
            if end <= line.len() && line[around].iter().all(|byte| *byte == b' ') {
                line[start..end].copy_from_slice(name.as_bytes());
            }
        }
        String::from_utf8_lossy(&line).into_owned()
    }
}

/// A rate with as many digits as are of interest.
pub(crate) fn short(rate: f64) -> String {
    if rate >= 100.0 {
        format!("{rate:.0}")
    } else if rate >= 10.0 {
        format!("{rate:.1}")
    } else {
        format!("{rate:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTS: [(usize, f64); 5] = [(1, 10.0), (2, 20.0), (4, 38.0), (8, 40.0), (16, 30.0)];

    #[test]
    fn draws_bars_over_a_logarithmic_axis() {
        let lines = plot(&POINTS, 8, Characters::Unicode, 80);
        assert_eq!(
            lines,
            [
                "40.0/s │                ▆▆▆     ███",
                "       │                ███     ███     ▆▆▆",
                "       │        ▄▄▄     ███     ███     ███",
                "       │▂▂▂     ███     ███     ███     ███",
                "       │███     ███     ███     ███     ███",
                "     0 └─┴───────┴───────┴───────▲───────┴─",
                "         1       2       4       8      16",
            ]
        );
    }

    #[test]
    fn draws_the_same_in_ascii_and_in_little_room() {
        let lines = plot(&POINTS, 6, Characters::Ascii, 26);
        assert!(
            lines.iter().all(|line| line.is_ascii() && line.len() <= 26),
            "{lines:#?}"
        );
        assert_eq!(lines[5], "     0 +-+---+--+-^-+--+-", "{lines:#?}");
        assert_eq!(lines[6], "         1   2  4 6 8 16", "{lines:#?}");
    }

    #[test]
    fn too_little_is_not_drawn() {
        assert!(plot(&[(4, 10.0)], 4, Characters::Ascii, 80).is_empty());
        assert!(plot(&[(4, 0.0), (8, 0.0)], 4, Characters::Ascii, 80).is_empty());
        assert!(plot(&[(0, 1.0), (8, f64::NAN)], 4, Characters::Ascii, 80).is_empty());
        assert!(plot(&[], 4, Characters::Ascii, 80).is_empty());
    }

    #[test]
    fn extremes_stay_within_the_width() {
        let points = [(1, 1e-9), (2, 1e9), (3, 5.0), (1_000_000, 7.0)];
        for width in 0..120 {
            for line in plot(&points, 99, Characters::Unicode, width) {
                assert!(line.chars().count() <= width.max(30), "{width} {line:?}");
            }
        }
    }

    #[test]
    fn the_locale_and_the_terminal_say_what_can_be_shown() {
        let of = |pairs: &[(&str, &str)]| {
            Characters::of(|name| {
                let found = pairs.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(of(&[("LANG", "de_DE.UTF-8")]), Characters::Unicode);
        assert_eq!(
            of(&[("LC_ALL", ""), ("LC_CTYPE", "C.utf8")]),
            Characters::Unicode
        );
        assert_eq!(
            of(&[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")]),
            Characters::Ascii
        );
        assert_eq!(
            of(&[("LANG", "C.UTF-8"), ("TERM", "dumb")]),
            Characters::Ascii
        );
        assert_eq!(of(&[]), Characters::Ascii);
    }
}
