//! What the system knows of this process, under the names that all programs use for it. Only on Linux, where it is in
//! `/proc`.

use std::{
    fs,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use rustix::{
    param::{clock_ticks_per_second, page_size},
    process::{Resource, getrlimit},
    time::{ClockId, clock_gettime},
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
        text.single(&START_TIME, *STARTED.get_or_init(|| booted_at() + start_ticks as f64 / ticks));
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

/// Seconds since 1970. Computed once, so that the clocks' differences are not taken for a restart.
static STARTED: OnceLock<f64> = OnceLock::new();

/// Seconds since 1970. By the clocks, because a process may be denied `/proc/stat` (`ProcSubset=pid` of systemd).
fn booted_at() -> f64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let up = clock_gettime(ClockId::Boottime);
    let up = Duration::new(up.tv_sec.unsigned_abs(), up.tv_nsec.unsigned_abs() as u32);
    now.saturating_sub(up).as_secs_f64()
}
