"""Named read queries. Each is a sentence, takes a connection and returns rows; none of them writes."""
