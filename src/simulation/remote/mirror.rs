//! What the API server tells of itself: watches on everything that the simulation is about, and the wait until they have
//! told of what was just written.

use std::{
    collections::BTreeMap,
    sync::{Arc, mpsc},
    time::Duration,
};

use serde_json::Value;

use super::{
    RemoteError,
    network::{Network, WatchLine},
    place::collection_path,
    uid::UidBook,
};
use crate::simulation::api_server::{KeptResource, UpstreamChange, Verb};

/// Longest wait for a watch to tell of a write. It takes milliseconds.
const TOLD_MAX: Duration = Duration::from_secs(30);

/// Marks what a scenario made that lies in no namespace of its own.
pub(super) const MARK: (&str, &str) = ("simulation.phaseloop.dev/made-by", "phaseloop-simulate");

/// What a watch has to tell of before a request counts as answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Awaited {
    /// The object in this version, or a newer one.
    Version {
        /// Its uid.
        uid: String,
        /// Its resourceVersion.
        version: u64,
    },
    /// That the object is gone.
    Gone {
        /// Its uid.
        uid: String,
    },
    /// That the pod has a node.
    Bound {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// The objects that are there, as the watches told them.
#[derive(Debug)]
pub(super) struct Mirror {
    resources: Vec<KeptResource>,
    /// The resources of the watches, by their numbers.
    watches: Vec<Arc<str>>,
    /// Namespaces that are followed.
    namespaces: Vec<String>,
    lines: mpsc::Receiver<WatchLine>,
    sender: mpsc::Sender<WatchLine>,
    /// The version of each object, by uid.
    versions: BTreeMap<String, u64>,
    /// Pods that have a node, by namespace and name.
    bound: BTreeMap<(String, String), bool>,
}

impl Mirror {
    /// A mirror of these resources that follows nothing yet.
    pub(super) fn new(resources: Vec<KeptResource>) -> Self {
        let (sender, lines) = mpsc::channel();
        let (versions, bound) = (BTreeMap::new(), BTreeMap::new());
        Self { resources, watches: Vec::new(), namespaces: Vec::new(), lines, sender, versions, bound }
    }

    /// Follows marked objects of the whole cluster from this version on.
    pub(super) fn follow_cluster(&mut self, network: &Network, version: &str) -> Result<(), RemoteError> {
        for resource in self.resources.clone().into_iter().filter(|resource| !resource.namespaced) {
            let path = collection_path(&resource.group, &resource.version, &resource.plural, None);
            self.follow(network, &format!("{path}?labelSelector={}%3D{}", MARK.0, MARK.1), version, resource.storage)?;
        }
        Ok(())
    }

    /// Follows everything in a namespace from this version on.
    pub(super) fn follow_namespace(
        &mut self,
        network: &Network,
        namespace: &str,
        version: &str,
    ) -> Result<(), RemoteError> {
        if self.namespaces.iter().any(|own| own == namespace) {
            return Ok(());
        }
        self.namespaces.push(namespace.to_owned());
        for resource in self.resources.clone().into_iter().filter(|resource| resource.namespaced) {
            let path = collection_path(&resource.group, &resource.version, &resource.plural, Some(namespace));
            self.follow(network, &path, version, resource.storage)?;
        }
        Ok(())
    }

    fn follow(&mut self, network: &Network, path: &str, version: &str, storage: Arc<str>) -> Result<(), RemoteError> {
        let number = self.watches.len();
        self.watches.push(storage);
        network.watch(path, version, number, self.sender.clone())
    }

    /// Whether the watches tell of objects of this resource.
    pub(super) fn tells_of(&self, group: &str, plural: &str, namespace: Option<&str>) -> bool {
        let is_kept =
            |resource: &KeptResource| resource.plural == plural && (resource.group == group || plural == "events");
        let is_followed = namespace.is_none_or(|namespace| self.namespaces.iter().any(|own| own == namespace));
        is_followed
            && self.resources.iter().any(|resource| is_kept(resource) && resource.namespaced == namespace.is_some())
    }

    /// Waits until everything awaited has been told, and hands over all that was told since the last time.
    ///
    /// # Errors
    /// Where a watch broke, where it does not tell in time, and where somebody else changes objects: a cluster of its own
    /// controllers would undo what the simulated ones do.
    pub(super) fn settle(&mut self, awaited: &[Awaited], uids: &UidBook) -> Result<Vec<UpstreamChange>, RemoteError> {
        let mut changes = Vec::new();
        while let Ok(line) = self.lines.try_recv() {
            changes.push(self.take(line, uids)?);
        }
        while !awaited.iter().all(|one| self.knows(one)) {
            let late = |_| RemoteError::Request {
                what: "a watch".to_owned(),
                problem: format!("it did not tell of {awaited:?} within {} s", TOLD_MAX.as_secs()),
            };
            let line = self.lines.recv_timeout(TOLD_MAX).map_err(late)?;
            changes.push(self.take(line, uids)?);
        }
        match changes.iter().find(|change| !awaited.iter().any(|one| is_about(one, &change.object))) {
            Some(foreign) => Err(foreign_change(foreign)),
            None => Ok(changes),
        }
    }

    fn knows(&self, awaited: &Awaited) -> bool {
        match awaited {
            Awaited::Version { uid, version } => self.versions.get(uid).is_some_and(|seen| seen >= version),
            Awaited::Gone { uid } => !self.versions.contains_key(uid),
            Awaited::Bound { namespace, name } => {
                self.bound.get(&(namespace.clone(), name.clone())).copied().unwrap_or_default()
            }
        }
    }

    fn take(&mut self, line: WatchLine, uids: &UidBook) -> Result<UpstreamChange, RemoteError> {
        let broken = |problem: String| RemoteError::Request { what: "a watch".to_owned(), problem };
        let event = uids.tell(&line.event.map_err(broken)?);
        let mut event: Value = serde_json::from_slice(&event).map_err(|error| broken(error.to_string()))?;
        let kind = event.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let object = event.get_mut("object").map(Value::take).unwrap_or_default();
        if !["ADDED", "MODIFIED", "DELETED"].contains(&kind.as_str()) {
            return Err(broken(format!("it told {kind} {object}")));
        }
        let resource = self.watches.get(line.watch).cloned().unwrap_or_else(|| "".into());
        let is_gone = kind == "DELETED";
        let uid = text(&object, "/metadata/uid").to_owned();
        if is_gone {
            self.versions.remove(&uid);
        } else {
            self.versions.insert(uid, version_of(&object));
        }
        if &*resource == "pods" {
            let key = (text(&object, "/metadata/namespace").to_owned(), text(&object, "/metadata/name").to_owned());
            let is_bound = !is_gone && object.pointer("/spec/nodeName").is_some();
            self.bound.insert(key, is_bound);
        }
        Ok(UpstreamChange { resource, is_gone, object })
    }
}

fn is_about(awaited: &Awaited, object: &Value) -> bool {
    match awaited {
        Awaited::Version { uid, .. } | Awaited::Gone { uid } => text(object, "/metadata/uid") == uid,
        Awaited::Bound { namespace, name } => {
            text(object, "/metadata/namespace") == namespace && text(object, "/metadata/name") == name
        }
    }
}

fn foreign_change(change: &UpstreamChange) -> RemoteError {
    let (namespace, name) = (text(&change.object, "/metadata/namespace"), text(&change.object, "/metadata/name"));
    let what = if change.is_gone { "deleted" } else { "wrote" };
    RemoteError::Unfit {
        problem: format!(
            "somebody else {what} {} {namespace}/{name} while the scenario ran: the simulated controllers would fight it",
            change.resource
        ),
        remedy: "use an API server that has no controllers of its own, such as tests/cluster/with-control-plane starts"
            .to_owned(),
    }
}

/// What has to be told of before a write with this answer counts as answered; `there` is the object as a look after it
/// found it.
pub(super) fn awaited_by(answer: &Value, there: Option<&Value>) -> Option<Awaited> {
    let uid = answer.pointer("/details/uid").or_else(|| answer.pointer("/metadata/uid"))?.as_str()?.to_owned();
    Some(match there.filter(|there| text(there, "/metadata/uid") == uid) {
        Some(there) => Awaited::Version { version: version_of(there), uid },
        None => Awaited::Gone { uid },
    })
}

/// Whether a write may have taken the object away, which its answer does not tell for sure: of a pod whose grace is over
/// it tells the last version.
pub(super) fn may_be_gone(verb: Verb, answer: &Value) -> bool {
    verb == Verb::Delete || answer.pointer("/metadata/deletionTimestamp").is_some()
}

fn text<'a>(object: &'a Value, place: &str) -> &'a str {
    object.pointer(place).and_then(Value::as_str).unwrap_or_default()
}

fn version_of(object: &Value) -> u64 {
    text(object, "/metadata/resourceVersion").parse().unwrap_or(0)
}
