CREATE INDEX client_transactions_created ON client_transactions (created_at);
