DROP TABLE postponed_events;
