//! A machine in made-up time, to try controllers on before people do.
//!
//! A [`Scenario`] is a list of jobs, each a list of phases on shared resources. [`Simulation`]
//! runs it with any [`Controller`](crate::Controller), event by event, and [`oracle`] finds out
//! what the best fixed level would have taken. A [`Contest`] does that for many scenarios, seeds
//! and [`Contender`]s, and [`Report`] sums it up.
//!
//! The scenarios lie in the directory `scenarios` of this crate; its `README.md` describes their
//! format.

mod baselines;
mod contender;
mod contest;
mod engine;
mod machine;
mod oracle;
mod report;
mod scenario;
mod stations;
mod workload;

pub use baselines::{Aimd, Gradient2, Vegas};
pub use contender::{Contender, UnknownContender};
pub use contest::{Contest, Scored};
pub use engine::{Run, Simulation, Step};
pub use oracle::{Oracle, oracle};
pub use report::{Report, Summary};
pub use scenario::{Kind, Scenario, ScenarioError, Split};
pub use workload::Workload;
