-- Reads entries of a log in order.
-- KEYS  1 owner  2 log
-- ARGV  1 seq after which to begin  2 most entries  3 most bytes of data; one entry is given however large
-- Reply {'missing'}                        there is no such room
--       {'log', record, first, entries}    record is read-room's; first: seq of the oldest entry kept, head + 1 if there is none;
--                                          entries flat, each seq, under, said: see lib/log-entry
--@include room-record
--@include log-entry
local PAGE = 32
local record = read_room(KEYS[1])
if not record then
  return { 'missing' }
end
local left = tonumber(ARGV[2])
local bytes = tonumber(ARGV[3])
local after = tonumber(ARGV[1])
local entries = {}
while left > 0 do
  local size = math.min(left, PAGE)
  local page = redis.call('XRANGE', KEYS[2], string.format('%.0f-0', after + 1), '+', 'COUNT', size)
  left = #page < size and 0 or left - size
  for i = 1, #page do
    bytes = bytes - data_bytes(page[i])
    if bytes < 0 and #entries > 0 then
      left = 0
      break
    end
    flatten(entries, page[i])
    after = tonumber(seq_of(page[i]))
  end
end
return { 'log', record, log_first(KEYS[2], record[5]), entries }
