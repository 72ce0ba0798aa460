//! Bodies of answers: whole ones, and streams of tokens.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::{sync::mpsc::UnboundedReceiver, time::Instant};

use super::{
    Server,
    json::{Answer, DEAD, DONE, error, event},
};
use crate::{metrics::Exchange, worker::Event};

/// Counts a request when its answer has been sent, or cannot be.
pub(super) struct Counting {
    pub(super) server: Arc<Server>,
    pub(super) exchange: Exchange,
    pub(super) began: Instant,
    /// Whether it is among those that `/metrics` counts.
    pub(super) is_counted: bool,
}

impl Drop for Counting {
    fn drop(&mut self) {
        if self.is_counted {
            self.exchange.lasted = self.began.elapsed();
            self.server.count(&self.exchange);
        }
        self.server.load.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body, with what counts it.
pub(super) struct Counted {
    content: Content,
    _counting: Counting,
}

impl Counted {
    pub(super) fn new(content: Content, counting: Counting) -> Self {
        Self { content, _counting: counting }
    }
}

/// What a body holds.
pub(super) enum Content {
    /// All of it, until it is taken.
    Whole(Option<Bytes>),
    /// Tokens as they come.
    Stream(TokenStream),
}

/// An answer that is streamed.
pub(super) struct TokenStream {
    pub(super) answer: Answer,
    pub(super) events: UnboundedReceiver<Event>,
    pub(super) includes_usage: bool,
    pub(super) answered: u64,
    pub(super) is_over: bool,
}

impl TokenStream {
    /// What goes out for what the engine told; nothing told is an engine that went away.
    fn text(&mut self, told: Option<Event>) -> String {
        let Some(Event::Token(outcome)) = told else {
            self.is_over = true;
            return event(&error(500, "InternalServerError", DEAD, None)) + DONE;
        };
        let mut text = if self.answered == 0 { self.answer.opening() } else { String::new() };
        text.push_str(&self.answer.token(self.answered, outcome));
        self.answered += 1;
        if outcome.is_some() {
            self.is_over = true;
            if self.includes_usage {
                text.push_str(&self.answer.usage_part(self.answered));
            }
            text.push_str(DONE);
        }
        text
    }
}

impl Body for Counted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.content {
            Content::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Content::Stream(stream) if stream.is_over => Poll::Ready(None),
            Content::Stream(stream) => {
                let told = ready!(stream.events.poll_recv(context));
                Poll::Ready(Some(Ok(Frame::data(Bytes::from(stream.text(told))))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_none(),
            Content::Stream(stream) => stream.is_over,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Content::Stream(_) => SizeHint::default(),
        }
    }
}
