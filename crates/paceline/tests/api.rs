//! What types promise beyond their methods: that they can cross threads, and that errors are errors.
//! It holds if it compiles.

use paceline::offload::{Offload, OffloadError, Pending, Snapshot};
use paceline::{
    Batch, Budget, Cancelled, Cx, Failure, FailureKind, Limit, MapError, OnError, Pipeline, Report,
    Retry, Run, RunError, Stage,
};

fn crosses_threads<T: Send + Sync + 'static>() {}
fn can_be_sent<T: Send + 'static>() {}
fn is_an_error<T: std::error::Error + Send + Sync + 'static>() {}

#[test]
fn types_can_cross_threads() {
    crosses_threads::<Batch>();
    crosses_threads::<Budget>();
    crosses_threads::<Cx>();
    crosses_threads::<FailureKind>();
    crosses_threads::<Limit>();
    crosses_threads::<Offload>();
    crosses_threads::<OnError>();
    crosses_threads::<Report>();
    crosses_threads::<Retry>();
    crosses_threads::<Snapshot>();
    crosses_threads::<Stage>();
    can_be_sent::<Pending<String>>();
    can_be_sent::<Pipeline<String>>();
    can_be_sent::<Run<String>>();
}

#[test]
fn errors_are_errors() {
    is_an_error::<Cancelled>();
    is_an_error::<Failure>();
    is_an_error::<MapError<String, (), std::io::Error>>();
    is_an_error::<OffloadError>();
    is_an_error::<RunError>();
}
