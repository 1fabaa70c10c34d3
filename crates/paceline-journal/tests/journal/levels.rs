//! What was learned about a command is there for its next run.

use std::time::Duration;

use paceline_journal::{
    Journal, JournalError, Level, LevelSource, NewLevel, PruneLimits, RunId, TemplateKey,
};

use crate::support::{Scratch, assert_fine, assert_sound, at, done, end, new_run, start};

fn learned(level: u32) -> NewLevel {
    NewLevel {
        template_key: TemplateKey::of(b"convert {}"),
        host: "alpha".into(),
        template: "convert {}".into(),
        level,
        limited_by: "cpu".into(),
        learned: r#"{"level":8}"#.into(),
        cores: 2.5,
        memory_bytes: u64::MAX,
        source: LevelSource::Run,
        updated_at: at(1),
    }
}

fn all(journal: &Journal) -> Vec<(String, String, u32)> {
    let levels = journal.levels().unwrap();
    let short = |level: Level| (level.last.template, level.last.host, level.last.level);
    levels.into_iter().map(short).collect()
}

#[test]
fn a_level_comes_back_as_it_was() {
    let scratch = Scratch::new();
    let journal = scratch.open();
    let new = learned(8);
    assert_eq!(journal.remembered(new.template_key, "alpha").unwrap(), None);
    journal.remember(&new).unwrap();
    let other = scratch.open();
    let found = other.remembered(new.template_key, "alpha").unwrap();
    assert_eq!(found, Some(Level { last: new, runs: 1 }));
}

#[test]
fn each_command_has_one_on_each_machine() {
    let scratch = Scratch::new();
    let journal = scratch.open();
    let elsewhere = NewLevel {
        host: "beta".into(),
        updated_at: at(2),
        ..learned(40)
    };
    let another = NewLevel {
        template_key: TemplateKey::of(b"gzip {}"),
        template: "gzip {}".into(),
        updated_at: at(3),
        ..learned(3)
    };
    for new in [&learned(8), &elsewhere, &another] {
        journal.remember(new).unwrap();
    }
    let row = |template: &str, host: &str, level| (template.to_owned(), host.to_owned(), level);
    let newest_first = [
        row("gzip {}", "alpha", 3),
        row("convert {}", "beta", 40),
        row("convert {}", "alpha", 8),
    ];
    assert_eq!(all(&journal), newest_first);
    assert!(journal.forget(another.template_key, "alpha").unwrap());
    assert!(!journal.forget(another.template_key, "alpha").unwrap());
    assert!(!journal.forget(elsewhere.template_key, "gamma").unwrap());
    assert_eq!(all(&journal), newest_first[1..]);
}

#[test]
fn the_last_word_counts_and_runs_are_counted() {
    let scratch = Scratch::new();
    let journal = scratch.open();
    let tuned = NewLevel {
        source: LevelSource::Tune,
        ..learned(20)
    };
    let elsewhere = NewLevel {
        cores: 4.0,
        ..learned(30)
    };
    let mut seen = Vec::new();
    for new in [learned(8), learned(9), tuned, learned(10), elsewhere] {
        journal.remember(&new).unwrap();
        let level = journal.remembered(new.template_key, "alpha").unwrap();
        let level = level.unwrap();
        assert_eq!(level.last, new);
        seen.push(level.runs);
    }
    assert_eq!(seen, [1, 2, 2, 3, 1], "other cores, another beginning");
}

#[test]
fn levels_outlive_their_runs_and_go_when_nobody_comes_back() {
    let scratch = Scratch::new();
    let journal = scratch.open();
    journal.remember(&learned(8)).unwrap();
    let fresh = NewLevel {
        host: "beta".into(),
        updated_at: at(60),
        ..learned(4)
    };
    journal.remember(&fresh).unwrap();
    let limits = PruneLimits {
        max_age: Duration::ZERO,
        max_bytes: 0,
        max_level_age: Duration::from_secs(100),
    };
    assert_eq!(journal.prune(limits, at(101)).unwrap().levels, 0);
    assert_eq!(journal.prune(limits, at(102)).unwrap().levels, 1);
    assert_eq!(all(&journal).len(), 1);
}

/// A file as the first version made it.
fn old(scratch: &Scratch) {
    let connection = rusqlite::Connection::open(scratch.path()).unwrap();
    connection
        .pragma_update(None, "auto_vacuum", "INCREMENTAL")
        .unwrap();
    connection
        .execute_batch(include_str!("format_1.sql"))
        .unwrap();
}

#[test]
fn an_older_journal_is_brought_up_to_date() {
    let scratch = Scratch::new();
    old(&scratch);
    for _ in 0..2 {
        let journal = scratch.open();
        let runs = journal.runs(10).unwrap();
        assert_eq!(runs.len(), 1);
        assert_eq!((runs[0].counts.done, runs[0].counts.failed), (1, 1));
        let failures = journal.failures(RunId(1), 10).unwrap();
        assert_eq!(failures[0].record.args, b"b.png");
        journal.remember(&learned(8)).unwrap();
    }
    let journal = scratch.open();
    assert_eq!(journal.levels().unwrap()[0].runs, 2);
    let (run, _lock, writer) = start(&journal, &new_run());
    writer.record(done(1, "a"));
    assert_fine(&writer.finish(end()));
    assert_eq!(run, RunId(2));
    let connection = rusqlite::Connection::open(scratch.path()).unwrap();
    let number = |sql: &str| -> i64 { connection.query_row(sql, (), |row| row.get(0)).unwrap() };
    assert_eq!(number("PRAGMA user_version"), 2);
    assert_sound(&scratch.path());
}

#[test]
fn looking_into_an_older_journal_changes_nothing() {
    let scratch = Scratch::new();
    old(&scratch);
    let journal = Journal::open_existing(scratch.path()).unwrap();
    assert_eq!(journal.levels().unwrap(), []);
    let key = learned(1).template_key;
    assert_eq!(journal.remembered(key, "alpha").unwrap(), None);
    assert!(!journal.forget(key, "alpha").unwrap());
    assert_eq!(journal.runs(10).unwrap().len(), 1);
    let error = journal.remember(&learned(1)).unwrap_err();
    assert!(matches!(error, JournalError::Sqlite { .. }), "{error:?}");
}

#[test]
fn a_new_journal_has_what_an_updated_one_has() {
    let (new, updated) = (Scratch::new(), Scratch::new());
    old(&updated);
    let tables = |scratch: &Scratch| -> Vec<String> {
        drop(scratch.open());
        let connection = rusqlite::Connection::open(scratch.path()).unwrap();
        let mut statement = connection
            .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
            .unwrap();
        let rows = statement.query_map((), |row| row.get(0)).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    };
    assert_eq!(tables(&new), tables(&updated));
}
