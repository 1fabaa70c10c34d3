//! The real programs, with real sockets, files and processes.

mod jobs;
mod server;
mod started;
