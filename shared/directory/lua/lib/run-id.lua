-- The run id of the very server that executes this script: it names one life of the data on one primary.
local function run_id()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
end
