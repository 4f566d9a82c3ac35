-- Reads a room's owner record: {node, incarnation, epoch, nonce, head, tags}, all strings; node and incarnation are '' once
-- the room was released. False if there is no record.
local function read_room(key)
  local f = redis.call('HMGET', key, 'node', 'incarnation', 'epoch', 'nonce', 'head', 'tags')
  if not f[3] then
    return false
  end
  return { f[1] or '', f[2] or '', f[3], f[4], f[5], f[6] }
end

-- The larger of two whole numbers given as text, as text; `b` may be ''.
local function larger(a, b)
  if b ~= '' and tonumber(b) > tonumber(a) then
    return b
  end
  return a
end

-- Writes a new owner: an epoch above the stored one and not below the server's time in ms, and `tag:head+1` as the newest of at
-- most 16 tags. What was kept of the last owner's batch goes. Returns the record as written.
local function write_owner(key, node, incarnation, above, nonce, head, tags)
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  local epoch = string.format('%.0f', math.max(above + 1, now))
  local list = {}
  for tag in string.gmatch(tags, '%S+') do
    list[#list + 1] = tag
  end
  list[#list + 1] = string.format('%s.%s:%.0f', epoch, nonce, tonumber(head) + 1)
  while #list > 16 do
    table.remove(list, 1)
  end
  local joined = table.concat(list, ' ')
  redis.call('HSET', key, 'node', node, 'incarnation', incarnation, 'epoch', epoch, 'nonce', nonce, 'head', head, 'tags', joined)
  redis.call('HDEL', key, 'last')
  return { node, incarnation, epoch, nonce, head, joined }
end
