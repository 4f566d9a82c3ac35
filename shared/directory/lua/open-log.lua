-- Reads what a new owner needs of a room that it has just claimed.
-- KEYS  1 owner  2 log  3 senders  4 state
-- ARGV  1 most entries  2 most bytes of their data; one entry is given however large
-- Reply {first, entries, senders, snapshot or ''}   first: seq of the oldest entry kept, head + 1 if there is none, 1 without a room;
--                                                   entries: the last ones in order, flat, each seq, tag, session, id, user, at, data;
--                                                   senders: a flat list sender, `seat cseq id seq`; snapshot: `epoch seq JSON`
--@include log-entry
local PAGE = 32
local left = tonumber(ARGV[1])
local bytes = tonumber(ARGV[2])
local newest = {}
local to = '+'
while left > 0 do
  local size = math.min(left, PAGE)
  local page = redis.call('XREVRANGE', KEYS[2], to, '-', 'COUNT', size)
  left = #page < size and 0 or left - size
  for i = 1, #page do
    bytes = bytes - #page[i][2][12]
    if bytes < 0 and #newest > 0 then
      left = 0
      break
    end
    newest[#newest + 1] = page[i]
    to = string.format('%.0f-0', tonumber(seq_of(page[i])) - 1)
  end
end
local entries = {}
for i = #newest, 1, -1 do
  flatten(entries, newest[i])
end
local head = redis.call('HGET', KEYS[1], 'head') or '0'
return { log_first(KEYS[2], head), entries, redis.call('HGETALL', KEYS[3]), redis.call('GET', KEYS[4]) or '' }
