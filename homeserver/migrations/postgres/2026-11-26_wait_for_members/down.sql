DROP TABLE partial_events;
DROP TABLE partial_rooms;
