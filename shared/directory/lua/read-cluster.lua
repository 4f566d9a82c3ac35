-- Reads nodes, beats, routers and pins in one step.
-- KEYS  1 meta  2 nodes  3 beats  4 routers  5 pins
-- ARGV  1 known gen or ''  2 known ver or ''
-- Reply {run id, gen or '', ver, beats}                   nothing changed since the known gen and ver
--       {run id, gen or '', ver, beats, nodes, routers, pins}   otherwise; each of the four as a flat list field, value, …
--@include run-id
local gen = redis.call('HGET', KEYS[1], 'gen') or ''
local ver = redis.call('HGET', KEYS[1], 'ver') or '0'
local beats = redis.call('HGETALL', KEYS[3])
if gen ~= '' and gen == ARGV[1] and ver == ARGV[2] then
  return { run_id(), gen, ver, beats }
end
local nodes, routers, pins =
  redis.call('HGETALL', KEYS[2]), redis.call('HGETALL', KEYS[4]), redis.call('HGETALL', KEYS[5])
return { run_id(), gen, ver, beats, nodes, routers, pins }
