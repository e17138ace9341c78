// Writes every call of the heap to standard error, one line each. Linked into a program with
// -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free.
//
//   malloc SIZE ADDRESS    calloc BYTES ADDRESS    realloc OLD SIZE ADDRESS    free ADDRESS

#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void __real_free(void *block);

// Not through stdio, which uses the heap itself.
static void say(const char *call, const size_t *words, int count) {
    char line[64], *end = line;
    while (*call) *end++ = *call++;
    for (int i = 0; i < count; i++) {
        char digits[20];
        int length = 0;
        size_t word = words[i];
        do digits[length++] = '0' + word % 10; while (word /= 10);
        for (*end++ = ' '; length; ) *end++ = digits[--length];
    }
    *end++ = '\n';
    write(2, line, end - line);
}

void *__wrap_malloc(size_t size) {
    void *block = __real_malloc(size);
    say("malloc", (size_t[]){size, (size_t)block}, 2);
    return block;
}

void *__wrap_calloc(size_t count, size_t size) {
    void *block = __real_calloc(count, size);
    say("calloc", (size_t[]){count * size, (size_t)block}, 2);
    return block;
}

void *__wrap_realloc(void *block, size_t size) {
    size_t old = (size_t)block;
    void *moved = __real_realloc(block, size);
    say("realloc", (size_t[]){old, size, (size_t)moved}, 3);
    return moved;
}

void __wrap_free(void *block) {
    __real_free(block);
    say("free", (size_t[]){(size_t)block}, 1);
}
