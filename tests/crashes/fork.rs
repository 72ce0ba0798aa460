//! A history that goes on from a noon of the undisturbed one is the history from its beginning.

use phaseloop::simulation::crash::{Disturbance, Histories, Point, disturbed_from_the_beginning};

use crate::scenario::two_nights;

#[test]
fn a_history_that_goes_on_from_a_noon_is_the_one_from_the_beginning() {
    let file = two_nights();
    let histories = Histories::new(&file).unwrap();
    let writes = histories.undisturbed(Disturbance::KilledAfter).writes.len() as u64;
    // One that is never reached, and one in the night of the tuning.
    let beyond = Point { write: writes + 1, disturbance: Disturbance::KilledAfter };
    let within = Point { write: writes / 2, disturbance: Disturbance::KilledAfter };
    for point in [beyond, within] {
        let (forked, whole) =
            (histories.disturbed(point).unwrap(), disturbed_from_the_beginning(&file, point).unwrap());
        assert_eq!(forked.writes, whole.writes, "{point}");
        assert_eq!(forked.outcome, whole.outcome, "{point}");
        assert_eq!(forked.invariants, whole.invariants, "{point}");
    }
    let undisturbed = histories.undisturbed(Disturbance::KilledAfter);
    assert_eq!(histories.disturbed(beyond).unwrap().writes, undisturbed.writes);
}
