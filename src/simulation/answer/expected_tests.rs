use serde_json::{Value, json};

use super::*;
use crate::simulation::{
    answer::{CanaryLine, NightLine, PromotionLine, TuningLine},
    oracle::InvariantFigures,
};

fn answer() -> Answer {
    let night = NightLine {
        night: 3,
        run: "r".to_owned(),
        target: "t".to_owned(),
        started_at: None,
        completed_at: None,
        verdict: Some(phaseloop_core::value::Verdict::Degraded),
        why: String::new(),
        borrowed: None,
        changed: Vec::new(),
        fitness: None,
        domains: Vec::new(),
        symptoms: Vec::new(),
        flags: Vec::new(),
        gates: Vec::new(),
        tuning: Some(TuningLine {
            reason: "IncumbentFailed".to_owned(),
            message: String::new(),
            winner: Some("gpu-memory-utilization=0.75".to_owned()),
            untried: Vec::new(),
            spent: String::new(),
        }),
        denied: Vec::new(),
    };
    let canary = CanaryLine {
        name: "c".to_owned(),
        night: 3,
        run: "r".to_owned(),
        role: "Candidate".to_owned(),
        parameters: String::new(),
        verdict: None,
        fitness: None,
        e2e_ms_p95: None,
        reason: String::new(),
        message: String::new(),
        measured: String::new(),
        held: String::new(),
    };
    let promotion = PromotionLine {
        name: "p".to_owned(),
        night: 3,
        change: String::new(),
        parameters: "gpu-memory-utilization=0.75".to_owned(),
        phase: "Validated".to_owned(),
        message: String::new(),
        steps: Vec::new(),
        applied_at: None,
        rolled_out_at: None,
        validate_by: jiff::Timestamp::UNIX_EPOCH,
        decided_by: None,
    };
    Answer {
        scenario: "s".to_owned(),
        description: String::new(),
        seed: 1,
        time_zone: "Etc/UTC".to_owned(),
        targets: Vec::new(),
        nights: vec![night],
        canaries: vec![canary],
        promotions: vec![promotion],
        engine_flags: [("t".to_owned(), [("max-num-seqs".to_owned(), "32".to_owned())].into())].into(),
        denied: 1,
        refused_decisions: 2,
        events: 0,
        writes: 0,
        invariants: InvariantFigures::default(),
        unmet: Vec::new(),
        wall_seconds: 0.0,
    }
}

fn told(expect: Value) -> Vec<String> {
    unmet(&serde_json::from_value(expect).unwrap(), &answer())
}

#[test]
fn what_came_as_expected_is_not_told() {
    let night = json!({ "night": 3, "verdict": "Degraded", "symptoms": [], "degradedDomains": [], "candidates": 1,
        "winner": "gpu-memory-utilization=0.75", "tuningEnded": "IncumbentFailed",
        "flags": [{ "symptom": "vllm_oom", "state": "Idle", "count": 0 }] });
    let promotion = json!({ "night": 3, "change": "gpu-memory-utilization=0.75", "phase": "Validated" });
    let flags = json!([{ "flag": "max-num-seqs", "value": "32" }, { "flag": "block-size" }]);
    let all = json!({ "nights": [night], "promotions": [promotion], "canaries": 1, "denied": 1,
        "refusedDecisions": 2, "engineFlags": flags });
    assert_eq!(told(all), Vec::<String>::new());
    assert_eq!(told(json!({})), Vec::<String>::new(), "what is left out is not looked at");
    assert_eq!(told(json!({ "promotions": [{ "night": 3, "phase": "Validated" }] })), Vec::<String>::new());
}

#[test]
fn each_difference_is_told_with_what_was_expected_and_what_came() {
    for (expect, sentence) in [
        (json!({ "nights": [{ "night": 4 }] }), "night 4: expected a run, came none"),
        (json!({ "nights": [{ "night": 3, "run": 2 }] }), "night 3 run 2: expected a run, came none"),
        (
            json!({ "nights": [{ "night": 3, "verdict": "Healthy" }] }),
            "night 3, verdict: expected Healthy, came Degraded",
        ),
        (
            json!({ "nights": [{ "night": 3, "symptoms": ["vllm_oom"] }] }),
            "night 3, symptoms: expected vllm_oom, came ",
        ),
        (json!({ "nights": [{ "night": 3, "candidates": 2 }] }), "night 3, candidates: expected 2, came 1"),
        (
            json!({ "nights": [{ "night": 3, "winner": "" }] }),
            "night 3, winner: expected , came gpu-memory-utilization=0.75",
        ),
        (
            json!({ "nights": [{ "night": 3, "tuningEnded": "GainTooSmall" }] }),
            "night 3, end of tuning: expected GainTooSmall, came IncumbentFailed",
        ),
        (
            json!({ "nights": [{ "night": 3, "flags": [{ "symptom": "vllm_oom", "state": "Armed" }] }] }),
            "night 3, flag vllm_oom: expected Armed, came Idle",
        ),
        (json!({ "promotions": [] }), "promotions: expected , came night 3 gpu-memory-utilization=0.75 Validated"),
        (json!({ "canaries": 2 }), "canaries: expected 2, came 1"),
        (json!({ "refusedDecisions": 0 }), "refused decisions: expected 0, came 2"),
        (json!({ "denied": 0 }), "denied candidates: expected 0, came 1"),
        (
            json!({ "engineFlags": [{ "flag": "max-num-seqs", "value": "2" }] }),
            "max-num-seqs of t: expected 2, came 32",
        ),
    ] {
        assert_eq!(told(expect.clone()), [sentence], "{expect}");
    }
}
