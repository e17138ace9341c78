// Adds numbers in memory, twenty times over: in order, in reverse, and with a stride that visits them all.

#include <stdint.h>
#include <stdio.h>

enum { NUMBERS = 1 << 18, ROUNDS = 20, STRIDE = 4099 };

static uint32_t numbers[NUMBERS];

__attribute__((noinline)) static uint64_t forwards(void) {
    uint64_t sum = 0;
    for (int i = 0; i < NUMBERS; i++) sum += numbers[i];
    return sum;
}

__attribute__((noinline)) static uint64_t backwards(void) {
    uint64_t sum = 0;
    for (int i = NUMBERS - 1; i >= 0; i--) sum += numbers[i];
    return sum;
}

// STRIDE is odd and NUMBERS a power of two, so each number is visited once.
__attribute__((noinline)) static uint64_t scattered(void) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < NUMBERS; i++) sum += numbers[i * STRIDE % NUMBERS];
    return sum;
}

int main(void) {
    for (uint32_t i = 0; i < NUMBERS; i++) numbers[i] = i * 2654435761u;
    uint64_t total = 0;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t sum = forwards();
        if (backwards() != sum || scattered() != sum) {
            printf("round %d: the sums differ\n", round);
            return 1;
        }
        total += sum;
        numbers[round]++;
    }
    printf("%d sums of %d numbers: %llu\n", 3 * ROUNDS, NUMBERS, (unsigned long long)total);
    return 0;
}
