//! How pods ended that are gone by now.
//!
//! A pod that is being deleted goes from the API server in the moment in which its kubelet has reported the end of its last
//! container. Who then reads it live finds nothing; the watch told of it before, and tells of it once more as it goes. It is
//! evidence of when an engine gave its card back, and of what the engine used, so it is kept for the look that it wakes.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use tokio::sync::Notify;

/// Pods that are kept; the oldest goes first. A test pod has about 25 KB, so these are below 2 MB.
const PODS_MAX: usize = 64;
/// So long a look waits for the watch to tell how a pod ended that is gone: both come from one API server within
/// milliseconds, and a look that comes first would conclude that nothing is known.
const WATCH_DELAY_MAX: Duration = Duration::from_secs(2);

/// What watches of test pods have told of those that went.
#[derive(Debug, Default)]
pub struct LastWords {
    pods: Mutex<VecDeque<Arc<Pod>>>,
    heard: Notify,
    is_told: AtomicBool,
}

impl LastWords {
    /// Says that a watch tells of pods from now on, so that it is worth waiting for what it tells.
    pub fn begin(&self) {
        self.is_told.store(true, Ordering::Relaxed);
    }

    /// Hears how a pod is. One that is being deleted is kept once all of its containers have ended.
    pub fn hear(&self, pod: &Pod) {
        if pod.metadata.deletion_timestamp.is_none() || !has_ended(pod) {
            return;
        }
        {
            let mut pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
            pods.retain(|kept| kept.metadata.uid != pod.metadata.uid);
            if pods.len() >= PODS_MAX {
                pods.pop_front();
            }
            pods.push_back(Arc::new(pod.clone()));
        }
        self.heard.notify_waiters();
    }

    /// How a pod that is gone was at its end; `None` where nobody was told.
    pub async fn of(&self, uid: &str) -> Option<Arc<Pod>> {
        let until_heard = async {
            loop {
                let heard = self.heard.notified();
                if let Some(pod) = self.find(uid) {
                    return pod;
                }
                heard.await;
            }
        };
        if !self.is_told.load(Ordering::Relaxed) {
            return self.find(uid);
        }
        tokio::time::timeout(WATCH_DELAY_MAX, until_heard).await.ok()
    }

    fn find(&self, uid: &str) -> Option<Arc<Pod>> {
        let pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
        pods.iter().find(|pod| pod.metadata.uid.as_deref() == Some(uid)).cloned()
    }
}

/// Whether the kubelet has reported the end of every container that it began.
fn has_ended(pod: &Pod) -> bool {
    let Some(status) = &pod.status else { return false };
    let all: Vec<&ContainerStatus> =
        status.init_container_statuses.iter().chain(&status.container_statuses).flatten().collect();
    let is_running = |status: &&ContainerStatus| status.state.as_ref().is_some_and(|state| state.running.is_some());
    !all.is_empty() && !all.iter().any(is_running)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(uid: &str, state: &serde_json::Value, is_deleted: bool) -> Pod {
        let mut pod = json!({
            "metadata": {"name": "p", "uid": uid},
            "status": {"containerStatuses": [
                {"name": "a", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state},
            ]},
        });
        if is_deleted {
            pod["metadata"]["deletionTimestamp"] = json!("2026-03-04T03:00:00Z");
        }
        serde_json::from_value(pod).unwrap()
    }

    fn ended() -> serde_json::Value {
        json!({"terminated": {"exitCode": 0, "finishedAt": "2026-03-04T03:00:01Z"}})
    }

    #[tokio::test]
    async fn a_deleted_pod_is_kept_once_all_of_it_has_ended() {
        let words = LastWords::default();
        words.hear(&pod("a", &ended(), false));
        words.hear(&pod("b", &json!({"running": {}}), true));
        words.hear(&pod("c", &ended(), true));
        assert_eq!((words.of("a").await, words.of("b").await), (None, None));
        assert!(words.of("c").await.is_some());
    }

    #[tokio::test]
    async fn the_oldest_goes_first() {
        let words = LastWords::default();
        for number in 0..=PODS_MAX {
            words.hear(&pod(&number.to_string(), &ended(), true));
        }
        assert_eq!(words.of("0").await, None);
        assert!(words.of("1").await.is_some() && words.of(&PODS_MAX.to_string()).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_waits_for_a_watch_that_is_about_to_tell_and_no_longer_than_its_bound() {
        let words = Arc::new(LastWords::default());
        words.begin();
        assert_eq!(words.of("a").await, None);
        let teller = words.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(500)).await;
            teller.hear(&pod("a", &ended(), true));
        });
        assert!(words.of("a").await.is_some());
    }
}
