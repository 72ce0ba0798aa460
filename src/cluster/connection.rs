//! The connection: a client, how long a call may take, and the one function through which every call goes.

use std::{future::Future, sync::Arc, time::Duration};

use super::{ClusterError, ClusterErrorKind, LastWords, pages::KnownPages, parsed::ParsedObjects};

/// How long calls may take. The client's own retries are off everywhere (a silent one can outlive every deadline of
/// ours), so a call that is not answered in time has failed, and its outcome is looked up, not assumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallTimeouts {
    /// One object.
    pub single: Duration,
    /// A page of a list.
    pub list: Duration,
}

impl Default for CallTimeouts {
    /// 3 s for one object: a fifth of the 15 s in which everything must be given back. 30 s for a list, as the Kubernetes
    /// objectives for latency allow.
    fn default() -> Self {
        Self { single: Duration::from_secs(3), list: Duration::from_secs(30) }
    }
}

/// A connection to an API server.
#[derive(Clone)]
pub struct Cluster {
    pub(super) client: kube::Client,
    pub(super) timeouts: CallTimeouts,
    pub(super) parsed: Arc<ParsedObjects>,
    /// The elements of whole lists: by themselves, so that long lists don't take the place of objects.
    pub(super) pages: Arc<KnownPages>,
    pub(super) last_words: Arc<LastWords>,
}

impl Cluster {
    /// Takes over a client. Its configuration must have `default_retry` off.
    pub fn new(client: kube::Client, timeouts: CallTimeouts) -> Self {
        Self { client, timeouts, parsed: Arc::default(), pages: Arc::default(), last_words: Arc::default() }
    }

    /// Where a watch of test pods tells how those ended that go.
    pub const fn last_words(&self) -> &Arc<LastWords> {
        &self.last_words
    }

    /// Waits for one call, at most its time.
    pub(super) async fn call<T>(
        &self,
        action: &'static str,
        what: &str,
        timeout: Duration,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, ClusterError> {
        match tokio::time::timeout(timeout, call).await {
            Ok(answer) => answer.map_err(|error| ClusterError::of_call(action, what, error)),
            Err(_elapsed) => Err(ClusterError::without_source(action, what, ClusterErrorKind::NoAnswer)),
        }
    }
}

#[allow(clippy::missing_fields_in_debug, reason = "a client has nothing to show")]
impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("timeouts", &self.timeouts).finish()
    }
}
