//! The stream of an answer: server-sent events, each a chunk of the answer as JSON, and `[DONE]` at the end.
//!
//! Only what is measured is read of a chunk, and nothing of it is kept: at some thousand tokens per second this is what a
//! client spends its time with.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};

/// Longest line of an event. vLLM's are some hundred bytes; a longer one is no chunk of an answer.
const LINE_BYTES_MAX: usize = 1 << 20;
/// Characters that are told of an error.
const ERROR_LENGTH_MAX: usize = 120;

/// One event of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// A part of the answer.
    Chunk {
        /// Whether it has text.
        has_content: bool,
        /// Tokens of the whole answer; the last chunk tells them.
        completion_tokens: Option<u64>,
    },
    /// The answer is whole.
    Done,
    /// The engine says that it failed.
    Error(String),
    /// It is no event of an answer.
    Unreadable,
}

/// Splits a stream into its events, whatever pieces it comes in.
#[derive(Debug, Default)]
pub(super) struct EventReader {
    begun: Vec<u8>,
}

impl EventReader {
    /// Takes the next bytes, and hands on each event that is complete.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut take: impl FnMut(Event)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            if self.begun.is_empty() {
                read_line(line).into_iter().for_each(&mut take);
            } else {
                self.begun.extend_from_slice(line);
                read_line(&self.begun).into_iter().for_each(&mut take);
                self.begun.clear();
            }
            bytes = rest.get(1..).unwrap_or_default();
        }
        if self.begun.len() + bytes.len() > LINE_BYTES_MAX {
            self.begun.clear();
            take(Event::Unreadable);
            return;
        }
        self.begun.extend_from_slice(bytes);
    }
}

/// The event of a line, if it has one: other fields of events, comments and empty lines say nothing.
fn read_line(line: &[u8]) -> Option<Event> {
    let data = line.strip_prefix(b"data:")?.trim_ascii();
    if data == b"[DONE]" {
        return Some(Event::Done);
    }
    let Ok(chunk) = serde_json::from_slice::<Chunk>(data) else { return Some(Event::Unreadable) };
    if let Some(error) = chunk.error {
        return Some(Event::Error(error.0));
    }
    let completion_tokens = chunk.usage.and_then(|usage| usage.completion_tokens);
    Some(Event::Chunk { has_content: chunk.choices.has_content, completion_tokens })
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Choices,
    usage: Option<Usage>,
    error: Option<ErrorText>,
}

#[derive(Deserialize)]
struct Usage {
    completion_tokens: Option<u64>,
}

/// Whether any of the choices has text.
#[derive(Default)]
struct Choices {
    has_content: bool,
}

/// `text` of a completion, `delta` of a chat; a reasoning model's thoughts are tokens like others.
#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    text: Filled,
    delta: Option<Delta>,
}

#[derive(Deserialize)]
struct Delta {
    #[serde(default)]
    content: Filled,
    #[serde(default)]
    reasoning: Filled,
    #[serde(default)]
    reasoning_content: Filled,
}

/// Whether a text is there and not empty.
#[derive(Default)]
struct Filled(bool);

impl<'de> Deserialize<'de> for Choices {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Choices;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of choices")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Choices, A::Error> {
                let mut has_content = false;
                while let Some(Choice { text, delta }) = list.next_element()? {
                    let delta =
                        delta.is_some_and(|delta| delta.content.0 || delta.reasoning.0 || delta.reasoning_content.0);
                    has_content |= text.0 || delta;
                }
                Ok(Choices { has_content })
            }
        }
        deserializer.deserialize_seq(Each)
    }
}

impl<'de> Deserialize<'de> for Filled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Filled;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or null")
            }

            fn visit_str<E>(self, text: &str) -> Result<Filled, E> {
                Ok(Filled(!text.is_empty()))
            }

            fn visit_unit<E>(self) -> Result<Filled, E> {
                Ok(Filled(false))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

/// What is told of an error: its message, however it is wrapped.
struct ErrorText(String);

impl<'de> Deserialize<'de> for ErrorText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Wrapped {
            Object { message: String },
            Text(String),
            Other(IgnoredAny),
        }
        Ok(Self(match Wrapped::deserialize(deserializer)? {
            Wrapped::Object { message } | Wrapped::Text(message) => message.chars().take(ERROR_LENGTH_MAX).collect(),
            Wrapped::Other(_) => "an error without a message".to_owned(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As vLLM 0.32.0 streams a completion of two tokens.
    const COMPLETION: &str = "data: {\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"created\":1,\"model\":\"tiny\",\
        \"choices\":[{\"index\":0,\"text\":\" a\",\"logprobs\":null,\"finish_reason\":null,\"stop_reason\":null}],\"usage\":null}\n\n\
        data: {\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"created\":1,\"model\":\"tiny\",\"choices\":[{\"index\":0,\
        \"text\":\"\",\"logprobs\":null,\"finish_reason\":\"length\",\"stop_reason\":null}],\"usage\":null}\n\n\
        data: {\"id\":\"cmpl-1\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"total_tokens\":5,\"completion_tokens\":2}}\n\n\
        data: [DONE]\n\n";

    fn events(pieces: &[&[u8]]) -> Vec<Event> {
        let (mut reader, mut events) = (EventReader::default(), Vec::new());
        for piece in pieces {
            reader.push(piece, |event| events.push(event));
        }
        events
    }

    fn chunk(has_content: bool, completion_tokens: Option<u64>) -> Event {
        Event::Chunk { has_content, completion_tokens }
    }

    #[test]
    fn a_completion_is_its_texts_its_usage_and_its_end() {
        let expected = [chunk(true, None), chunk(false, None), chunk(false, Some(2)), Event::Done];
        assert_eq!(events(&[COMPLETION.as_bytes()]), expected);
    }

    #[test]
    fn a_chat_tells_its_role_before_any_content() {
        for (delta, has_content) in [
            (r#"{"role":"assistant","content":""}"#, false),
            (r#"{"role":"assistant","content":null}"#, false),
            (r#"{"content":"Hi"}"#, true),
            (r#"{"content":null,"reasoning":"Hm"}"#, true),
            (r#"{"reasoning_content":"Hm"}"#, true),
            ("{}", false),
        ] {
            let line = format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{delta}}}]}}\r\n");
            assert_eq!(events(&[line.as_bytes()]), [chunk(has_content, None)], "{delta}");
        }
    }

    #[test]
    fn errors_in_a_stream_are_told_with_their_message() {
        for (data, told) in [
            (r#"{"error":{"message":"EngineCore died","type":"x","code":500}}"#, "EngineCore died"),
            (r#"{"error":"plain"}"#, "plain"),
            (r#"{"error":{"code":500}}"#, "an error without a message"),
        ] {
            assert_eq!(events(&[format!("data: {data}\n").as_bytes()]), [Event::Error(told.to_owned())], "{data}");
        }
    }

    #[test]
    fn what_is_no_chunk_is_unreadable_and_what_is_no_data_says_nothing() {
        assert_eq!(events(&[b"data: <html>\n"]), [Event::Unreadable]);
        assert_eq!(events(&[b": ping\nevent: x\nid: 1\n\n"]), []);
        assert_eq!(events(&[b"data: [DONE]"]), [], "without an end of line it is not complete");
        let endless = vec![b'x'; LINE_BYTES_MAX + 1];
        assert_eq!(events(&[&endless]), [Event::Unreadable]);
    }

    proptest! {
        #[test]
        fn how_a_stream_is_cut_changes_nothing(mut cuts in prop::collection::vec(0..COMPLETION.len(), 0..8)) {
            cuts.sort_unstable();
            let mut pieces: Vec<&[u8]> = Vec::new();
            let mut begin = 0;
            for cut in cuts.into_iter().chain([COMPLETION.len()]) {
                pieces.push(&COMPLETION.as_bytes()[begin..cut]);
                begin = cut;
            }
            prop_assert_eq!(events(&pieces), events(&[COMPLETION.as_bytes()]));
        }
    }
}
