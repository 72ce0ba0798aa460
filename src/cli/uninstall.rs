//! `phaseloop uninstall`.

use std::{io, sync::Arc};

use super::{
    cluster::{Connected, block_on, connected, told},
    output::print_text,
};
use crate::{
    args::UninstallArguments,
    cluster::execute::AuditExport,
    exit::Exit,
    handling::{
        pace::MachinePace,
        uninstall::{Act, Leaving, UninstallTerms, acts, observe_installation, owed, uninstall},
    },
    operator::audit::AuditLog,
};

pub(super) fn run(arguments: &UninstallArguments) -> anyhow::Result<Exit> {
    block_on(async {
        let Connected { cluster, namespace, server } = connected(&arguments.cluster).await?;
        let scope = (!arguments.all_namespaces).then(|| namespace.clone());
        if !arguments.yes {
            let there = observe_installation(cluster.reader(), scope.as_deref()).await;
            let there = there.map_err(|error| told(&error, &server))?;
            let mut lines: Vec<String> = acts(&there).iter().map(|act| format!("would {}\n", would(act))).collect();
            lines.extend(owed(&there).iter().map(|owed| format!("would wait: {owed}\n")));
            lines.extend(
                arguments.operator_deployment.iter().map(|name| format!("would scale deployment {name} to 0\n")),
            );
            lines.push("would take phaseloop's finalizers off; nothing was changed: --yes does it\n".to_owned());
            print_text(&lines.concat())?;
            return Ok(Exit::Success);
        }
        let operator = arguments.operator_deployment.as_ref().map(|given| match given.split_once('/') {
            Some((namespace, name)) => (namespace.to_owned(), name.to_owned()),
            None => (namespace.clone(), given.clone()),
        });
        let terms = UninstallTerms { namespace: scope, operator, timeout: arguments.timeout.into() };
        let log = AuditLog::open(io::stderr(), arguments.audit_file.as_deref())?;
        let export: Arc<dyn AuditExport> = Arc::new(log);
        let mut say = |line: &str| eprintln!("{line}");
        let left = uninstall(&cluster, &terms, &export, &mut MachinePace, &mut say).await;
        let Leaving { left, interrupted } = left.map_err(|error| told(&error, &server))?;
        if interrupted {
            print_text("interrupted: what was done stays done; run it again to go on\n")?;
            return Ok(Exit::UnknownOrError);
        }
        if left.is_empty() {
            print_text("phaseloop has left: nothing of it runs, nothing is owed, no finalizer of it stands\n")?;
            return Ok(Exit::Success);
        }
        let lines: String = left.iter().map(|line| format!("NOT PUT BACK: {line}\n")).collect();
        print_text(&lines)?;
        Ok(Exit::UnknownOrError)
    })
}

fn would(act: &Act) -> String {
    use kube::ResourceExt as _;
    match act {
        Act::SuspendSchedule(schedule) => format!("suspend phaseschedule/{}", schedule.name_any()),
        Act::SuspendEscalation(escalation) => format!("suspend escalation/{}", escalation.name_any()),
        Act::AbortRun(namespace, name) => format!("abort phaserun/{name} in {namespace}"),
        Act::AbortCanary(namespace, name) => format!("abort tuningcanary/{name} in {namespace}"),
        Act::DeletePromotion(namespace, object) => {
            format!("delete promotion/{} in {namespace}, so that it is rolled back", object.name)
        }
    }
}
