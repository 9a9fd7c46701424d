//! A copy of the database as of one instant, beside a running server or without one.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use diesel::{prelude::*, sql_types::Text};
use percent_encoding::percent_decode_str;

use super::{DatabaseUrl, conn::open_sqlite};
use crate::error::{Error, Result};

/// Copies the database into `folder`, synced; the file. Blocks.
///
/// SQLite: a database that can be started on. PostgreSQL: an archive for `pg_restore`, made by `pg_dump`.
pub fn copy(database: &DatabaseUrl, folder: &Path) -> Result<PathBuf> {
    let file = match database {
        DatabaseUrl::Sqlite(path) => {
            if !path.is_file() {
                let path = path.display();
                return Err(Error::CannotOpen(format!("there is no database at {path}")));
            }
            let file = folder.join("sealpost.db");
            let name = file
                .to_str()
                .ok_or_else(|| Error::CannotOpen("the folder's name is not UTF-8".to_owned()))?;
            let mut conn = open_sqlite(path)?;
            diesel::sql_query("VACUUM INTO ?").bind::<Text, _>(name).execute(&mut conn)?;
            file
        }
        DatabaseUrl::Postgres(url) => {
            let file = folder.join("sealpost.dump");
            pg_dump(url, &file)?;
            file
        }
    };
    File::open(&file)?.sync_all()?;
    Ok(file)
}

fn pg_dump(url: &str, file: &Path) -> Result<()> {
    let (url, password) = without_password(url);
    let mut pg_dump = Command::new("pg_dump");
    if let Some(password) = password {
        pg_dump.env("PGPASSWORD", password);
    }
    let dumped = pg_dump
        .args(["--format=custom", "--no-owner", "--dbname", &url, "--file"])
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output();
    match dumped {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(Error::CannotOpen(format!("pg_dump failed: {}", said.trim())))
        }
        Err(error) => Err(Error::CannotOpen(format!(
            "pg_dump cannot be started ({error}): install PostgreSQL's client programs"
        ))),
    }
}

/// The password goes by another way than the arguments, which all users of the machine can read.
fn without_password(url: &str) -> (String, Option<String>) {
    let split = || {
        let (scheme, rest) = url.split_once("://")?;
        let (user, rest) = rest.split_once('@')?;
        let (name, password) = user.split_once(':')?;
        let password = percent_decode_str(password).decode_utf8().ok()?;
        Some((format!("{scheme}://{name}@{rest}"), Some(password.into_owned())))
    };
    split().unwrap_or_else(|| (url.to_owned(), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_taken_out_of_the_url() {
        let (url, password) = without_password("postgres://a:p%40ss@h:5432/d?sslmode=disable");
        assert_eq!(url, "postgres://a@h:5432/d?sslmode=disable");
        assert_eq!(password.as_deref(), Some("p@ss"));
        let plain = "postgres:///d?host=/run&user=a";
        assert_eq!(without_password(plain), (plain.to_owned(), None));
    }
}
