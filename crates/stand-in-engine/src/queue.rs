//! The queue: who is in a step, how long it takes, who gets a token. No clock is read here.

use std::{collections::VecDeque, time::Duration};

/// A step without anything in it.
const STEP: Duration = Duration::from_micros(1_800);
/// For each sequence in a step.
const SEQUENCE: Duration = Duration::from_micros(120);
/// For each prompt token in a step.
const PROMPT_TOKEN: Duration = Duration::from_micros(16);
/// For each request that arrived since the last step.
const ARRIVAL: Duration = Duration::from_micros(2_800);

/// What a queue may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) sequences: u64,
    pub(crate) batched_tokens: u64,
    pub(crate) cache_tokens: u64,
    /// By how much each step takes longer.
    pub(crate) step_factor: f64,
}

/// A request with what the caller keeps with it.
#[derive(Debug)]
pub(crate) struct Sequence<T> {
    pub(crate) prompt_tokens: u64,
    pub(crate) answer_tokens: u64,
    pub(crate) kept: T,
    prompt_left: u64,
    answered: u64,
    gets_token: bool,
}

impl<T> Sequence<T> {
    pub(crate) fn new(prompt_tokens: u64, answer_tokens: u64, kept: T) -> Self {
        Self { prompt_tokens, answer_tokens, kept, prompt_left: prompt_tokens, answered: 0, gets_token: false }
    }

    /// Tokens of its answer so far.
    pub(crate) const fn answered(&self) -> u64 {
        self.answered
    }

    /// Whether its answer is whole.
    pub(crate) const fn is_finished(&self) -> bool {
        self.answered >= self.answer_tokens
    }

    const fn whole(&self) -> u64 {
        self.prompt_tokens + self.answer_tokens
    }

    const fn in_cache(&self) -> u64 {
        self.prompt_tokens - self.prompt_left + self.answered
    }
}

/// One step as it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// How long it takes.
    pub(crate) lasts: Duration,
    /// Sequences in it.
    pub(crate) sequences: u64,
    /// Of the running ones, how many were admitted with this step: the last ones.
    pub(crate) admitted: usize,
    /// Prompt tokens and answer tokens in it.
    pub(crate) tokens: u64,
}

/// Sequences that wait and sequences that run, in the order of arrival.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    limits: Limits,
    waiting: VecDeque<Sequence<T>>,
    running: Vec<Sequence<T>>,
    arrived: u32,
}

impl<T> Queue<T> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, waiting: VecDeque::new(), running: Vec::new(), arrived: 0 }
    }

    /// A request arrives.
    pub(crate) fn push(&mut self, sequence: Sequence<T>) {
        self.arrived += 1;
        self.waiting.push_back(sequence);
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn running(&self) -> &[Sequence<T>] {
        &self.running
    }

    /// Share of the cache that is filled, 0 to 1.
    pub(crate) fn cache_share(&self) -> f64 {
        let filled: u64 = self.running.iter().map(Sequence::in_cache).sum();
        filled as f64 / self.limits.cache_tokens.max(1) as f64
    }

    /// Takes out whom nobody waits for any more.
    pub(crate) fn remove(&mut self, is_gone: impl Fn(&T) -> bool) -> Vec<Sequence<T>> {
        let mut gone: Vec<Sequence<T>> = self.running.extract_if(.., |sequence| is_gone(&sequence.kept)).collect();
        if self.waiting.iter().any(|sequence| is_gone(&sequence.kept)) {
            let (left, stays) = self.waiting.drain(..).partition(|sequence| is_gone(&sequence.kept));
            self.waiting = stays;
            gone.extend(<VecDeque<_> as IntoIterator>::into_iter(left));
        }
        gone
    }

    /// Takes out everyone.
    pub(crate) fn drain(&mut self) -> Vec<Sequence<T>> {
        self.running.drain(..).chain(self.waiting.drain(..)).collect()
    }

    /// Who is in the next step: first whoever is being answered, then prompts that were begun, then who waits, as long as
    /// there are places, tokens and room in the cache for the whole answer.
    pub(crate) fn begin_step(&mut self) -> Step {
        let mut budget = self.limits.batched_tokens;
        let mut prompt_tokens = 0;
        let mut sequences = 0;
        for sequence in &mut self.running {
            sequence.gets_token = false;
        }
        for sequence in self.running.iter_mut().filter(|sequence| sequence.prompt_left == 0) {
            sequence.gets_token = budget > 0;
            sequences += u64::from(budget > 0);
            budget = budget.saturating_sub(1);
        }
        let answer_tokens = sequences;
        for sequence in self.running.iter_mut().filter(|sequence| sequence.prompt_left > 0) {
            let taken = take_prompt(sequence, &mut budget);
            prompt_tokens += taken;
            sequences += u64::from(taken > 0);
        }
        let before = self.running.len();
        while budget > 0 && self.admits_next() {
            let Some(mut sequence) = self.waiting.pop_front() else { break };
            prompt_tokens += take_prompt(&mut sequence, &mut budget);
            sequences += 1;
            self.running.push(sequence);
        }
        let lasts = STEP + SEQUENCE * count(sequences) + PROMPT_TOKEN * count(prompt_tokens) + ARRIVAL * self.arrived;
        self.arrived = 0;
        Step {
            lasts: lasts.mul_f64(self.limits.step_factor),
            sequences,
            admitted: self.running.len() - before,
            tokens: prompt_tokens + answer_tokens,
        }
    }

    fn admits_next(&self) -> bool {
        let Some(next) = self.waiting.front() else { return false };
        let reserved: u64 = self.running.iter().map(Sequence::whole).sum();
        (self.running.len() as u64) < self.limits.sequences && reserved + next.whole() <= self.limits.cache_tokens
    }

    /// The sequences that were admitted with the last step: the `count` last ones.
    pub(crate) fn admitted(&mut self, count: usize, mut each: impl FnMut(&mut T)) {
        let first = self.running.len().saturating_sub(count);
        self.running.iter_mut().skip(first).for_each(|sequence| each(&mut sequence.kept));
    }

    /// Gives each sequence of the step its token; `each` sees those that got one.
    pub(crate) fn end_step(&mut self, mut each: impl FnMut(&mut Sequence<T>)) {
        for sequence in self.running.iter_mut().filter(|sequence| sequence.gets_token) {
            sequence.answered += 1;
            each(sequence);
        }
    }

    /// Takes out whose answer is whole.
    pub(crate) fn finished(&mut self) -> Vec<Sequence<T>> {
        self.running.extract_if(.., |sequence| sequence.is_finished()).collect()
    }
}

/// Takes as much of a prompt as the step has room for. With its last token comes the first of the answer.
fn take_prompt<T>(sequence: &mut Sequence<T>, budget: &mut u64) -> u64 {
    let taken = sequence.prompt_left.min(*budget);
    *budget -= taken;
    sequence.prompt_left -= taken;
    sequence.gets_token = sequence.prompt_left == 0 && taken > 0;
    taken
}

fn count(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { sequences: 2, batched_tokens: 100, cache_tokens: 1_000, step_factor: 1.0 };

    fn queue_of(limits: Limits, requests: &[(u64, u64)]) -> Queue<usize> {
        let mut queue = Queue::new(limits);
        for (number, (prompt, answer)) in requests.iter().enumerate() {
            queue.push(Sequence::new(*prompt, *answer, number));
        }
        queue
    }

    /// One step; who got a token.
    fn step(queue: &mut Queue<usize>) -> (Step, Vec<usize>) {
        let step = queue.begin_step();
        let mut got = Vec::new();
        queue.end_step(|sequence| got.push(sequence.kept));
        (step, got)
    }

    #[test]
    fn no_more_than_its_places_run_and_the_others_wait_their_turn() {
        let mut queue = queue_of(LIMITS, &[(10, 2), (10, 3), (10, 1)]);
        assert_eq!(step(&mut queue).1, [0, 1]);
        assert_eq!((queue.running().len(), queue.waiting()), (2, 1));
        assert_eq!(step(&mut queue).1, [0, 1]);
        assert_eq!(queue.finished().iter().map(|sequence| sequence.kept).collect::<Vec<_>>(), [0]);
        assert_eq!(step(&mut queue).1, [1, 2]);
        assert_eq!(queue.finished().len(), 2);
        assert!(queue.is_idle());
    }

    #[test]
    fn a_prompt_longer_than_a_step_takes_several_and_answers_with_its_last() {
        let mut queue = queue_of(LIMITS, &[(250, 1)]);
        assert_eq!((step(&mut queue).1, step(&mut queue).1, step(&mut queue).1), (vec![], vec![], vec![0]));
    }

    #[test]
    fn who_does_not_fit_in_the_cache_waits_and_holds_back_who_came_later() {
        let limits = Limits { cache_tokens: 60, ..LIMITS };
        let mut queue = queue_of(limits, &[(30, 1), (30, 10), (5, 1)]);
        assert_eq!(step(&mut queue).1, [0]);
        queue.finished();
        assert_eq!(step(&mut queue).1, [1, 2]);
        assert!((queue.cache_share() - (31.0 + 6.0) / 60.0).abs() < 1e-9);
    }

    #[test]
    fn a_step_takes_longer_for_what_is_in_it() {
        let mut queue = queue_of(LIMITS, &[(64, 2)]);
        let (first, _) = step(&mut queue);
        assert_eq!(first.lasts, STEP + SEQUENCE + PROMPT_TOKEN * 64 + ARRIVAL);
        assert_eq!((first.sequences, first.admitted, first.tokens), (1, 1, 64));
        let (second, _) = step(&mut queue);
        assert_eq!(second, Step { lasts: STEP + SEQUENCE, sequences: 1, admitted: 0, tokens: 1 });
        let mut slow = queue_of(Limits { step_factor: 3.0, ..LIMITS }, &[(64, 2)]);
        assert_eq!(step(&mut slow).0.lasts, first.lasts * 3);
    }

    #[test]
    fn who_is_gone_frees_the_place_at_once() {
        let mut queue = queue_of(LIMITS, &[(10, 5), (10, 5), (10, 5), (10, 5)]);
        step(&mut queue);
        assert_eq!(queue.remove(|number| [0, 2].contains(number)).len(), 2);
        assert_eq!(step(&mut queue).1, [1, 3]);
        assert_eq!(queue.drain().len(), 2);
    }

    /// Mean time from arrival to the first token, milliseconds, of `requests` of 64 tokens in and 32 out, which arrive by
    /// chance at `rate` a second. The clock is the sum of the steps.
    fn first_token_ms_mean(limits: Limits, rate: f64, requests: u32) -> f64 {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut gap = || {
            // Knuth's generator; the upper bits are the good ones.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let share = ((state >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
            Duration::from_secs_f64(-share.ln() / rate)
        };
        let mut arrivals: VecDeque<Duration> = (0..requests)
            .scan(Duration::ZERO, |at, _| {
                *at += gap();
                Some(*at)
            })
            .collect();
        let mut queue = Queue::new(limits);
        let (mut now, mut waited) = (Duration::ZERO, Duration::ZERO);
        while let Some(next) = if queue.is_idle() { arrivals.front().copied() } else { Some(now) } {
            now = now.max(next);
            while let Some(at) = arrivals.pop_front_if(|at| *at <= now) {
                queue.push(Sequence::new(64, 32, at));
            }
            now += queue.begin_step().lasts;
            queue.end_step(|sequence| {
                if sequence.answered() == 1 {
                    waited += now.saturating_sub(sequence.kept);
                }
            });
            queue.finished();
        }
        waited.as_secs_f64() * 1_000.0 / f64::from(requests)
    }

    #[test]
    fn at_thirty_requests_a_second_it_waits_as_the_recorded_engine_did() {
        let recorded =
            |sequences| Limits { sequences, batched_tokens: 2_048, cache_tokens: 1_978_368, step_factor: 1.0 };
        // 9 ms in the engine; with two places 1,050 and 1,250 ms, over 300 requests (docs/engine-model.md).
        let healthy = first_token_ms_mean(recorded(32), 30.0, 300);
        assert!((7.0..12.0).contains(&healthy), "{healthy}");
        let few = first_token_ms_mean(recorded(2), 30.0, 300);
        assert!((600.0..1_500.0).contains(&few), "{few}");
    }
}
