//! The kernel copies what is in memory already: it looks like compute, and is input and output.

use super::super::facts::{Facts, ratio};
use super::super::plan::Plan;
use super::super::rule::{Border, Rule};
use super::super::{Cause, words};

/// It computes for at least this share of the wall …
const COMPUTE: f64 = 0.85;
/// … most of it in the kernel …
const SYSTEM: f64 = 0.6;
/// … and of what it reads, less than this comes from a disk.
const FROM_DISK: f64 = 0.1;
/// The kernel spends its time on copying if it moves so many bytes in a second of it …
const BYTES: f64 = 100e6;
/// … or, where they are small, answers so many calls.
const CALLS: f64 = 200e3;

pub(super) const RULE: Rule = Rule {
    cause: Cause::PageCache,
    borders: &[
        Border::share_at_least(COMPUTE, "of the time it computes", |f| f.compute),
        Border::share_at_least(SYSTEM, "of that is in the kernel", |f| f.system),
        Border::share_below(
            FROM_DISK,
            "of the bytes it reads and writes come from a disk",
            from_disk,
        ),
        Border::at_least(1.0, "", copying).unsaid(),
    ],
    weight: 1.0,
    sentence: |f| {
        format!(
            "The kernel copies what is in memory already: {} of the CPU time is the kernel's, for {} read and {} \
             written, {} of it from a disk.",
            words::percent(f.system),
            words::bytes(f.profile.file_bytes.read_calls),
            words::bytes(f.profile.file_bytes.write_calls),
            words::bytes(f.profile.file_bytes.from_disk),
        )
    },
    prescribe: |f| {
        let bytes = &f.profile.file_bytes;
        let calls = bytes.read_count.saturating_add(bytes.write_count);
        let size = ratio(moved(f), calls as f64) as u64;
        let advice = if calls > 0 && size < 64 << 10 {
            format!(
                "Read and write in larger pieces than {}, or map the file (mmap).",
                words::bytes(size)
            )
        } else {
            "Copy less: map the file (mmap), let the kernel copy (copy_file_range, splice, sendfile), or keep it \
             in memory.".into()
        };
        Plan::as_it_is(f)
            .with_gain(0.0, 0.0, f.system * f.compute)
            .advise(f, advice)
    },
};

fn moved(facts: &Facts<'_>) -> f64 {
    facts.profile.file_bytes.read_calls as f64 + facts.profile.file_bytes.write_calls as f64
}

fn from_disk(facts: &Facts<'_>) -> f64 {
    ratio(facts.profile.file_bytes.from_disk as f64, moved(facts)).min(1.0)
}

/// At least 1 if copying is what the kernel spends its time on.
fn copying(facts: &Facts<'_>) -> f64 {
    let bytes = &facts.profile.file_bytes;
    let seconds = facts.profile.cpu.system.as_secs_f64();
    let calls = bytes.read_count as f64 + bytes.write_count as f64;
    (ratio(moved(facts), seconds) / BYTES).max(ratio(calls, seconds) / CALLS)
}
