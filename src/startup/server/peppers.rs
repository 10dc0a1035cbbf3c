//! Whether this replica has the pepper that the keys in the database are made with. Without it, a replica would answer
//! 401 to every key, and look healthy.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;

use crate::{
    domain::{
        api_key::PepperFingerprint,
        ports::{StoreError, health::Health},
    },
    store::{OpenError, Store},
    telemetry::outage::Trouble,
};

/// The configured peppers, and whether the database knows them.
pub(super) struct Peppers {
    store: Arc<Store>,
    configured: Vec<PepperFingerprint>,
    fit: AtomicBool,
    trouble: Trouble,
}

impl Peppers {
    pub(super) fn new(store: Arc<Store>, configured: Vec<PepperFingerprint>) -> Self {
        Self { store, configured, fit: AtomicBool::new(false), trouble: Trouble::default() }
    }

    /// Notes the pepper that new keys get, once.
    ///
    /// # Errors
    /// [`OpenError::OtherPepper`], and failures that heal.
    pub(super) async fn claim(&self) -> Result<(), OpenError> {
        if !self.fit.load(Ordering::Relaxed) {
            self.store.claim_pepper(&self.configured).await?.demand(&self.configured)?;
            self.fit.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// The database's health, and whether this replica fits it. A replica that has started on an older schema finds out
/// here.
#[async_trait]
impl Health for Peppers {
    async fn is_ready(&self) -> Result<bool, StoreError> {
        if !self.store.is_ready().await? {
            return Ok(false);
        }
        match self.claim().await {
            Ok(()) => Ok(true),
            Err(error) if error.heals() => Err(StoreError::Unavailable(error.to_string())),
            Err(error) => {
                self.trouble.tell(&error, |repeated| {
                    tracing::error!(%error, repeated, "not ready, because new keys in the database have another pepper");
                });
                Ok(false)
            }
        }
    }
}
