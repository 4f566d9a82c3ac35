-- An entry of a log is `<seq>-0` with two fields, always these and in this order: `under`, which is `tag at`, and `said`, which is
-- `session id user`, a line's end, and the data. A stream stores the names once for many entries, and the fields are read by
-- position. Of what is not there, nothing stands between the spaces.
local function seq_of(entry)
  return string.match(entry[1], '^(%d+)')
end

local function at_of(entry)
  return tonumber(string.match(entry[2][2], ' (%d+)$'))
end

local function data_bytes(entry)
  local said = entry[2][4]
  return #said - string.find(said, '\n', 1, true)
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

-- Adds the three parts of an entry to a flat list: seq, under, said.
local function flatten(flat, entry)
  flat[#flat + 1] = seq_of(entry)
  flat[#flat + 1] = entry[2][2]
  flat[#flat + 1] = entry[2][4]
end

-- Drops a log that ends elsewhere than at `head`: what is there is contiguous up to the head, or nothing is.
local function drop_unless_at(key, head)
  if log_end(key) ~= head then
    redis.call('DEL', key)
  end
end
