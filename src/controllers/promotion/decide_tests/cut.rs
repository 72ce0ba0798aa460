//! An operator that dies anywhere, and writes whose answer is lost: the next one comes to the same end.

use serde_json::{Value, json};

use super::world::{Answer, World};

/// What happens once the promotion stands still, in order.
type Story = &'static [fn(&mut World)];

fn approve(world: &mut World) {
    world.decide("Approved", Some("jane"));
}

fn finish_rollout(world: &mut World) {
    world.pass(60);
    world.roll_out();
}

fn healthy(world: &mut World) {
    world.run("n5", ("2026-03-05T03:00:00Z", "2026-03-05T03:20:00Z"), "Healthy", |_| ());
}

fn degraded(world: &mut World) {
    world.run("n5", ("2026-03-05T03:00:00Z", "2026-03-05T03:20:00Z"), "Degraded", |_| ());
}

const STORIES: [Story; 4] = [
    &[approve, finish_rollout, healthy],
    &[approve, finish_rollout, degraded],
    &[approve, World::delete],
    &[|world| world.decide("Rejected", Some("jane"))],
];

/// What people see of a promotion at its end, without when somebody looked.
fn seen(world: &World) -> Value {
    let target = world.target();
    let status = serde_json::to_value(world.status()).unwrap();
    let conditions: Vec<Value> = world
        .status()
        .conditions
        .iter()
        .map(|condition| json!([condition.type_, condition.status, condition.reason]))
        .collect();
    json!({
        "gone": world.is_gone, "finalizers": world.object.metadata.finalizers, "spec": target["spec"],
        "annotations": target["metadata"]["annotations"], "phase": status["phase"], "reason": status["reason"],
        "validation": status["validation"], "phases": world.phases(), "conditions": conditions,
        "written": world.written,
    })
}

/// The story, with a look at that place that goes wrong; answers how many looks it took, and whether there was such a
/// fault.
fn live(story: Story, fault: Option<(usize, usize, Answer)>) -> (World, usize, bool) {
    let mut world = World::new();
    let mut events = story.iter();
    let (mut met, mut still) = (false, 0);
    for look in 0..200 {
        let before = (world.object.clone(), world.target(), world.is_gone);
        let here = fault.filter(|(at, ..)| *at == look);
        world.answer = here.map_or(Answer::Given, |(_, _, answer)| answer);
        let writes = world.written.len();
        let (plan, whole) = world.look_up_to(here.map_or(usize::MAX, |(_, writes, _)| writes));
        let patches = plan.intents.iter().any(phaseloop_core::plan::Intent::writes_foreign_object);
        met |= here.is_some() && (!whole || (patches && world.answer != Answer::Given));
        assert!(world.written.len() <= writes + 1);
        if world.is_gone {
            return (world, look, met);
        }
        if before != (world.object.clone(), world.target(), world.is_gone) {
            still = 0;
            continue;
        }
        // What waits for an answer is looked at again after ten seconds.
        still += 1;
        world.pass(10);
        if still < 3 {
            continue;
        }
        still = 0;
        match events.next() {
            Some(event) => event(&mut world),
            None => return (world, look, met),
        }
    }
    panic!("the story never ends");
}

#[test]
fn wherever_the_operator_dies_the_end_is_the_same() {
    for story in STORIES {
        let (undisturbed, looks, _) = live(story, None);
        let expected = seen(&undisturbed);
        let mut faults = 0;
        for look in 0..looks {
            for writes in 0..6 {
                let (world, _, met) = live(story, Some((look, writes, Answer::Given)));
                if !met {
                    break;
                }
                faults += 1;
                assert_eq!(seen(&world), expected, "look {look}, after {writes} writes");
            }
            for answer in [Answer::Lost, Answer::Unanswered] {
                let (world, _, met) = live(story, Some((look, usize::MAX, answer)));
                if met {
                    faults += 1;
                    assert_eq!(seen(&world), expected, "look {look}: {answer:?}");
                }
            }
        }
        assert!(faults > 4, "{faults}");
    }
}
