//! What is asked for, and what vLLM refuses of it.

use serde::Deserialize;
use serde_json::Value;

use super::json::{Form, error};

/// Tokens of a completion where none are asked for.
const COMPLETION_TOKENS: u64 = 16;
/// An answer without `ignore_eos` ends by itself after so many tokens at least.
const NATURAL_TOKENS_MIN: u64 = 8;
/// And so many more at most.
const NATURAL_TOKENS_SPREAD: u64 = 120;

/// The fields that are looked at; others are taken and change nothing.
#[derive(Debug, Clone, Deserialize)]
struct Fields {
    model: Option<String>,
    prompt: Option<Value>,
    messages: Option<Vec<Value>>,
    max_tokens: Option<i64>,
    max_completion_tokens: Option<i64>,
    n: Option<i64>,
    #[serde(default)]
    stream: bool,
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    ignore_eos: bool,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

/// A request for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) form: Form,
    pub(super) prompt_tokens: u64,
    /// Tokens of the answer that is given.
    pub(super) answer_tokens: u64,
    /// Tokens of the answer that are permitted.
    pub(super) tokens_max: u64,
    pub(super) streams: bool,
    pub(super) includes_usage: bool,
}

/// A status and the body that says why.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) body: Value,
}

fn bad(message: &str, parameter: Option<&str>) -> Refused {
    Refused { status: 400, body: error(400, "BadRequestError", message, parameter) }
}

/// Reads a request. `served` are the model's names, `length_max` the tokens of prompt and answer together.
pub(super) fn read(form: Form, body: &[u8], served: &[String], length_max: u64) -> Result<Asked, Refused> {
    let fields: Fields = serde_json::from_slice(body).map_err(|error| bad(&error.to_string(), None))?;
    if let Some(model) = fields.model.as_ref().filter(|model| !served.contains(model)) {
        let message = format!("The model `{model}` does not exist.");
        return Err(Refused { status: 404, body: error(404, "NotFoundError", &message, Some("model")) });
    }
    if fields.stream_options.is_some() && !fields.stream {
        return Err(bad("Stream options can only be defined when `stream=True`.", Some("stream_options")));
    }
    if fields.n.is_some_and(|answers| answers != 1) {
        return Err(bad("the stand-in gives one answer to a request", Some("n")));
    }
    let prompt = match form {
        Form::Completion => tokens_of(fields.prompt.as_ref()),
        Form::Chat => fields.messages.as_ref().map(|messages| messages.iter().map(tokens_of_message).sum()),
    };
    let missing = if form == Form::Chat { "messages" } else { "prompt" };
    let prompt_tokens: u64 = prompt.ok_or_else(|| bad("Field required", Some(missing)))?;
    let prompt_tokens = prompt_tokens.max(1);
    let room = length_max.saturating_sub(prompt_tokens);
    let default = if form == Form::Chat { room } else { COMPLETION_TOKENS.min(room) };
    let wanted = match fields.max_completion_tokens.or(fields.max_tokens) {
        None => default,
        Some(tokens) => u64::try_from(tokens)
            .ok()
            .filter(|tokens| *tokens > 0)
            .ok_or_else(|| bad(&format!("max_tokens must be at least 1, got {tokens}."), Some("max_tokens")))?,
    };
    if room == 0 || wanted > room {
        let message = format!(
            "This model's maximum context length is {length_max} tokens. However, you requested {wanted} output tokens and your prompt contains {prompt_tokens} input tokens, for a total of {} tokens. Please reduce the length of the input prompt or the number of requested output tokens.",
            prompt_tokens + wanted
        );
        return Err(bad(&message, Some("input_tokens")));
    }
    let answer_tokens = if fields.ignore_eos { wanted } else { wanted.min(natural_tokens(body)) };
    let includes_usage = fields.stream_options.is_some_and(|options| options.include_usage);
    Ok(Asked { form, prompt_tokens, answer_tokens, tokens_max: wanted, streams: fields.stream, includes_usage })
}

/// Tokens of a prompt: of a text its words, of a list of numbers its length. `None` where it is neither.
pub(super) fn tokens_of(prompt: Option<&Value>) -> Option<u64> {
    match prompt? {
        Value::String(text) => Some(text.split_whitespace().count() as u64),
        Value::Array(parts) if parts.iter().all(Value::is_u64) => Some(parts.len() as u64),
        Value::Array(parts) => match parts.as_slice() {
            [only] => tokens_of(Some(only)),
            _ => None,
        },
        _ => None,
    }
}

/// Words of a message's text, or of the texts among its parts.
fn tokens_of_message(message: &Value) -> u64 {
    let words = |text: &Value| text.as_str().map_or(0, |text| text.split_whitespace().count() as u64);
    match message.get("content") {
        Some(Value::Array(parts)) => parts.iter().filter_map(|part| part.get("text")).map(words).sum(),
        Some(text) => words(text),
        None => 0,
    }
}

/// Where an answer ends by itself: a number that follows from the request (FNV-1a), so that the same request gets the same
/// answer.
fn natural_tokens(body: &[u8]) -> u64 {
    let hash = body
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    NATURAL_TOKENS_MIN + hash % NATURAL_TOKENS_SPREAD
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(form: Form, body: &str) -> Result<Asked, Refused> {
        read(form, body.as_bytes(), &["tiny".to_owned()], 100)
    }

    #[test]
    fn a_prompt_is_counted_in_words_or_in_numbers() {
        for (prompt, tokens) in [(r#""a b  c""#, 3), ("[5, 6]", 2), ("[[5, 6, 7]]", 3), (r#"["a b"]"#, 2), (r#""""#, 1)]
        {
            let body = format!(r#"{{"model": "tiny", "prompt": {prompt}, "max_tokens": 4, "ignore_eos": true}}"#);
            let asked = asked(Form::Completion, &body).unwrap();
            assert_eq!((asked.prompt_tokens, asked.answer_tokens), (tokens, 4), "{prompt}");
        }
        let chat = r#"{"messages": [{"role": "user", "content": "a b"}, {"role": "user", "content": [{"type": "text", "text": "c"}]}]}"#;
        let asked = asked(Form::Chat, chat).unwrap();
        assert_eq!((asked.prompt_tokens, asked.tokens_max), (3, 97));
    }

    #[test]
    fn an_answer_may_end_by_itself_unless_that_is_switched_off() {
        let body = |more: &str| format!(r#"{{"prompt": "a", "max_tokens": 99{more}}}"#);
        assert_eq!(asked(Form::Completion, &body(r#", "ignore_eos": true"#)).unwrap().answer_tokens, 99);
        let lengths: Vec<u64> = (0..40)
            .map(|number| asked(Form::Completion, &body(&format!(r#", "user": "{number}""#))).unwrap().answer_tokens)
            .collect();
        assert!(lengths.iter().any(|length| *length < 99), "{lengths:?}");
        assert!(lengths.iter().all(|length| (8..=99).contains(length)));
    }

    #[test]
    fn what_vllm_refuses_is_refused_with_its_status() {
        for (body, status, parameter) in [
            (r#"{"model": "other", "prompt": "a"}"#, 404, Some("model")),
            (r#"{"prompt": "a", "max_tokens": 0}"#, 400, Some("max_tokens")),
            (r#"{"prompt": "a", "max_tokens": 100}"#, 400, Some("input_tokens")),
            (r#"{"prompt": "a", "stream_options": {"include_usage": true}}"#, 400, Some("stream_options")),
            (r#"{"prompt": "a", "n": 2}"#, 400, Some("n")),
            (r#"{"messages": []}"#, 400, Some("prompt")),
            ("{", 400, None),
        ] {
            let refused = asked(Form::Completion, body).unwrap_err();
            let parameter = parameter.map_or(Value::Null, Value::from);
            assert_eq!((refused.status, &refused.body["error"]["param"]), (status, &parameter), "{body}");
        }
        assert_eq!(asked(Form::Completion, r#"{"prompt": "a", "max_tokens": 99}"#).unwrap().tokens_max, 99);
    }
}
