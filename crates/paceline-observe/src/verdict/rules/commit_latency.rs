//! It waits for data to be safe on disk.

use super::super::plan::Plan;
use super::super::rule::{Border, Rule};
use super::super::{Cause, words};
use crate::profile::Class;

/// The disk is waited for at least this share of the wall …
const DISK: f64 = 0.3;
/// … and at least this much of that is for syncing.
const SYNCS: f64 = 0.5;
/// A commit of ten leaves a tenth of the syncs; that much can be expected.
const GROUPED: f64 = 0.9;

pub(super) const RULE: Rule = Rule {
    cause: Cause::CommitLatency,
    borders: &[
        Border::share_at_least(DISK, "of the time it waits for a disk", |f| {
            f.of_wall(Class::Disk)
        }),
        Border::share_at_least(SYNCS, "of that is for data to be safe (fsync)", |f| {
            f.requests.syncs
        }),
    ],
    weight: 1.0,
    sentence: |f| {
        let sync = f
            .profile
            .waits
            .iter()
            .filter(|wait| wait.syncs)
            .max_by_key(|wait| wait.time);
        format!(
            "It waits for data to be safe on disk for {} of the time: {}.",
            words::percent(f.of_wall(Class::Disk) * f.requests.syncs),
            sync.map_or("fsync".into(), words::place)
        )
    },
    prescribe: |f| {
        let synced = f.of_wall(Class::Disk) * f.requests.syncs;
        Plan::as_it_is(f).with_gain(synced * 0.5, synced * GROUPED, synced).advise(
            f,
            "Commit many changes with one sync: larger transactions, a batch of writes before each sync, or none where the data \
             can be made again.".into(),
        )
    },
};
