// The smallest program: prints its arguments.

#include <stdio.h>

int main(int argc, char **argv) {
    printf("Hello from ring 0!\n");
    for (int i = 0; i < argc; i++) printf("argv[%d] = %s\n", i, argv[i]);
    return 0;
}
