-- Rewrites a router's counter and sessions; the version stays.
-- KEYS  1 routers
-- ARGV  1 router  2 incarnation  3 counter  4 sessions
-- Reply {'ok'}
--       {'absent'}   no record under this id names this incarnation
local text = redis.call('HGET', KEYS[1], ARGV[1])
if not text then
  return { 'absent' }
end
local incarnation, json = string.match(text, '^(%S+) %S+ %S+\n(.*)$')
if incarnation ~= ARGV[2] then
  return { 'absent' }
end
redis.call('HSET', KEYS[1], ARGV[1], incarnation .. ' ' .. ARGV[3] .. ' ' .. ARGV[4] .. '\n' .. json)
return { 'ok' }
