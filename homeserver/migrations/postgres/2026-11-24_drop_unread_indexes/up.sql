-- No query reads these, and each costs a page of every commit. The timeline is read by room.
DROP INDEX events_position;
DROP INDEX event_edges_prev;
