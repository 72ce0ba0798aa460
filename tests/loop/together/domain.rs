//! A domain of one's own: a test image that writes a PHASE report.

use phaseloop::api::{PhaseRun, phase_run::status::PhaseRunPhase};
use phaseloop_core::value::{Metric, Verdict};
use serde_json::{Value, json};

use crate::{
    person::Person,
    report::{ROWS, run_spec, template},
    story::{NAME, is_rolled_out},
    support::{Place, cluster},
    target::Engine,
};

fn run(name: &str) -> Value {
    json!({
        "apiVersion": "phaseloop.dev/v1alpha1", "kind": "PhaseRun", "metadata": {"name": name}, "spec": run_spec(),
    })
}

async fn judged(place: &Place, person: &Person<'_>, name: &str) -> PhaseRun {
    person.apply(&run(name).to_string());
    let is_completed =
        |run: &PhaseRun| run.status.as_ref().is_some_and(|status| status.phase == Some(PhaseRunPhase::Completed));
    let run: PhaseRun = place.until(name, "completed", is_completed).await;
    let status = run.status.as_ref().unwrap();
    person.tell(&format!("{name}: {:?} {:?}", status.verdict, status.reasons));
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_image_that_writes_a_report_is_judged_against_its_own_earlier_runs() {
    let Some(client) = cluster().await else { return };
    let place = Place::new(client, "domain").await;
    let person = Person::new(&place);
    person.apply(&Engine::StandIn.deployment(NAME, &[]));
    place.until(NAME, "rolled out", is_rolled_out).await;
    person.apply(&template(50).to_string());
    for night in 1..=3 {
        let run = judged(&place, &person, &format!("night-{night}")).await;
        let domain = &run.status.as_ref().unwrap().domains[0];
        assert_eq!(
            (domain.verdict, domain.reasons.as_slice()),
            (Some(Verdict::Unknown), &["BaselineSeeding".to_owned()][..])
        );
        let latency = domain.metrics.iter().find(|metric| metric.metric == Metric::Latency).unwrap();
        assert_eq!(latency.count, i64::try_from(ROWS).unwrap());
        assert!((latency.mean - 53.0).abs() < 1.0, "{}", latency.mean);
    }
    let healthy = judged(&place, &person, "night-4").await;
    assert_eq!(healthy.status.unwrap().verdict, Some(Verdict::Healthy));
    person.apply(&template(150).to_string());
    let degraded = judged(&place, &person, "night-5").await;
    assert_eq!(degraded.status.unwrap().verdict, Some(Verdict::Degraded));
    person.look_around();
    place.leave().await;
}
