/* Reads outside of memory in a function whose body stands in place of its call. */

static inline int element(const int *table, int index) {
    return table[index];
}

__attribute__((noinline)) static int sum(const int *table, int count) {
    int total = 0;
    for (int index = 0; index < count; index++)
        total += element(table, index);
    return total;
}

int main(int argc, char **argv) {
    (void)argv;
    return sum((const int *)(argc * 65536), 1000000);
}
