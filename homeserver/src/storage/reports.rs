//! What users have reported to the administrators.

use diesel::{dsl::max, prelude::*};

use super::{
    Conn, UserNid,
    schema::{reports, users},
};
use crate::error::Result;

/// A report of an event, a room or a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub room_id: Option<String>,
    pub event_id: Option<String>,
    pub user_id: Option<String>,
    pub reason: String,
    pub created_at: i64,
}

pub fn insert(conn: &mut Conn, reporter: UserNid, report: &Report) -> Result<()> {
    let last: Option<i64> = reports::table.select(max(reports::report_nid)).first(conn)?;
    diesel::insert_into(reports::table)
        .values((
            reports::report_nid.eq(last.unwrap_or(0) + 1),
            reports::reporter_nid.eq(reporter),
            reports::room_id.eq(&report.room_id),
            reports::event_id.eq(&report.event_id),
            reports::user_id.eq(&report.user_id),
            reports::reason.eq(&report.reason),
            reports::created_at.eq(report.created_at),
        ))
        .execute(conn)?;
    Ok(())
}

/// The newest reports, with the user ids of those who made them.
pub fn newest(conn: &mut Conn, limit: i64) -> Result<Vec<(String, Report)>> {
    type Row = (String, Option<String>, Option<String>, Option<String>, String, i64);
    let rows: Vec<Row> = reports::table
        .inner_join(users::table.on(users::user_nid.eq(reports::reporter_nid)))
        .order(reports::report_nid.desc())
        .limit(limit)
        .select((
            users::user_id,
            reports::room_id,
            reports::event_id,
            reports::user_id,
            reports::reason,
            reports::created_at,
        ))
        .load(conn)?;
    let report = |(reporter, room_id, event_id, user_id, reason, created_at)| {
        (reporter, Report { room_id, event_id, user_id, reason, created_at })
    };
    Ok(rows.into_iter().map(report).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{accounts::tests::insert_account, tests::on_both};

    #[test]
    fn the_newest_reports_come_first() {
        on_both(|store| {
            store
                .write_blocking(|tx| {
                    insert_account(tx, UserNid(1))?;
                    let report = |reason: &str| Report {
                        room_id: Some("!r:a.test".to_owned()),
                        reason: reason.to_owned(),
                        ..Report::default()
                    };
                    insert(tx, UserNid(1), &report("spam"))?;
                    insert(tx, UserNid(1), &report("more spam"))?;
                    let newest = newest(tx, 10)?;
                    assert_eq!(newest[0], ("@1:a.test".to_owned(), report("more spam")));
                    assert_eq!(newest.len(), 2);
                    Ok(())
                })
                .unwrap();
        });
    }
}
