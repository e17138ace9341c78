-- Errors of every kind that Lua raises by longjmp, and what catches them.

local function show(...)
    local words = {}
    for i = 1, select("#", ...) do
        words[i] = tostring((select(i, ...)))
    end
    print(table.concat(words, " "))
end

show("string", pcall(error, "plain", 0))
show("table", select(2, pcall(error, { code = 7 })).code)
show("nil", pcall(error))
show("call", pcall(function() local t = nil; t() end))
show("index", pcall(function() return (1)[2][3] end))
show("add", pcall(function() return {} + 1 end))
show("library", pcall(string.rep))
show("number", pcall(string.rep, "x", -1))
show("pattern", pcall(string.find, "a", "[a"))
show("syntax", load("x = = 1"))
show("memory", pcall(string.rep, "x", 1 << 40))

-- Through frames of C: sort and gsub call back into Lua, which raises an error there.
show("sort", pcall(table.sort, { 3, 2, 1 }, function() error("unordered", 0) end))
show("gsub", pcall(string.gsub, "abc", "%w", function(c) if c == "b" then error("at b", 0) end end))
show("metamethod", pcall(function()
    return setmetatable({}, { __index = function(_, key) error("no " .. key, 0) end }).field
end))

-- Nested, each level catches and raises again.
local function nest(depth)
    if depth == 0 then error("bottom", 0) end
    local _, message = pcall(nest, depth - 1)
    error(message .. "<", 0)
end
show("nested", pcall(nest, 20))

-- Recursion without an end: in Lua, and in C through pcall, gsub and metamethods.
local function forever(n) return 1 + forever(n + 1) end
show("overflow", (select(2, pcall(forever, 0)):gsub(" %(.*", "")))
local function through_c(s) return (s:gsub(".", through_c)) end
show("C overflow", pcall(through_c, "x"))
local chain = setmetatable({}, {})
getmetatable(chain).__index = function(t, key) return t[key] end
show("metamethod overflow", (select(2, pcall(function() return chain.x end)):gsub(" %(.*", "")))

-- Handlers: one that answers, one that fails itself, and again.
show("handler", xpcall(function() error("e", 0) end, function(m) return m .. " handled" end))
show("bad handler", xpcall(function() error("e", 0) end, function() error("worse", 0) end))
show("overflow handled", xpcall(forever, function(m) return #m > 0 end, 0))

-- Coroutines: errors leave them dead, yields cross pcall, a wrapped one passes the error on.
local co = coroutine.create(function(a)
    local ok, message = pcall(function() local b = coroutine.yield(a + 1); error("after " .. b, 0) end)
    coroutine.yield(ok, message)
    error("last", 0)
end)
show("resume", coroutine.resume(co, 1))
show("resume", coroutine.resume(co, 2))
show("resume", coroutine.resume(co))
show("resume", coroutine.resume(co))
show("status", coroutine.status(co))
show("wrap", pcall(coroutine.wrap(function() error("wrapped", 0) end)))
show("across C", pcall(table.sort, { 2, 1 }, function() coroutine.yield() end))
show("outside", pcall(coroutine.yield))

-- To-be-closed variables are closed on the way out, also when closing fails.
local closed = {}
local function closing(name, fails)
    return setmetatable({}, { __close = function(_, e)
        closed[#closed + 1] = name .. ":" .. tostring(e)
        if fails then error(name .. " failed", 0) end
    end })
end
show("close", pcall(function()
    local a <close> = closing("a")
    local b <close> = closing("b", true)
    local c <close> = closing("c")
    error("out", 0)
end))
show("closed", table.concat(closed, ", "))
local suspended = coroutine.create(function() local x <close> = closing("x", true); coroutine.yield() end)
coroutine.resume(suspended)
show("coroutine.close", coroutine.close(suspended))

-- Finalizers that fail disturb nobody.
warn("@off")
setmetatable({}, { __gc = function() error("in a finalizer", 0) end })
collectgarbage()
collectgarbage()

-- Many throws: the stack has to be as deep afterwards as it was.
local caught = 0
for i = 1, 20000 do
    if not pcall(error, i) then caught = caught + 1 end
end
show("caught", caught)
error("not caught", 0)
