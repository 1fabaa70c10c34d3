//! What types promise beyond their methods: that they can cross threads, and that errors are errors.
//! It holds if it compiles.

use std::fmt::{Debug, Display};
use std::hash::Hash;

use paceline::offload::{
    Histogram, Job, Offload, OffloadBuilder, OffloadError, Pending, Priority, Snapshot,
};
use paceline::{
    Again, Batch, Bottleneck, Budget, Cancelled, Cx, ErrorKind, Failed, Failure, FailureKind,
    LevelStep, Limit, Map, MapAsync, MapError, Mapped, OnError, Once, Pipeline, Report,
    ResultStream, Results, Retry, Run, RunError, Stage, StageKind, StageReport,
};

type Work = fn(&String) -> Result<u8, std::io::Error>;
type Items = std::vec::IntoIter<String>;

fn crosses_threads<T: Send + Sync + Debug + 'static>() {}
fn can_be_sent<T: Send + Debug + 'static>() {}
fn can_be_moved<T: Unpin>() {}
fn is_a_value<T: Copy + Eq + Hash + Debug>() {}
fn can_be_cloned<T: Clone + Debug>() {}
fn can_be_shown<T: Display>() {}
fn is_an_error<T: std::error::Error + Send + Sync + 'static>() {}

#[test]
fn types_can_cross_threads() {
    crosses_threads::<Again>();
    crosses_threads::<Batch>();
    crosses_threads::<Bottleneck>();
    crosses_threads::<Budget>();
    crosses_threads::<Cx>();
    crosses_threads::<ErrorKind>();
    crosses_threads::<Failed<String, std::io::Error>>();
    crosses_threads::<FailureKind>();
    crosses_threads::<Histogram>();
    crosses_threads::<Job>();
    crosses_threads::<LevelStep>();
    crosses_threads::<Limit>();
    crosses_threads::<Map<Items, Work, std::io::Error>>();
    crosses_threads::<Mapped<String, u8, std::io::Error>>();
    crosses_threads::<Offload>();
    crosses_threads::<OffloadBuilder>();
    crosses_threads::<OnError>();
    crosses_threads::<Once>();
    crosses_threads::<Pending<String>>();
    crosses_threads::<Priority>();
    crosses_threads::<Report>();
    crosses_threads::<Retry>();
    crosses_threads::<Snapshot>();
    crosses_threads::<Stage>();
    crosses_threads::<Stage<Again>>();
    crosses_threads::<StageKind>();
    crosses_threads::<StageReport>();
    can_be_sent::<MapAsync<String, u8, std::io::Error>>();
    can_be_sent::<Pipeline<String>>();
    can_be_sent::<ResultStream<String, u8, std::io::Error>>();
    can_be_sent::<Results<Items, Work, u8, std::io::Error>>();
    can_be_sent::<Run<String>>();
    can_be_moved::<Pending<String>>();
    can_be_moved::<ResultStream<String, u8, std::io::Error>>();
    can_be_moved::<Run<String>>();
}

#[test]
fn errors_are_errors() {
    is_an_error::<Cancelled>();
    is_an_error::<Failed<String, std::io::Error>>();
    is_an_error::<Failure>();
    is_an_error::<MapError<String, (), std::io::Error>>();
    is_an_error::<OffloadError>();
    is_an_error::<RunError>();
}

#[test]
fn types_have_what_values_have() {
    is_a_value::<Batch>();
    is_a_value::<Bottleneck>();
    is_a_value::<Budget>();
    is_a_value::<Cancelled>();
    is_a_value::<ErrorKind>();
    is_a_value::<Job>();
    is_a_value::<Limit>();
    is_a_value::<OnError>();
    is_a_value::<Priority>();
    is_a_value::<Retry>();
    is_a_value::<StageKind>();
    can_be_cloned::<Cx>();
    can_be_cloned::<Failed<String, String>>();
    can_be_cloned::<Failure>();
    can_be_cloned::<MapError<String, u8, String>>();
    can_be_cloned::<Mapped<String, u8, String>>();
    can_be_cloned::<Offload>();
    can_be_cloned::<Report>();
    can_be_cloned::<RunError>();
    can_be_cloned::<Snapshot>();
    can_be_cloned::<Stage>();
    can_be_shown::<Failed<String, String>>();
    can_be_shown::<FailureKind<String>>();
    can_be_shown::<Report>();
    can_be_shown::<Snapshot>();
    can_be_shown::<StageKind>();
}

#[cfg(feature = "tower")]
#[test]
fn those_of_tower_too() {
    use paceline::tower::{
        AdaptiveLimit, AdaptiveLimitLayer, GateSnapshot, Http503, Http503Layer, LimitError,
    };
    crosses_threads::<AdaptiveLimit<String>>();
    crosses_threads::<AdaptiveLimitLayer>();
    crosses_threads::<GateSnapshot>();
    crosses_threads::<Http503<String>>();
    crosses_threads::<Http503Layer>();
    can_be_cloned::<AdaptiveLimit<String>>();
    can_be_cloned::<Http503<String>>();
    can_be_shown::<GateSnapshot>();
    is_an_error::<LimitError<std::io::Error>>();
}

#[cfg(feature = "watchdog")]
#[test]
fn those_of_the_watchdog_too() {
    use paceline::watchdog::{Frame, Guard, Held, Watch};
    crosses_threads::<Frame>();
    crosses_threads::<Guard>();
    crosses_threads::<Held>();
    can_be_sent::<Watch>();
    can_be_shown::<Frame>();
    can_be_shown::<Held>();
}
