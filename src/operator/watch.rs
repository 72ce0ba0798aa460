//! One watch: of one type in one scope. It never ends by itself, and its trouble is nobody else's.

use std::{future::Future, time::Duration};

use futures::StreamExt as _;
use kube::{
    Api, Client, ResourceExt as _,
    runtime::watcher::{self, Event, watcher},
};
use phaseloop_core::plan::OwnKind;

use super::{bell::Bells, configuration::Scope, connection::chain, readiness::Gate};
use crate::{
    cluster::Readable,
    controllers::{TargetKey, Woken, wake::ChangedObject, woken_by},
    telemetry::Metrics,
};

/// Objects on a page of the first list. A PhaseRun has at most 100 kB and usually 16 KiB, so a page is at most 10 MB and
/// usually 1.6 MB of text, of which only names and a few words stay.
const PAGE_OBJECTS_MAX: u32 = 100;
/// Pause after the first failure in a row; it doubles.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// Longest pause: so late is it noticed that what was missing is there.
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// What a watch works with.
#[derive(Debug)]
pub struct WatchParts {
    /// Where.
    pub scope: Scope,
    /// Opened once everything was listed.
    pub gate: Gate,
    /// Who is told.
    pub bells: Bells,
    /// Kinds that are looked at after a list: what changed while nothing was watched has no event of its own.
    pub wakes: Vec<OwnKind>,
    /// Where restarts and failures are counted.
    pub metrics: Metrics,
}

/// What is done with what a watch hears.
#[allow(missing_debug_implementations, reason = "functions have nothing to show")]
pub struct Hearing<W, Keep> {
    /// Keeps of it what is needed later.
    pub keep: Keep,
    /// The target of an object of ours.
    pub target: fn(&W) -> Option<TargetKey>,
}

/// An interface to the objects of a type in a scope.
pub fn api_of<W: Readable>(client: Client, scope: &Scope) -> Api<W> {
    match scope {
        Scope::Namespace(namespace) => Api::namespaced(client, namespace),
        Scope::All => Api::all(client),
    }
}

/// Settings of a watch.
pub fn settings() -> watcher::Config {
    watcher::Config::default().page_size(PAGE_OBJECTS_MAX)
}

/// Watches until `stop` comes. Everything that is heard is kept first, and then wakes whoever rests on it.
pub async fn watch<W: Readable>(
    api: Api<W>,
    settings: watcher::Config,
    parts: WatchParts,
    hearing: Hearing<W, impl FnMut(&Event<W>)>,
    stop: impl Future<Output = ()>,
) {
    tokio::select! {
        () = stop => {}
        () = listen(api, settings, &parts, hearing) => {}
    }
}

async fn listen<W: Readable>(
    api: Api<W>,
    settings: watcher::Config,
    parts: &WatchParts,
    hearing: Hearing<W, impl FnMut(&Event<W>)>,
) {
    let Hearing { mut keep, target } = hearing;
    let kind = W::kind(&()).into_owned();
    let begin = || Box::pin(watcher(api.clone(), settings.clone()));
    let mut events = begin();
    let mut trouble = Trouble::default();
    let mut lists: u64 = 0;
    while let Some(heard) = events.next().await {
        match heard {
            // Each attempt to list begins with it: nothing was heard yet.
            Ok(Event::Init) => keep(&Event::Init),
            Ok(event) => {
                trouble.ended(&kind, &parts.scope);
                keep(&event);
                if matches!(event, Event::InitDone) {
                    lists += 1;
                    if lists > 1 {
                        parts.metrics.watch_restarted(&kind);
                    }
                }
                tell(event, parts, target).await;
            }
            Err(error) if is_expired(&error) => {}
            Err(error) => {
                parts.metrics.watch_failed(&kind);
                let failure = failure_of::<W>(&error, &parts.scope);
                if failure.lasts {
                    parts.gate.close(&failure.told);
                    // A watch that goes on from where it was tells of nothing: only a list opens the gate again.
                    events = begin();
                } else {
                    parts.gate.explain(&failure.told);
                }
                tokio::time::sleep(trouble.met(&kind, &parts.scope, failure)).await;
            }
        }
    }
}

/// The version that it watched from is too old: everything is listed anew, which is how watches go.
fn is_expired(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchError(status) if status.code == 410)
}

async fn tell<W: Readable>(event: Event<W>, parts: &WatchParts, target: fn(&W) -> Option<TargetKey>) {
    match event {
        Event::Init | Event::InitApply(_) => {}
        Event::InitDone => {
            parts.gate.open();
            for kind in &parts.wakes {
                parts.bells.ring_all(*kind).await;
            }
        }
        Event::Apply(object) | Event::Delete(object) => {
            for woken in woken_of(&object, target(&object)) {
                parts.bells.ring(woken).await;
            }
        }
    }
}

fn woken_of<W: Readable>(object: &W, target: Option<TargetKey>) -> Vec<Woken> {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let (kind, label) = (W::kind(&()), |key: &str| object.labels().get(key).cloned());
    woken_by(&ChangedObject { kind: &kind, namespace: &namespace, name: &name, target, label: &label })
}

/// A failure in words, and whether it can end without somebody doing something.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failure {
    told: String,
    lasts: bool,
}

fn failure_of<W: Readable>(error: &watcher::Error, scope: &Scope) -> Failure {
    let resource = resource_of::<W>();
    let answer = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status),
        _ => None,
    };
    match answer {
        Some(status) if status.code == 404 => Failure {
            told: format!(
                "CustomResourceDefinition {resource} is missing; remedy: phaseloop crds | kubectl apply --server-side -f -"
            ),
            lasts: true,
        },
        Some(status) if status.code == 403 => Failure {
            told: format!(
                "the right to list and watch {resource} in {scope} is missing: {}; remedy: bind the operator's role there",
                status.message
            ),
            lasts: true,
        },
        Some(status) if status.code == 401 => Failure {
            told: format!("the API server does not know this user: {}; remedy: renew its credentials", status.message),
            lasts: true,
        },
        _ => Failure { told: format!("it can't be listed or watched: {}", chain(error)), lasts: false },
    }
}

fn resource_of<W: Readable>() -> String {
    let (plural, group) = (W::plural(&()), W::group(&()));
    if group.is_empty() { plural.into_owned() } else { format!("{plural}.{group}") }
}

/// Failures in a row: told once, and again only where another one takes their place.
#[derive(Debug, Default)]
struct Trouble {
    last: Option<String>,
    failures: u32,
}

impl Trouble {
    /// Says how long to wait.
    fn met(&mut self, kind: &str, scope: &Scope, failure: Failure) -> Duration {
        let pause = PAUSE_FIRST.saturating_mul(1 << self.failures.min(8)).min(PAUSE_MAX);
        self.failures = self.failures.saturating_add(1);
        if self.last.as_ref() == Some(&failure.told) {
            tracing::debug!(kind, %scope, failures = self.failures, "is still not watched: {}", failure.told);
        } else {
            tracing::warn!(kind, %scope, "is not watched: {}", failure.told);
            self.last = Some(failure.told);
        }
        pause
    }

    fn ended(&mut self, kind: &str, scope: &Scope) {
        if self.last.take().is_some() {
            tracing::info!(kind, %scope, failures = self.failures, "is watched again");
        }
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;
    use crate::{controllers::phase_run::PhaseRuns, operator::watched::Watched};

    fn failure(code: u16, message: &str) -> Failure {
        let status = Status { code, message: message.to_owned(), ..Status::default() };
        let error = watcher::Error::InitialListFailed(kube::Error::Api(Box::new(status)));
        failure_of::<Watched<PhaseRuns>>(&error, &Scope::Namespace("chat".to_owned()))
    }

    #[test]
    fn what_only_a_person_can_end_closes_the_gate_and_names_the_remedy() {
        for (code, message, lasts, told) in [
            (404, "", true, "CustomResourceDefinition phaseruns.phaseloop.dev is missing; remedy: phaseloop crds |"),
            (403, "no", true, "list and watch phaseruns.phaseloop.dev in namespace chat is missing: no; remedy: bind"),
            (401, "who", true, "does not know this user: who; remedy: renew"),
            (503, "later", false, "it can't be listed or watched: "),
        ] {
            let failure = failure(code, message);
            assert_eq!(failure.lasts, lasts, "{code}");
            assert!(failure.told.contains(told), "{code}: {}", failure.told);
        }
    }

    #[test]
    fn pauses_double_to_a_bound_and_begin_anew_after_a_success() {
        let scope = Scope::All;
        let mut trouble = Trouble::default();
        let pauses: Vec<u64> = (0..6).map(|_| trouble.met("PhaseRun", &scope, failure(503, "")).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 15, 15]);
        trouble.ended("PhaseRun", &scope);
        assert_eq!(trouble.met("PhaseRun", &scope, failure(503, "")).as_secs(), 1);
    }
}
