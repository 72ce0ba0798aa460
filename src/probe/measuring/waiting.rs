//! Waiting for the engine: until it is ready, has taken too long, or has died too often.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use phaseloop_core::analysis::probe::ProbeEnding;
use serde::Deserialize;
use tokio::time::sleep;

use super::{
    client::{Problem, refusal},
    life::{End, Probe},
    prompt::{PromptForm, Prompts, path_of},
};
use crate::probe::load::Micros;

/// Between two looks at an engine that starts.
const LOOK: Duration = Duration::from_millis(200);
/// How long an engine may take for a short answer before it counts as not ready.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the first request may take: a first step may compile.
const TRIAL_PATIENCE: Duration = Duration::from_mins(2);

/// An engine that is ready for its load.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ready {
    pub(super) model: String,
    pub(super) form: PromptForm,
    /// What prompts are made of, in one phrase.
    pub(super) said: String,
}

/// Why an engine that answers is not ready for its load.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Unready {
    /// It may be soon.
    Wait,
    /// It never will be.
    Unusable(String),
}

impl From<Problem> for Unready {
    fn from(_: Problem) -> Self {
        Self::Wait
    }
}

/// What `/v1/models` answers.
#[derive(Debug, Deserialize)]
struct Models {
    data: Vec<Model>,
}

#[derive(Debug, Deserialize)]
struct Model {
    id: String,
    /// The model that an adapter belongs to.
    #[serde(default)]
    parent: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Version {
    version: String,
}

impl Probe<'_> {
    /// Waits until the engine answers its health check, serves the model, and has answered one request.
    pub(super) async fn wait_for_first_readiness(&mut self) -> Result<Ready, End> {
        let mut since = Micros::ZERO;
        loop {
            self.wait_for_health(since).await?;
            match self.prepare().await {
                Ok(ready) => {
                    self.present.was_ready = true;
                    return Ok(ready);
                }
                Err(Unready::Unusable(sentence)) => return Err(End::new(ProbeEnding::EngineUnusable, sentence)),
                Err(Unready::Wait) => sleep(LOOK).await,
            }
            since = self.waiting_since;
        }
    }

    /// Waits until the engine answers its health check; `since` is when the waiting began.
    pub(super) async fn wait_for_health(&mut self, since: Micros) -> Result<(), End> {
        self.waiting_since = since;
        loop {
            if self.has_ended() {
                self.note_death().await?;
                self.waiting_since = self.clock.elapsed();
            }
            match self.client.get("/health", PATIENCE).await {
                Ok((status, _)) => {
                    if self.first_contact_at.is_none() {
                        self.first_contact_at = Some(self.clock.elapsed());
                        eprintln!("the engine's port answers");
                    }
                    if status == StatusCode::OK {
                        self.begin_present_run();
                        return Ok(());
                    }
                    // A dead engine answers so while its process ends.
                    self.present.answered |= status != StatusCode::SERVICE_UNAVAILABLE;
                }
                Err(Problem::Unreachable) if self.present.answered && !self.present.death_told => {
                    self.note_death().await?;
                    self.waiting_since = self.clock.elapsed();
                }
                Err(_) => {}
            }
            let gives_up = self.waiting_since.plus(Micros::from(self.request.ready_timeout.0));
            if self.clock.elapsed() >= gives_up {
                let detail = format!("the engine was not ready within {}", self.request.ready_timeout);
                return Err(End::new(ProbeEnding::EngineNeverReady, detail));
            }
            sleep(LOOK).await;
        }
    }

    /// Asks an engine that answers for what its load needs.
    async fn prepare(&mut self) -> Result<Ready, Unready> {
        let model = self.model_to_ask_for().await?;
        self.model = Some(model.clone());
        self.version = self.ask_version().await?.or(self.version.take());
        self.read_configuration().await;
        let endpoint = self.request.workload.endpoint;
        let form = self.prompt_form(&model).await?;
        let prompts = Prompts::new(form.clone(), endpoint, self.request.seed.unsigned_abs(), &model, 0);
        let path = path_of(endpoint);
        let (status, body) = self.client.post(path, prompts.trial(), TRIAL_PATIENCE).await?;
        match status {
            StatusCode::OK => Ok(Ready { said: form.phrase(), model, form }),
            status if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
                Err(Unready::Unusable(format!("{path} refuses a request: {}", refusal(status, &body))))
            }
            _ => Err(Unready::Wait),
        }
    }

    async fn model_to_ask_for(&self) -> Result<String, Unready> {
        let (status, body) = self.client.get("/v1/models", PATIENCE).await?;
        let unusable = |sentence: String| Err(Unready::Unusable(sentence));
        if status.is_client_error() {
            return unusable(format!("/v1/models refuses: {}", refusal(status, &body)));
        }
        if status != StatusCode::OK {
            return Err(Unready::Wait);
        }
        let Ok(Models { data: models }) = serde_json::from_slice(&body) else {
            return unusable("/v1/models answers with no list of models".to_owned());
        };
        let names = || models.iter().map(|model| model.id.as_str()).collect::<Vec<_>>().join(", ");
        match &self.request.model {
            Some(wanted) if models.iter().any(|model| model.id == *wanted) => Ok(wanted.clone()),
            Some(wanted) => unusable(format!("the engine does not serve {wanted}, only: {}", names())),
            None => {
                let own: Vec<&Model> = models.iter().filter(|model| model.parent.is_none()).collect();
                match own.as_slice() {
                    [only] => Ok(only.id.clone()),
                    [] => unusable("the engine serves no model".to_owned()),
                    _ => unusable(format!("the engine serves several models, and none is asked for: {}", names())),
                }
            }
        }
    }

    /// Engine and version; nothing where it does not tell.
    async fn ask_version(&self) -> Result<Option<String>, Unready> {
        let (status, body) = self.client.get("/version", PATIENCE).await?;
        let version = serde_json::from_slice(&body).ok().filter(|_| status == StatusCode::OK);
        Ok(version.map(|Version { version }| format!("vllm {version}")))
    }

    async fn prompt_form(&self, model: &str) -> Result<PromptForm, Unready> {
        let endpoint = self.request.workload.endpoint;
        let mut answers = Vec::new();
        for question in PromptForm::questions(model, endpoint) {
            let (status, body) = self.client.post("/tokenize", Bytes::from(question), PATIENCE).await?;
            if status == StatusCode::OK {
                answers.push(body);
            }
        }
        Ok(PromptForm::of_answers(endpoint, &answers))
    }
}
