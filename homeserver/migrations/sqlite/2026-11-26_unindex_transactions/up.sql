-- It cost each request a page, and served a cleanup that can go through the table.
DROP INDEX client_transactions_created;
