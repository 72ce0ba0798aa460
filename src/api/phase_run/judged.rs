//! The core's environment, symptoms and admission as a run's status keeps them, both ways.

use std::collections::BTreeMap;

use phaseloop_core::{
    analysis::{judgement::Admission, reason::AnalysisReason},
    value::{Environment, Symptom},
};

use super::{
    measured::{cut, kept_figure},
    status::{PhaseRunStatus, RunEnvironment, SymptomReport},
};
use crate::api::schema::VALUE_LENGTH_MAX;

/// Engine arguments that a status keeps. vLLM has about two hundred flags; nobody sets a third of them.
pub const CONFIGURATION_ENTRIES_MAX: usize = 64;
/// Characters of an image reference or its digest.
const IMAGE_LENGTH_MAX: usize = 512;
/// Sentences of evidence that a symptom keeps.
const EVIDENCE_MAX: usize = 32;
/// Characters of one of them.
const EVIDENCE_LENGTH_MAX: usize = 1024;

impl From<&Environment> for RunEnvironment {
    /// What does not fit is cut, or, for an argument whose value can't be kept whole, left out.
    fn from(environment: &Environment) -> Self {
        let text_length_max = VALUE_LENGTH_MAX as usize;
        let image = |text: &Option<String>| text.as_deref().map(|text| cut(text, IMAGE_LENGTH_MAX));
        let short = |text: &Option<String>| text.as_deref().map(|text| cut(text, text_length_max));
        Self {
            image: image(&environment.image),
            image_digest: image(&environment.image_digest),
            engine_version: short(&environment.engine_version),
            model: short(&environment.model),
            gpu_product: short(&environment.gpu_product),
            gpu_count: environment.gpu_count.map(|count| count.max(0)),
            gpu_sharing: short(&environment.gpu_sharing),
            driver_version: short(&environment.driver_version),
            configuration: kept_configuration(&environment.configuration),
            template_hash: environment.template_hash.clone(),
            template_hash_at_end: None,
            inferred: environment.inferred.clone(),
        }
    }
}

/// The arguments whose values can be kept whole, at most [`CONFIGURATION_ENTRIES_MAX`] of them, by name.
fn kept_configuration(configuration: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    configuration
        .iter()
        .filter(|(name, value)| value.chars().count().max(name.chars().count()) <= VALUE_LENGTH_MAX as usize)
        .take(CONFIGURATION_ENTRIES_MAX)
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

impl From<&RunEnvironment> for Environment {
    fn from(environment: &RunEnvironment) -> Self {
        Self {
            image: environment.image.clone(),
            image_digest: environment.image_digest.clone(),
            engine_version: environment.engine_version.clone(),
            model: environment.model.clone(),
            gpu_product: environment.gpu_product.clone(),
            gpu_count: environment.gpu_count,
            gpu_sharing: environment.gpu_sharing.clone(),
            driver_version: environment.driver_version.clone(),
            configuration: environment.configuration.clone(),
            template_hash: environment.template_hash.clone(),
            inferred: environment.inferred.clone(),
        }
    }
}

impl From<&Symptom> for SymptomReport {
    fn from(symptom: &Symptom) -> Self {
        let evidence = symptom.evidence.iter().take(EVIDENCE_MAX).map(|sentence| cut(sentence, EVIDENCE_LENGTH_MAX));
        Self {
            kind: symptom.kind,
            domain: symptom.domain.clone(),
            severity: symptom.severity,
            metric: symptom.metric,
            current: kept_figure(symptom.current).unwrap_or_default(),
            baseline: symptom.baseline.and_then(kept_figure),
            delta_percent: symptom.delta_percent.and_then(kept_figure),
            diagnosis: symptom.diagnosis,
            evidence: evidence.collect(),
        }
    }
}

impl From<&SymptomReport> for Symptom {
    fn from(report: &SymptomReport) -> Self {
        Self {
            kind: report.kind,
            domain: report.domain.clone(),
            severity: report.severity,
            metric: report.metric,
            current: report.current,
            baseline: report.baseline,
            delta_percent: report.delta_percent,
            diagnosis: report.diagnosis,
            evidence: report.evidence.clone(),
        }
    }
}

impl PhaseRunStatus {
    /// Notes whether the run may serve in later baselines.
    pub fn set_admission(&mut self, admission: Admission) {
        let reason = match admission {
            Admission::Admitted => AnalysisReason::WithinLimits,
            Admission::Seed => AnalysisReason::BaselineSeeding,
            Admission::NotAdmitted(reason) => reason,
        };
        self.admitted = Some(admission.may_serve());
        self.admission_reason = Some(reason.name().to_owned());
    }

    /// Whether the run may serve in later baselines. A run that says nothing of it may not.
    pub fn admission(&self) -> Admission {
        let named = self.admission_reason.as_deref().and_then(|name| {
            let value = serde_json::Value::from(name);
            serde_json::from_value::<AnalysisReason>(value).ok()
        });
        match (self.admitted, named) {
            (Some(true), Some(AnalysisReason::BaselineSeeding)) => Admission::Seed,
            (Some(true), _) => Admission::Admitted,
            (_, reason) => Admission::NotAdmitted(reason.unwrap_or(AnalysisReason::NoData)),
        }
    }
}
