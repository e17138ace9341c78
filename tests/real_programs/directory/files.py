import os
import sys

sys.path.insert(0, ".")
print("A =", os.environ.get("A"))
for folder, folders, files in sorted(os.walk(".")):
    folders.sort()
    print(folder, sorted(files))

with open("notes.txt", "w") as notes:
    notes.write("first\nsecond\n")
with open("notes.txt", "a") as notes:
    notes.write("third\n")
with open("notes.txt") as notes:
    print([line.strip() for line in notes])
os.mkdir("made")
os.rename("notes.txt", "made/notes.txt")
print(os.listdir("made"), os.stat("made/notes.txt").st_size)
os.remove("made/notes.txt")
os.rmdir("made")

for path in ["missing.txt", "parts/missing/file.txt", "files.py/below", "../outside"]:
    try:
        open(path)
    except OSError as error:
        print(path, type(error).__name__)
