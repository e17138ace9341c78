// Sorts random numbers, numbers that repeat, and numbers in order and in reverse with a quicksort of its own, and the first
// of them with the C library's qsort as well.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { NUMBERS = 40000, SHORT = 16 };

static uint32_t numbers[NUMBERS], again[NUMBERS];

static void swap(uint32_t *a, uint32_t *b) {
    uint32_t other = *a;
    *a = *b;
    *b = other;
}

static void insertion_sort(uint32_t *first, int count) {
    for (int i = 1; i < count; i++) {
        uint32_t number = first[i];
        int place = i;
        for (; place > 0 && first[place - 1] > number; place--) first[place] = first[place - 1];
        first[place] = number;
    }
}

static uint32_t median(uint32_t a, uint32_t b, uint32_t c) {
    if (a > b) swap(&a, &b);
    return c < a ? a : c > b ? b : c;
}

// Hoare's: the smaller part by recursion, so that the stack stays short.
__attribute__((noinline)) static void quicksort(uint32_t *first, int count) {
    while (count > SHORT) {
        uint32_t pivot = median(first[0], first[count / 2], first[count - 1]);
        int low = 0, high = count - 1;
        while (low <= high) {
            while (first[low] < pivot) low++;
            while (first[high] > pivot) high--;
            if (low <= high) swap(&first[low++], &first[high--]);
        }
        if (high + 1 < count - low) {
            quicksort(first, high + 1);
            first += low;
            count -= low;
        } else {
            quicksort(first + low, count - low);
            count = high + 1;
        }
    }
    insertion_sort(first, count);
}

static int ascending(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

enum shape { RANDOM, REPEATING, RISING, FALLING, SHAPES };

static uint32_t number_of(enum shape shape, uint32_t i) {
    uint32_t mixed = i * 2654435761u;
    mixed = (mixed ^ mixed >> 15) * 2246822519u;
    switch (shape) {
    case RANDOM: return mixed ^ mixed >> 13;
    case REPEATING: return mixed >> 22;
    case RISING: return i;
    default: return NUMBERS - i;
    }
}

int main(void) {
    static const char *names[SHAPES] = {"random", "repeating", "rising", "falling"};
    for (enum shape shape = RANDOM; shape < SHAPES; shape++) {
        for (uint32_t i = 0; i < NUMBERS; i++) numbers[i] = again[i] = number_of(shape, i);
        quicksort(numbers, NUMBERS);
        if (shape == RANDOM) {
            qsort(again, NUMBERS, sizeof *again, ascending);
            for (int i = 0; i < NUMBERS; i++) {
                if (numbers[i] == again[i]) continue;
                printf("qsort has another number at place %d\n", i);
                return 1;
            }
        }
        uint32_t checksum = 2166136261u;
        for (int i = 0; i < NUMBERS; i++) {
            if (i > 0 && numbers[i - 1] > numbers[i]) {
                printf("%s: not in order at place %d\n", names[shape], i);
                return 1;
            }
            checksum = (checksum ^ numbers[i]) * 16777619u;
        }
        printf("%-9s  least %u, greatest %u, checksum %08x\n", names[shape], (unsigned)numbers[0],
               (unsigned)numbers[NUMBERS - 1], (unsigned)checksum);
    }
    return 0;
}
