//! `keyward usage`: the same on the command line, and drawn.

use serde_json::Value;
use test_support::{
    actors::Person,
    asking::replica,
    program::{Ended, run_beside},
    replica::{Replica, command},
    shown,
};

use crate::{api::used_keys, usage_of};

async fn usage(replica: &Replica, arguments: &[&str]) -> Ended {
    let mut keyward = command();
    keyward.arg("usage").args(arguments).env("DATABASE_URL", replica.database().url());
    run_beside(keyward).await
}

const FROM: [&str; 4] = ["--from", "2025-12-31T22:30:00Z", "--to", "2026-01-01T00:00:01Z"];

#[tokio::test]
async fn usage_is_drawn_with_its_sums() {
    let replica = replica().await;
    let [key, ..] = used_keys(&replica).await;
    let drawn = usage(&replica, &[&[&*key.id, "--granularity", "hour"], &FROM[..]].concat()).await.succeeded();
    let bar = "█".repeat(27);
    assert_eq!(
        drawn,
        format!(
            "2025-12-31 22:00Z  10  2  {bar}░░░░░░\n\
             2025-12-31 23:00Z   0  0\n\
             2026-01-01 00:00Z   1  0  ███\n\
             \n\
             From 2025-12-31T22:00:00.000Z to 2026-01-01T01:00:00.000Z: █ 11 granted, ░ 2 refused\n  2 rate_limited\n"
        )
    );
    let now = usage(&replica, &[&*key.id]).await.succeeded();
    let last = now.lines().last().unwrap_or_default();
    assert!(last.starts_with("As of 2") && last.ends_with("uses of the last minute may be missing"), "{now}");
    let days = usage(&replica, &[&["--subject", "alice"], &FROM[..]].concat()).await.succeeded();
    assert!(days.starts_with("2025-12-31  10  2  ") && days.contains("\n2026-01-01   6  1  "), "{days}");
    let months = usage(&replica, &[&["--granularity", "month"], &FROM[..]].concat()).await.succeeded();
    assert!(months.contains("\n2026-01  106  1  ") && months.contains("█ 116 granted, ░ 3 refused"), "{months}");
    let groups = usage(&replica, &[&["--group-by", "owner"], &FROM[..]].concat()).await.succeeded();
    let names: Vec<&str> = groups.lines().take(2).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["bob", "alice"], "{groups}");
    let groups = usage(&replica, &[&["--group-by", "plan"], &FROM[..]].concat()).await.succeeded();
    assert!(groups.starts_with("-  116  3  "), "{groups}");
    let of_nobody = usage(&replica, &[&["--plan", "pro"], &FROM[..]].concat()).await.succeeded();
    assert!(of_nobody.contains("█ 0 granted"), "{of_nobody}");
}

#[tokio::test]
async fn usage_is_printed_as_the_api_tells_it() {
    let (replica, alice) = (replica().await, Person::named("alice"));
    let [key, ..] = used_keys(&replica).await;
    let query = "?granularity=hour&from=2025-12-31T22:30:00Z&to=2026-01-01T00:00:01Z";
    let options = [&[&*key.id, "--granularity", "hour"], &FROM[..]].concat();
    let printed = usage(&replica, &[&options[..], &["--json"]].concat()).await.succeeded();
    let mut printed: Value = serde_json::from_str(&printed).expect("JSON");
    let mut told = usage_of(&replica, &alice, &key, query).await;
    assert!(printed["asOf"].take().is_string() && told["asOf"].take().is_string());
    shown::same_json(&printed, &told, "");
    let csv = usage(&replica, &[&options[..], &["--csv"]].concat()).await.succeeded();
    assert_eq!(csv, alice.gets(&replica, &format!("{}/usage{query}&format=csv", key.path())).await.text);
}

#[tokio::test]
async fn every_example_of_its_help_is_answered() {
    let replica = replica().await;
    let [key, ..] = used_keys(&replica).await;
    let help = usage(&replica, &["--help"]).await.succeeded();
    let (_, examples) = help.split_once("Examples:\n").expect("examples");
    let examples: Vec<_> = examples.lines().filter_map(|line| line.trim().strip_prefix("keyward usage ")).collect();
    assert!(examples.len() > 5, "{help}");
    for example in examples {
        let words = example.split(" > ").next().unwrap_or_default().split_whitespace();
        let words: Vec<&str> = words.map(|word| if word.len() == 22 { &*key.id } else { word }).collect();
        usage(&replica, &words).await.succeeded();
    }
    // What looks at every key is as long as it may be, and a time that is as long may begin within a day.
    for (options, days) in [(&["--plan", "pro"][..], 7), (&["--plan", "pro", "--from", "7d"], 8)] {
        let drawn = usage(&replica, options).await.succeeded();
        assert_eq!(drawn.split("\n\n").next().map(|bars| bars.lines().count()), Some(days), "{drawn}");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let replica = replica().await;
    let unknown = "0".repeat(22);
    assert!(usage(&replica, &[&unknown]).await.failed().contains("there is no key"));
    for (options, told) in [
        (&["--from", "1d", "--to", "2d"][..], "must be later than from"),
        (&["--from", "1000d", "--granularity", "hour"], "more than 1000 intervals"),
        (&["--group-by", "key", "--from", "9d"], "at most 7 days"),
        (&["--plan", "pro", "--from", "30d"], "at most 7 days"),
        (&["--plan", "pro", "--granularity", "month"], "never over months"),
        (&["--granularity", "week"], "hour, day, month"),
        (&[&unknown, "--subject", "alice"], "cannot be used with"),
    ] {
        let ended = usage(&replica, options).await;
        assert!(ended.code == Some(2) && ended.stderr.contains(told), "{ended:?}");
    }
}
