DROP TABLE reports;
DROP TABLE account_tokens;
DROP TABLE refresh_tokens;
ALTER TABLE access_tokens DROP COLUMN refreshed_from;
ALTER TABLE accounts DROP COLUMN departing;
ALTER TABLE accounts DROP COLUMN suspended_at;
ALTER TABLE accounts DROP COLUMN locked_at;
