//! The body of an answer: bytes at once, or the events of a watch as they come.

use std::{
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
    Whole(Option<Bytes>),
    Watch(Box<(ApiServer, Watch)>),
}

impl ReplyBody {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self(Kind::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())))
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
            Kind::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
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
        matches!(self.0, Kind::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Watch(_) => SizeHint::new(),
        }
    }
}
