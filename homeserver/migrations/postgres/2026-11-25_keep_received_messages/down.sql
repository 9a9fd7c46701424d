DROP TABLE received_messages;
