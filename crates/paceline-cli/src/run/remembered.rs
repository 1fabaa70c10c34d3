//! The level that earlier runs of the same command have found on this machine.

use std::cmp::Ordering;
use std::fmt;
use std::time::SystemTime;

use paceline_control::Learned;
use paceline_journal::{Journal, JournalError, Level, LevelSource, NewLevel, TemplateKey};
use paceline_observe::Memory;

use super::progress::grouped;
use super::record::Identity;
use crate::when::local_time;

/// The memory of a machine may be told a little differently each time.
const SAME_MEMORY: f64 = 0.1;

/// The cores and the memory that jobs have here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Machine {
    pub(crate) cores: f64,
    pub(crate) memory_bytes: u64,
}

impl Machine {
    pub(crate) fn here() -> Self {
        Self {
            cores: paceline_observe::cores(),
            memory_bytes: Memory::of_this_process().limit_bytes(),
        }
    }

    /// Whether what was learned there holds here: a container may have come back with another share
    /// of the same host.
    #[allow(clippy::float_cmp, reason = "the same count gives the same number")]
    fn is_like(self, there: Self) -> bool {
        let (here, then) = (self.memory_bytes as f64, there.memory_bytes as f64);
        self.cores == there.cores && (here - then).abs() <= SAME_MEMORY * here.max(then)
    }
}

/// A level to begin at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Remembered {
    pub(crate) learned: Learned,
    /// From where it comes, for people.
    pub(crate) origin: String,
}

/// How a run began at a remembered level.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Begun {
    /// The first limit: the remembered level, or as much of it as is safe now.
    pub(crate) at: usize,
    pub(crate) remembered: Remembered,
}

impl fmt::Display for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Remembered { learned, origin } = &self.remembered;
        match self.at.cmp(&learned.level) {
            Ordering::Equal => write!(f, "remembered {origin}"),
            Ordering::Less => write!(
                f,
                "as much as is allowed of the {} remembered {origin}",
                learned.level
            ),
            Ordering::Greater => {
                let grew = if learned.settled {
                    ""
                } else {
                    ": throughput still grew there"
                };
                write!(f, "above the {} remembered {origin}{grew}", learned.level)
            }
        }
    }
}

impl Remembered {
    /// Looks it up. What was found out under other conditions, or was written by a later version
    /// in words that this one does not know, counts as not found.
    pub(crate) fn find(
        journal: &Journal,
        identity: &Identity<'_>,
        machine: Machine,
    ) -> Result<Option<Self>, JournalError> {
        let key = TemplateKey::of(identity.template);
        Ok(journal
            .remembered(key, &identity.host)?
            .and_then(|level| Self::usable(&level, machine)))
    }

    fn usable(level: &Level, machine: Machine) -> Option<Self> {
        let last = &level.last;
        let there = Machine {
            cores: last.cores,
            memory_bytes: last.memory_bytes,
        };
        if !machine.is_like(there) {
            return None;
        }
        let learned = serde_json::from_str(&last.learned).ok()?;
        Some(Self {
            learned,
            origin: origin(level),
        })
    }
}

/// Who found a level out, and when.
pub(crate) fn origin(level: &Level) -> String {
    let when = local_time(level.last.updated_at);
    match (level.last.source, level.runs) {
        (LevelSource::Tune, _) => format!("tuned on {when}"),
        (LevelSource::Run, 1) => format!("from 1 run, on {when}"),
        (LevelSource::Run, runs) => format!("from {} runs, the last on {when}", grouped(runs)),
    }
}

/// Remembers what was learned, for the next run of the same command.
pub(crate) fn remember(
    journal: &Journal,
    identity: &Identity<'_>,
    machine: Machine,
    learned: &Learned,
    source: LevelSource,
) -> Result<(), JournalError> {
    journal.remember(&NewLevel {
        template_key: TemplateKey::of(identity.template),
        host: identity.host.clone(),
        template: identity.display.clone(),
        level: u32::try_from(learned.level).unwrap_or(u32::MAX),
        limited_by: learned.limited_by.clone(),
        // A `Learned` holds nothing that JSON cannot.
        learned: serde_json::to_string(learned).unwrap_or_default(),
        cores: machine.cores,
        memory_bytes: machine.memory_bytes,
        source,
        updated_at: SystemTime::now(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(cores: f64, memory_bytes: u64) -> Level {
        Level {
            last: NewLevel {
                template_key: TemplateKey::of(b"x"),
                host: "alpha".to_owned(),
                template: "x".to_owned(),
                level: 12,
                limited_by: "cpu".to_owned(),
                learned: serde_json::to_string(&Learned::level(12, "cpu")).expect("is JSON"),
                cores,
                memory_bytes,
                source: LevelSource::Run,
                updated_at: SystemTime::UNIX_EPOCH,
            },
            runs: 3,
        }
    }

    const HERE: Machine = Machine {
        cores: 4.0,
        memory_bytes: 8 << 30,
    };

    #[test]
    fn only_what_was_learned_under_the_same_conditions_counts() {
        let usable = |level: &Level| Remembered::usable(level, HERE).map(|r| r.learned.level);
        assert_eq!(usable(&level(4.0, 8 << 30)), Some(12));
        assert_eq!(usable(&level(4.0, (8 << 30) - (300 << 20))), Some(12));
        assert_eq!(usable(&level(2.0, 8 << 30)), None);
        assert_eq!(usable(&level(4.0, 4 << 30)), None);
        assert_eq!(usable(&level(4.0, 16 << 30)), None);
    }

    #[test]
    fn what_cannot_be_read_counts_as_not_found() {
        let mut unknown = level(4.0, 8 << 30);
        unknown.last.learned = r#"{"speed":"high"}"#.to_owned();
        assert_eq!(Remembered::usable(&unknown, HERE), None);
    }

    #[test]
    fn tells_how_the_first_level_follows_from_the_remembered_one() {
        let mut begun = Begun {
            at: 12,
            remembered: Remembered {
                learned: Learned::level(12, "cpu"),
                origin: "from 1 run".to_owned(),
            },
        };
        assert_eq!(begun.to_string(), "remembered from 1 run");
        begun.at = 4;
        let fewer = "as much as is allowed of the 12 remembered from 1 run";
        assert_eq!(begun.to_string(), fewer);
        begun.at = 24;
        begun.remembered.learned.settled = false;
        let more = "above the 12 remembered from 1 run: throughput still grew there";
        assert_eq!(begun.to_string(), more);
    }

    #[test]
    fn tells_where_it_comes_from() {
        let mut found = level(4.0, 0);
        assert!(origin(&found).starts_with("from 3 runs, the last on 19"));
        found.runs = 1;
        assert!(origin(&found).starts_with("from 1 run, on "));
        found.last.source = LevelSource::Tune;
        assert!(origin(&found).starts_with("tuned on "));
    }
}
