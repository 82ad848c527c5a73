//! The promises, each for any network.

#[path = "promises/asking.rs"]
mod asking;
#[path = "promises/deliveries.rs"]
mod deliveries;
#[path = "promises/publishing.rs"]
mod publishing;
#[path = "promises/trouble.rs"]
mod trouble;

pub(crate) use self::asking::*;
pub(crate) use self::deliveries::*;
pub(crate) use self::publishing::*;
pub(crate) use self::trouble::*;

/// Makes a module of tests out of these promises for one network.
#[macro_export]
macro_rules! channel_promises {
    ($module:ident, $network:ty) => {
        mod $module {
            use super::*;
            $crate::channel_promises!(@each $network;
                a_redelivery_enters_once
                any_order_gives_the_same
                an_edit_that_comes_before_its_original_is_filed_with_it
                a_deletion_that_comes_before_its_original_leaves_no_words
                a_deletion_that_nobody_tells_is_found_out
                our_own_answer_is_an_echo_and_opens_no_case
                what_nobody_knows_costs_nothing_else
                fields_nobody_knows_cost_nothing_and_are_kept
                ids_keep_every_digit_and_words_every_letter
                a_thousand_at_once_all_come_in
                what_was_not_delivered_is_asked_for_page_by_page
                a_restart_between_two_pages_loses_and_doubles_nothing
                what_the_list_shows_late_is_not_missed
                a_limit_is_waited_for_and_nothing_is_called_meanwhile
                who_is_told_to_come_again_later_does_not_come_before
                trouble_of_any_kind_at_any_request_costs_no_word_and_no_answer
                a_token_that_ends_costs_nothing
                a_token_that_ends_at_any_request_costs_no_word_and_no_answer
                an_answer_whose_confirmation_is_lost_is_given_once
                a_post_whose_confirmation_is_lost_stands_there_once
                a_post_stands_there_once_whatever_the_trouble_at_any_request
                a_post_stands_there_once_though_the_token_ends_at_any_request
                a_restart_at_every_step_loses_and_doubles_nothing
                a_restart_while_nobody_knows_whether_it_was_done_doubles_nothing
            );

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn an_hour_in_which_everything_goes_wrong() {
                $crate::soak::everything_goes_wrong::<$network>(1).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn long_a_day_in_which_everything_goes_wrong() {
                $crate::soak::everything_goes_wrong::<$network>(24).await;
            }
        }
    };
    (@each $network:ty; $($promise:ident)*) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $promise() {
            $crate::promises::$promise::<$network>().await;
        }
    )* };
}

const QUESTION: &str = "La rete è giù, perché? 😡";
