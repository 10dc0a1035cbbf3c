//! What pages for people show.

use async_trait::async_trait;

use super::{Statement, Store};
use crate::domain::{
    ledger::Reach,
    plan::PlanName,
    ports::{StoreError, reports::PageReports},
};

#[async_trait]
impl PageReports for Store {
    async fn owners_on(&self, plans: &[PlanName], most: u32) -> Result<Vec<u32>, StoreError> {
        let names: Vec<String> = plans.iter().map(|plan| plan.as_str().to_owned()).collect();
        let work = async {
            let mut seat = self.to_read(&Reach::Any).await?;
            let query = sqlx::query_scalar!(
                r#"SELECT (SELECT count(*) FROM (SELECT FROM owner_plans WHERE plan = named.name LIMIT $2) AS counted) AS "count!"
                   FROM unnest($1::text[]) WITH ORDINALITY AS named (name, place) ORDER BY place"#,
                &names,
                i64::from(most),
            );
            Ok(query.fetch_all(&mut *seat.connection).await?)
        };
        let counts = self.within_deadline(Statement::CountPlanOwners, work).await?;
        Ok(counts.into_iter().map(|count| u32::try_from(count).unwrap_or_default()).collect())
    }
}
