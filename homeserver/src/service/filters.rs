//! Filters that clients store to name them in `/sync`.

use ruma::api::client::filter::FilterDefinition;

use crate::{
    error::{Error, Result},
    storage::{Store, UserNid, filters},
};

/// The largest filter that is stored, as JSON.
const LARGEST: usize = 64 * 1024;

pub struct Filters {
    store: Store,
}

impl Filters {
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Stores a filter and returns its id; the same one again has the same id.
    pub async fn create(&self, user_nid: UserNid, filter: &FilterDefinition) -> Result<String> {
        let json =
            serde_json::to_string(filter).map_err(|e| Error::internal(format!("filter: {e}")))?;
        if json.len() > LARGEST {
            return Err(Error::invalid_param("The filter is too large"));
        }
        let id = self.store.write(move |tx| filters::insert(tx, user_nid, &json)).await?;
        Ok(id.to_string())
    }

    /// A stored filter, or 404.
    pub async fn find(&self, user_nid: UserNid, filter_id: &str) -> Result<FilterDefinition> {
        let unknown = || Error::not_found("There is no such filter");
        let filter_id: i64 = filter_id.parse().map_err(|_| unknown())?;
        let json = self
            .store
            .read(move |conn| filters::find(conn, user_nid, filter_id))
            .await?
            .ok_or_else(unknown)?;
        serde_json::from_str(&json).map_err(|e| Error::internal(format!("stored filter: {e}")))
    }
}
