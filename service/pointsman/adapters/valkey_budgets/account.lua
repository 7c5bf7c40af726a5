-- What all scripts begin with: the time, holds that have ended, and what counts. The same as core/budget.py, which says why.
--
-- KEYS: spent, holds, ends. ARGV: now in ms (0: the server's), prefix of keys, ms of an hour, days that usage is kept, the epoch that is
-- known, number of meters, then of each name, width, reach, what it showed when the caller last looked, and in which bucket that was; the
-- rest is the operation's own. Amounts are below 2^53, up to which Lua counts exactly.

local SPENT, HOLDS, ENDS = KEYS[1], KEYS[2], KEYS[3]
local APART = '\31'
local HOUR_MS, KEPT_DAYS = tonumber(ARGV[3]), tonumber(ARGV[4])

local function whole(number)
  return string.format('%.0f', number)
end

local function parts(text)
  local found = {}
  for part in (text .. APART):gmatch('(.-)' .. APART) do
    found[#found + 1] = part
  end
  return found
end

-- An account's time never goes back.
local now = tonumber(ARGV[1])
if now == 0 then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
now = math.max(now, tonumber(redis.call('HGET', SPENT, 'now') or 0))

local METERS, REST = {}, 7
for _ = 1, tonumber(ARGV[6]) do
  METERS[#METERS + 1] = {
    name = ARGV[REST], width = tonumber(ARGV[REST + 1]), reach = tonumber(ARGV[REST + 2]),
    known = tonumber(ARGV[REST + 3]), seen = tonumber(ARGV[REST + 4]),
  }
  REST = REST + 5
end

local function enter(packed, estimated)
  local found = parts(packed)
  local hour = math.floor(now / HOUR_MS)
  local key = ARGV[2] .. 'usage:' .. whole(math.floor(hour / 24))
  local row = whole(hour) .. APART .. found[1] .. APART .. found[2] .. APART
  for at = 3, #found, 2 do
    redis.call('HINCRBY', key, row .. found[at], found[at + 1])
  end
  if estimated then
    redis.call('HINCRBY', key, row .. 'estimated', 1)
  end
  redis.call('PEXPIRE', key, (KEPT_DAYS + 1) * 24 * HOUR_MS)
end

-- What counts, and the part of it that is held, by meter and bucket.
local SHOWN, HELD = {}, {}

local function release(field, bucket, amount)
  if redis.call('HINCRBY', SPENT, field .. '#' .. bucket .. 'h', '-' .. amount) <= 0 then
    redis.call('HDEL', SPENT, field .. '#' .. bucket .. 'h') -- or its bucket is gone
  end
  local held, at = HELD[field], tonumber(bucket)
  if held and held[at] then
    held[at] = held[at] - tonumber(amount)
  end
end

local function places_of(hold)
  local found, places = parts(hold:sub(1, hold:find('\30', 1, true) - 1)), {}
  for at = 1, #found - 2, 3 do
    places[#places + 1] = {field = found[at], bucket = found[at + 1], amount = found[at + 2]}
  end
  return places
end

-- Holds that have ended unsettled stay counted in full, and are entered so. So many at once, and the next operation does the rest.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', ENDS, '-inf', now, 'LIMIT', 0, 1000)) do
  local hold = redis.call('HGET', HOLDS, id)
  if hold then
    for _, place in ipairs(places_of(hold)) do
      release(place.field, place.bucket, place.amount)
    end
    enter(hold:sub(hold:find('\30', 1, true) + 1), true)
    redis.call('HDEL', HOLDS, id)
  end
  redis.call('ZREM', ENDS, id)
end

-- What no longer counts is let go, of meters that nobody asks for, too.
local longest = 0
do
  local stored = redis.call('HGETALL', SPENT)
  for at = 1, #stored, 2 do
    local name, width, reach, bucket, is_held = stored[at]:match('^(.*#(%d+)#(%d+))#(%d+)(h?)$')
    if name then
      width, reach, bucket = tonumber(width), tonumber(reach), tonumber(bucket)
      if bucket < math.floor(now / width) - reach then
        redis.call('HDEL', SPENT, stored[at])
      else
        local known = is_held == '' and SHOWN or HELD
        known[name] = known[name] or {}
        known[name][bucket] = tonumber(stored[at + 1])
        longest = math.max(longest, width * (reach + 1))
      end
    end
  end
end

for _, meter in ipairs(METERS) do
  meter.field = meter.name .. '#' .. whole(meter.width) .. '#' .. whole(meter.reach)
  meter.bucket = math.floor(now / meter.width)
  meter.shown, HELD[meter.field] = SHOWN[meter.field] or {}, HELD[meter.field] or {}
  longest = math.max(longest, meter.width * (meter.reach + 1))
end

local function sum(buckets)
  local found = 0
  for _, amount in pairs(buckets) do
    found = found + amount
  end
  return found
end

local function used(meter)
  return sum(meter.shown)
end

local function add(meter, bucket, amount)
  if bucket < meter.bucket - meter.reach or amount == 0 then
    return -- it counts no more
  end
  local field = meter.field .. '#' .. whole(bucket)
  meter.shown[bucket] = (meter.shown[bucket] or 0) + amount
  if meter.shown[bucket] == 0 then
    meter.shown[bucket] = nil
    redis.call('HDEL', SPENT, field)
  else
    redis.call('HINCRBY', SPENT, field, whole(amount))
  end
end

-- A server that was started again empty has another epoch. It then learns from each caller what that one knew: too little would be given
-- out twice.
local epoch = redis.call('HGET', SPENT, 'epoch')
if not epoch then
  local time = redis.call('TIME')
  epoch = whole(tonumber(time[1]) * 1000000 + tonumber(time[2]))
end
if ARGV[5] ~= '0' and ARGV[5] ~= epoch then
  for _, meter in ipairs(METERS) do
    add(meter, meter.seen, math.max(0, meter.known - used(meter)))
  end
end

-- What a script returns last: the time, the epoch, and what each meter shows.
local function levels(found)
  redis.call('HSET', SPENT, 'now', whole(now), 'epoch', epoch)
  redis.call('PEXPIRE', SPENT, whole(longest + 60000))
  found[#found + 1] = whole(now)
  found[#found + 1] = epoch
  for _, meter in ipairs(METERS) do
    local oldest = -1
    for bucket, _ in pairs(meter.shown) do
      oldest = (oldest < 0) and bucket or math.min(oldest, bucket)
    end
    found[#found + 1] = whole(used(meter))
    found[#found + 1] = whole(oldest)
    found[#found + 1] = whole(sum(HELD[meter.field]))
  end
  return found
end

