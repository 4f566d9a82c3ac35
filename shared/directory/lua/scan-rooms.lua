-- Names rooms of this server that have a record, from a cursor on. It touches no key: it may run on any server of a cluster.
-- KEYS  none
-- ARGV  1 cursor, '0' at first  2 pattern of owner keys  3 keys looked at, about
-- Reply {cursor, names of owner keys}   cursor '0' after the last page
return redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3])
