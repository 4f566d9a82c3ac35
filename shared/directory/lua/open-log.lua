-- Reads what a new owner needs of a room that it has claimed.
-- KEYS  1 owner  2 log  3 senders  4 state
-- ARGV  1 most entries  2 most bytes of their data; one entry is given however large
-- Reply {first, entries, senders, snapshot or ''}   see lib/open-log; first is 1 without a room
--@include log-entry
--@include open-log
local head = redis.call('HGET', KEYS[1], 'head') or '0'
return open_log(KEYS[2], KEYS[3], KEYS[4], head, tonumber(ARGV[1]), tonumber(ARGV[2]))
