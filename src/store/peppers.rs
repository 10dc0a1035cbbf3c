//! The pepper that new keys are made with, as the database remembers it by its fingerprint.

use super::{OpenError, Statement, Store};
use crate::domain::{
    api_key::PepperFingerprint,
    ports::{StoreError, health::Health},
};

/// Whether keys may be made and checked with some peppers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PepperFit {
    /// The database's pepper is one of them, or it has none yet.
    Fits,
    /// The database's pepper is another one: these are all refused.
    Differs(PepperFingerprint),
}

impl PepperFit {
    /// What to do, if it is another one than these.
    ///
    /// # Errors
    /// [`OpenError::OtherPepper`].
    pub fn demand(self, configured: &[PepperFingerprint]) -> Result<(), OpenError> {
        match self {
            Self::Fits => Ok(()),
            Self::Differs(expected) => {
                let configured: Vec<String> = configured.iter().map(ToString::to_string).collect();
                Err(OpenError::OtherPepper { expected: expected.to_string(), configured: configured.join(", ") })
            }
        }
    }
}

impl Store {
    /// The pepper that new keys were last made with. `None` if none was noted yet.
    ///
    /// # Errors
    /// [`StoreError`] if the database could not answer.
    pub async fn pepper(&self) -> Result<Option<PepperFingerprint>, StoreError> {
        let work = async {
            let mut connection = self.requests.acquire().await?;
            let query = sqlx::query_scalar!("SELECT fingerprint FROM key_pepper");
            let found = query.fetch_optional(&mut *connection).await?;
            // Now, and not soon: there may be no other connection.
            connection.finish().await?;
            Ok(found.and_then(|bytes| PepperFingerprint::from_bytes(&bytes)))
        };
        self.within_deadline(Statement::ReadPepper, work).await
    }

    /// Whether these peppers fit the keys in the database, for somebody who makes none.
    ///
    /// # Errors
    /// [`StoreError`] if the database could not answer.
    pub async fn fits_peppers(&self, peppers: &[PepperFingerprint]) -> Result<PepperFit, StoreError> {
        Ok(match self.pepper().await? {
            Some(expected) if !peppers.contains(&expected) => PepperFit::Differs(expected),
            _ => PepperFit::Fits,
        })
    }

    /// The same for somebody who makes keys with the first of these peppers, which is noted. Writes nothing if it was
    /// noted before, so that a replica also starts while nothing can be written.
    ///
    /// # Errors
    /// [`StoreError`] if the database could not answer.
    pub async fn claim_pepper(&self, peppers: &[PepperFingerprint]) -> Result<PepperFit, StoreError> {
        let noted = self.pepper().await?;
        let is_to_note =
            |first: &&PepperFingerprint| noted.is_none_or(|noted| noted != **first && peppers.contains(&noted));
        if let Some(first) = peppers.first().filter(is_to_note) {
            let known: Vec<Vec<u8>> = peppers.iter().map(|pepper| pepper.as_bytes().to_vec()).collect();
            let note = sqlx::query!(
                "INSERT INTO key_pepper (fingerprint) VALUES ($1)
                 ON CONFLICT (is_the_row) DO UPDATE SET fingerprint = excluded.fingerprint, since = clock_timestamp()
                 WHERE key_pepper.fingerprint = ANY($2)",
                first.as_bytes(),
                &known,
            );
            self.execute(Statement::ClaimPepper, note).await?;
        }
        // Somebody else may have been first.
        self.fits_peppers(peppers).await
    }

    /// Forgets the pepper that new keys were made with, because it is lost: the next start notes its own. Returns
    /// whether it was this one, as people write it.
    ///
    /// # Errors
    /// [`StoreError`] if the database could not answer.
    pub async fn forget_pepper(&self, shown: &str) -> Result<bool, StoreError> {
        let Some(pepper) = self.pepper().await?.filter(|pepper| pepper.to_string() == shown) else { return Ok(false) };
        let query = sqlx::query!("DELETE FROM key_pepper WHERE fingerprint = $1", pepper.as_bytes());
        self.execute(Statement::ForgetPepper, query).await?;
        // Somebody else may have been faster, and may have waited for the standby in vain.
        self.is_ready().await?;
        Ok(true)
    }
}
