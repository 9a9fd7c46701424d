//! Days of the calendar, `YYYY-MM-DD`, as milliseconds since the Unix epoch (UTC midnight).

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

pub fn parse(text: &str) -> Result<i64, String> {
    let fault = || format!("`{text}` is not a day such as 2027-01-31");
    let numbers: Vec<i64> = text
        .split('-')
        .map(|part| part.parse::<u16>().map(i64::from))
        .collect::<Result<_, _>>()
        .map_err(|_| fault())?;
    let &[year, month, day] = numbers.as_slice() else { return Err(fault()) };
    let days = days(year, month, day);
    // A day that the month does not have comes back as another.
    if civil(days) == (year, month, day) { Ok(days * DAY_MS) } else { Err(fault()) }
}

pub fn format(at_ms: i64) -> String {
    let (year, month, day) = civil(at_ms.div_euclid(DAY_MS));
    format!("{year:04}-{month:02}-{day:02}")
}

/// Days from 1970-01-01 to a date. The year is taken to begin in March, so that the leap day is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_and_written() {
        assert_eq!(parse("1970-01-01"), Ok(0));
        assert_eq!(parse("2000-03-01"), Ok(951_868_800_000));
        assert_eq!(parse("2028-02-29"), Ok(1_835_395_200_000));
        for day in ["1970-01-01", "1999-12-31", "2000-02-29", "2027-01-31", "2100-03-01"] {
            assert_eq!(format(parse(day).unwrap()), day);
        }
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in ["", "2027", "2027-02-30", "2026-02-29", "2027-13-01", "2027-00-10", "a-b-c"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
