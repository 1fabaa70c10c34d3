//! A body of any length that takes no memory of its own.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// The letters that long bodies are made of.
static FILLER: [u8; 64 << 10] = [b'x'; 64 << 10];

/// A text, or so many letters.
#[derive(Debug)]
pub(super) enum Answer {
    Text(Bytes),
    Filler(u64),
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.is_end_stream() {
            return Poll::Ready(None);
        }
        let next = match self.get_mut() {
            Self::Text(text) => std::mem::take(text),
            Self::Filler(left) => {
                let size = (*left).min(FILLER.len() as u64);
                *left -= size;
                Bytes::from_static(&FILLER[..size as usize])
            }
        };
        Poll::Ready(Some(Ok(Frame::data(next))))
    }

    fn is_end_stream(&self) -> bool {
        self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Text(text) => text.len() as u64,
            Self::Filler(left) => *left,
        })
    }
}
