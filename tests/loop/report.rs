//! A test image that writes a PHASE report: a shell, and what an administrator puts into the namespace for it.

use serde_json::{Value, json};

use crate::{story::NAME, support::SHELL};

/// Rows of the report.
pub(crate) const ROWS: usize = 100;
/// The domain of its rows, and the name of its `PodTemplate`.
const DOMAIN: &str = "summary";

/// A test whose rows each took so many milliseconds, or up to six more.
pub(crate) fn template(milliseconds: usize) -> Value {
    let script = format!(
        r#"i=0; while [ $i -lt {ROWS} ]; do
             echo "{{\"epoch_id\":\"1\",\"run_id\":\"a\",\"test_id\":\"t$i\",\"domain\":\"{DOMAIN}\",\"status\":\"pass\",\"latency_ms\":$(({milliseconds} + i % 7)),\"throughput\":10}}"
             i=$((i + 1))
           done > /phase/report.jsonl"#
    );
    let container =
        json!({"name": "test", "image": SHELL, "imagePullPolicy": "Never", "command": ["sh", "-c", script]});
    json!({
        "apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": DOMAIN},
        "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
    })
}

/// What a run of it is.
pub(crate) fn run_spec() -> Value {
    json!({
        "targetRef": {"kind": "Deployment", "name": NAME},
        "domains": [{"name": DOMAIN, "podTemplateName": DOMAIN}],
    })
}
