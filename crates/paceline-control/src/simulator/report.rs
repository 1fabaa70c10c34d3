//! What came out of a contest, in tables.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::contender::Contender;
use super::contest::{Contest, Scored};
use super::scenario::{Kind, Scenario};

/// The scores of a contest, summed up.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// By number of cores and contender.
    pub summaries: Vec<Summary>,
    /// By number of cores and scenario.
    pub rows: Vec<Row>,
    /// Each run.
    pub runs: Vec<Scored>,
}

/// How a contender did on machines with some number of cores.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Cores of the machine.
    pub cores: f64,
    /// The contender.
    pub controller: String,
    /// The geometric mean over the scenarios' geometric means.
    pub mean: f64,
    /// The part of all runs that takes at most 5 % longer than the oracle.
    pub within_5: f64,
    /// The same for 10 %.
    pub within_10: f64,
    /// The worst run.
    pub worst: f64,
    /// The worst geometric mean of a scenario, and which.
    pub worst_scenario: (f64, String),
    /// Attempts killed because memory ran out.
    pub oom_kills: usize,
    /// The largest share of refused jobs in a scenario, on average over the seeds.
    pub most_rejected: f64,
}

/// How all contenders did in one scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Cores of the machine.
    pub cores: f64,
    /// The scenario.
    pub scenario: String,
    /// What limits it.
    pub kind: Kind,
    /// The oracle's levels: lowest, middle and highest over the seeds.
    pub levels: [usize; 3],
    /// The oracle's makespan in seconds, on average.
    pub makespan: f64,
    /// By contender, in the order of the contest.
    pub cells: Vec<Cell>,
}

/// How one contender did in one scenario, over all seeds.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    /// The contender.
    pub controller: String,
    /// The geometric mean of makespan divided by the oracle's.
    pub mean: f64,
    /// The worst of these.
    pub worst: f64,
    /// Attempts killed because memory ran out, in all.
    pub oom_kills: usize,
    /// Refused attempts per job, on average.
    pub reject_share: f64,
    /// Attempts given up, in all.
    pub sheds: usize,
    /// The middle of the last limits.
    pub settled: usize,
}

fn geometric_mean(ratios: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for ratio in ratios {
        sum += ratio.ln();
        count += 1.0;
    }
    f64::exp(sum / f64::max(count, 1.0))
}

/// Both are copies of one number.
fn same(a: f64, b: f64) -> bool {
    a.total_cmp(&b).is_eq()
}

fn middle(mut values: Vec<usize>) -> usize {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

impl Report {
    /// Sums up the scores of a contest.
    pub fn new(contest: &Contest, runs: Vec<Scored>) -> Self {
        let mut rows = Vec::new();
        let mut summaries = Vec::new();
        for &cores in &contest.cores {
            let here: Vec<&Scored> = runs.iter().filter(|run| same(run.cores, cores)).collect();
            let rows_here: Vec<Row> = contest
                .scenarios
                .iter()
                .filter_map(|scenario| row(cores, scenario, &contest.contenders, &here))
                .collect();
            for (at, contender) in contest.contenders.iter().enumerate() {
                let name = contender.to_string();
                summaries.extend(summary(cores, &name, at, &rows_here, &here));
            }
            rows.extend(rows_here);
        }
        Self {
            summaries,
            rows,
            runs,
        }
    }
}

fn row(cores: f64, scenario: &Scenario, contenders: &[Contender], runs: &[&Scored]) -> Option<Row> {
    let here: Vec<&&Scored> = runs
        .iter()
        .filter(|run| run.scenario == scenario.name)
        .collect();
    let oracles: BTreeMap<u64, _> = here.iter().map(|run| (run.seed, run.oracle)).collect();
    let levels: Vec<usize> = oracles.values().map(|oracle| oracle.level).collect();
    let cells = contenders.iter().map(|contender| {
        let name = contender.to_string();
        let own = || here.iter().filter(|run| run.controller == name);
        Cell {
            mean: geometric_mean(own().map(|run| run.ratio)),
            worst: own().map(|run| run.ratio).fold(0.0, f64::max),
            oom_kills: own().map(|run| run.oom_kills).sum(),
            reject_share: own().map(|run| run.reject_share).sum::<f64>() / oracles.len() as f64,
            sheds: own().map(|run| run.sheds).sum(),
            settled: middle(own().map(|run| run.settled).collect()),
            controller: name,
        }
    });
    Some(Row {
        cores,
        scenario: scenario.name.clone(),
        kind: scenario.kind,
        levels: [
            *levels.iter().min()?,
            middle(levels.clone()),
            *levels.iter().max()?,
        ],
        makespan: oracles.values().map(|oracle| oracle.makespan).sum::<f64>()
            / oracles.len() as f64,
        cells: cells.collect(),
    })
}

fn summary(
    cores: f64,
    controller: &str,
    at: usize,
    rows: &[Row],
    runs: &[&Scored],
) -> Option<Summary> {
    let own = || runs.iter().filter(|run| run.controller == controller);
    let count = own().count() as f64;
    let within = |most: f64| own().filter(|run| run.ratio <= most).count() as f64 / count;
    let cells = || rows.iter().map(|row| (&row.cells[at], &row.scenario));
    let (worst_cell, scenario) = cells().max_by(|a, b| a.0.mean.total_cmp(&b.0.mean))?;
    Some(Summary {
        cores,
        controller: controller.to_owned(),
        mean: geometric_mean(cells().map(|(cell, _)| cell.mean)),
        within_5: within(1.05),
        within_10: within(1.1),
        worst: own().map(|run| run.ratio).fold(0.0, f64::max),
        worst_scenario: (worst_cell.mean, scenario.clone()),
        oom_kills: own().map(|run| run.oom_kills).sum(),
        most_rejected: cells()
            .map(|(cell, _)| cell.reject_share)
            .fold(0.0, f64::max),
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cores: Vec<f64> = self.summaries.iter().map(|summary| summary.cores).collect();
        cores.dedup();
        for cores in cores {
            self.table(f, cores)?;
            self.kinds(f, cores)?;
            self.totals(f, cores)?;
        }
        Ok(())
    }
}

impl Report {
    /// One line per scenario.
    fn table(&self, f: &mut fmt::Formatter<'_>, cores: f64) -> fmt::Result {
        let rows = || self.rows.iter().filter(|row| same(row.cores, cores));
        let Some(first) = rows().next() else {
            return writeln!(f, "{cores} cores: no scenario can be done");
        };
        let width = rows().map(|row| row.scenario.len()).max().unwrap_or(0);
        writeln!(
            f,
            "{cores} cores: makespan divided by the oracle's (worst seed)"
        )?;
        write!(
            f,
            "{:width$} {:>16} {:>8}",
            "scenario", "oracle level", "seconds"
        )?;
        for cell in &first.cells {
            write!(f, " {:>15}", cell.controller)?;
        }
        writeln!(f)?;
        for row in rows() {
            let [low, middle, high] = row.levels;
            let levels = if low == high {
                low.to_string()
            } else {
                format!("{middle} ({low}–{high})")
            };
            write!(
                f,
                "{:width$} {levels:>16} {:>8.2}",
                row.scenario, row.makespan
            )?;
            for cell in &row.cells {
                let both = format!("{:.3} ({:.2})", cell.mean, cell.worst);
                write!(f, " {both:>15}")?;
            }
            for cell in &row.cells {
                let mut marks = Vec::new();
                if cell.oom_kills > 0 {
                    marks.push(format!("{} OOM kills", cell.oom_kills));
                }
                if cell.reject_share > 0.000_5 {
                    marks.push(format!("{:.1} % refused", cell.reject_share * 100.0));
                }
                if cell.sheds > 0 {
                    marks.push(format!("{} shed", cell.sheds));
                }
                if !marks.is_empty() {
                    write!(f, "  [{}: {}]", cell.controller, marks.join(", "))?;
                }
            }
            writeln!(f)?;
        }
        writeln!(f)
    }

    /// One line per kind of scenario.
    fn kinds(&self, f: &mut fmt::Formatter<'_>, cores: f64) -> fmt::Result {
        let mut kinds: BTreeMap<Kind, Vec<&Row>> = BTreeMap::new();
        for row in self.rows.iter().filter(|row| same(row.cores, cores)) {
            kinds.entry(row.kind).or_default().push(row);
        }
        let Some(first) = kinds.values().flatten().next() else {
            return Ok(());
        };
        write!(f, "{:12}", "by kind")?;
        for cell in &first.cells {
            write!(f, " {:>10}", cell.controller)?;
        }
        writeln!(f)?;
        for (kind, rows) in &kinds {
            write!(f, "{:12}", format!("{kind:?}").to_lowercase())?;
            for at in 0..first.cells.len() {
                let mean = geometric_mean(rows.iter().map(|row| row.cells[at].mean));
                write!(f, " {mean:>10.3}")?;
            }
            writeln!(f)?;
        }
        writeln!(f)
    }

    /// One line per contender.
    fn totals(&self, f: &mut fmt::Formatter<'_>, cores: f64) -> fmt::Result {
        writeln!(
            f,
            "{:12} {:>6} {:>9} {:>10} {:>7} {:>10} {:>13}  worst scenario",
            "on average", "mean", "within 5%", "within 10%", "worst", "OOM kills", "most refused",
        )?;
        for summary in self.summaries.iter().filter(|s| same(s.cores, cores)) {
            writeln!(
                f,
                "{:12} {:>6.3} {:>8.0}% {:>9.0}% {:>7.2} {:>10} {:>12.1}%  {:.3} {}",
                summary.controller,
                summary.mean,
                summary.within_5 * 100.0,
                summary.within_10 * 100.0,
                summary.worst,
                summary.oom_kills,
                summary.most_rejected * 100.0,
                summary.worst_scenario.0,
                summary.worst_scenario.1,
            )?;
        }
        writeln!(f)
    }
}
