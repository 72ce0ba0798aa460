//! Watches, by hand and by kube's watcher.

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams},
    runtime::watcher,
};
use serde_json::json;

use super::support::{config_map, run, world};

fn told(event: &WatchEvent<ConfigMap>) -> String {
    match event {
        WatchEvent::Added(object) => format!("+{}", object.name_any()),
        WatchEvent::Modified(object) => format!("~{}", object.name_any()),
        WatchEvent::Deleted(object) => format!("-{}", object.name_any()),
        WatchEvent::Bookmark(_) => "bookmark".to_owned(),
        WatchEvent::Error(status) => format!("{} {}", status.code, status.reason),
    }
}

async fn label(api: &Api<ConfigMap>, name: &str, value: Option<&str>) {
    let patch = Patch::Merge(json!({ "metadata": { "labels": { "tier": value } } }));
    api.patch(name, &PatchParams::default(), &patch).await.unwrap();
}

#[test]
fn a_watch_tells_what_comes_to_be_meant_and_what_ceases_to() {
    let world = world();
    run(async {
        let api = world.config_maps();
        let version = world.server.revision().to_string();
        let params = WatchParams::default().labels("tier=1");
        let events = api.watch(&params, &version).await.unwrap();
        api.create(&PostParams::default(), &config_map("a", &json!({}))).await.unwrap();
        label(&api, "a", Some("1")).await;
        label(&api, "a", Some("2")).await;
        label(&api, "a", Some("1")).await;
        api.delete("a", &DeleteParams::default()).await.unwrap();
        let told: Vec<String> = events.take(4).map_ok(|event| told(&event)).try_collect().await.unwrap();
        assert_eq!(told, ["+a", "-a", "+a", "-a"]);
    });
}

#[test]
fn a_watch_from_before_a_compaction_is_told_to_begin_again() {
    let world = world();
    run(async {
        let api = world.config_maps();
        api.create(&PostParams::default(), &config_map("a", &json!({}))).await.unwrap();
        world.server.compact(world.server.revision());
        let events = api.watch(&WatchParams::default(), "2").await.unwrap();
        let told: Vec<String> = events.map_ok(|event| told(&event)).try_collect().await.unwrap();
        assert_eq!(told, ["410 Expired"]);
    });
}

#[test]
fn a_watch_without_a_version_begins_with_what_there_is_and_ends_in_its_time() {
    let world = world();
    run(async {
        let api = world.config_maps();
        api.create(&PostParams::default(), &config_map("a", &json!({}))).await.unwrap();
        let params = WatchParams::default().timeout(30);
        let mut events = api.watch(&params, "0").await.unwrap().boxed();
        assert_eq!(told(&events.try_next().await.unwrap().unwrap()), "+a");
        world.clock.advance(jiff::SignedDuration::from_secs(30));
        world.server.tick();
        assert!(events.try_next().await.unwrap().is_none());
    });
}

#[test]
fn the_watcher_of_kube_lists_watches_and_lists_again() {
    let world = world();
    run(async {
        let api = world.config_maps();
        api.create(&PostParams::default(), &config_map("a", &json!({}))).await.unwrap();
        let mut events = watcher(api.clone(), watcher::Config::default()).boxed();
        let mut told = Vec::new();
        for _ in 0..3 {
            told.push(name(events.try_next().await.unwrap().unwrap()));
        }
        api.create(&PostParams::default(), &config_map("b", &json!({}))).await.unwrap();
        told.push(name(events.try_next().await.unwrap().unwrap()));
        api.delete("a", &DeleteParams::default()).await.unwrap();
        told.push(name(events.try_next().await.unwrap().unwrap()));
        assert_eq!(told, ["init", "init a", "done", "apply b", "delete a"]);
        // Its watch ends, and where it would go on has been compacted.
        let other: Api<ConfigMap> = Api::namespaced(world.client("joe"), "kube-system");
        other.create(&PostParams::default(), &config_map("elsewhere", &json!({}))).await.unwrap();
        world.server.end_watches(None);
        world.server.compact(world.server.revision());
        let mut again = Vec::new();
        while again.last().map(String::as_str) != Some("done") {
            match events.try_next().await {
                Ok(event) => again.push(name(event.unwrap())),
                Err(error) => again.push(match error {
                    watcher::Error::WatchError(status) => format!("error {}", status.code),
                    other => panic!("{other:?}"),
                }),
            }
        }
        assert_eq!(again, ["error 410", "init", "init b", "done"]);
    });
}

fn name(event: watcher::Event<ConfigMap>) -> String {
    match event {
        watcher::Event::Init => "init".to_owned(),
        watcher::Event::InitApply(object) => format!("init {}", object.name_any()),
        watcher::Event::InitDone => "done".to_owned(),
        watcher::Event::Apply(object) => format!("apply {}", object.name_any()),
        watcher::Event::Delete(object) => format!("delete {}", object.name_any()),
    }
}

#[test]
fn a_streaming_list_ends_with_a_bookmark() {
    let world = world();
    run(async {
        let api = world.config_maps();
        api.create(&PostParams::default(), &config_map("a", &json!({}))).await.unwrap();
        let config = watcher::Config::default().streaming_lists().labels("!nothing");
        let events = watcher(api, config).boxed().take(3);
        let told: Vec<String> = events.map_ok(name).try_collect().await.unwrap();
        assert_eq!(told, ["init", "init a", "done"]);
    });
}
