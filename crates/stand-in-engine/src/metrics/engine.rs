//! What the engine counts.

use std::time::Duration;

use super::{
    histogram::{
        ANSWERS, BETWEEN_TOKENS, FIRST_TOKEN, Histogram, PREEMPTIONS, REQUEST_TIME, REQUEST_TOKENS, STEP_TOKENS,
    },
    page::Page,
};
use crate::text::{Parts, filled};

/// Labels of vLLM's description of its cache.
const CACHE_CONFIG: &str = include_str!("../../texts/cache-config.txt");

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The answer ended by itself.
    Stop,
    /// The answer has as many tokens as were asked for.
    Length,
    /// Nobody waits for it any more.
    Abort,
}

impl Outcome {
    /// As an answer's `finish_reason` says it.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::Abort => "abort",
        }
    }
}

/// The instants of a request, each since it arrived at the server.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Journey {
    /// It reached the queue.
    pub(crate) queued: Duration,
    /// It was admitted to a step.
    pub(crate) scheduled: Duration,
    /// Its first token.
    pub(crate) first_token: Duration,
    /// Its last token so far.
    pub(crate) last_token: Duration,
}

/// What does not change while an engine lives.
#[derive(Debug, Clone)]
pub(crate) struct Fixed {
    /// The name under which the model is served.
    pub(crate) model_name: String,
    /// When the engine was ready, seconds since 1970.
    pub(crate) created: f64,
    /// Figures of the cache: `utilization`, `concurrency`, `tokens`, `blocks`, `override`.
    pub(crate) cache: Parts,
}

/// Counts and histograms of the engine.
#[derive(Debug, Clone)]
pub(crate) struct EngineFigures {
    pub(crate) running: f64,
    pub(crate) waiting: f64,
    pub(crate) cache_share: f64,
    pub(crate) prompt_tokens: f64,
    pub(crate) generation_tokens: f64,
    pub(crate) rejected: f64,
    stopped: f64,
    full_length: f64,
    aborted: f64,
    request_prompt_tokens: Histogram,
    request_generation_tokens: Histogram,
    step_tokens: Histogram,
    answers_asked: Histogram,
    tokens_asked: Histogram,
    first_token: Histogram,
    between_tokens: Histogram,
    per_token: Histogram,
    whole: Histogram,
    queue: Histogram,
    inference: Histogram,
    prefill: Histogram,
    decode: Histogram,
    preemptions: Histogram,
}

impl EngineFigures {
    pub(crate) fn new() -> Self {
        let (tokens, time) = (|| Histogram::new(REQUEST_TOKENS), || Histogram::new(REQUEST_TIME));
        Self {
            running: 0.0,
            waiting: 0.0,
            cache_share: 0.0,
            prompt_tokens: 0.0,
            generation_tokens: 0.0,
            rejected: 0.0,
            stopped: 0.0,
            full_length: 0.0,
            aborted: 0.0,
            request_prompt_tokens: tokens(),
            request_generation_tokens: tokens(),
            step_tokens: Histogram::new(STEP_TOKENS),
            answers_asked: Histogram::new(ANSWERS),
            tokens_asked: tokens(),
            first_token: Histogram::new(FIRST_TOKEN),
            between_tokens: Histogram::new(BETWEEN_TOKENS),
            per_token: Histogram::new(BETWEEN_TOKENS),
            whole: time(),
            queue: time(),
            inference: time(),
            prefill: time(),
            decode: time(),
            preemptions: Histogram::new(PREEMPTIONS),
        }
    }

    /// A step ended.
    pub(crate) fn step(&mut self, tokens: u64) {
        self.step_tokens.observe(tokens as f64);
    }

    /// A request got a token; `journey` holds the token before this one.
    pub(crate) fn token(&mut self, journey: &Journey, now: Duration, is_first: bool, prompt_tokens: u64) {
        self.generation_tokens += 1.0;
        if is_first {
            self.first_token.observe(now.as_secs_f64());
            self.prompt_tokens += prompt_tokens as f64;
        } else {
            self.between_tokens.observe(now.saturating_sub(journey.last_token).as_secs_f64());
        }
    }

    /// A request ended. vLLM counts an aborted one, and nothing else of it.
    pub(crate) fn ended(&mut self, outcome: Outcome, journey: &Journey, prompt: u64, answered: u64, asked: u64) {
        match outcome {
            Outcome::Stop => self.stopped += 1.0,
            Outcome::Length => self.full_length += 1.0,
            Outcome::Abort => {
                self.aborted += 1.0;
                return;
            }
        }
        let between = |from: Duration, to: Duration| to.saturating_sub(from).as_secs_f64();
        let decode = between(journey.first_token, journey.last_token);
        self.request_prompt_tokens.observe(prompt as f64);
        self.request_generation_tokens.observe(answered as f64);
        self.answers_asked.observe(1.0);
        self.tokens_asked.observe(asked as f64);
        self.per_token.observe(if answered > 1 { decode / (answered - 1) as f64 } else { 0.0 });
        self.whole.observe(journey.last_token.as_secs_f64());
        self.queue.observe(between(journey.queued, journey.scheduled));
        self.inference.observe(between(journey.scheduled, journey.last_token));
        self.prefill.observe(between(journey.scheduled, journey.first_token));
        self.decode.observe(decode);
        self.preemptions.observe(0.0);
    }

    /// Its part of the page, in the recorded order. What stays 0 belongs to what the stand-in leaves out.
    pub(crate) fn write(&self, page: &mut Page, fixed: &Fixed) {
        page.always(vec![("engine", "0".to_owned()), ("model_name", fixed.model_name.clone())]);
        page.counter("vllm:estimated_flops_per_gpu", 0.0);
        page.counter("vllm:estimated_read_bytes_per_gpu", 0.0);
        page.counter("vllm:estimated_write_bytes_per_gpu", 0.0);
        page.gauge("vllm:num_requests_running", self.running);
        page.gauge("vllm:num_requests_waiting", self.waiting);
        let reasons = [("capacity", self.waiting), ("deferred", 0.0)];
        page.gauges("vllm:num_requests_waiting_by_reason", "reason", &reasons);
        let states = [("awake", 1.0), ("weights_offloaded", 0.0), ("discard_all", 0.0)];
        page.gauges("vllm:engine_sleep_state", "sleep_state", &states);
        page.gauge("vllm:kv_cache_usage_perc", self.cache_share);
        page.counter("vllm:prefix_cache_queries", self.prompt_tokens);
        page.counter("vllm:prefix_cache_hits", 0.0);
        page.counter("vllm:external_prefix_cache_queries", 0.0);
        page.counter("vllm:external_prefix_cache_hits", 0.0);
        page.counter("vllm:mm_cache_queries", 0.0);
        page.counter("vllm:mm_cache_hits", 0.0);
        page.counter("vllm:num_preemptions", 0.0);
        page.counter("vllm:prompt_tokens", self.prompt_tokens);
        let sources = [("local_compute", self.prompt_tokens), ("local_cache_hit", 0.0), ("external_kv_transfer", 0.0)];
        page.counters("vllm:prompt_tokens_by_source", "source", &sources);
        page.counter("vllm:prompt_tokens_cached", 0.0);
        let tiers = ["device", "host", "p2p", "disk", "external_unspecified"].map(|tier| (tier, 0.0));
        page.counters("vllm:prompt_tokens_cached_by_source", "source", &tiers);
        page.counter("vllm:generation_tokens", self.generation_tokens);
        let ends = [
            ("stop", self.stopped),
            ("length", self.full_length),
            ("abort", self.aborted),
            ("error", 0.0),
            ("repetition", 0.0),
        ];
        page.counters("vllm:request_success", "finished_reason", &ends);
        page.always(vec![("model_name", fixed.model_name.clone())]);
        let limits = [("max_num_queued_reqs", self.rejected), ("max_num_queued_tokens", 0.0)];
        page.counters("vllm:admission_rejections", "reason", &limits);
        page.always(vec![("engine", "0".to_owned()), ("model_name", fixed.model_name.clone())]);
        self.write_histograms(page);
        page.labelled_gauge("vllm:cache_config_info", &filled(CACHE_CONFIG, &fixed.cache));
        page.always(Vec::new());
    }

    fn write_histograms(&self, page: &mut Page) {
        for (name, histogram) in [
            ("vllm:request_prompt_tokens", &self.request_prompt_tokens),
            ("vllm:request_generation_tokens", &self.request_generation_tokens),
            ("vllm:iteration_tokens_total", &self.step_tokens),
            // One answer per request: the longest one is the only one.
            ("vllm:request_max_num_generation_tokens", &self.request_generation_tokens),
            ("vllm:request_params_n", &self.answers_asked),
            ("vllm:request_params_max_tokens", &self.tokens_asked),
            ("vllm:time_to_first_token_seconds", &self.first_token),
            ("vllm:inter_token_latency_seconds", &self.between_tokens),
            ("vllm:request_time_per_output_token_seconds", &self.per_token),
            ("vllm:e2e_request_latency_seconds", &self.whole),
            ("vllm:request_queue_time_seconds", &self.queue),
            ("vllm:request_inference_time_seconds", &self.inference),
            ("vllm:request_prefill_time_seconds", &self.prefill),
            ("vllm:request_decode_time_seconds", &self.decode),
            ("vllm:request_num_preemptions", &self.preemptions),
            // Nothing of a prompt comes from a cache.
            ("vllm:request_prefill_kv_computed_tokens", &self.request_prompt_tokens),
        ] {
            page.histogram(name, histogram);
        }
    }
}
