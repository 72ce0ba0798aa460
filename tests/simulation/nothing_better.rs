//! A card is throttled: nothing that may be tuned helps. Nothing is promoted, and the Escalation says why, with figures.

use serde_json::{Value, json};

use crate::story::{
    CANARIES, ESCALATIONS, PROMOTIONS, RUNS, Story, assert_kept, assert_told, assert_writes, condition, flag, text,
};

const NAME: &str = "nothing-better";

#[test]
fn nothing_beats_the_incumbent_so_nothing_is_promoted_and_it_is_said_why() {
    let story = Story::in_file(NAME);
    assert_kept(&story, &["i1_", "i2_", "i12_", "i14_", "i20_", "i21_", "i22_", "i30_"]);
    let verdicts = ["Unknown", "Unknown", "Unknown", "Degraded", "Degraded", "Degraded", "Degraded"];
    assert_eq!(story.verdicts(), verdicts);
    for run in &story.objects(RUNS)[3..] {
        let symptoms = run["status"]["symptoms"].as_array().unwrap();
        assert!(symptoms.iter().all(|symptom| symptom["kind"] == "latency_regression"), "{symptoms:?}");
    }
    let (canaries, escalation) = (story.objects(CANARIES), &story.objects(ESCALATIONS)[0]);
    check_figures(&canaries, escalation);
    check_budgets(&canaries, escalation);
    assert_eq!(story.objects(PROMOTIONS), [] as [Value; 0]);
    assert_eq!(story.operator_writes("deployments.apps"), 0, "production is as it was");
    // The tuning run has used the three nights up: the fourth is the first of a new pattern.
    let flag = flag(escalation, "latency_regression");
    assert_eq!((text(flag, "/state"), text(flag, "/reason"), &flag["count"]), ("Cleared", "Consumed", &json!(1)));
    assert_told(&story, NAME);
    assert_writes(&story, NAME);
}

/// The outcome states the figures of the canaries, and so does the condition that people look at.
fn check_figures(canaries: &[Value], escalation: &Value) {
    let fitness = |canary: &Value| canary["status"]["fitness"].as_f64();
    let incumbent = fitness(&canaries[0]).unwrap();
    let candidates: Vec<f64> = canaries[1..].iter().filter_map(fitness).collect();
    assert_eq!(candidates.len(), 6, "every candidate passed: {candidates:?}");
    let best = candidates.iter().copied().fold(0.0, f64::max);
    assert!(best > incumbent + 0.02, "one looks better, and that is told: {incumbent} {candidates:?}");
    let last = &escalation["status"]["lastTuning"];
    assert_eq!(text(last, "/reason"), "GainWithinNoise");
    assert_eq!((&last["winner"], &last["promotionName"]), (&Value::Null, &Value::Null));
    let cut = |figure: f64| format!("{:.3}", (figure * 1000.0).floor() / 1000.0);
    let figures = format!("best fitness {}, incumbent {}: a difference like that", cut(best), cut(incumbent));
    assert!(text(last, "/message").starts_with(&figures), "{last}");
    let ready = condition(escalation, "Ready");
    assert_eq!(ready["status"], "True", "that nothing is better is no fault");
    assert!(text(ready, "/message").contains(&format!("GainWithinNoise: {figures}")), "{ready}");
}

/// What was used stays within both budgets of the night, and is what the canaries used.
fn check_budgets(canaries: &[Value], escalation: &Value) {
    let night = &escalation["status"]["ledger"]["nights"][0];
    let seconds = |pointer: &str| {
        let one = |canary: &Value| text(canary, pointer).parse::<jiff::SignedDuration>().unwrap().as_secs_f64();
        canaries.iter().map(one).sum::<f64>()
    };
    let (measured, held) = (seconds("/status/used/measure"), seconds("/status/used/hold"));
    assert!(measured > 50.0 && measured <= 60.0, "{measured}");
    assert!(held > measured && held <= 900.0, "{held}");
    let whole = |pointer: &str| text(night, pointer).parse::<jiff::SignedDuration>().unwrap().as_secs_f64();
    assert!((whole("/used/measure") - measured).abs() < 0.01 && (whole("/used/hold") - held).abs() < 0.01, "{night}");
}
