//! What holds behind every gateway.
//!
//! * [`grants`], [`refusals`]: who is let in, and who is not
//! * [`forgeries`]: what clients would like to be believed
//! * [`paths`]: a path is the same one to the gateway and to the API
//! * [`limits`]: what clients learn of their limits
//! * [`outages`]: when Keyward is slow, dead, or says what makes no sense
//! * [`socket`]: by a Unix socket, where the gateway knows those
//! * [`traffic`]: what passes through, and what it costs
//! * [`upgrades`]: into which other protocol a connection may go

mod forgeries;
mod grants;
mod limits;
mod outages;
mod paths;
mod refusals;
mod socket;
mod traffic;
mod upgrades;

pub(crate) use self::{
    forgeries::*, grants::*, limits::*, outages::*, paths::*, refusals::*, socket::*, traffic::*, upgrades::*,
};
pub(crate) use crate::documented::the_session_in_the_documents_is_what_happens;
use test_support::wire::Answer;

use crate::scene::GREETING;

/// These proofs for a gateway, each as a test.
macro_rules! prove {
    ($gateway:ty: $($proof:ident,)+) => {
        $(
            #[tokio::test]
            async fn $proof() {
                if $crate::gateway::is_installed::<$gateway>() {
                    $crate::proofs::$proof::<$gateway>().await;
                }
            }
        )+
    };
}
pub(crate) use prove;

/// What holds behind every gateway.
macro_rules! prove_what_all_can {
    ($gateway:ty) => {
        $crate::proofs::prove! { $gateway:
            a_good_key_reaches_the_api_as_who_it_is,
            a_good_token_reaches_the_api_as_who_it_is,
            an_organisations_key_reaches_the_api_as_that,
            a_key_with_as_many_scopes_as_there_can_be_reaches_the_api,
            who_has_no_good_credential_is_told_so_and_reaches_nothing,
            who_lacks_the_scope_is_told_so_and_reaches_nothing,
            nobody_is_asked_on_a_public_route,
            what_only_keyward_may_say_never_comes_from_the_client,
            the_credential_ends_at_the_gateway,
            no_spelling_of_a_path_gets_around_a_check,
            what_servers_read_differently_is_refused_on_public_routes_too,
            what_is_asked_for_is_told_by_the_gateway_and_not_by_the_client,
            the_host_that_is_checked_is_the_host_that_is_served,
            who_it_is_cannot_be_taken_off_by_the_client,
            where_a_client_is_is_told_by_the_gateway_and_not_by_the_client,
            keywards_policy_decides_by_what_the_client_asks_for,
            a_revoked_key_is_refused_by_the_next_request,
            a_question_that_breaks_off_lets_nobody_pass,
            when_keyward_is_dead_nobody_passes,
            who_has_used_a_limit_up_is_told_when_it_begins_anew,
            when_to_ask_for_less_is_passed_on,
            an_answer_that_makes_no_sense_lets_nobody_pass,
            connections_to_keyward_are_kept,
            a_request_reaches_the_api_as_it_was_sent,
            a_web_socket_passes,
            a_web_socket_to_a_real_server_passes,
            no_connection_becomes_one_on_which_nobody_is_asked,
            the_api_is_asked_for_no_protocol_but_web_socket,
            nor_is_it_by_a_client_in_http_2,
            the_session_in_the_documents_is_what_happens,
        }
    };
}
pub(crate) use prove_what_all_can;

/// That, and what not every gateway can.
macro_rules! prove_all {
    ($gateway:ty) => {
        $crate::proofs::prove_what_all_can!($gateway);
        $crate::proofs::prove! { $gateway:
            who_shows_two_keys_is_told_so,
            while_keyward_hangs_nobody_passes_and_nobody_waits_for_long,
            a_question_that_is_never_answered_lets_nobody_pass,
            where_a_replica_is_dead_another_one_is_asked,
            when_keyward_will_decide_again_is_passed_on,
        }
    };
}
pub(crate) use prove_all;

const KEY: &str = "x-api-key";

/// What a client asks for a WebSocket with, besides `Connection`. The key is the one in RFC 6455 §1.3.
const WEB_SOCKET: [(&str, &str); 3] =
    [("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")];

fn bearer(credential: &str) -> String {
    format!("Bearer {credential}")
}

#[track_caller]
fn assert_passed(answer: &Answer) {
    assert_eq!((answer.status, answer.body.as_str()), (200, GREETING), "{answer:?}");
}
