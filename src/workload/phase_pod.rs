//! The containers of a custom domain: those of an administrator's PodTemplate as they stand, and our collector, which reads
//! the PHASE report that they write.

use k8s_openapi::api::core::v1::Container;

use super::{
    build::{TestContainers, drop_host_ports, helper, preflight},
    contract::{COLLECTOR_CPU, COLLECTOR_MEMORY, CONTAINER_COLLECTOR, REPORT_FOLDER, REPORT_PATH, VOLUME_REPORT},
    isolation::{empty_volume, mount},
    valid::ValidTestPod,
};
use crate::probe::{CollectRequest, message_bytes_max};

/// Containers of ours: preflight and collector.
const HELPERS: usize = 2;
/// Room for a report: a gibibyte is some five million rows.
const REPORT_SIZE_LIMIT: &str = "1Gi";

/// The collector is a native sidecar, so that it is asked to end after every test container has ended: it needs no word
/// from them. It is the first of the sidecars, so that it is the last to be ended.
pub(super) fn report_containers(valid: &ValidTestPod) -> TestContainers {
    let template = &valid.template;
    let init_containers: Vec<Container> = template.init_containers.iter().flatten().cloned().map(with_report).collect();
    let containers: Vec<Container> = template.containers.iter().cloned().map(with_report).collect();
    let message_bytes = message_bytes_max(init_containers.len() + containers.len() + HELPERS);
    let collect = CollectRequest { report: REPORT_PATH.to_owned(), message_bytes };
    let mut collector = helper(valid, CONTAINER_COLLECTOR, collect.words(), (COLLECTOR_CPU, COLLECTOR_MEMORY));
    collector.restart_policy = Some("Always".to_owned());
    let mut report = mount(VOLUME_REPORT, REPORT_FOLDER);
    report.read_only = Some(true);
    collector.volume_mounts.get_or_insert_default().push(report);
    TestContainers {
        init_containers: [preflight(valid, None), collector].into_iter().chain(init_containers).collect(),
        containers,
        volumes: vec![empty_volume(VOLUME_REPORT, REPORT_SIZE_LIMIT)],
    }
}

fn with_report(mut container: Container) -> Container {
    drop_host_ports(&mut container);
    container.volume_mounts.get_or_insert_default().push(mount(VOLUME_REPORT, REPORT_FOLDER));
    container
}
