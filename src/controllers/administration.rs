//! The administrator's policy as every look reads it. A policy that can't be read is a condition, and never counts as
//! none.

use k8s_openapi::api::core::v1::ConfigMap;
use phaseloop_core::policy::AdministrationReason;

use super::condition;
use crate::{
    administrator::{AdministratorPolicy, CONFIG_MAP_KEY, CONFIG_MAP_NAME, read_policy},
    api::condition::{Condition, ConditionStatus, ConditionType},
    cluster::{ClusterError, Reader},
};

/// What was found of the policy.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum ObservedPolicy {
    /// There is none: the catalogue's own bounds hold.
    #[default]
    Absent,
    /// It is in force.
    Valid(Box<AdministratorPolicy>),
    /// It can't be read, with every fault: nothing begins until it is mended.
    Invalid(String),
}

impl ObservedPolicy {
    /// Reads the policy of a namespace.
    ///
    /// # Errors
    /// [`ClusterError`] where the ConfigMap could not be read. A policy with faults is none of these.
    pub async fn read(reader: Reader<'_>, namespace: &str) -> Result<Self, ClusterError> {
        Ok(Self::of(reader.get::<ConfigMap>(namespace, CONFIG_MAP_NAME).await?.as_ref()))
    }

    /// The policy that a ConfigMap holds.
    pub fn of(config_map: Option<&ConfigMap>) -> Self {
        let Some(config_map) = config_map else { return Self::Absent };
        let text = config_map.data.as_ref().and_then(|data| data.get(CONFIG_MAP_KEY));
        let Some(text) = text else {
            return Self::Invalid(format!("ConfigMap {CONFIG_MAP_NAME} has no text under {CONFIG_MAP_KEY}"));
        };
        match read_policy(CONFIG_MAP_NAME, text) {
            Ok(policy) => Self::Valid(Box::new(policy)),
            Err(faults) => Self::Invalid(faults.to_string()),
        }
    }

    /// The policy in force, if there is one.
    pub fn policy(&self) -> Option<&AdministratorPolicy> {
        match self {
            Self::Valid(policy) => Some(policy),
            Self::Absent | Self::Invalid(_) => None,
        }
    }

    /// The faults of a policy that can't be read.
    pub fn faults(&self) -> Option<&str> {
        match self {
            Self::Invalid(faults) => Some(faults),
            Self::Absent | Self::Valid(_) => None,
        }
    }

    /// The condition `PolicyValid`.
    pub fn condition(&self) -> Condition {
        let (status, reason, message) = match self {
            Self::Absent => (ConditionStatus::True, AdministrationReason::PolicyAbsent, None),
            Self::Valid(_) => (ConditionStatus::True, AdministrationReason::PolicyInForce, None),
            Self::Invalid(faults) => (ConditionStatus::False, AdministrationReason::PolicyInvalid, Some(faults)),
        };
        let message = message.map_or_else(|| reason.meaning().to_owned(), Clone::clone);
        condition(ConditionType::PolicyValid, status, reason.name(), message)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn observed(data: &serde_json::Value) -> ObservedPolicy {
        let config_map = json!({ "metadata": { "name": CONFIG_MAP_NAME }, "data": data });
        ObservedPolicy::of(Some(&serde_json::from_value(config_map).unwrap()))
    }

    #[test]
    fn a_broken_policy_never_counts_as_none() {
        assert_eq!(ObservedPolicy::of(None), ObservedPolicy::Absent);
        for data in [
            json!({}),
            json!({ "policy.yaml": "kind: [" }),
            json!({ "policy.yaml": "apiVersion: policy.phaseloop.dev/v1alpha1\nkind: AdministratorPolicy\nx: 1\n" }),
        ] {
            let policy = observed(&data);
            assert!(policy.faults().is_some_and(|faults| !faults.is_empty()), "{data}");
            assert_eq!(policy.policy(), None);
            assert_eq!(policy.condition().status, ConditionStatus::False);
        }
    }

    #[test]
    fn a_policy_that_can_be_read_is_in_force() {
        let text = "apiVersion: policy.phaseloop.dev/v1alpha1\nkind: AdministratorPolicy\n";
        let policy = observed(&json!({ "policy.yaml": text }));
        assert!(policy.policy().is_some() && policy.faults().is_none());
        assert_eq!(policy.condition().status, ConditionStatus::True);
        assert_eq!(ObservedPolicy::Absent.condition().status, ConditionStatus::True);
    }
}
