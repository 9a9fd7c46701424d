CREATE INDEX accounts_guests ON accounts (user_nid) WHERE is_guest;
