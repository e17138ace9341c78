// The 32nd Fibonacci number by its definition: seven million calls of one small function.

#include <stdio.h>

// Not inlined, so that every call is one.
__attribute__((noinline)) static unsigned fibonacci(unsigned n) {
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

int main(void) {
    printf("fibonacci(32) = %u\n", fibonacci(32));
    return 0;
}
