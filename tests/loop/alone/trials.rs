//! Trying something many times and telling how long it took, and when a pod's last container ended.

use std::{
    env,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use phaseloop::workload::told::preflight_request;
use tokio::{
    runtime::Runtime,
    time::{Instant, sleep},
};

use crate::{
    operator,
    person::{Person, say},
    story::told,
    support::{DEADLINE, PAUSE, Place, ended, statuses},
};

/// Within this whatever is tested must be gone.
const RESTORE: Duration = Duration::from_secs(15);
/// Says how often each cause is tried; `tests/run loop-alone` sets 20.
const TRIALS: &str = "PHASELOOP_TEST_TRIALS";
/// So many trials that don't disturb each other are made at once: each has a target that serves and an engine that is tested.
pub(super) const TRIALS_AT_ONCE: usize = 4;
/// What the kubelet's stamps are rounded to.
const SECOND: Duration = Duration::from_secs(1);
/// Of what is tested, the time for an engine to end in.
const GRACE: Duration = Duration::from_secs(5);

/// How often each cause is tried.
#[allow(clippy::disallowed_methods, reason = "how much is tried is told by the caller")]
pub(super) fn trials() -> usize {
    env::var(TRIALS).ok().map_or(2, |text| text.parse().unwrap())
}

/// What was measured, each with what it is.
pub(super) type Took = Vec<(&'static str, Duration)>;

/// Prints for each thing that was measured half of the times and the longest, and bounds it.
pub(super) fn report(cause: &str, all: &[(&str, Duration)]) {
    let mut sorts: Vec<&str> = all.iter().map(|(what, _)| *what).collect();
    sorts.sort_unstable();
    sorts.dedup();
    for sort in sorts {
        let mut took: Vec<Duration> = all.iter().filter(|(what, _)| *what == sort).map(|(_, took)| *took).collect();
        took.sort_unstable();
        let (trials, half, most) = (took.len(), took[took.len() / 2], took[took.len() - 1]);
        say(&format!("{cause}: {sort}: {trials} trials, p50 {half:.1?}, max {most:.1?}"));
        assert!(most < RESTORE, "{cause}: {sort} after {most:?}");
    }
}

/// Tries something as often as one is told to, a few side by side, each in a namespace of its own; reports what it took.
pub(super) fn tried(cause: &str, name: &str, trial: impl AsyncFn(&Place, &Person<'_>) -> Took + Sync) {
    let (next, all) = (AtomicUsize::new(0), Mutex::new(Took::new()));
    Runtime::new().unwrap().block_on(told(name, async |place, _| operator::installed(place).await));
    let work = || {
        let runtime = Runtime::new().unwrap();
        while next.fetch_add(1, Ordering::Relaxed) < trials() {
            runtime.block_on(told(name, async |place, person| {
                let took = trial(place, person).await;
                person.tell(&format!("{cause}: {took:.1?}"));
                all.lock().unwrap().extend(took);
            }));
        }
    };
    thread::scope(|scope| (0..TRIALS_AT_ONCE).for_each(|_| drop(scope.spawn(work))));
    report(cause, &all.into_inner().unwrap());
}

/// Whether a test pod's engine was made and its probe began.
pub(super) fn is_probing(pod: &Pod) -> bool {
    let mut all = statuses(pod).into_iter();
    all.any(|status| status.name == "phaseloop-probe" && status.state.as_ref().is_some_and(|it| it.running.is_some()))
}

/// When a test pod begins to end by itself: a grace before its latest instant, which stands in its own words, or when the kubelet
/// ends it, whichever is earlier. Its time under load counts from its start, so that a slow download is at its own expense.
pub(super) async fn begins_to_end(place: &Place, pod: &str) -> Timestamp {
    let pod = place.api::<Pod>().get(pod).await.unwrap();
    let by_itself = preflight_request(&pod).unwrap().not_after - GRACE;
    let started_at = pod.status.as_ref().and_then(|status| status.start_time.as_ref()).unwrap().0;
    let allowed = pod.spec.as_ref().and_then(|spec| spec.active_deadline_seconds).unwrap();
    by_itself.min(started_at + SignedDuration::from_secs(allowed))
}

/// How long after a cause the last container of a pod ended, which must not have ended before it.
pub(super) async fn ended_after(place: &Place, pod: &str, cause: Timestamp) -> Duration {
    let end = last_end(place, pod).await;
    assert!(end >= cause - SECOND, "{pod} ended at {end}, before there was a cause at {cause}");
    since(cause, end)
}

/// From one instant to another; nothing where the kubelet's rounded one is earlier.
pub(super) fn since(cause: Timestamp, end: Timestamp) -> Duration {
    Duration::try_from(end.duration_since(cause)).unwrap_or_default()
}

/// Looks at a pod until it is gone or all of it has ended; answers when its last container ended.
async fn last_end(place: &Place, pod: &str) -> Timestamp {
    let pods = place.api::<Pod>();
    let (began, mut last) = (Instant::now(), None);
    loop {
        let found = pods.get_opt(pod).await.unwrap();
        if let Some(found) = &found {
            let ends: Vec<_> =
                statuses(found).iter().map(|status| ended(status).map(|end| end.finished_at.clone())).collect();
            if ends.iter().all(Option::is_some) {
                last = ends.into_iter().flatten().flatten().map(|time| time.0).max();
            }
        }
        match (found, last) {
            (_, Some(last)) => return last,
            (None, None) => panic!("{pod} went before it was seen how its containers ended"),
            (Some(_), None) => assert!(began.elapsed() < DEADLINE, "{pod} did not end"),
        }
        sleep(PAUSE / 2).await;
    }
}
