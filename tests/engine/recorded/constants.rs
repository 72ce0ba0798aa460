//! The constants of the recorded machine are where they deviate least.

use super::{
    CALIBRATING, CALIBRATING_FEW, Figures, HELD_OUT, HELD_OUT_FEW, MACHINE, RecordedNight, machine::Constants, nights,
    of_nights,
};

/// Chance moves a mean of so many runs little.
const SEEDS: std::ops::Range<u64> = 1..5;

fn means(nights: &[&RecordedNight], constants: &Constants) -> (Figures, Figures) {
    let recorded: Vec<Figures> = nights.iter().map(|night| night.figures).collect();
    let modelled: Vec<Figures> = nights.iter().map(|night| night.modelled(constants, 1.0, SEEDS)).collect();
    (Figures::mean(&recorded), Figures::mean(&modelled))
}

/// Sum of the squared logarithms by which the model is off: a tenth too much and a tenth too little count alike.
fn deviation(constants: &Constants, nights: &[RecordedNight]) -> f64 {
    let square = |recorded: f64, modelled: f64| (modelled / recorded).ln().powi(2);
    let (recorded, modelled) = means(&of_nights(nights, &CALIBRATING), constants);
    let many = [
        (recorded.first_token, modelled.first_token),
        (recorded.first_token_in_engine, modelled.first_token_in_engine),
        (recorded.per_token, modelled.per_token),
        (recorded.per_token_p90, modelled.per_token_p90),
        (recorded.whole, modelled.whole),
        (recorded.gap_median, modelled.gap_median),
        (recorded.gap_p95, modelled.gap_p95),
    ];
    let (recorded, modelled) = means(&of_nights(nights, &CALIBRATING_FEW), constants);
    let few = [(recorded.per_token, modelled.per_token), (recorded.gap_median, modelled.gap_median)];
    many.into_iter().chain(few).map(|(recorded, modelled)| square(recorded, modelled)).sum()
}

#[test]
fn every_constant_of_the_machine_is_where_it_deviates_least() {
    let nights = nights();
    let least = deviation(&MACHINE, &nights);
    for (name, change) in [
        ("step", (|constants: &mut Constants, factor| constants.step *= factor) as fn(&mut Constants, f64)),
        ("sequence", |constants, factor| constants.sequence *= factor),
        ("prompt token", |constants, factor| constants.prompt_token *= factor),
        ("arrival", |constants, factor| constants.arrival *= factor),
        ("path", |constants, factor| constants.path *= factor),
        ("step spread", |constants, factor| constants.step_spread *= factor),
    ] {
        for factor in [0.8, 1.2] {
            let mut moved = MACHINE;
            change(&mut moved, factor);
            let deviates = deviation(&moved, &nights);
            assert!(deviates > least, "{name} x {factor}: {deviates} instead of {least}");
        }
    }
}

#[test]
fn nights_that_gave_no_constant_are_met_as_well() {
    let nights = nights();
    let close = |recorded: f64, modelled: f64, share: f64, what: &str| {
        assert!((modelled / recorded - 1.0).abs() <= share, "{what}: {recorded} recorded, {modelled} modelled");
    };
    let (recorded, modelled) = means(&of_nights(&nights, &HELD_OUT), &MACHINE);
    close(recorded.first_token, modelled.first_token, 0.10, "TTFT");
    close(recorded.per_token, modelled.per_token, 0.10, "TPOT");
    close(recorded.whole, modelled.whole, 0.10, "E2E");
    let (recorded, modelled) = means(&of_nights(&nights, &HELD_OUT_FEW), &MACHINE);
    close(recorded.first_token, modelled.first_token, 0.15, "TTFT behind two places");
    close(recorded.per_token, modelled.per_token, 0.10, "TPOT behind two places");
    close(recorded.whole, modelled.whole, 0.15, "E2E behind two places");
    close(recorded.throughput, modelled.throughput, 0.05, "throughput behind two places");
}
