-- What a new owner needs of a log: {first, entries, senders, snapshot or ''}. `entries`: the last `last` ones in order, no more
-- bytes of data than `bytes` but one at least, flat, each seq, under, said. `senders`: a flat list sender,
-- `seat cseq id seq`. `snapshot`: `epoch seq JSON`. Needs log-entry.
local OPEN_PAGE = 32
local function open_log(log, senders, state, head, last, bytes)
  local left = last
  local newest = {}
  local to = '+'
  while left > 0 do
    local size = math.min(left, OPEN_PAGE)
    local page = redis.call('XREVRANGE', log, to, '-', 'COUNT', size)
    left = #page < size and 0 or left - size
    for i = 1, #page do
      bytes = bytes - data_bytes(page[i])
      if bytes < 0 and #newest > 0 then
        left = 0
        break
      end
      newest[#newest + 1] = page[i]
    end
    if left > 0 then
      to = string.format('%.0f-0', tonumber(seq_of(page[#page])) - 1)
    end
  end
  local entries = {}
  for i = #newest, 1, -1 do
    flatten(entries, newest[i])
  end
  return { log_first(log, head), entries, redis.call('HGETALL', senders), redis.call('GET', state) or '' }
end
