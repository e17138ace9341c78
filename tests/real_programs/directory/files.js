import * as os from "qjs:os";
import * as std from "qjs:std";

print("A = " + std.getenv("A"));
print(os.readdir(".")[0].filter(name => name[0] !== ".").sort());
print(os.readdir("parts")[0].filter(name => name[0] !== ".").sort());
print(std.loadFile("parts/port.inc").trim());

const notes = std.open("notes.txt", "w");
notes.puts("first\nsecond\n");
notes.close();
print(std.loadFile("notes.txt").split("\n").length);
print(os.rename("notes.txt", "parts/notes.txt"), os.stat("parts/notes.txt")[0].size, os.remove("parts/notes.txt"));
print(os.stat("notes.txt")[1] !== 0, std.loadFile("parts/missing.txt"));
try {
    null.field;
} catch (error) {
    print(error);
}
