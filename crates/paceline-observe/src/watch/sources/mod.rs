//! Where facts come from beside `/proc`: each source alone, able to say why it cannot speak.

pub(crate) mod python;
pub(crate) mod sockets;
pub(crate) mod switches;

/// Why a source cannot speak, written for the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Missing(pub(crate) String);
