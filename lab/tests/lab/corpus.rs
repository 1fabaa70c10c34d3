//! The corpus: its file says what each program is, and each one runs.

mod around;
mod file;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::thread;

use around::{Around, Place};
use file::{CAUSES, MODELS, Program, folder, programs};

/// Small enough that all of them take seconds.
const SCALE: f64 = 0.02;

#[test]
fn the_file_says_what_each_program_is() {
    let programs = programs();
    assert!(programs.len() >= 40, "{} programs", programs.len());
    let names: BTreeSet<_> = programs.iter().map(|program| &program.name).collect();
    assert_eq!(names.len(), programs.len(), "a name stands twice");
    for program in &programs {
        let name = &program.name;
        let causes = [&program.cause].into_iter().chain(&program.also);
        for cause in causes.chain(&program.loaded).chain(&program.loaded_also) {
            assert!(CAUSES.contains(&cause.as_str()), "{name}: {cause}");
        }
        let doubtful = !program.also.is_empty() || !program.loaded_also.is_empty();
        assert!(
            !doubtful || !program.because.is_empty(),
            "{name} has two causes and no reason"
        );
        let bound = program.bound.as_deref();
        assert!(
            matches!(bound, None | Some("cpu" | "io" | "mixed")),
            "{name}: {bound:?}"
        );
        let language = program.language.as_str();
        assert!(
            ["python", "c", "rust", "shell"].contains(&language),
            "{name}: {language}"
        );
        assert!(
            !program.about.is_empty() && !program.verified.is_empty(),
            "{name}"
        );
        for (model, command) in &program.variants {
            assert!(MODELS.contains(&model.as_str()), "{name}: {model}");
            assert!(
                command.iter().any(|word| word.contains("{level}")),
                "{name}: {model}"
            );
        }
    }
}

#[test]
fn there_are_enough_of_each_kind() {
    let programs = programs();
    let mut by_cause: BTreeMap<&str, Vec<&Program>> = BTreeMap::new();
    for program in &programs {
        by_cause.entry(&program.cause).or_default().push(program);
    }
    for cause in CAUSES {
        let some = by_cause.get(cause).map_or(&[][..], Vec::as_slice);
        assert!(some.len() >= 2, "{cause}: {} programs", some.len());
        let tuned = some.iter().filter(|program| !program.held_out).count();
        assert!(tuned >= 1, "{cause} has nothing to tune on");
    }
    let held_out: Vec<_> = programs.iter().filter(|program| program.held_out).collect();
    assert!(held_out.len() >= 12, "{} held out", held_out.len());
    let languages: BTreeSet<_> = held_out.iter().map(|program| &program.language).collect();
    assert_eq!(languages.len(), 4, "held out: {languages:?}");
    let causes: BTreeSet<_> = held_out.iter().map(|program| &program.cause).collect();
    assert!(causes.len() >= 12, "held out: {causes:?}");
    let variants = programs
        .iter()
        .filter(|program| !program.variants.is_empty());
    assert!(variants.count() >= 10);
}

#[test]
fn every_source_belongs_to_a_program() {
    let programs = programs();
    let commands: Vec<_> = programs
        .iter()
        .map(|program| program.command.join(" "))
        .collect();
    for language in ["python", "c", "shell"] {
        for entry in std::fs::read_dir(folder().join(language)).expect("the folder is there") {
            let path = entry.expect("it can be read").path();
            if path.is_dir() {
                continue;
            }
            let file = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            let compiled = format!("{{bin}}/{}", file.trim_end_matches(".c"));
            let known = commands
                .iter()
                .any(|words| words.contains(&format!("/{file}")) || words.starts_with(&compiled));
            assert!(known, "no program of the corpus runs {}", path.display());
        }
    }
}

#[test]
fn every_program_runs() {
    let place = Place::make();
    let failures = Mutex::new(Vec::new());
    let queue = Mutex::new(programs());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().expect("no panic").pop();
                    let Some(program) = next else { break };
                    if let Err(why) = run_all(&place, &program) {
                        let mut failures = failures.lock().expect("no panic");
                        failures.push(format!("{}: {why}", program.name));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The program, then its variants at a level of 2.
fn run_all(place: &Place, program: &Program) -> Result<(), String> {
    if let Some(missing) = place.missing(program) {
        eprintln!("skipped {}: {missing}", program.name);
        return Ok(());
    }
    let commands = [&program.command]
        .into_iter()
        .chain(program.variants.values());
    for command in commands {
        Around::start(place, program, SCALE)?.run(command)?;
    }
    Ok(())
}
