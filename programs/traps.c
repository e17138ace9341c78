// Ends in the way its first argument names: what the tests need to see every kind of ending.
//
//   traps oob | div | unreachable | stack | indirect | exit CODE | spin

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int (*unary)(int);
typedef double (*binary)(double, double);

static int negate(int value) { return -value; }

// Volatile, so that the compiler can neither foresee the trap nor drop it.
static volatile uintptr_t far_address = 0xfffffff0u;
static volatile int zero = 0, one = 1;
static volatile unary function = negate;

// Ends only when the stack does. Its frames hold no C variables in memory, so it is the stack of the machine that ends.
__attribute__((noinline)) static int recurse(int depth) { return depth >= zero ? recurse(depth + 1) + zero : 0; }

int main(int argc, char **argv) {
    const char *how = argc > 1 ? argv[1] : "";
    printf("ending by: %s\n", how);
    fflush(stdout);

    if (strcmp(how, "oob") == 0) return *(volatile int *)far_address;
    if (strcmp(how, "div") == 0) return one / zero;
    if (strcmp(how, "unreachable") == 0) __builtin_trap();
    if (strcmp(how, "stack") == 0) return recurse(0);
    if (strcmp(how, "indirect") == 0) return (int)((binary)(uintptr_t)function)(1.0, 2.0);
    if (strcmp(how, "exit") == 0) exit(argc > 2 ? atoi(argv[2]) : 0);
    if (strcmp(how, "spin") == 0) {
        for (;;) zero = 0;
    }
    fprintf(stderr, "usage: traps oob | div | unreachable | stack | indirect | exit CODE | spin\n");
    return 2;
}
