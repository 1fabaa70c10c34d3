//! What runs have learned about a command: where its next run should start.
//!
//! One row for each command and machine, replaced by whoever ends last. It outlives the runs that
//! it came from, so that a job of once a year still starts where it should.

use std::fmt;
use std::time::SystemTime;

use rusqlite::{OptionalExtension, Row, named_params, params};

use crate::column::{from_count, from_time, to_count, to_time};
use crate::{Journal, JournalError, TemplateKey};

const LEVEL: &str = "template_key, host, template, level, limited_by, learned, cores,
    memory_bytes, runs, source, updated_at";

/// The format from which on a journal remembers levels.
const SINCE: i64 = 2;

/// What found a level out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LevelSource {
    /// A run of the command over its inputs, while it did its work.
    Run,
    /// A measurement made to find the level.
    Tune,
}

impl LevelSource {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Tune => "tune",
        }
    }

    fn from_word(word: &str) -> Self {
        match word {
            "tune" => Self::Tune,
            _ => Self::Run,
        }
    }
}

impl fmt::Display for LevelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the caller says of a command's level.
#[derive(Debug, Clone, PartialEq)]
pub struct NewLevel {
    /// Identifies the command.
    pub template_key: TemplateKey,
    /// The machine's name.
    pub host: String,
    /// The command, to be shown.
    pub template: String,
    /// Jobs in flight.
    pub level: u32,
    /// One word for what set it.
    pub limited_by: String,
    /// All that was learned: JSON that the journal does not look into.
    pub learned: String,
    /// Cores that the jobs could use.
    pub cores: f64,
    /// Memory that the jobs could take in all, in bytes.
    pub memory_bytes: u64,
    /// What found it out.
    pub source: LevelSource,
    /// When.
    pub updated_at: SystemTime,
}

/// A command's level as the journal holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// What was said last.
    pub last: NewLevel,
    /// How many runs of the command have said something, on a machine with these cores.
    pub runs: u64,
}

impl Journal {
    /// Remembers a command's level on a machine, in place of what was remembered.
    pub fn remember(&self, new: &NewLevel) -> Result<(), JournalError> {
        // What a machine with other cores taught does not count any more.
        self.connection
            .prepare_cached(
                "INSERT INTO levels
                     (template_key, host, template, level, limited_by, learned, cores,
                      memory_bytes, runs, source, updated_at)
                 VALUES (:template_key, :host, :template, :level, :limited_by, :learned, :cores,
                         :memory_bytes, :runs, :source, :updated_at)
                 ON CONFLICT DO UPDATE SET
                     runs = excluded.runs
                         + CASE WHEN levels.cores = excluded.cores THEN levels.runs ELSE 0 END,
                     template = excluded.template,
                     level = excluded.level,
                     limited_by = excluded.limited_by,
                     learned = excluded.learned,
                     cores = excluded.cores,
                     memory_bytes = excluded.memory_bytes,
                     source = excluded.source,
                     updated_at = excluded.updated_at",
            )
            .and_then(|mut statement| {
                statement.execute(named_params! {
                    ":template_key": new.template_key.as_bytes(),
                    ":host": new.host,
                    ":template": new.template,
                    ":level": new.level,
                    ":limited_by": new.limited_by,
                    ":learned": new.learned,
                    ":cores": new.cores,
                    ":memory_bytes": from_count(new.memory_bytes),
                    ":runs": i64::from(new.source == LevelSource::Run),
                    ":source": new.source.as_str(),
                    ":updated_at": from_time(new.updated_at),
                })
            })
            .map(|_| ())
            .map_err(|source| self.error(source))
    }

    /// What is remembered of a command on a machine.
    pub fn remembered(
        &self,
        template_key: TemplateKey,
        host: &str,
    ) -> Result<Option<Level>, JournalError> {
        if !self.remembers_levels()? {
            return Ok(None);
        }
        self.connection
            .prepare_cached(&format!(
                "SELECT {LEVEL} FROM levels WHERE template_key = ?1 AND host = ?2"
            ))
            .and_then(|mut statement| {
                statement
                    .query_row(params![template_key.as_bytes(), host], read_level)
                    .optional()
            })
            .map_err(|source| self.error(source))
    }

    /// All that is remembered, newest first.
    pub fn levels(&self) -> Result<Vec<Level>, JournalError> {
        if !self.remembers_levels()? {
            return Ok(Vec::new());
        }
        let list = || -> rusqlite::Result<Vec<Level>> {
            self.connection
                .prepare_cached(&format!(
                    "SELECT {LEVEL} FROM levels ORDER BY updated_at DESC, template_key, host"
                ))?
                .query_map((), read_level)?
                .collect()
        };
        list().map_err(|source| self.error(source))
    }

    /// Forgets what is remembered of a command on a machine; false if there was nothing.
    pub fn forget(&self, template_key: TemplateKey, host: &str) -> Result<bool, JournalError> {
        if !self.remembers_levels()? {
            return Ok(false);
        }
        self.connection
            .execute(
                "DELETE FROM levels WHERE template_key = ?1 AND host = ?2",
                params![template_key.as_bytes(), host],
            )
            .map(|found| found > 0)
            .map_err(|source| self.error(source))
    }

    /// Forgets what nobody has said anything of since then.
    pub(crate) fn forget_levels_before(&self, micros: i64) -> Result<u64, JournalError> {
        if !self.remembers_levels()? {
            return Ok(0);
        }
        let old = "FROM levels WHERE updated_at < ?1";
        let any: bool = self
            .connection
            .prepare_cached(&format!("SELECT EXISTS (SELECT 1 {old})"))
            .and_then(|mut statement| statement.query_row([micros], |row| row.get(0)))
            .map_err(|source| self.error(source))?;
        if !any {
            return Ok(0);
        }
        self.connection
            .execute(&format!("DELETE {old}"), [micros])
            .map(|gone| gone as u64)
            .map_err(|source| self.error(source))
    }

    /// Whether the file has a place for levels. An older one gets it when it is next written to.
    fn remembers_levels(&self) -> Result<bool, JournalError> {
        self.connection
            .query_row("PRAGMA user_version", (), |row| row.get::<_, i64>(0))
            .map(|version| version >= SINCE)
            .map_err(|source| self.error(source))
    }
}

fn read_level(row: &Row<'_>) -> rusqlite::Result<Level> {
    Ok(Level {
        last: NewLevel {
            template_key: TemplateKey::from_bytes(row.get(0)?),
            host: row.get(1)?,
            template: row.get(2)?,
            level: row.get(3)?,
            limited_by: row.get(4)?,
            learned: row.get(5)?,
            cores: row.get(6)?,
            memory_bytes: to_count(row.get(7)?),
            source: LevelSource::from_word(&row.get::<_, String>(9)?),
            updated_at: to_time(row.get(10)?),
        },
        runs: to_count(row.get(8)?),
    })
}
