//! What the system knows of this process, under the names that all programs use for it. Only on Linux, where it is in
//! `/proc`.

use std::fs;

use rustix::{
    param::{clock_ticks_per_second, page_size},
    process::{Resource, getrlimit},
};

use super::{
    exposition::Exposition,
    table::{CPU_SECONDS, MAX_FDS, OPEN_FDS, RESIDENT_BYTES, START_TIME, VIRTUAL_BYTES},
};

/// Adds the metrics of the process. What can't be read is left out.
pub fn write(text: &mut Exposition) {
    if let Some(Stat { cpu_ticks, start_ticks, virtual_bytes, resident_pages }) = stat() {
        let ticks = clock_ticks_per_second() as f64;
        text.single(&CPU_SECONDS, cpu_ticks as f64 / ticks);
        text.single(&VIRTUAL_BYTES, virtual_bytes);
        text.single(&RESIDENT_BYTES, resident_pages * page_size() as u64);
        if let Some(booted) = booted_at() {
            text.single(&START_TIME, booted as f64 + start_ticks as f64 / ticks);
        }
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // One of them is the folder itself.
        text.single(&OPEN_FDS, open.count().saturating_sub(1));
    }
    if let Some(limit) = getrlimit(Resource::Nofile).current {
        text.single(&MAX_FDS, limit);
    }
}

struct Stat {
    cpu_ticks: u64,
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

fn stat() -> Option<Stat> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the name in parentheses, which may hold anything. The third is the first after it.
    let (_, fields) = text.rsplit_once(") ")?;
    let field = |number: usize| fields.split(' ').nth(number - 3)?.trim().parse::<u64>().ok();
    Some(Stat {
        cpu_ticks: field(14)? + field(15)?,
        start_ticks: field(22)?,
        virtual_bytes: field(23)?,
        resident_pages: field(24)?,
    })
}

/// Seconds since 1970.
fn booted_at() -> Option<u64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}
