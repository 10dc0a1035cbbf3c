//! The clients of herd.sh: many keys that a replica has forgotten come at once, beside a key that it knows and
//! somebody who asks after its health.
//!
//!   herd make ADDRESS TOKENS COUNT      makes keys, one a line, by the bearers of the tokens in this file; tells how many a
//!                                       second
//!   herd come ADDRESS FILE CONNECTIONS  lets them come; the first of them is the one that is known
//!
//! ADDRESS is such as 127.0.0.1:3000.

use std::{
    env, fs, io,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use load_programs::client::{Client, get};

/// Between two requests of those whose wait is measured: enough of them for a p99, too few to be a load.
const PAUSE: Duration = Duration::from_millis(2);
/// How long they are measured without the herd.
const ALONE: Duration = Duration::from_secs(10);
/// Keys that are asked for one by one, which tells what a hash takes.
const ONE_BY_ONE: usize = 50;

fn main() -> io::Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["make", address, tokens, count] => make(address, &fs::read_to_string(tokens)?, number(count)?),
        ["come", address, file, connections] => come(address, &fs::read_to_string(file)?, number(connections)?),
        _ => Err(io::Error::other("herd make ADDRESS TOKENS COUNT, or herd come ADDRESS FILE CONNECTIONS")),
    }
}

fn number(word: &str) -> io::Result<usize> {
    word.parse().map_err(io::Error::other)
}

fn make(address: &str, tokens: &str, count: usize) -> io::Result<()> {
    let tokens: Vec<&str> = tokens.lines().collect();
    let (begin, left, maker) = (Instant::now(), AtomicUsize::new(count), AtomicUsize::new(0));
    let take = || left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok();
    together(tokens.len(), || {
        let token = tokens[maker.fetch_add(1, Relaxed)];
        let request = format!("POST /api/create-api-key HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n");
        let mut client = Client::connect(address)?;
        while take() {
            let (status, answer) = client.ask(&request)?;
            let key = answer.split('"').nth(3).filter(|_| status == 201);
            println!("{}", key.ok_or_else(|| io::Error::other(format!("no key: {answer}")))?);
        }
        Ok(())
    })?;
    let rate = count as f64 / begin.elapsed().as_secs_f64();
    eprintln!("{count} keys of {} owners created, {rate:.0} a second", tokens.len());
    Ok(())
}

fn come(address: &str, keys: &str, connections: usize) -> io::Result<()> {
    let requests: Vec<String> = keys.lines().map(|key| get("/api/protected-resource", key)).collect();
    let (hot, rest) = requests.split_first().ok_or_else(|| io::Error::other("no keys"))?;
    let (one_by_one, herd) = rest.split_at_checked(ONE_BY_ONE).ok_or_else(|| io::Error::other("too few keys"))?;
    let health = get("/healthz", "none");

    Client::connect(address)?.ask(hot)?;
    let (alone, ()) = beside(address, hot, &health, || {
        thread::sleep(ALONE);
        Ok(())
    })?;
    let first_check = one_by_one.iter().map(|request| first_time(address, request)).collect::<io::Result<Vec<_>>>()?;
    let begin = Instant::now();
    let (amid, (waits, refused)) = beside(address, hot, &health, || run_herd(address, herd, connections))?;
    let took = begin.elapsed();

    println!("{:<34} {:>8} {:>8} {:>8}", "microseconds", "p50", "p99", "most");
    let names = [
        "a known key, alone",
        "a known key, beside the herd",
        "/healthz, alone",
        "/healthz, beside the herd",
        "a key of the herd, its first check",
    ];
    for (name, micros) in names.into_iter().zip([&alone.0, &amid.0, &alone.1, &amid.1, &waits]) {
        println!("{name:<34} {:>8} {:>8} {:>8}", part(micros, 0.5), part(micros, 0.99), part(micros, 1.0));
    }
    println!("a first check on its own: {:.1} ms (median)", part(&first_check, 0.5) as f64 / 1000.0);
    println!("{} keys warm after {:.2} s, {refused} answers of 503 on the way", herd.len(), took.as_secs_f64());
    Ok(())
}

fn first_time(address: &str, request: &str) -> io::Result<u64> {
    timed(&mut Client::connect(address)?, request)
}

/// Presents each key until it is accepted: how long each answer took, and how many were refusals.
fn run_herd(address: &str, herd: &[String], connections: usize) -> io::Result<(Waits, usize)> {
    let (next, refused, waits) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(Waits::new()));
    together(connections, || {
        let (mut client, mut own) = (Client::connect(address)?, Waits::new());
        while let Some(request) = herd.get(next.fetch_add(1, Relaxed)) {
            loop {
                let begin = Instant::now();
                let (status, _) = client.ask(request)?;
                own.push(begin.elapsed().as_micros() as u64);
                if status == 200 {
                    break;
                }
                refused.fetch_add(1, Relaxed);
            }
        }
        waits.lock().map_err(|_| io::Error::other("a client has panicked"))?.extend(own);
        Ok(())
    })?;
    let waits = waits.into_inner().map_err(|_| io::Error::other("a client has panicked"))?;
    Ok((waits, refused.into_inner()))
}

type Waits = Vec<u64>;

/// How long a known key and a question after the health wait while `work` is done.
fn beside<T>(
    address: &str,
    hot: &str,
    health: &str,
    work: impl FnOnce() -> io::Result<T>,
) -> io::Result<((Waits, Waits), T)> {
    let done = &AtomicBool::new(false);
    let probe = |request: &str| -> io::Result<Waits> {
        let (mut client, mut waits) = (Client::connect(address)?, Vec::new());
        while !done.load(Relaxed) {
            waits.push(timed(&mut client, request)?);
            thread::sleep(PAUSE);
        }
        waits.sort_unstable();
        Ok(waits)
    };
    thread::scope(|scope| {
        let probes = [hot, health].map(|request| scope.spawn(move || probe(request)));
        let outcome = work();
        done.store(true, Relaxed);
        let [hot, health] = probes.map(|probe| probe.join().expect("a probe does not panic"));
        Ok(((hot?, health?), outcome?))
    })
}

/// Microseconds until a 200.
fn timed(client: &mut Client, request: &str) -> io::Result<u64> {
    let begin = Instant::now();
    match client.ask(request)? {
        (200, _) => Ok(begin.elapsed().as_micros() as u64),
        (status, answer) => Err(io::Error::other(format!("{status}: {answer}"))),
    }
}

fn part(sorted_or_not: &[u64], part: f64) -> u64 {
    let mut sorted = sorted_or_not.to_vec();
    sorted.sort_unstable();
    sorted[((sorted.len() - 1) as f64 * part) as usize]
}

fn together(threads: usize, work: impl Fn() -> io::Result<()> + Sync) -> io::Result<()> {
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(&work)).collect();
        running.into_iter().try_for_each(|thread| thread.join().expect("a client does not panic"))
    })
}
