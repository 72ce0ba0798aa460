//! A domain of one's own: a test image that writes a PHASE report.

use phaseloop_core::value::{Metric, Verdict};

use crate::{
    report::{ROWS, run_spec, template},
    story::{NAME, ended_run, is_rolled_out, told},
    target::Engine,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_test_image_that_writes_a_report_is_judged_against_its_own_earlier_runs() {
    told("domain", async |place, person| {
        person.apply(&Engine::StandIn.deployment(NAME, &[]));
        place.until(NAME, "rolled out", is_rolled_out).await;
        person.apply(&template(50).to_string());
        for night in 1..=3 {
            let run = ended_run(place, person, &format!("night-{night}"), &run_spec()).await;
            let domain = &run.status.as_ref().unwrap().domains[0];
            assert_eq!(
                (domain.verdict, domain.reasons.as_slice()),
                (Some(Verdict::Unknown), &["BaselineSeeding".to_owned()][..])
            );
            let latency = domain.metrics.iter().find(|metric| metric.metric == Metric::Latency).unwrap();
            assert_eq!(latency.count, i64::try_from(ROWS).unwrap());
            assert!((latency.mean - 53.0).abs() < 1.0, "{}", latency.mean);
        }
        let healthy = ended_run(place, person, "night-4", &run_spec()).await;
        assert_eq!(healthy.status.unwrap().verdict, Some(Verdict::Healthy));
        person.apply(&template(150).to_string());
        let degraded = ended_run(place, person, "night-5", &run_spec()).await;
        assert_eq!(degraded.status.unwrap().verdict, Some(Verdict::Degraded));
        person.look_around();
    })
    .await;
}
