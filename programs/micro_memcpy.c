// One memcpy call site, always 512 bytes, both sides aligned to 64: shows what specialising a single size is worth.
//
//   micro_memcpy [COPIES]     copies that many blocks (default 20000) and prints a checksum over the destination

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 512, BLOCKS = 16 };

struct block {
    _Alignas(64) uint32_t words[BLOCK_BYTES / sizeof(uint32_t)];
};

static struct block sources[BLOCKS], destinations[BLOCKS];

// Not inlined, so that every copy comes from the same call site.
__attribute__((noinline)) static void copy_block(struct block *to, const struct block *from) {
    memcpy(to, from, BLOCK_BYTES);
}

int main(int argc, char **argv) {
    long copies = argc > 1 ? atol(argv[1]) : 20000;

    for (unsigned block = 0; block < BLOCKS; block++)
        for (unsigned word = 0; word < BLOCK_BYTES / sizeof(uint32_t); word++)
            sources[block].words[word] = block * 2654435761u + word;

    for (long i = 0; i < copies; i++) {
        struct block *from = &sources[i % BLOCKS];
        from->words[i % 128] += (uint32_t)i;
        copy_block(&destinations[(i * 7) % BLOCKS], from);
    }

    uint32_t checksum = 2166136261u;
    for (unsigned block = 0; block < BLOCKS; block++)
        for (unsigned word = 0; word < BLOCK_BYTES / sizeof(uint32_t); word++)
            checksum = (checksum ^ destinations[block].words[word]) * 16777619u;
    printf("%ld copies of %d bytes, checksum %08x\n", copies, BLOCK_BYTES, checksum);
    return 0;
}
