//! The real programs, with real sockets, files and processes.

mod corpus;
mod jobs;
mod server;
mod started;
