//! The verdict for programs keeps to `docs/diagnose.schema.json`.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;

use jsonschema::Validator;
use serde_json::{Value, json};
use support::Scratch;

fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/diagnose.schema.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn validator() -> Validator {
    jsonschema::validator_for(&schema()).unwrap()
}

/// It keeps to the schema, and the schema knows all of it.
#[track_caller]
fn keeps_to_the_schema(verdict: &Value) {
    let complaints: Vec<String> = validator()
        .iter_errors(verdict)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(complaints.is_empty(), "{complaints:#?} in {verdict:#}");
    let schema = schema();
    described(verdict, &schema, &schema, "");
}

/// Whether each field has its place in the schema.
#[track_caller]
fn described(value: &Value, part: &Value, schema: &Value, path: &str) {
    let part = match part["$ref"].as_str() {
        Some(name) => schema.pointer(name.trim_start_matches('#')).unwrap(),
        None => part,
    };
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let path = format!("{path}/{name}");
                let known = part["properties"]
                    .get(name)
                    .or(part.get("additionalProperties"));
                described(field, known.expect(&path), schema, &path);
            }
        }
        Value::Array(items) => {
            for item in items {
                described(item, &part["items"], schema, &format!("{path}/[]"));
            }
        }
        _ => {}
    }
}

fn verdict(scratch: &Scratch, words: &[&str]) -> Value {
    scratch
        .paceline()
        .args(["diagnose", "--format", "json", "-o", "v.json", "--"])
        .args(words)
        .end();
    serde_json::from_str(&scratch.text("v.json")).unwrap()
}

#[test]
fn verdicts_on_real_programs_keep_to_the_schema() {
    let scratch = Scratch::new();
    let computes = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
    for (words, exit, signal) in [
        (&["true"][..], json!(0), json!(null)),
        (&["sleep", "0.3"], json!(0), json!(null)),
        (&["sh", "-c", computes], json!(0), json!(null)),
        (
            &["sh", "-c", "sleep 0.2 | cat; exit 3"],
            json!(3),
            json!(null),
        ),
        (&["sh", "-c", "kill -TERM $$"], json!(null), json!(15)),
        (&["true", "\u{1b}[31m\n\"\\"], json!(0), json!(null)),
    ] {
        let verdict = verdict(&scratch, words);
        keeps_to_the_schema(&verdict);
        assert_eq!(verdict["ending"], "program-ended");
        assert_eq!(verdict["program"]["command"], json!(words));
        assert_eq!(verdict["program"]["exit_code"], exit);
        assert_eq!(verdict["program"]["signal"], signal);
    }
}

#[test]
fn the_verdict_on_the_jobs_of_a_run_does_too() {
    let scratch = Scratch::new();
    scratch
        .run()
        .args(["--why", "-q", "--summary", "s.json", "sleep {}", ":::"])
        .args(["0.1", "0.2", "0.3"])
        .end()
        .with_code(0);
    let summary: Value = serde_json::from_str(&scratch.text("s.json")).unwrap();
    keeps_to_the_schema(&summary["why"]);
    assert!(summary["why"]["program"].is_null());
}

#[test]
fn the_schema_refuses_what_it_does_not_know() {
    let scratch = Scratch::new();
    let good = verdict(&scratch, &["true"]);
    let validator = validator();
    assert!(validator.is_valid(&good));
    for (pointer, wrong) in [
        ("/cause", json!("bad-luck")),
        ("/bound", json!("disk")),
        ("/confidence", json!(1.5)),
        ("/confidence", json!(null)),
        ("/shares/cpu", json!(-0.1)),
        ("/overlap", json!("none")),
        ("/evidence", json!([1])),
        ("/waits", json!([{}])),
        ("/waits", json!({})),
        ("/prescription/model", json!("magic")),
        ("/prescription/level", json!(1.5)),
        ("/prescription/speedup/point", json!(null)),
        ("/prescription/speedup/law", json!("moore")),
        ("/prescription/memory_bytes/async", json!("1 MiB")),
        ("/tiers/proc", json!("used")),
        ("/tiers/proc/state", json!("perhaps")),
        ("/ending", json!("crashed")),
        ("/thread_seconds/nap", json!(1.0)),
        ("/version", json!(2)),
    ] {
        let mut bad = good.clone();
        let (object, name) = pointer.rsplit_once('/').unwrap();
        bad.pointer_mut(object).unwrap()[name] = wrong;
        assert!(!validator.is_valid(&bad), "{pointer} in {bad:#}");
    }
    for name in good.as_object().unwrap().keys() {
        let mut bad = good.clone();
        bad.as_object_mut().unwrap().remove(name);
        assert!(!validator.is_valid(&bad), "without {name}");
    }
}
