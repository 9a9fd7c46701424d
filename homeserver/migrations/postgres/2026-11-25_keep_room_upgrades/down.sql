DROP TABLE room_upgrades;
