-- Admission: claims on budgets and limits, settled or not, in one atomic step per call.
--
-- KEYS[1] prefix of every key, with a hash tag so that all of them live in one slot
-- ARGV    epoch the caller has joined, the caller's worker id, its lease in ms, now in ms or '', operations
--
-- The operations are one MessagePack array, so that all requests of one loop tick cost one round trip;
-- so is the answer, one entry per operation. Money is integers of nano-USD: exact below 2^53, which is
-- nine million dollars per budget and period.
--
-- epoch          id of the counters' generation; another one means that they were lost and rebuilt
-- <epoch>:b:..   budget in one period: spent (absent until read from the books), reserved
-- <epoch>:p:..   paid by these requests before `spent` was read: request id -> nano-USD
-- <epoch>:h:..   an open hold; a closed one is remembered for a while, so that closing is idempotent
-- <epoch>:m:..   requests or tokens used of a limit, and when that was so
-- <epoch>:c:..   calls at a time: worker id -> count; those of a worker whose lease ran out do not count
-- <epoch>:w:..   a worker's lease
-- <epoch>:o:..   the open holds of a worker
-- <epoch>:all    every worker that may have open holds

local DAY_MS = 86400000
local KEPT_MS = 66 * DAY_MS       -- longer than the longest period and its stragglers
local CLOSED_MS = 600000
local MINUTE_MS = 60000
local DUST = 0.000001             -- what rounding may leave: who waits as long as told is let in
local BUSY_MS = 1000

local epoch, worker = ARGV[1], ARGV[2]
if redis.call('GET', KEYS[1] .. 'epoch') ~= epoch then
  return cmsgpack.pack('lost')
end
local prefix = KEYS[1] .. epoch .. ':'
local now = tonumber(ARGV[4])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + time[2] / 1000
end
redis.call('SET', prefix .. 'w:' .. worker, '1', 'PX', ARGV[3])
redis.call('SADD', prefix .. 'all', worker)

local function whole(number) return string.format('%.0f', number) end
local function budget_key(budget) return prefix .. 'b:' .. budget[1] .. ':' .. whole(budget[2]) end
local function pending_key(budget) return prefix .. 'p:' .. budget[1] .. ':' .. whole(budget[2]) end
local function limit_key(limit) return prefix .. (limit[2] == 'concurrency' and 'c:' or 'm:') .. limit[1] .. ':' .. limit[2] end

local function figures(budget)
  local found = redis.call('HMGET', budget_key(budget), 'spent', 'reserved')
  return tonumber(found[1] or nil), tonumber(found[2] or 0) or 0
end

local function add(budget, field, more)
  if more == 0 then return end
  redis.call('HINCRBY', budget_key(budget), field, whole(more))
  redis.call('PEXPIRE', budget_key(budget), KEPT_MS)
end

-- Returns how much of a limit is used now.
local function used(limit)
  if limit[2] ~= 'concurrency' then
    local found = redis.call('HMGET', limit_key(limit), 'used', 'at')
    local drained = math.max(0, now - (tonumber(found[2] or nil) or now)) * limit[3] / MINUTE_MS
    return math.max(0, (tonumber(found[1] or nil) or 0) - drained)
  end
  local sum, counts = 0, redis.call('HGETALL', limit_key(limit))
  for i = 1, #counts, 2 do
    if redis.call('EXISTS', prefix .. 'w:' .. counts[i]) == 1 then
      sum = sum + tonumber(counts[i + 1])
    else
      redis.call('HDEL', limit_key(limit), counts[i])
    end
  end
  return sum
end

local function use(limit, more, holder)
  if limit[2] == 'concurrency' then
    local count = (tonumber(redis.call('HGET', limit_key(limit), holder) or nil) or 0) + more
    if count > 0 then
      redis.call('HSET', limit_key(limit), holder, count)
      redis.call('PEXPIRE', limit_key(limit), DAY_MS)
    else
      redis.call('HDEL', limit_key(limit), holder)
    end
    return
  end
  local after = math.max(0, used(limit) + more)
  redis.call('HSET', limit_key(limit), 'used', string.format('%.17g', after), 'at', string.format('%.17g', now))
  redis.call('PEXPIRE', limit_key(limit), math.ceil(after * MINUTE_MS / limit[3]) + MINUTE_MS)
end

local function read_hold(id)
  local packed = redis.call('GET', prefix .. 'h:' .. id)
  if not packed then return nil end
  return cmsgpack.unpack(packed)
end

local function write_hold(id, budgets, limits, tokens)
  local hold = {open = 1, budgets = budgets, limits = limits, tokens = tokens, worker = worker}
  redis.call('SET', prefix .. 'h:' .. id, cmsgpack.pack(hold), 'PX', KEPT_MS)
  redis.call('SADD', prefix .. 'o:' .. worker, id)
end

-- Returns what is claimed now of every budget and limit of a hold, by key.
local function claimed(hold)
  local money, counts = {}, {}
  for _, budget in ipairs(hold and hold.budgets or {}) do money[budget_key(budget)] = budget[5] end
  for _, limit in ipairs(hold and hold.limits or {}) do
    counts[limit_key(limit)] = limit[2] == 'tokens' and hold.tokens or 1
  end
  return money, counts
end

local function claim(id, budgets, limits, tokens, known)
  local money, counts = claimed(known)
  for _, budget in ipairs(budgets) do add(budget, 'reserved', budget[5] - (money[budget_key(budget)] or 0)) end
  for _, limit in ipairs(limits) do
    use(limit, (limit[2] == 'tokens' and tokens or 1) - (counts[limit_key(limit)] or 0), worker)
  end
  write_hold(id, budgets, limits, tokens)
end

local function full_in(limit, after)
  if limit[2] == 'concurrency' then return 0 end
  return after * MINUTE_MS / limit[3]
end

local OPERATIONS = {}

-- id, budgets {scope, since, limit, hard, amount}, limits {scope, unit, most}, tokens
function OPERATIONS.admit(id, budgets, limits, tokens)
  local known = read_hold(id)
  if known and not known.open then return {'closed'} end
  local money, counts = claimed(known)
  local unread = {}
  for index, budget in ipairs(budgets) do
    if not figures(budget) then
      unread[#unread + 1] = {index - 1, redis.call('HKEYS', pending_key(budget))}
    end
  end
  if #unread > 0 then return {'unread', unread} end
  local rooms, worst, wait = {}, -1, 0
  for index, limit in ipairs(limits) do
    local before, held = used(limit), counts[limit_key(limit)]
    local needed = (limit[2] == 'tokens' and tokens or 1) - (held or 0)
    local missing = math.min(needed, limit[3]) - (limit[3] - before)
    local refused = not held and missing > DUST
    if refused then
      local this = limit[2] == 'concurrency' and BUSY_MS or missing * MINUTE_MS / limit[3]
      if this > wait then worst, wait = index - 1, this end
    end
    local after = refused and before or before + needed
    rooms[index] = {math.max(0, math.floor(limit[3] - after + DUST)), full_in(limit, after)}
  end
  if worst >= 0 then return {'limited', worst, wait, rooms} end
  local found = {}
  for index, budget in ipairs(budgets) do
    local spent, reserved = figures(budget)
    local more = budget[5] - (money[budget_key(budget)] or 0)
    if budget[4] and spent + reserved + more > budget[3] then return {'exceeded', index - 1, spent, reserved} end
    found[index] = {spent, reserved + more}
  end
  claim(id, budgets, limits, tokens, known)
  return {'ok', rooms, found}
end

-- Registers a hold that is open whatever the limits say: it was admitted before the counters were lost.
function OPERATIONS.declare(id, budgets, limits, tokens)
  if read_hold(id) then return {'known'} end
  claim(id, budgets, limits, tokens, nil)
  return {'ok'}
end

-- id, budgets {scope, since}, what all of it cost, what parts of it cost by scope, tokens
function OPERATIONS.settle(id, budgets, total, parts, tokens)
  local known = read_hold(id)
  if known and not known.open then return {'closed'} end
  local paid = {}
  for index, budget in ipairs(known and known.budgets or budgets) do
    local amount = parts[budget[1]] or total
    local before, reserved = figures(budget)
    if known then
      add(budget, 'reserved', -budget[5])
      reserved = reserved - budget[5]
    end
    if before then
      add(budget, 'spent', amount)
    else
      redis.call('HSET', pending_key(budget), id, whole(amount))
      redis.call('PEXPIRE', pending_key(budget), KEPT_MS)
    end
    paid[index] = {budget[1], budget[2], before or 0, (before or 0) + amount, reserved}
  end
  if known then redis.call('SREM', prefix .. 'o:' .. known.worker, id) end
  for _, limit in ipairs(known and known.limits or {}) do
    if limit[2] == 'tokens' then use(limit, tokens - known.tokens, worker) end
    if limit[2] == 'concurrency' then use(limit, -1, known.worker) end
  end
  redis.call('SET', prefix .. 'h:' .. id, cmsgpack.pack({worker = worker}), 'PX', CLOSED_MS)
  return {'ok', paid}
end

-- scope, since, what the books say, the pending requests that were looked for, those that the books hold
function OPERATIONS.seed(scope, since, spent, asked, held)
  local budget = {scope, since}
  if figures(budget) then return {'ok'} end
  local looked, counted = {}, {}
  for _, id in ipairs(asked) do looked[id] = true end
  for _, id in ipairs(held) do counted[id] = true end
  local pending = redis.call('HGETALL', pending_key(budget))
  for i = 1, #pending, 2 do
    if not looked[pending[i]] then return {'again'} end
    if not counted[pending[i]] then spent = spent + tonumber(pending[i + 1]) end
  end
  redis.call('HSET', budget_key(budget), 'spent', whole(spent))
  redis.call('PEXPIRE', budget_key(budget), KEPT_MS)
  redis.call('DEL', pending_key(budget))
  return {'ok'}
end

function OPERATIONS.beat() return {'ok'} end

-- Returns some open holds of workers whose lease has run out, each with the scopes of its budgets.
function OPERATIONS.orphans(most)
  local found = {}
  for _, name in ipairs(redis.call('SMEMBERS', prefix .. 'all')) do
    if redis.call('EXISTS', prefix .. 'w:' .. name) == 0 then
      local ids = redis.call('SRANDMEMBER', prefix .. 'o:' .. name, most)
      if #ids == 0 then redis.call('SREM', prefix .. 'all', name) end
      for _, id in ipairs(ids) do
        local hold, scopes = read_hold(id), {}
        for index, budget in ipairs(hold and hold.budgets or {}) do scopes[index] = budget[1] end
        if hold and hold.open then
          found[#found + 1] = {id, scopes}
        else
          redis.call('SREM', prefix .. 'o:' .. name, id)
        end
      end
    end
  end
  return {'ok', found}
end

local answers = {}
for index, operation in ipairs(cmsgpack.unpack(ARGV[5])) do
  answers[index] = OPERATIONS[operation[1]](unpack(operation, 2, 6))
end
return cmsgpack.pack(answers)
