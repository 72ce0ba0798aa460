use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};

use super::*;
use crate::workload::fixture::{container, policy, template};

fn chosen(containers: &Value, named: Option<&str>) -> Result<String, RefusalReason> {
    let template = template(|template| template["spec"]["containers"] = containers.clone());
    let policy = policy("engines:\n  - {image: registry.example.com/serve, command: [serve]}\n");
    let engine = engine_container(&template, named, Some(&policy));
    engine.map(|container| container.name.clone()).map_err(|refusal| refusal.reason)
}

#[test]
fn the_engine_is_the_container_that_is_named_or_the_only_one_that_can_be_it() {
    let gpu = json!({"limits": {"nvidia.com/gpu": "1"}});
    for (containers, named, expected) in [
        (json!([{"name": "a"}]), None, Ok("a")),
        (json!([{"name": "a"}, {"name": "b"}]), Some("b"), Ok("b")),
        (json!([{"name": "a"}, {"name": "b"}]), Some("c"), Err(RefusalReason::EngineNotFound)),
        (json!([{"name": "a"}]), Some("c"), Err(RefusalReason::EngineNotFound)),
        (json!([{"name": "a", "resources": gpu}, {"name": "vllm"}]), None, Ok("vllm")),
        (json!([{"name": "a", "resources": gpu}, {"name": "b"}]), None, Ok("a")),
        (json!([{"name": "a"}, {"name": "b", "command": ["/usr/bin/vllm", "serve"]}]), None, Ok("b")),
        (json!([{"name": "a"}, {"name": "b", "args": ["exec vllm serve m"]}]), None, Ok("b")),
        (json!([{"name": "a"}, {"name": "b", "args": ["-m", "vllm.entrypoints.openai.api_server"]}]), None, Ok("b")),
        (json!([{"name": "a"}, {"name": "b", "image": "vllm/vllm-openai:v1"}]), None, Ok("b")),
        (json!([{"name": "a"}, {"name": "b", "image": "registry.example.com/serve:7"}]), None, Ok("b")),
        (
            json!([{"name": "a", "resources": gpu}, {"name": "b", "resources": gpu, "args": ["vllm"]}, {"name": "c", "args": ["vllm"]}]),
            None,
            Ok("b"),
        ),
        (json!([{"name": "a"}, {"name": "b"}]), None, Err(RefusalReason::EngineNotFound)),
        (
            json!([{"name": "a", "resources": gpu}, {"name": "b", "resources": gpu}]),
            None,
            Err(RefusalReason::EngineNotFound),
        ),
        (
            json!([{"name": "a", "args": ["vllm"]}, {"name": "b", "args": ["vllm"]}]),
            None,
            Err(RefusalReason::EngineAmbiguous),
        ),
        (json!([]), None, Err(RefusalReason::TemplateEmpty)),
    ] {
        assert_eq!(chosen(&containers, named), expected.map(str::to_owned), "{containers} {named:?}");
    }
}

#[test]
fn images_are_compared_without_tag_and_digest_and_with_the_registry_they_stand_for() {
    for (image, entry, same) in [
        ("docker.io/vllm/vllm-openai:v0.33.0", "docker.io/vllm/vllm-openai", true),
        ("vllm/vllm-openai@sha256:0f", "docker.io/vllm/vllm-openai", true),
        ("vllm/vllm-openai:v1@sha256:0f", "vllm/vllm-openai", true),
        ("engine", "docker.io/library/engine", true),
        ("localhost:5000/engine:3", "localhost:5000/engine", true),
        ("localhost:5000/engine", "localhost:5000/engine", true),
        ("quay.io/vllm/vllm-openai", "docker.io/vllm/vllm-openai", false),
        ("docker.io/vllm/vllm-openai-rocm", "docker.io/vllm/vllm-openai", false),
    ] {
        let policy = policy(&format!("engines:\n  - {{image: '{entry}', command: [x]}}\n"));
        let found = entry_of(&container(json!({"name": "a", "image": image})), Some(&policy));
        assert_eq!(found.is_some(), same, "{image} {entry}");
    }
}

#[test]
fn a_guard_needs_a_command_or_an_entry_point_with_the_templates_own_arguments() {
    let policy = policy("engines:\n  - {image: i, command: [vllm, serve]}\n");
    for (engine, expected) in [
        (json!({"name": "a", "image": "j", "command": ["x"]}), Some("x")),
        (json!({"name": "a", "image": "i", "command": ["x"], "args": ["y"]}), Some("x")),
        (json!({"name": "a", "image": "i", "args": ["m"]}), Some("vllm serve")),
        (json!({"name": "a", "image": "i"}), None),
        (json!({"name": "a", "image": "i", "command": [], "args": []}), None),
        (json!({"name": "a", "image": "j", "args": ["m"]}), None),
    ] {
        let command = guarded_command(&container(engine.clone()), Some(&policy)).map(|words| words.join(" "));
        assert_eq!(command.as_deref(), expected, "{engine}");
    }
}

fn url(engine: Value) -> Result<String, RefusalReason> {
    engine_url(&container(engine), None).map_err(|refusal| refusal.reason)
}

#[test]
fn the_engine_answers_at_its_port_of_the_loopback_address() {
    let with = |args: &[&str]| json!({"name": "a", "command": ["vllm", "serve"], "args": args});
    for (engine, expected) in [
        (with(&["m"]), "http://127.0.0.1:8000"),
        (with(&["m", "--port", "9"]), "http://127.0.0.1:9"),
        (with(&["m", "--port=9", "--host", "0.0.0.0"]), "http://127.0.0.1:9"),
        (with(&["m", "--ssl-certfile", "/c"]), "https://127.0.0.1:8000"),
        (json!({"name": "a", "ports": [{"containerPort": 81}]}), "http://127.0.0.1:81"),
        (json!({"name": "a", "ports": [{"containerPort": 81}, {"containerPort": 82}]}), "http://127.0.0.1:8000"),
        (json!({"name": "a", "command": ["sh", "-c", "exec vllm serve m --port 7"]}), "http://127.0.0.1:7"),
        (
            json!({"name": "a", "args": ["--port", "$(PORT)"], "env": [{"name": "PORT", "value": "6"}]}),
            "http://127.0.0.1:6",
        ),
    ] {
        assert_eq!(url(engine.clone()), Ok(expected.to_owned()), "{engine}");
    }
    let not_there = Err(RefusalReason::EngineNotOnLoopback);
    assert_eq!(url(with(&["m", "--host", "10.1.2.3"])), not_there);
    assert_eq!(url(with(&["m", "--uds", "/tmp.sock"])), not_there);
    assert_eq!(url(with(&["m", "--port", "$(PORT)"])), not_there, "a port that only the pod knows");
}

#[test]
fn the_model_is_asked_for_by_the_name_that_the_engine_serves() {
    let model = |args: &[&str]| {
        served_model(&container(json!({"name": "a", "command": ["vllm", "serve"], "args": args})), None)
    };
    assert_eq!(model(&["m"]).as_deref(), Some("m"));
    assert_eq!(model(&["m", "--served-model-name", "one", "two"]).as_deref(), Some("one"));
    assert_eq!(model(&["--model", "n"]).as_deref(), Some("n"));
    assert_eq!(model(&["$(MODEL)"]), None, "a reference means nothing in the probe's container");
    assert_eq!(model(&["--port", "1"]), None);
    let by_image = container(json!({"name": "a", "image": "i", "args": ["m", "--port", "1"]}));
    assert_eq!(served_model(&by_image, None), None);
    let policy = policy("engines:\n  - {image: i, command: [vllm, serve]}\n");
    assert_eq!(served_model(&by_image, Some(&policy)).as_deref(), Some("m"));
}

#[test]
fn the_probe_gets_the_engines_key_from_where_the_engine_has_it() {
    let from_secret = json!({"secretKeyRef": {"name": "s", "key": "k"}});
    let key = |engine: Value| engine_key(&container(engine), None).map(|key| serde_json::to_value(key).unwrap());
    assert_eq!(
        key(json!({"name": "a", "env": [{"name": "VLLM_API_KEY", "valueFrom": from_secret}]})),
        Some(json!({"name": "PHASELOOP_ENGINE_KEY", "valueFrom": from_secret}))
    );
    assert_eq!(
        key(json!({"name": "a", "args": ["--api-key", "$(K)"], "env": [{"name": "K", "valueFrom": from_secret}]})),
        Some(json!({"name": "PHASELOOP_ENGINE_KEY", "valueFrom": from_secret}))
    );
    assert_eq!(
        key(json!({"name": "a", "args": ["--api-key=literal"]})),
        Some(json!({"name": "PHASELOOP_ENGINE_KEY", "value": "literal"}))
    );
    assert_eq!(key(json!({"name": "a"})), None);
}

#[test]
fn a_configuration_shows_no_secret() {
    let engine = container(
        json!({"name": "a", "command": ["vllm", "serve", "m"], "args": ["--api-key=s3cret", "--max-num-seqs=8"]}),
    );
    let shown = configuration(&engine, None);
    assert_eq!(shown["max-num-seqs"], "8");
    assert_eq!(shown["model"], "m");
    assert!(!format!("{shown:?}").contains("s3cret"), "{shown:?}");
    let unreadable = container(json!({"name": "a", "command": ["sh", "-c", "x $(y)"]}));
    assert!(configuration(&unreadable, None).is_empty());
}

#[test]
fn gpus_are_counted_whole_and_shares_of_one_are_refused() {
    let gpus = |resources: Value| {
        gpus_of(&container(json!({"name": "a", "resources": resources}))).map_err(|refusal| refusal.reason)
    };
    for (resources, expected) in [
        (json!({"limits": {"nvidia.com/gpu": "2"}}), Ok(2)),
        (json!({"limits": {"nvidia.com/gpu": "2"}, "requests": {"nvidia.com/gpu": "2"}}), Ok(2)),
        (json!({"requests": {"nvidia.com/gpu": "1"}}), Ok(1)),
        (json!({"limits": {"nvidia.com/mig-1g.10gb": "1"}}), Ok(1)),
        (json!({"limits": {"amd.com/gpu": "4", "cpu": "8"}}), Ok(4)),
        (json!({"limits": {"cpu": "8", "nvidia.com/gpumem": "9"}}), Ok(0)),
        (json!({}), Ok(0)),
        (json!({"limits": {"nvidia.com/gpu.shared": "1"}}), Err(RefusalReason::GPUShared)),
        (json!({"limits": {"nvidia.com/mig-1g.10gb.shared": "1"}}), Err(RefusalReason::GPUShared)),
    ] {
        assert_eq!(gpus(resources.clone()), expected, "{resources}");
    }
}

#[test]
fn a_view_has_what_bindings_can_lie_in() {
    let template = template(|template| {
        template["spec"]["containers"][0]["env"] = json!([{"name": "A", "value": "1"}, {"name": "B"}, {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]);
    });
    let engine = engine_container(&template, None, None).unwrap();
    let map = ConfigMap { data: Some([("k".to_owned(), "v".to_owned())].into()), ..ConfigMap::default() };
    let view = target_view(&template, engine, Some(&map));
    let values: Vec<Option<&str>> = view.container.environment.iter().map(|entry| entry.value.as_deref()).collect();
    assert_eq!(values, [Some("1"), Some(""), None]);
    assert_eq!(view.container.command, ["vllm", "serve"]);
    assert_eq!(view.config_map["k"], "v");
    assert_eq!(view.object.pointer("/spec/template/metadata/labels/app"), Some(&json!("llama-8b")));
}
