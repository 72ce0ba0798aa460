//! Bodies as vLLM writes them. Recorded are the paths and their status; the fields are those of its API reference.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::metrics::Outcome;

/// vLLM's message where its engine is dead.
pub(super) const DEAD: &str = "EngineCore encountered an issue. See stack trace (above) for the root cause.";

/// Words of an answer, in turn.
const WORDS: [&str; 8] = [" the", " loop", " finds", " what", " is", " slow", " and", " why"];

/// The word at a place of an answer.
pub(super) fn word(place: u64) -> &'static str {
    let index = usize::try_from(place % WORDS.len() as u64).unwrap_or_default();
    WORDS.get(index).copied().unwrap_or_default()
}

/// The body of an error.
pub(super) fn error(code: u16, kind: &str, message: &str, parameter: Option<&str>) -> Value {
    json!({"error": {"message": message, "type": kind, "param": parameter, "code": code}})
}

/// Which of the two ways to ask for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Completion,
    Chat,
}

/// One answer: what all its parts have in common.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) form: Form,
    pub(super) number: u64,
    pub(super) created: u64,
    pub(super) model: String,
    pub(super) prompt_tokens: u64,
}

impl Answer {
    fn id(&self) -> String {
        let start = if self.form == Form::Chat { "chatcmpl" } else { "cmpl" };
        format!("{start}-{:08x}{:08x}", self.created, self.number)
    }

    fn usage(&self, answered: u64) -> Value {
        let whole = self.prompt_tokens + answered;
        json!({"prompt_tokens": self.prompt_tokens, "total_tokens": whole, "completion_tokens": answered, "prompt_tokens_details": null})
    }

    /// The answer as one body.
    pub(super) fn whole(&self, answered: u64, outcome: Outcome) -> Value {
        let text: String = (0..answered).map(word).collect();
        let choice = match self.form {
            Form::Completion => json!({"index": 0, "text": text, "logprobs": null, "finish_reason": outcome.reason(),
                "stop_reason": null, "token_ids": null, "prompt_logprobs": null, "prompt_token_ids": null}),
            Form::Chat => json!({"index": 0, "message": {"role": "assistant", "content": text, "refusal": null,
                "annotations": null, "audio": null, "function_call": null, "tool_calls": [], "reasoning": null},
                "logprobs": null, "finish_reason": outcome.reason(), "stop_reason": null, "token_ids": null}),
        };
        let object = if self.form == Form::Chat { "chat.completion" } else { "text_completion" };
        json!({"id": self.id(), "object": object, "created": self.created, "model": self.model, "choices": [choice],
            "service_tier": null, "system_fingerprint": null, "usage": self.usage(answered), "kv_transfer_params": null})
    }

    fn part(&self, choices: &Value, usage: Option<&Value>) -> String {
        let object = if self.form == Form::Chat { "chat.completion.chunk" } else { "text_completion" };
        let mut part = json!({"id": self.id(), "object": object, "created": self.created, "model": self.model,
            "choices": choices});
        // A stream of a chat leaves out what is not set.
        if let Some(fields) = part.as_object_mut().filter(|_| usage.is_some() || self.form == Form::Completion) {
            fields.insert("usage".to_owned(), usage.cloned().unwrap_or_default());
        }
        event(&part)
    }

    /// The part before the first word: a chat names the role.
    pub(super) fn opening(&self) -> String {
        match self.form {
            Form::Completion => String::new(),
            Form::Chat => self.part(
                &json!([{"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": null, "finish_reason": null}]),
                None,
            ),
        }
    }

    /// The part with the word at this place.
    pub(super) fn token(&self, place: u64, outcome: Option<Outcome>) -> String {
        let reason = outcome.map(Outcome::reason);
        let choice = match self.form {
            Form::Completion => json!({"index": 0, "text": word(place), "logprobs": null, "finish_reason": reason,
                "stop_reason": null, "prompt_token_ids": null, "token_ids": null}),
            Form::Chat => json!({"index": 0, "delta": {"content": word(place)}, "logprobs": null,
                "finish_reason": reason, "token_ids": null}),
        };
        self.part(&json!([choice]), None)
    }

    /// The part that states how many tokens there were.
    pub(super) fn usage_part(&self, answered: u64) -> String {
        self.part(&json!([]), Some(&self.usage(answered)))
    }
}

/// One event of a stream.
pub(super) fn event(body: &Value) -> String {
    format!("data: {body}\n\n")
}

/// The last event of a stream.
pub(super) const DONE: &str = "data: [DONE]\n\n";

/// A body of JSON.
pub(super) fn bytes(body: &Value) -> Bytes {
    Bytes::from(body.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(form: Form) -> Answer {
        Answer { form, number: 3, created: 1_795_399_909, model: "tiny".to_owned(), prompt_tokens: 64 }
    }

    fn read(part: &str) -> Value {
        serde_json::from_str(part.strip_prefix("data: ").unwrap().strip_suffix("\n\n").unwrap()).unwrap()
    }

    #[test]
    fn a_streamed_answer_has_a_word_in_each_part_and_its_end_in_the_last() {
        for form in [Form::Completion, Form::Chat] {
            let answer = answer(form);
            let (first, last) = (read(&answer.token(0, None)), read(&answer.token(1, Some(Outcome::Length))));
            let text = |part: &Value| {
                let choice = &part["choices"][0];
                if form == Form::Chat { choice["delta"]["content"].clone() } else { choice["text"].clone() }
            };
            assert_eq!((text(&first), text(&last)), (json!(" the"), json!(" loop")));
            assert_eq!(
                (&first["choices"][0]["finish_reason"], &last["choices"][0]["finish_reason"]),
                (&Value::Null, &json!("length"))
            );
            assert_eq!(first["id"], last["id"]);
            let usage = read(&answer.usage_part(2));
            assert_eq!(usage["choices"], json!([]));
            assert_eq!(
                (&usage["usage"]["prompt_tokens"], &usage["usage"]["completion_tokens"]),
                (&json!(64), &json!(2))
            );
        }
        assert_eq!(read(&answer(Form::Chat).opening())["choices"][0]["delta"]["content"], "");
    }

    #[test]
    fn a_whole_answer_has_the_words_of_the_streamed_one() {
        let whole = answer(Form::Completion).whole(3, Outcome::Stop);
        assert_eq!(whole["choices"][0]["text"], " the loop finds");
        assert_eq!(
            (&whole["choices"][0]["finish_reason"], &whole["usage"]["total_tokens"]),
            (&json!("stop"), &json!(67))
        );
    }
}
