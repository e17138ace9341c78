// Counts the primes below two million with the sieve of Eratosthenes.

#include <stdio.h>
#include <string.h>

enum { LIMIT = 2000000 };

static char composite[LIMIT];

static void sieve(void) {
    memset(composite, 0, sizeof composite);
    for (int n = 2; n * n < LIMIT; n++) {
        if (composite[n]) continue;
        for (int multiple = n * n; multiple < LIMIT; multiple += n) composite[multiple] = 1;
    }
}

int main(void) {
    int count = 0, twins = 0, largest = 2;
    sieve();
    for (int n = 2; n < LIMIT; n++) {
        if (composite[n]) continue;
        count++;
        if (n - largest == 2) twins++;
        largest = n;
    }
    printf("%d primes below %d, %d pairs of twins; the largest is %d\n", count, LIMIT, twins, largest);
    return 0;
}
