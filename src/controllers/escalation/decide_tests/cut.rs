//! An operator that dies anywhere: whatever was written before stays, and the next one comes to the same end.

use serde_json::Value;

use super::world::{World, infrastructure, out_of_memory, passed};

/// What canaries come to in a story, the incumbent's first.
type Story = [fn(&mut Value); 3];

fn met<const WITHIN: u32>(status: &mut Value) {
    passed(WITHIN)(status);
}

/// What people and other kinds see of a story at its end: names, reservations and terms, without when somebody looked.
fn seen(world: &World) -> Value {
    let mut status = serde_json::to_value(world.status()).unwrap();
    status.as_object_mut().unwrap().remove("history");
    let tuning = status.as_object_mut().unwrap().remove("lastTuning").unwrap();
    let told = ["reason", "message", "searchEnded"].map(|field| tuning[field].clone());
    let mut objects = Vec::new();
    for canary in &world.around.canaries {
        objects.push(serde_json::json!([canary.metadata.name, canary.spec]));
    }
    for promotion in &world.around.promotions {
        objects.push(serde_json::json!([promotion.metadata.name, promotion.spec]));
    }
    for condition in status["conditions"].as_array_mut().unwrap() {
        condition.as_object_mut().unwrap().remove("lastTransitionTime");
        // It tells what the last run came to, in the words of whoever saw its end.
        if condition["type"] == "Ready" {
            condition.as_object_mut().unwrap().remove("message");
        }
    }
    status["conditions"].as_array_mut().unwrap().sort_by_key(|condition| condition["type"].to_string());
    // The search is told by whoever saw it end; the rest is the same for all.
    let promoted = tuning["promotionName"].clone();
    if !promoted.is_null() {
        status["summary"].as_object_mut().unwrap().remove("tuning");
    }
    let ended = if promoted.is_null() { serde_json::json!(told) } else { promoted };
    serde_json::json!({ "objects": objects, "status": status, "ended": ended, "winner": tuning["winner"] })
}

/// The story, with a death after so many writes of the look at that place. Answers how many looks it took, and whether
/// there was such a death.
fn live(story: &Story, cut: Option<(usize, usize)>) -> (World, usize, bool) {
    let mut world = World::new();
    world.spec(|spec| spec["parameters"][0]["values"] = serde_json::json!([0.70, 0.72]));
    let mut outcomes = story.iter();
    let mut died = false;
    for look in 0..100 {
        let before = world.around.clone();
        let writes = cut.filter(|(at, _)| *at == look).map_or(usize::MAX, |(_, writes)| writes);
        let (_, whole) = world.look_up_to(writes);
        died |= !whole;
        if !whole || world.around != before {
            continue;
        }
        if world.status().tuning.is_none() {
            return (world, look, died);
        }
        world.finish(outcomes.next().unwrap());
    }
    panic!("the story never ends");
}

#[test]
fn wherever_the_operator_dies_the_end_is_the_same() {
    let stories: [Story; 3] = [
        [met::<100>, met::<120>, met::<190>],
        [out_of_memory, met::<140>, out_of_memory],
        [infrastructure, met::<100>, met::<100>],
    ];
    for story in &stories {
        let (undisturbed, looks, _) = live(story, None);
        let expected = seen(&undisturbed);
        let mut deaths = 0;
        for look in 0..looks {
            for writes in 0.. {
                let (world, _, died) = live(story, Some((look, writes)));
                if !died {
                    break;
                }
                deaths += 1;
                assert_eq!(seen(&world), expected, "look {look}, after {writes} writes");
            }
        }
        assert!(deaths >= looks, "{deaths} of {looks}");
    }
}

#[test]
fn an_operator_without_any_status_comes_to_the_same_candidates() {
    let mut world = World::new();
    world.step(passed(100));
    for within in [120, 190] {
        world.finish(passed(within));
        // A restore from a backup that held no status.
        world.around.object.status = None;
        world.settle();
    }
    assert_eq!(world.tried(), ["incumbent", "0.7", "0.72", "0.75"]);
    assert_eq!(world.flag_state(), crate::api::escalation::status::FlagState::Idle, "consumed runs count for nothing");
}
