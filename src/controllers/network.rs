//! The NetworkPolicies of a namespace, read where a test pod may be made. What can't be read is told, and never counts as none:
//! without a policy production reaches everything.

use k8s_openapi::api::{core::v1::PodTemplateSpec, networking::v1::NetworkPolicy};

use super::ObservedPolicy;
use crate::{
    administrator::EgressMode,
    cluster::{ClusterError, ClusterErrorKind, Reader, read::Listed},
    workload::TargetNetwork,
};

/// What was found of what bounds the target's pods.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum ObservedNetwork {
    /// Nobody looked: no pod is made with this look.
    #[default]
    NotRead,
    /// All NetworkPolicies of the namespace; none where the administrator says himself what test pods may reach.
    Read(Vec<NetworkPolicy>),
    /// They can't be read, and why.
    Unreadable(String),
}

impl ObservedNetwork {
    /// Reads it, as far as the administrator's policy asks for it. A missing right is an answer: who may not see what bounds
    /// production makes no pod, and everything else goes on.
    ///
    /// # Errors
    /// [`ClusterError`] where the list could not be read for another reason.
    pub async fn read(reader: Reader<'_>, namespace: &str, policy: &ObservedPolicy) -> Result<Self, ClusterError> {
        let mode = policy.policy().map(|policy| policy.egress.mode).unwrap_or_default();
        if mode != EgressMode::SameAsTarget {
            return Ok(Self::Read(Vec::new()));
        }
        match reader.list::<NetworkPolicy>(namespace, "").await {
            Ok(listed) => Ok(Self::of(listed)),
            Err(error) if error.kind == ClusterErrorKind::Forbidden => Ok(Self::Unreadable(error.chain())),
            Err(error) => Err(error),
        }
    }

    /// What a list says. One policy that is not of its kind's form may be the one that bounds the target.
    fn of(listed: Listed<NetworkPolicy>) -> Self {
        if listed.malformed.is_empty() {
            Self::Read(listed.into_owned())
        } else {
            Self::Unreadable(format!("no NetworkPolicy can be made out of {}", listed.malformed.join(", ")))
        }
    }

    /// Why nobody knows what bounds the target's pods; nothing where it is known.
    pub fn unknown(&self) -> Option<String> {
        let why = match self {
            Self::Read(_) => return None,
            Self::NotRead => "nobody has read them",
            Self::Unreadable(why) => why,
        };
        Some(format!("egress is SameAsTarget, and the NetworkPolicies of the namespace are not known: {why}"))
    }

    /// What bounds the pods of a target with this template; nothing where it is not known.
    pub fn of_target(&self, template: &PodTemplateSpec) -> TargetNetwork {
        match self {
            Self::Read(policies) => TargetNetwork::of(template, policies),
            Self::NotRead | Self::Unreadable(_) => TargetNetwork::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_policy_that_is_none_leaves_the_network_unknown() {
        let whole = Listed { items: vec![Arc::new(NetworkPolicy::default())], malformed: Vec::new() };
        assert_eq!(ObservedNetwork::of(whole.clone()), ObservedNetwork::Read(vec![NetworkPolicy::default()]));
        let broken = ObservedNetwork::of(Listed { malformed: vec!["seal".to_owned()], ..whole });
        assert!(broken.unknown().unwrap().ends_with("out of seal"), "{broken:?}");
    }

    #[test]
    fn a_network_that_nobody_read_is_not_known() {
        assert!(ObservedNetwork::default().unknown().is_some());
        assert_eq!(ObservedNetwork::Read(Vec::new()).unknown(), None);
    }
}
