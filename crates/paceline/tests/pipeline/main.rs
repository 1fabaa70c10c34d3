//! Pipelines: every item comes out once, whatever happens to it and wherever; nothing stays behind.

mod budget;
mod busy;
mod ends;
mod held;
mod once;
mod panics;
mod plan;
mod processes;
mod report;
mod said;
