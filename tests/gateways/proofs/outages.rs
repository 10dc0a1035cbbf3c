//! When Keyward is slow, dead, or says what makes no sense.

use test_support::eventually;

use super::{KEY, assert_passed};
use crate::{
    gateway::{Gateway, Running},
    port::Port,
    scene::{Scene, api, assert_is_problem, assert_is_undecided, gets},
    server::{Conduct, Server},
};

pub(crate) async fn while_keyward_hangs_nobody_passes_and_nobody_waits_for_long<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    let key = scene.reader().await.holder.key;
    assert_passed(&scene.gets("/orders/7", &[(KEY, &key)]).await);
    scene.keyward.signal("STOP");
    // A signal takes its time.
    eventually("Keyward is stopped", async || scene.gets("/orders/7", &[(KEY, &key)]).await.status != 200).await;
    // The answer comes, for a test waits only so long; the limit in the files is 3 s.
    scene.refuses(503, "/orders/7", &[(KEY, &key)]).await;
    scene.refuses(503, "/orders/7", &[]).await;
    assert_passed(&scene.gets("/public/", &[]).await);
    scene.keyward.signal("CONT");
    eventually("the key passes again", async || scene.gets("/orders/7", &[(KEY, &key)]).await.status == 200).await;
}

pub(crate) async fn a_question_that_is_never_answered_lets_nobody_pass<G: Gateway>() {
    let (keyward, api) = tokio::join!(Server::that(Conduct::Hangs), api());
    let gateway = Running::start::<G>(keyward.address(), api.address()).await;
    assert_is_problem(&gets(&gateway, "/", &[(KEY, "a key")]).await, 503);
    assert_eq!(api.requests().len(), 0);
}

pub(crate) async fn a_question_that_breaks_off_lets_nobody_pass<G: Gateway>() {
    let (keyward, api) = tokio::join!(Server::that(Conduct::BreaksOff), api());
    let gateway = Running::start::<G>(keyward.address(), api.address()).await;
    assert_is_undecided::<G>(&gets(&gateway, "/", &[(KEY, "a key")]).await);
    assert_ne!(keyward.requests().len(), 0);
    assert_eq!(api.requests().len(), 0);
}

pub(crate) async fn when_keyward_is_dead_nobody_passes<G: Gateway>() {
    let mut scene = Scene::set::<G>().await;
    let key = scene.reader().await.holder.key;
    assert_passed(&scene.gets("/orders/7", &[(KEY, &key)]).await);
    scene.keyward.signal("KILL");
    scene.keyward.exit_code().await;
    for _ in 0..3 {
        scene.is_undecided::<G>("/orders/7", &[(KEY, &key)]).await;
        scene.is_undecided::<G>("/", &[]).await;
    }
    assert_passed(&scene.gets("/public/", &[]).await);
}

pub(crate) async fn where_a_replica_is_dead_another_one_is_asked<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    let key = scene.reader().await.holder.key;
    let nobody = Port::claim();
    let replicas = [&nobody.address(), scene.keyward.address()];
    let gateway = Running::start_with_replicas::<G>(&replicas, scene.api.address()).await;
    for _ in 0..10 {
        assert_passed(&gets(&gateway, "/orders/7", &[(KEY, &key)]).await);
        assert_is_problem(&gets(&gateway, "/orders/7", &[]).await, 401);
    }
}

pub(crate) async fn when_to_ask_for_less_is_passed_on<G: Gateway>() {
    assert_eq!(tries_again_after::<G>(429, r#"{"status":429}"#).await, "7");
}

pub(crate) async fn when_keyward_will_decide_again_is_passed_on<G: Gateway>() {
    assert_eq!(tries_again_after::<G>(503, r#"{"status":503}"#).await, "7");
}

/// Where a gateway keeps that to itself.
pub(crate) async fn who_waits_for_a_decision_is_told_to_try_again_in_a_second<G: Gateway>() {
    assert_eq!(tries_again_after::<G>(503, r#"{"status":503}"#).await, "1");
}

/// When the client is told to try again whom Keyward refuses like that, for 7 seconds.
async fn tries_again_after<G: Gateway>(status: u16, body: &'static str) -> String {
    let headers = [("Content-Type", "application/problem+json"), ("Cache-Control", "no-store"), ("Retry-After", "7")];
    let (keyward, api) = tokio::join!(Server::that(Conduct::Answers(status, headers.into(), body)), api());
    let gateway = Running::start::<G>(keyward.address(), api.address()).await;
    let answer = gets(&gateway, "/", &[(KEY, "a key")]).await;
    assert_is_problem(&answer, status);
    assert_eq!(api.requests().len(), 0);
    answer.header("retry-after").expect("when to try again").to_owned()
}

pub(crate) async fn an_answer_that_makes_no_sense_lets_nobody_pass<G: Gateway>() {
    let api = api().await;
    for status in [302, 404, 500] {
        let keyward = Server::that(Conduct::Answers(status, vec![("Location", "/public/")], "What?")).await;
        let gateway = Running::start::<G>(keyward.address(), api.address()).await;
        let answer = gets(&gateway, "/", &[(KEY, "a key")]).await;
        assert!(answer.status != 200, "{answer:?}");
    }
    assert_eq!(api.requests().len(), 0);
}
