DROP TABLE read_positions;
DROP TABLE receipts;
