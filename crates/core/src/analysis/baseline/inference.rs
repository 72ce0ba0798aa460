//! What an engine that never started could not say of itself.

use super::admission::is_earlier;
use crate::{
    analysis::{
        history::JudgedRun,
        measurement::{EngineFailureClass, RunMeasurement},
    },
    prelude::*,
    value::Environment,
};

/// The run's environment; where its engine never became ready, what it could not say (model, GPU, driver, engine
/// version) is taken from the last run of the same target and image and named in `inferred`.
pub fn complete_environment(run: &RunMeasurement, target: &str, history: &[JudgedRun]) -> Environment {
    let mut environment = run.environment.clone();
    if !run.domains.iter().any(|domain| {
        domain.engine.became_ready == Some(false)
            || domain.engine.failures.iter().any(|failure| {
                matches!(failure.class, EngineFailureClass::StartRefused | EngineFailureClass::StartRefusedForMemory)
            })
    }) {
        return environment;
    }
    let last = history
        .iter()
        .filter(|earlier| earlier.target == target && is_earlier(earlier, run))
        .filter(|earlier| is_same_image(&earlier.measurement.environment, &run.environment))
        .max_by_key(|earlier| earlier.measurement.started_at);
    let Some(last) = last.map(|last| &last.measurement.environment) else { return environment };
    let mut inferred = BTreeSet::new();
    let mut take = |name: &str, field: &mut Option<String>, from: &Option<String>| {
        if field.is_none() && from.is_some() {
            field.clone_from(from);
            inferred.insert(name.to_owned());
        }
    };
    take("engineVersion", &mut environment.engine_version, &last.engine_version);
    take("model", &mut environment.model, &last.model);
    take("gpuProduct", &mut environment.gpu_product, &last.gpu_product);
    take("gpuSharing", &mut environment.gpu_sharing, &last.gpu_sharing);
    take("driverVersion", &mut environment.driver_version, &last.driver_version);
    if environment.gpu_count.is_none() && last.gpu_count.is_some() {
        environment.gpu_count = last.gpu_count;
        inferred.insert("gpuCount".to_owned());
    }
    inferred.extend(environment.inferred.iter().cloned());
    environment.inferred = inferred.into_iter().collect();
    environment
}

/// By digest where both know it, else by reference. Recordings know neither, and are of one image.
fn is_same_image(a: &Environment, b: &Environment) -> bool {
    match (&a.image_digest, &b.image_digest) {
        (Some(a), Some(b)) => a == b,
        _ => a.image == b.image,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture::{admitted, domain, failure, run_of};

    fn known() -> Environment {
        Environment {
            image: Some("vllm:1".to_owned()),
            engine_version: Some("vllm 1".to_owned()),
            model: Some("llama".to_owned()),
            gpu_product: Some("H100".to_owned()),
            gpu_count: Some(2),
            gpu_sharing: Some("none".to_owned()),
            driver_version: Some("570".to_owned()),
            ..Environment::default()
        }
    }

    fn refused() -> RunMeasurement {
        let mut run = run_of("now", 0, domain(1.0, 1.0));
        run.domains[0].engine.failures = vec![failure(EngineFailureClass::StartRefusedForMemory, None)];
        run.environment = Environment { image: Some("vllm:1".to_owned()), ..Environment::default() };
        run
    }

    fn last(hour: i64, environment: Environment) -> JudgedRun {
        let mut run = admitted(&format!("h{hour}"), hour, domain(1.0, 1.0));
        run.measurement.environment = environment;
        run
    }

    #[test]
    fn what_a_refused_engine_could_not_say_is_taken_from_the_last_run_of_the_same_image() {
        let older = last(-48, Environment { model: Some("older".to_owned()), ..known() });
        let newer = last(-24, known());
        let completed = complete_environment(&refused(), "t", &[newer.clone(), older]);
        let inferred =
            ["driverVersion", "engineVersion", "gpuCount", "gpuProduct", "gpuSharing", "model"].map(str::to_owned);
        assert_eq!(completed, Environment { inferred: inferred.to_vec(), ..known() });
    }

    #[test]
    fn what_was_seen_stays_and_is_not_marked() {
        let mut run = refused();
        run.environment = Environment {
            model: Some("seen".to_owned()),
            gpu_count: Some(8),
            inferred: vec!["x".to_owned()],
            ..run.environment
        };
        let completed = complete_environment(&run, "t", &[last(-24, Environment { driver_version: None, ..known() })]);
        assert_eq!((completed.model, completed.gpu_count), (Some("seen".to_owned()), Some(8)));
        assert_eq!(completed.inferred, ["engineVersion", "gpuProduct", "gpuSharing", "x"]);
    }

    #[test]
    fn nothing_is_taken_from_another_image_another_target_or_a_later_run() {
        let run = refused();
        let mut foreign = last(-24, known());
        foreign.target = "other".to_owned();
        let other_image = last(-24, Environment { image: Some("vllm:2".to_owned()), ..known() });
        let later = last(24, known());
        let without_count = last(-24, Environment { image: Some("vllm:1".to_owned()), ..Environment::default() });
        for earlier in [foreign, other_image, later, without_count] {
            assert_eq!(complete_environment(&run, "t", &[earlier]), run.environment);
        }
        assert_eq!(complete_environment(&run, "t", &[]), run.environment);
    }

    #[test]
    fn one_image_is_one_digest_where_both_are_known() {
        let of = |image: &str, digest: Option<&str>| Environment {
            image: Some(image.to_owned()),
            image_digest: digest.map(str::to_owned),
            ..Environment::default()
        };
        for (a, b, same) in [
            (of("a", Some("1")), of("b", Some("1")), true),
            (of("a", Some("1")), of("a", Some("2")), false),
            (of("a", Some("1")), of("a", None), true),
            (of("a", None), of("b", None), false),
            (Environment::default(), Environment::default(), true),
        ] {
            assert_eq!(is_same_image(&a, &b), same, "{a:?} {b:?}");
        }
    }

    #[test]
    fn an_engine_that_became_ready_speaks_for_itself() {
        let history = [last(-24, known())];
        let of = |class: Option<EngineFailureClass>, became_ready| {
            let mut run = refused();
            run.domains[0].engine.failures = class.map(|class| failure(class, None)).into_iter().collect();
            run.domains[0].engine.became_ready = became_ready;
            !complete_environment(&run, "t", &history).inferred.is_empty()
        };
        assert!(!of(None, Some(true)));
        assert!(!of(None, None));
        assert!(of(None, Some(false)));
        assert!(of(Some(EngineFailureClass::StartRefused), Some(true)));
        assert!(!of(Some(EngineFailureClass::Crash), Some(true)));
    }
}
