DROP INDEX accounts_guests;
