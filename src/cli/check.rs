//! `phaseloop check`.

use std::time::Duration;

use kube::ResourceExt;

use super::output::print_text;
use crate::{
    args::{CheckArguments, CheckSubject, InstallationArguments},
    cluster::{MonotonicClock as _, ProcessClock},
    exit::Exit,
    installation::{Facts, Finding, POLICIES, Standing, Subject, judge, look, rights},
    operator::{configuration::Access, connection::connect},
    telemetry::Metrics,
};

/// Between two looks: a leader renews its lease as often.
const PAUSE: Duration = Duration::from_secs(2);

pub(super) fn run(arguments: &CheckArguments) -> anyhow::Result<Exit> {
    let CheckSubject::Installation(arguments) = &arguments.subject;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let findings = runtime.block_on(installation(arguments))?;
    print_text(&findings.iter().map(line_of).collect::<String>())?;
    let wrong = findings.iter().filter(|finding| finding.remedy().is_some()).count();
    if wrong == 0 {
        print_text("phaseloop is installed as this version needs it\n")?;
        return Ok(Exit::Success);
    }
    print_text(&format!("{wrong} of {} are not as they should be\n", findings.len()))?;
    Ok(Exit::Degraded)
}

async fn installation(arguments: &InstallationArguments) -> anyhow::Result<Vec<Finding>> {
    let access = Access { kubeconfig: arguments.kubeconfig.clone(), context: arguments.context.clone() };
    let connection = connect(&access, &Metrics::default()).await?;
    let wanted = |policy: &&crate::installation::Policy| {
        !arguments.without_policies.iter().any(|without| without == policy.short_name)
    };
    let subject = Subject {
        namespace: arguments.namespace.clone().unwrap_or(connection.own_namespace),
        deployment: arguments.deployment.clone(),
        policies: POLICIES.iter().filter(wanted).copied().collect(),
    };
    let (rights, began) = (rights()?, ProcessClock::start());
    let timeout = arguments.timeout.0.unsigned_abs();
    let mut lease_before = None;
    loop {
        let facts = look(&connection.client, &subject, &rights).await;
        let is_over = began.elapsed() >= timeout;
        match facts {
            Ok(facts) => {
                let findings = judge(&facts, &subject, lease_before.as_deref());
                if is_over || findings.iter().all(|finding| finding.remedy().is_none()) {
                    return Ok(findings);
                }
                lease_before = version_of_lease(&facts);
            }
            Err(error) if is_over => return Err(error.into()),
            Err(_) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn version_of_lease(facts: &Facts) -> Option<String> {
    facts.lease.as_ref().and_then(ResourceExt::resource_version)
}

fn line_of(finding: &Finding) -> String {
    match finding.standing {
        Standing::Sound => format!("ok      {}: {}\n", finding.what, finding.told),
        Standing::Chosen => format!("note    {}: {}\n", finding.what, finding.told),
        Standing::Wrong { remedy } => {
            format!("wrong   {}: {}\n          remedy: {remedy}\n", finding.what, finding.told)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line_and_its_remedy_another() {
        let line = |standing: Standing| {
            line_of(&Finding { what: "Lease ops/phaseloop".into(), told: "held by a".into(), standing })
        };
        assert_eq!(line(Standing::Sound), "ok      Lease ops/phaseloop: held by a\n");
        assert_eq!(line(Standing::Chosen), "note    Lease ops/phaseloop: held by a\n");
        assert_eq!(
            line(Standing::Wrong { remedy: "see the log" }),
            "wrong   Lease ops/phaseloop: held by a\n          remedy: see the log\n"
        );
    }
}
