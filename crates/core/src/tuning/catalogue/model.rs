//! What the service promises its users.

use super::CATALOGUE_VERSIONS;
use crate::{
    tuning::actuator::{Actuator, ActuatorKind},
    value::Decimal,
};

/// Longest request.
pub(super) const MAX_MODEL_LEN: Actuator = Actuator {
    name: "max-model-len",
    summary: "Longest request, prompt and answer together, in tokens; -1 or auto lets the engine fit it to the memory.",
    kind: ActuatorKind::Number {
        minimum: Decimal::from_integer(256),
        maximum: Decimal::from_integer(10_485_760),
        step: Decimal::from_integer(1),
    },
    special: &["-1", "auto"],
    engine_default: None,
    ladder_down: &["2048", "4096", "8192", "16384", "32768", "65536", "131072"],
    ladder_up: &["2048", "4096", "8192", "16384", "32768", "65536", "131072"],
    remedies: &[],
    grows_memory: true,
    only_where_set: false,
    administrator: Some("it is the contract with the users: a lower one refuses requests that were served before"),
    versions: CATALOGUE_VERSIONS,
};
