import hashlib
import json
import re

TEXT = """The quick brown fox jumps over the lazy dog. 1 fox, 22 hens and 333 eggs:
the dog sleeps, the fox waits, the hens count 4444 stars."""

words = re.findall(r"[a-z]+", TEXT.lower())
counts = {word: words.count(word) for word in set(words)}
report = {
    "often": {word: count for word, count in counts.items() if count > 1},
    "numbers": [int(number) for number in re.findall(r"\b\d+\b", TEXT)],
    "mean": sum(map(len, words)) / len(words),
    "swapped": re.sub(r"(\w+) (fox|dog)", r"\2 \1", TEXT.splitlines()[1]),
    "none": None,
}
text = json.dumps(report, sort_keys=True, indent=1)
assert json.loads(text) == report
print(text)
for name in ("md5", "sha256", "sha3_512", "blake2b"):
    print(name, hashlib.new(name, text.encode()).hexdigest())

sieve = bytearray([1]) * 20000
for number in range(2, 142):
    if sieve[number]:
        sieve[number * number :: number] = bytes(len(range(number * number, len(sieve), number)))
print(sum(sieve) - 2, "primes")
print(2**521 - 1)
