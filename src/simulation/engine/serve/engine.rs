//! The step loop.
//!
//! Scheduling follows vLLM's `v1/core/sched/scheduler.py`: running requests first, in the order of their admission, then
//! waiting ones while tokens, places and blocks last. Where a running request finds no block, the one admitted last is
//! put back to the head of the queue and computes everything again when its turn comes.

use std::collections::VecDeque;

use super::{
    super::{
        Noise,
        client::SentRequest,
        cost::{Batch, step_seconds},
        log,
        pool::{BlockPool, Holding},
        spec::EngineSpec,
        start::StartFacts,
        units::{Micros, whole},
        view::EngineCounters,
    },
    Load,
    arrivals::Arrivals,
    outcome::{EngineDeath, RequestEnd, RequestFailure, RequestOutcome, ServeOutcome},
    sequence::Sequence,
};

/// Longest time after its engine's death at which the server looks for it, and the shortest that an end takes, seconds
/// (the watchdog of vLLM's API server has a period of 5 s).
const WATCHDOG_SECONDS: (f64, f64) = (0.3, 5.0);

/// An engine at work.
pub(super) struct Serving<'a> {
    spec: &'a EngineSpec,
    facts: &'a StartFacts,
    arrivals: Arrivals<'a>,
    path: Micros,
    now: Micros,
    until: Micros,
    waiting: VecDeque<Sequence>,
    running: Vec<Sequence>,
    pool: BlockPool,
    keep_free_blocks: u64,
    /// Requests that came since the last step began.
    came: u64,
    noise: Noise,
    outcomes: Vec<RequestOutcome>,
    counters: EngineCounters,
}

impl<'a> Serving<'a> {
    /// An idle engine.
    pub(super) fn new(
        spec: &'a EngineSpec,
        facts: &'a StartFacts,
        load: &Load<'a>,
        from: Micros,
        until: Micros,
        seed: u64,
    ) -> Self {
        let plan = &facts.plan;
        let prefix_tokens = if spec.settings.enable_prefix_caching { load.prefix_tokens } else { 0 };
        Self {
            spec,
            facts,
            arrivals: Arrivals::new(*load, from, until),
            path: Micros::from_seconds(spec.card.host.path_seconds),
            now: from,
            until,
            waiting: VecDeque::new(),
            running: Vec::new(),
            pool: BlockPool::new(plan.blocks, plan.block_tokens, prefix_tokens),
            keep_free_blocks: whole(plan.blocks as f64 * spec.settings.watermark.to_f64()),
            came: 0,
            noise: Noise::new(seed, "steps"),
            outcomes: Vec::with_capacity(load.requests.len()),
            counters: EngineCounters::default(),
        }
    }

    /// Serves to the end.
    pub(super) fn run(mut self) -> ServeOutcome {
        let death = loop {
            self.take_arrivals();
            let batch = self.schedule();
            if batch.sequences == 0 {
                match self.arrivals.next_sent_at() {
                    Some(sent_at) if sent_at < self.until => self.now = self.now.max(sent_at.plus(self.path)),
                    _ => break None,
                }
                continue;
            }
            let pressure = self.memory_pressure(&batch);
            self.counters.memory_pressure_max = self.counters.memory_pressure_max.max(pressure);
            if pressure > 1.0 {
                break Some(self.die(&batch));
            }
            let after = self.now.plus(self.step_length(&batch));
            if after > self.until {
                self.now = self.until;
                break None;
            }
            self.now = after;
            self.counters.steps += 1;
            self.counters.running_max = self.counters.running_max.max(batch.sequences);
            self.finish_step();
        };
        self.counters.cache_usage_max = self.pool.used_share_max();
        ServeOutcome { requests: self.outcomes, death, ended_at: self.now, counters: self.counters }
    }

    fn step_length(&mut self, batch: &Batch) -> Micros {
        let factor = self.facts.pace * self.facts.gpu.slowdown * self.noise.factor(self.spec.card.step_spread);
        Micros::from_seconds(step_seconds(self.spec, batch) * factor)
    }

    /// What the step needs of the memory that is left for steps, as a share of it.
    fn memory_pressure(&self, batch: &Batch) -> f64 {
        let plan = &self.facts.plan;
        let activations = self.spec.model.activation_bytes(batch.tokens, batch.sequences);
        let needed = plan.step_bytes(&self.spec.release, activations, batch.sequences, self.pool.used());
        needed * self.facts.memory_factor / plan.left_bytes as f64
    }

    fn take_arrivals(&mut self) {
        let reached = Micros(self.now.0.saturating_sub(self.path.0));
        while let Some((sent, sent_at)) = self.arrivals.take_sent_by(reached) {
            let slot = self.open_outcome(&sent, sent_at);
            self.came += 1;
            let request = &sent.request;
            let refusal = if request.prompt_tokens + request.output_tokens > self.facts.plan.max_model_len {
                Some(RequestFailure::TooLong)
            } else if self.spec.settings.max_num_queued_reqs.is_some_and(|most| self.waiting.len() as u64 >= most) {
                Some(RequestFailure::QueueFull)
            } else {
                None
            };
            if let Some(failure) = refusal {
                self.close_outcome(slot, RequestEnd::Failed(failure), sent_at.plus(self.path).plus(self.path));
                continue;
            }
            self.waiting.push_back(Sequence {
                slot,
                arrived_at: sent_at.plus(self.path),
                prompt_tokens: request.prompt_tokens,
                output_tokens: request.output_tokens,
                generated: 0,
                computed: 0,
                scheduled: 0,
                holding: Holding::default(),
                last_token_at: Micros::ZERO,
            });
        }
    }

    fn open_outcome(&mut self, sent: &SentRequest, sent_at: Micros) -> usize {
        let tokens = usize::try_from(sent.request.output_tokens).unwrap_or(0);
        self.outcomes.push(RequestOutcome {
            index: sent.request.index,
            sent_at,
            delay: sent.delay,
            admitted_at: None,
            token_times: Vec::with_capacity(tokens.min(TOKENS_EXPECTED_MAX)),
            // Whatever is not closed before the engine's time is over was cut off then.
            end: RequestEnd::CutOff,
            ended_at: self.until,
            preemptions: 0,
        });
        self.outcomes.len() - 1
    }

    fn close_outcome(&mut self, slot: usize, end: RequestEnd, ended_at: Micros) {
        if let Some(outcome) = self.outcomes.get_mut(slot) {
            outcome.end = end;
            outcome.ended_at = ended_at;
        }
        self.arrivals.give_turn(ended_at);
    }

    /// Chooses what the next step works on.
    fn schedule(&mut self) -> Batch {
        let mut batch = Batch::default();
        let mut budget = self.facts.resolved.max_num_batched_tokens;
        if self.schedule_running(&mut batch, &mut budget) {
            self.admit(&mut batch, &mut budget);
        }
        batch.arrivals = core::mem::take(&mut self.came);
        batch
    }

    /// Whether every running request found its blocks.
    fn schedule_running(&mut self, batch: &mut Batch, budget: &mut u64) -> bool {
        let mut found_all = true;
        let mut place = 0;
        while let Some(sequence) = self.running.get_mut(place) {
            let tokens = piece(self.spec, sequence.missing()).min(*budget);
            sequence.scheduled = 0;
            if tokens > 0 && !self.pool.grow(&mut sequence.holding, sequence.computed + tokens) {
                found_all = false;
                self.preempt_last();
                continue;
            }
            sequence.scheduled = tokens;
            *budget -= tokens;
            if tokens > 0 {
                add_to(batch, sequence);
            }
            place += 1;
        }
        found_all
    }

    fn preempt_last(&mut self) {
        let Some(mut sequence) = self.running.pop() else { return };
        self.pool.release(&mut sequence.holding);
        sequence.computed = 0;
        sequence.scheduled = 0;
        self.counters.preemptions += 1;
        if let Some(outcome) = self.outcomes.get_mut(sequence.slot) {
            outcome.preemptions += 1;
        }
        self.waiting.push_front(sequence);
    }

    fn admit(&mut self, batch: &mut Batch, budget: &mut u64) {
        let settings = &self.spec.settings;
        while *budget > 0 && (self.running.len() as u64) < self.facts.resolved.running_max {
            let Some(head) = self.waiting.front() else { return };
            let cached = self.pool.cached_tokens();
            let missing = head.missing() - cached;
            let tokens = piece(self.spec, missing).min(*budget);
            if !settings.enable_chunked_prefill && tokens < missing {
                return;
            }
            // An empty engine keeps nothing free, or one long prompt would wait for ever.
            let keep_free = if self.running.is_empty() { 0 } else { self.keep_free_blocks };
            if !self.pool.has_room(cached + tokens, cached, keep_free) {
                return;
            }
            let Some(mut sequence) = self.waiting.pop_front() else { return };
            if cached > 0 {
                self.pool.share_prefix(&mut sequence.holding);
            }
            sequence.computed = cached;
            sequence.scheduled = tokens;
            self.pool.grow(&mut sequence.holding, cached + tokens);
            *budget -= tokens;
            add_to(batch, &sequence);
            self.note_admission(&sequence);
            self.running.push(sequence);
        }
    }

    fn note_admission(&mut self, sequence: &Sequence) {
        let Some(outcome) = self.outcomes.get_mut(sequence.slot) else { return };
        if outcome.admitted_at.is_none() {
            outcome.admitted_at = Some(self.now);
            self.counters.queue_time.push(self.now.since(sequence.arrived_at));
        }
    }

    /// Hands out the tokens of a step that ended now.
    fn finish_step(&mut self) {
        let (now, seen_at) = (self.now, self.now.plus(self.path));
        let Self { running, pool, outcomes, counters, arrivals, .. } = self;
        running.retain_mut(|sequence| {
            sequence.computed += sequence.scheduled;
            pool.publish_prefix(&mut sequence.holding, sequence.computed);
            if sequence.scheduled == 0 || sequence.missing() > 0 {
                return true;
            }
            let Some(outcome) = outcomes.get_mut(sequence.slot) else { return false };
            outcome.token_times.push(seen_at);
            if sequence.generated == 0 {
                counters.time_to_first_token.push(now.since(sequence.arrived_at));
            } else {
                counters.inter_token_latency.push(now.since(sequence.last_token_at));
            }
            sequence.last_token_at = now;
            sequence.generated += 1;
            if sequence.generated < sequence.output_tokens {
                return true;
            }
            counters.end_to_end_latency.push(now.since(sequence.arrived_at));
            pool.release(&mut sequence.holding);
            outcome.end = RequestEnd::Finished;
            outcome.ended_at = seen_at;
            arrivals.give_turn(seen_at);
            false
        });
    }

    /// The engine's process dies of a failed allocation: what is in flight fails, and so does what comes until the server
    /// has ended.
    fn die(&mut self, batch: &Batch) -> EngineDeath {
        let at = self.now;
        let (least, most) = WATCHDOG_SECONDS;
        let exited_at = at.plus(Micros::from_seconds(least + (most - least) * self.noise.uniform()));
        let broken: Vec<usize> = self.waiting.drain(..).chain(self.running.drain(..)).map(|each| each.slot).collect();
        let failed = RequestEnd::Failed(RequestFailure::EngineDied);
        for slot in &broken {
            if let Some(outcome) = self.outcomes.get_mut(*slot) {
                outcome.end = failed;
                outcome.ended_at = at.plus(self.path);
            }
        }
        // A closed loop waits for the next engine; an open one goes on sending.
        while let Some((sent, sent_at)) = self.arrivals.take_sent_by(exited_at) {
            let slot = self.open_outcome(&sent, sent_at);
            if let Some(outcome) = self.outcomes.get_mut(slot) {
                outcome.end = failed;
                outcome.ended_at = sent_at.plus(self.path).plus(self.path);
            }
        }
        let failing = log::FailedAllocation {
            at,
            exited_at,
            plan: &self.facts.plan,
            context_bytes: self.spec.card.context_bytes,
            tried_bytes: self.spec.model.activation_bytes(batch.tokens, batch.sequences),
            requests: broken.len(),
        };
        EngineDeath { at, exited_at, exit_code: 0, log: log::death_log(&failing) }
    }
}

/// Tokens for which an outcome makes room at once: longer answers make it as they go.
const TOKENS_EXPECTED_MAX: usize = 4096;

/// The piece of so many missing tokens that one step may compute: long prompts may be cut.
fn piece(spec: &EngineSpec, missing: u64) -> u64 {
    match spec.settings.long_prefill_token_threshold {
        0 => missing,
        threshold => missing.min(threshold),
    }
}

fn add_to(batch: &mut Batch, sequence: &Sequence) {
    let (computed, tokens) = (sequence.computed, sequence.scheduled);
    batch.tokens += tokens;
    batch.sequences += 1;
    batch.context_tokens += computed + tokens;
    // Each of its tokens looks at all before it and at itself.
    batch.attended += tokens * computed + tokens * (tokens + 1) / 2;
}
