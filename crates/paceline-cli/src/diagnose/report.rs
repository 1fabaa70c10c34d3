//! All that a verdict is told with.

use paceline_observe::profile::Profile;
use paceline_observe::verdict::Verdict;

use super::target::{Exit, Subject};

/// A verdict, and what it rests on.
pub(super) struct Report<'a> {
    pub(super) profile: &'a Profile,
    pub(super) verdict: &'a Verdict,
    pub(super) about: About<'a>,
}

/// Whom it is about.
pub(super) enum About<'a> {
    /// A program that we started, which may have ended, or a process that ran before.
    Program {
        subject: &'a Subject,
        exit: Option<Exit>,
    },
    /// The jobs of a run.
    Jobs,
}
