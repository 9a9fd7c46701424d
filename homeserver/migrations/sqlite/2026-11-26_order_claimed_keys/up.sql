-- The upload that a claimed key came with: when there are very many, those of the oldest are forgotten.
ALTER TABLE claimed_keys ADD COLUMN position BIGINT NOT NULL DEFAULT 0;
