// Multiplies matrices of doubles. Their elements are small whole numbers, so that every sum is exact, and the product is
// checked as Freivalds does: (A B) x = A (B x) for a vector x.

#include <stdio.h>

enum { SIZE = 192, ROUNDS = 2 };

typedef double matrix[SIZE][SIZE];

static matrix a, b, product;

__attribute__((noinline)) static void multiply(matrix to, matrix left, matrix right) {
    for (int row = 0; row < SIZE; row++) {
        for (int column = 0; column < SIZE; column++) to[row][column] = 0;
        for (int k = 0; k < SIZE; k++)
            for (int column = 0; column < SIZE; column++) to[row][column] += left[row][k] * right[k][column];
    }
}

__attribute__((noinline)) static void apply(double to[SIZE], matrix by, const double vector[SIZE]) {
    for (int row = 0; row < SIZE; row++) {
        to[row] = 0;
        for (int column = 0; column < SIZE; column++) to[row] += by[row][column] * vector[column];
    }
}

static int is_product(void) {
    double x[SIZE], through_product[SIZE], through_b[SIZE], through_both[SIZE];
    for (int i = 0; i < SIZE; i++) x[i] = i % 5 - 2;
    apply(through_product, product, x);
    apply(through_b, b, x);
    apply(through_both, a, through_b);
    for (int i = 0; i < SIZE; i++)
        if (through_product[i] != through_both[i]) return 0;
    return 1;
}

int main(void) {
    double trace = 0, sum = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (int row = 0; row < SIZE; row++) {
            for (int column = 0; column < SIZE; column++) {
                a[row][column] = (row * 7 + column * 3 + round) % 17 - 8;
                b[row][column] = (row * 5 + column * 11 + round) % 13 - 6;
            }
        }
        multiply(product, a, b);
        if (!is_product()) {
            printf("round %d: this is not the product\n", round);
            return 1;
        }
        for (int i = 0; i < SIZE; i++) trace += product[i][i];
        for (int i = 0; i < SIZE * SIZE; i++) sum += product[i / SIZE][i % SIZE] * (i % 101);
    }
    printf("%d products of %d x %d: trace %.0f, weighted sum %.0f\n", ROUNDS, SIZE, SIZE, trace, sum);
    return 0;
}
