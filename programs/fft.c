// Multiplies large numbers by fast Fourier transform: digits are multiplied as polynomials whose values are taken at roots
// of unity. Rounding to whole numbers makes the digits exact, whichever way sines and cosines are rounded.

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
    POINTS = 1 << 14,
    BASE = 1000, // what a digit is smaller than
    DIGITS = POINTS / 2,
    ROUNDS = 4,
    MODULUS = 1000003, // a prime, to check the product with
};

struct complex {
    double re, im;
};

static struct complex roots[POINTS / 2], left[POINTS], right[POINTS];
static uint32_t a[DIGITS], b[DIGITS], product[POINTS]; // the least digit first

static struct complex times(struct complex x, struct complex y) {
    return (struct complex){x.re * y.re - x.im * y.im, x.re * y.im + x.im * y.re};
}

static void prepare_roots(void) {
    const double pi = 3.14159265358979323846;
    for (int i = 0; i < POINTS / 2; i++) roots[i] = (struct complex){cos(2 * pi * i / POINTS), sin(2 * pi * i / POINTS)};
}

// Brings element i to the place whose number has the bits of i in reverse.
static void reverse_bits(struct complex *values) {
    for (int i = 1, j = 0; i < POINTS; i++) {
        int bit = POINTS / 2;
        for (; j & bit; bit /= 2) j -= bit;
        j += bit;
        if (i < j) {
            struct complex swapped = values[i];
            values[i] = values[j];
            values[j] = swapped;
        }
    }
}

// In place; without the division by POINTS if inverse.
__attribute__((noinline)) static void transform(struct complex *values, int inverse) {
    reverse_bits(values);
    for (int half = 1; half < POINTS; half *= 2) {
        for (int start = 0; start < POINTS; start += 2 * half) {
            for (int i = 0; i < half; i++) {
                struct complex root = roots[i * (POINTS / 2 / half)];
                if (inverse) root.im = -root.im;
                struct complex *low = &values[start + i], *high = low + half;
                struct complex even = *low, odd = times(*high, root);
                *low = (struct complex){even.re + odd.re, even.im + odd.im};
                *high = (struct complex){even.re - odd.re, even.im - odd.im};
            }
        }
    }
}

static void load(struct complex *values, const uint32_t *digits) {
    memset(values, 0, POINTS * sizeof *values);
    for (int i = 0; i < DIGITS; i++) values[i].re = digits[i];
}

static void multiply(void) {
    load(left, a);
    load(right, b);
    transform(left, 0);
    transform(right, 0);
    for (int i = 0; i < POINTS; i++) left[i] = times(left[i], right[i]);
    transform(left, 1);
    uint64_t carry = 0;
    for (int i = 0; i < POINTS; i++) {
        carry += (uint64_t)floor(left[i].re / POINTS + 0.5);
        product[i] = carry % BASE;
        carry /= BASE;
    }
}

static uint64_t remainder_of(const uint32_t *digits, int count) {
    uint64_t remainder = 0;
    for (int i = count - 1; i >= 0; i--) remainder = (remainder * BASE + digits[i]) % MODULUS;
    return remainder;
}

int main(void) {
    uint32_t random = 1, checksum = 2166136261u;
    prepare_roots();
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < DIGITS; i++) {
            a[i] = (random = random * 1664525u + 1013904223u) >> 8 & 511;
            b[i] = (random = random * 1664525u + 1013904223u) >> 8 & 511;
        }
        multiply();
        if (remainder_of(product, POINTS) != remainder_of(a, DIGITS) * remainder_of(b, DIGITS) % MODULUS) {
            printf("round %d: this is not the product\n", round);
            return 1;
        }
        for (int i = 0; i < POINTS; i++) checksum = (checksum ^ product[i]) * 16777619u;
    }
    printf("%d products of numbers of %d digits, checksum %08x\n", ROUNDS, 3 * DIGITS, (unsigned)checksum);
    return 0;
}
