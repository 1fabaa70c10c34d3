//! What a server has done so far.

use std::collections::BTreeMap;

use serde::Serialize;

/// Paths that are counted by themselves; all others are counted together.
const MOST_PATHS: usize = 1000;
/// Where the others are counted.
const OTHERS: &str = "others";

/// The answer of `/stats`, which itself is not counted.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stats {
    /// Requests that got what they came for.
    pub served: u64,
    /// Requests that were told to come back later.
    pub rejected: u64,
    /// Requests whose client went away before they were answered.
    pub abandoned: u64,
    /// Requests that are in service now.
    pub in_flight: u64,
    /// The most that were in service at once.
    pub max_in_flight: u64,
    /// The first thousand paths, without their queries.
    pub by_path: BTreeMap<String, PathStats>,
}

/// What was asked for under one path.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct PathStats {
    /// As in [`Stats`].
    pub served: u64,
    /// As in [`Stats`].
    pub rejected: u64,
}

impl Stats {
    /// A request came into service.
    pub fn begin(&mut self) {
        self.in_flight += 1;
        self.max_in_flight = self.max_in_flight.max(self.in_flight);
    }

    /// A request left service, unanswered.
    pub fn abandon(&mut self) {
        self.in_flight -= 1;
        self.abandoned += 1;
    }

    /// A request left service with its answer.
    pub fn serve(&mut self, path: &str) {
        self.in_flight -= 1;
        self.served += 1;
        self.of(path).served += 1;
    }

    /// A request was rejected.
    pub fn reject(&mut self, path: &str) {
        self.rejected += 1;
        self.of(path).rejected += 1;
    }

    fn of(&mut self, path: &str) -> &mut PathStats {
        let known = self.by_path.contains_key(path);
        let path = if known || self.by_path.len() < MOST_PATHS {
            path
        } else {
            OTHERS
        };
        if !self.by_path.contains_key(path) {
            self.by_path.insert(path.to_owned(), PathStats::default());
        }
        self.by_path.entry(path.to_owned()).or_default()
    }
}
