-- Takes a ticket away, so that nobody else can.
-- KEYS  1 ticket
-- ARGV  none
-- Reply {'taken', at, JSON} | {'absent'}   absent: never kept, taken before, or its time is over
local kept = redis.call('GET', KEYS[1])
if not kept then return { 'absent' } end
redis.call('DEL', KEYS[1])
local newline = string.find(kept, '\n', 1, true)
return { 'taken', string.sub(kept, 1, newline - 1), string.sub(kept, newline + 1) }
