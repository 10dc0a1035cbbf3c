//! Lists, read page by page.

use keyward::domain::{
    listing::{Listed, Page},
    ports::StoreError,
};

/// The number of rows per read from the database.
const PAGE: u32 = 500;

/// Hands on up to `limit` items, a page at a time, and returns how many there were.
pub(in crate::cli) async fn each_page<T>(
    limit: u32,
    read: impl AsyncFn(&Page) -> Result<Listed<T>, StoreError>,
    mut take: impl FnMut(Vec<T>) -> anyhow::Result<()>,
) -> anyhow::Result<usize> {
    let mut left = limit;
    let mut page = Page { after: None, limit: limit.min(PAGE) };
    loop {
        let listed = read(&page).await?;
        left = left.saturating_sub(u32::try_from(listed.items.len())?);
        take(listed.items)?;
        if listed.next.is_none() || left == 0 {
            return Ok((limit - left) as usize);
        }
        page = Page { after: listed.next, limit: left.min(PAGE) };
    }
}

/// Up to `limit` items.
pub(in crate::cli) async fn first<T>(
    limit: u32,
    read: impl AsyncFn(&Page) -> Result<Listed<T>, StoreError>,
) -> anyhow::Result<Vec<T>> {
    let mut items = Vec::new();
    each_page(limit, read, |page| {
        items.extend(page);
        Ok(())
    })
    .await?;
    Ok(items)
}
