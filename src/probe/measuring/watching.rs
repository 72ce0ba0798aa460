//! Watching the engine while it is loaded: its metrics, its health, its deaths.

use std::time::Duration;

use http::StatusCode;
use phaseloop_core::analysis::probe::ProbeEnding;
use tokio::{sync::watch, time::sleep};

use super::{
    client::Problem,
    death::{death_of, unexplained},
    exposition::EngineMetrics,
    life::{End, PresentRun, Probe},
    look::Look,
    records::Records,
};
use crate::probe::load::Micros;

/// Between two looks at the engine's health.
const LOOK: Duration = Duration::from_millis(250);
/// Between two looks at its metrics, of which each costs the engine some milliseconds.
const METRICS_INTERVAL: Micros = Micros(1_000_000);
/// How long a loaded engine may take to answer a question.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same at the end, when the probe's grace runs.
const LAST_PATIENCE: Duration = Duration::from_secs(1);
/// Looks at the end, where each is cut off.
const LAST_LOOKS_MAX: usize = 4;
/// How long the guard's word on a death is waited for: vLLM ends within 5 s of its engine's death.
const WORD_PATIENCE: Micros = Micros(10_000_000);

impl Probe<'_> {
    /// Watches until the engine has died more often than the test endures, or does not come back.
    pub(super) async fn watch(&mut self, up: &watch::Sender<bool>) -> End {
        loop {
            self.look_on().await;
            up.send_replace(false);
            let died = self.note_death().await;
            let back = match died {
                Ok(()) => self.wait_for_health(self.clock.elapsed()).await,
                Err(end) => return end,
            };
            match back {
                Ok(()) => {
                    eprintln!("the engine is back");
                    self.present.was_ready = true;
                    up.send_replace(true);
                }
                Err(end) => return end,
            }
        }
    }

    /// Looks on while the engine lives.
    async fn look_on(&mut self) {
        let mut metrics_due = self.load.as_ref().map_or(Micros::ZERO, |(times, _)| times.window.from);
        loop {
            if self.has_ended() {
                return;
            }
            match self.client.get("/health", PATIENCE).await {
                Ok((StatusCode::SERVICE_UNAVAILABLE, _)) | Err(Problem::Unreachable) => return,
                // A health check that comes late, or is cut off, is no death: the load shows what is wrong.
                Ok(_) | Err(Problem::Late | Problem::Broken) => {}
            }
            if self.clock.elapsed() >= metrics_due {
                self.read_metrics(PATIENCE).await;
                metrics_due = self.clock.elapsed().plus(METRICS_INTERVAL);
            }
            sleep(LOOK.min(self.clock.time_until(metrics_due).max(Duration::from_millis(1)))).await;
        }
    }

    /// The load is over. An engine that died answers all that is left of it with an error at once, so that the load may be
    /// over before anybody has looked.
    pub(super) async fn look_once_more(&mut self) -> Result<(), End> {
        // One that is being started again has its death told already.
        if !self.present.was_ready {
            return Ok(());
        }
        for _ in 0..LAST_LOOKS_MAX {
            match self.client.get("/health", LAST_PATIENCE).await {
                _ if self.has_ended() => return self.note_death().await,
                Ok((StatusCode::SERVICE_UNAVAILABLE, _)) | Err(Problem::Unreachable) => return self.note_death().await,
                Ok(_) | Err(Problem::Late) => return Ok(()),
                // Cut off in the middle, as by a server that ends.
                Err(Problem::Broken) => sleep(LOOK).await,
            }
        }
        Ok(())
    }

    async fn ask_metrics(&self, patience: Duration) -> Option<EngineMetrics> {
        match self.client.get("/metrics", patience).await {
            Ok((StatusCode::OK, body)) => Some(EngineMetrics::read(&String::from_utf8_lossy(&body))),
            _ => None,
        }
    }

    /// The look before the load: what the engine is configured to, whatever becomes of it.
    pub(super) async fn read_configuration(&mut self) {
        self.cache_configuration = self.ask_metrics(PATIENCE).await.unwrap_or_default().cache_configuration;
    }

    async fn read_metrics(&mut self, patience: Duration) {
        let asked = self.clock.elapsed();
        if let Some(metrics) = self.ask_metrics(patience).await {
            self.totals.take(Look { asked, answered: self.clock.elapsed() }, metrics);
        }
    }

    /// The look after the measurement.
    pub(super) async fn read_metrics_last(&mut self) {
        self.read_metrics(LAST_PATIENCE).await;
    }

    /// Whether the guard has written down the end of the engine's present run. The end of a run whose death is told already
    /// begins the next one.
    pub(super) fn has_ended(&mut self) -> bool {
        let Some(records) = &mut self.records else { return false };
        let ended = records.look().is_some_and(|record| record.end.is_some());
        if ended && self.present.death_told {
            records.turn_over();
            self.present = PresentRun::default();
            return false;
        }
        ended
    }

    /// The engine is ready: a run whose end nobody wrote down is over.
    pub(super) fn begin_present_run(&mut self) {
        if self.present.death_told {
            self.present = PresentRun::default();
            self.records.iter_mut().for_each(Records::turn_over);
        }
        self.present.answered = true;
    }

    /// Whether the guard's word on the present run's end can still be waited for.
    fn may_have_word(&mut self) -> bool {
        !self.has_ended() && self.records.as_ref().is_some_and(|records| !records.is_superseded())
    }

    /// The engine has died: why, and whether the test endures it.
    pub(super) async fn note_death(&mut self) -> Result<(), End> {
        let seen_at = self.clock.elapsed();
        self.totals.died(seen_at);
        let until = seen_at.plus(WORD_PATIENCE);
        while self.may_have_word() && self.clock.elapsed() < until {
            sleep(LOOK).await;
        }
        let (at, was_ready) = (self.clock.at(seen_at), self.present.was_ready);
        let record = self.records.as_mut().and_then(|records| records.look().cloned());
        let ended = record.as_ref().and_then(|record| record.end);
        if ended.is_some_and(|end| end.at_latest_instant) {
            return Err(self.out_of_time());
        }
        let death = record.map_or_else(|| unexplained(at), |record| death_of(&record, was_ready, at));
        eprintln!("the engine died: {:?} {}", death.failure.class, death.failure.message);
        self.deaths.push(death);
        if let Some(records) = self.records.as_mut().filter(|_| ended.is_some()) {
            records.turn_over();
            self.present = PresentRun::default();
        } else {
            self.present = PresentRun { death_told: self.records.is_some(), ..PresentRun::default() };
        }
        let endured = self.request.mode.engine_restarts_max();
        if self.deaths.len() as u64 <= endured {
            return Ok(());
        }
        let detail = match endured {
            0 => "the engine died, and the test endures no death".to_owned(),
            most => format!("the engine died more than {most} times"),
        };
        Err(End::new(ProbeEnding::EngineDied, detail))
    }
}
