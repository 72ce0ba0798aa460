//! What was asked of the server that could change something, in order, and what came of it.

use jiff::Timestamp;

use super::request::{PatchKind, Verb};

/// One write, refused or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteRecord {
    /// Its place in the order of writes, from 0.
    pub sequence: u64,
    /// When, by the server's clock.
    pub at: Timestamp,
    /// Who.
    pub user: String,
    /// As whose fields; empty for deletes.
    pub field_manager: String,
    /// What.
    pub verb: Verb,
    /// How, for patches.
    pub patch: Option<PatchKind>,
    /// The group of the resource.
    pub group: String,
    /// The resource, as in `deployments`.
    pub resource: String,
    /// The namespace; empty for the whole cluster.
    pub namespace: String,
    /// The name; for creates the one that the object got, empty where there is none.
    pub name: String,
    /// The subresource; empty for the object itself.
    pub subresource: String,
    /// Whether nothing was to change.
    pub dry_run: bool,
    /// The HTTP status code.
    pub code: u16,
    /// The reason of a refusal; empty for a success.
    pub reason: String,
    /// The object's resourceVersion before, if it existed.
    pub revision_before: Option<u64>,
    /// The object's resourceVersion after, if it exists.
    pub revision_after: Option<u64>,
}

impl WriteRecord {
    /// Whether the write was accepted and changed something.
    pub fn changed(&self) -> bool {
        self.code < 300 && !self.dry_run && self.revision_before != self.revision_after
    }
}

/// One line: instant, user, verb, object, code.
impl std::fmt::Display for WriteRecord {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let group = if self.group.is_empty() { String::new() } else { format!(".{}", self.group) };
        let namespace = if self.namespace.is_empty() { String::new() } else { format!("{}/", self.namespace) };
        let subresource = if self.subresource.is_empty() { String::new() } else { format!("/{}", self.subresource) };
        write!(
            formatter,
            "{} {} {} {}{group} {namespace}{}{subresource} {}",
            self.at,
            self.user,
            self.verb.name(),
            self.resource,
            self.name,
            self.code
        )?;
        if self.dry_run {
            formatter.write_str(" dry run")?;
        }
        if self.reason.is_empty() { Ok(()) } else { write!(formatter, " {}", self.reason) }
    }
}
