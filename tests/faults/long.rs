//! A random sequence of faults, two at a time, reproducible from its seed as far as the faults go
//! (the machine's timing is its own).

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use test_support::PrivateCluster;

use crate::{
    checker::{Demands, Report},
    fleet::{LEASE, Member},
    scene::{LiveKey, Scene, number_in},
};

const REPLICAS: usize = 3;
const KEYS_A_ROUND: usize = 4;
/// A fault begins and ends within so many milliseconds, and so does a revoke begin.
const ROUND_MS: u64 = 2500;

/// What can happen to a replica.
#[derive(Clone, Copy, Debug)]
enum Fault {
    None,
    Partition,
    /// It hears, and can say nothing.
    Mute,
    Deaf,
    Late,
    Reset,
    Forgotten,
    Pause,
    Kill,
}

const FAULTS: [Fault; 9] = [
    Fault::None,
    Fault::Partition,
    Fault::Mute,
    Fault::Deaf,
    Fault::Late,
    Fault::Reset,
    Fault::Forgotten,
    Fault::Pause,
    Fault::Kill,
];

/// What can happen to the database.
#[derive(Clone, Copy, Debug)]
enum Outage {
    None,
    Restart,
    Crash,
    Pause,
}

/// Begins after so long, and lasts so long.
type Span = (Duration, Duration);

/// What happens in one round, to two of the replicas at most.
#[derive(Clone, Debug)]
struct Plan {
    faults: [(usize, Fault, Span); 2],
    outage: (Outage, Span),
    /// When each key is revoked, and through which replica.
    revokes: Vec<(Duration, usize)>,
}

impl Plan {
    fn draw(dice: &mut StdRng) -> Self {
        let first = dice.random_range(0..REPLICAS);
        let second = (first + dice.random_range(1..REPLICAS)) % REPLICAS;
        let faults = [first, second].map(|replica| (replica, *FAULTS.choose(dice).expect("faults"), draw_span(dice)));
        // The database's are rare: nobody is asked much while it is away.
        let outage = match dice.random_range(0..20) {
            0 => Outage::Restart,
            1 => Outage::Crash,
            2 => Outage::Pause,
            _ => Outage::None,
        };
        let outage = (outage, draw_span(dice));
        let revokes = (0..KEYS_A_ROUND).map(|_| (draw_ms(dice), dice.random_range(0..REPLICAS))).collect();
        Self { faults, outage, revokes }
    }
}

fn draw_ms(dice: &mut StdRng) -> Duration {
    Duration::from_millis(dice.random_range(0..ROUND_MS))
}

fn draw_span(dice: &mut StdRng) -> Span {
    let (one, other) = (draw_ms(dice), draw_ms(dice));
    (one.min(other), one.abs_diff(other))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes as long as you like: KEYWARD_FAULTS_SECONDS, KEYWARD_FAULTS_SEED"]
async fn under_random_faults_nothing_is_accepted_after_a_revoke() {
    let seed = number_in("KEYWARD_FAULTS_SEED").unwrap_or_else(rand::random);
    let lasts = Duration::from_secs(number_in("KEYWARD_FAULTS_SECONDS").unwrap_or(120));
    println!("KEYWARD_FAULTS_SEED={seed}, for {lasts:?}");
    let mut dice = StdRng::seed_from_u64(seed);
    let mut postgres = PrivateCluster::start().await;
    let (scene, []) = Scene::open_on(REPLICAS, &postgres.create_migrated_database("keyward").await).await;
    scene.passes("before", &scene.demands(1)).await;
    let (begin, mut total, mut rounds) = (Instant::now(), Report::default(), 0);
    while begin.elapsed() < lasts {
        rounds += 1;
        let plan = Plan::draw(&mut dice);
        println!("round {rounds}: {plan:?}");
        total.add(play(&scene, &mut postgres, &plan).await);
    }
    println!("seed {seed}, {rounds} rounds: {total}");
}

async fn play(scene: &Scene, postgres: &mut PrivateCluster, plan: &Plan) -> Report {
    let keys: [_; KEYS_A_ROUND] = scene.live_keys().await;
    let revokes = join_all(keys.iter().zip(&plan.revokes).map(|(key, (after, via))| async move {
        tokio::time::sleep(*after).await;
        revoke_through(scene, key, *via).await
    }));
    let faults =
        join_all(plan.faults.iter().map(|(replica, fault, span)| suffer(&scene.members[*replica], *fault, *span)));
    let ((), (), revoked) = tokio::join!(async { drop(faults.await) }, be_away(postgres, plan.outage), revokes);
    scene.settles().await;
    for (key, revoked) in keys.iter().zip(revoked) {
        if revoked {
            join_all(scene.ask_all(key).await).await;
        } else {
            scene.revoke_at_last(key, 0).await;
        }
    }
    let everybody: Vec<_> = (0..REPLICAS).collect();
    let demands = Demands {
        // Through a replica that is stopped meanwhile, or without a database, it takes that much longer.
        revoke_within: scene.demands(0).revoke_within + Duration::from_millis(ROUND_MS) + LEASE,
        may_be_unavailable: everybody.clone(),
        may_be_silent: everybody,
        ..scene.demands(KEYS_A_ROUND)
    };
    scene.passes("passed", &demands).await
}

/// Tries once, and asks everybody at once if that succeeds. A replica that is dead is not asked.
async fn revoke_through(scene: &Scene, key: &LiveKey, via: usize) -> bool {
    let lives = scene.members[via].address().borrow().is_some();
    let revoked = lives && scene.revoke_only(key, via).await.log.succeeded();
    if revoked {
        join_all(scene.ask_all(key).await).await;
    }
    revoked
}

async fn suffer(member: &Member, fault: Fault, (after, lasts): Span) {
    tokio::time::sleep(after).await;
    match fault {
        Fault::None => {}
        Fault::Partition => member.partition(),
        Fault::Mute => member.main.hold(),
        Fault::Deaf => member.listening.hold(),
        Fault::Late => {
            member.main.delay(Duration::from_millis(50));
            member.listening.delay(Duration::from_millis(400));
        }
        Fault::Reset => return reset_again_and_again(member, lasts).await,
        Fault::Forgotten => member.forget(),
        Fault::Pause => member.pause(),
        Fault::Kill => member.kill(),
    }
    tokio::time::sleep(lasts).await;
    match fault {
        Fault::Pause => member.resume(),
        Fault::Kill => member.restart().await,
        _ => member.mend(),
    }
}

async fn reset_again_and_again(member: &Member, lasts: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < lasts {
        member.cut();
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
}

async fn be_away(postgres: &mut PrivateCluster, (outage, (after, lasts)): (Outage, Span)) {
    tokio::time::sleep(after).await;
    match outage {
        Outage::None => {}
        Outage::Restart => postgres.restart().await,
        Outage::Crash => {
            postgres.kill9();
            tokio::time::sleep(lasts).await;
            postgres.restart().await;
        }
        Outage::Pause => {
            postgres.pause();
            tokio::time::sleep(lasts).await;
            postgres.resume();
        }
    }
}
