//! Servers and jobs whose behaviour is known: what paceline's benchmarks and examples run against.
//!
//! `lab-server` answers HTTP on the loopback along a curve that flags set, `lab-get` asks it as
//! cheaply as a process can, `lab-store` keeps objects as S3 does, and `lab-job` is all other work: CPU, waiting, memory, disk. They do
//! what they claim, on real sockets, processors, pages and disks; nothing is simulated but the
//! speed of the server.

#![forbid(unsafe_code)]

pub mod bucket;
pub mod client;
pub mod curve;
pub mod quantity;
pub mod server;
pub mod sharing;
pub mod store;
pub mod work;
