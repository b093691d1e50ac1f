-- Runs a case and answers one text of all that it returns, or of its error: types and all digits, keys in order.
local function show(v, depth)
    if type(v) == 'number' then return string.format('%.17g', v) end
    if type(v) == 'string' then
        return '"' .. string.gsub(v, '[%c"\\\127-\255]', function(c) return string.format('\\%03d', string.byte(c)) end) .. '"'
    end
    if type(v) ~= 'table' then return v == cjson.null and 'null' or type(v) == 'boolean' and tostring(v) or type(v) end
    if depth > 20 then return '...' end
    local fields = {}
    for k, x in pairs(v) do fields[#fields + 1] = '[' .. show(k, depth + 1) .. ']=' .. show(x, depth + 1) end
    table.sort(fields)
    return '{' .. table.concat(fields, ' ') .. '}'
end
local function show_all(...)
    local shown = {}
    for i = 1, select('#', ...) do shown[i] = show((select(i, ...)), 0) end
    return table.concat(shown, ', ')
end
