//! `paceline levels`: what was learned about the level, and how to forget it.

mod limit;

pub(crate) use limit::sentence as limit_sentence;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use paceline_control::Learned;
use paceline_journal::{Journal, JournalError, Level, default_path};
use paceline_run::input::display_joined;
use serde::Serialize;

use crate::exit::{BROKEN, Failure, READER_GONE};
use crate::plot::{self, Characters};
use crate::run::{open_journal, origin};
use crate::when::rfc3339;

/// What `paceline levels` takes.
#[derive(Debug, Args)]
pub(crate) struct LevelsFlags {
    /// Only commands with all of these words in them
    #[arg(value_name = "WORD")]
    words: Vec<String>,
    /// Forget the levels of these commands; their next runs find them anew
    #[arg(long)]
    forget: bool,
    /// With --forget: of all commands, or of all that have the words in them
    #[arg(long, requires = "forget")]
    all: bool,
    /// List at most this many
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The journal to look into [default: $`PACELINE_JOURNAL`, or ~/.local/state/paceline/journal.db]
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
}

/// What to do where nothing is remembered.
const NONE_YET: &str = "no levels yet: paceline run remembers what it finds, and paceline tune COMMAND ::: INPUT... measures";

/// Lists or forgets levels.
pub(crate) fn levels(flags: LevelsFlags) -> Result<ExitCode, Failure> {
    if flags.forget && !flags.all && flags.words.is_empty() {
        return Err(Failure::usage(
            "--forget needs to know what",
            "give words of the command, or --all",
        ));
    }
    let named = flags.journal.is_some()
        || std::env::var_os("PACELINE_JOURNAL").is_some_and(|name| !name.is_empty());
    let absent =
        !named && default_path(|name| std::env::var_os(name)).is_some_and(|path| !path.exists());
    let mut out = io::BufWriter::new(io::stdout().lock());
    let printed = if absent {
        list(&[], &flags, &mut out)
    } else {
        let journal = open_journal(flags.journal.as_deref(), true)?;
        let found = find(&journal, &flags.words).map_err(|error| unusable(&error))?;
        if flags.forget {
            forget(&journal, &found, &flags, &mut out)?
        } else {
            list(&found, &flags, &mut out)
        }
    };
    match printed.and_then(|()| out.flush()) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(READER_GONE.into()),
        Err(error) => Err(Failure::new(
            BROKEN,
            format!("cannot write the output: {error}"),
        )),
    }
}

fn unusable(error: &JournalError) -> Failure {
    Failure::usage(error, "name another file with --journal FILE")
}

/// The levels of commands that have all the words in them, newest first.
fn find(journal: &Journal, words: &[String]) -> Result<Vec<Level>, JournalError> {
    let mut levels = journal.levels()?;
    levels.retain(|level| {
        let shown = command(level);
        words.iter().all(|word| shown.contains(word.as_str()))
    });
    Ok(levels)
}

fn forget(
    journal: &Journal,
    found: &[Level],
    flags: &LevelsFlags,
    out: &mut dyn Write,
) -> Result<io::Result<()>, Failure> {
    if found.is_empty() && !flags.all {
        return Err(Failure::usage(
            format!(
                "no level is remembered of a command with {}",
                quoted(&flags.words)
            ),
            "paceline levels lists what there is",
        ));
    }
    let named = named(found, flags)?;
    let mut forgotten = Vec::new();
    for level in named {
        let last = &level.last;
        if journal
            .forget(last.template_key, &last.host)
            .map_err(|error| unusable(&error))?
        {
            forgotten.push(level.clone());
        }
    }
    if flags.json {
        return Ok(print_json(&forgotten, out));
    }
    let mut tell = || {
        for level in &forgotten {
            writeln!(
                out,
                "forgot level {} of {}",
                level.last.level,
                command(level)
            )?;
        }
        if forgotten.is_empty() {
            writeln!(out, "nothing to forget")?;
        }
        Ok(())
    };
    Ok(tell())
}

/// Of the levels found, those that are surely meant: of one command, or of as many as there are.
fn named<'a>(found: &'a [Level], flags: &LevelsFlags) -> Result<Vec<&'a Level>, Failure> {
    if flags.all {
        return Ok(found.iter().collect());
    }
    let whole = flags.words.join(" ");
    let exact: Vec<&Level> = found
        .iter()
        .filter(|level| level.last.template == whole || command(level) == whole)
        .collect();
    if !exact.is_empty() {
        return Ok(exact);
    }
    let mut commands: Vec<String> = Vec::new();
    for level in found {
        let command = command(level);
        if !commands.contains(&command) {
            commands.push(command);
        }
    }
    if commands.len() == 1 {
        return Ok(found.iter().collect());
    }
    let listed: String = commands
        .iter()
        .take(flags.limit)
        .map(|command| format!("\n    {command}"))
        .collect();
    let more = commands.len().saturating_sub(flags.limit);
    let more = if more > 0 {
        format!("\n    … and {more} more")
    } else {
        String::new()
    };
    Err(Failure::usage(
        format!(
            "{} commands have {} in them; nothing was forgotten:{listed}{more}",
            commands.len(),
            quoted(&flags.words)
        ),
        "give the whole command or more of its words, or add --all to forget all of these",
    ))
}

fn list(found: &[Level], flags: &LevelsFlags, out: &mut dyn Write) -> io::Result<()> {
    let shown = &found[..found.len().min(flags.limit)];
    if flags.json {
        return print_json(shown, out);
    }
    if found.is_empty() && flags.words.is_empty() {
        return writeln!(out, "{NONE_YET}");
    }
    if found.is_empty() {
        return writeln!(
            out,
            "no level is remembered of a command with {}; paceline levels lists all",
            quoted(&flags.words)
        );
    }
    let (characters, width) = (Characters::ours(), plot::width());
    for (index, level) in shown.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        show(level, characters, width, out)?;
    }
    let more = found.len() - shown.len();
    if more > 0 {
        writeln!(out, "\nand {more} more: --limit {}", found.len())?;
    }
    Ok(())
}

fn show(
    level: &Level,
    characters: Characters,
    width: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let last = &level.last;
    let learned = serde_json::from_str::<Learned>(&last.learned);
    let settled = learned.as_ref().is_ok_and(|learned| learned.settled);
    writeln!(out, "{}", command(level))?;
    writeln!(
        out,
        "  level {} on {} with {} cores, {}",
        last.level,
        display_joined(last.host.as_bytes()),
        last.cores,
        display_joined(limit::words(&last.limited_by, settled).as_bytes()),
    )?;
    writeln!(out, "  {}", origin(level))?;
    let Ok(learned) = learned else {
        return writeln!(out, "  of a newer paceline: this one cannot read the rest");
    };
    let points: Vec<(usize, f64)> = learned
        .curve
        .iter()
        .map(|point| (point.level, point.throughput))
        .collect();
    for line in plot::plot(&points, learned.level, characters, width.saturating_sub(2)) {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

fn command(level: &Level) -> String {
    display_joined(level.last.template.as_bytes())
}

fn quoted(words: &[String]) -> String {
    let words: Vec<String> = words
        .iter()
        .map(|word| format!("{:?}", display_joined(word.as_bytes())))
        .collect();
    words.join(" and ")
}

fn print_json(levels: &[Level], out: &mut dyn Write) -> io::Result<()> {
    let levels: Vec<JsonLevel> = levels.iter().map(JsonLevel::from).collect();
    serde_json::to_writer_pretty(&mut *out, &levels)?;
    writeln!(out)
}

#[derive(Serialize)]
struct JsonLevel {
    command: String,
    host: String,
    level: u32,
    limited_by: String,
    source: &'static str,
    runs: u64,
    updated: String,
    cores: f64,
    memory_bytes: u64,
    /// With the curve; `None` if it is not to be read.
    learned: Option<serde_json::Value>,
}

impl From<&Level> for JsonLevel {
    fn from(level: &Level) -> Self {
        let last = &level.last;
        Self {
            command: last.template.clone(),
            host: last.host.clone(),
            level: last.level,
            limited_by: last.limited_by.clone(),
            source: last.source.as_str(),
            runs: level.runs,
            updated: rfc3339(last.updated_at),
            cores: last.cores,
            memory_bytes: last.memory_bytes,
            learned: serde_json::from_str(&last.learned).ok(),
        }
    }
}
