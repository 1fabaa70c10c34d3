//! `-X` and `-m`: as many inputs per job as fit, spread over the level.

use std::collections::VecDeque;

use rustix::process::{Resource, getrlimit};

use super::JobOptions;
use crate::input::{Feed, Item, Next};
use crate::template::Template;

/// The kernel takes no longer single argument, whatever its limit on all of them.
const ONE_ARGUMENT_BYTES: usize = 128 << 10;
/// What xargs gives a job by default. More would save little and spread worse.
const PACKED_BYTES: usize = 128 << 10;
/// Kept free for what the kernel puts beside the arguments.
const HEADROOM_BYTES: usize = 4096;

/// Puts items together into jobs.
pub(super) struct Packer {
    load: VecDeque<Item>,
    load_bytes: usize,
    budget_bytes: usize,
    at_most: usize,
    /// Items per job, once the number of all items is known.
    share: Option<usize>,
    jobs: u64,
}

/// The bytes that arguments and environment may take together, as Linux counts them: a quarter of
/// the stack limit, but never below 128 KiB nor above 6 MiB (execve(2)).
pub(super) fn arguments_limit_bytes() -> usize {
    const MOST: u64 = 6 << 20;
    let stack = getrlimit(Resource::Stack).current.unwrap_or(u64::MAX);
    (stack / 4).clamp(ONE_ARGUMENT_BYTES as u64, MOST) as usize
}

impl Packer {
    pub(super) fn new(template: &Template, environment_bytes: usize, options: &JobOptions) -> Self {
        let for_all = arguments_limit_bytes().saturating_sub(environment_bytes + HEADROOM_BYTES);
        // A script is one argument.
        let limit = if template.uses_shell() {
            for_all.min(ONE_ARGUMENT_BYTES - 1)
        } else {
            for_all.min(PACKED_BYTES)
        };
        Self {
            load: VecDeque::new(),
            load_bytes: 0,
            budget_bytes: limit.saturating_sub(template.base_cost()),
            at_most: options.pack_at_most.unwrap_or(usize::MAX),
            share: None,
            jobs: options.jobs_before,
        }
    }

    /// Items taken from the feed that are not part of a job yet.
    pub(super) fn held(&self) -> u64 {
        self.load.len() as u64
    }

    /// The next job's inputs as one item. `level` is how many jobs may run at once.
    pub(super) fn next(&mut self, feed: &mut Feed, template: &Template, level: usize) -> Next {
        loop {
            if let Some(share) = self.share {
                let enough = self.load.len() >= share.min(self.at_most)
                    || self.load_bytes > self.budget_bytes;
                if enough {
                    return self.take(template, share);
                }
            } else if feed.all_read() {
                let left = feed.progress().queued + self.held();
                self.share = Some(left.div_ceil(level.max(1) as u64).max(1) as usize);
                continue;
            } else if self.load.len() > self.at_most || self.load_bytes > self.budget_bytes {
                return self.take(template, usize::MAX);
            }
            match feed.take_next() {
                Next::Item(item) => {
                    self.load_bytes += template.cost(&item.joined);
                    self.load.push_back(item);
                }
                Next::End if !self.load.is_empty() => {
                    return self.take(template, self.share.unwrap_or(usize::MAX));
                }
                other => return other,
            }
        }
    }

    fn take(&mut self, template: &Template, share: usize) -> Next {
        let mut job: Option<Item> = None;
        let mut bytes = 0;
        let mut count = 0;
        while let Some(item) = self.load.front() {
            let cost = template.cost(&item.joined);
            // A single item that is too long goes alone, for the kernel to refuse by name.
            if count > 0 && (count >= share.min(self.at_most) || bytes + cost > self.budget_bytes) {
                break;
            }
            bytes += cost;
            count += 1;
            self.load_bytes -= cost;
            if let Some(item) = self.load.pop_front() {
                match &mut job {
                    None => job = Some(item),
                    Some(job) => job.append(&item),
                }
            }
        }
        match job {
            None => Next::End,
            Some(mut job) => {
                self.jobs += 1;
                job.seq = self.jobs;
                Next::Item(job)
            }
        }
    }
}
