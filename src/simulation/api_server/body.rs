//! The body of an answer: bytes, or the events of a watch as they come.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::{
    ApiServer,
    service::ConnectionBroken,
    watch::{Next, Watch},
};

/// The body of an answer.
pub struct ReplyBody(Kind);

enum Kind {
    /// Bytes, piece by piece.
    Whole(VecDeque<Bytes>),
    Watch(Box<(ApiServer, Watch)>),
}

impl ReplyBody {
    pub(super) fn whole(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        Self(Kind::Whole(pieces.into_iter().filter(|piece| !piece.is_empty()).collect()))
    }

    pub(super) fn watch(server: ApiServer, watch: Watch) -> Self {
        Self(Kind::Watch(Box::new((server, watch))))
    }
}

impl http_body::Body for ReplyBody {
    type Data = Bytes;
    type Error = ConnectionBroken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ConnectionBroken>>> {
        match &mut self.0 {
            Kind::Whole(pieces) => Poll::Ready(pieces.pop_front().map(|piece| Ok(Frame::data(piece)))),
            Kind::Watch(inner) => {
                let (server, watch) = &mut **inner;
                match server.with_state(|state| watch.next(state, context.waker())) {
                    Next::Event(event) => Poll::Ready(Some(Ok(Frame::data(event)))),
                    Next::Nothing => Poll::Pending,
                    Next::End => Poll::Ready(None),
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Kind::Whole(pieces) if pieces.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(pieces) => SizeHint::with_exact(pieces.iter().map(Bytes::len).sum::<usize>() as u64),
            Kind::Watch(_) => SizeHint::new(),
        }
    }
}
