//! Planted bugs: what an operator must never do is done, at the seam between it and the API server, and the oracle that is
//! there for it says so. No bug stands in the code that ships.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that can't go on fails"
)]
#![allow(clippy::large_futures, reason = "a test has the stack of a whole thread")]

mod audit;
mod borrowing;
mod budget;
mod bug;
mod canary;
mod counting;
mod gates;
mod hand;
mod page;
mod plot;
mod promotion;
mod saboteur;
mod whole;

use bug::Bug;

/// The only list of planted bugs: each line is a test, and a row of the page.
macro_rules! planted {
    ($($sentence:ident: $bug:expr,)*) => {
        /// Every planted bug with its sentence.
        pub(crate) const BUGS: &[(&str, Bug)] = &[$((stringify!($sentence), $bug)),*];

        $(#[test]
        fn $sentence() {
            $bug.assert_caught();
        })*
    };
}

planted! {
    canaries_that_understate_their_use_are_caught_by_i1: budget::USE_IS_UNDERSTATED,
    a_pod_that_nothing_reserved_for_is_caught_by_i2: budget::POD_WITHOUT_RESERVATION,
    a_reservation_beyond_the_budget_is_caught_by_i2: budget::RESERVATION_BEYOND_THE_BUDGET,
    a_ledger_that_forgets_is_caught_by_i3: budget::LEDGER_FORGETS,
    a_second_tuning_run_at_once_is_caught_by_i4: gates::TWO_RUNS_AT_ONCE,
    a_second_engine_at_once_is_caught_by_i4: gates::TWO_ENGINES_AT_ONCE,
    a_second_pod_of_one_canary_is_caught_by_i5: gates::SECOND_POD,
    a_pod_after_its_window_is_caught_by_i6: gates::POD_AFTER_ITS_INSTANT,
    a_run_within_the_cooldown_is_caught_by_i7: gates::NO_COOLDOWN,
    a_run_beyond_the_rate_is_caught_by_i8: gates::ONE_RUN_TOO_MANY,
    a_gap_in_the_attempts_is_caught_by_i9: gates::GAP_IN_THE_ATTEMPTS,
    a_flag_armed_below_its_threshold_is_caught_by_i12: counting::ARMED_BELOW_THE_THRESHOLD,
    a_consumed_run_that_counts_again_is_caught_by_i12: counting::CONSUMED_RUN_COUNTS_AGAIN,
    a_second_armed_flag_is_caught_by_i13: gates::ARMED_TWICE,
    a_run_under_an_expired_flag_is_caught_by_i14: gates::BEGUN_WITHOUT_A_FLAG,
    a_bad_run_in_the_baseline_is_caught_by_i15: counting::BAD_RUN_IN_THE_BASELINE,
    a_test_pod_with_the_labels_of_production_is_caught_by_i16: canary::POD_WITH_PRODUCTION_LABELS,
    a_target_that_is_changed_in_passing_is_caught_by_i17: canary::TARGET_IS_TOUCHED,
    an_abort_that_ends_nothing_is_caught_by_i18: canary::ABORT_ENDS_NOTHING,
    an_aborted_canary_that_passes_is_caught_by_i19: canary::ABORTED_CANARY_PASSES,
    a_dead_engine_that_passes_is_caught_by_i20: canary::DEAD_ENGINE_PASSES,
    a_value_that_no_engine_reported_is_caught_by_i20: canary::UNSEEN_VALUE_PASSES,
    a_fitness_without_evidence_is_caught_by_i21: canary::FITNESS_WITHOUT_EVIDENCE,
    a_value_that_nobody_listed_is_caught_by_i22: canary::VALUE_THAT_NOBODY_LISTED,
    a_promotion_of_something_untested_is_caught_by_i23: promotion::UNTESTED_IS_PROMOTED,
    a_way_that_is_not_drawn_is_caught_by_i24: promotion::EDGE_THAT_IS_NOT_DRAWN,
    a_second_open_promotion_is_caught_by_i25: promotion::SECOND_OPEN_PROMOTION,
    a_validation_by_an_earlier_run_is_caught_by_i26: promotion::VALIDATED_BY_AN_EARLIER_RUN,
    a_rollback_that_leaves_the_value_in_is_caught_by_i27: promotion::VALUE_STAYS_IN,
    a_target_that_goes_back_before_its_config_map_is_caught_by_i27: promotion::TARGET_GOES_BACK_FIRST,
    a_value_of_somebody_else_that_is_overwritten_is_caught_by_i28: promotion::SOMEBODY_IS_OVERWRITTEN,
    a_config_map_that_is_changed_in_passing_is_caught_by_i17: promotion::CONFIG_MAP_IS_TOUCHED,
    a_changed_record_is_caught_by_i30: audit::RECORD_IS_CHANGED,
    a_dropped_record_is_caught_by_i30: audit::RECORD_IS_DROPPED,
    a_change_without_a_record_is_caught_by_i30: audit::NOT_RECORDED,
    a_network_policy_of_nobody_is_caught_by_i31: canary::POLICY_WITHOUT_OWNER,
    a_promotion_that_is_never_let_go_is_caught_by_i31: promotion::NEVER_LET_GO,
    a_test_pod_without_its_network_policy_is_caught_by_i36: canary::POD_WITHOUT_NETWORK_POLICY,
    a_run_that_borrows_without_remembering_is_caught_by_i37: borrowing::RUN_FORGETS,
    a_tuning_run_that_borrows_without_remembering_is_caught_by_i37: borrowing::TUNING_RUN_FORGETS,
    a_run_that_keeps_what_it_borrowed_is_caught_by_i38: borrowing::RUN_KEEPS_IT,
    a_tuning_run_that_keeps_what_it_borrowed_is_caught_by_i38: borrowing::TUNING_RUN_KEEPS_IT,
}
