//! What the jobs of a run amount to.

use std::time::Duration;

use rusqlite::Row;

use crate::column::{to_count, to_duration};
use crate::{Journal, JournalError, RunId, schema};

/// The sums over the jobs of a run, without superseded failures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunStats {
    /// Jobs that succeeded.
    pub done: u64,
    /// Jobs that failed.
    pub failed: u64,
    /// Jobs whose last attempt took too long.
    pub timed_out: u64,
    /// Attempts.
    pub attempts: u64,
    /// CPU time in user mode.
    pub user: Duration,
    /// CPU time in the kernel.
    pub system: Duration,
    /// Wall time of all jobs together.
    pub wall: Duration,
    /// The largest resident set of any job, in bytes.
    pub peak_rss_bytes: u64,
    /// Standard output, in bytes.
    pub bytes_out: u64,
    /// How the wall times are spread; nothing if there are no jobs.
    pub wall_quantiles: Option<WallQuantiles>,
}

/// Wall times of jobs: each is the time of a job that really ran, by nearest rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WallQuantiles {
    /// The shortest.
    pub min: Duration,
    /// Half of the jobs took at most this long.
    pub p50: Duration,
    /// 90 % of them did.
    pub p90: Duration,
    /// 99 % of them did.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

impl Journal {
    /// What the jobs of a run amount to. Reads all of them and sorts their wall times: about a
    /// second for a million jobs.
    pub fn stats(&self, run: RunId) -> Result<RunStats, JournalError> {
        self.run(run)?;
        let error = |source| self.error(source);
        let counted = schema::state::SUPERSEDED;
        let sums = format!(
            "SELECT total(state = 0), total(state = 1), total(timed_out), total(attempts),
                    total(user_us), total(sys_us), total(wall_us), max(peak_rss_bytes),
                    total(bytes_out)
             FROM jobs INDEXED BY jobs_by_run WHERE run = ?1 AND state <> {counted}"
        );
        let mut stats = self
            .connection
            .query_row(&sums, [run.0], read_sums)
            .map_err(error)?;
        let jobs = stats.done + stats.failed;
        if jobs > 0 {
            let walls = format!(
                "SELECT wall_us FROM jobs INDEXED BY jobs_by_run
                 WHERE run = ?1 AND state <> {counted} ORDER BY wall_us"
            );
            stats.wall_quantiles = Some(self.quantiles(&walls, run, jobs).map_err(error)?);
        }
        Ok(stats)
    }

    fn quantiles(&self, sql: &str, run: RunId, jobs: u64) -> rusqlite::Result<WallQuantiles> {
        let ranks = [1, rank(jobs, 50), rank(jobs, 90), rank(jobs, 99), jobs];
        let mut at_rank = [Duration::ZERO; 5];
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([run.0])?;
        let mut seen = 0;
        while let Some(row) = rows.next()? {
            seen += 1;
            for (slot, _) in at_rank
                .iter_mut()
                .zip(ranks)
                // Jobs recorded since they were counted do not matter.
                .filter(|(_, rank)| *rank == seen)
            {
                *slot = to_duration(row.get(0)?);
            }
        }
        let [min, p50, p90, p99, max] = at_rank;
        Ok(WallQuantiles {
            min,
            p50,
            p90,
            p99,
            max,
        })
    }
}

/// The rank, from 1, below or at which `percent` of `count` values lie.
fn rank(count: u64, percent: u64) -> u64 {
    (count * percent).div_ceil(100).max(1)
}

fn read_sums(row: &Row<'_>) -> rusqlite::Result<RunStats> {
    // `total` answers in floating point and so never overflows.
    let sum = |index| row.get::<_, f64>(index).map(|sum| sum as u64);
    let time = |index| sum(index).map(Duration::from_micros);
    Ok(RunStats {
        done: sum(0)?,
        failed: sum(1)?,
        timed_out: sum(2)?,
        attempts: sum(3)?,
        user: time(4)?,
        system: time(5)?,
        wall: time(6)?,
        peak_rss_bytes: row.get::<_, Option<i64>>(7)?.map_or(0, to_count),
        bytes_out: sum(8)?,
        wall_quantiles: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_nearest_ranks() {
        assert_eq!(rank(1, 50), 1);
        assert_eq!(rank(2, 50), 1);
        assert_eq!(rank(3, 50), 2);
        assert_eq!(rank(100, 99), 99);
        assert_eq!(rank(101, 99), 100);
        assert_eq!(rank(10, 90), 9);
    }
}
