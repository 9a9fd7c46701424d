DROP TABLE ignored_users;
DROP TABLE account_data;
