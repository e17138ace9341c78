#include <limit.h>

int sum(const int *numbers, int count) {
    int sum = 0;
    while (count-- && sum < LIMIT) {
        sum += *numbers++;
    }
    return sum;
}
