// SHA-256 (FIPS 180-4) of three messages whose digests are published with the standard.

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK_BYTES = 64, DIGEST_WORDS = 8, ROUNDS = 64, LENGTH_BYTES = 8 };

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
static const uint32_t constants[ROUNDS] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

// A message that is hashed piece by piece.
struct hash {
    uint32_t words[DIGEST_WORDS];
    uint64_t message_bytes;
    unsigned char block[BLOCK_BYTES]; // what came since the last whole block
};

static uint32_t rotate(uint32_t word, int bits) { return word >> bits | word << (32 - bits); }

static void start(struct hash *hash) {
    // The same of the square roots of the first 8 primes.
    static const uint32_t initial[DIGEST_WORDS] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                                   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(hash->words, initial, sizeof initial);
    hash->message_bytes = 0;
}

__attribute__((noinline)) static void compress(uint32_t words[DIGEST_WORDS], const unsigned char block[BLOCK_BYTES]) {
    uint32_t w[ROUNDS];
    for (int i = 0; i < 16; i++, block += 4)
        w[i] = (uint32_t)block[0] << 24 | (uint32_t)block[1] << 16 | (uint32_t)block[2] << 8 | block[3];
    for (int i = 16; i < ROUNDS; i++) {
        uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    uint32_t a = words[0], b = words[1], c = words[2], d = words[3];
    uint32_t e = words[4], f = words[5], g = words[6], h = words[7];
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
        uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + constants[i] + w[i];
        uint32_t s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
        uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + t1;
        d = c, c = b, b = a, a = t1 + t2;
    }
    words[0] += a, words[1] += b, words[2] += c, words[3] += d;
    words[4] += e, words[5] += f, words[6] += g, words[7] += h;
}

static void add(struct hash *hash, const void *bytes, size_t length) {
    const unsigned char *from = bytes;
    while (length > 0) {
        size_t filled = hash->message_bytes % BLOCK_BYTES, part = BLOCK_BYTES - filled;
        if (part > length) part = length;
        memcpy(hash->block + filled, from, part);
        from += part;
        length -= part;
        hash->message_bytes += part;
        if (filled + part == BLOCK_BYTES) compress(hash->words, hash->block);
    }
}

// Ends the message with a one bit, zeros and its length in bits.
static void finish(struct hash *hash) {
    static const unsigned char padding[BLOCK_BYTES] = {0x80};
    uint64_t bits = hash->message_bytes * 8;
    size_t filled = hash->message_bytes % BLOCK_BYTES, end = BLOCK_BYTES - LENGTH_BYTES;
    add(hash, padding, filled < end ? end - filled : end + BLOCK_BYTES - filled);
    unsigned char length[LENGTH_BYTES];
    for (int i = 0; i < LENGTH_BYTES; i++) length[i] = bits >> (56 - 8 * i);
    add(hash, length, sizeof length);
}

// Prints the digest of `text`, `times` times over.
static void print_digest(const char *name, const char *text, int times) {
    struct hash hash;
    start(&hash);
    for (int i = 0; i < times; i++) add(&hash, text, strlen(text));
    finish(&hash);
    for (int i = 0; i < DIGEST_WORDS; i++) printf("%08x", (unsigned)hash.words[i]);
    printf("  %s\n", name);
}

int main(void) {
    print_digest("abc", "abc", 1);
    print_digest("448 bits", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1);
    print_digest("a million times a", "aaaaaaaaaaaaaaaaaaaa", 50000);
    return 0;
}
