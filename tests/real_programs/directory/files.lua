package.path = "parts/?.lua"
print("A = " .. os.getenv("A"), os.getenv("B"))
print("square", require("square")(7), pcall(require, "circle") == false)

for line in io.lines("parts/port.inc") do print(line) end
local notes <close> = assert(io.open("notes.txt", "w+"))
notes:write("first\n", 2, "\n", 3.5, "\n")
notes:seek("set", 6)
print(notes:read("n", "n"))
print(os.rename("notes.txt", "parts/notes.txt"), io.open("notes.txt"))
print(os.remove("parts/notes.txt"), (os.remove("parts/notes.txt")))
print(select(2, pcall(io.lines, "missing.txt")))
