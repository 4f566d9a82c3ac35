-- Names this history, unless it has a name.
-- KEYS  1 meta
-- ARGV  1 gen
-- Reply {'created'}
--       {'exists', gen}
local gen = redis.call('HGET', KEYS[1], 'gen')
if gen then
  return { 'exists', gen }
end
redis.call('HSET', KEYS[1], 'gen', ARGV[1], 'schema', '1')
return { 'created' }
