//! actix-http's way to read requests.

use actix_http::{ServiceConfig, h1::Codec};
use tokio::{runtime::Builder, task::LocalSet};

thread_local! {
    /// It has a clock, which wants a runtime, though it is not asked for the time.
    static CONFIG: ServiceConfig = {
        let runtime = Box::leak(Box::new(Builder::new_current_thread().enable_time().build().expect("a runtime")));
        let tasks = Box::leak(Box::new(LocalSet::new()));
        runtime.block_on(tasks.run_until(async { ServiceConfig::default() }))
    };
}

/// A new one, for what one connection brings.
pub fn codec() -> Codec {
    CONFIG.with(|config| Codec::new(config.clone()))
}
