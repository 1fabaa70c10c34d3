//! What `corpus.toml` says.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;

/// What a diagnosis may find.
pub(super) const CAUSES: [&str; 18] = [
    "outside-contention",
    "blocking-call-in-loop",
    "cpu-in-loop",
    "gil",
    "lock",
    "oversubscribed",
    "saturated",
    "page-cache",
    "overlapped-cpu",
    "imbalance",
    "serial-cpu",
    "commit-latency",
    "serial-waits",
    "too-few-workers",
    "peer",
    "timer",
    "child",
    "undetermined",
];

/// What a diagnosis may prescribe.
pub(super) const MODELS: [&str; 4] = ["threads", "async", "processes", "cpu-pool"];

#[derive(Debug, Deserialize)]
struct File {
    program: Vec<Program>,
}

/// One program; the file itself describes the fields.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Program {
    pub(super) name: String,
    pub(super) language: String,
    pub(super) about: String,
    pub(super) command: Vec<String>,
    pub(super) cause: String,
    pub(super) bound: Option<String>,
    #[serde(default)]
    pub(super) also: Vec<String>,
    #[serde(default)]
    pub(super) because: String,
    #[serde(default)]
    pub(super) held_out: bool,
    pub(super) loaded: Option<String>,
    #[serde(default)]
    pub(super) loaded_also: Vec<String>,
    pub(super) server: Option<Vec<String>>,
    #[serde(default)]
    pub(super) prepare: Vec<String>,
    #[serde(default)]
    pub(super) beside: Vec<String>,
    // Others on the machine, and quotas, are the bench's affair: the program is the same without.
    #[serde(default, rename = "hogs")]
    _hogs: usize,
    #[serde(default, rename = "quota")]
    _quota: f64,
    #[serde(default)]
    pub(super) feed: usize,
    #[serde(default = "one")]
    pub(super) scale: f64,
    #[serde(default)]
    pub(super) libraries: Vec<String>,
    #[serde(default)]
    pub(super) variants: BTreeMap<String, Vec<String>>,
    pub(super) verified: String,
}

fn one() -> f64 {
    1.0
}

/// The folder of the corpus.
pub(super) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// All programs.
pub(super) fn programs() -> Vec<Program> {
    let text = fs::read_to_string(folder().join("corpus.toml")).expect("the file is there");
    let file: File = toml::from_str(&text).expect("the file is well-formed");
    file.program
}
