//! Scores controllers against the best fixed level, on the scenarios of this crate.
//!
//! ```sh
//! cargo run --release -p paceline-control --example score -- --cores 2,8,32
//! ```

use std::error::Error;
use std::io::IsTerminal as _;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use paceline_control::simulator::{
    Contender, Contest, Report, Scenario, Simulation, Split, Workload, oracle,
};

/// Makespan of controllers, divided by that of the best fixed level.
#[derive(Parser)]
struct Flags {
    /// Cores of the machines
    #[arg(long, value_parser = cores, value_delimiter = ',', default_value = "8")]
    cores: Vec<f64>,
    /// Draws, from the first to the last
    #[arg(long, value_parser = seeds, default_value = "101..110")]
    seeds: RangeInclusive<u64>,
    /// A directory of scenarios [default: those of this crate]
    #[arg(long)]
    scenarios: Option<PathBuf>,
    /// Writes all results to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Which scenarios
    #[arg(long, value_enum, default_value_t = Which::Score)]
    split: Which,
    /// Only scenarios with this in their names, of any split
    #[arg(long)]
    only: Option<String>,
    /// Prints the decisions of the first controller for the first seed
    #[arg(long, requires = "only")]
    trace: bool,
    /// Lets attempts tell how long they waited for a core, which the real engine cannot
    #[arg(long)]
    delays: bool,
    /// Which controllers
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "auto,remembered,fixed2,fixed4,aimd,gradient2,vegas"
    )]
    controllers: Vec<Contender>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Which {
    Tune,
    Score,
    All,
}

fn cores(text: &str) -> Result<f64, String> {
    let cores = text.parse::<f64>().map_err(|error| error.to_string())?;
    if cores.is_finite() && cores > 0.0 {
        Ok(cores)
    } else {
        Err("must be above 0".to_owned())
    }
}

fn seeds(text: &str) -> Result<RangeInclusive<u64>, String> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let number = |text: &str| {
        text.parse::<u64>()
            .map_err(|error| format!("{text:?}: {error}; write a number, or 101..110"))
    };
    let seeds = number(first)?..=number(last)?;
    if seeds.is_empty() {
        return Err(format!("there is no seed in {text}"));
    }
    Ok(seeds)
}

fn main() {
    let flags = Flags::parse();
    if let Err(error) = run(&flags) {
        eprintln!("score: {error}");
        std::process::exit(2);
    }
}

fn run(flags: &Flags) -> Result<(), Box<dyn Error>> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut scenarios = Scenario::all_in(flags.scenarios.as_deref().unwrap_or(&own))?;
    if let Some(only) = &flags.only {
        if scenarios.iter().any(|scenario| scenario.name == *only) {
            scenarios.retain(|scenario| scenario.name == *only);
        } else {
            scenarios.retain(|scenario| scenario.name.contains(only));
        }
    } else {
        scenarios.retain(|scenario| match flags.split {
            Which::Tune => scenario.split == Split::Tune,
            Which::Score => scenario.split == Split::Score,
            Which::All => true,
        });
    }
    if scenarios.is_empty() {
        return Err("no scenario is left; see --only and --split".into());
    }
    if flags.trace {
        trace(flags, &scenarios[0]);
        return Ok(());
    }
    let contest = Contest {
        scenarios,
        cores: flags.cores.clone(),
        seeds: flags.seeds.clone().collect(),
        contenders: flags.controllers.clone(),
        delays: flags.delays,
    };
    let progress_wanted = std::io::stderr().is_terminal();
    let scored = contest.run(|done, of| {
        if progress_wanted {
            eprint!("\r{done}/{of}");
        }
        if progress_wanted && done == of {
            eprintln!();
        }
    });
    let report = Report::new(&contest, scored);
    if let Some(path) = &flags.json {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, text)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    print!("{report}");
    Ok(())
}

fn trace(flags: &Flags, scenario: &Scenario) {
    let (Some(&cores), Some(contender)) = (flags.cores.first(), flags.controllers.first()) else {
        return;
    };
    let seed = *flags.seeds.start();
    let workload = Workload::draw(scenario, cores, seed);
    println!("{}: {}", scenario.name, scenario.why);
    println!(
        "{} jobs, {cores} cores, seed {seed}, {contender}",
        workload.len()
    );
    let oracle = oracle(scenario, &workload);
    let until = oracle.map_or(f64::INFINITY, |oracle| oracle.makespan * 50.0);
    let mut controller = contender.controller(scenario, &workload, until, flags.delays);
    println!("first limit {}", controller.limit());
    let run = Simulation::new(scenario, &workload)
        .until(until)
        .telling_delays(flags.delays)
        .run(controller.as_mut());
    println!("{:>10} {:>9} {:>6}", "seconds", "in flight", "done");
    for step in &run.steps {
        println!(
            "{:10.4} {:9} {:6}  {} → {}: {}",
            step.decision.at.as_secs_f64(),
            step.in_flight,
            step.done,
            step.decision.was,
            step.decision.limit,
            step.decision.reason,
        );
    }
    println!(
        "{:10.4} end{}: at most {} in flight, {} OOM kills, {} refused, {} shed",
        run.makespan,
        if run.complete { "" } else { " (cut)" },
        run.peak(),
        run.oom_kills,
        run.rejects,
        run.sheds,
    );
    if let Some(oracle) = oracle {
        println!(
            "oracle: level {} takes {:.4} s, this {:.3} times as long",
            oracle.level,
            oracle.makespan,
            run.makespan / oracle.makespan,
        );
    }
    if let Some(learned) = controller.learned() {
        println!("learned: {learned:?}");
    }
}
