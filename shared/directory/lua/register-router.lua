-- Enters or replaces a router's record, stored as `incarnation counter sessions` on the first line and the JSON of the rest.
-- KEYS  1 meta  2 routers
-- ARGV  1 router  2 incarnation  3 counter  4 sessions  5 JSON of the rest
-- Reply {'ok', ver}
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4] .. '\n' .. ARGV[5])
return { 'ok', string.format('%.0f', redis.call('HINCRBY', KEYS[1], 'ver', 1)) }
