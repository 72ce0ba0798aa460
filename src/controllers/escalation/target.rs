//! The target as tuning sees it: which object, which template, which engine, and where its parameters stand.

use std::num::NonZeroU32;

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use phaseloop_core::{
    plan::{OwnKind, OwnObject, OwnedField, label::ANNOTATION_PROMOTION, pod::TestPodPurpose},
    tuning::{BindingError, TargetView},
    value::{ParameterName, ParameterValue, TargetReference, Uid},
};

use super::observe::ObservedEscalation;
use crate::{
    administrator::AdministratorPolicy,
    api::Escalation,
    controllers::{ObservedTarget, OperatorSettings},
    delivery::{FieldPlace, owned_field},
    workload::{
        Refusal, ServingLoad, TargetNetwork, TemplateFacts, TestKind, TestPodRequest, TestPodTimes, configuration,
        engine_container, place_of, plan_gpus, target_view,
    },
};

/// A target that exists.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetBasis {
    /// Its uid.
    pub uid: Uid,
    /// Hash of its pod template.
    pub template_hash: String,
    /// Uid of the promotion whose values it carries.
    pub promotion: Option<Uid>,
    /// What test pods are made of.
    pub facts: TemplateFacts,
    /// Its engine's image.
    pub image: Option<String>,
    /// Its engine's configuration as its container states it.
    pub configuration: std::collections::BTreeMap<String, String>,
    /// Name of the container that runs the engine.
    pub container: String,
    /// GPUs of its engine, or why no test pod can be made of it.
    pub gpus: Result<NonZeroU32, Refusal>,
}

impl TargetBasis {
    /// The target as it was read.
    pub(super) fn of(observed: &ObservedEscalation, settings: &OperatorSettings) -> Option<Self> {
        let target = observed.target.as_ref()?;
        let reference = TargetReference::from(&observed.object.spec.target_ref);
        let policy = observed.policy.policy();
        let facts = TemplateFacts {
            template: target.template(),
            engine_container: observed.object.spec.target_ref.container.clone(),
            claim_templates: target.claim_templates(),
            claims: observed.claims.clone(),
            config_maps: observed.config_maps.clone(),
            // Whether a pod can be made does not depend on what it may reach.
            network: TargetNetwork::default(),
            gpu_sharing: None,
        };
        let engine = engine_container(&facts.template, facts.engine_container.as_deref(), policy).ok();
        Some(Self {
            uid: target.version(reference.clone()).uid,
            template_hash: target.template_hash(),
            promotion: annotation(target, ANNOTATION_PROMOTION).map(Uid::new),
            image: engine.and_then(|engine| engine.image.clone()),
            configuration: engine.map(|engine| configuration(engine, policy)).unwrap_or_default(),
            container: engine.map(|engine| engine.name.clone()).unwrap_or_default(),
            gpus: gpus(&observed.object, reference, &facts, policy, settings),
            facts,
        })
    }

    /// The field that would carry a value, with its pre-image.
    ///
    /// # Errors
    /// It can't be read, or could not be put back byte for byte.
    pub(super) fn owned_field(
        &self,
        escalation: &Escalation,
        policy: Option<&AdministratorPolicy>,
        name: &ParameterName,
        value: &ParameterValue,
    ) -> Result<OwnedField, BindingError> {
        let given = escalation.spec.parameters.iter().find(|parameter| parameter.name == *name);
        let (binding, config_map) = place_of(name, given.and_then(|parameter| parameter.binding.as_ref()));
        let map = config_map.as_ref().and_then(|name| self.facts.config_maps.get(name));
        let place = FieldPlace::new(&self.container, config_map.as_deref(), binding);
        owned_field(&self.view(policy, map), &place, name, value)
    }

    fn view(&self, policy: Option<&AdministratorPolicy>, config_map: Option<&ConfigMap>) -> TargetView {
        let engine = engine_container(&self.facts.template, self.facts.engine_container.as_deref(), policy);
        engine.map(|engine| target_view(&self.facts.template, engine, config_map)).unwrap_or_default()
    }
}

fn annotation(target: &ObservedTarget, key: &str) -> Option<String> {
    let annotations = match target {
        ObservedTarget::Deployment(object) => object.annotations(),
        ObservedTarget::StatefulSet(object) => object.annotations(),
    };
    annotations.get(key).cloned()
}

/// The GPUs that a canary of this target holds, by planning the pod of one that changes nothing.
fn gpus(
    escalation: &Escalation,
    target: TargetReference,
    facts: &TemplateFacts,
    policy: Option<&AdministratorPolicy>,
    settings: &OperatorSettings,
) -> Result<NonZeroU32, Refusal> {
    let canary = &escalation.spec.canary;
    let measure: SignedDuration = canary.measure.into();
    let load = ServingLoad::for_planning(measure, canary.start_timeout.into());
    let request = TestPodRequest {
        namespace: escalation.namespace().unwrap_or_default(),
        owner: OwnObject::new(OwnKind::TuningCanary, escalation.name_any(), Uid::new("")),
        purpose: TestPodPurpose::Canary,
        target,
        escalation: None,
        test: TestKind::Serving(Box::new(load)),
        parameters: Vec::new(),
        times: TestPodTimes {
            not_after: jiff::Timestamp::MAX,
            active_deadline: measure.saturating_add(canary.start_timeout.into()),
            grace: canary.grace.into(),
        },
        test_side: None,
    };
    let gpus = plan_gpus(&request, facts, policy, &settings.test_pods)?;
    Ok(NonZeroU32::new(gpus).unwrap_or(NonZeroU32::MIN))
}
