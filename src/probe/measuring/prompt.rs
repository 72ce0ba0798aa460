//! The requests as they are sent: prompts of the lengths that the load asks for, all different, the same for equal seeds.
//!
//! An engine takes numbers of tokens for a completion, so that a prompt is exactly as long as it should be whatever the
//! tokenizer; they are drawn from those that the engine's own tokenizer gives to ordinary words. A chat takes text only:
//! words, as many as make the wanted number of tokens by the engine's own count.

use std::fmt::Write as _;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use crate::{
    api::workload::Endpoint,
    probe::load::{Noise, ScheduledRequest, whole},
};

/// Words that nearly every tokenizer has as one token each.
const WORDS: [&str; 64] = [
    "time",
    "year",
    "people",
    "way",
    "day",
    "man",
    "thing",
    "woman",
    "life",
    "child",
    "world",
    "school",
    "state",
    "family",
    "student",
    "group",
    "country",
    "problem",
    "hand",
    "part",
    "place",
    "case",
    "week",
    "company",
    "system",
    "program",
    "question",
    "work",
    "government",
    "number",
    "night",
    "point",
    "home",
    "water",
    "room",
    "mother",
    "area",
    "money",
    "story",
    "fact",
    "month",
    "lot",
    "right",
    "study",
    "book",
    "eye",
    "job",
    "word",
    "business",
    "issue",
    "side",
    "kind",
    "head",
    "house",
    "service",
    "friend",
    "father",
    "power",
    "hour",
    "game",
    "line",
    "end",
    "member",
    "law",
];
/// Fewer different numbers than this make prompts that begin alike: then words are sent.
const NUMBERS_MIN: usize = 16;
/// Words of the shorter of two texts from which tokens per word are counted.
const FEW: usize = 1;
/// What follows the prompt of every request. Answers have exactly the wanted length, every token of them is text, and the
/// last event tells how many there were.
const OPTIONS: &str = "\"ignore_eos\":true,\"skip_special_tokens\":false,\"temperature\":0,\"stream\":true,\"stream_options\":{\"include_usage\":true}";

/// What prompts are made of.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum PromptForm {
    /// Numbers of tokens.
    Numbers(Vec<u64>),
    /// Words, of which each makes so many tokens, and what the engine puts around them.
    Words {
        /// Tokens per word.
        tokens_per_word: f64,
        /// Tokens around the words.
        overhead_tokens: f64,
    },
}

/// What `/tokenize` answers.
#[derive(Debug, Deserialize)]
struct Tokenized {
    count: u64,
    #[serde(default)]
    tokens: Vec<u64>,
}

impl PromptForm {
    /// What is sent where the engine counts no tokens for us.
    pub(super) const UNCOUNTED: Self = Self::Words { tokens_per_word: 1.0, overhead_tokens: 0.0 };

    /// What to ask `/tokenize` for: two texts for a chat, one for a completion.
    pub(super) fn questions(model: &str, endpoint: Endpoint) -> Vec<String> {
        let text = |count: usize| WORDS.iter().take(count).copied().collect::<Vec<_>>().join(" ");
        let chat = |count| {
            let messages = [json!({ "role": "user", "content": text(count) })];
            json!({ "model": model, "messages": messages, "add_generation_prompt": true }).to_string()
        };
        match endpoint {
            Endpoint::Completions => {
                vec![json!({ "model": model, "prompt": text(WORDS.len()), "add_special_tokens": false }).to_string()]
            }
            Endpoint::Chat => vec![chat(FEW), chat(WORDS.len())],
        }
    }

    /// What follows from the answers; [`Self::UNCOUNTED`] where they say nothing usable.
    pub(super) fn of_answers(endpoint: Endpoint, answers: &[Bytes]) -> Self {
        let read = |answer: &Bytes| serde_json::from_slice::<Tokenized>(answer).ok();
        let answers: Option<Vec<Tokenized>> = answers.iter().map(read).collect();
        match (endpoint, answers.as_deref()) {
            (Endpoint::Completions, Some([all])) => {
                let mut numbers = all.tokens.clone();
                numbers.sort_unstable();
                numbers.dedup();
                if numbers.len() >= NUMBERS_MIN { Self::Numbers(numbers) } else { Self::UNCOUNTED }
            }
            (Endpoint::Chat, Some([few, all])) if all.count > few.count => {
                let tokens_per_word = (all.count - few.count) as f64 / (WORDS.len() - FEW) as f64;
                let overhead_tokens = (few.count as f64 - tokens_per_word * FEW as f64).max(0.0);
                Self::Words { tokens_per_word, overhead_tokens }
            }
            _ => Self::UNCOUNTED,
        }
    }

    /// In one phrase.
    pub(super) fn phrase(&self) -> String {
        match self {
            Self::Numbers(numbers) => format!("prompts are numbers of {} different tokens", numbers.len()),
            Self::Words { tokens_per_word, overhead_tokens } => {
                format!("prompts are words of {tokens_per_word:.2} tokens each and {overhead_tokens:.0} around them")
            }
        }
    }

    /// Parts of a prompt, numbers or words, that make so many tokens of its own text.
    fn parts(&self, tokens: u64) -> u64 {
        match self {
            Self::Numbers(_) => tokens,
            Self::Words { tokens_per_word, .. } => whole(tokens as f64 / tokens_per_word),
        }
    }

    const fn overhead(&self) -> f64 {
        match self {
            Self::Numbers(_) => 0.0,
            Self::Words { overhead_tokens, .. } => *overhead_tokens,
        }
    }

    fn draw(&self, noise: &mut Noise, count: u64, text: &mut String) {
        for _ in 0..count {
            match self {
                Self::Numbers(numbers) => {
                    let number = pick(numbers, noise).copied().unwrap_or_default();
                    // Writing to a text can't fail.
                    let _ = write!(text, "{number},");
                }
                Self::Words { .. } => {
                    text.push_str(pick(&WORDS, noise).copied().unwrap_or_default());
                    text.push(' ');
                }
            }
        }
    }
}

fn pick<'a, T>(list: &'a [T], noise: &mut Noise) -> Option<&'a T> {
    let place = noise.between(0, (list.len() as u64).saturating_sub(1));
    list.get(usize::try_from(place).ok()?)
}

/// The requests of one load.
#[derive(Debug, Clone)]
pub(super) struct Prompts {
    form: PromptForm,
    endpoint: Endpoint,
    seed: u64,
    /// The model's name as JSON.
    model: String,
    /// What all prompts begin with, and of how many parts it is.
    prefix: (String, u64),
}

impl Prompts {
    pub(super) fn new(form: PromptForm, endpoint: Endpoint, seed: u64, model: &str, prefix_tokens: u64) -> Self {
        let parts = form.parts(prefix_tokens);
        let mut prefix = String::new();
        form.draw(&mut Noise::new(seed, "shared prefix"), parts, &mut prefix);
        Self { form, endpoint, seed, model: json!(model).to_string(), prefix: (prefix, parts) }
    }

    /// The body of a request of the schedule.
    pub(super) fn body(&self, request: &ScheduledRequest) -> Bytes {
        let own_tokens = (request.prompt_tokens as f64 - self.form.overhead()).max(1.0);
        let parts = self.form.parts(whole(own_tokens)).saturating_sub(self.prefix.1).max(1);
        let mut text = self.prefix.0.clone();
        self.form.draw(&mut Noise::new(self.seed, &format!("prompt {}", request.index)), parts, &mut text);
        self.wrap(&text, request.output_tokens)
    }

    /// A request that only asks whether requests are answered at all.
    pub(super) fn trial(&self) -> Bytes {
        let mut text = String::new();
        self.form.draw(&mut Noise::new(self.seed, "trial"), 1, &mut text);
        self.wrap(&text, 1)
    }

    fn wrap(&self, text: &str, output_tokens: u64) -> Bytes {
        let Self { model, .. } = self;
        let text = text.trim_end_matches([',', ' ']);
        // Words and numbers hold nothing that JSON would escape.
        let prompt = match (self.endpoint, &self.form) {
            (Endpoint::Completions, PromptForm::Numbers(_)) => format!("\"prompt\":[{text}]"),
            (Endpoint::Completions, PromptForm::Words { .. }) => format!("\"prompt\":\"{text}\""),
            (Endpoint::Chat, _) => format!("\"messages\":[{{\"role\":\"user\",\"content\":\"{text}\"}}]"),
        };
        Bytes::from(format!("{{\"model\":{model},{prompt},\"max_tokens\":{output_tokens},{OPTIONS}}}"))
    }
}

/// Where requests of this kind are sent.
pub(super) const fn path_of(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Completions => "/v1/completions",
        Endpoint::Chat => "/v1/chat/completions",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::probe::load::Micros;

    fn request(index: usize, prompt_tokens: u64) -> ScheduledRequest {
        ScheduledRequest { index, due: Micros::ZERO, prompt_tokens, output_tokens: 7 }
    }

    fn sent(prompts: &Prompts, request: &ScheduledRequest) -> Value {
        serde_json::from_slice(&prompts.body(request)).unwrap()
    }

    fn numbers() -> PromptForm {
        PromptForm::Numbers((100..164).collect())
    }

    #[test]
    fn a_completion_has_exactly_the_wanted_tokens_and_says_what_is_measured() {
        let prompts = Prompts::new(numbers(), Endpoint::Completions, 1, "a \"model\"", 3);
        let body = sent(&prompts, &request(0, 12));
        assert_eq!(body["prompt"].as_array().unwrap().len(), 12);
        assert!(body["prompt"].as_array().unwrap().iter().all(|token| (100..164).contains(&token.as_u64().unwrap())));
        assert_eq!(body["model"], "a \"model\"");
        assert_eq!((&body["max_tokens"], &body["ignore_eos"]), (&7.into(), &true.into()));
        assert_eq!((&body["stream"], &body["stream_options"]["include_usage"]), (&true.into(), &true.into()));
    }

    #[test]
    fn prompts_begin_with_the_shared_prefix_and_differ_after_it() {
        let prompts = Prompts::new(numbers(), Endpoint::Completions, 1, "m", 8);
        let tokens = |index| sent(&prompts, &request(index, 24))["prompt"].as_array().unwrap().clone();
        let (one, other) = (tokens(0), tokens(1));
        assert_eq!(one[..8], other[..8]);
        assert_ne!(one[8..], other[8..]);
        assert_eq!(tokens(0), one, "the same each time");
        let elsewhere = Prompts::new(numbers(), Endpoint::Completions, 2, "m", 8);
        assert_ne!(sent(&elsewhere, &request(0, 24))["prompt"], Value::Array(one), "another seed");
    }

    #[test]
    fn a_chat_has_as_many_words_as_make_the_wanted_tokens() {
        let form = PromptForm::Words { tokens_per_word: 2.0, overhead_tokens: 10.0 };
        let prompts = Prompts::new(form, Endpoint::Chat, 1, "m", 20);
        let body = sent(&prompts, &request(0, 50));
        let text = body["messages"][0]["content"].as_str().unwrap();
        assert_eq!(text.split(' ').count(), 20, "(50 - 10) / 2");
        assert!(text.split(' ').all(|word| WORDS.contains(&word)));
        assert_eq!(
            sent(&prompts, &request(0, 3))["messages"][0]["content"].as_str().unwrap().split(' ').count(),
            11,
            "no prompt is without a word of its own"
        );
    }

    #[test]
    fn the_engines_own_count_decides_on_the_form() {
        let answer = |json: &str| Bytes::from(json.to_owned());
        let tokens = (0..64).map(|token| token.to_string()).collect::<Vec<_>>().join(",");
        let all = answer(&format!("{{\"count\":64,\"max_model_len\":9,\"tokens\":[{tokens}]}}"));
        let of = |answers: &[Bytes], endpoint| PromptForm::of_answers(endpoint, answers);
        assert_eq!(of(&[all], Endpoint::Completions), PromptForm::Numbers((0..64).collect()));
        let few_kinds = answer("{\"count\":64,\"tokens\":[1,2,3,3,3]}");
        assert_eq!(of(&[few_kinds], Endpoint::Completions), PromptForm::UNCOUNTED);
        let chat = [answer("{\"count\":15,\"tokens\":[]}"), answer("{\"count\":141,\"tokens\":[]}")];
        assert_eq!(of(&chat, Endpoint::Chat), PromptForm::Words { tokens_per_word: 2.0, overhead_tokens: 13.0 });
        for unusable in [vec![], vec![answer("{}")], vec![answer("<html>"), answer("{\"count\":1}")]] {
            assert_eq!(of(&unusable, Endpoint::Completions), PromptForm::UNCOUNTED);
            assert_eq!(of(&unusable, Endpoint::Chat), PromptForm::UNCOUNTED);
        }
    }

    #[test]
    fn a_completion_without_a_count_is_text() {
        let prompts = Prompts::new(PromptForm::UNCOUNTED, Endpoint::Completions, 1, "m", 0);
        let body = sent(&prompts, &request(0, 5));
        assert_eq!(body["prompt"].as_str().unwrap().split(' ').count(), 5);
        let trial: Value = serde_json::from_slice(&prompts.trial()).unwrap();
        assert_eq!(trial["max_tokens"], 1);
    }
}
