-- Reads a whole hash. A script like all else, so that one path of sending is all there is.
-- KEYS  1 a presence or a user
-- Reply a flat list field, value, …; empty if there is no such key
return redis.call('HGETALL', KEYS[1])
