//! phaseloop is upgraded in the middle of a search, and installed and left without Helm.

use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use phaseloop::api::promotion::status::PromotionPhase;
use serde_json::json;

use crate::{
    operator,
    person::{Person, Said},
    story::{
        NAME, arguments, begin, canaries, is_rolled_out, long_search, of_people, over_commit, phases_of_promotions,
        test_pods, told, until_a_candidate_is_measured,
    },
};

/// What people take who have no Helm, and the image that it names until they name theirs.
const FILE: &str = include_str!("../../../manifests/install.yaml");
const NOBODYS_IMAGE: &str = "registry.example.org/phaseloop:0.1.0";
/// The image as tests/cluster/with-phaseloop packs it.
const IMAGE: &str = "localhost/phaseloop-test/phaseloop:1";

fn succeeds(what: &str, said: &Said) {
    assert_eq!(said.code, 0, "{what}: {}{}", said.out, said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_in_the_middle_of_a_search_changes_nothing_of_its_end() {
    told("upgrade", async |place, person| {
        operator::installed(place).await;
        begin(place, person, &long_search()).await;
        over_commit(person);
        let night = person.begin_night(NAME);
        until_a_candidate_is_measured(place).await;
        let before: Vec<String> = operator::pods(place).await.iter().map(ResourceExt::name_any).collect();
        person.tell("somebody upgrades while a candidate is measured");
        succeeds("helm upgrade", &Person::upgrade(&["--set", "log.format=text"]));
        operator::until_whole(place).await;
        let pods = operator::pods(place).await;
        let staying = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
        let after: Vec<String> = staying.map(ResourceExt::name_any).collect();
        assert!(after.iter().all(|name| !before.contains(name)), "every replica is a new one: {before:?}, {after:?}");
        person.tell("both replicas are new");

        assert_eq!(person.end(night), (2, "Promoted".to_owned()));
        let tried = canaries(place).await;
        let values: Vec<String> = tried
            .iter()
            .map(|canary| canary.spec.parameters.iter().next().map_or_else(String::new, |(_, value)| value.to_string()))
            .collect();
        assert_eq!(values, ["", "0.84", "0.86", "0.88"], "the incumbent and each candidate, once");
        let judged =
            tried.iter().filter(|canary| canary.status.as_ref().is_some_and(|status| status.verdict.is_some()));
        assert_eq!(judged.count(), tried.len());
        assert_eq!(phases_of_promotions(place).await, [PromotionPhase::Applied]);
        succeeds("audit verify", &person.phaseloop(&["audit", "verify", "--cluster"]));
        person.look_around();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_one_file_and_kubectl_it_is_installed_closes_the_loop_and_leaves_nothing() {
    told("by-file", async |place, person| {
        operator::installed(place).await;
        operator::uninstall();
        let file = FILE.replace(NOBODYS_IMAGE, IMAGE);
        assert_ne!(file, FILE, "the file names the image that people replace");
        let apply = ["apply", "--server-side", "--filename", "-"];
        succeeds("kubectl apply", &Person::kubectl_everywhere(&apply, &file));
        operator::until_whole(place).await;
        person.tell("it is installed by one file");

        begin(place, person, &json!({})).await;
        let before: Deployment = place.api().get(NAME).await.unwrap();
        over_commit(person);
        assert_eq!(person.night(NAME), (2, "Promoted".to_owned()));
        let promoted = place.until(NAME, "rolled out", is_rolled_out).await;
        assert_ne!(arguments(&promoted), arguments(&before));
        person.look_around();

        let operator = format!("{}/phaseloop", operator::INSTALLATION);
        let leave = ["uninstall", "--yes", "--all-namespaces", "--operator-deployment", &operator];
        succeeds("phaseloop uninstall", &Person::phaseloop_everywhere(&leave));
        let after = place.until(NAME, "rolled out", is_rolled_out).await;
        assert_eq!(of_people(&after), of_people(&before), "what was not validated is taken back to the letter");
        assert_eq!(test_pods(place).await, 0, "no test pod is left");
        // Whatever were held by a finalizer would keep the definitions, and this command, for ever.
        let delete = ["delete", "--wait", "--timeout", "5m", "--filename", "-"];
        succeeds("kubectl delete", &Person::kubectl_everywhere(&delete, &file));
        person.tell("it is gone, with its definitions");
        operator::installed(place).await;
    })
    .await;
}
