//! Reading a watch line by line.

use std::time::Duration;

use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::Value;
use tokio::time::timeout;

/// Longest wait for one event. A server that has it sends it in milliseconds; one that compiles besides may not.
const EVENT_WAIT_MAX: Duration = Duration::from_secs(20);

/// A watch whose answer has begun.
pub(crate) struct OpenWatch {
    body: Body,
    received: Vec<u8>,
}

impl OpenWatch {
    pub(crate) fn new(body: Body) -> Self {
        Self { body, received: Vec::new() }
    }

    /// The next events. An error names what came instead.
    pub(crate) async fn collect(&mut self, wanted: usize) -> Result<Vec<Value>, (Vec<Value>, String)> {
        let mut events = Vec::new();
        while events.len() < wanted {
            match timeout(EVENT_WAIT_MAX, self.next()).await {
                Ok(Ok(Some(event))) => events.push(event),
                Ok(Ok(None)) => {
                    let problem = format!("the watch ended after {} of {wanted} events", events.len());
                    return Err((events, problem));
                }
                Ok(Err(problem)) => return Err((events, problem)),
                Err(_) => {
                    let problem = format!("event {} of {wanted} did not come", events.len() + 1);
                    return Err((events, problem));
                }
            }
        }
        Ok(events)
    }

    async fn next(&mut self) -> Result<Option<Value>, String> {
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                return serde_json::from_slice(&line)
                    .map(Some)
                    .map_err(|error| format!("an event is no JSON: {error}"));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(format!("the watch broke: {error}")),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.received.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn watch(text: &str) -> OpenWatch {
        OpenWatch::new(Body::from(text.as_bytes().to_vec()))
    }

    #[tokio::test]
    async fn events_are_read_one_by_one() {
        let mut watch = watch("{\"type\":\"ADDED\"}\n\n{\"type\":\"MODIFIED\"}\n{\"type\":\"DELETED\"}\n");
        assert_eq!(watch.collect(1).await.unwrap(), [json!({ "type": "ADDED" })]);
        assert_eq!(watch.collect(2).await.unwrap(), [json!({ "type": "MODIFIED" }), json!({ "type": "DELETED" })]);
    }

    #[tokio::test]
    async fn a_watch_that_ends_early_says_what_came() {
        let (events, problem) = watch("{\"type\":\"ADDED\"}\n").collect(2).await.unwrap_err();
        assert_eq!((events.len(), problem.as_str()), (1, "the watch ended after 1 of 2 events"));
        assert!(watch("{\"type\"\n").collect(1).await.unwrap_err().1.contains("no JSON"));
    }
}
