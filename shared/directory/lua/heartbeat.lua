-- Renews a lease: raises the counter by one if the record names this incarnation, active or draining, in this history.
-- KEYS  1 meta  2 nodes  3 beats  4 certs
-- ARGV  1 run id  2 gen  3 node  4 incarnation  5 `rooms,sessions` or `rooms,sessions,view`
-- Reply {'ok', counter, ver}
--       {'dead'}             certified, or another incarnation stands under this id
--       {'absent'}           no record under this id
--       {'empty'}            the history has no name
--       {'other-gen', gen}
--       {'other-run', run id}
--@include run-id
--@include node-record
local run = run_id()
if run ~= ARGV[1] then
  return { 'other-run', run }
end
local gen = redis.call('HGET', KEYS[1], 'gen')
if not gen then
  return { 'empty' }
end
if gen ~= ARGV[2] then
  return { 'other-gen', gen }
end
local text = redis.call('HGET', KEYS[2], ARGV[3])
if not text then
  return { redis.call('HEXISTS', KEYS[4], ARGV[4]) == 1 and 'dead' or 'absent' }
end
local incarnation, state = parse_node(text)
if incarnation ~= ARGV[4] or is_certified(KEYS[4], incarnation, state) then
  return { 'dead' }
end
local counter = string.format('%.0f', counter_of(KEYS[3], ARGV[3], incarnation) + 1)
redis.call('HSET', KEYS[3], ARGV[3], incarnation .. ':' .. counter .. ':' .. ARGV[5])
return { 'ok', counter, redis.call('HGET', KEYS[1], 'ver') or '0' }
