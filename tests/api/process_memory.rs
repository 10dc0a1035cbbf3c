//! What of a running process others could get hold of, and how much memory it keeps.
#![cfg(target_os = "linux")]

use std::{
    fs,
    os::unix::{
        fs::{FileExt, MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    process::{Command, Stdio},
    sync::Arc,
};

use serde_json::json;
use test_support::{
    actors::Person,
    asking::{Reply, pairs, replica, replica_with},
    database, eventually,
    filling::long_events,
    program::Folder,
    replica::{Output, Replica, command},
};

/// `keyward serve` that waits for its database, as somebody who is not root, for root's processes look the same to the
/// system whether they can be dumped or not; with as large core dumps as the system allows.
struct Serving {
    process: std::process::Child,
    output: Arc<Output>,
}

impl Serving {
    async fn start(env: &[(&str, &str)]) -> Self {
        let serve = command();
        let mut shell = Command::new("sh");
        shell.env_clear().envs(serve.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.args(["-c", "ulimit -S -c unlimited; cd /tmp; exec \"$0\" serve"]).arg(serve.get_program());
        shell.env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none").env("KEYWARD__DATABASE__CONNECT_TIMEOUT", "1m");
        shell.envs(env.iter().copied());
        if is_root() {
            shell.uid(65534).gid(65534);
        }
        let mut process = shell.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("keyward starts");
        let output = Output::collect(&mut process);
        output.line_with("waiting for the database").await;
        Self { process, output }
    }

    /// Whose the kernel says that the process is: root's, where it cannot be dumped (proc(5)).
    fn owner(&self) -> u32 {
        fs::metadata(format!("/proc/{}/status", self.process.id())).expect("a process").uid()
    }

    /// The soft and the hard limit of core dumps.
    fn core_limits(&self) -> String {
        let limits = fs::read_to_string(format!("/proc/{}/limits", self.process.id())).expect("its limits");
        let line = limits.lines().find(|line| line.starts_with("Max core file size")).expect("one of core dumps");
        line.split_whitespace().skip(4).take(2).collect::<Vec<_>>().join(" ")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").expect("this process").uid() == 0
}

#[tokio::test]
async fn no_core_dump_of_a_server_is_written_and_nobody_of_its_user_reads_its_memory() {
    let serving = Serving::start(&[]).await;
    assert_eq!((serving.owner(), serving.core_limits().as_str()), (0, "0 0"), "{}", serving.output.text());
}

#[tokio::test]
async fn who_asks_for_core_dumps_gets_them() {
    let serving = Serving::start(&[("KEYWARD__PROCESS__CORE_DUMPS", "true")]).await;
    assert_ne!(serving.owner(), 0);
    assert!(!serving.core_limits().starts_with("0 "), "{}", serving.core_limits());
    assert!(serving.output.text().contains("process.core_dumps"), "{}", serving.output.text());
}

/// Whether `text` stands anywhere in the memory of a process.
fn memory_holds(pid: u32, text: &str) -> bool {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("its map");
    let memory = fs::File::open(format!("/proc/{pid}/mem")).expect("its memory");
    maps.lines().any(|line| {
        let mut words = line.split_whitespace();
        let (range, rights) = (words.next().expect("a range"), words.next().expect("rights"));
        let (begin, end) = range.split_once('-').expect("from and to");
        let (begin, end) = (u64::from_str_radix(begin, 16), u64::from_str_radix(end, 16));
        let (begin, end) = (begin.expect("an address"), end.expect("an address"));
        // Rooms that nobody has entered are huge, and empty.
        if !rights.starts_with("rw") || end - begin > 1 << 30 {
            return false;
        }
        let mut bytes = vec![0; (end - begin) as usize];
        memory.read_exact_at(&mut bytes, begin).is_ok()
            && bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

/// What is derived from it does the work; the text itself is of no more use.
#[tokio::test]
async fn the_text_of_a_pepper_from_a_file_is_gone_once_the_server_runs() {
    if !is_root() {
        return; // nobody else may look
    }
    const PEPPER: &str = "Qm4rT8wZ1xVb6NcK3jHg9LdF2sPy7AeU-read-from-a-file";
    let (folder, database) = (Folder::new(), database().await);
    let pepper = folder.file("pepper", &format!("{PEPPER}\nan-older-one-k7Bq2XvN9tRw4ZyM1sLc8HdJ5fGp3QaE\n"));
    let env = [("KEYWARD__KEYS__PEPPERS", ""), ("KEYWARD__KEYS__PEPPERS_FILE", &*pepper)];
    let replica = Replica::start_on(database.url(), &env).await;
    Person::named("alice").makes_a_key(&replica).await;
    // One that is still needed, to see that this looks at the right place.
    assert!(memory_holds(replica.pid(), test_support::replica::JWT_SECRET));
    assert!(!memory_holds(replica.pid(), PEPPER), "the pepper can be read in the memory of a running server");
}

#[tokio::test]
async fn secret_files_that_everybody_may_read_are_named_at_start() {
    let folder = Folder::new();
    let [open, group, own] = [0o644, 0o640, 0o600].map(|mode| {
        let file = folder.file(&format!("pepper-{mode:o}"), "Qm4rT8wZ1xVb6NcK3jHg9LdF2sPy7AeU-a-pepper\n");
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("permissions");
        file
    });
    let with = async |file: &str| {
        let env = [("KEYWARD__KEYS__PEPPERS", ""), ("KEYWARD__KEYS__PEPPERS_FILE", file)];
        let replica = replica_with(&env).await;
        replica.prints("Server running on port ").await;
        replica.output()
    };
    let told = with(&open).await;
    assert!(told.contains("keys.peppers_file") && told.contains("everybody may read"), "{told}");
    for file in [&group, &own] {
        let told = with(file).await;
        assert!(!told.contains("everybody may read"), "{told}");
    }
}

/// Resident memory in MiB.
fn resident(replica: &Replica) -> u64 {
    memory(replica, "VmRSS:")
}

/// The most resident memory until now, in MiB.
fn peak(replica: &Replica) -> u64 {
    memory(replica, "VmHWM:")
}

fn memory(replica: &Replica, which: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", replica.pid())).expect("its status");
    let line = status.lines().find(|line| line.starts_with(which)).expect("its memory");
    let kib: u64 = line.split_whitespace().nth(1).expect("a number").parse().expect("a number");
    kib / 1024
}

async fn row_asks_for(replica: &Replica, parameters: &str) {
    let rows = replica.database().superuser_pool().await;
    let update = "UPDATE api_keys SET secret_hash = regexp_replace(secret_hash, 'm=[^$]*', $1)";
    sqlx::query(update).bind(parameters).execute(&rows).await.expect("a row that asks for more");
}

#[tokio::test]
async fn a_row_that_asks_for_far_more_memory_than_any_of_ours_gets_none_of_it() {
    let replica = replica().await;
    let key = Person::named("alice").creates(&replica, json!({})).await;
    for greedy in ["m=1048576,t=1,p=1", "m=262144,t=1,p=1", "m=1024,t=100,p=1", "m=65536,t=1,p=200"] {
        row_asks_for(&replica, greedy).await;
        assert_eq!(key.status(&replica).await, 503, "{greedy}");
        assert!(resident(&replica) < 200, "{greedy}: {} MiB", resident(&replica));
    }
    replica.prints("the stored hash cannot be used").await;
}

#[tokio::test]
async fn the_memory_of_an_unusual_row_is_given_back() {
    let two = ("KEYWARD__HASHING__CONCURRENCY", "2");
    let replica = replica_with(&[two]).await;
    let alice = Person::named("alice");
    let keys = [alice.creates(&replica, json!({})).await, alice.creates(&replica, json!({})).await];
    row_asks_for(&replica, "m=65536,t=1,p=1").await;
    // To one that has proven none of them before, each costs a hash each time: another one than the row has.
    let other = Replica::start_on(replica.database().url(), &[two]).await;
    let usual = resident(&other);
    for _ in 0..3 {
        let asked = keys.iter().map(|key| key.status(&other));
        assert_eq!(futures_util::future::join_all(asked).await, [401, 401]);
    }
    eventually("the memory is given back", async || resident(&other) < usual + 48).await;
}

/// The most that requests under way may use, in MiB: less than what docs/configuration.md says of the whole program.
const UNDER_WAY: u64 = 40;

#[tokio::test]
async fn an_owner_who_reads_a_thousand_changes_of_long_metadata_uses_little_memory() {
    let patient = [("KEYWARD__DATABASE__STATEMENT_TIMEOUT", "20s")];
    let (replica, alice) = (replica_with(&patient).await, Person::named("alice"));
    alice.creates(&replica, json!({})).await;
    long_events(replica.database(), 1_000).await;
    let read = |path: &'static str| async {
        let answer = alice.gets(&replica, path).await;
        assert!(matches!(answer.status, 200 | 429), "{}: {}", answer.status, answer.text);
    };
    read("/v1/audit?limit=1").await;
    let before = peak(&replica);
    for path in ["/v1/audit?format=csv", "/v1/audit?format=ndjson", "/v1/audit?limit=100", "/v1/audit?format=csv"] {
        futures_util::future::join_all((0..4).map(|_| read(path))).await;
    }
    assert!(peak(&replica) < before + UNDER_WAY, "{} MiB, and {before} before", peak(&replica));
}

#[tokio::test]
async fn changes_that_wait_for_the_database_hold_little_more_than_their_bodies() {
    let patient = [("KEYWARD__DATABASE__ACQUIRE_TIMEOUT", "20s"), ("KEYWARD__DATABASE__STATEMENT_TIMEOUT", "20s")];
    let (replica, alice) = (replica_with(&patient).await, Person::named("alice"));
    let key = alice.creates(&replica, json!({})).await;
    let long = json!({ "metadata": { "a": vec![json!({ "": 1 }); 8_000] } });
    let again = json!({ "metadata": long["metadata"], "createdAt": key.body["createdAt"] });
    let bodies = [long.to_string(), again.to_string()];
    let path = key.path();
    let change = |at: usize| {
        let request = alice.request(&replica, reqwest::Method::PATCH, &path).header("content-type", "application/json");
        Reply::to(request.body(bodies[at % 2].clone()))
    };
    change(0).await.is(422);
    let before = peak(&replica);
    let rows = replica.database().superuser_pool().await;
    let mut lock = rows.begin().await.expect("a transaction");
    sqlx::query("LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.expect("a lock");
    let changes = futures_util::future::join_all((0..60).map(change));
    let unlock = async {
        // So long that all of them are read.
        tokio::time::sleep(std::time::Duration::from_secs(8)).await;
        lock.rollback().await.expect("unlocked");
    };
    let (answers, ()) = futures_util::future::join(changes, unlock).await;
    for answer in answers {
        assert_eq!(answer.wrong_fields(), pairs(&[("/metadata", "invalid")]));
    }
    assert!(peak(&replica) < before + 2 * UNDER_WAY, "{} MiB, and {before} before", peak(&replica));
}
