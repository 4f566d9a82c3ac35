-- An entry of a log is `<seq>-0` with the fields tag, session, id, user, at, data, always these and in this order: a stream stores
-- their names once for many entries, and they are read by position. '' stands for what is not there.
local function seq_of(entry)
  return string.match(entry[1], '^(%d+)')
end

-- The fields of an entry from the sixth argument on, after the key and the seq.
local function entry_fields(tag, session, id, user, at, data)
  return 'tag', tag, 'session', session, 'id', id, 'user', user, 'at', at, 'data', data
end

-- Seq of the last entry, as text; false if there is none.
local function log_end(key)
  local newest = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
  return newest and seq_of(newest)
end

-- Seq of the oldest entry, as text; head + 1 if there is none.
local function log_first(key, head)
  local oldest = redis.call('XRANGE', key, '-', '+', 'COUNT', 1)[1]
  return oldest and seq_of(oldest) or string.format('%.0f', tonumber(head) + 1)
end

-- Adds the seven parts of an entry to a flat list: seq, tag, session, id, user, at, data.
local function flatten(flat, entry)
  local f = entry[2]
  flat[#flat + 1] = seq_of(entry)
  for i = 2, 12, 2 do
    flat[#flat + 1] = f[i]
  end
end

-- Drops a log that ends elsewhere than at `head`: what is there is contiguous up to the head, or nothing is.
local function drop_unless_at(key, head)
  if log_end(key) ~= head then
    redis.call('DEL', key)
  end
end
