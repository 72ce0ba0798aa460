use super::*;
use crate::{
    prelude::*,
    tuning::{
        actuator::{ActuatorKind, Cause},
        bounds::{AdminBounds, bounds},
    },
    value::ParameterValue,
};

const VERSION: EngineVersion = EngineVersion::new(0, 32);

#[test]
fn every_name_stands_once_and_is_canonical() {
    let names: Vec<&str> = ACTUATORS
        .iter()
        .map(|actuator| actuator.name)
        .chain(FORBIDDEN.iter().map(|forbidden| forbidden.name))
        .chain(REMOVED.iter().map(|removed| removed.name))
        .collect();
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(distinct.len(), names.len());
    for name in names {
        assert_eq!(ParameterName::new(name).as_str(), name);
    }
}

#[test]
fn every_ladder_ascends_and_lies_inside_the_bounds() {
    for actuator in ACTUATORS {
        let admin = AdminBounds { permitted: true, ..Default::default() };
        let limits = bounds(&actuator.parameter(), VERSION, Some(&admin)).unwrap();
        for ladder in [actuator.ladder_down, actuator.ladder_up] {
            assert!(!ladder.is_empty(), "{}", actuator.name);
            let values: Vec<ParameterValue> = ladder.iter().map(|text| actuator.read_value(text)).collect();
            for value in &values {
                assert_eq!(limits.check(value), Ok(()), "{} {value}", actuator.name);
            }
            if let ActuatorKind::Number { .. } = actuator.kind {
                assert!(values.is_sorted(), "{}", actuator.name);
            }
        }
        for text in actuator.engine_default.iter().chain(actuator.special) {
            assert_eq!(limits.check(&actuator.read_value(text)), Ok(()), "{} {text}", actuator.name);
        }
    }
}

#[test]
fn nothing_is_tuned_for_a_crash_or_without_a_cause() {
    for actuator in ACTUATORS {
        for remedy in actuator.remedies {
            assert_ne!(remedy.symptom, SymptomKind::EngineCrash, "{}", actuator.name);
            assert_ne!(remedy.diagnosis, Diagnosis::Unexplained, "{}", actuator.name);
        }
    }
}

#[test]
fn every_other_diagnosis_has_a_remedy_for_every_symptom_it_explains() {
    let explained = [
        (SymptomKind::VllmOom, Diagnosis::MemoryOvercommitted),
        (SymptomKind::VllmOom, Diagnosis::MemoryStarved),
        (SymptomKind::LatencyRegression, Diagnosis::AdmissionLimited),
        (SymptomKind::ThroughputDrop, Diagnosis::AdmissionLimited),
        (SymptomKind::PassRateDrop, Diagnosis::AdmissionLimited),
        (SymptomKind::LatencyRegression, Diagnosis::CachePressure),
        (SymptomKind::ThroughputDrop, Diagnosis::CachePressure),
        (SymptomKind::PassRateDrop, Diagnosis::CachePressure),
        (SymptomKind::LatencyRegression, Diagnosis::ComputeBound),
        (SymptomKind::ThroughputDrop, Diagnosis::ComputeBound),
    ];
    for cause in explained {
        let cause = Cause { symptom: cause.0, diagnosis: cause.1 };
        assert!(ACTUATORS.iter().any(|actuator| actuator.remedy_for(&[cause]).is_some()), "{cause:?}");
    }
}

#[test]
fn memory_remedies_point_the_way_the_fault_demands() {
    for actuator in ACTUATORS.iter().filter(|actuator| actuator.grows_memory) {
        for remedy in actuator.remedies {
            match remedy.diagnosis {
                Diagnosis::MemoryOvercommitted => assert_eq!(remedy.direction, Direction::Lower, "{}", actuator.name),
                Diagnosis::MemoryStarved => assert_eq!(remedy.direction, Direction::Raise, "{}", actuator.name),
                _ => {}
            }
        }
    }
    let admission = |name: &str| {
        let actuator = find_actuator(&ParameterName::new(name)).unwrap();
        [Diagnosis::AdmissionLimited, Diagnosis::CachePressure].map(|diagnosis| {
            let cause = Cause { symptom: SymptomKind::LatencyRegression, diagnosis };
            actuator.remedy_for(&[cause]).map(|remedy| remedy.direction)
        })
    };
    assert_eq!(admission("max-num-seqs"), [Some(Direction::Raise), Some(Direction::Lower)]);
    assert_eq!(admission("max-num-active-seqs"), [Some(Direction::Raise), Some(Direction::Lower)]);
    assert_eq!(admission("gpu-memory-utilization"), [None, Some(Direction::Raise)]);
    assert_eq!(admission("watermark"), [None, Some(Direction::Raise)]);
}

#[test]
fn what_may_never_be_tuned_is_refused_with_its_reason() {
    for (name, message) in [
        (
            "tensor-parallel-size",
            "tensor-parallel-size is never tuned: it changes how many GPUs the engine needs, which a canary's budget doesn't hold",
        ),
        (
            "--trust_remote_code",
            "trust-remote-code is never tuned: it makes the engine run code from outside the image",
        ),
        (
            "swap-space",
            "swap-space was removed from vLLM before 0.32; kv-offloading-size took its place, which takes memory of the host and is never tuned",
        ),
        (
            "gpu-memory-utilisation",
            "gpu-memory-utilisation is no tunable parameter of vLLM 0.30-0.33; did you mean gpu-memory-utilization?",
        ),
        ("frobnicate", "frobnicate is no tunable parameter of vLLM 0.30-0.33"),
    ] {
        let refusal = actuator_for(&ParameterName::new(name), VERSION).unwrap_err();
        assert_eq!(refusal.to_string(), message);
        assert_eq!(refusal.remedy(), "remove the parameter, or name one of docs/reference/actuators.md");
    }
}

#[test]
fn an_engine_outside_the_catalogue_is_refused_at_both_ends() {
    let name = ParameterName::new("max-num-seqs");
    for (minor, covered) in [(29, false), (30, true), (33, true), (34, false)] {
        let version = EngineVersion::new(0, minor);
        match actuator_for(&name, version) {
            Ok(actuator) => assert!(covered && actuator.name == "max-num-seqs"),
            Err(refusal) => {
                assert!(!covered);
                assert_eq!(refusal.to_string(), format!("the catalogue knows vLLM 0.30-0.33, not {version}"));
                assert_eq!(refusal.remedy(), "run an engine of vLLM 0.30-0.33");
            }
        }
    }
}
