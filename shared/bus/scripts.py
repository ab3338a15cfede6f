"""What must happen in one step at Redis: Lua, each script on one slot.

Owning a call is the pending entry of its dispatch in the group `workers`: a
worker that is alive resets its idle time twice a second, so an entry idle for
a whole lease belongs to nobody. Each claim raises the call's epoch. From then on
Redis itself refuses the former owner: its entries on `down` have smaller ids,
and `append` knows the newest epoch.

All are safe to send twice, which is what happens when a connection breaks
between a command and its answer.
"""

from shared.bus.script import Script

_NOW = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
"""

# The id of a call's entry, if there is one (a look at every live call: hundreds, and seldom), a new
# entry, and the end of one with its call's epoch.
_ENTRIES = """
local function add(key, call_sid, entry, caller)
  if caller == '' then return redis.call('XADD', key, '*', call_sid, entry) end
  return redis.call('XADD', key, '*', call_sid, entry, 'caller', caller)
end
local function find(key, call_sid)
  for _, entry in ipairs(redis.call('XRANGE', key, '-', '+')) do
    if entry[2][1] == call_sid then return entry[1] end
  end
end
local function take_off(key, epochs, group, call_sid, id)
  if id then
    redis.call('XACK', key, group, id)
    redis.call('XDEL', key, id)
  end
  redis.call('HDEL', epochs, call_sid)
end
"""

# KEYS new, epoch, workers, index. ARGV CallSid, entry, the account's sessions, ms after which a
# worker is silent, ms that recordings live, who calls ("": not told apart), calls that one may have
# at once (0: no limit). Answers {outcome, worker with the most room, 1 if it had been dispatched
# before, id of its entry}. A call whose entry Redis has lost is dispatched again, and is not asked
# for a place. A worker that leaves has no places, but until they are handed off it still has its
# calls, which take up nobody else's. Where no live worker has a call or a place, entries are no
# calls that go on: nothing is "full" then. One may come while the phone rings, and the edge has its
# own deadline. An entry's second field is who calls: what is counted are the calls that there are,
# so nothing has to be counted down.
DISPATCH = Script(
    _NOW
    + _ENTRIES
    + """
local function calls_of(key, caller)
  local count = 0
  for _, entry in ipairs(redis.call('XRANGE', key, '-', '+')) do
    if entry[2][3] == 'caller' and entry[2][4] == caller then count = count + 1 end
  end
  return count
end
local again = redis.call('HEXISTS', KEYS[2], ARGV[1])
local id = again == 1 and find(KEYS[1], ARGV[1])
if id then return {'known', '', 1, id} end
local room, places, leaving, best, alive = -1, 0, 0, '', false
local beats = redis.call('HGETALL', KEYS[3])
for i = 1, #beats, 2 do
  local p, s, d, beat = string.match(beats[i + 1], '(%d+) (%d+) (%d+) (%d+)')
  if now - beat > tonumber(ARGV[4]) then
    if now - beat > 60000 then redis.call('HDEL', KEYS[3], beats[i]) end
  elseif d == '0' then
    alive = true
    places = places + p
    if p - s > room then room, best = p - s, beats[i] end
  else
    leaving = leaving + s
  end
end
if again == 0 and (alive or leaving > 0) then
  local live = redis.call('XLEN', KEYS[1])
  local is_full = live >= tonumber(ARGV[3]) or alive and live - leaving >= places
  if is_full then return {'full', '', 0, ''} end
  local most = ARGV[6] ~= '' and tonumber(ARGV[7]) or 0
  if most > 0 and calls_of(KEYS[1], ARGV[6]) >= most then return {'crowded', '', 0, ''} end
end
if best ~= '' then
  local p, s, d, beat = string.match(redis.call('HGET', KEYS[3], best), '(%d+) (%d+) (%d+) (%d+)')
  redis.call('HSET', KEYS[3], best, p .. ' ' .. (s + 1) .. ' ' .. d .. ' ' .. beat)
end
id = add(KEYS[1], ARGV[1], ARGV[2], ARGV[6])
redis.call('HSETNX', KEYS[2], ARGV[1], '0')
redis.call('ZADD', KEYS[4], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now - ARGV[5])
return {alive and 'new' or 'unserved', best, again, id}
""",
    keys=4,
)

# KEYS call. ARGV ms when it rang, 1 if it had been dispatched before, ms when it began, ttl in s,
# fields. Says what a call is that rings, as a new one or after an end. Answers 0 where that is said
# already, or its end came first. A phone that came first has it all the same.
DESCRIBE = Script(
    """
local state, began, ended = unpack(redis.call('HMGET', KEYS[1], 'state', 'started', 'ended'))
local again = ARGV[2] == '1'
if state == 'ended' then
  if not began or again and tonumber(ended or '0') >= tonumber(ARGV[1]) then return 0 end
  redis.call('HDEL', KEYS[1], 'state', 'stream')
elseif began and again then
  return 0
end
redis.call('HDEL', KEYS[1], 'cause', 'ended', 'transfer')
redis.call('HSETNX', KEYS[1], 'state', 'ringing')
redis.call('HSETNX', KEYS[1], 'started', ARGV[3])
redis.call('HSET', KEYS[1], unpack(ARGV, 5))
redis.call('EXPIRE', KEYS[1], ARGV[4])
return 1
""",
    keys=1,
)

# KEYS new, epoch. ARGV consumer, group, server ms when this process last heard from Redis,
# ms that this may lie back, lease in ms (negative: nothing from others),
# 1 if calls that nobody had yet are wanted, too.
# Answers {now} or {now, entry id, CallSid, entry, epoch, 1 if somebody had it before}. An idle
# entry may be the claimer's own: one whose answer was lost on the way.
CLAIM = Script(
    _NOW
    + """
local answer = {string.format('%.0f', now)}
if now - ARGV[3] > tonumber(ARGV[4]) then return answer end
local function own(entry)
  local old = tonumber(redis.call('HGET', KEYS[2], entry[2][1]) or '0')
  local epoch = string.format('%.0f', math.max(old + 1, now))
  redis.call('HSET', KEYS[2], entry[2][1], epoch)
  return {answer[1], entry[1], entry[2][1], entry[2][2], epoch, old > 0 and '1' or '0'}
end
local fresh = ARGV[6] == '1' and redis.call(
  'XREADGROUP', 'GROUP', ARGV[2], ARGV[1], 'COUNT', 1, 'STREAMS', KEYS[1], '>')
if fresh then return own(fresh[1][2][1]) end
if tonumber(ARGV[5]) < 0 then return answer end
for _, p in ipairs(redis.call('XPENDING', KEYS[1], ARGV[2], 'IDLE', ARGV[5], '-', '+', 16)) do
  local entry = redis.call('XCLAIM', KEYS[1], ARGV[2], ARGV[1], ARGV[5], p[1])[1]
  if entry then return own(entry) end
end
return answer
""",
    keys=2,
)

# KEYS new, workers. ARGV consumer, group, places, serving, draining, entry ids served.
# Answers {now, ids lost to others, ids that nobody has}. A plain XCLAIM by a former owner would
# steal the call back, hence only what is still pending here. What nobody has Redis has
# forgotten: the entry, or that it was claimed.
RENEW = Script(
    _NOW
    + """
local beat = string.format('%.0f', now)
redis.call('HSET', KEYS[2], ARGV[1], table.concat({ARGV[3], ARGV[4], ARGV[5], beat}, ' '))
local mine, lost, missing = {}, {}, {}
if #ARGV == 5 then return {beat, lost, missing} end
local pending = redis.call('XPENDING', KEYS[1], ARGV[2], '-', '+', 100000, ARGV[1])
for _, p in ipairs(pending) do mine[p[1]] = true end
for i = 6, #ARGV do
  if mine[ARGV[i]] then
    redis.call('XCLAIM', KEYS[1], ARGV[2], ARGV[1], 0, ARGV[i], 'JUSTID')
  elseif #redis.call('XPENDING', KEYS[1], ARGV[2], ARGV[i], ARGV[i], 1) > 0 then
    lost[#lost + 1] = ARGV[i]
  else
    missing[#missing + 1] = ARGV[i]
  end
end
return {beat, lost, missing}
""",
    keys=2,
)

# KEYS new, epoch, index. ARGV CallSid, entry, epoch, consumer, group, who has what nobody has,
# ms when the call began, who calls. Answers the id of the entry that is pending for the consumer
# now, or "" where somebody else has claimed the call meanwhile. What waits undelivered before the
# entry is given to nobody, idle for ages, so that anybody may claim it at once.
REINSTATE = Script(
    _ENTRIES
    + """
if tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0') > tonumber(ARGV[3]) then return '' end
local id = find(KEYS[1], ARGV[1]) or add(KEYS[1], ARGV[1], ARGV[2], ARGV[8])
local held = redis.call('XPENDING', KEYS[1], ARGV[5], id, id, 1)[1]
if held and held[2] ~= ARGV[4] and held[2] ~= ARGV[6] then return '' end
while not held do
  local fresh = redis.call(
    'XREADGROUP', 'GROUP', ARGV[5], ARGV[6], 'COUNT', 100, 'STREAMS', KEYS[1], '>')
  if not fresh then break end
  for _, entry in ipairs(fresh[1][2]) do
    redis.call(
      'XCLAIM', KEYS[1], ARGV[5], ARGV[6], 0, entry[1], 'IDLE', 86400000, 'JUSTID')
  end
end
redis.call('XCLAIM', KEYS[1], ARGV[5], ARGV[4], 0, id, 'FORCE', 'JUSTID')
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
redis.call('ZADD', KEYS[3], 'NX', ARGV[7], ARGV[1])
return id
""",
    keys=3,
)

# KEYS edges. ARGV edge, draining, ms after which an edge is silent.
# Answers the other edges that are alive and take calls.
EDGE_BEAT = Script(
    _NOW
    + """
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. string.format('%.0f', now))
local peers = {}
local beats = redis.call('HGETALL', KEYS[1])
for i = 1, #beats, 2 do
  local draining, beat = string.match(beats[i + 1], '(%d+) (%d+)')
  if now - beat > tonumber(ARGV[3]) then
    if now - beat > 60000 then redis.call('HDEL', KEYS[1], beats[i]) end
  elseif draining == '0' and beats[i] ~= ARGV[1] then
    peers[#peers + 1] = beats[i]
  end
end
return peers
""",
    keys=1,
)

# KEYS new, workers. ARGV consumer, group. Who died an hour ago is taken off, too: a worker claims
# twice a second. Removing a consumer would remove what is pending for it: a call that a worker has
# claimed and does not serve must stay, to be taken over.
RETIRE = Script(
    """
redis.call('HDEL', KEYS[2], ARGV[1])
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[2])) do
  local is = {}
  for i = 1, #consumer, 2 do is[consumer[i]] = consumer[i + 1] end
  if is.pending == 0 and (is.name == ARGV[1] or is.idle > 3600000) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[2], is.name)
  end
end
""",
    keys=2,
)

# KEYS log, call. ARGV epoch (0: an edge, not fenced), writer, number of the first entry,
# ttl in s, entries. Answers how many were new, or -1 where a newer owner has spoken.
# Numbers make a re-sent pipeline harmless. How long an ended call stays was said at its end.
APPEND = Script(
    """
local epoch = tonumber(ARGV[1])
if epoch > 0 then
  local newest = tonumber(redis.call('HGET', KEYS[2], 'epoch') or '0')
  if epoch < newest then return -1 end
  if epoch > newest then redis.call('HSET', KEYS[2], 'epoch', ARGV[1], 'owner', ARGV[2]) end
end
local last = tonumber(redis.call('HGET', KEYS[2], 'n:' .. ARGV[2]) or '0')
local added = 0
for i = 5, #ARGV do
  local n = ARGV[3] + i - 5
  if n > last then
    redis.call('XADD', KEYS[1], '*', '', ARGV[i])
    last, added = n, added + 1
  end
end
redis.call('HSET', KEYS[2], 'n:' .. ARGV[2], last)
local ended = redis.call('HGET', KEYS[2], 'state') == 'ended'
for i = 1, 2 do
  if not ended or redis.call('TTL', KEYS[i]) < 0 then redis.call('EXPIRE', KEYS[i], ARGV[4]) end
end
return added
""",
    keys=2,
)

# KEYS call. ARGV epoch, cause, ms of the end, ttl in s, whom the caller goes to now (or "").
# A former owner ends nothing.
CLOSE = Script(
    """
if tonumber(ARGV[1]) < tonumber(redis.call('HGET', KEYS[1], 'epoch') or '0') then return 0 end
redis.call('HSET', KEYS[1], 'state', 'ended', 'cause', ARGV[2], 'ended', ARGV[3])
if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], 'transfer', ARGV[5]) end
if redis.call('TTL', KEYS[1]) < 0 then redis.call('EXPIRE', KEYS[1], ARGV[4]) end
return 1
""",
    keys=1,
)

# KEYS call, one of its keys. ARGV epoch, s for which that stays: not for a former owner to say.
LEAVE = Script(
    """
if tonumber(ARGV[1]) < tonumber(redis.call('HGET', KEYS[1], 'epoch') or '0') then return 0 end
return redis.call('EXPIRE', KEYS[2], ARGV[2])
""",
    keys=2,
)

# KEYS new, epoch. ARGV CallSid, entry id (reinstated, it has another), consumer, group: the owner.
FINISH = Script(
    _ENTRIES
    + """
local id = ARGV[2]
if #redis.call('XRANGE', KEYS[1], id, id) == 0 then id = find(KEYS[1], ARGV[1]) end
if id then
  local held = redis.call('XPENDING', KEYS[1], ARGV[4], id, id, 1)[1]
  if held and held[2] ~= ARGV[3] or not held and id ~= ARGV[2] then return 0 end
end
take_off(KEYS[1], KEYS[2], ARGV[4], ARGV[1], id)
return 1
""",
    keys=2,
)

# KEYS new, epoch. ARGV CallSid, group. A call that nobody has ever had is taken off; another is its
# owner's, or his successor's, to end.
ABANDON = Script(
    _ENTRIES
    + """
if redis.call('HGET', KEYS[2], ARGV[1]) ~= '0' then return 0 end
take_off(KEYS[1], KEYS[2], ARGV[2], ARGV[1], find(KEYS[1], ARGV[1]))
return 1
""",
    keys=2,
)

# KEYS new. ARGV entry id, consumer, group, consumer that gets it. Idle for ages, the entry is
# anybody's to claim all the same.
RELEASE = Script(
    """
local held = redis.call('XPENDING', KEYS[1], ARGV[3], ARGV[1], ARGV[1], 1, ARGV[2])[1]
if not held then return 0 end
redis.call('XCLAIM', KEYS[1], ARGV[3], ARGV[4], 0, ARGV[1], 'IDLE', 86400000, 'JUSTID')
return 1
""",
    keys=1,
)

# KEYS call. ARGV the token's field, ms that it is good for, ttl in s of the hash if it has none,
# 1 if only a token that is there gets more time.
GRANT = Script(
    _NOW
    + """
if ARGV[4] == '1' and redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now + ARGV[2]))
if redis.call('TTL', KEYS[1]) < 0 then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
return 1
""",
    keys=1,
)

# A stream is its call's from now on: the hash says so, then the log, before any word of an owner's
# on it, and a note to the owner, if there is one (else whoever claims the call reads the hash).
# The inbox is the one key that no KEYS can name: whose it is the hash says, in the same slot.
_ATTACH = """
local stream = 'stream:' .. ARGV[1]
local function attach()
  redis.call('HSET', KEYS[1], 'stream', ARGV[1], stream, ARGV[2], 'state', 'live')
  redis.call('EXPIRE', KEYS[1], ARGV[3], 'NX')
  redis.call('XADD', KEYS[2], '*', '', ARGV[4])
  redis.call('EXPIRE', KEYS[2], ARGV[3])
  local owner = string.match(redis.call('HGET', KEYS[1], 'owner') or '', '^(.*)%.')
  if owner then
    redis.call('XADD', ARGV[5] .. owner, 'MAXLEN', '~', ARGV[6], '*', ARGV[2], ARGV[7])
    redis.call('EXPIRE', ARGV[5] .. owner, ARGV[3])
  end
end
"""

# KEYS call, log. ARGV StreamSid, who asks (each time another name, that of a note), ttl in s,
# the log's entry, what an inbox's name begins with, how long an inbox may be, the note.
ATTACH = Script(
    _ATTACH + "if redis.call('HGET', KEYS[1], stream) ~= ARGV[2] then attach() end", keys=2
)

# KEYS and ARGV of ATTACH. ARGV 8, 9: the token's field, 1 if without a token nobody gets in.
# Answers {what becomes of the stream, the hash as it was before}. A call that was announced needs
# its token, which lets in once and in time; another call has one stream. What may have a call that
# is unknown or over is attached once there is one.
ADMIT = Script(
    _NOW
    + _ATTACH
    + """
local fields, is = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #fields, 2 do is[fields[i]] = fields[i + 1] end
if is[stream] == ARGV[2] then return {'attached', fields} end
if ARGV[9] == '1' or is.webhook == '1' then
  local good_until = is[ARGV[8]]
  redis.call('HDEL', KEYS[1], ARGV[8])
  if not good_until or now > tonumber(good_until) then return {'unproven', fields} end
elseif is.state == 'live' then
  return {'doubled', fields}
end
if #fields == 0 or is.state == 'ended' then return {'no call', fields} end
attach()
return {'attached', fields}
""",
    keys=2,
)

ALL = (
    *(DISPATCH, DESCRIBE, CLAIM, RENEW, REINSTATE, EDGE_BEAT, RETIRE),
    *(APPEND, CLOSE, LEAVE, FINISH, ABANDON, RELEASE, GRANT, ATTACH, ADMIT),
)
