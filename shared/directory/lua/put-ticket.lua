-- Keeps a ticket until it is taken or its time is over.
-- KEYS  1 ticket
-- ARGV  1 JSON of what it gives  2 ms it lives
-- Reply {'kept', at} | {'exists'}
local time = redis.call('TIME')
local at = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
if redis.call('SET', KEYS[1], at .. '\n' .. ARGV[1], 'NX', 'PX', ARGV[2]) then return { 'kept', at } end
return { 'exists' }
